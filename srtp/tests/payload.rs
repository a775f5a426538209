//! Frames of real encoders, cut by us and put together again; and cut by ffmpeg, put together by us.
//! How the samples were made is told in `samples/README.md`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use bytes::Bytes;
use srtp::payload::{Codec, Depacketizer, Frame, Packetizer, begins_keyframe, dimensions};
use srtp::rtp::{Header, Packet};
use srtp::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

fn sample(name: &str) -> Bytes {
    let path = format!("{}/tests/samples/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")).into()
}

/// The frames of an IVF file: a header of 32 octets, then each frame behind 12 octets that begin
/// with its length.
fn ivf(name: &str) -> Vec<Bytes> {
    let file = sample(name);
    let mut frames = Vec::new();
    let mut at = 32;
    while at < file.len() {
        let length = u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        frames.push(file.slice(at + 12..at + 12 + length));
        at += 12 + length;
    }
    frames
}

/// The NAL units of an Annex B file with start codes of four octets, as access units: each of the
/// four pictures has two slices, the first of which follows whatever is in front.
fn access_units(name: &str) -> Vec<Bytes> {
    let file = normalized(&sample(name));
    let starts: Vec<usize> =
        (0..file.len() - 3).filter(|at| file[*at..*at + 4] == [0, 0, 0, 1]).collect();
    let mut units = Vec::new();
    let (mut begin, mut slices) = (0, 0);
    for (index, start) in starts.iter().enumerate() {
        slices += usize::from(matches!(file[start + 4] & 0x1f, 1 | 5));
        if slices == 2 {
            let end = starts.get(index + 1).copied().unwrap_or(file.len());
            units.push(Bytes::copy_from_slice(&file[begin..end]));
            (begin, slices) = (end, 0);
        }
    }
    units
}

/// All start codes with four octets.
fn normalized(stream: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for octet in stream {
        out.push(*octet);
        if out.ends_with(&[0, 0, 1]) && !out.ends_with(&[0, 0, 0, 1]) {
            let at = out.len() - 3;
            out.insert(at, 0);
        }
    }
    out
}

fn packet(number: u16, timestamp: u32, marker: bool, payload: Bytes) -> Packet {
    Packet {
        header: Header {
            marker,
            payload_type: PayloadType(96),
            sequence_number: SequenceNumber(number),
            timestamp: RtpTimestamp(timestamp),
            ssrc: Ssrc(1),
            csrcs: Vec::new(),
            extensions: srtp::rtp::Extensions::default(),
        },
        payload,
        padding: 0,
    }
}

/// Cuts, checks where keyframes begin, and joins.
fn cut_and_joined(codec: Codec, frames: &[Bytes], max: usize) -> Vec<Frame> {
    let mut packetizer = Packetizer::new(codec);
    let mut depacketizer = Depacketizer::new(codec);
    let mut joined = Vec::new();
    for (timestamp, frame) in (0..).zip(frames) {
        let fragments = packetizer.packetize(frame, max);
        let begins: Vec<bool> =
            fragments.iter().map(|fragment| begins_keyframe(codec, &fragment.payload)).collect();
        let is_keyframe = timestamp % 3 == 0;
        assert_eq!(begins.iter().filter(|begins| **begins).count(), usize::from(is_keyframe));
        assert_eq!(begins[0], is_keyframe);
        for fragment in fragments {
            assert!(fragment.payload.len() <= max);
            let packet = packet(0, timestamp, fragment.marker, fragment.payload);
            depacketizer.push(&packet).unwrap();
        }
        joined.extend(std::iter::from_fn(|| depacketizer.poll_frame()));
    }
    joined
}

fn check(codec: Codec, frames: &[Bytes], expected: &[Bytes]) {
    assert_eq!(frames.len(), 4);
    for max in [40, 100, 333, 1200, 60_000] {
        let joined = cut_and_joined(codec, frames, max);
        check_frames(codec, &joined, expected);
    }
}

fn check_frames(codec: Codec, frames: &[Frame], expected: &[Bytes]) {
    let payloads: Vec<&Bytes> = frames.iter().map(|frame| &frame.payload).collect();
    assert_eq!(payloads, expected.iter().collect::<Vec<_>>());
    for (index, frame) in frames.iter().enumerate() {
        assert_eq!(frame.is_keyframe, index % 3 == 0, "{codec:?} {index}");
        let size = frame.is_keyframe.then_some((64, 48));
        assert_eq!(dimensions(codec, &frame.payload), size, "{codec:?} {index}");
    }
}

/// Packets as ffmpeg sent them, twelve octets of header each.
fn joined_from(codec: Codec, name: &str) -> Vec<Frame> {
    let file = sample(name);
    let mut depacketizer = Depacketizer::new(codec);
    let mut frames = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let length = usize::from(u16::from_be_bytes(file[at..at + 2].try_into().unwrap()));
        let packet = Packet::parse(&file.slice(at + 2..at + 2 + length)).unwrap();
        depacketizer.push(&packet).unwrap();
        frames.extend(std::iter::from_fn(|| depacketizer.poll_frame()));
        at += 2 + length;
    }
    frames
}

#[test]
fn vp8_of_libvpx() {
    let frames = ivf("vp8.ivf");
    check(Codec::Vp8, &frames, &frames);
    check_frames(Codec::Vp8, &joined_from(Codec::Vp8, "vp8.rtp"), &frames);
}

#[test]
fn vp9_of_libvpx() {
    let frames = ivf("vp9.ivf");
    check(Codec::Vp9, &frames, &frames);
    check_frames(Codec::Vp9, &joined_from(Codec::Vp9, "vp9.rtp"), &frames);
}

#[test]
fn h264_of_x264() {
    let frames = access_units("h264.h264");
    check(Codec::H264, &frames, &frames);
    check_frames(Codec::H264, &joined_from(Codec::H264, "h264.rtp"), &frames);
}

#[test]
fn av1_of_libaom() {
    // Temporal delimiters, two octets, are in files but not in RTP.
    let frames = ivf("av1.ivf");
    let without: Vec<Bytes> = frames.iter().map(|frame| frame.slice(2..)).collect();
    assert!(frames.iter().all(|frame| frame[..2] == [0x12, 0]));
    check(Codec::Av1, &frames, &without);
}
