//! A peer that means harm, behind a handshake that went well.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use srtp::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc, rtcp, rtp};

use super::link::{A, B, Link, VIDEO, source};
use crate::media::engine::{Content, MAX_RECEIVED_OCTETS, MAX_STREAMS, MAX_WAITING_OCTETS};
use crate::media::{Codec, ReceiveMode};

fn packet(ssrc: u32, payload_type: u8, number: u16, timestamp: u32, payload: Bytes) -> rtp::Packet {
    let header = rtp::Header {
        marker: false,
        payload_type: PayloadType(payload_type),
        sequence_number: SequenceNumber(number),
        timestamp: RtpTimestamp(timestamp),
        ssrc: Ssrc(ssrc),
        csrcs: Vec::new(),
        extensions: rtp::Extensions::default(),
    };
    rtp::Packet { header, payload, padding: 0 }
}

#[test]
fn row_60_a_flood_of_sources_is_bounded_and_does_not_evict_the_living() {
    let mut link = Link::new();
    link.video(A, 5, 500, 1000);
    for ssrc in 100_000..105_000 {
        link.ends[B].handle_rtp(link.now, packet(ssrc, 96, 1, 0, Bytes::from_static(&[0; 20])));
        assert!(link.ends[B].streams.len() <= MAX_STREAMS);
    }
    assert!(link.ends[B].dropped.unknown >= 5000 - MAX_STREAMS as u64);
    let living = source(A, VIDEO, 0).ssrc;
    assert!(link.ends[B].streams.contains_key(&living));
    link.run(Duration::from_secs(3));
    link.video(A, 5, 500, 1000);
    link.ends[B].handle_rtp(link.now, packet(1, 96, 1, 0, Bytes::from_static(&[0; 20])));
    assert!(link.ends[B].streams.contains_key(&Ssrc(1)), "the silent make room");
    assert!(link.ends[B].streams.contains_key(&living));
    assert_eq!(link.frames(B, VIDEO).len(), 10);
}

#[test]
fn row_65_a_nack_for_everything_resends_each_packet_once() {
    let mut link = Link::new();
    link.video(A, 60, 5000, 1000);
    let ssrc = source(A, VIDEO, 0).ssrc;
    let before = link.rtp(A).len();
    let entries = (0..16_000_u16).map(|step| rtcp::NackEntry {
        packet_id: SequenceNumber(step.wrapping_mul(17)),
        bitmap: u16::MAX,
    });
    let nack = rtcp::Nack { sender: Ssrc(1), media: ssrc, entries: entries.collect() };
    let begin = Instant::now();
    for _ in 0..20 {
        link.ends[A].handle_rtcp(link.now, vec![rtcp::Packet::Nack(nack.clone())]);
    }
    assert!(begin.elapsed() < Duration::from_millis(200), "{:?}", begin.elapsed());
    link.run(Duration::from_secs(1));
    let resent = link.ends[A].sources[&ssrc].counters.resent_packets;
    assert!(resent <= 300, "{resent}");
    assert!(link.rtp(A).len() - before <= 600);
}

#[test]
fn row_65_eight_thousand_requests_are_one_keyframe() {
    let mut link = Link::new();
    link.video(A, 5, 500, 1000);
    link.keyframe_asked(A);
    let ssrc = source(A, VIDEO, 0).ssrc;
    let entries = (0..8000_u32).map(|number| (ssrc, u8::try_from(number % 256).unwrap()));
    let request = rtcp::FullIntraRequest { sender: Ssrc(1), entries: entries.collect() };
    let loss = rtcp::PictureLoss { sender: Ssrc(1), media: ssrc };
    for _ in 0..100 {
        let packets =
            vec![rtcp::Packet::FullIntraRequest(request.clone()), rtcp::Packet::PictureLoss(loss)];
        link.ends[A].handle_rtcp(link.now, packets);
    }
    link.events[A].clear();
    link.run(Duration::from_millis(50));
    assert!(link.events[A].len() <= 1, "{:?}", link.events[A]);
}

#[test]
fn row_65_estimates_that_lie_leave_the_minimum() {
    let mut link = Link::new();
    link.video(A, 5, 500, 1000);
    for bitrate in [0, u64::MAX, 1] {
        let estimate = rtcp::EstimatedBitrate { sender: Ssrc(1), bitrate, ssrcs: Vec::new() };
        link.ends[A].handle_rtcp(link.now, vec![rtcp::Packet::EstimatedBitrate(estimate)]);
        let target = link.ends[A].congestion.target();
        assert!((100_000..=5_000_000).contains(&target), "{target}");
    }
}

/// Holes everywhere, frames without end, and nobody who reads.
#[test]
fn row_03_what_a_peer_makes_us_hold_is_bounded() {
    let mut link = Link::new();
    let payload = |first: u8| Bytes::from(vec![first; 1200]);
    for mode in [ReceiveMode::Frames, ReceiveMode::Both] {
        link.ends[B].set_receive_mode(link.now, VIDEO, mode);
        for number in 0..20_000_u32 {
            let ssrc = 1 + number % 8;
            let first = if number < 8 { 0x10 } else { 0 };
            let step = if number % 3 == 0 { 2 } else { 1 };
            let sequence = u16::try_from((number / 8 * step) % 65_536).unwrap();
            let now = link.now + Duration::from_micros(u64::from(number) * 100);
            let end = &mut link.ends[B];
            end.handle_rtp(now, packet(ssrc, 96, sequence, 0, payload(first)));
            let waiting: usize = end
                .streams
                .values()
                .map(|stream| match &stream.content {
                    Content::Media(inbound) => inbound.octets_held(),
                    Content::Repair { .. } => 0,
                })
                .sum();
            assert!(waiting <= MAX_WAITING_OCTETS + 8 * 1200, "{waiting}");
            let received: usize = end.deliveries.values().map(|delivery| delivery.octets()).sum();
            assert!(received <= MAX_RECEIVED_OCTETS, "{received}");
        }
    }
}

/// A source that jumps from number to number makes no list grow.
#[test]
fn row_60_jumping_numbers_ask_for_little() {
    let mut link = Link::new();
    for step in 0..5000_u16 {
        let number = step.wrapping_mul(2999);
        let now = link.now + Duration::from_millis(u64::from(step));
        let end = &mut link.ends[B];
        end.handle_rtp(now, packet(1, 96, number, 0, Bytes::from_static(&[0x10; 100])));
        end.handle_timeout(now);
        let mut octets = 0;
        while let Some(outgoing) = end.poll_transmit(now) {
            octets += match outgoing {
                crate::media::engine::Outgoing::Rtp(octets)
                | crate::media::engine::Outgoing::Rtcp(octets) => octets.len(),
            };
        }
        assert!(octets < 5000, "{octets}");
    }
}

fn any_rtp() -> impl Strategy<Value = rtp::Packet> {
    let octets = proptest::collection::vec(any::<u8>(), 0..60);
    let payload_types = prop_oneof![Just(96_u8), Just(97), Just(98), Just(111), 0..128_u8];
    (0..4_u32, payload_types, any::<u16>(), any::<u32>(), octets, any::<bool>()).prop_map(
        |(ssrc, payload_type, number, timestamp, octets, marker)| {
            let mut packet = packet(ssrc, payload_type, number, timestamp, octets.into());
            packet.header.marker = marker;
            packet
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn row_01_any_packets_at_any_time(
        packets in proptest::collection::vec((any_rtp(), 0..200_u64), 1..80),
        rtcp in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..10),
    ) {
        let mut link = Link::new();
        let mut now = link.now;
        link.video(A, 2, 3000, 10);
        link.ends[B].set_receive_mode(now, VIDEO, ReceiveMode::Both);
        for octets in rtcp {
            if let Ok(packets) = rtcp::parse(&Bytes::from(octets)) {
                link.ends[A].handle_rtcp(now, packets);
            }
        }
        for (packet, milliseconds) in packets {
            now += Duration::from_millis(milliseconds);
            let end = &mut link.ends[B];
            end.handle_rtp(now, packet);
            end.handle_timeout(now);
            while end.poll_transmit(now).is_some() {}
            while end.poll_event().is_some() {}
        }
        prop_assert!(link.ends[B].poll_timeout().is_none_or(|next| next > now - Duration::from_secs(1)));
        let _ = Codec::Vp8;
    }
}
