//! Frames and packets that go through.

use std::time::Duration;

use srtp::{RtpTimestamp, Ssrc};

use super::link::{A, AUDIO, B, Link, VIDEO, rid, section, source, vp8};
use crate::media::engine::{MAX_RECEIVED_OCTETS, MediaEvent};
use crate::media::{Codec, EncodedFrame, MediaError, MediaFrame, ReceiveMode, Received};

#[test]
fn audio_and_video_arrive_whole_and_in_order() {
    let mut link = Link::new();
    link.audio(A, 50);
    link.video(B, 30, 5000, 30);
    let audio = link.frames(B, AUDIO);
    assert_eq!(audio.len(), 50);
    for (number, frame) in (0_u32..).zip(&audio) {
        assert_eq!(frame.payload[..4], number.to_be_bytes());
        let ticks = frame.timestamp.0.wrapping_sub(audio[0].timestamp.0);
        assert_eq!((ticks, frame.after_loss, frame.is_keyframe), (number * 960, false, true));
    }
    let video = link.frames(A, VIDEO);
    assert_eq!(video.len(), 30);
    for (number, frame) in (0_u32..).zip(&video) {
        assert_eq!(frame.payload, vp8(number, number == 0, 5000));
        assert_eq!((frame.is_keyframe, frame.ssrc), (number == 0, source(B, VIDEO, 0).ssrc));
    }
    assert_eq!(link.inbound(A, source(B, VIDEO, 0).ssrc).dimensions, Some((320, 240)));
}

#[test]
fn datagrams_have_1200_octets_with_the_tag() {
    let mut link = Link::new();
    link.video(A, 5, 50_000, 100);
    let longest = link.sent.iter().map(|(_, outgoing)| match outgoing {
        crate::media::engine::Outgoing::Rtp(octets)
        | crate::media::engine::Outgoing::Rtcp(octets) => octets.len() + 16,
    });
    let longest = longest.max().unwrap();
    assert!((1150..=1200).contains(&longest), "{longest}");
}

#[test]
fn nothing_is_sent_that_was_not_agreed_on() {
    let mut link = Link::new();
    let now = link.now;
    let frame = |layer: Option<&str>| EncodedFrame {
        payload: vp8(0, true, 100),
        timestamp: RtpTimestamp(0),
        rid: layer.map(rid),
    };
    let end = &mut link.ends[A];
    let unknown = crate::media::TransceiverId(9);
    assert_eq!(end.send_frame(now, unknown, &frame(None)), Err(MediaError::NotSending));
    assert_eq!(end.send_frame(now, VIDEO, &frame(Some("h"))), Err(MediaError::Layer));
    let empty = EncodedFrame { payload: Default::default(), ..frame(None) };
    assert_eq!(end.send_frame(now, VIDEO, &empty), Err(MediaError::Size));
    link.configure(A, |section| section.send = None);
    assert_eq!(link.ends[A].send_frame(now, VIDEO, &frame(None)), Err(MediaError::NotSending));
}

/// The negotiation gives it another name then, and the engine forgets the old one.
#[test]
fn a_section_that_ceases_to_send_begins_anew_under_another_name() {
    let mut link = Link::new();
    link.video(A, 3, 100, 100);
    link.configure(A, |section| section.send = None);
    link.run(Duration::from_secs(1));
    let (old, new) = (source(A, VIDEO, 0), source(A, VIDEO, 1));
    link.configure(A, |section| {
        if section.transceiver == VIDEO {
            section.send.as_mut().unwrap().sources = vec![new.clone()];
        }
    });
    link.video(A, 3, 100, 1);
    let count = |ssrc| link.rtp(A).iter().filter(|packet| packet.header.ssrc == ssrc).count();
    assert_eq!((count(old.ssrc), count(new.ssrc)), (3, 3));
    let figures = link.ends[A].stats();
    assert!(figures.outbound_rtp.iter().all(|stream| stream.ssrc != old.ssrc.0));
}

#[test]
fn three_layers_arrive_under_their_names() {
    let mut link = Link::new();
    let names = ["l", "m", "h"];
    link.configure(A, |section| {
        let sources = names.iter().zip(0..);
        let sources = sources.map(|(name, layer)| crate::media::parameters::LocalSource {
            rid: Some(rid(name)),
            ..source(A, section.transceiver, layer)
        });
        if section.transceiver == VIDEO {
            section.send.as_mut().unwrap().sources = sources.collect();
        }
    });
    link.configure(B, |section| {
        section.receive.as_mut().unwrap().rids = names.iter().map(|name| rid(name)).collect();
    });
    link.loss = 50;
    for number in 0..60 {
        for (layer, name) in (1..).zip(names) {
            let frame = EncodedFrame {
                payload: vp8(number, number % 30 == 0, 1000 * layer),
                timestamp: RtpTimestamp(number * 3000),
                rid: Some(rid(name)),
            };
            link.ends[A].send_frame(link.now, VIDEO, &frame).unwrap();
        }
        link.run(Duration::from_millis(33));
    }
    link.run(Duration::from_secs(1));
    for (layer, name) in (1..).zip(names) {
        let frames = link.frames(B, VIDEO);
        let of_layer = frames.iter().filter(|frame| frame.rid == Some(rid(name)));
        let of_layer: Vec<_> = of_layer.collect();
        assert!(of_layer.len() >= 55, "{name}: {}", of_layer.len());
        assert!(of_layer.iter().all(|frame| frame.payload.len() == 1000 * layer));
    }
}

/// A packet goes from A over B to another end, as it is; the source changes on the way.
#[test]
fn packets_are_forwarded_over_a_change_of_source() {
    let (mut link, mut onward) = (Link::new(), Link::new());
    let now = link.now;
    link.ends[B].set_receive_mode(now, VIDEO, ReceiveMode::Packets);
    link.video(A, 10, 3000, 100);
    link.ends[A].set_receive_mode(now, VIDEO, ReceiveMode::Packets);
    link.video(B, 10, 3000, 100);
    let first: Vec<_> = link.packets(B, VIDEO).into_iter().cloned().collect();
    let second: Vec<_> = link.packets(A, VIDEO).into_iter().cloned().collect();
    assert!(first[0].begins_keyframe && !first[3].begins_keyframe);
    assert_eq!((first.len(), second.len()), (30, 30));
    for packet in first.iter().chain(&second) {
        onward.ends[A].send_packet(onward.now, VIDEO, packet).unwrap();
        onward.run(Duration::from_millis(5));
    }
    onward.run(Duration::from_secs(1));
    let frames = onward.frames(B, VIDEO);
    assert_eq!(frames.len(), 20);
    assert!(frames.iter().all(|frame| !frame.after_loss && frame.payload.len() == 3000));
    let wrong = crate::media::MediaPacket { codec: crate::media::Codec::Av1, ..first[0].clone() };
    let result = onward.ends[A].send_packet(onward.now, VIDEO, &wrong);
    assert_eq!(result, Err(MediaError::Codec));
}

#[test]
fn readable_is_told_once_until_all_is_read() {
    let mut link = Link::new();
    link.audio(A, 10);
    let readable = |event: &&MediaEvent| **event == MediaEvent::Readable(AUDIO);
    assert_eq!(link.events[B].iter().filter(readable).count(), 10);
    assert_eq!(link.ends[B].recv(AUDIO), None);
}

#[test]
fn the_target_is_told() {
    let mut link = Link::new();
    link.video(A, 60, 6000, 100);
    let target = |event: &MediaEvent| matches!(event, MediaEvent::TargetBitrate(_));
    assert!(link.events[A].iter().any(target));
    assert!(!link.events[B].iter().any(target), "it sends nothing");
}

#[test]
fn more_than_the_path_carries_is_refused_and_a_keyframe_asked_for() {
    let mut link = Link::new();
    let frame =
        EncodedFrame { payload: vp8(0, true, 1_000_000), timestamp: RtpTimestamp(0), rid: None };
    let results: Vec<_> =
        (0..3).map(|_| link.ends[A].send_frame(link.now, VIDEO, &frame)).collect();
    assert_eq!(results[0], Ok(()));
    assert_eq!(results[2], Err(MediaError::Congested));
    link.run(Duration::from_millis(1));
    assert!(link.keyframe_asked(A));
}

#[test]
fn the_audio_level_is_forwarded() {
    let (mut link, mut onward) = (Link::new(), Link::new());
    link.ends[B].set_receive_mode(link.now, AUDIO, ReceiveMode::Packets);
    link.audio(A, 1);
    let packet = link.packets(B, AUDIO)[0].clone();
    assert_eq!(packet.audio_level, None);
    let loud = crate::media::MediaPacket { audio_level: Some(20), ssrc: Ssrc(5), ..packet };
    onward.ends[B].set_receive_mode(onward.now, AUDIO, ReceiveMode::Both);
    onward.ends[A].send_packet(onward.now, AUDIO, &loud).unwrap();
    onward.run(Duration::from_millis(100));
    assert_eq!(onward.packets(B, AUDIO)[0].audio_level, Some(20));
    assert_eq!(onward.frames(B, AUDIO).len(), 1);
}

/// What nobody reads bounds what else may wait; but not for ever.
#[test]
fn row_03_what_is_over_takes_no_room() {
    let mut link = Link::new();
    let (now, end) = (link.now, &mut link.ends[B]);
    let frame = MediaFrame {
        codec: Codec::Vp8,
        rid: None,
        ssrc: Ssrc(1),
        timestamp: RtpTimestamp(0),
        is_keyframe: true,
        after_loss: false,
        received_at: now,
        payload: vec![0; 1000].into(),
    };
    let delivery = end.deliveries.entry(VIDEO).or_default();
    delivery.push(Received::Frame(frame), MAX_RECEIVED_OCTETS);
    assert!(end.circumstances(now, AUDIO, Ssrc(1)).room < MAX_RECEIVED_OCTETS);
    end.configure(now, vec![section(B, AUDIO)]);
    assert_eq!(end.circumstances(now, AUDIO, Ssrc(1)).room, MAX_RECEIVED_OCTETS);
    assert_eq!(end.recv(VIDEO), None);
}
