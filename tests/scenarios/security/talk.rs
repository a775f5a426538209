//! A call with audio and video whose hostile end has the keys, and writes RTP and RTCP by hand.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use peer::Event;
use peer::media::{EncodedFrame, MediaKind, ReceiveMode, Received, TransceiverId};
use peer::stats::MediaStats;
use srtp::{MasterKey, PayloadType, Profile, RtpTimestamp, SequenceNumber, Ssrc, rtcp, rtp};
use tests::sim::Link;

use super::rogue::{Call, Rogue};
use crate::peer::{LEFT, config};

/// The rogue's sources.
pub(super) const VOICE: Ssrc = Ssrc(0x1111);
pub(super) const PICTURE: Ssrc = Ssrc(0x2222);

pub(super) const OPUS: PayloadType = PayloadType(111);
pub(super) const VP8: PayloadType = PayloadType(96);
pub(super) const RTX: PayloadType = PayloadType(97);

/// Header extensions as offered.
pub(super) const TRANSPORT_NUMBER: u8 = 3;
pub(super) const MID: u8 = 4;

/// The sections' names.
pub(super) const AUDIO_MID: &[u8] = b"1";
pub(super) const VIDEO_MID: &[u8] = b"2";

/// The sections of the rogue's offer.
pub(super) const SECTIONS: [&str; 2] = [AUDIO, VIDEO];

const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\n\
    a=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\n\
    a=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
    a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\n\
    a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 goog-remb\r\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";

/// A keyframe in one packet: the payload descriptor, and VP8's header.
const KEYFRAME: &[u8] = &[0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00, 7, 7];

/// A packet of the rogue's that names its section.
pub(super) fn packet(
    ssrc: Ssrc,
    payload_type: PayloadType,
    number: u16,
    payload: impl Into<Bytes>,
) -> rtp::Packet {
    let mut extensions = rtp::Extensions::default();
    extensions.set(MID, if payload_type == OPUS { AUDIO_MID } else { VIDEO_MID });
    let header = rtp::Header {
        marker: true,
        payload_type,
        sequence_number: SequenceNumber(number),
        timestamp: RtpTimestamp(u32::from(number) * 960),
        ssrc,
        csrcs: Vec::new(),
        extensions,
    };
    rtp::Packet { header, payload: payload.into(), padding: 0 }
}

/// Each way to damage a packet: one octet changed, or any number of octets cut off.
pub(super) fn damaged(packet: &Bytes) -> impl Iterator<Item = Bytes> {
    let changed = (0..packet.len()).map(|at| {
        let mut copy = packet.to_vec();
        copy[at] ^= 1 << (at % 8);
        Bytes::from(copy)
    });
    changed.chain((0..packet.len()).map(|length| packet.slice(..length)))
}

/// The call. Round trips take 20 ms.
pub(super) struct Talk {
    pub(super) call: Call,
    pub(super) audio: TransceiverId,
    pub(super) video: TransceiverId,
    key: MasterKey,
    outbound: srtp::Outbound,
    inbound: srtp::Inbound,
    /// How long datagrams took, where that was measured.
    pub(super) costs: Vec<Duration>,
    number: u16,
    frames: u32,
}

/// A call with sections of media in which nothing has been sent.
pub(super) fn silent() -> Call {
    let link = Link::default().delay(10);
    Call::with_media(dtls::Role::Server, config(1), &link, &SECTIONS)
}

/// The keys of a rogue that is DTLS server, and of its victim.
pub(super) fn keys(rogue: &Rogue) -> [MasterKey; 2] {
    let proof = rogue.proof.as_ref().unwrap();
    let material = rogue.dtls.srtp_keying_material(proof).unwrap();
    let profile = Profile::from_id(material.profile().0).unwrap();
    let key = |key, salt| MasterKey::new(profile, key, salt).unwrap();
    let server = key(material.server_key(), material.server_salt());
    [server, key(material.client_key(), material.client_salt())]
}

impl Talk {
    /// A call in which both have been heard.
    pub(super) fn new() -> Self {
        Self::with(ReceiveMode::Frames)
    }

    pub(super) fn with(mode: ReceiveMode) -> Self {
        let mut call = silent();
        call.wait_established();
        let [ours, theirs] = keys(call.rogue());
        let of = |kind| {
            let mut all = call.pair.right.transceivers();
            all.find(|transceiver| transceiver.kind == kind).unwrap().id
        };
        let (audio, video) = (of(MediaKind::Audio), of(MediaKind::Video));
        let now = call.pair.now();
        for id in [audio, video] {
            call.victim().set_receive_mode(now, id, mode);
        }
        let (outbound, inbound) = (srtp::Outbound::new(&ours), srtp::Inbound::new(&theirs));
        let costs = Vec::new();
        Self { call, audio, video, key: ours, outbound, inbound, costs, number: 100, frames: 0 }
    }

    /// Everything begins anew at our end: numbers may come again, and sources that we have had.
    pub(super) fn forget_what_was_sent(&mut self) {
        self.outbound = srtp::Outbound::new(&self.key);
    }

    /// The next number of all our packets.
    pub(super) fn number(&mut self) -> u16 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    pub(super) fn seal(&mut self, packet: &rtp::Packet) -> Bytes {
        let mut octets = BytesMut::new();
        packet.write(&mut octets);
        self.seal_rtp(octets)
    }

    /// Seals octets whose header, at least, is RTP's.
    pub(super) fn seal_rtp(&mut self, mut octets: BytesMut) -> Bytes {
        self.outbound.protect_rtp(&mut octets).unwrap();
        octets.freeze()
    }

    pub(super) fn seal_rtcp(&mut self, octets: impl AsRef<[u8]>) -> Bytes {
        let mut octets = BytesMut::from(octets.as_ref());
        self.outbound.protect_rtcp(&mut octets).unwrap();
        octets.freeze()
    }

    /// A datagram of the rogue's, at once.
    pub(super) fn give(&mut self, payload: Bytes) -> bool {
        self.call.inject(LEFT, payload)
    }

    pub(super) fn give_rtp(&mut self, packet: &rtp::Packet) -> bool {
        let sealed = self.seal(packet);
        self.give(sealed)
    }

    pub(super) fn now(&self) -> Instant {
        self.call.pair.now()
    }

    pub(super) fn stats(&mut self) -> MediaStats {
        let now = self.now();
        self.call.victim().get_stats(now).media
    }

    /// All that a datagram could change from outside: figures, timers, what was sent and told.
    fn state(&mut self) -> (MediaStats, Option<Instant>, usize, usize) {
        let (stats, timer) = (self.stats(), self.call.victim().poll_timeout());
        (stats, timer, self.call.pair.right.sent, self.call.pair.right.events.len())
    }

    fn discarded(&mut self) -> u64 {
        let now = self.now();
        self.call.victim().get_stats(now).transport.traffic.packets_discarded
    }

    /// The datagram is dropped and counted; nothing else changes.
    pub(super) fn must_drop(&mut self, source: &str, payload: Bytes) {
        let (before, discarded) = (self.state(), self.discarded());
        assert!(!self.call.inject(source, payload.clone()), "{payload:02x?}");
        assert_eq!(self.discarded(), discarded + 1);
        assert_eq!(self.state(), before, "{payload:02x?}");
    }

    /// The datagram, which is authentic, is dropped and counted; no stream changes.
    pub(super) fn must_refuse(&mut self, payload: Bytes) {
        let (before, discarded) = (self.stats(), self.discarded());
        assert!(!self.give(payload.clone()), "{payload:02x?}");
        assert_eq!(self.discarded(), discarded + 1);
        let after = self.stats();
        assert_eq!(after.inbound_rtp, before.inbound_rtp, "{payload:02x?}");
        assert_eq!(after.outbound_rtp, before.outbound_rtp, "{payload:02x?}");
    }

    /// What has come from the victim: media, and what belongs to it.
    pub(super) fn heard(&mut self) -> (Vec<rtp::Packet>, Vec<rtcp::Packet>) {
        let (mut packets, mut reports) = (Vec::new(), Vec::new());
        for datagram in std::mem::take(&mut self.call.pair.left.media) {
            let is_rtcp = (192..=223).contains(&datagram[1]);
            let mut octets = BytesMut::from(datagram);
            if is_rtcp {
                self.inbound.unprotect_rtcp(&mut octets).unwrap();
                reports.extend(rtcp::parse(&octets.freeze()).unwrap());
            } else {
                self.inbound.unprotect_rtp(&mut octets).unwrap();
                packets.push(rtp::Packet::parse(&octets.freeze()).unwrap());
            }
        }
        (packets, reports)
    }

    /// Frames that the victim's application has not taken.
    pub(super) fn received(&mut self, id: TransceiverId) -> usize {
        let now = self.now();
        let victim = self.call.victim();
        std::iter::from_fn(|| victim.recv_media(now, id))
            .filter(|received| matches!(received, Received::Frame(_)))
            .count()
    }

    /// The victim sends a frame of video, and one of audio.
    pub(super) fn victim_speaks(&mut self, octets: usize) {
        self.frames += 1;
        let now = self.now();
        let mut picture = KEYFRAME[1..].to_vec();
        picture.resize(octets.max(KEYFRAME.len()), 7);
        for (id, payload, ticks) in
            [(self.video, picture.into(), 3000), (self.audio, Bytes::from_static(b"hm"), 960)]
        {
            let timestamp = RtpTimestamp(self.frames * ticks);
            let frame = EncodedFrame { payload, timestamp, rid: None };
            self.call.victim().send_frame(now, id, frame).unwrap();
        }
    }

    /// Lets time pass; the applications do nothing.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        self.call.pass_unread(milliseconds);
    }

    /// The call goes on: either end's audio and video is heard at the other, and data is echoed.
    pub(super) fn must_go_on(&mut self) {
        self.pass(1_000);
        self.received(self.audio);
        self.received(self.video);
        self.heard();
        for _ in 0..5 {
            let numbers = [self.number(), self.number()];
            assert!(self.give_rtp(&packet(VOICE, OPUS, numbers[0], "voice")));
            assert!(self.give_rtp(&packet(PICTURE, VP8, numbers[1], KEYFRAME)));
            self.victim_speaks(500);
            self.pass(30);
        }
        self.pass(1_000);
        assert_eq!(self.received(self.audio), 5);
        assert_eq!(self.received(self.video), 5);
        let (packets, _) = self.heard();
        let of = |payload_type| {
            let is_of = |packet: &&rtp::Packet| packet.header.payload_type == payload_type;
            packets.iter().filter(is_of).count()
        };
        assert_eq!((of(OPUS), of(VP8)), (5, 5));
        self.call.must_echo();
    }

    /// Events of the victim's that are such.
    pub(super) fn told(&self, is_such: impl Fn(&Event) -> bool) -> usize {
        self.call.pair.right.events.iter().filter(|event| is_such(event)).count()
    }

    /// A second in which `attack` is done each millisecond.
    pub(super) fn for_a_second(&mut self, mut attack: impl FnMut(&mut Self)) {
        let end = self.now() + Duration::from_secs(1);
        while self.now() < end {
            attack(self);
            self.pass(1);
        }
    }
}
