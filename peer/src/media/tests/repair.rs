//! Loss, and what becomes of it.

use std::time::Duration;

use srtp::rtcp;

use super::link::{A, AUDIO, B, Link, VIDEO, source, vp8};
use crate::media::engine::Outgoing;
use crate::media::{Codec, ReceiveMode};

/// Frames of the payload they were made with: nothing was put together wrongly.
fn all_true(link: &Link) -> bool {
    link.frames(B, VIDEO).iter().all(|frame| {
        let is_keyframe = frame.payload[0] & 1 == 0;
        let at = if is_keyframe { 10 } else { 3 };
        let number = u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
        frame.payload == vp8(number, is_keyframe, 5000)
    })
}

#[test]
fn ten_percent_loss_is_repaired() {
    let mut link = Link::new();
    link.loss = 100;
    link.video(A, 150, 5000, 1000);
    link.run(Duration::from_secs(1));
    let frames = link.frames(B, VIDEO).len();
    assert!(frames >= 148, "{frames} of 150");
    assert!(all_true(&link));
    let counters = link.inbound(B, source(A, VIDEO, 0).ssrc).counters;
    assert!(counters.repaired_packets > 40, "{counters:?}");
    assert!(counters.nacks > 10, "{counters:?}");
    let sent = link.ends[A].sources[&source(A, VIDEO, 0).ssrc].counters;
    assert!(sent.resent_packets >= counters.repaired_packets);
    assert!(sent.nacks > 10);
}

/// RFC 4588: the repair of a packet is the packet.
#[test]
fn retransmissions_have_their_own_source_and_numbers() {
    let mut link = Link::new();
    link.loss = 100;
    link.video(A, 30, 5000, 1000);
    let local = source(A, VIDEO, 0);
    let packets = link.rtp(A);
    let repairs: Vec<_> = packets.iter().filter(|packet| packet.header.ssrc == local.rtx).collect();
    assert!(!repairs.is_empty());
    assert!(repairs.iter().all(|packet| packet.header.payload_type.0 == 97));
    let repeats = repairs.iter().filter(|packet| !packet.payload.is_empty());
    for repair in repeats {
        let number = u16::from_be_bytes(repair.payload[..2].try_into().unwrap());
        let original = packets.iter().find(|packet| {
            packet.header.ssrc == local.ssrc && packet.header.sequence_number.0 == number
        });
        let original = original.unwrap();
        assert_eq!(original.payload, repair.payload.slice(2..));
        assert_eq!(original.header.timestamp, repair.header.timestamp);
    }
}

#[test]
fn row_62_no_number_twice_with_repair() {
    let mut link = Link::new();
    link.loss = 200;
    link.video(A, 100, 5000, 1000);
    let mut numbers: Vec<_> = link
        .rtp(A)
        .iter()
        .map(|packet| (packet.header.ssrc, packet.header.sequence_number.0))
        .collect();
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count);
}

#[test]
fn what_is_not_repaired_is_passed_over_and_a_keyframe_repairs_it() {
    let mut link = Link::new();
    let repair = source(A, VIDEO, 0).rtx.0.to_be_bytes();
    link.passes = Box::new(move |_, outgoing| match outgoing {
        Outgoing::Rtp(octets) => octets[8..12] != repair,
        Outgoing::Rtcp(_) => true,
    });
    link.loss = 30;
    link.video(A, 200, 5000, 1000);
    link.run(Duration::from_secs(1));
    assert!(all_true(&link));
    let frames = link.frames(B, VIDEO);
    assert!(frames.iter().any(|frame| frame.after_loss));
    let keyframes = frames.iter().filter(|frame| frame.is_keyframe).count();
    assert!(keyframes > 3, "{keyframes}");
    let counters = link.inbound(B, source(A, VIDEO, 0).ssrc).counters;
    assert!(counters.passed_over > 0 && counters.picture_losses > 0, "{counters:?}");
    assert!(link.ends[A].sources[&source(A, VIDEO, 0).ssrc].counters.picture_losses > 0);
}

#[test]
fn nothing_before_the_first_keyframe_and_pli_until_it_is_there() {
    let mut link = Link::new();
    link.ends[B].set_receive_mode(link.now, VIDEO, ReceiveMode::Discard);
    link.video(A, 10, 1000, 1000);
    assert!(link.frames(B, VIDEO).is_empty());
    assert!(!link.keyframe_asked(A), "nobody looks");
    link.ends[B].set_receive_mode(link.now, VIDEO, ReceiveMode::Frames);
    link.run(Duration::from_millis(30));
    assert!(link.keyframe_asked(A), "at once");
    // The sender has a mind of its own.
    let mut asked = 0;
    for number in 1..=30 {
        let payload = vp8(number, false, 1000);
        let timestamp = srtp::RtpTimestamp(number * 3000);
        let frame = crate::media::EncodedFrame { payload, timestamp, rid: None };
        link.ends[A].send_frame(link.now, VIDEO, &frame).unwrap();
        link.run(Duration::from_millis(33));
        asked += u32::from(link.keyframe_asked(A));
    }
    assert!((2..=4).contains(&asked), "{asked}");
    assert!(link.frames(B, VIDEO).is_empty());
    link.video(A, 1, 1000, 1);
    link.run(Duration::from_millis(100));
    assert_eq!(link.frames(B, VIDEO).len(), 1);
}

#[test]
fn lost_audio_is_passed_over_soon() {
    let mut link = Link::new();
    link.loss = 100;
    link.audio(A, 200);
    let frames = link.frames(B, AUDIO);
    assert!((150..195).contains(&frames.len()), "{}", frames.len());
    assert!(frames.iter().any(|frame| frame.after_loss));
    let times: Vec<_> = frames.iter().map(|frame| frame.received_at).collect();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest < Duration::from_millis(150), "{longest:?}");
    let is_nack = |packet: &rtcp::Packet| matches!(packet, rtcp::Packet::Nack(_));
    assert!(!link.rtcp(B).iter().flatten().any(is_nack), "not agreed on");
}

#[test]
fn packets_are_delivered_at_once_and_repaired_ones_too() {
    let mut link = Link::new();
    link.loss = 100;
    link.ends[B].set_receive_mode(link.now, VIDEO, ReceiveMode::Packets);
    link.video(A, 60, 5000, 1000);
    link.run(Duration::from_secs(1));
    let packets = link.packets(B, VIDEO);
    let mut numbers: Vec<_> = packets.iter().map(|packet| packet.sequence_number).collect();
    assert!(!numbers.is_sorted(), "not held back");
    numbers.sort_unstable();
    let count = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "each once");
    let expected = numbers.last().unwrap() - numbers[0] + 1;
    assert!(count as u64 + 2 >= expected, "{count} of {expected}");
    assert!(packets.iter().all(|packet| packet.codec == Codec::Vp8));
}

#[test]
fn a_far_jump_of_numbers_begins_anew() {
    let mut link = Link::new();
    link.video(A, 5, 1000, 1000);
    let mut hidden = 0;
    link.passes = Box::new(move |_, outgoing| {
        hidden += u32::from(matches!(outgoing, Outgoing::Rtp(_)));
        hidden > 4000
    });
    for _ in 0..5 {
        link.video(A, 100, 12_000, 1000);
    }
    link.passes = Box::new(|_, _| true);
    link.run(Duration::from_secs(5));
    link.video(A, 10, 1000, 1);
    link.run(Duration::from_secs(1));
    let frames = link.frames(B, VIDEO);
    assert!(frames.last().unwrap().is_keyframe);
    assert!(link.inbound(B, source(A, VIDEO, 0).ssrc).reception.lost() < 4000);
}
