//! Every description a browser wrote: offers are answered, answers are accepted.

use std::collections::BTreeSet;

use sdp::Direction;

use super::*;
use crate::media::TransceiverInit;

pub(super) fn fixtures(suffix: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let mut found = Vec::new();
    for folder in ["sdp", "pcap"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.ends_with(suffix) {
                found.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 20, "{suffix}: {}", found.len());
    found
}

/// An answer never has a number, a parameter, an extension or a layer that was not offered.
pub(super) fn check_subset(name: &str, offered: &sdp::Section<'_>, answered: &sdp::Section<'_>) {
    let numbers: BTreeSet<u8> = offered.payload_types().into_iter().collect();
    assert!(answered.payload_types().iter().all(|number| numbers.contains(number)), "{name}");
    let maps: Vec<_> = offered.rtp_maps().collect();
    for map in answered.rtp_maps() {
        let same = maps.iter().find(|other| other.payload_type == map.payload_type);
        // Static numbers need no line.
        let Some(same) = same.or_else(|| [0, 8, 9].contains(&map.payload_type).then_some(&map))
        else {
            panic!("{name}: {map}");
        };
        assert!(same.encoding.eq_ignore_ascii_case(map.encoding), "{name}");
        assert_eq!(same.clock_rate, map.clock_rate, "{name}");
        assert_eq!(same.channels.unwrap_or(1), map.channels.unwrap_or(1), "{name}");
    }
    let feedback: Vec<_> = offered.rtcp_feedback().collect();
    for one in answered.rtcp_feedback() {
        let any = sdp::RtcpFeedback { payload_type: None, kind: one.kind };
        assert!(feedback.contains(&one) || feedback.contains(&any), "{name}: {one}");
    }
    let extensions: Vec<_> = offered.extension_maps().collect();
    for map in answered.extension_maps() {
        let same = extensions.iter().find(|other| other.id == map.id).unwrap();
        assert_eq!(same.uri, map.uri, "{name}");
        assert_eq!(same.direction.map(Direction::reversed), map.direction, "{name}");
    }
    let rids: Vec<_> = offered.rids().map(|line| (line.rid, line.direction)).collect();
    for line in answered.rids() {
        let mirrored = match line.direction {
            sdp::RidDirection::Send => sdp::RidDirection::Recv,
            sdp::RidDirection::Recv => sdp::RidDirection::Send,
        };
        assert!(rids.contains(&(line.rid, mirrored)), "{name}: {line}");
    }
    let flow = answered.direction().reversed();
    assert_eq!(offered.direction().and(flow), flow, "{name}");
    for flag in ["rtcp-mux", "rtcp-rsize", "extmap-allow-mixed"] {
        let has = |section: &sdp::Section<'_>| section.media.lines.has(flag);
        // In a bundle-only section the tagged section says it (RFC 9143 §7.1.3, RFC 8859).
        let is_said = has(offered) || (flag == "rtcp-mux" && offered.is_bundle_only());
        assert!(!has(answered) || is_said, "{name}: {flag}");
    }
}

#[test]
fn every_browser_offer_is_answered_and_every_answer_is_well_formed() {
    for (name, text) in fixtures("offer.sdp") {
        let offer = Session::parse(&text).unwrap();
        let mut peer = fresh(1);
        let result = peer.set_remote(&SessionDescription::offer(text.clone()));
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
        let ids: Vec<_> = peer.transceivers().map(|info| info.id).collect();
        for id in ids {
            peer.set_direction(id, Direction::SendRecv).unwrap();
        }
        let (answer, agreement) = answer(&mut peer);
        let answer = Session::parse(&answer.sdp).unwrap();
        incoming::check_answer(&offer, &answer).unwrap();
        assert!(!agreement.remote.fingerprints.is_empty());
        let has_data = offer.sections().any(|section| section.is_data_channel());
        assert_eq!(agreement.remote.data.is_some(), has_data, "{name}");
        for (offered, answered) in offer.sections().zip(answer.sections()) {
            assert_eq!(answered.is_rejected(), offered.is_rejected(), "{name}");
            assert_eq!(answered.media.protocol, offered.media.protocol);
            assert_eq!(answered.mid(), offered.mid());
            assert!(!answered.is_bundle_only());
            if !answered.is_rejected() {
                check_subset(&name, &offered, &answered);
            }
        }
        let mids: Vec<_> = answer.bundle_groups().flat_map(|group| group.mids()).collect();
        let alive = answer.sections().filter(|section| !section.is_rejected());
        assert_eq!(mids, alive.filter_map(|section| section.mid()).collect::<Vec<_>>(), "{name}");
        let media = offer
            .sections()
            .filter(|section| slot::media_kind(section).is_some() && !section.is_rejected());
        assert_eq!(peer.sections().len(), media.count(), "{name}");
        for section in peer.sections() {
            let flows = section.send.is_some() || section.receive.is_some();
            let theirs = offer.sections().find(|theirs| theirs.mid() == Some(&section.mid));
            assert_eq!(flows, theirs.unwrap().direction() != Direction::Inactive, "{name}");
        }
    }
}

/// An answer of a browser, with its own offer's mids, in reply to an offer of ours of the same shape.
#[test]
fn every_browser_answer_to_a_comparable_offer_is_accepted() {
    let mut accepted = 0;
    for (name, text) in fixtures("answer.sdp") {
        let session = Session::parse(&text).unwrap();
        let mids: Vec<_> = session.sections().filter_map(|section| section.mid()).collect();
        let in_order = mids.iter().enumerate().all(|(index, mid)| *mid == index.to_string());
        let kinds: Vec<_> = session.sections().map(|s| slot::media_kind(&s)).collect();
        // Ours has data at the end, and nothing that was stopped before.
        let data_first = kinds.iter().position(Option::is_none);
        let is_simple = data_first.is_none_or(|index| index + 1 == kinds.len());
        if !in_order || !is_simple || session.sections().any(|section| section.is_rejected()) {
            continue;
        }
        accepted += 1;
        let mut peer = fresh(1);
        for kind in kinds.iter().flatten() {
            peer.add_transceiver(*kind, TransceiverInit::default()).unwrap();
        }
        if data_first.is_some() {
            peer.want_data();
        }
        offer(&mut peer);
        let outcome = peer.set_remote(&SessionDescription::answer(text.clone()));
        agreement(outcome.unwrap_or_else(|error| panic!("{name}: {error}")));
        assert_eq!(peer.sections().len(), kinds.iter().flatten().count(), "{name}");
        for (section, theirs) in peer.sections().iter().zip(session.sections()) {
            let direction = theirs.direction().reversed();
            assert_eq!(section.send.is_some(), direction.sends(), "{name}");
            assert_eq!(section.receive.is_some(), direction.receives(), "{name}");
            if let Some(send) = &section.send {
                let theirs = theirs.payload_types();
                let numbers = send.codecs.iter().map(|codec| codec.parameters.payload_type.0);
                assert!(
                    numbers.clone().count() > 0 && numbers.clone().all(|n| theirs.contains(&n))
                );
            }
        }
    }
    assert!(accepted > 15, "{accepted}");
}

/// The browsers' renegotiations, offer after offer, as the peer of one of them.
#[test]
fn a_browsers_renegotiation_is_followed_step_by_step() {
    for browser in ["chromium", "firefox"] {
        let mut peer = fresh(1);
        let mut shapes = Vec::new();
        for step in [
            "audio-video-data",
            "reneg-add-recvonly-video",
            "reneg-audio-inactive",
            "reneg-video-stopped",
        ] {
            let text = fixture(&format!("{browser}-{step}.offer.sdp"));
            peer.set_remote(&SessionDescription::offer(text)).unwrap();
            while peer.poll_track().is_some() {}
            let (answer, _) = answer(&mut peer);
            let answer = Session::parse(&answer.sdp).unwrap();
            let shape =
                |section: sdp::Section<'_>| (section.media.port != 0).then(|| section.direction());
            shapes.push(answer.sections().map(shape).collect::<Vec<_>>());
            assert!(!peer.needs_negotiation(), "{browser} {step}");
        }
        let (receive, nothing) = (Some(Direction::RecvOnly), Some(Direction::Inactive));
        let data = Some(Direction::SendRecv);
        assert_eq!(shapes[0], [receive, receive, data], "{browser}");
        assert_eq!(shapes[1], [receive, receive, data, nothing], "{browser}");
        assert_eq!(shapes[2], [nothing, receive, data, nothing], "{browser}");
        assert_eq!(shapes[3], [nothing, None, data, nothing], "{browser}");
        let stopped: Vec<_> = peer.transceivers().map(|info| info.stopped).collect();
        assert_eq!(stopped, [false, true, false], "{browser}");
    }
}
