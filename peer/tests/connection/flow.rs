//! Audio and video between whole connections: encrypted, repaired, beside data.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use peer::media::{
    EncodedFrame, MediaError, MediaFrame, MediaKind, ReceiveMode, Received, TransceiverId,
    TransceiverInit,
};
use peer::stats::{InboundRtpStats, OutboundRtpStats};
use peer::{Error, Event, Transmit};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sdp::Direction;
use srtp::RtpTimestamp;

use crate::net::{A, B, Net, address, stranger};

const SECOND: Duration = Duration::from_secs(1);

/// A video frame: VP8's header, a number, and some octets.
fn vp8(number: u32, is_keyframe: bool, octets: usize) -> Bytes {
    let mut frame = if is_keyframe {
        vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00]
    } else {
        vec![0x11, 0, 0]
    };
    frame.extend(number.to_be_bytes());
    frame.resize(octets, 7);
    frame.into()
}

fn is_rtp(transmit: &Transmit) -> bool {
    matches!(transmit.payload[..], [128..=191, 0..=191 | 224.., ..])
}

/// A call with both kinds both ways.
struct Call {
    net: Net,
    audio: [TransceiverId; 2],
    video: [TransceiverId; 2],
    /// Frames received, by end and transceiver.
    frames: HashMap<(usize, TransceiverId), Vec<MediaFrame>>,
    told: [usize; 2],
    sent: u32,
}

impl Call {
    fn new() -> Self {
        let mut net = Net::new();
        let mut ids = Vec::new();
        for end in [A, B] {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                let init = TransceiverInit { direction: Direction::SendRecv, ..Default::default() };
                ids.push(net.ends[end].add_transceiver(net.now, kind, init).unwrap());
            }
        }
        net.negotiate(A);
        assert!(net.run_until(5 * SECOND, Net::both_connected));
        let (audio, video) = ([ids[0], ids[2]], [ids[1], ids[3]]);
        for end in [A, B] {
            for id in [audio[end], video[end]] {
                net.ends[end].set_receive_mode(net.now, id, ReceiveMode::Frames);
            }
        }
        Self { net, audio, video, frames: HashMap::new(), told: [0; 2], sent: 0 }
    }

    fn run(&mut self, time: Duration) {
        self.net.run(time);
        for end in [A, B] {
            for id in [self.audio[end], self.video[end]] {
                while let Some(received) = self.net.ends[end].recv_media(self.net.now, id) {
                    let Received::Frame(frame) = received else { panic!("not asked for") };
                    self.frames.entry((end, id)).or_default().push(frame);
                }
            }
        }
    }

    /// Whether the end was asked for a keyframe since last time.
    fn keyframe_asked(&mut self, end: usize) -> bool {
        let events = &self.net.events[end][self.told[end]..];
        let asked = events.iter().any(|event| matches!(event, Event::KeyframeRequested(..)));
        self.told[end] = self.net.events[end].len();
        asked
    }

    /// Both talk for so many frames of video, 30 a second, and of audio.
    fn talk(&mut self, frames: u32) {
        for _ in 0..frames {
            for end in [A, B] {
                let is_keyframe = self.sent == 0 || self.keyframe_asked(end);
                let video = EncodedFrame {
                    payload: vp8(self.sent, is_keyframe, 3000),
                    timestamp: RtpTimestamp(self.sent * 3000),
                    rid: None,
                };
                let audio = EncodedFrame {
                    payload: self.sent.to_be_bytes().repeat(20).into(),
                    timestamp: RtpTimestamp(self.sent * 1600),
                    rid: None,
                };
                let now = self.net.now;
                self.net.ends[end].send_frame(now, self.video[end], video).unwrap();
                self.net.ends[end].send_frame(now, self.audio[end], audio).unwrap();
            }
            self.sent += 1;
            self.run(Duration::from_millis(33));
        }
    }

    fn received(&self, end: usize, id: TransceiverId) -> &[MediaFrame] {
        self.frames.get(&(end, id)).map_or(&[], Vec::as_slice)
    }

    fn inbound(&self, end: usize, kind: MediaKind) -> InboundRtpStats {
        let stats = self.net.ends[end].get_stats(self.net.now).media.inbound_rtp;
        stats.into_iter().find(|stats| stats.kind == kind).unwrap()
    }

    fn outbound(&self, end: usize, kind: MediaKind) -> OutboundRtpStats {
        let stats = self.net.ends[end].get_stats(self.net.now).media.outbound_rtp;
        stats.into_iter().find(|stats| stats.kind == kind).unwrap()
    }

    /// Loses so many of a thousand datagrams of media.
    fn lose(&mut self, thousandths: u32) {
        let mut rng = StdRng::seed_from_u64(9);
        self.net.passes = Box::new(move |_, transmit| {
            !is_rtp(transmit) || rng.random_range(0..1000) >= thousandths
        });
    }
}

#[test]
fn audio_and_video_pass_both_ways() {
    let mut call = Call::new();
    call.talk(60);
    call.run(SECOND);
    for end in [A, B] {
        let (audio, video) =
            (call.received(end, call.audio[end]), call.received(end, call.video[end]));
        assert_eq!((audio.len(), video.len()), (60, 60));
        assert!(audio.iter().zip(0_u32..).all(|(frame, n)| frame.payload[..4] == n.to_be_bytes()));
        assert!(video.iter().zip(0_u32..).all(|(frame, n)| frame.payload == vp8(n, n == 0, 3000)));
    }
}

#[test]
fn five_percent_loss_is_repaired_and_the_figures_tell() {
    let mut call = Call::new();
    call.lose(50);
    call.talk(150);
    call.run(SECOND);
    for end in [A, B] {
        let video = call.received(end, call.video[end]);
        assert!(video.len() >= 148, "{}", video.len());
        let stats = call.inbound(end, MediaKind::Video);
        assert!(stats.packets_lost > 5 && stats.retransmitted_packets_received > 5, "{stats:?}");
        assert!(stats.nack_count > 5, "{stats:?}");
        assert_eq!((stats.frame_width, stats.frame_height), (Some(320), Some(240)));
        let sent = call.outbound(end, MediaKind::Video);
        assert!(sent.retransmitted_packets_sent > 5 && sent.nack_count > 5, "{sent:?}");
        let remote = call.net.ends[end].get_stats(call.net.now).media.remote_inbound_rtp;
        let round_trip = remote[0].round_trip_time.unwrap();
        assert!((0.02..0.03).contains(&round_trip), "{round_trip}");
    }
}

#[test]
fn statistics_of_media_have_the_names_of_the_w3c() {
    let mut call = Call::new();
    call.talk(90);
    let json = serde_json::to_value(call.net.ends[A].get_stats(call.net.now)).unwrap();
    assert_eq!(json["transport"]["srtpCipher"], "SRTP_AEAD_AES_128_GCM");
    let inbound = &json["media"]["inboundRtp"][0];
    for name in ["packetsReceived", "bytesReceived", "packetsLost", "jitter", "codecId", "mid"] {
        assert!(!inbound[name].is_null(), "{name}");
    }
    let codecs = json["media"]["codecs"].as_array().unwrap();
    let codec = codecs.iter().find(|codec| codec["id"] == inbound["codecId"]).unwrap();
    assert!(["audio/opus", "video/VP8"].contains(&codec["mimeType"].as_str().unwrap()));
    let local = json["certificates"]["local"]["fingerprint"].as_str().unwrap();
    assert!(call.net.ends[A].local_description().unwrap().sdp.contains(local));
    let remote = json["certificates"]["remote"]["fingerprint"].as_str().unwrap();
    assert!(call.net.ends[A].remote_description().unwrap().sdp.contains(remote));
}

/// RTP in the clear, before the keys and after, from the right address.
#[test]
fn row_61_clear_rtp_is_dropped_and_the_call_goes_on() {
    let mut call = Call::new();
    call.talk(10);
    let before = call.net.ends[B].get_stats(call.net.now).transport.traffic.media_discarded;
    let ssrc = call.outbound(A, MediaKind::Audio).ssrc.to_be_bytes();
    let mut clear = vec![0x80, 111, 0x77, 0x77, 0, 0, 0, 0];
    clear.extend(ssrc);
    clear.extend([0; 40]);
    let rtcp = [0x81, 203, 0, 1, ssrc[0], ssrc[1], ssrc[2], ssrc[3]];
    for _ in 0..10 {
        let result = call.net.inject(B, address(A), &clear);
        assert!(matches!(result, Err(Error::Srtp(_))), "{result:?}");
        let result = call.net.inject(B, address(A), &rtcp);
        assert!(matches!(result, Err(Error::Srtp(_))), "{result:?}");
        let result = call.net.inject(B, stranger(), &clear);
        assert!(matches!(result, Err(Error::Unvalidated)), "{result:?}");
    }
    let after = call.net.ends[B].get_stats(call.net.now).transport.traffic.media_discarded;
    assert_eq!(after - before, 20);
    call.talk(10);
    call.run(SECOND);
    assert_eq!(call.received(B, call.audio[B]).len(), 20);
}

#[test]
fn row_59_replayed_packets_are_dropped() {
    let mut call = Call::new();
    call.talk(20);
    let sent = call.net.sent.iter().filter(|(end, _, transmit)| *end == A && is_rtp(transmit));
    let sent: Vec<_> = sent.map(|(.., transmit)| transmit.payload.clone()).collect();
    let before = call.inbound(B, MediaKind::Video).packets_received;
    for packet in &sent {
        let result = call.net.inject(B, address(A), packet);
        assert!(matches!(result, Err(Error::Srtp(srtp::Error::Replayed))), "{result:?}");
    }
    assert_eq!(call.inbound(B, MediaKind::Video).packets_received, before);
    call.talk(5);
    call.run(SECOND);
    assert_eq!(call.received(B, call.video[B]).len(), 25);
}

#[test]
fn data_and_media_do_not_starve_each_other() {
    let mut call = Call::new();
    let ours = call.net.ends[A].create_data_channel(call.net.now, "", Default::default()).unwrap();
    call.net.negotiate(A);
    let theirs = call.net.incoming(B);
    let message = peer::Message::binary(vec![0; 60_000]);
    for _ in 0..100 {
        call.net.ends[A].send(call.net.now, ours, message.clone()).unwrap();
        call.talk(1);
        let now = call.net.now;
        while call.net.ends[B].recv(now, theirs).is_some() {}
    }
    call.run(SECOND);
    let now = call.net.now;
    while call.net.ends[B].recv(now, theirs).is_some() {}
    assert_eq!(call.received(B, call.video[B]).len(), 100);
    assert_eq!(call.received(B, call.audio[B]).len(), 100);
    let channels = call.net.ends[B].get_stats(now).data_channels;
    assert_eq!(channels[0].bytes_received, 6_000_000);
}

#[test]
fn media_flows_over_renegotiations() {
    let mut call = Call::new();
    call.talk(10);
    for offerer in [A, B, B, A] {
        call.net.negotiate(offerer);
        call.talk(10);
    }
    // A track more, and one less.
    let more = call.net.ends[A]
        .add_transceiver(call.net.now, MediaKind::Video, TransceiverInit::default())
        .unwrap();
    call.net.negotiate(A);
    call.talk(10);
    let frame = EncodedFrame { payload: vp8(0, true, 3000), timestamp: RtpTimestamp(0), rid: None };
    call.net.ends[A].send_frame(call.net.now, more, frame.clone()).unwrap();
    call.net.ends[A].stop_transceiver(call.net.now, more).unwrap();
    let result = call.net.ends[A].send_frame(call.net.now, more, frame);
    assert_eq!(result, Err(MediaError::NotSending));
    call.net.negotiate(A);
    call.talk(10);
    call.run(SECOND);
    for end in [A, B] {
        assert_eq!(call.received(end, call.video[end]).len(), 70);
        assert_eq!(call.received(end, call.audio[end]).len(), 70);
        assert!(call.received(end, call.video[end]).iter().all(|frame| !frame.after_loss));
    }
}

#[test]
fn camera_off_and_on() {
    let mut call = Call::new();
    call.talk(10);
    let (id, now) = (call.video[A], call.net.now);
    call.net.ends[A].set_direction(now, id, Direction::RecvOnly).unwrap();
    call.net.negotiate(A);
    let frame = EncodedFrame { payload: vp8(0, true, 100), timestamp: RtpTimestamp(0), rid: None };
    let result = call.net.ends[A].send_frame(now, id, frame);
    assert_eq!(result, Err(MediaError::NotSending));
    call.run(3 * SECOND);
    call.net.ends[A].set_direction(call.net.now, id, Direction::SendRecv).unwrap();
    call.net.negotiate(A);
    let before = call.received(B, call.video[B]).len();
    call.keyframe_asked(A);
    call.talk(30);
    call.run(SECOND);
    let after = &call.received(B, call.video[B])[before..];
    assert!(after.len() >= 20, "{}", after.len());
    assert!(after[0].is_keyframe);
}

#[test]
fn a_path_that_is_gone_holds_no_media() {
    let mut call = Call::new();
    call.talk(5);
    call.net.passes = Box::new(|_, _| false);
    call.run(40 * SECOND);
    let frame = EncodedFrame { payload: vp8(0, true, 100), timestamp: RtpTimestamp(0), rid: None };
    let result = call.net.ends[A].send_frame(call.net.now, call.video[A], frame);
    assert_eq!(result, Err(MediaError::NotSending));
}

#[test]
fn before_the_connection_nothing_is_sent() {
    let mut net = Net::new();
    let id =
        net.ends[A].add_transceiver(net.now, MediaKind::Video, TransceiverInit::default()).unwrap();
    let frame = EncodedFrame { payload: vp8(0, true, 100), timestamp: RtpTimestamp(0), rid: None };
    let result = net.ends[A].send_frame(net.now, id, frame);
    assert_eq!(result, Err(MediaError::NotSending));
    assert!(!net.sent.iter().any(|(.., transmit)| is_rtp(transmit)));
}

#[test]
fn the_farewell_of_media_leaves() {
    let mut call = Call::new();
    call.talk(5);
    call.net.sent.clear();
    let now = call.net.now;
    call.net.ends[A].close(now);
    call.net.drain();
    let rtcp = |(end, _, transmit): &(usize, std::time::Instant, Transmit)| {
        *end == A && matches!(transmit.payload[..], [128..=191, 192..=223, ..])
    };
    assert_eq!(call.net.sent.iter().filter(|sent| rtcp(sent)).count(), 1);
    call.run(SECOND);
    assert!(call.net.events[B].iter().any(|event| matches!(event, Event::Closed(_))));
}
