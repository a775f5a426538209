//! What reading and writing a packet costs, without encryption.
//!
//! `cargo bench -p srtp --bench wire`. Book: "Speed".
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that fails panics")]

use bytes::{Bytes, BytesMut};
use divan::{Bencher, black_box};
use srtp::rtcp::{PacketStatus, TransportFeedback};
use srtp::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc, rtcp, rtp};

fn main() {
    divan::main();
}

/// A packet of video in the middle of a stream, with what a browser adds to each: send time and
/// transport-wide number; and, at the beginning of a stream, mid and rid.
fn packet(names: bool) -> rtp::Packet {
    let mut extensions = rtp::Extensions::default();
    extensions.set(2, &[1, 2, 3]);
    extensions.set(4, &[0, 1]);
    if names {
        extensions.set(9, b"1");
        extensions.set(10, b"h");
    }
    let header = rtp::Header {
        marker: true,
        payload_type: PayloadType(96),
        sequence_number: SequenceNumber(1),
        timestamp: RtpTimestamp(90_000),
        ssrc: Ssrc(0x1234_5678),
        csrcs: Vec::new(),
        extensions,
    };
    rtp::Packet { header, payload: Bytes::from(vec![7; 1_100]), padding: 0 }
}

fn octets(packet: &rtp::Packet) -> Bytes {
    let mut out = BytesMut::new();
    packet.write(&mut out);
    out.freeze()
}

#[divan::bench(args = [false, true])]
fn parse_rtp(bencher: Bencher, names: bool) {
    let octets = octets(&packet(names));
    bencher.bench_local(|| drop(black_box(rtp::Packet::parse(black_box(&octets)).unwrap())));
}

#[divan::bench(args = [false, true])]
fn write_rtp(bencher: Bencher, names: bool) {
    let packet = packet(names);
    let mut out = BytesMut::with_capacity(1_500);
    bencher.bench_local(|| {
        out.clear();
        black_box(&packet).write(&mut out);
    });
}

/// What a forwarder does: another source, another number, and out again.
#[divan::bench]
fn parse_change_write_rtp(bencher: Bencher) {
    let octets = octets(&packet(false));
    let mut out = BytesMut::with_capacity(1_500);
    bencher.bench_local(|| {
        let mut packet = rtp::Packet::parse(black_box(&octets)).unwrap();
        packet.header.ssrc = Ssrc(7);
        packet.header.sequence_number = packet.header.sequence_number.next();
        packet.header.extensions.set(4, &[3, 4]);
        out.clear();
        packet.write(&mut out);
    });
}

/// 50 ms of a stream of 2.5 Mbit/s, one packet lost.
fn feedback() -> rtcp::Packet {
    let mut statuses = vec![PacketStatus::Received(4); 15];
    statuses.push(PacketStatus::Lost);
    rtcp::Packet::TransportFeedback(TransportFeedback {
        sender: Ssrc(1),
        media: Ssrc(2),
        base_sequence_number: 65_530,
        reference_time: 1,
        feedback_count: 0,
        statuses,
    })
}

#[divan::bench]
fn parse_transport_feedback(bencher: Bencher) {
    let octets = rtcp::write(&[feedback()]);
    bencher.bench_local(|| drop(black_box(rtcp::parse(black_box(&octets)).unwrap())));
}

#[divan::bench]
fn write_transport_feedback(bencher: Bencher) {
    let packets = [feedback()];
    bencher.bench(|| rtcp::write(black_box(&packets)));
}

/// The dearest compound a peer can send: 64 kB that speak of 65,535 packets.
#[divan::bench]
fn parse_64_kb_of_transport_feedback(bencher: Bencher) {
    let rtcp::Packet::TransportFeedback(mut feedback) = feedback() else { return };
    feedback.statuses = (0..32_000_u16)
        .map(|number| match number % 8 {
            0 => PacketStatus::Lost,
            _ => PacketStatus::Received(300),
        })
        .collect();
    let octets = rtcp::write(&[rtcp::Packet::TransportFeedback(feedback)]);
    bencher.bench_local(|| drop(black_box(rtcp::parse(black_box(&octets)).unwrap())));
}
