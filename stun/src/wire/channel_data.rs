//! ChannelData: an application's packet with four octets of header instead of a STUN message.
//!
//! RFC 8656 §12.4:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Channel Number        |            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                                                               |
//! /                       Application Data                        /
//! /                                                               /
//! |                                                               |
//! |                               +-------------------------------+
//! |                               |
//! +-------------------------------+
//! ```
//!
//! Length counts the application data only. Over TCP and TLS the message is padded to a multiple of
//! four octets; over UDP it need not be, but may (§12.5). Invariant: the number is one that may be
//! bound, so the first octet tells ChannelData from STUN (§12, RFC 7983 §7). Book: "Relay".

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::{rest, verify};
use nom::number::complete::be_u16;

use super::attribute::padding_of;
use super::channel_number::ChannelNumber;
use super::field::{ParseError, Parsed, field};

/// A packet on a channel (RFC 8656 §12.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelData {
    /// The channel.
    pub channel: ChannelNumber,
    /// The application data, at most [`Self::MAX_DATA_LENGTH`] octets.
    pub data: Bytes,
}

impl ChannelData {
    /// Octets of channel number and length.
    pub const HEADER_LENGTH: usize = 4;

    /// Octets of application data that fit: what the length field counts.
    pub const MAX_DATA_LENGTH: usize = 0xFFFF;

    /// Whether a datagram, or what a stream holds next, is ChannelData and not STUN: its first octet
    /// is that of a number that may be bound, 0x40 to 0x4F (RFC 8656 §12).
    #[must_use]
    pub fn is_channel_data(datagram: &[u8]) -> bool {
        matches!(datagram, [0x40..=0x4F, ..])
    }

    /// Parses a datagram, or one message of a stream with its padding.
    ///
    /// # Errors
    /// The field that is wrong: a number that can't be bound, a length beyond the datagram
    /// (RFC 8656 §12.6).
    pub fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        let (_, message) = Self::fields(datagram)?;
        Ok(message)
    }

    // ANCHOR: fields
    fn fields(datagram: &[u8]) -> Parsed<'_, Self> {
        let bindable = |channel: &ChannelNumber| channel.may_be_bound();
        let number = verify(be_u16.map(ChannelNumber), bindable);
        let (left, channel) = field("channel number", number)(datagram)?;
        let (left, length) = field("length", be_u16)(left)?;
        let (left, data) =
            field("application data", take(length).map(Bytes::copy_from_slice))(left)?;
        let (left, _) = field("padding", rest)(left)?;
        Ok((left, Self { channel, data }))
    }
    // ANCHOR_END: fields

    /// Writes the message for a datagram, without padding.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        Self::encode_parts(self.channel, &self.data, false)
    }

    /// Writes the message for a stream, with padding (RFC 8656 §12.5).
    #[must_use]
    pub fn encode_padded(&self) -> Bytes {
        Self::encode_parts(self.channel, &self.data, true)
    }

    /// Writes a message of its parts; data beyond [`Self::MAX_DATA_LENGTH`] is cut off.
    pub(crate) fn encode_parts(channel: ChannelNumber, data: &[u8], padded: bool) -> Bytes {
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        let data = data.get(..usize::from(length)).unwrap_or_default();
        let mut out = BytesMut::with_capacity(Self::HEADER_LENGTH + data.len() + 3);
        out.put_u16(channel.0);
        out.put_u16(length);
        out.put_slice(data);
        if padded {
            out.put_bytes(0, padding_of(data.len()));
        }
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn any_channel_data() -> impl Strategy<Value = ChannelData> {
        (0x4000..=0x4FFFu16, prop::collection::vec(any::<u8>(), 0..50)).prop_map(
            |(channel, data)| ChannelData {
                channel: ChannelNumber(channel),
                data: Bytes::from(data),
            },
        )
    }

    #[test]
    fn rfc_8656_section_12_5_padding_is_for_streams_and_not_counted() {
        let data = Bytes::from_static(&[1, 2, 3, 4, 5]);
        let message = ChannelData { channel: ChannelNumber(0x4001), data };
        assert_eq!(message.encode(), hex("4001 0005 0102030405"));
        assert_eq!(message.encode_padded(), hex("4001 0005 0102030405 000000"));
        assert_eq!(ChannelData::parse(&message.encode_padded()).unwrap(), message);
    }

    #[test]
    fn rfc_8656_section_12_6_a_length_beyond_the_datagram_is_refused() {
        assert!(ChannelData::parse(&hex("4001 0005 01020304")).is_err());
        assert!(ChannelData::parse(&hex("4001 00")).is_err());
        assert_eq!(ChannelData::parse(&hex("4001 0000")).unwrap().data.len(), 0);
    }

    #[test]
    fn row_7_only_numbers_that_can_be_bound_are_channel_data() {
        for first in 0..=255 {
            let datagram = [first, 0, 0, 0];
            assert_eq!(ChannelData::is_channel_data(&datagram), (0x40..0x50).contains(&first));
            assert_eq!(ChannelData::parse(&datagram).is_ok(), (0x40..0x50).contains(&first));
        }
        assert!(!ChannelData::is_channel_data(&[]));
    }

    proptest! {
        #[test]
        fn round_trip(message in any_channel_data()) {
            prop_assert_eq!(&ChannelData::parse(&message.encode()).unwrap(), &message);
            prop_assert_eq!(message.encode_padded().len() % 4, 0);
            prop_assert_eq!(ChannelData::parse(&message.encode_padded()).unwrap(), message);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = ChannelData::parse(&octets);
            let _ = ChannelData::is_channel_data(&octets);
        }

        #[test]
        fn fields_tile_the_input(message in any_channel_data()) {
            assert_tiles(&message.encode_padded(), |input| {
                ChannelData::fields(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
