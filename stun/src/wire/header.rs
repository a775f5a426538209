//! The STUN header: class and method interleaved in one type, length, magic cookie, transaction ID.
//!
//! RFC 8489 §5:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0|     STUN Message Type     |         Message Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         Magic Cookie                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                                                               |
//! |                     Transaction ID (96 bits)                  |
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The two class bits sit inside the method's twelve:
//!
//! ```text
//!  0                 1
//!  2  3  4 5 6 7 8 9 0 1 2 3 4 5
//! +--+--+-+-+-+-+-+-+-+-+-+-+-+-+
//! |M |M |M|M|M|C|M|M|M|C|M|M|M|M|
//! |11|10|9|8|7|1|6|5|4|0|3|2|1|0|
//! +--+--+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Invariants: a parsed length is a multiple of four; a [`Method`] has twelve bits. Book: "STUN".

use std::fmt;

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::verify;
use nom::number::complete::{be_u16, be_u32};
use rand::{Rng, RngExt};

use super::field::{Parsed, field};

/// Octets of the header (RFC 8489 §5).
pub const HEADER_LENGTH: usize = 20;

/// The fixed value of octets 4 to 7, which tells STUN from other protocols (RFC 8489 §5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// What a message is: the two class bits (RFC 8489 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Expects none.
    Indication,
    /// Answers a request that was carried out.
    Success,
    /// Answers a request that was refused; carries ERROR-CODE.
    Error,
}

impl Class {
    /// Whether this is a success or an error response.
    #[must_use]
    pub fn is_response(self) -> bool {
        matches!(self, Self::Success | Self::Error)
    }

    fn from_bits(c1: bool, c0: bool) -> Self {
        match (c1, c0) {
            (false, false) => Self::Request,
            (false, true) => Self::Indication,
            (true, false) => Self::Success,
            (true, true) => Self::Error,
        }
    }

    fn bits(self) -> u16 {
        match self {
            Self::Request => 0x0000,
            Self::Indication => 0x0010,
            Self::Success => 0x0100,
            Self::Error => 0x0110,
        }
    }
}

/// What a message is about: twelve bits, registered by IANA (RFC 8489 §18.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method(u16);

impl Method {
    /// Binding, the one method of STUN itself (RFC 8489 §3).
    pub const BINDING: Self = Self(0x001);
    /// Allocate: asks for a relayed address (RFC 8656 §7).
    pub const ALLOCATE: Self = Self(0x003);
    /// Refresh: prolongs an allocation, or ends it (RFC 8656 §8).
    pub const REFRESH: Self = Self(0x004);
    /// Send: an indication with a packet for a peer (RFC 8656 §11).
    pub const SEND: Self = Self(0x006);
    /// Data: an indication with a packet of a peer (RFC 8656 §11).
    pub const DATA: Self = Self(0x007);
    /// CreatePermission: lets peers in (RFC 8656 §10).
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// ChannelBind: a number for a peer (RFC 8656 §12).
    pub const CHANNEL_BIND: Self = Self(0x009);

    /// The method with these low twelve bits; higher bits are cut off.
    #[must_use]
    pub const fn new(bits: u16) -> Self {
        Self(bits & 0x0FFF)
    }

    /// The twelve bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Closes the two gaps that the class bits leave in the message type.
    fn from_message_type(message_type: u16) -> Self {
        Self(
            (message_type & 0x000F)
                | ((message_type & 0x00E0) >> 1)
                | ((message_type & 0x3E00) >> 2),
        )
    }

    /// Opens the two gaps again.
    fn message_type(self) -> u16 {
        (self.0 & 0x000F) | ((self.0 & 0x0070) << 1) | ((self.0 & 0x0F80) << 2)
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BINDING => f.write_str("Binding"),
            Self::ALLOCATE => f.write_str("Allocate"),
            Self::REFRESH => f.write_str("Refresh"),
            Self::SEND => f.write_str("Send"),
            Self::DATA => f.write_str("Data"),
            Self::CREATE_PERMISSION => f.write_str("CreatePermission"),
            Self::CHANNEL_BIND => f.write_str("ChannelBind"),
            Self(other) => write!(f, "Method({other:#05x})"),
        }
    }
}

/// The 96 random bits that tie a response to its request (RFC 8489 §5, §6.1).
///
/// They are also the only thing that keeps a stranger who cannot see the request from answering it,
/// so they come from a generator nobody can predict.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub [u8; 12]);

impl TransactionId {
    /// A new one for a new transaction; a retransmission keeps the old (RFC 8489 §6.1).
    #[must_use]
    pub fn random(rng: &mut impl Rng) -> Self {
        Self(rng.random())
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The fixed part of every message (RFC 8489 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Request, indication, success or error.
    pub class: Class,
    /// What it is about.
    pub method: Method,
    /// Octets after the header; a multiple of four.
    pub length: u16,
    /// Ties the response to the request.
    pub transaction_id: TransactionId,
}

impl Header {
    // ANCHOR: parse
    /// Parses the 20 octets. Refused: one of the two top bits set, a length that is no multiple of
    /// four, another cookie (RFC 8489 §5, §6.3).
    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        // Both names stand on the same two octets: the class bits lie among the method's.
        let message_type = || verify(be_u16, |message_type| message_type & 0xC000 == 0);
        let (_, class) = field(
            "class",
            message_type().map(|t| Class::from_bits(t & 0x0100 != 0, t & 0x0010 != 0)),
        )(input)?;
        let (rest, method) = field("method", message_type().map(Method::from_message_type))(input)?;
        let (rest, length) =
            field("message length", verify(be_u16, |length| length % 4 == 0))(rest)?;
        let (rest, _) =
            field("magic cookie", verify(be_u32, |cookie| *cookie == MAGIC_COOKIE))(rest)?;
        let (rest, transaction_id) = field("transaction ID", transaction_id)(rest)?;
        Ok((rest, Self { class, method, length, transaction_id }))
    }
    // ANCHOR_END: parse

    /// Writes the 20 octets.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u16(self.class.bits() | self.method.message_type());
        out.put_u16(self.length);
        out.put_u32(MAGIC_COOKIE);
        out.put_slice(&self.transaction_id.0);
    }
}

fn transaction_id(input: &[u8]) -> Parsed<'_, TransactionId> {
    let (rest, octets) = take(12usize)(input)?;
    let mut id = [0; 12];
    id.copy_from_slice(octets);
    Ok((rest, TransactionId(id)))
}

/// Whether a datagram is STUN and not DTLS, SRTP or TURN channel data: its first octet is 0 to 3
/// (RFC 7983 §7) and the magic cookie is in its place (RFC 8489 §5).
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    match datagram {
        [first, _, _, _, cookie @ ..] => {
            *first <= 3 && cookie.starts_with(&MAGIC_COOKIE.to_be_bytes())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(header: &Header) -> BytesMut {
        let mut out = BytesMut::new();
        header.write(&mut out);
        out
    }

    #[test]
    fn rfc_8489_section_5_binding_request_and_response_types() {
        let types = [
            (Class::Request, 0x0001),
            (Class::Indication, 0x0011),
            (Class::Success, 0x0101),
            (Class::Error, 0x0111),
        ];
        for (class, expected) in types {
            let header = Header {
                class,
                method: Method::BINDING,
                length: 0,
                transaction_id: TransactionId([7; 12]),
            };
            assert_eq!(written(&header)[..2], u16::to_be_bytes(expected));
        }
    }

    #[test]
    fn row_10_length_top_bits_and_cookie_are_checked() {
        let good = hex("0001 0000 2112a442 000102030405060708090a0b");
        assert!(Header::parse(&good).is_ok());
        for (octet, value) in [(0, 0x80), (0, 0x40), (3, 2), (4, 0x20), (7, 0x43)] {
            let mut bad = good.clone();
            bad[octet] = value;
            assert!(Header::parse(&bad).is_err(), "octet {octet}");
        }
        for cut in 0..good.len() {
            assert!(Header::parse(&good[..cut]).is_err());
        }
    }

    #[test]
    fn rfc_7983_only_first_octets_0_to_3_are_stun() {
        let mut datagram = hex("0001 0000 2112a442 000102030405060708090a0b");
        for first in 0..=255 {
            datagram[0] = first;
            assert_eq!(is_stun(&datagram), first <= 3);
        }
        assert!(!is_stun(&[]));
        assert!(!is_stun(&[0, 1, 0, 0, 0x21, 0x12, 0xA4]));
    }

    fn any_header() -> impl Strategy<Value = Header> {
        (0..4u16, 0..0x1000u16, any::<u16>(), any::<[u8; 12]>()).prop_map(
            |(class, method, length, id)| Header {
                class: Class::from_bits(class & 2 != 0, class & 1 != 0),
                method: Method::new(method),
                length: length & !3,
                transaction_id: TransactionId(id),
            },
        )
    }

    // ANCHOR: properties
    proptest! {
        #[test]
        fn round_trip(header in any_header()) {
            let octets = written(&header);
            let (rest, parsed) = Header::parse(&octets).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(parsed, header);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Header::parse(&octets);
            let _ = is_stun(&octets);
        }

        #[test]
        fn fields_tile_the_input(header in any_header()) {
            assert_tiles(&written(&header), |input| {
                Header::parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
    // ANCHOR_END: properties
}
