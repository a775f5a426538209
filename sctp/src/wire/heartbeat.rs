//! HEARTBEAT (4): are you there? (RFC 9260 §3.3.5)
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 4    |  Chunk Flags  |       Heartbeat Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Heartbeat Info Type=1     |        HB Info Length         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                Sender-Specific Heartbeat Info                 \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;

use super::chunk::padding_after;
use super::field::{ParseError, Parsed, field, octets};
use super::parameter::{self, ParameterType};
use super::{Body, ChunkType};

/// The type of the one parameter of HEARTBEAT and HEARTBEAT ACK.
const HEARTBEAT_INFO: ParameterType = ParameterType(1);

/// A HEARTBEAT chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Opaque to the receiver, who sends it back as it is.
    pub information: Bytes,
}

impl Heartbeat {
    pub(crate) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, information) = parse_information(packet, input)?;
        Ok((rest, Self { information }))
    }
}

impl Body for Heartbeat {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::HEARTBEAT
    }

    fn write(&self, out: &mut BytesMut) {
        write_information(&self.information, out);
    }
}

pub(crate) fn parse_information<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Bytes> {
    let (rest, (parameter_type, value)) = parameter::parse_header(input)?;
    if parameter_type != HEARTBEAT_INFO {
        return Err(nom::Err::Error(ParseError::forbidden("Heartbeat Info Type", input.len())));
    }
    let (_, information) = field("Sender-Specific Heartbeat Info", octets(packet, value.len()))
        .parse_complete(value)?;
    match padding_after(value.len()).min(rest.len()) {
        0 => Ok((rest, information)),
        padding => {
            let (rest, _) = field("padding", take(padding)).parse_complete(rest)?;
            Ok((rest, information))
        }
    }
}

pub(crate) fn write_information(information: &Bytes, out: &mut BytesMut) {
    parameter::write_each(&[information], out, |information, out| {
        parameter::write_with(HEARTBEAT_INFO.0, out, |out| out.extend_from_slice(information));
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    fn any_heartbeat() -> impl Strategy<Value = Heartbeat> {
        testing::octets(40).prop_map(|information| Heartbeat { information })
    }

    #[test]
    fn the_information_is_a_parameter_of_type_one_rfc_9260_section_3_3_5() {
        let packet = testing::packet_of(&Heartbeat { information: Bytes::from_static(b"12345") });
        assert_eq!(packet[12..], testing::hex("0400000d 00010009 3132333435 000000"));
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_heartbeat()) {
            testing::round_trip(Chunk::Heartbeat(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::HEARTBEAT, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_heartbeat()) {
            testing::fields_tile_the_input(&Chunk::Heartbeat(chunk));
        }
    }
}
