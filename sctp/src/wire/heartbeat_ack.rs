//! HEARTBEAT ACK (5): I am, and this is what you said (RFC 9260 §3.3.6).
//!
//! The format is that of HEARTBEAT with type 5; the information is the one received.

use bytes::{Bytes, BytesMut};

use super::field::Parsed;
use super::heartbeat::{parse_information, write_information};
use super::{Body, ChunkType};

/// A HEARTBEAT ACK chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatAck {
    /// What the HEARTBEAT carried.
    pub information: Bytes,
}

impl HeartbeatAck {
    pub(crate) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, information) = parse_information(packet, input)?;
        Ok((rest, Self { information }))
    }
}

impl Body for HeartbeatAck {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::HEARTBEAT_ACK
    }

    fn write(&self, out: &mut BytesMut) {
        write_information(&self.information, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    fn any_heartbeat_ack() -> impl Strategy<Value = HeartbeatAck> {
        testing::octets(40).prop_map(|information| HeartbeatAck { information })
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_heartbeat_ack()) {
            testing::round_trip(Chunk::HeartbeatAck(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::HEARTBEAT_ACK, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_heartbeat_ack()) {
            testing::fields_tile_the_input(&Chunk::HeartbeatAck(chunk));
        }
    }
}
