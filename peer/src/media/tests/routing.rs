//! Whose packet is this?

use std::time::Duration;

use bytes::Bytes;
use srtp::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc, rtp};

use super::link::{A, AUDIO, B, Link, VIDEO, source};
use crate::media::engine::Outgoing;

const MID: u8 = 1;

fn packet(ssrc: u32, payload_type: u8, number: u16, mid: Option<&str>) -> rtp::Packet {
    let mut extensions = rtp::Extensions::default();
    if let Some(mid) = mid {
        extensions.set(MID, mid.as_bytes());
    }
    let header = rtp::Header {
        marker: true,
        payload_type: PayloadType(payload_type),
        sequence_number: SequenceNumber(number),
        timestamp: RtpTimestamp(0),
        ssrc: Ssrc(ssrc),
        csrcs: Vec::new(),
        extensions,
    };
    rtp::Packet { header, payload: Bytes::from_static(&[1, 2, 3, 4]), padding: 0 }
}

#[test]
fn by_mid_then_announced_source_then_payload_type() {
    let mut link = Link::new();
    let now = link.now;
    link.configure(B, |section| {
        if section.transceiver == VIDEO {
            section.receive.as_mut().unwrap().ssrcs = vec![Ssrc(7)];
        }
        // The same number in both sections.
        if section.transceiver == AUDIO {
            section.receive.as_mut().unwrap().codecs[0].parameters.payload_type = PayloadType(98);
        }
    });
    let end = &mut link.ends[B];
    assert!(end.handle_rtp(now, packet(1, 98, 0, Some("0"))));
    assert!(end.handle_rtp(now, packet(2, 98, 0, Some("1"))));
    assert!(!end.handle_rtp(now, packet(3, 98, 0, Some("2"))), "no such mid");
    assert!(end.handle_rtp(now, packet(7, 98, 0, None)), "announced");
    assert!(!end.handle_rtp(now, packet(8, 98, 0, None)), "could be either's");
    assert!(end.handle_rtp(now, packet(9, 96, 0, None)), "only video has it");
    assert!(!end.handle_rtp(now, packet(10, 50, 0, None)), "nobody's");
    assert!(!end.handle_rtp(now, packet(11, 96, 0, Some("0"))), "not of that section");
    let section = |ssrc| end.streams[&Ssrc(ssrc)].transceiver;
    assert_eq!([1, 2, 7, 9].map(section), [AUDIO, VIDEO, VIDEO, VIDEO]);
    assert_eq!((end.streams.len(), end.dropped.unknown), (4, 4));
}

#[test]
fn a_source_moves_to_the_section_that_it_names_last() {
    let mut link = Link::new();
    let now = link.now;
    let end = &mut link.ends[B];
    assert!(end.handle_rtp(now, packet(1, 96, 0, None)));
    assert!(end.handle_rtp(now, packet(1, 96, 1, Some("1"))));
    assert_eq!(end.streams[&Ssrc(1)].transceiver, VIDEO);
    assert!(end.handle_rtp(now, packet(1, 111, 2, Some("0"))));
    assert_eq!(end.streams[&Ssrc(1)].transceiver, AUDIO);
}

/// Chromium probes with padding on the repair's source before any media, and on source 0.
#[test]
fn trap_probes_before_media_do_no_harm() {
    let mut link = Link::new();
    for number in 0..20 {
        let mut probe = packet(source(A, VIDEO, 0).rtx.0, 97, number, Some("1"));
        (probe.payload, probe.padding) = (Bytes::new(), 224);
        link.ends[B].handle_rtp(link.now, probe);
        let mut probe = packet(0, 97, number, None);
        (probe.payload, probe.padding) = (Bytes::new(), 224);
        link.ends[B].handle_rtp(link.now, probe);
    }
    link.loss = 100;
    link.video(A, 60, 5000, 1000);
    link.run(Duration::from_millis(500));
    assert!(link.frames(B, VIDEO).len() >= 58, "{}", link.frames(B, VIDEO).len());
    assert!(link.inbound(B, source(A, VIDEO, 0).ssrc).counters.repaired_packets > 5);
}

/// Padding in the numbers of media fills its place and is nothing.
#[test]
fn trap_padding_only_packets_are_no_frames_and_no_gaps() {
    let mut link = Link::new();
    link.video(A, 3, 500, 1000);
    let ssrc = source(A, VIDEO, 0).ssrc;
    let last = link.rtp(A).into_iter().rfind(|packet| packet.header.ssrc == ssrc).unwrap();
    for step in 1..=5 {
        let mut header = last.header.clone();
        header.sequence_number = header.sequence_number.advance(step);
        let padding = rtp::Packet { header, payload: Bytes::new(), padding: 200 };
        link.ends[B].handle_rtp(link.now, padding);
    }
    let mut next = last.clone();
    next.header.sequence_number = next.header.sequence_number.advance(6);
    next.header.timestamp.0 = next.header.timestamp.0.wrapping_add(3000);
    link.ends[B].handle_rtp(link.now, next);
    link.run(Duration::from_millis(1));
    assert_eq!(link.frames(B, VIDEO).len(), 4);
    assert!(link.frames(B, VIDEO).iter().all(|frame| !frame.after_loss));
}

/// RFC 9143 §15: the name is told until the peer is known to have it; Firefox drops a repair without
/// mid although media has been reported on.
#[test]
fn trap_mid_is_attached_until_a_report_covers_the_source_and_to_repair_separately() {
    let mut link = Link::new();
    let repair = source(A, VIDEO, 0).rtx.0.to_be_bytes();
    link.loss = 50;
    link.passes = Box::new(move |_, outgoing| match outgoing {
        Outgoing::Rtp(octets) => octets[8..12] != repair,
        Outgoing::Rtcp(_) => true,
    });
    link.video(A, 150, 5000, 1000);
    let has_mid = |packet: &rtp::Packet| packet.header.extensions.get(MID).is_some();
    let packets = link.rtp(A);
    let local = source(A, VIDEO, 0);
    let (repairs, media): (Vec<_>, Vec<_>) =
        packets.iter().partition(|packet| packet.header.ssrc == local.rtx);
    assert!(has_mid(media[0]) && has_mid(media[10]));
    assert!(!has_mid(media[media.len() - 1]));
    assert!(!repairs.is_empty() && repairs.iter().all(|packet| has_mid(packet)));
    // The repair's first packets arrive, a report covers it: the name is left away.
    link.passes = Box::new(|_, _| true);
    link.video(A, 150, 5000, 1000);
    let last = link.rtp(A).into_iter().rfind(|packet| packet.header.ssrc == local.rtx).unwrap();
    assert!(!has_mid(&last));
}

#[test]
fn packets_before_the_answer_are_dropped() {
    let mut link = Link::new();
    link.ends[B].configure(link.now, Vec::new());
    assert!(!link.ends[B].handle_rtp(link.now, packet(1, 96, 0, Some("1"))));
    link.configure(B, |_| {});
    link.video(A, 5, 500, 1);
    assert_eq!(link.frames(B, VIDEO).len(), 5);
}

#[test]
fn a_section_that_ceases_to_receive_forgets_its_sources() {
    let mut link = Link::new();
    link.video(A, 5, 500, 1);
    link.configure(B, |section| section.receive = None);
    assert!(link.ends[B].streams.is_empty());
    link.video(A, 5, 500, 1);
    assert_eq!(link.frames(B, VIDEO).len(), 5);
}
