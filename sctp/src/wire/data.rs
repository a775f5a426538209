//! DATA (0): one message or a fragment of one (RFC 9260 §3.3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 0    |  Res  |I|U|B|E|            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                              TSN                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Stream Identifier S      |   Stream Sequence Number n    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  Payload Protocol Identifier                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                 User Data (seq n of Stream S)                 \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::number::complete::{be_u16, be_u32};

use super::chunk;
use super::field::{Parsed, bit, field, remainder};
use super::{Body, ChunkType, Ppid, Ssn, StreamId, Tsn};

/// A DATA chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// I: acknowledge without delay.
    pub immediate: bool,
    /// U: deliver when complete, in no order; `ssn` means nothing.
    pub unordered: bool,
    /// B: the first fragment of its message.
    pub beginning: bool,
    /// E: the last fragment of its message.
    pub ending: bool,
    /// The chunk's number; the fragments of a message are numbered in sequence.
    pub tsn: Tsn,
    /// The stream.
    pub stream: StreamId,
    /// The message's number in its stream, the same in all its fragments.
    pub ssn: Ssn,
    /// What the octets are; for the upper layer, the same in all fragments.
    pub ppid: Ppid,
    /// The octets, a slice of the packet. None at all is for the association to refuse (§6.2).
    pub payload: Bytes,
}

impl Data {
    /// Octets of chunk header and fields in front of the user data.
    pub const OVERHEAD: usize = chunk::HEADER_LENGTH + 12;

    pub(crate) fn parse<'a>(packet: &Bytes, flags: &[u8], input: &'a [u8]) -> Parsed<'a, Self> {
        let immediate = bit("I", 3, flags);
        let unordered = bit("U", 2, flags);
        let beginning = bit("B", 1, flags);
        let ending = bit("E", 0, flags);
        let (rest, tsn) = field("TSN", map(be_u32, Tsn)).parse_complete(input)?;
        let (rest, stream) =
            field("Stream Identifier", map(be_u16, StreamId)).parse_complete(rest)?;
        let (rest, ssn) = field("Stream Sequence Number", map(be_u16, Ssn)).parse_complete(rest)?;
        let (rest, ppid) =
            field("Payload Protocol Identifier", map(be_u32, Ppid)).parse_complete(rest)?;
        let (rest, payload) = field("User Data", remainder(packet)).parse_complete(rest)?;
        let data =
            Self { immediate, unordered, beginning, ending, tsn, stream, ssn, ppid, payload };
        Ok((rest, data))
    }
}

impl Body for Data {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::DATA
    }

    fn flags(&self) -> u8 {
        u8::from(self.immediate) << 3
            | u8::from(self.unordered) << 2
            | u8::from(self.beginning) << 1
            | u8::from(self.ending)
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.tsn.0);
        out.put_u16(self.stream.0);
        out.put_u16(self.ssn.0);
        out.put_u32(self.ppid.0);
        out.extend_from_slice(&self.payload);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    fn any_data() -> impl Strategy<Value = Data> {
        let bits = any::<(bool, bool, bool, bool)>();
        (bits, any::<(u32, u16, u16, u32)>(), testing::octets(64)).prop_map(
            |((immediate, unordered, beginning, ending), (tsn, stream, ssn, ppid), payload)| Data {
                immediate,
                unordered,
                beginning,
                ending,
                tsn: Tsn(tsn),
                stream: StreamId(stream),
                ssn: Ssn(ssn),
                ppid: Ppid(ppid),
                payload,
            },
        )
    }

    #[test]
    fn chromium_sends_an_unordered_message_of_one_octet() {
        testing::captured(
            "138813883447230fe74631fc 00070011 97c2b718 0003 0000 00000033 75000000",
            Chunk::Data(Data {
                immediate: false,
                unordered: true,
                beginning: true,
                ending: true,
                tsn: Tsn(0x97c2_b718),
                stream: StreamId(3),
                ssn: Ssn(0),
                ppid: Ppid::STRING,
                payload: Bytes::from_static(b"u"),
            }),
        );
    }

    #[test]
    fn the_payload_is_a_slice_of_the_packet() {
        let packet =
            testing::hex("138813883447230fe74631fc 00070011 97c2b718 0003 0000 00000033 75000000");
        let parsed = super::super::Packet::parse(&packet).unwrap();
        let [Chunk::Data(data)] = parsed.chunks.as_slice() else { panic!("one DATA chunk") };
        assert_eq!(data.payload.as_ptr(), packet[28..].as_ptr());
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_data()) {
            testing::round_trip(Chunk::Data(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::DATA, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_data()) {
            testing::fields_tile_the_input(&Chunk::Data(chunk));
        }
    }
}
