//! INIT ACK (2): the answer to an INIT, with the cookie (RFC 9260 §3.3.3).
//!
//! The format is that of INIT with type 2. A State Cookie parameter is mandatory, and parameters
//! of the INIT that were not understood come back in Unrecognized Parameter.

use bytes::{Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;

use super::field::Parsed;
use super::{Body, ChunkType, Init, Parameter};

/// An INIT ACK chunk: the same fields as an [`Init`], told by the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitAck(pub Init);

impl InitAck {
    /// The cookie to be echoed, if there is one.
    #[must_use]
    pub fn state_cookie(&self) -> Option<&Bytes> {
        self.0.parameters.iter().find_map(|parameter| match parameter {
            Parameter::StateCookie(cookie) => Some(cookie),
            _ => None,
        })
    }

    pub(crate) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        map(|input| Init::parse(packet, input), Self).parse_complete(input)
    }
}

impl Body for InitAck {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::INIT_ACK
    }

    fn write(&self, out: &mut BytesMut) {
        self.0.write(out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::init::tests::any_init;
    use super::super::{Chunk, Packet, testing};
    use super::*;

    fn any_init_ack() -> impl Strategy<Value = InitAck> {
        any_init().prop_map(InitAck)
    }

    #[test]
    fn chromium_answers_with_a_cookie_of_48_octets() {
        let packet = testing::hex(
            "138813883447230f027dd722 02000052 a047f5ea 00500000 ffff ffff 97c2b70d \
             00070034 6463534354503030 3447230fa047f5ea8e27436f97c2b70d 01000000 00000000 \
             00000000 01010100 00000000 ffffffff c0000004 80080006 82c0 0000",
        );
        let parsed = Packet::parse(&packet).unwrap();
        let [Chunk::InitAck(init_ack)] = parsed.chunks.as_slice() else { panic!("an INIT ACK") };
        let cookie = init_ack.state_cookie().unwrap();
        assert_eq!(cookie.len(), 48);
        assert!(cookie.starts_with(b"dcSCTP00"));
        assert_eq!(testing::packet_of(init_ack), packet);
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_init_ack()) {
            testing::round_trip(Chunk::InitAck(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::INIT_ACK, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_init_ack()) {
            testing::fields_tile_the_input(&Chunk::InitAck(chunk));
        }
    }
}
