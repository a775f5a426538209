//! Audio and video between two negotiations: directions, codecs, places, rollback and glare.

use sdp::Direction;
use sdp::Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

use super::*;
use crate::media::parameters::Extension;
use crate::media::{Codec, MediaKind, TransceiverId, TransceiverInit};

fn add(to: &mut Negotiation, kind: MediaKind, direction: Direction) -> TransceiverId {
    let init = TransceiverInit { direction, ..TransceiverInit::default() };
    to.add_transceiver(kind, init).unwrap()
}

fn audio_and_video(to: &mut Negotiation) -> (TransceiverId, TransceiverId) {
    (add(to, MediaKind::Audio, SendRecv), add(to, MediaKind::Video, SendRecv))
}

fn current(of: &Negotiation) -> Vec<Option<Direction>> {
    of.transceivers().map(|info| info.current_direction).collect()
}

fn kinds(description: &SessionDescription) -> Vec<(String, bool, Option<String>)> {
    let session = Session::parse(&description.sdp).unwrap();
    let shape = |section: sdp::Section<'_>| {
        let mid = section.mid().map(str::to_owned);
        (section.media.kind.clone(), section.is_rejected(), mid)
    };
    session.sections().map(shape).collect()
}

#[test]
fn an_offer_of_audio_has_what_rfc_9429_section_5_2_1_asks_for() {
    let mut peer = fresh(1);
    add(&mut peer, MediaKind::Audio, SendRecv);
    let text = peer.create_offer(&local(&[])).sdp;
    let session = Session::parse(&text).unwrap();
    assert!(session.lines.has("extmap-allow-mixed"));
    assert_eq!(session.media.len(), 1);
    let section = session.sections().next().unwrap();
    assert_eq!(section.payload_types(), [111, 0, 8, 9]);
    assert!(section.rtcp_mux() && section.rtcp_rsize());
    let names: Vec<_> = section.media.lines.attributes().map(|a| a.name.to_owned()).collect();
    let mut distinct = names.clone();
    distinct.dedup();
    let expected = [
        "ice-ufrag",
        "ice-pwd",
        "fingerprint",
        "setup",
        "mid",
        "extmap",
        "sendrecv",
        "msid",
        "rtcp-mux",
        "rtcp-rsize",
        "rtpmap",
        "rtcp-fb",
        "fmtp",
        "rtpmap",
        "rtcp-fb",
        "rtpmap",
        "rtcp-fb",
        "rtpmap",
        "rtcp-fb",
        "ssrc",
    ];
    assert_eq!(distinct, expected);
}

#[test]
fn audio_and_video_both_ways() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    audio_and_video(&mut a);
    assert!(a.needs_negotiation());
    b.set_remote(&offer(&mut a)).unwrap();
    let tracks: Vec<_> = std::iter::from_fn(|| b.poll_track()).collect();
    assert_eq!(tracks, [TransceiverId(0), TransceiverId(1)]);
    for id in tracks {
        b.set_direction(id, SendRecv).unwrap();
    }
    let (text, agreed) = answer(&mut b);
    assert!(agreed.remote.data.is_none());
    a.set_remote(&text).unwrap();
    assert_eq!(a.poll_track(), Some(TransceiverId(0)));
    assert_eq!((current(&a), current(&b)), (vec![Some(SendRecv); 2], vec![Some(SendRecv); 2]));
    assert!(!a.needs_negotiation() && !b.needs_negotiation());
    for (ours, theirs) in [(&a, &b), (&b, &a)] {
        for (ours, theirs) in ours.sections().iter().zip(theirs.sections()) {
            let (send, receive) = (ours.send.as_ref().unwrap(), theirs.receive.as_ref().unwrap());
            assert_eq!(ours.mid, theirs.mid);
            assert_eq!(send.codecs, receive.codecs);
            assert_eq!(ours.extensions, theirs.extensions);
            assert!(ours.extensions.contains_key(&Extension::Mid) && ours.reduced_size);
            let [source] = send.sources.as_slice() else { panic!("{send:?}") };
            assert_eq!(receive.ssrcs[0], source.ssrc);
            if ours.kind == MediaKind::Video {
                assert_eq!(receive.rtx_of, [(source.ssrc, source.rtx)]);
                assert_eq!(send.codecs[0].parameters.codec, Codec::Vp8);
                assert!(send.codecs.iter().all(|codec| codec.rtx.is_some()));
                let feedback = send.codecs[0].feedback;
                assert!(feedback.nack && feedback.pli && feedback.fir && feedback.remb);
            }
            assert!(send.codecs[0].feedback.transport_cc);
        }
    }
}

#[test]
fn every_pair_of_directions_meets_in_what_both_want() {
    for ours in [SendRecv, SendOnly, RecvOnly, Inactive] {
        for theirs in [SendRecv, SendOnly, RecvOnly, Inactive] {
            let (mut a, mut b) = (fresh(1), fresh(2));
            let id = add(&mut a, MediaKind::Audio, ours);
            b.set_remote(&offer(&mut a)).unwrap();
            let tracks = std::iter::from_fn(|| b.poll_track()).count();
            assert_eq!(tracks, usize::from(ours.sends()));
            let other = b.transceivers().next().unwrap().id;
            b.set_direction(other, theirs).unwrap();
            a.set_remote(&answer(&mut b).0).unwrap();
            let expected = ours.and(theirs.reversed());
            let info = a.transceiver(id).unwrap();
            assert_eq!(info.current_direction, Some(expected), "{ours} {theirs}");
            let reversed = b.transceiver(other).unwrap().current_direction;
            assert_eq!(reversed, Some(expected.reversed()));
            assert_eq!(a.poll_track().is_some(), expected.receives());
            assert!(!b.needs_negotiation(), "{ours} {theirs}");
        }
    }
}

/// Both want the same; the answerer's waiting transceiver takes the offerer's section.
#[test]
fn a_waiting_transceiver_takes_the_peers_section() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    audio_and_video(&mut a);
    let (_, video) = audio_and_video(&mut b);
    exchange(&mut a, &mut b);
    assert_eq!(b.transceivers().count(), 2);
    assert_eq!(b.transceiver(video).unwrap().mid.as_deref(), Some("1"));
    assert_eq!(current(&b), [Some(SendRecv); 2]);
    assert!(!b.needs_negotiation());
}

#[test]
// ANCHOR: glare
fn trap_glare_with_media_ends_with_one_section_for_each_kind() {
    let (mut polite, mut impolite) = (fresh(1), fresh(2));
    audio_and_video(&mut polite);
    audio_and_video(&mut impolite);
    let (_, won) = (offer(&mut polite), offer(&mut impolite));
    polite.set_remote(&won).unwrap();
    let (text, _) = answer(&mut polite);
    impolite.set_remote(&text).unwrap();
    assert_eq!(kinds(&text).len(), 2);
    assert_eq!(current(&polite), [Some(SendRecv); 2]);
    assert_eq!(current(&impolite), [Some(SendRecv); 2]);
    assert!(!polite.needs_negotiation() && !impolite.needs_negotiation());
}
// ANCHOR_END: glare

#[test]
fn a_rollback_forgets_sections_and_transceivers_of_the_offer() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    let (audio, _) = audio_and_video(&mut a);
    let lost = offer(&mut a);
    assert_eq!(a.transceiver(audio).unwrap().mid.as_deref(), Some("0"));
    b.set_remote(&lost).unwrap();
    a.set_local(&SessionDescription::rollback(), &local(&[])).unwrap();
    assert_eq!(a.transceiver(audio).unwrap().mid, None);
    assert!(a.needs_negotiation());
    // Of those the offer made, the one that the application wants to send on stays.
    b.set_direction(TransceiverId(1), SendRecv).unwrap();
    b.set_remote(&SessionDescription::rollback()).unwrap();
    let left: Vec<_> = b.transceivers().map(|info| (info.id, info.mid)).collect();
    assert_eq!(left, [(TransceiverId(1), None)]);
    assert_eq!(b.poll_track(), None);
    exchange(&mut a, &mut b);
    assert_eq!(current(&a), [Some(SendOnly), Some(SendRecv)]);
}

#[test]
fn a_rollback_of_a_renegotiation_keeps_what_flows() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    audio_and_video(&mut a);
    exchange(&mut a, &mut b);
    let before = (a.sections().to_vec(), b.sections().to_vec());
    add(&mut a, MediaKind::Video, SendOnly);
    b.set_remote(&offer(&mut a)).unwrap();
    assert_eq!(b.transceivers().count(), 3);
    a.set_local(&SessionDescription::rollback(), &local(&[])).unwrap();
    b.set_remote(&SessionDescription::rollback()).unwrap();
    assert_eq!((a.sections().to_vec(), b.sections().to_vec()), before);
    assert_eq!(b.transceivers().count(), 2);
}

#[test]
fn tracks_are_added_and_removed_and_data_goes_on() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    a.want_data();
    let audio = add(&mut a, MediaKind::Audio, SendOnly);
    let (first, _) = exchange(&mut a, &mut b);
    assert!(first.remote.data.is_some());
    assert_eq!(b.poll_track(), Some(TransceiverId(0)));
    let source = a.sections()[0].send.as_ref().unwrap().sources.clone();
    let video = add(&mut a, MediaKind::Video, SendOnly);
    let (second, _) = exchange(&mut a, &mut b);
    assert_eq!(second.remote.data, first.remote.data);
    assert_eq!(a.sections()[0].send.as_ref().unwrap().sources, source);
    assert_eq!(b.poll_track(), Some(TransceiverId(1)));
    // Off: the section stays, nothing flows. On again: the same source.
    a.set_direction(video, Inactive).unwrap();
    assert!(a.needs_negotiation());
    exchange(&mut a, &mut b);
    assert!(a.sections()[1].send.is_none() && b.sections()[1].receive.is_none());
    a.set_direction(video, SendOnly).unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(b.poll_track(), Some(TransceiverId(1)));
    a.stop_transceiver(audio).unwrap();
    assert_eq!(a.sections().len(), 1);
    let (third, _) = exchange(&mut a, &mut b);
    assert!(third.remote.data.is_some() && !a.needs_negotiation());
    assert!(a.transceiver(audio).unwrap().stopped);
    assert!(b.transceiver(TransceiverId(0)).unwrap().stopped);
    assert_eq!(b.sections().len(), 1);
}

#[test]
fn trap_a_stopped_place_is_used_again_under_a_new_mid() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    let (audio, _) = audio_and_video(&mut a);
    exchange(&mut a, &mut b);
    a.stop_transceiver(audio).unwrap();
    // Not in the same offer: the peer must see port 0 first.
    add(&mut a, MediaKind::Video, SendOnly);
    let text = offer(&mut a);
    let name = |kind: &str, rejected, mid: &str| (kind.to_owned(), rejected, Some(mid.to_owned()));
    assert_eq!(
        kinds(&text),
        [name("audio", true, "0"), name("video", false, "1"), name("video", false, "2")]
    );
    b.set_remote(&text).unwrap();
    a.set_remote(&answer(&mut b).0).unwrap();
    let new = add(&mut a, MediaKind::Video, SendOnly);
    exchange(&mut a, &mut b);
    let text = a.local_description(&local(&[])).unwrap();
    assert_eq!(
        kinds(&text),
        [name("video", false, "3"), name("video", false, "1"), name("video", false, "2")]
    );
    assert_eq!(a.transceiver(audio), None);
    assert_eq!(a.transceiver(new).unwrap().mid.as_deref(), Some("3"));
    assert_eq!(a.sections()[0].transceiver, new);
}

/// Numbers and ids keep their meaning, whoever offers next and whatever it adds.
#[test]
fn trap_numbers_never_change_their_meaning() {
    let mut peer = fresh(1);
    let browser = fixture("firefox-audio-video-data.offer.sdp");
    peer.set_remote(&SessionDescription::offer(browser.clone())).unwrap();
    answer(&mut peer);
    add(&mut peer, MediaKind::Video, SendOnly);
    let offer = Session::parse(&peer.create_offer(&local(&[])).sdp).unwrap();
    let browser = Session::parse(&browser).unwrap();
    let mut meanings = std::collections::BTreeMap::new();
    let mut ids = std::collections::BTreeMap::new();
    for section in browser.sections().chain(offer.sections()) {
        for map in section.rtp_maps() {
            let name = map.encoding.to_ascii_lowercase();
            let meaning = (name, map.clock_rate, map.channels.unwrap_or(1));
            let known = meanings.entry(map.payload_type).or_insert_with(|| meaning.clone());
            assert_eq!(*known, meaning, "{map}");
        }
        for map in section.extension_maps() {
            assert_eq!(*ids.entry(map.id).or_insert(map.uri.to_owned()), map.uri);
        }
    }
    let added = offer.sections().last().unwrap();
    let vp8 = added.rtp_maps().find(|map| map.encoding == "VP8").unwrap();
    assert_eq!(vp8.payload_type, 120);
}

/// Payload types need not match across directions (RFC 3264 §6.1).
#[test]
fn trap_an_answer_with_other_numbers_is_followed() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    add(&mut a, MediaKind::Video, SendRecv);
    add(&mut b, MediaKind::Video, SendRecv);
    b.set_remote(&offer(&mut a)).unwrap();
    let text = answer(&mut b).0.sdp;
    let text = text
        .replace("SAVPF 96 97", "SAVPF 50 51")
        .replace("rtpmap:96 ", "rtpmap:50 ")
        .replace("rtcp-fb:96 ", "rtcp-fb:50 ")
        .replace("rtpmap:97 ", "rtpmap:51 ")
        .replace("fmtp:97 apt=96", "fmtp:51 apt=50");
    a.set_remote(&SessionDescription::answer(text)).unwrap();
    let section = &a.sections()[0];
    let (send, receive) = (section.send.as_ref().unwrap(), section.receive.as_ref().unwrap());
    let numbers = |codec: &crate::media::parameters::AgreedCodec| {
        (codec.parameters.payload_type.0, codec.rtx.unwrap().0)
    };
    assert_eq!(numbers(&send.codecs[0]), (50, 51));
    assert_eq!(numbers(&receive.codecs[0]), (96, 97));
}

/// The profile must be the same, the level need not; the way of cutting packets must be the same.
#[test]
fn trap_h264_matches_by_profile_and_packetization_mode() {
    let offer = fixture("chromium-prefer-h264.offer.sdp");
    let (answer, _) = answer_to(&offer).unwrap();
    let section = answer.sections().next().unwrap();
    let modes: Vec<_> = section
        .format_parameters()
        .filter_map(|parameters| {
            Some((parameters.get("profile-level-id")?, parameters.get("packetization-mode")?))
        })
        .collect();
    assert!(modes.contains(&("42e01f", "1")) && modes.contains(&("42001f", "0")), "{modes:?}");
    // Ours in the offer, another level of the same profile in the answer.
    let (mut a, mut b) = (fresh(1), fresh(2));
    add(&mut a, MediaKind::Video, SendRecv);
    b.set_remote(&self::super::offer(&mut a)).unwrap();
    let text = super::answer(&mut b).0.sdp.replace("=42e01f", "=42c02a");
    a.set_remote(&SessionDescription::answer(text)).unwrap();
    let info = a.transceivers().next().unwrap();
    assert_eq!(info.receive_codecs.len(), 0);
    let sent: Vec<_> = a.sections()[0].send.as_ref().unwrap().codecs.iter().collect();
    let modes = sent.iter().filter(|codec| codec.parameters.codec == Codec::H264).count();
    assert_eq!(modes, 3);
}

#[test]
fn trap_payload_types_above_127_cost_their_codec_only() {
    let offer = fixture("chromium-vp8-only-no-red.offer.sdp")
        .replace("SAVPF 96", "SAVPF 200 96")
        .replace("a=rtpmap:96", "a=rtpmap:200 VP9/90000\r\na=rtpmap:96");
    let (answer, agreement) = answer_to(&offer).unwrap();
    assert!(agreement.is_some());
    assert!(!answer.sections().next().unwrap().payload_types().contains(&200));
    assert!(answer.to_string().contains("a=rtpmap:96 VP8/90000"));
}

#[test]
fn trap_nothing_we_cannot_receive_is_accepted() {
    let (answer, _) = answer_to(&fixture("chromium-audio-video-data.offer.sdp")).unwrap();
    let text = answer.to_string();
    for foreign in ["red/", "ulpfec", "flexfec", "telephone-event", "CN/", "rtcp-xr"] {
        assert!(!text.contains(foreign), "{foreign}");
    }
}

#[test]
fn preferences_order_and_restrict_offers_and_answers() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    let video = add(&mut a, MediaKind::Video, SendRecv);
    a.set_codec_preferences(video, vec![Codec::H264, Codec::Vp8]).unwrap();
    let wrong = a.set_codec_preferences(video, vec![Codec::Opus]);
    assert!(matches!(wrong, Err(Error::CodecOfOtherKind)));
    let text = offer(&mut a);
    let session = Session::parse(&text.sdp).unwrap();
    let numbers = session.sections().next().unwrap().payload_types();
    assert_eq!(numbers, [102, 103, 104, 105, 106, 107, 96, 97]);
    b.set_remote(&text).unwrap();
    let id = b.transceivers().next().unwrap().id;
    b.set_codec_preferences(id, vec![Codec::Vp8]).unwrap();
    a.set_remote(&answer(&mut b).0).unwrap();
    let codecs: Vec<_> =
        b.transceiver(id).unwrap().receive_codecs.iter().map(|codec| codec.codec).collect();
    assert_eq!(codecs, [Codec::Vp8]);
    // No codec in common: this section is rejected, and both transceivers are over.
    a.set_codec_preferences(video, vec![Codec::Av1]).unwrap();
    let text = offer(&mut a);
    b.set_remote(&text).unwrap();
    let answer = b.create_answer(&local(&[])).unwrap();
    b.set_local(&answer, &local(&[])).unwrap();
    a.set_remote(&answer).unwrap();
    assert!(a.transceiver(video).unwrap().stopped && b.transceiver(id).unwrap().stopped);
}

#[test]
fn media_without_rtcp_mux_is_rejected() {
    let offer = fixture("chromium-audio.offer.sdp").replace("a=rtcp-mux\r\n", "");
    let mut peer = fresh(1);
    peer.set_remote(&SessionDescription::offer(offer)).unwrap();
    let answer = peer.create_answer(&local(&[])).unwrap();
    assert_eq!(peer.set_local(&answer, &local(&[])).unwrap(), Outcome::Agreed(None));
}

/// Without BUNDLE each section would have its own transport: we take part in one.
#[test]
fn trap_without_a_bundle_only_one_section_is_accepted() {
    let offer =
        fixture("chromium-audio-video-data.offer.sdp").replace("a=group:BUNDLE 0 1 2\r\n", "");
    let (answer, agreement) = answer_to(&offer).unwrap();
    let rejected: Vec<_> = answer.sections().map(|section| section.is_rejected()).collect();
    assert_eq!(rejected, [true, true, false]);
    assert!(agreement.unwrap().remote.data.is_some());
    assert_eq!(answer.bundle_groups().count(), 0);
}

/// A gateway that names nothing: one m= line, no mid, no group.
#[test]
fn trap_a_section_without_a_mid_is_answered_without_one() {
    let offer = fixture("chromium-audio.offer.sdp")
        .replace("a=group:BUNDLE 0\r\n", "")
        .replace("a=mid:0\r\n", "");
    let mut peer = fresh(1);
    peer.set_remote(&SessionDescription::offer(offer.clone())).unwrap();
    let (text, _) = answer(&mut peer);
    assert_eq!(Session::parse(&text.sdp).unwrap().sections().next().unwrap().mid(), None);
    assert_eq!(peer.sections().len(), 1);
    peer.set_remote(&SessionDescription::offer(offer)).unwrap();
    assert_eq!(peer.transceivers().count(), 1);
}

#[test]
fn extmap_allow_mixed_is_answered_where_it_was_offered() {
    for (browser, at_session) in [("chromium", true), ("firefox", false)] {
        let offer = fixture(&format!("{browser}-audio.offer.sdp"));
        let (answer, _) = answer_to(&offer).unwrap();
        assert_eq!(answer.lines.has("extmap-allow-mixed"), at_session, "{browser}");
        let section = answer.sections().next().unwrap();
        assert_eq!(section.media.lines.has("extmap-allow-mixed"), !at_session, "{browser}");
        let (without, _) = answer_to(&offer.replace("a=extmap-allow-mixed\r\n", "")).unwrap();
        assert!(!without.to_string().contains("extmap-allow-mixed"));
    }
}

/// An id that is given twice means what was said first, though it be nothing we know.
#[test]
fn row_78_an_extension_under_a_taken_id_is_not_answered() {
    let offer = fixture("chromium-audio.offer.sdp");
    let mid = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
    let (answer, _) = answer_to(&offer).unwrap();
    assert!(answer.to_string().contains(mid));
    let (answer, _) =
        answer_to(&offer.replace(mid, &format!("a=extmap:4 urn:x\r\n{mid}"))).unwrap();
    assert!(!answer.to_string().contains("a=extmap:4 "));
    let (answer, _) =
        answer_to(&offer.replace(mid, &format!("{mid}a=extmap:4 urn:x\r\n"))).unwrap();
    assert!(answer.to_string().contains(mid));
}

#[test]
fn trap_a_direction_at_session_level_holds_for_every_section() {
    let offer = fixture("firefox-audio.offer.sdp");
    let (head, tail) = offer.split_once("m=audio").unwrap();
    let tail = tail.replace("a=sendrecv\r\n", "");
    let offer = format!("{}m=audio{tail}", head.replace("a=sendrecv", "a=recvonly"));
    let (answer, _) = answer_to(&offer).unwrap();
    assert_eq!(answer.sections().next().unwrap().direction(), Inactive);
}

#[test]
fn firefox_streams_are_read_with_their_braces() {
    let mut peer = fresh(1);
    let offer = fixture("firefox-audio-video-data.offer.sdp");
    peer.set_remote(&SessionDescription::offer(offer)).unwrap();
    let streams: Vec<_> = peer.transceivers().flat_map(|info| info.remote_streams).collect();
    assert_eq!(streams.len(), 2);
    assert!(streams.iter().all(|stream| stream.starts_with('{')));
}

#[test]
fn wishes_that_make_no_sense_are_refused() {
    let mut peer = fresh(1);
    let with =
        |init: TransceiverInit| fresh(9).add_transceiver(MediaKind::Audio, init).unwrap_err();
    let init = TransceiverInit { stream_id: Some("a b".into()), ..TransceiverInit::default() };
    assert!(matches!(with(init), Error::StreamId));
    let init = TransceiverInit { codecs: vec![Codec::Vp8], ..TransceiverInit::default() };
    assert!(matches!(with(init), Error::CodecOfOtherKind));
    let rids = ["a", "b"].map(|rid| crate::media::Rid(rid.into())).to_vec();
    let init = TransceiverInit { send_encodings: rids, ..TransceiverInit::default() };
    assert!(matches!(with(init), Error::Encodings));
    let id = add(&mut peer, MediaKind::Audio, SendRecv);
    peer.stop_transceiver(id).unwrap();
    assert!(matches!(peer.set_direction(id, Inactive), Err(Error::TransceiverStopped)));
    let unknown = peer.set_direction(TransceiverId(77), Inactive);
    assert!(matches!(unknown, Err(Error::UnknownTransceiver)));
    for _ in 0..transceiver::MAX_TRANSCEIVERS {
        add(&mut peer, MediaKind::Audio, SendRecv);
    }
    let full = peer.add_transceiver(MediaKind::Audio, TransceiverInit::default());
    assert!(matches!(full, Err(Error::TooManyTransceivers)));
}

#[test]
fn trap_a_track_that_comes_back_has_another_source() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    let (audio, video) = audio_and_video(&mut a);
    audio_and_video(&mut b);
    let sources = |peer: &Negotiation, id| {
        let section = peer.sections().iter().find(|section| section.transceiver == id).unwrap();
        section.send.as_ref().map(|send| send.sources.clone())
    };
    exchange(&mut a, &mut b);
    let (heard, seen) = (sources(&a, audio), sources(&a, video));
    a.set_direction(video, Inactive).unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(sources(&a, video), None);
    a.set_direction(video, SendRecv).unwrap();
    exchange(&mut a, &mut b);
    assert_eq!(sources(&a, audio), heard);
    let again = sources(&a, video);
    assert!(again.is_some() && again != seen);
}
