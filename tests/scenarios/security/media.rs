//! Rows 58 to 64: packets of media, forged by others and lying by the peer itself.

use bytes::{BufMut, Bytes, BytesMut};
use peer::media::{MediaKind, TransceiverInit};
use peer::{Config, Connection};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use srtp::{PayloadType, Ssrc, rtcp, rtp};
use tests::{Datagram, Endpoint};

use super::talk::{MID, OPUS, PICTURE, RTX, Talk, VOICE, VP8, damaged, packet, silent};
use crate::peer::{LEFT, RIGHT, address};

const STRANGER: &str = "203.0.113.66:666";

fn report(ssrc: Ssrc) -> rtcp::Packet {
    rtcp::Packet::ReceiverReport(rtcp::ReceiverReport { ssrc, reports: Vec::new() })
}

#[test]
fn row_58_wrong_tags_and_packets_cut_anywhere_change_nothing() {
    let mut talk = Talk::new();
    talk.must_go_on();
    let number = talk.number();
    let voice = talk.seal(&packet(VOICE, OPUS, number, "voice"));
    let report = talk.seal_rtcp(rtcp::write(&[report(VOICE)]));
    for good in [voice, report] {
        for damaged in damaged(&good) {
            talk.must_drop(LEFT, damaged);
        }
        talk.must_drop(STRANGER, good.clone());
        assert!(talk.give(good), "no window has moved");
    }
    talk.must_go_on();
}

#[test]
fn row_59_replays_are_dropped_and_latecomers_from_before_a_wrap_are_not() {
    let mut talk = Talk::new();
    let mut sealed = Vec::new();
    for step in 0..800 {
        let number = 65_000_u16.wrapping_add(step);
        sealed.push(talk.seal(&packet(VOICE, OPUS, number, "voice")));
        sealed.push(talk.seal_rtcp(rtcp::write(&[report(VOICE)])));
    }
    let late = sealed.remove(2 * 530);
    for datagram in &sealed {
        assert!(talk.give(datagram.clone()));
    }
    for datagram in &sealed {
        talk.must_drop(LEFT, datagram.clone());
    }
    assert!(talk.give(late.clone()), "late, and of the round before");
    talk.must_drop(LEFT, late);
    for _ in 0..300 {
        talk.number();
    }
    talk.must_go_on();
}

#[test]
fn row_60_forged_sources_leave_no_trace() {
    let mut talk = Talk::new();
    talk.must_go_on();
    let mut rng = StdRng::seed_from_u64(60);
    for source in 0..5_000 {
        let mut forged = BytesMut::new();
        packet(Ssrc(source), [OPUS, VP8][rng.random_range(0..2)], 1, "voice").write(&mut forged);
        forged.put_slice(&rng.random::<[u8; 16]>());
        talk.must_drop(LEFT, forged.freeze());
        let mut forged = BytesMut::from(&rtcp::write(&[report(Ssrc(source))])[..]);
        forged.put_slice(&rng.random::<[u8; 20]>());
        talk.must_drop(LEFT, forged.freeze());
    }
    talk.must_go_on();
}

#[test]
fn row_60_authentic_sources_are_bounded_and_do_not_push_out_those_that_speak() {
    let mut talk = Talk::new();
    talk.must_go_on();
    let mut accepted = 0;
    for source in 0..5_000 {
        if source % 500 == 0 {
            talk.forget_what_was_sent();
        }
        let payload_type = [OPUS, VP8, RTX][usize::try_from(source % 3).unwrap()];
        let sealed = talk.seal(&packet(Ssrc(1_000_000 + source), payload_type, 1, "voice"));
        accepted += usize::from(talk.give(sealed));
        let report = talk.seal_rtcp(rtcp::write(&[report(Ssrc(1_000_000 + source))]));
        talk.give(report);
        if source % 100 == 0 {
            let number = talk.number();
            assert!(talk.give_rtp(&packet(VOICE, OPUS, number, "voice")));
            assert!(talk.give_rtp(&packet(PICTURE, VP8, number, "")));
            talk.pass(100);
        }
    }
    assert!(accepted < srtp::MAX_SOURCES, "{accepted}");
    let streams = talk.stats().inbound_rtp;
    assert!(streams.len() <= 32, "{}", streams.len());
    for ssrc in [VOICE, PICTURE] {
        assert!(streams.iter().any(|stream| stream.ssrc == ssrc.0));
    }
    assert!(talk.stats().packets_of_no_stream > 0);
    talk.must_go_on();
}

#[test]
fn row_60_what_belongs_to_nothing_agreed_on_is_dropped() {
    let mut talk = Talk::new();
    talk.must_go_on();
    let new = Ssrc(0x3333);
    let named = |packet: rtp::Packet, mid: &[u8]| {
        let mut packet = packet;
        packet.header.extensions.set(MID, mid);
        packet
    };
    let unnamed = |mut packet: rtp::Packet| {
        packet.header.extensions.remove(MID);
        packet
    };
    for number in 200..210 {
        let strangers = [
            packet(new, PayloadType(120), number, "voice"),
            unnamed(packet(new, PayloadType(121), number + 100, "voice")),
            named(packet(new, OPUS, number + 200, "voice"), b"9"),
            named(packet(new, OPUS, number + 300, "voice"), b"\xff\xfe"),
            named(packet(new, OPUS, number + 400, "voice"), b"2"),
            // On sources that there are.
            packet(VOICE, PayloadType(120), number, "voice"),
            named(packet(VOICE, VP8, number + 100, "voice"), b"1"),
            named(packet(VOICE, OPUS, number + 200, "voice"), b"9"),
            named(packet(PICTURE, VP8, number, "voice"), b"\0"),
            packet(PICTURE, RTX, number + 100, "\x07\x7fvoice"),
        ];
        for stranger in strangers {
            let sealed = talk.seal(&stranger);
            talk.must_refuse(sealed);
        }
    }
    assert_eq!(talk.stats().packets_of_no_stream, 100);
    talk.must_go_on();
}

/// Row 61: what is not encrypted, though it be right in all else.
#[test]
fn row_61_clear_media_is_dropped_and_the_call_goes_on() {
    let mut talk = Talk::new();
    talk.must_go_on();
    let mut clear = Vec::new();
    for number in 200..220 {
        for packet in
            [packet(VOICE, OPUS, number, [7; 60].to_vec()), packet(PICTURE, VP8, number, "")]
        {
            let mut octets = BytesMut::new();
            packet.write(&mut octets);
            clear.push(octets.freeze());
        }
    }
    let goodbye = rtcp::Goodbye { ssrcs: vec![VOICE, PICTURE], reason: None };
    let loss = rtcp::PictureLoss { sender: VOICE, media: Ssrc(1) };
    clear.push(rtcp::write(&[report(VOICE), rtcp::Packet::Goodbye(goodbye)]));
    clear.push(rtcp::write(&[rtcp::Packet::PictureLoss(loss)]));
    for octets in clear {
        talk.must_drop(LEFT, octets.clone());
        talk.must_drop(STRANGER, octets);
    }
    talk.must_go_on();
}

#[test]
fn row_61_media_before_the_answer_or_before_the_keys_is_dropped() {
    let mut rng = StdRng::seed_from_u64(61);
    let mut early = move |source| {
        let mut octets = [0; 200];
        rng.fill_bytes(&mut octets);
        (octets[0], octets[1]) = (0x80, [111, 96, 200, 206][rng.random_range(0..4)]);
        let (source, destination) = (address(source), address(RIGHT));
        Datagram::udp(source, destination, Bytes::copy_from_slice(&octets))
    };
    let now = std::time::Instant::now();
    let mut victim = Connection::new(now, Config::default(), StdRng::seed_from_u64(5)).unwrap();
    victim.add_local_candidate(now, address(RIGHT));
    victim.add_transceiver(now, MediaKind::Audio, TransceiverInit::default()).unwrap();
    let offer = victim.create_offer(now).unwrap();
    victim.set_local_description(now, offer).unwrap();
    while victim.poll_transmit(now).is_some() {}
    for _ in 0..1_000 {
        assert!(Endpoint::handle_datagram(&mut victim, now, early(LEFT)).is_err());
        assert!(victim.poll_transmit(now).is_none());
    }
    assert_eq!(victim.get_stats(now).transport.traffic.packets_discarded, 1_000);

    let mut call = silent();
    call.pair.run_for_with(std::time::Duration::from_secs(1), |now, _, victim| {
        for source in [LEFT, STRANGER] {
            assert!(Endpoint::handle_datagram(&mut **victim, now, early(source)).is_err());
        }
    });
    call.wait_established();
    let now = call.pair.now();
    assert_eq!(call.victim().get_stats(now).media.inbound_rtp, []);
    call.must_echo();
}

#[test]
fn row_63_counts_and_lengths_that_lie_are_refused() {
    let mut talk = Talk::new();
    talk.must_go_on();
    // Without a tag: the header does not end in the packet.
    let header = |first: u8, rest: &[u8]| {
        let mut octets = vec![first, 111, 3, 3, 0, 0, 0, 0];
        octets.extend(VOICE.0.to_be_bytes());
        octets.extend(rest);
        Bytes::from(octets)
    };
    for count in 1..16 {
        talk.must_drop(LEFT, header(0x80 | count, &[7; 3]));
        talk.must_drop(LEFT, header(0x80 | count, &[7; 40]));
    }
    for length in [0_u16, 1, 2, 10, 0x7fff, 0xffff] {
        let [high, low] = length.to_be_bytes();
        talk.must_drop(LEFT, header(0x90, &[0xbe, 0xde, high, low]));
        talk.must_drop(LEFT, header(0x9f, &[0xbe, 0xde, high, low, 1, 2, 3, 4]));
    }
    // With one: padding of nothing, or of more than there is.
    for (payload, padding) in [(0, 0), (0, 2), (5, 0), (5, 7), (5, 255), (100, 102)] {
        let number = talk.number();
        let mut octets = BytesMut::new();
        packet(VOICE, OPUS, number, vec![7; payload]).write(&mut octets);
        octets[0] |= 0x20;
        octets.put_u8(padding);
        let sealed = talk.seal_rtp(octets);
        talk.must_refuse(sealed);
    }
    // Elements of a header extension that reach beyond it: they are nothing, or the packet is.
    let mut rng = StdRng::seed_from_u64(63);
    for _ in 0..1_000 {
        let number = talk.number();
        let words = rng.random_range(0..4_u8);
        let form = [[0xbe, 0xde], [0x10, 0x00], [0x10, 0x0f], [0xff, 0xff]];
        let mut octets = BytesMut::from(&[0x90, 111][..]);
        octets.put_u16(number);
        octets.put_u32(7);
        octets.put_u32(VOICE.0);
        octets.put_slice(&form[rng.random_range(0..4)]);
        octets.put_slice(&[0, words]);
        for _ in 0..words {
            octets.put_u32(rng.random());
        }
        octets.put_slice(b"voice");
        let sealed = talk.seal_rtp(octets);
        talk.give(sealed);
    }
    assert!(talk.stats().inbound_rtp.len() <= 2);
    talk.must_go_on();
}

#[test]
fn row_64_compounds_that_lie_are_refused_whole() {
    let mut talk = Talk::new();
    talk.must_go_on();
    let lies: [&[u8]; 14] = [
        // A report with five blocks, and none; a length beyond the datagram, or short.
        &[0x85, 201, 0, 1, 0, 0, 0x11, 0x11],
        &[0x80, 201, 0xff, 0xff, 0, 0, 0x11, 0x11],
        &[0x81, 200, 0, 1, 0, 0, 0x11, 0x11],
        // Padding of none, of too much, and not at the end.
        &[0xa0, 201, 0, 2, 0, 0, 0x11, 0x11, 0, 0, 0, 0],
        &[0xa0, 201, 0, 2, 0, 0, 0x11, 0x11, 0, 0, 0, 99],
        &[0xa0, 201, 0, 2, 0, 0, 0x11, 0x11, 0, 0, 0, 4, 0x80, 201, 0, 1, 0, 0, 0x11, 0x11],
        // Source descriptions: more chunks than there are, an item beyond the end, one without.
        &[0x9f, 202, 0, 2, 0, 0, 0x11, 0x11, 1, 1, 65, 0],
        &[0x81, 202, 0, 2, 0, 0, 0x11, 0x11, 1, 255, 65, 66],
        &[0x81, 202, 0, 2, 0, 0, 0x11, 0x11, 1, 2, 65, 66],
        // A farewell of 31 sources, and a reason that is longer than it.
        &[0x9f, 203, 0, 1, 0, 0, 0x11, 0x11],
        &[0x81, 203, 0, 2, 0, 0, 0x11, 0x11, 200, 65, 66, 67],
        // An extended report whose block is longer than it, and one of delays that is cut.
        &[0x80, 207, 0, 2, 0, 0, 0x11, 0x11, 4, 0, 0xff, 0xff],
        &[0x80, 207, 0, 3, 0, 0, 0x11, 0x11, 5, 0, 0, 3, 0, 0, 0, 1],
        // Feedback without its second source.
        &[0x81, 206, 0, 1, 0, 0, 0x11, 0x11],
    ];
    for lie in lies {
        let sealed = talk.seal_rtcp(lie);
        talk.must_refuse(sealed);
        // Behind a good one, too.
        let mut behind = rtcp::write(&[report(VOICE)]).to_vec();
        behind.extend(lie);
        let sealed = talk.seal_rtcp(behind);
        talk.must_refuse(sealed);
    }
    let mut rng = StdRng::seed_from_u64(64);
    for _ in 0..5_000 {
        let mut octets = vec![0; 4 * rng.random_range(2..40)];
        rng.fill_bytes(&mut octets);
        octets[0] = 0x80 | octets[0] & 0x3f;
        octets[1] = [200, 201, 202, 203, 204, 205, 205, 206, 207][rng.random_range(0..9)];
        let words = u16::try_from(octets.len() / 4 - 1).unwrap();
        octets[2..4].copy_from_slice(&words.to_be_bytes());
        octets[4..8].copy_from_slice(&VOICE.0.to_be_bytes());
        let sealed = talk.seal_rtcp(octets);
        talk.give(sealed);
    }
    talk.must_go_on();
}
