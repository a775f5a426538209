//! Two negotiations against each other, and against what browsers wrote.

use std::path::Path;

use rand::SeedableRng;

use super::*;

mod browsers;
mod hostile;
mod media;
mod simulcast;

const FINGERPRINT: &str = "sha-256 AF:58:11:E0:0F:89:25:A9:A6:20:67:1B:FB:B0:28:C2:47:30:46:EC:\
                           D4:1D:40:E5:BB:0B:2B:95:72:C5:4B:54";

fn local(candidates: &[String]) -> LocalTransport {
    LocalTransport {
        ice_ufrag: "ufragufr".to_owned(),
        ice_pwd: "pwdpwdpwdpwdpwdpwdpwdpwd".to_owned(),
        fingerprint: FINGERPRINT.to_owned(),
        candidates: candidates.to_vec(),
        end_of_candidates: false,
        ice_lite: false,
        max_message_size: 262_144,
    }
}

fn fresh(id: u64) -> Negotiation {
    negotiation(id, SetupRole::Active)
}

fn negotiation(id: u64, role: SetupRole) -> Negotiation {
    Negotiation::new(id, role, StdRng::seed_from_u64(id))
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/sdp").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn offer(from: &mut Negotiation) -> SessionDescription {
    let offer = from.create_offer(&local(&[]));
    assert_eq!(from.set_local(&offer, &local(&[])).unwrap(), Outcome::Pending);
    offer
}

fn answer(from: &mut Negotiation) -> (SessionDescription, Agreement) {
    let answer = from.create_answer(&local(&[])).unwrap();
    let outcome = from.set_local(&answer, &local(&[])).unwrap();
    (answer, agreement(outcome))
}

fn agreement(outcome: Outcome) -> Agreement {
    match outcome {
        Outcome::Agreed(Some(agreement)) => *agreement,
        other => panic!("{other:?}"),
    }
}

fn message_size(agreement: &Agreement) -> sdp::MaxMessageSize {
    agreement.remote.data.unwrap().max_message_size
}

/// A whole exchange; the agreements of offerer and answerer.
fn exchange(offerer: &mut Negotiation, answerer: &mut Negotiation) -> (Agreement, Agreement) {
    let offer = offer(offerer);
    assert_eq!(answerer.set_remote(&offer).unwrap(), Outcome::Pending);
    let (answer, theirs) = answer(answerer);
    let ours = agreement(offerer.set_remote(&answer).unwrap());
    assert_eq!(offerer.signaling_state(), SignalingState::Stable);
    assert_eq!(answerer.signaling_state(), SignalingState::Stable);
    (ours, theirs)
}

fn version(description: &SessionDescription) -> u64 {
    Session::parse(&description.sdp).unwrap().origin.version
}

/// Answers a browser's offer.
fn answer_to(offer: &str) -> Result<(Session, Option<Agreement>), Error> {
    let mut peer = fresh(1);
    peer.set_remote(&SessionDescription::offer(offer))?;
    let answer = peer.create_answer(&local(&[]))?;
    let outcome = peer.set_local(&answer, &local(&[]))?;
    let Outcome::Agreed(agreement) = outcome else { panic!("{outcome:?}") };
    Ok((Session::parse(&answer.sdp).unwrap(), agreement.map(|agreement| *agreement)))
}

#[test]
fn an_offer_is_what_rfc_9429_section_5_2_1_asks_for() {
    let candidates = ["candidate:1 1 udp 2122260223 192.0.2.1 4242 typ host".to_owned()];
    let mut peer = fresh(7);
    let offer = peer.create_offer(&local(&candidates));
    let expected = format!(
        "v=0\r\no=- 7 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         a=ice-options:trickle ice2 renomination\r\nm=application 4242 UDP/DTLS/SCTP webrtc-datachannel\r\n\
         c=IN IP4 192.0.2.1\r\na=candidate:1 1 udp 2122260223 192.0.2.1 4242 typ host\r\n\
         a=ice-ufrag:ufragufr\r\na=ice-pwd:pwdpwdpwdpwdpwdpwdpwdpwd\r\n\
         a=fingerprint:{FINGERPRINT}\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n\
         a=max-message-size:262144\r\n"
    );
    assert_eq!(offer.sdp, expected);
}

#[test]
fn both_sides_agree_on_complementary_roles() {
    for (preferred, expected) in [
        (SetupRole::Active, (SetupRole::Passive, SetupRole::Active)),
        (SetupRole::Passive, (SetupRole::Active, SetupRole::Passive)),
    ] {
        let (mut a, mut b) = (fresh(1), negotiation(2, preferred));
        let (ours, theirs) = exchange(&mut a, &mut b);
        assert_eq!((ours.role, theirs.role), expected);
        assert!(ours.offerer && !theirs.offerer);
        assert_eq!(ours.remote.ice_ufrag, "ufragufr");
        assert_eq!(theirs.remote.fingerprints, [FINGERPRINT.parse().unwrap()]);
        assert_eq!(message_size(&theirs), sdp::MaxMessageSize::Octets(262_144));
    }
}

#[test]
fn trap_offers_that_are_active_or_passive_are_accepted_and_answers_are_never_actpass() {
    let offer = fixture("chromium-data.offer.sdp");
    for (setup, expected) in [
        ("a=setup:actpass\r\n", SetupRole::Active),
        ("a=setup:active\r\n", SetupRole::Passive),
        ("a=setup:passive\r\n", SetupRole::Active),
        ("", SetupRole::Passive),
    ] {
        let (answer, agreement) = answer_to(&offer.replace("a=setup:actpass\r\n", setup)).unwrap();
        assert_eq!(agreement.unwrap().role, expected, "{setup}");
        assert_eq!(answer.sections().next().unwrap().setup(), Some(expected.setup()));
    }
    let holdconn = offer.replace("actpass", "holdconn");
    assert!(matches!(answer_to(&holdconn), Err(Error::HoldConnection)));
    let mut peer = fresh(1);
    self::offer(&mut peer);
    let answer = fixture("firefox-data.answer.sdp").replace("setup:active", "setup:actpass");
    let result = peer.set_remote(&SessionDescription::answer(answer));
    assert!(matches!(result, Err(Error::UndecidedRole)), "{result:?}");
    assert_eq!(peer.signaling_state(), SignalingState::HaveLocalOffer);
}

/// Chrome: "Failed to set SSL role". Whoever offers next, and whatever it prefers, the roles stay.
#[test]
fn trap_a_re_offer_keeps_the_dtls_role() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    let (first, _) = exchange(&mut a, &mut b);
    assert_eq!(first.role, SetupRole::Passive);
    let (theirs, ours) = exchange(&mut b, &mut a);
    assert_eq!((ours.role, theirs.role), (SetupRole::Passive, SetupRole::Active));
    // A re-offer or answer that would flip the role is refused, and leaves the state as it was.
    let flipped = offer(&mut b).sdp.replace("actpass", "passive");
    let result = a.set_remote(&SessionDescription::offer(flipped));
    assert!(matches!(result, Err(Error::RoleChanged)), "{result:?}");
    assert_eq!(a.signaling_state(), SignalingState::Stable);
    let kept = b.local_description(&local(&[])).unwrap().sdp.replace("actpass", "active");
    a.set_remote(&SessionDescription::offer(kept)).unwrap();
    let answer = answer(&mut a).0.sdp.replace("setup:passive", "setup:active");
    let result = b.set_remote(&SessionDescription::answer(answer));
    assert!(matches!(result, Err(Error::RoleChanged)), "{result:?}");
    assert_eq!(b.signaling_state(), SignalingState::HaveLocalOffer);
}

#[test]
fn a_re_offer_keeps_the_certificate() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    exchange(&mut a, &mut b);
    let other = offer(&mut a).sdp.replace("AF:58", "AF:59");
    let result = b.set_remote(&SessionDescription::offer(other));
    assert!(matches!(result, Err(Error::FingerprintChanged)), "{result:?}");
    assert_eq!(b.signaling_state(), SignalingState::Stable);
}

#[test]
fn trap_fingerprints_of_unknown_hashes_are_passed_over() {
    let offer = fixture("chromium-data.offer.sdp");
    let more = format!("{offer}a=fingerprint:sha-1 00:01\r\na=fingerprint:moon-7 AB\r\n");
    assert_eq!(answer_to(&more).unwrap().1.unwrap().remote.fingerprints.len(), 1);
    let weak = offer.replace("fingerprint:sha-256", "fingerprint:md5");
    assert!(matches!(answer_to(&weak), Err(Error::FingerprintUnsupported)));
}

#[test]
fn trap_the_version_of_the_origin_goes_up_by_one_per_change_only() {
    let mut peer = fresh(1);
    assert_eq!(version(&peer.create_offer(&local(&[]))), 1);
    assert_eq!(version(&peer.create_offer(&local(&[]))), 1);
    let candidates = ["candidate:1 1 udp 1 192.0.2.1 1 typ host".to_owned()];
    let offer = peer.create_offer(&local(&candidates));
    assert_eq!(version(&offer), 2);
    peer.set_local(&offer, &local(&candidates)).unwrap();
    peer.set_local(&SessionDescription::rollback(), &local(&[])).unwrap();
    // RFC 9429 §5.2.2: not even a rollback takes it back.
    assert_eq!(version(&peer.create_offer(&local(&candidates))), 2);
    assert_eq!(version(&peer.create_offer(&local(&[]))), 3);
}

#[test]
fn rollback_returns_to_stable_and_to_the_descriptions_in_force() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    exchange(&mut a, &mut b);
    let before = (a.local_description(&local(&[])), a.remote_description());
    let candidates = ["candidate:1 1 udp 1 192.0.2.1 1 typ host".to_owned()];
    a.set_local(&SessionDescription::offer(""), &local(&candidates)).unwrap();
    assert_ne!(a.local_description(&local(&[])), before.0);
    let outcome = a.set_local(&SessionDescription::rollback(), &local(&[])).unwrap();
    assert_eq!((outcome, a.signaling_state()), (Outcome::RolledBack, SignalingState::Stable));
    assert_eq!((a.local_description(&local(&[])), a.remote_description()), before);
    a.set_remote(&offer(&mut b)).unwrap();
    assert_eq!(a.set_remote(&SessionDescription::rollback()).unwrap(), Outcome::RolledBack);
    assert_eq!((a.local_description(&local(&[])), a.remote_description()), before);
    let again = a.set_local(&SessionDescription::rollback(), &local(&[]));
    assert!(matches!(again, Err(Error::WrongState { .. })));
}

/// Both offer at once: the polite side takes the other's offer, which takes back its own.
#[test]
fn trap_glare_is_resolved_by_implicit_rollback() {
    let (mut polite, mut impolite) = (fresh(1), fresh(2));
    let (lost, won) = (offer(&mut polite), offer(&mut impolite));
    polite.set_remote(&won).unwrap();
    assert_eq!(polite.signaling_state(), SignalingState::HaveRemoteOffer);
    let (answer, theirs) = answer(&mut polite);
    let ours = agreement(impolite.set_remote(&answer).unwrap());
    assert_eq!((ours.role, theirs.role), (SetupRole::Passive, SetupRole::Active));
    let stale = polite.set_local(&lost, &local(&[]));
    assert!(matches!(stale, Err(Error::Modified)));
}

#[test]
fn a_provisional_answer_takes_effect_and_a_final_one_follows() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    b.set_remote(&offer(&mut a)).unwrap();
    let created = b.create_answer(&local(&[])).unwrap();
    let provisional = SessionDescription { kind: SdpType::PrAnswer, sdp: created.sdp };
    let theirs = agreement(b.set_local(&provisional, &local(&[])).unwrap());
    assert_eq!(b.signaling_state(), SignalingState::HaveLocalPranswer);
    let ours = agreement(a.set_remote(&provisional).unwrap());
    assert_eq!(a.signaling_state(), SignalingState::HaveRemotePranswer);
    assert_ne!(ours.role, theirs.role);
    let (answer, _) = answer(&mut b);
    a.set_remote(&answer).unwrap();
    assert_eq!(a.signaling_state(), SignalingState::Stable);
}

#[test]
fn a_local_description_is_set_as_created_or_by_empty_text() {
    let mut peer = fresh(1);
    let mut munged = peer.create_offer(&local(&[]));
    munged.sdp.push_str("a=x\r\n");
    assert!(matches!(peer.set_local(&munged, &local(&[])), Err(Error::Modified)));
    assert_eq!(peer.signaling_state(), SignalingState::Stable);
    peer.set_local(&SessionDescription::offer(""), &local(&[])).unwrap();
    assert_eq!(peer.signaling_state(), SignalingState::HaveLocalOffer);
    assert!(matches!(peer.create_answer(&local(&[])), Err(Error::WrongState { .. })));
}

/// `sctp-init` echoed back broke a stack; so nothing is echoed that we did not write ourselves.
#[test]
fn trap_unknown_attributes_are_never_echoed() {
    let offer = fixture("chromium-data.offer.sdp")
        + "a=sctp-init:AQAAAA==\r\na=x-secret:1\r\na=rtcp-xr:rcvr-rtt=all\r\n";
    let (answer, _) =
        answer_to(&offer.replace("t=0 0\r\n", "t=0 0\r\ny=1\r\na=x-session:2\r\n")).unwrap();
    let known = [
        "group",
        "ice-options",
        "ice-ufrag",
        "ice-pwd",
        "fingerprint",
        "setup",
        "mid",
        "sctp-port",
        "max-message-size",
    ];
    let section = answer.sections().next().unwrap();
    for attribute in answer.lines.attributes().chain(section.media.lines.attributes()) {
        assert!(known.contains(&attribute.name), "{attribute}");
    }
    assert!(!answer.to_string().contains("y=1"));
}

/// A browser's max-bundle offer whose audio is text (RFC 4103), which we do not speak.
fn max_bundle_with_text(browser: &str) -> String {
    fixture(&format!("{browser}-max-bundle.offer.sdp")).replace("m=audio", "m=text")
}

/// Under max-bundle the first section has the only transport. Rejecting it fails the whole answer
/// in Chromium ("Failed to setup RTCP mux") and the connection in Firefox.
#[test]
fn trap_max_bundle_media_that_carries_the_rest_is_accepted_inactive() {
    for browser in ["chromium", "firefox"] {
        let (answer, agreement) = answer_to(&max_bundle_with_text(browser)).unwrap();
        let ports: Vec<_> = answer.sections().map(|section| section.media.port).collect();
        assert_eq!(ports, [9, 9, 9], "{browser}");
        let mids: Vec<_> = answer.bundle_groups().next().unwrap().mids().collect();
        assert_eq!(mids, ["0", "1", "2"]);
        let carrier = answer.sections().next().unwrap();
        assert_eq!(carrier.direction(), sdp::Direction::Inactive);
        assert!(carrier.rtcp_mux() && carrier.ice_ufrag().is_some() && carrier.setup().is_some());
        assert_eq!(carrier.payload_types().len(), 1);
        assert_eq!(carrier.rtp_maps().next().unwrap().encoding, "opus");
        // Its candidates stand in the tagged section.
        assert!(agreement.unwrap().remote.candidates.len() >= 2);
    }
}

#[test]
fn a_carrier_stays_in_our_own_offers_with_the_candidates() {
    let mut peer = fresh(1);
    let browser = max_bundle_with_text("firefox");
    peer.set_remote(&SessionDescription::offer(browser)).unwrap();
    answer(&mut peer);
    let candidates = ["candidate:1 1 udp 1 192.0.2.1 1 typ host".to_owned()];
    let offer = Session::parse(&peer.create_offer(&local(&candidates)).sdp).unwrap();
    let shape: Vec<_> = offer
        .sections()
        .map(|section| {
            (section.media.kind.as_str(), section.is_rejected(), section.candidates().count())
        })
        .collect();
    assert_eq!(shape, [("text", false, 1), ("video", false, 0), ("application", false, 0)]);
    assert_eq!(peer.transport_mid().as_deref(), Some("0"));
}

#[test]
fn trap_what_the_tagged_section_says_holds_for_the_bundle() {
    let offer = fixture("chromium-audio-video-data.offer.sdp");
    let (session, data) = offer.split_once("m=application").unwrap();
    let stripped: String = data
        .split_inclusive("\r\n")
        .filter(|line| {
            !["a=ice-", "a=fingerprint", "a=setup", "a=candidate"]
                .iter()
                .any(|p| line.starts_with(p))
        })
        .collect();
    let (_, agreement) = answer_to(&format!("{session}m=application{stripped}")).unwrap();
    let remote = agreement.unwrap().remote;
    assert_eq!(remote.ice_ufrag, "xzah");
    assert_eq!((remote.fingerprints.len(), remote.setup), (1, Some(Setup::ActPass)));
    assert_eq!(remote.candidates.len(), 2);
}

/// Firefox answers a section in a recycled place with `active` where the transport is `passive`.
#[test]
fn trap_only_the_tagged_section_says_the_dtls_role() {
    let mut peer = fresh(1);
    let browser = fixture("firefox-max-bundle.offer.sdp");
    peer.set_remote(&SessionDescription::offer(browser)).unwrap();
    let (_, agreement) = answer(&mut peer);
    assert_eq!(agreement.role, SetupRole::Active);
    let fingerprint = agreement.remote.fingerprints[0].to_string();
    let answer = offer(&mut peer)
        .sdp
        .replace(FINGERPRINT, &fingerprint)
        .replacen("setup:actpass", "setup:passive", 1)
        .replacen("setup:actpass", "setup:active", 1);
    let outcome = peer.set_remote(&SessionDescription::answer(answer)).unwrap();
    assert_eq!(self::agreement(outcome).role, SetupRole::Active);
}

/// We have rejected a section, so a browser may use its place again, with a new mid.
#[test]
fn trap_a_rejected_place_is_used_again_under_a_new_mid() {
    let mut peer = fresh(1);
    let browser = fixture("chromium-audio-video-data.offer.sdp").replace("m=audio", "m=text");
    peer.set_remote(&SessionDescription::offer(browser.clone())).unwrap();
    let first = Session::parse(&answer(&mut peer).0.sdp).unwrap();
    assert_eq!((first.media[0].kind.as_str(), first.media[0].port), ("text", 0));
    let recycled = browser
        .replace("m=text", "m=audio")
        .replace("a=mid:0\r\n", "a=mid:9\r\n")
        .replace("BUNDLE 0 1 2", "BUNDLE 1 2 9");
    peer.set_remote(&SessionDescription::offer(recycled)).unwrap();
    let second = Session::parse(&answer(&mut peer).0.sdp).unwrap();
    let sections: Vec<_> = second.sections().map(|s| (s.mid(), s.is_rejected())).collect();
    assert_eq!(sections, [(Some("9"), false), (Some("1"), false), (Some("2"), false)]);
    assert_eq!(second.bundle_groups().next().unwrap().mids().collect::<Vec<_>>(), ["1", "2", "9"]);
}

/// A mid is any token; the answer repeats it.
#[test]
fn trap_a_mid_is_an_opaque_token() {
    let mid = "data.0~{x}!";
    let offer = fixture("chromium-data.offer.sdp")
        .replace("a=mid:0", &format!("a=mid:{mid}"))
        .replace("BUNDLE 0", &format!("BUNDLE {mid}"));
    let (answer, agreement) = answer_to(&offer).unwrap();
    assert!(agreement.is_some());
    assert_eq!(answer.sections().next().unwrap().mid(), Some(mid));
    assert_eq!(answer.bundle_groups().next().unwrap().mids().collect::<Vec<_>>(), [mid]);
}

/// Chrome nominates by NOMINATION alone, without USE-CANDIDATE, where both sides say `renomination`: it
/// is said, for our agent understands it.
#[test]
fn trap_renomination_is_understood() {
    let offer = fixture("chromium-data.offer.sdp")
        .replace("a=ice-options:trickle", "a=ice-options:trickle renomination");
    let (answer, _) = answer_to(&offer).unwrap();
    let section = answer.sections().next().unwrap();
    assert_eq!(section.ice_options().collect::<Vec<_>>(), ["trickle", "ice2", "renomination"]);
}

#[test]
fn row_79_nothing_without_dtls() {
    let data = fixture("chromium-data.offer.sdp");
    let without = |prefix: &str| -> String {
        data.split_inclusive("\r\n").filter(|line| !line.starts_with(prefix)).collect()
    };
    assert!(matches!(answer_to(&without("a=fingerprint")), Err(Error::NoFingerprint)));
    assert!(matches!(answer_to(&without("a=ice-pwd")), Err(Error::NoIceCredentials)));
    let head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
    let plain = format!("{head}m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n");
    assert!(matches!(answer_to(&plain), Err(Error::NotEncrypted)));
    let sdes = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n";
    for protocol in ["RTP/SAVP", "RTP/AVP", "UDP/TLS/RTP/SAVPF"] {
        let offer = format!("{head}m=audio 4000 {protocol} 0\r\n{sdes}");
        assert!(matches!(answer_to(&offer), Err(Error::Sdes)), "{protocol}");
    }
    // Data beside unencrypted audio is refused as a whole, but not if the audio is rejected anyway.
    assert!(matches!(
        answer_to(&format!("{data}m=audio 4000 RTP/AVP 0\r\n")),
        Err(Error::NotEncrypted)
    ));
    assert!(answer_to(&format!("{data}m=audio 0 RTP/AVP 0\r\n")).is_ok());
    // Protocols that are merely unknown are rejected in their place.
    let (answer, _) = answer_to(&format!("{data}m=message 9 TCP/MSRP *\r\n")).unwrap();
    assert_eq!(answer.media[1].port, 0);
}

#[test]
fn an_answer_must_match_the_offer() {
    let mut peer = fresh(1);
    let offered = offer(&mut peer);
    let good = fixture("firefox-data.answer.sdp");
    type Check = fn(&Error) -> bool;
    let cases: [(String, Check); 4] = [
        (good.replace("a=mid:0", "a=mid:1"), |e| matches!(e, Error::AnswerMismatch)),
        (format!("{good}m=audio 0 RTP/AVP 0\r\n"), |e| matches!(e, Error::AnswerMismatch)),
        (good.replace("m=application 57412", "m=application 0"), |e| {
            matches!(e, Error::DataRejected)
        }),
        ("v=0".to_owned(), |e| matches!(e, Error::Sdp(_))),
    ];
    for (sdp, expected) in cases {
        let error = peer.set_remote(&SessionDescription::answer(sdp)).unwrap_err();
        assert!(expected(&error), "{error}");
        assert_eq!(peer.signaling_state(), SignalingState::HaveLocalOffer);
    }
    peer.set_remote(&SessionDescription::answer(good)).unwrap();
    let late = peer.set_local(&offered, &local(&[]));
    assert!(matches!(late, Err(Error::Modified)));
}

/// The browser calls first with audio and video and data; whoever offers again, the m= lines stay.
#[test]
fn trap_m_lines_keep_their_number_and_order_for_ever() {
    let mut peer = fresh(1);
    let browser = fixture("chromium-audio-video-data.offer.sdp");
    peer.set_remote(&SessionDescription::offer(browser.clone())).unwrap();
    answer(&mut peer);
    let ours = Session::parse(&peer.create_offer(&local(&[])).sdp).unwrap();
    let kinds: Vec<_> = ours.media.iter().map(|m| (m.kind.as_str(), m.port)).collect();
    assert_eq!(kinds, [("audio", 9), ("video", 9), ("application", 9)]);
    let fewer = browser.split_once("m=application").unwrap().0;
    let result = peer.set_remote(&SessionDescription::offer(fewer));
    assert!(matches!(result, Err(Error::MediaRemoved)), "{result:?}");
    let other = browser.replace("m=application", "m=message");
    let result = peer.set_remote(&SessionDescription::offer(other));
    assert!(matches!(result, Err(Error::MediaChanged)), "{result:?}");
    let more = format!("{browser}m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:9\r\n");
    peer.set_remote(&SessionDescription::offer(more)).unwrap();
    answer(&mut peer);
    assert_eq!(Session::parse(&peer.create_offer(&local(&[])).sdp).unwrap().media.len(), 4);
}

#[test]
fn an_offer_of_unknown_media_is_answered_rejected_and_data_can_be_added() {
    let mut peer = fresh(1);
    let text = fixture("firefox-audio.offer.sdp").replace("m=audio", "m=text");
    peer.set_remote(&SessionDescription::offer(text)).unwrap();
    let answer = peer.create_answer(&local(&[])).unwrap();
    assert!(!answer.sdp.contains("a=group") && !answer.sdp.contains("candidate"));
    assert_eq!(peer.set_local(&answer, &local(&[])).unwrap(), Outcome::Agreed(None));
    let offer = Session::parse(&peer.create_offer(&local(&[])).sdp).unwrap();
    let mids: Vec<_> = offer.sections().map(|section| section.mid()).collect();
    assert_eq!(mids, [Some("0"), Some("1")]);
    assert_eq!(offer.bundle_groups().next().unwrap().mids().collect::<Vec<_>>(), ["1"]);
}

#[test]
fn ice_lite_and_message_sizes_are_read() {
    let offer =
        fixture("chromium-data.offer.sdp").replace("s=-\r\n", "s=gateway\r\na=ice-lite\r\n");
    let (_, agreement) = answer_to(&offer).unwrap();
    assert!(agreement.unwrap().remote.ice_lite);
    let silent = offer.replace("a=max-message-size:262144\r\n", "");
    let silent = answer_to(&silent).unwrap().1.unwrap();
    assert_eq!(message_size(&silent), sdp::MaxMessageSize::Octets(65_536));
    let unlimited = offer.replace("size:262144", "size:0");
    let unlimited = answer_to(&unlimited).unwrap().1.unwrap();
    assert_eq!(message_size(&unlimited), sdp::MaxMessageSize::Unlimited);
}

#[test]
fn candidates_found_later_stand_in_the_local_description() {
    let mut peer = fresh(1);
    offer(&mut peer);
    let candidates = ["candidate:1 1 udp 1 192.0.2.1 1 typ host".to_owned()];
    let transport = LocalTransport { end_of_candidates: true, ..local(&candidates) };
    let text = peer.local_description(&transport).unwrap().sdp;
    assert!(text.contains("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=end-of-candidates\r\n"));
    assert_eq!(text.matches("candidate:").count(), 1);
}
