//! Two engines and the link between them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use srtp::{PayloadType, RtpTimestamp, Ssrc, rtcp, rtp};

use crate::media::congestion::Bitrates;
use crate::media::engine::{Content, Media, MediaEvent, Outgoing};
use crate::media::inbound::Inbound;
use crate::media::parameters::{
    AgreedCodec, Extension, Feedback, LocalSource, ReceiveParameters, SectionParameters,
    SendParameters,
};
use crate::media::{
    Codec, EncodedFrame, MediaFrame, MediaKind, MediaPacket, ReceiveMode, Received, Rid,
    RtpCodecParameters, TransceiverId,
};

pub(super) const AUDIO: TransceiverId = TransceiverId(1);
pub(super) const VIDEO: TransceiverId = TransceiverId(2);
pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

/// The source that an end sends in a section.
pub(super) fn source(end: usize, section: TransceiverId, layer: u32) -> LocalSource {
    let base = 1000 * (u32::try_from(end).unwrap() + 1) + 100 * section.0 + 10 * layer;
    LocalSource { rid: None, ssrc: Ssrc(base), rtx: Ssrc(base + 1) }
}

pub(super) fn rid(name: &str) -> Rid {
    Rid(name.into())
}

fn codec(codec: Codec, payload_type: u8, clock_rate: u32, rtx: Option<u8>) -> AgreedCodec {
    let parameters = RtpCodecParameters {
        codec,
        payload_type: PayloadType(payload_type),
        clock_rate,
        channels: None,
        fmtp: String::new(),
    };
    let is_video = rtx.is_some();
    let feedback =
        Feedback { nack: is_video, pli: is_video, fir: is_video, transport_cc: true, remb: false };
    AgreedCodec { parameters, rtx: rtx.map(PayloadType), feedback }
}

pub(super) fn section(end: usize, id: TransceiverId) -> SectionParameters {
    let (kind, mid, codecs) = if id == AUDIO {
        (MediaKind::Audio, "0", vec![codec(Codec::Opus, 111, 48_000, None)])
    } else {
        let codecs =
            vec![codec(Codec::Vp8, 96, 90_000, Some(97)), codec(Codec::H264, 98, 90_000, Some(99))];
        (MediaKind::Video, "1", codecs)
    };
    let extensions = [
        Extension::Mid,
        Extension::Rid,
        Extension::RepairedRid,
        Extension::AudioLevel,
        Extension::AbsoluteSendTime,
        Extension::TransportSequenceNumber,
    ];
    SectionParameters {
        transceiver: id,
        kind,
        mid: mid.to_owned(),
        send: Some(SendParameters { codecs: codecs.clone(), sources: vec![source(end, id, 0)] }),
        receive: Some(ReceiveParameters {
            codecs,
            ssrcs: Vec::new(),
            rtx_of: Vec::new(),
            rids: Vec::new(),
        }),
        extensions: extensions.into_iter().zip(1..).collect(),
        reduced_size: true,
    }
}

/// A video frame: VP8's header, then octets that tell frames apart.
pub(super) fn vp8(number: u32, is_keyframe: bool, octets: usize) -> Bytes {
    let mut frame = if is_keyframe {
        vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00]
    } else {
        vec![0x11, 0, 0]
    };
    frame.extend(number.to_be_bytes());
    let filler = (frame.len()..octets.max(frame.len())).map(|i| u8::try_from(i % 251).unwrap());
    frame.extend(filler.collect::<Vec<_>>());
    frame.into()
}

/// Whether a packet of an end passes.
type Filter = Box<dyn FnMut(usize, &Outgoing) -> bool>;

pub(super) struct Link {
    pub(super) now: Instant,
    pub(super) ends: [Media; 2],
    pub(super) delay: Duration,
    /// Of a thousand packets, so many are lost; RTCP too.
    pub(super) loss: u32,
    /// What is sent, by whom, as it left.
    pub(super) sent: Vec<(usize, Outgoing)>,
    pub(super) events: [Vec<MediaEvent>; 2],
    pub(super) received: [BTreeMap<TransceiverId, Vec<Received>>; 2],
    /// Whether a packet passes.
    pub(super) passes: Filter,
    rng: StdRng,
    wire: Vec<(Instant, usize, Outgoing)>,
}

impl Link {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let bitrates = Bitrates { start: 3_000_000, min: 100_000, max: 5_000_000 };
        let end = |seed| {
            Media::new(
                now,
                StdRng::seed_from_u64(seed),
                Duration::from_secs(1_700_000_000),
                "name",
                bitrates,
            )
        };
        let mut link = Self {
            now,
            ends: [end(1), end(2)],
            delay: Duration::from_millis(20),
            loss: 0,
            sent: Vec::new(),
            events: Default::default(),
            received: Default::default(),
            passes: Box::new(|_, _| true),
            rng: StdRng::seed_from_u64(3),
            wire: Vec::new(),
        };
        for end in [A, B] {
            link.configure(end, |_| {});
            for id in [AUDIO, VIDEO] {
                link.ends[end].set_receive_mode(now, id, ReceiveMode::Frames);
            }
        }
        link
    }

    /// Both sections, changed as it pleases.
    pub(super) fn configure(&mut self, end: usize, change: impl Fn(&mut SectionParameters)) {
        let mut sections = vec![section(end, AUDIO), section(end, VIDEO)];
        sections.iter_mut().for_each(change);
        self.ends[end].configure(self.now, sections);
    }

    fn drain(&mut self) {
        for end in [A, B] {
            while let Some(outgoing) = self.ends[end].poll_transmit(self.now) {
                self.sent.push((end, outgoing.clone()));
                let lost = self.rng.random_range(0..1000) < self.loss;
                if !lost && (self.passes)(end, &outgoing) {
                    self.wire.push((self.now + self.delay, 1 - end, outgoing));
                }
            }
            while let Some(event) = self.ends[end].poll_event() {
                if let MediaEvent::Readable(id) = event {
                    while let Some(received) = self.ends[end].recv(id) {
                        self.received[end].entry(id).or_default().push(received);
                    }
                }
                self.events[end].push(event);
            }
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end_of_time = self.now + time;
        loop {
            self.drain();
            let arrival = self.wire.iter().map(|(at, ..)| *at).min();
            let timer = self.ends.iter().filter_map(Media::poll_timeout).min();
            let next = arrival.into_iter().chain(timer).min();
            let Some(next) = next.filter(|next| *next <= end_of_time) else {
                self.now = end_of_time;
                return;
            };
            self.now = self.now.max(next);
            let now = self.now;
            let (due, later) = self.wire.drain(..).partition(|(at, ..)| *at <= now);
            self.wire = later;
            for (_, to, outgoing) in due {
                self.deliver(to, outgoing);
            }
            for end in &mut self.ends {
                end.handle_timeout(now);
            }
        }
    }

    pub(super) fn deliver(&mut self, to: usize, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Rtp(octets) => {
                let packet = rtp::Packet::parse(&octets.freeze()).unwrap();
                self.ends[to].handle_rtp(self.now, packet);
            }
            Outgoing::Rtcp(octets) => {
                let packets = rtcp::parse(&octets.freeze()).unwrap();
                self.ends[to].handle_rtcp(self.now, packets);
            }
        }
    }

    /// Sends frames of video, 30 a second; keyframes every so many, and when asked for.
    pub(super) fn video(&mut self, end: usize, count: u32, octets: usize, keyframe_every: u32) {
        for number in 0..count {
            let is_asked = self.keyframe_asked(end);
            let is_keyframe = number % keyframe_every == 0 || is_asked;
            let frame = EncodedFrame {
                payload: vp8(number, is_keyframe, octets),
                timestamp: RtpTimestamp(number * 3000),
                rid: None,
            };
            self.ends[end].send_frame(self.now, VIDEO, &frame).unwrap();
            self.run(Duration::from_millis(33));
        }
    }

    /// Sends frames of audio, 50 a second.
    pub(super) fn audio(&mut self, end: usize, count: u32) {
        for number in 0..count {
            let frame = EncodedFrame {
                payload: number.to_be_bytes().repeat(20).into(),
                timestamp: RtpTimestamp(number * 960),
                rid: None,
            };
            self.ends[end].send_frame(self.now, AUDIO, &frame).unwrap();
            self.run(Duration::from_millis(20));
        }
    }

    /// Whether a keyframe was asked for since last time.
    pub(super) fn keyframe_asked(&mut self, end: usize) -> bool {
        let before = self.events[end].len();
        self.events[end].retain(|event| !matches!(event, MediaEvent::KeyframeRequested(..)));
        self.events[end].len() < before
    }

    pub(super) fn frames(&self, end: usize, id: TransceiverId) -> Vec<&MediaFrame> {
        let received = self.received[end].get(&id).into_iter().flatten();
        let frames = received.filter_map(|received| match received {
            Received::Frame(frame) => Some(frame),
            Received::Packet(_) => None,
        });
        frames.collect()
    }

    pub(super) fn packets(&self, end: usize, id: TransceiverId) -> Vec<&MediaPacket> {
        let received = self.received[end].get(&id).into_iter().flatten();
        let packets = received.filter_map(|received| match received {
            Received::Packet(packet) => Some(&**packet),
            Received::Frame(_) => None,
        });
        packets.collect()
    }

    /// An end's stream of the other's video.
    pub(super) fn inbound(&self, end: usize, ssrc: Ssrc) -> &Inbound {
        match &self.ends[end].streams[&ssrc].content {
            Content::Media(inbound) => inbound,
            Content::Repair { .. } => panic!("a repair stream"),
        }
    }

    /// All RTP packets that an end has sent.
    pub(super) fn rtp(&self, end: usize) -> Vec<rtp::Packet> {
        let rtp = |(from, outgoing): &(usize, Outgoing)| match outgoing {
            Outgoing::Rtp(octets) if *from == end => {
                Some(rtp::Packet::parse(&octets.clone().freeze()).unwrap())
            }
            _ => None,
        };
        self.sent.iter().filter_map(rtp).collect()
    }

    /// All compounds that an end has sent.
    pub(super) fn rtcp(&self, end: usize) -> Vec<Vec<rtcp::Packet>> {
        let rtcp = |(from, outgoing): &(usize, Outgoing)| match outgoing {
            Outgoing::Rtcp(octets) if *from == end => {
                Some(rtcp::parse(&octets.clone().freeze()).unwrap())
            }
            _ => None,
        };
        self.sent.iter().filter_map(rtcp).collect()
    }
}
