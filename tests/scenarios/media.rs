//! Whole connections with audio and video: congestion, repair, data beside them, renegotiation.
//!
//! ```text
//!   Camera ── send_frame ─► left ─► [ queue ≤ 300 ms │ rate ] ─► 50 ms, loss ─► right ─► Screen
//!      ▲ TargetBitrate,      ▲                                                   │
//!      └─ KeyframeRequested ─┴──────────────── 50 ms ◄───── feedback ────────────┘
//! ```
//!
//! What counts is what the application at the right gets: octets of frames, whole and in order.

use std::time::{Duration, Instant};

use bytes::Bytes;
use peer::media::{
    Codec, EncodedFrame, MediaFrame, MediaKind, ReceiveMode, Received, TransceiverId,
    TransceiverInit,
};
use peer::{ChannelId, Connection, ConnectionState, DataChannelInit, Event, Message};
use rand::SeedableRng;
use rand::rngs::StdRng;
use srtp::RtpTimestamp;
use tests::sim::{Link, Pair, Side, seeds};

use crate::peer::{LEFT, RIGHT, address, config, negotiate};

/// 30 a second.
const FRAME: Duration = Duration::from_micros(33_333);

/// What an application leaves to the channel at a time: more would go on long after its end.
const MAX_BUFFERED: usize = 64 << 10;

/// A link of so many kbit/s and 50 ms, with room for 300 ms more.
fn bottleneck(kilobits: u32) -> Link {
    Link::default().delay(50).rate(kilobits * 1_000 / 8, Duration::from_millis(300))
}

fn init(codec: Codec) -> TransceiverInit {
    TransceiverInit { codecs: vec![codec], ..TransceiverInit::default() }
}

/// An encoder that obeys: frames of the target's size, a keyframe when asked.
struct Camera {
    id: TransceiverId,
    target: u64,
    /// Frames it has made.
    number: u32,
    wants_keyframe: bool,
    /// Events of the connection that it has seen.
    seen: usize,
}

impl Camera {
    /// One more frame: its number stands in it.
    fn shoot(&mut self, now: Instant, left: &mut Side<Connection>) {
        for event in &left.events[self.seen..] {
            match event {
                Event::TargetBitrate(target) => self.target = *target,
                Event::KeyframeRequested(id, _) => self.wants_keyframe |= *id == self.id,
                _ => {}
            }
        }
        self.seen = left.events.len();
        let octets = self.target * u64::try_from(FRAME.as_micros()).unwrap() / 8_000_000;
        // RFC 6386 §9.1; of other frames, the descriptor's reader looks at one bit.
        let mut frame = match std::mem::take(&mut self.wants_keyframe) {
            true => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00],
            false => vec![0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        };
        frame.extend(self.number.to_be_bytes());
        frame.resize(usize::try_from(octets).unwrap().max(frame.len()), 7);
        self.number += 1;
        let timestamp = RtpTimestamp(self.number.wrapping_mul(3_000));
        // What is refused for congestion is a frame lost, and a keyframe will be asked for.
        let _ = left.send_frame(
            now,
            self.id,
            EncodedFrame { payload: frame.into(), timestamp, rid: None },
        );
    }
}

/// 20 ms of sound in 80 octets.
struct Microphone {
    id: TransceiverId,
    next: Instant,
    number: u32,
}

impl Microphone {
    fn listen(&mut self, now: Instant, left: &mut Side<Connection>) {
        while self.next <= now {
            let mut payload = vec![0x78; 80];
            payload[1..5].copy_from_slice(&self.number.to_be_bytes());
            let timestamp = RtpTimestamp(self.number.wrapping_mul(960));
            let frame = EncodedFrame { payload: payload.into(), timestamp, rid: None };
            left.send_frame(now, self.id, frame).unwrap();
            self.number += 1;
            self.next += Duration::from_millis(20);
        }
    }
}

/// What the application at the right has seen or heard.
#[derive(Default)]
struct Screen {
    frames: Vec<MediaFrame>,
}

impl Screen {
    fn watch(&mut self, now: Instant, id: TransceiverId, right: &mut Side<Connection>) {
        while let Some(received) = right.recv_media(now, id) {
            if let Received::Frame(frame) = received {
                self.frames.push(frame);
            }
        }
    }

    /// The frames' own numbers, which stand at this place in them.
    fn numbers(&self, at: usize) -> Vec<u32> {
        let number =
            |frame: &MediaFrame| u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
        self.frames.iter().map(number).collect()
    }

    /// The mean rate in kbit/s between two instants.
    fn kilobits(&self, from: Instant, to: Instant) -> u64 {
        let then = self.frames.iter().filter(|frame| (from..to).contains(&frame.received_at));
        let octets: usize = then.map(|frame| frame.payload.len()).sum();
        octets as u64 * 8 / u64::try_from((to - from).as_millis()).unwrap()
    }
}

/// A call: video from left to right, and maybe more.
struct Call {
    pair: Pair<Connection, Connection>,
    camera: Option<Camera>,
    microphone: Option<Microphone>,
    channel: Option<ChannelId>,
    video: Screen,
    audio: Screen,
    /// Octets of messages that have arrived at the right.
    data: usize,
    /// Whether the left has always something to send on the channel.
    floods: bool,
    seen: usize,
}

impl Call {
    fn new(seed: u64, link: &Link, kinds: &[MediaKind], has_data: bool) -> Self {
        let now = Instant::now();
        let connection = |side, host| {
            let rng = StdRng::seed_from_u64(2 * seed + side as u64);
            let mut connection = Connection::new(now, config(side), rng).unwrap();
            connection.add_local_candidate(now, address(host));
            connection
        };
        let (mut left, mut right) = (connection(0, LEFT), connection(1, RIGHT));
        let channel = has_data
            .then(|| left.create_data_channel(now, "data", DataChannelInit::default()).unwrap());
        let mut call = Self {
            camera: None,
            microphone: None,
            channel,
            video: Screen::default(),
            audio: Screen::default(),
            data: 0,
            floods: false,
            seen: 0,
            pair: {
                for kind in kinds {
                    add(now, *kind, &mut left);
                }
                negotiate(now, &mut left, &mut right);
                Pair::new(now, seed, link, left, right)
            },
        };
        call.pair.run_until(Duration::from_secs(20), |_, left, right| {
            [left, right].iter().all(|side| side.connection_state() == ConnectionState::Connected)
        });
        call.receive_all();
        call
    }

    /// Both applications use what is agreed on by now.
    fn receive_all(&mut self) {
        let now = self.pair.now();
        let right: Vec<_> = self.pair.right.transceivers().collect();
        for info in right {
            self.pair.right.set_receive_mode(now, info.id, ReceiveMode::Frames);
        }
        for info in self.pair.left.transceivers().collect::<Vec<_>>() {
            match info.kind {
                MediaKind::Video => {
                    self.camera.get_or_insert(Camera {
                        id: info.id,
                        target: 300_000,
                        number: 0,
                        wants_keyframe: true,
                        seen: self.pair.left.events.len(),
                    });
                }
                MediaKind::Audio => {
                    self.microphone.get_or_insert(Microphone { id: info.id, next: now, number: 0 });
                }
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.pair.now() + Duration::from_secs(seconds);
        while self.pair.now() < end {
            self.tick();
        }
    }

    /// The time of a frame.
    fn tick(&mut self) {
        let now = self.pair.now();
        let Self { pair, camera, microphone, channel, .. } = self;
        if let Some(camera) = camera {
            camera.shoot(now, &mut pair.left);
        }
        let message = Message::Binary(Bytes::from(vec![9; 1_000]));
        let (floods, video, audio) = (self.floods, &mut self.video, &mut self.audio);
        let (data, seen) = (&mut self.data, &mut self.seen);
        pair.run_for_with(FRAME, |now, left, right| {
            if let Some(microphone) = microphone {
                microphone.listen(now, left);
            }
            if let (Some(channel), true) = (*channel, floods) {
                while left.buffered_amount(channel) < MAX_BUFFERED
                    && left.send(now, channel, message.clone()).is_ok()
                {}
            }
            let readable = |event: &Event| match event {
                Event::Readable(id) => Some(*id),
                _ => None,
            };
            let channels: Vec<_> = right.events[*seen..].iter().filter_map(readable).collect();
            *seen = right.events.len();
            for channel in channels {
                while let Some(message) = right.recv(now, channel) {
                    if let Message::Binary(octets) = message {
                        *data += octets.len();
                    }
                }
            }
        });
        let now = pair.now();
        for info in pair.right.transceivers().collect::<Vec<_>>() {
            match info.kind {
                MediaKind::Video => video.watch(now, info.id, &mut pair.right),
                MediaKind::Audio => audio.watch(now, info.id, &mut pair.right),
            }
        }
    }

    /// What arrived of the video in the last seconds, kbit/s.
    fn last(&self, seconds: u64) -> u64 {
        let now = self.pair.now();
        self.video.kilobits(now - Duration::from_secs(seconds), now)
    }
}

fn add(now: Instant, kind: MediaKind, connection: &mut Connection) {
    let codec = match kind {
        MediaKind::Audio => Codec::Opus,
        MediaKind::Video => Codec::Vp8,
    };
    connection.add_transceiver(now, kind, init(codec)).unwrap();
}

/// The target settles, on the link as it is: 70 to 100 % of it arrive as frames.
fn settles(call: &mut Call, kilobits: u64, seconds: u64) {
    for _ in 0..seconds / 2 {
        call.run(2);
        let rate = call.last(2);
        let percent = rate * 100 / kilobits;
        let at = call.pair.elapsed();
        assert!((70..=100).contains(&percent), "{rate} of {kilobits} kbit/s at {at:?}");
    }
}

#[test]
fn video_fills_a_megabit_follows_its_drop_and_its_recovery() {
    seeds(3, |seed| {
        let mut call = Call::new(seed, &bottleneck(1_000), &[MediaKind::Video], false);
        call.run(5);
        settles(&mut call, 1_000, 20);

        call.pair.set_links(&bottleneck(300));
        call.run(3);
        // Three seconds later nothing waits any more, and the encoder knows.
        let target = call.camera.as_ref().unwrap().target;
        assert!(target <= 300_000, "{target}");
        // A third of the link at once, half of it soon; and never more than all of it.
        for least in [100, 100, 100, 150, 150] {
            call.run(2);
            let rate = call.last(2);
            assert!((least..=300).contains(&rate), "{rate} kbit/s at {:?}", call.pair.elapsed());
        }

        call.pair.set_links(&bottleneck(1_000));
        call.run(20);
        settles(&mut call, 1_000, 20);
        let numbers = call.video.numbers(10);
        let made = call.camera.as_ref().unwrap().number as usize;
        assert!(numbers.len() >= made * 95 / 100, "{} of {made} frames", numbers.len());
    });
}

#[test]
fn at_five_per_cent_of_loss_frames_arrive_repaired_or_a_keyframe_follows() {
    seeds(5, |seed| {
        let link = bottleneck(2_000).loss(0.05);
        let mut call = Call::new(seed, &link, &[MediaKind::Video], false);
        call.run(30);
        let made = call.camera.as_ref().unwrap().number as usize;
        call.camera = None;
        call.run(2);

        let numbers = call.video.numbers(10);
        assert!(numbers.is_sorted(), "in order");
        assert!(numbers.len() >= made * 99 / 100, "{} of {made} frames", numbers.len());
        let mut is_whole = true;
        let mut shown_at = 0;
        for (index, frame) in call.video.frames.iter().enumerate() {
            // A gap is told, and a picture that needs none of what is missing follows within a second.
            let is_gap = index > 0 && numbers[index] != numbers[index - 1] + 1;
            assert_eq!(is_gap, frame.after_loss, "frame {}", numbers[index]);
            is_whole = frame.is_keyframe || (is_whole && !is_gap);
            if is_whole {
                shown_at = index;
            }
            assert!(index - shown_at <= 30, "no keyframe before frame {}", numbers[index]);
        }

        let now = call.pair.now();
        let [sender, receiver] =
            [&call.pair.left, &call.pair.right].map(|side| side.get_stats(now));
        let (sent, received) = (&sender.media.outbound_rtp[0], &receiver.media.inbound_rtp[0]);
        assert!(sent.nack_count > 0 && sent.retransmitted_packets_sent > 0);
        assert!(received.nack_count >= sent.nack_count);
        assert!(received.retransmitted_packets_received > 0);
        let share = received.packets_lost as f64 / sent.packets_sent as f64;
        assert!((0.02..0.08).contains(&share), "{share}");
        let found = received.retransmitted_packets_received as f64 / received.packets_lost as f64;
        assert!(found > 0.95, "{found}");
    });
}

#[test]
fn a_channel_and_video_share_a_link_and_neither_starves() {
    seeds(3, |seed| {
        let mut call = Call::new(seed, &bottleneck(2_000), &[MediaKind::Video], true);
        call.run(8);
        call.floods = true;
        call.run(10);
        for _ in 0..3 {
            let before = call.data;
            call.run(10);
            let data = (call.data - before) as u64 * 8 / 10_000;
            let video = call.last(10);
            assert!(video >= 200 && data >= 200, "video {video}, data {data} kbit/s");
            assert!(video + data >= 1_600, "video {video}, data {data} kbit/s");
        }
        // The transfer is over: the link is the video's again.
        call.floods = false;
        call.run(30);
        let video = call.last(4);
        assert!(video >= 1_400, "{video} kbit/s");
    });
}

#[test]
fn video_joins_while_audio_and_data_flow() {
    seeds(5, |seed| {
        let link = Link::default().delay(30).jitter(5);
        let mut call = Call::new(seed, &link, &[MediaKind::Audio], true);
        call.floods = true;
        call.run(2);
        assert!(call.camera.is_none() && call.video.frames.is_empty());

        let (now, data) = (call.pair.now(), call.data);
        add(now, MediaKind::Video, &mut call.pair.left);
        let offer = call.pair.left.create_offer(now).unwrap();
        call.pair.left.set_local_description(now, offer.clone()).unwrap();
        // Signalling takes its time, and nothing stops meanwhile.
        call.run(1);
        assert!(call.data > data);
        let (now, data) = (call.pair.now(), call.data);
        let Pair { left, right, .. } = &mut call.pair;
        right.set_remote_description(now, offer).unwrap();
        let answer = right.create_answer(now).unwrap();
        right.set_local_description(now, answer.clone()).unwrap();
        left.set_remote_description(now, answer).unwrap();
        call.receive_all();
        call.run(3);

        assert!(call.data > data);
        let made = call.camera.as_ref().unwrap().number as usize;
        let shown = call.video.frames.len();
        assert!(shown + 4 >= made, "{shown} of {made} frames");
        assert!(call.video.frames[0].is_keyframe);
        let heard = call.audio.numbers(1);
        let all: Vec<u32> = (0..).take(heard.len()).collect();
        assert_eq!(heard, all, "no sound is lost");
        assert!(heard.len() + 4 >= call.microphone.as_ref().unwrap().number as usize);
    });
}
