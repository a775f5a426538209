//! The chunk: type, flags, length, value, and padding outside the length (RFC 9260 §3.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Chunk Type   |  Chunk Flags  |         Chunk Length          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                          Chunk Value                          \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The length counts the four header octets and the value, not the padding to the next multiple of
//! four; a Chromium INIT is 30 octets long and two of padding. DEVIATION RFC 9260 §3.2: padding
//! missing behind the last chunk of a packet is forgiven, nothing could be misread.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::{map, verify};
use nom::number::complete::{be_u8, be_u16};

use super::field::{ParseError, Parsed, field};
use super::{
    Abort, CookieAck, CookieEcho, Data, ForwardTsn, Heartbeat, HeartbeatAck, Init, InitAck,
    OperationError, ReConfig, Sack, Shutdown, ShutdownAck, ShutdownComplete, UnknownChunk,
};

/// Octets of type, flags and length.
pub(crate) const HEADER_LENGTH: usize = 4;

/// What a chunk is (RFC 9260 §3.2, table "Chunk Types", and the registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkType(pub u8);

impl ChunkType {
    /// Payload data.
    pub const DATA: Self = Self(0);
    /// Initiation.
    pub const INIT: Self = Self(1);
    /// Initiation acknowledgement.
    pub const INIT_ACK: Self = Self(2);
    /// Selective acknowledgement.
    pub const SACK: Self = Self(3);
    /// Heartbeat request.
    pub const HEARTBEAT: Self = Self(4);
    /// Heartbeat acknowledgement.
    pub const HEARTBEAT_ACK: Self = Self(5);
    /// Abort.
    pub const ABORT: Self = Self(6);
    /// Shutdown.
    pub const SHUTDOWN: Self = Self(7);
    /// Shutdown acknowledgement.
    pub const SHUTDOWN_ACK: Self = Self(8);
    /// Operation error.
    pub const ERROR: Self = Self(9);
    /// State cookie.
    pub const COOKIE_ECHO: Self = Self(10);
    /// Cookie acknowledgement.
    pub const COOKIE_ACK: Self = Self(11);
    /// Shutdown complete.
    pub const SHUTDOWN_COMPLETE: Self = Self(14);
    /// Payload data with message identifier (RFC 8260), named to be recognised, not parsed.
    pub const I_DATA: Self = Self(64);
    /// Re-configuration (RFC 6525 §3.1).
    pub const RE_CONFIG: Self = Self(130);
    /// Forward cumulative TSN (RFC 3758 §3.2).
    pub const FORWARD_TSN: Self = Self(192);

    /// What a receiver that does not know this type does: the two highest bits say it.
    #[must_use]
    pub const fn on_unknown(self) -> OnUnknown {
        OnUnknown::from_highest_bits(self.0 >> 6)
    }

    /// The RFC's name of the chunk; `Chunk Value` if the type is not known here.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DATA => "DATA",
            Self::INIT => "INIT",
            Self::INIT_ACK => "INIT ACK",
            Self::SACK => "SACK",
            Self::HEARTBEAT => "HEARTBEAT",
            Self::HEARTBEAT_ACK => "HEARTBEAT ACK",
            Self::ABORT => "ABORT",
            Self::SHUTDOWN => "SHUTDOWN",
            Self::SHUTDOWN_ACK => "SHUTDOWN ACK",
            Self::ERROR => "ERROR",
            Self::COOKIE_ECHO => "COOKIE ECHO",
            Self::COOKIE_ACK => "COOKIE ACK",
            Self::SHUTDOWN_COMPLETE => "SHUTDOWN COMPLETE",
            Self::RE_CONFIG => "RE-CONFIG",
            Self::FORWARD_TSN => "FORWARD-TSN",
            _ => "Chunk Value",
        }
    }
}

// ANCHOR: unknown
/// What to do about a chunk (RFC 9260 §3.2) or a parameter (§3.2.1) of unknown type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// 00: stop processing the packet (or the chunk's parameters), say nothing.
    Stop,
    /// 01: stop, and report the unknown type to the sender.
    StopAndReport,
    /// 10: skip this one and go on, say nothing.
    Skip,
    /// 11: skip, go on, and report.
    SkipAndReport,
}
// ANCHOR_END: unknown

impl OnUnknown {
    pub(crate) const fn from_highest_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::Stop,
            1 => Self::StopAndReport,
            2 => Self::Skip,
            _ => Self::SkipAndReport,
        }
    }

    /// Whether processing ends here.
    #[must_use]
    pub const fn stops(self) -> bool {
        matches!(self, Self::Stop | Self::StopAndReport)
    }

    /// Whether the sender wants to hear of it.
    #[must_use]
    pub const fn reports(self) -> bool {
        matches!(self, Self::StopAndReport | Self::SkipAndReport)
    }
}

/// What a [`PacketWriter`](super::PacketWriter) can write: a chunk's type, flags and value.
/// The writer adds length and padding.
pub trait Body {
    /// The chunk's type.
    fn chunk_type(&self) -> ChunkType;
    /// The eight flag bits; most chunks have none.
    fn flags(&self) -> u8 {
        0
    }
    /// Appends the chunk's value.
    fn write(&self, out: &mut BytesMut);
}

/// One chunk of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// DATA (0), RFC 9260 §3.3.1.
    Data(Data),
    /// INIT (1), RFC 9260 §3.3.2.
    Init(Init),
    /// INIT ACK (2), RFC 9260 §3.3.3.
    InitAck(InitAck),
    /// SACK (3), RFC 9260 §3.3.4.
    Sack(Sack),
    /// HEARTBEAT (4), RFC 9260 §3.3.5.
    Heartbeat(Heartbeat),
    /// HEARTBEAT ACK (5), RFC 9260 §3.3.6.
    HeartbeatAck(HeartbeatAck),
    /// ABORT (6), RFC 9260 §3.3.7.
    Abort(Abort),
    /// SHUTDOWN (7), RFC 9260 §3.3.8.
    Shutdown(Shutdown),
    /// SHUTDOWN ACK (8), RFC 9260 §3.3.9.
    ShutdownAck(ShutdownAck),
    /// ERROR (9), RFC 9260 §3.3.10.
    Error(OperationError),
    /// COOKIE ECHO (10), RFC 9260 §3.3.11.
    CookieEcho(CookieEcho),
    /// COOKIE ACK (11), RFC 9260 §3.3.12.
    CookieAck(CookieAck),
    /// SHUTDOWN COMPLETE (14), RFC 9260 §3.3.13.
    ShutdownComplete(ShutdownComplete),
    /// RE-CONFIG (130), RFC 6525 §3.1.
    ReConfig(ReConfig),
    /// FORWARD-TSN (192), RFC 3758 §3.2.
    ForwardTsn(ForwardTsn),
    /// Any other type, as it came.
    Unknown(UnknownChunk),
}

impl Chunk {
    /// One chunk at the head of `input`, a part of `packet`, with its padding.
    pub(crate) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, chunk_type) =
            field("Chunk Type", map(be_u8, ChunkType)).parse_complete(input)?;
        let flags_at = rest;
        let (rest, _) = field("Chunk Flags", be_u8).parse_complete(rest)?;
        let length = verify(be_u16, |length| usize::from(*length) >= HEADER_LENGTH);
        let (rest, length) = field("Chunk Length", length).parse_complete(rest)?;
        let value_length = usize::from(length).saturating_sub(HEADER_LENGTH);
        let Some((value, rest)) = rest.split_at_checked(value_length) else {
            return Err(nom::Err::Error(ParseError::forbidden("Chunk Length", rest.len())));
        };
        let flags = flags_at.get(..1).unwrap_or_default();
        let (surplus, chunk) =
            field(chunk_type.name(), |value| Self::parse_value(packet, chunk_type, flags, value))
                .parse_complete(value)?;
        if !surplus.is_empty() {
            return Err(nom::Err::Error(ParseError::forbidden("Chunk Length", surplus.len())));
        }
        let padding = padding_after(value_length).min(rest.len());
        let (rest, _) = match padding {
            0 => (rest, Default::default()),
            _ => field("padding", take(padding)).parse_complete(rest)?,
        };
        Ok((rest, chunk))
    }

    fn parse_value<'a>(
        packet: &Bytes,
        chunk_type: ChunkType,
        flags: &[u8],
        value: &'a [u8],
    ) -> Parsed<'a, Self> {
        match chunk_type {
            ChunkType::DATA => {
                map(|i| Data::parse(packet, flags, i), Self::Data).parse_complete(value)
            }
            ChunkType::INIT => map(|i| Init::parse(packet, i), Self::Init).parse_complete(value),
            ChunkType::INIT_ACK => {
                map(|i| InitAck::parse(packet, i), Self::InitAck).parse_complete(value)
            }
            ChunkType::SACK => map(Sack::parse, Self::Sack).parse_complete(value),
            ChunkType::HEARTBEAT => {
                map(|i| Heartbeat::parse(packet, i), Self::Heartbeat).parse_complete(value)
            }
            ChunkType::HEARTBEAT_ACK => {
                map(|i| HeartbeatAck::parse(packet, i), Self::HeartbeatAck).parse_complete(value)
            }
            ChunkType::ABORT => {
                map(|i| Abort::parse(packet, flags, i), Self::Abort).parse_complete(value)
            }
            ChunkType::SHUTDOWN => map(Shutdown::parse, Self::Shutdown).parse_complete(value),
            ChunkType::SHUTDOWN_ACK => Ok((value, Self::ShutdownAck(ShutdownAck))),
            ChunkType::ERROR => {
                map(|i| OperationError::parse(packet, i), Self::Error).parse_complete(value)
            }
            ChunkType::COOKIE_ECHO => {
                map(|i| CookieEcho::parse(packet, i), Self::CookieEcho).parse_complete(value)
            }
            ChunkType::COOKIE_ACK => Ok((value, Self::CookieAck(CookieAck))),
            ChunkType::SHUTDOWN_COMPLETE => {
                Ok((value, Self::ShutdownComplete(ShutdownComplete::parse(flags))))
            }
            ChunkType::RE_CONFIG => {
                map(|i| ReConfig::parse(packet, i), Self::ReConfig).parse_complete(value)
            }
            ChunkType::FORWARD_TSN => {
                map(ForwardTsn::parse, Self::ForwardTsn).parse_complete(value)
            }
            _ => {
                let flags = flags.first().copied().unwrap_or_default();
                map(|i| UnknownChunk::parse(packet, chunk_type, flags, i), Self::Unknown)
                    .parse_complete(value)
            }
        }
    }

    fn body(&self) -> &dyn Body {
        match self {
            Self::Data(body) => body,
            Self::Init(body) => body,
            Self::InitAck(body) => body,
            Self::Sack(body) => body,
            Self::Heartbeat(body) => body,
            Self::HeartbeatAck(body) => body,
            Self::Abort(body) => body,
            Self::Shutdown(body) => body,
            Self::ShutdownAck(body) => body,
            Self::Error(body) => body,
            Self::CookieEcho(body) => body,
            Self::CookieAck(body) => body,
            Self::ShutdownComplete(body) => body,
            Self::ReConfig(body) => body,
            Self::ForwardTsn(body) => body,
            Self::Unknown(body) => body,
        }
    }
}

impl Body for Chunk {
    fn chunk_type(&self) -> ChunkType {
        self.body().chunk_type()
    }

    fn flags(&self) -> u8 {
        self.body().flags()
    }

    fn write(&self, out: &mut BytesMut) {
        self.body().write(out);
    }
}

/// Appends `body` as a chunk: header, value, padding. The length is filled in last.
pub(crate) fn write(body: &(impl Body + ?Sized), out: &mut BytesMut) {
    let start = out.len();
    out.put_u8(body.chunk_type().0);
    out.put_u8(body.flags());
    out.put_u16(0);
    body.write(out);
    finish_length(start, out);
}

/// Fills in the length of the structure (chunk, parameter or cause) that began at `start` with two
/// octets and the length field, and pads it. Lengths above 65,535 cannot be expressed; a packet
/// writer refuses such chunks afterwards by their size.
pub(crate) fn finish_length(start: usize, out: &mut BytesMut) {
    let length = out.len().saturating_sub(start);
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    if let Some([_, _, first, second, ..]) = out.get_mut(start..) {
        (*first, *second) = (high, low);
    }
    out.put_bytes(0, padding_after(length));
}

/// Octets of padding after a structure of `length` octets.
pub(crate) const fn padding_after(length: usize) -> usize {
    length.wrapping_neg() % 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing;
    use super::*;

    fn parse(octets: &Bytes) -> Result<(&[u8], Chunk), nom::Err<ParseError>> {
        Chunk::parse(octets, octets)
    }

    #[test]
    fn row_69_chunk_length_below_four_or_half_outside() {
        for lie in ["0b000000", "0b000003", "0a000009 00000000", "0b0000", "07000008 0000"] {
            assert!(parse(&testing::hex(lie)).is_err(), "{lie}");
        }
    }

    #[test]
    fn padding_may_hold_anything_and_may_be_missing_at_the_end() {
        let cookie = Chunk::CookieEcho(CookieEcho { cookie: Bytes::from_static(b"a") });
        for octets in ["0a000005 61", "0a000005 6100", "0a000005 61ffffff"] {
            let octets = testing::hex(octets);
            assert_eq!(parse(&octets), Ok((&[][..], cookie.clone())));
        }
        let followed = testing::hex("0a000005 61000000 0b000004");
        assert_eq!(parse(&followed), Ok((&followed[8..], cookie)));
    }

    #[test]
    fn octets_beyond_the_structure_are_refused() {
        assert!(parse(&testing::hex("0b000008 00000000")).is_err());
        assert!(parse(&testing::hex("0700000c 00000000 00000000")).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(octets in testing::octets(120)) {
            let _ = parse(&octets);
        }
    }
}
