//! An association against a hand-written remote endpoint: tests that read as packet scripts.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sctp::wire::{
    Body, Chunk, ChunkType, CommonHeader, CookieAck, Data, GapBlock, Init, InitAck, Packet,
    PacketWriter, Parameter, Port, Ppid, Sack, Ssn, StreamId, Tsn, VerificationTag,
};
use sctp::{Association, Config, Error, Event};

/// The remote endpoint's choices.
pub const TAG: VerificationTag = VerificationTag(0x5eed_cafe);
pub const TSN: u32 = u32::MAX - 2;

pub struct Script {
    pub association: Association,
    pub now: Instant,
    /// The association's tag and first TSN.
    pub tag: VerificationTag,
    pub tsn: Tsn,
}

impl Script {
    /// An association that was not called.
    pub fn closed(config: Config) -> Self {
        let now = Instant::now();
        let association = Association::new(now, config, StdRng::seed_from_u64(7));
        Self { association, now, tag: VerificationTag::NONE, tsn: Tsn(0) }
    }

    /// An association that sent its INIT.
    pub fn called(config: Config) -> Self {
        let mut script = Self::closed(config);
        script.association.connect(script.now);
        let Chunk::Init(init) = script.take_one() else { panic!("no INIT") };
        (script.tag, script.tsn) = (init.initiate_tag, init.initial_tsn);
        script
    }

    /// An established association whose remote endpoint is this script.
    pub fn established(config: Config) -> Self {
        let mut script = Self::called(config);
        script.give(&InitAck(init(&[Parameter::StateCookie(Bytes::from_static(b"cookie"))])));
        assert!(matches!(script.take_one(), Chunk::CookieEcho(_)));
        script.give(&CookieAck);
        assert!(matches!(script.association.poll_event(), Some(Event::Established { .. })));
        script
    }

    /// Gives it a packet with these chunks.
    pub fn give_all(&mut self, tag: VerificationTag, chunks: &[&dyn Body]) -> Result<(), Error> {
        let packet = packet(tag, chunks);
        self.association.handle_datagram(self.now, packet)
    }

    /// Gives it one chunk that it must take.
    pub fn give(&mut self, chunk: &dyn Body) {
        self.give_all(self.tag, &[chunk]).unwrap();
    }

    /// All packets it has to send now.
    pub fn take(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        while let Some(packet) = self.association.poll_transmit(self.now) {
            assert!(packet.len() <= 1191, "{}", packet.len());
            packets.push(Packet::parse(&packet).unwrap());
            assert!(packets.len() < 10_000, "endless");
        }
        packets
    }

    /// All chunks it has to send now.
    pub fn take_chunks(&mut self) -> Vec<Chunk> {
        self.take().into_iter().flat_map(|packet| packet.chunks).collect()
    }

    pub fn take_one(&mut self) -> Chunk {
        let mut chunks = self.take_chunks();
        assert_eq!(chunks.len(), 1, "{chunks:?}");
        chunks.remove(0)
    }

    /// The DATA chunks it has to send now.
    pub fn take_data(&mut self) -> Vec<Data> {
        let data = |chunk| match chunk {
            Chunk::Data(data) => Some(data),
            _ => None,
        };
        self.take_chunks().into_iter().filter_map(data).collect()
    }

    /// The SACK it has to send now.
    pub fn take_sack(&mut self) -> Sack {
        let sack = |chunk| match chunk {
            Chunk::Sack(sack) => Some(sack),
            _ => None,
        };
        let mut sacks: Vec<Sack> = self.take_chunks().into_iter().filter_map(sack).collect();
        assert_eq!(sacks.len(), 1);
        sacks.remove(0)
    }

    /// The events but `BufferedAmountLow`.
    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.association.poll_event())
            .filter(|event| !matches!(event, Event::BufferedAmountLow(_)))
            .collect()
    }

    pub fn later(&mut self, time: Duration) {
        self.now += time;
        self.association.handle_timeout(self.now);
    }

    /// Acknowledges what was sent up to the n-th chunk, with gap blocks.
    pub fn sack(&mut self, chunks: u32, gaps: &[(u16, u16)]) {
        let sack = self.make_sack(chunks, gaps);
        self.give(&sack);
    }

    pub fn make_sack(&self, chunks: u32, gaps: &[(u16, u16)]) -> Sack {
        Sack {
            cumulative_tsn: self.tsn.previous().advance(chunks),
            a_rwnd: 1 << 20,
            gaps: gaps.iter().map(|&(start, end)| GapBlock { start, end }).collect(),
            duplicates: Vec::new(),
        }
    }
}

pub fn init(parameters: &[Parameter]) -> Init {
    let mut all = vec![
        Parameter::ForwardTsnSupported,
        Parameter::SupportedExtensions(vec![ChunkType::RE_CONFIG, ChunkType::FORWARD_TSN]),
    ];
    all.extend_from_slice(parameters);
    Init {
        initiate_tag: TAG,
        a_rwnd: 1 << 20,
        outbound_streams: 65_535,
        inbound_streams: 1000,
        initial_tsn: Tsn(TSN),
        parameters: all,
    }
}

/// A packet to the association.
pub fn packet(tag: VerificationTag, chunks: &[&dyn Body]) -> Bytes {
    let header = CommonHeader {
        source_port: Port(5000),
        destination_port: Port(5000),
        verification_tag: tag,
    };
    let mut writer = PacketWriter::new(&header, 65_535);
    for chunk in chunks {
        assert!(writer.push(&Dyn(*chunk)));
    }
    writer.finish()
}

/// The writer takes sized bodies.
struct Dyn<'a>(&'a dyn Body);

impl Body for Dyn<'_> {
    fn chunk_type(&self) -> ChunkType {
        self.0.chunk_type()
    }

    fn flags(&self) -> u8 {
        self.0.flags()
    }

    fn write(&self, out: &mut bytes::BytesMut) {
        self.0.write(out);
    }
}

/// A whole ordered message: the n-th DATA chunk.
pub fn data(number: u32, stream: u16, ssn: u16, payload: &[u8]) -> Data {
    Data {
        immediate: false,
        unordered: false,
        beginning: true,
        ending: true,
        tsn: Tsn(TSN).advance(number),
        stream: StreamId(stream),
        ssn: Ssn(ssn),
        ppid: Ppid::BINARY,
        payload: Bytes::copy_from_slice(payload),
    }
}
