//! An RTCP packet of a type or format this crate does not read, kept as it came.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;

use super::super::field::{Parsed, field, remainder};

/// A packet of a type or format we do not know, or whose inside makes no sense here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Five bits: a count, a subtype or a format.
    pub count: u8,
    /// 192 to 223.
    pub packet_type: u8,
    /// What follows the first word, without padding.
    pub body: Bytes,
}

impl Unknown {
    pub(super) fn parse<'a>(
        packet: &Bytes,
        count: u8,
        packet_type: u8,
        input: &'a [u8],
    ) -> Parsed<'a, Self> {
        let (rest, body) = field("body", remainder(packet)).parse_complete(input)?;
        Ok((rest, Self { count, packet_type, body }))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_slice(&self.body);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::{Packet, header::packet_type};
    use super::*;

    fn any_unknown() -> impl Strategy<Value = Packet> {
        (0u8..32, 208u8..=223, testing::words(8)).prop_map(|(count, packet_type, body)| {
            Packet::Unknown(Unknown { count, packet_type, body })
        })
    }

    #[test]
    fn formats_of_feedback_we_do_not_know_survive() {
        // Congestion control feedback (RFC 8888), and an application layer feedback without "REMB".
        for (packet_type, count, octets) in [
            (packet_type::TRANSPORT_FEEDBACK, 11, "8bcd0002 00000001 00000002"),
            (packet_type::PAYLOAD_FEEDBACK, 15, "8fce0003 00000001 00000000 58585858"),
        ] {
            let body = testing::hex(octets).slice(4..);
            testing::vector(octets, &Packet::Unknown(Unknown { count, packet_type, body }));
        }
    }

    testing::properties!(any_unknown(), 208, 0u8..32);
}
