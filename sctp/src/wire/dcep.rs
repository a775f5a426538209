//! The Data Channel Establishment Protocol: OPEN and ACK (RFC 8832 §5).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Message Type |  Channel Type |            Priority           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Reliability Parameter                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Label Length          |       Protocol Length         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                             Label                             \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                            Protocol                           \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! An ACK is its message type, 2, alone (§5.2). The messages travel as SCTP user messages with
//! [`Ppid::DCEP`](super::Ppid::DCEP), so there is no padding.
//!
//! Label and protocol stay octets here: that they are UTF-8 is what the RFC says and what some
//! senders break. Two stacks write the lengths in characters instead of octets; then octets are
//! left over behind the protocol, which [`Open::surplus`] keeps.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::number::complete::{be_u8, be_u16, be_u32};

use super::field::{ParseError, Parsed, field, octets, remainder};

/// What a DCEP message is (RFC 8832 §8.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageType(pub u8);

impl MessageType {
    /// DATA_CHANNEL_ACK.
    pub const ACK: Self = Self(2);
    /// DATA_CHANNEL_OPEN.
    pub const OPEN: Self = Self(3);
}

/// How a channel delivers (RFC 8832 §5.1): the lower seven bits are the kind of reliability, the
/// highest is set for unordered delivery, with each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelType(pub u8);

impl ChannelType {
    /// DATA_CHANNEL_RELIABLE.
    pub const RELIABLE: Self = Self(0x00);
    /// DATA_CHANNEL_PARTIAL_RELIABLE_REXMIT: the parameter counts retransmissions.
    pub const PARTIAL_RELIABLE_REXMIT: Self = Self(0x01);
    /// DATA_CHANNEL_PARTIAL_RELIABLE_TIMED: the parameter is a lifetime in milliseconds.
    pub const PARTIAL_RELIABLE_TIMED: Self = Self(0x02);

    const UNORDERED: u8 = 0x80;

    /// The same type with unordered delivery.
    #[must_use]
    pub const fn unordered(self) -> Self {
        Self(self.0 | Self::UNORDERED)
    }

    /// Whether messages may overtake each other.
    #[must_use]
    pub const fn is_unordered(self) -> bool {
        self.0 & Self::UNORDERED != 0
    }

    /// The type without its order: one of the three constants, or unknown.
    #[must_use]
    pub const fn reliability(self) -> Self {
        Self(self.0 & !Self::UNORDERED)
    }
}

/// A channel's priority (RFC 8832 §5.1, RFC 8831 §6.4). Browsers send 256, "normal".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(pub u16);

impl Priority {
    /// Below normal.
    pub const BELOW_NORMAL: Self = Self(128);
    /// Normal.
    pub const NORMAL: Self = Self(256);
    /// High.
    pub const HIGH: Self = Self(512);
    /// Extra high.
    pub const EXTRA_HIGH: Self = Self(1024);
}

/// DATA_CHANNEL_OPEN (RFC 8832 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Order and reliability.
    pub channel_type: ChannelType,
    /// For the sender's scheduling.
    pub priority: Priority,
    /// Retransmissions or milliseconds, by the channel type; else meaningless.
    pub reliability_parameter: u32,
    /// The name, UTF-8 if the sender keeps to the RFC; at most 65,535 octets.
    pub label: Bytes,
    /// The sub-protocol, UTF-8 likewise; at most 65,535 octets.
    pub protocol: Bytes,
    /// Octets behind the protocol. None, unless the sender miscounted.
    pub surplus: Bytes,
}

/// DATA_CHANNEL_ACK (RFC 8832 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack;

/// A DCEP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DcepMessage {
    /// DATA_CHANNEL_OPEN.
    Open(Open),
    /// DATA_CHANNEL_ACK.
    Ack(Ack),
    /// Any other, as it came; RFC 8832 §5 reserves the rest.
    Unknown {
        /// Its type.
        message_type: MessageType,
        /// What follows the type.
        rest: Bytes,
    },
}

impl DcepMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// It is cut, or its lengths point beyond its end.
    pub fn parse(message: &Bytes) -> Result<Self, ParseError> {
        Self::parse_from(message, message).map(|(_, parsed)| parsed).map_err(|error| match error {
            nom::Err::Error(error) | nom::Err::Failure(error) => error,
            nom::Err::Incomplete(_) => ParseError::forbidden("Message Type", 0),
        })
    }

    fn parse_from<'a>(message: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, message_type) =
            field("Message Type", map(be_u8, MessageType)).parse_complete(input)?;
        match message_type {
            MessageType::OPEN => {
                map(|input| Open::parse(message, input), Self::Open).parse_complete(rest)
            }
            MessageType::ACK if rest.is_empty() => Ok((rest, Self::Ack(Ack))),
            MessageType::ACK => {
                Err(nom::Err::Error(ParseError::forbidden("Message Type", rest.len())))
            }
            message_type => map(field("unknown message", remainder(message)), |rest| {
                Self::Unknown { message_type, rest }
            })
            .parse_complete(rest),
        }
    }

    /// The message as octets.
    #[must_use]
    pub fn to_octets(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Open(open) => {
                out.put_u8(MessageType::OPEN.0);
                open.write(&mut out);
            }
            Self::Ack(Ack) => out.put_u8(MessageType::ACK.0),
            Self::Unknown { message_type, rest } => {
                out.put_u8(message_type.0);
                out.extend_from_slice(rest);
            }
        }
        out.freeze()
    }
}

impl Open {
    // ANCHOR: open
    fn parse<'a>(message: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, channel_type) =
            field("Channel Type", map(be_u8, ChannelType)).parse_complete(input)?;
        let (rest, priority) = field("Priority", map(be_u16, Priority)).parse_complete(rest)?;
        let (rest, reliability_parameter) =
            field("Reliability Parameter", be_u32).parse_complete(rest)?;
        let (rest, label_length) = field("Label Length", be_u16).parse_complete(rest)?;
        let (rest, protocol_length) = field("Protocol Length", be_u16).parse_complete(rest)?;
        let (rest, label) =
            field("Label", octets(message, label_length.into())).parse_complete(rest)?;
        let (rest, protocol) =
            field("Protocol", octets(message, protocol_length.into())).parse_complete(rest)?;
        let (rest, surplus) = match rest {
            [] => (rest, Bytes::new()),
            _ => field("surplus", remainder(message)).parse_complete(rest)?,
        };
        let open = Self { channel_type, priority, reliability_parameter, label, protocol, surplus };
        Ok((rest, open))
    }
    // ANCHOR_END: open

    /// A label or protocol above 65,535 octets is cut: `DataChannels` refuses them before.
    fn write(&self, out: &mut BytesMut) {
        let (label_length, label) = sized(&self.label);
        let (protocol_length, protocol) = sized(&self.protocol);
        out.put_u8(self.channel_type.0);
        out.put_u16(self.priority.0);
        out.put_u32(self.reliability_parameter);
        out.put_u16(label_length);
        out.put_u16(protocol_length);
        out.extend_from_slice(label);
        out.extend_from_slice(protocol);
        out.extend_from_slice(&self.surplus);
    }
}

fn sized(text: &[u8]) -> (u16, &[u8]) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    (length, text.get(..usize::from(length)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{hex, octets as any_octets};
    use super::*;

    fn any_message() -> impl Strategy<Value = DcepMessage> {
        let open = (any::<(u8, u16, u32)>(), any_octets(40), any_octets(40), any_octets(4))
            .prop_map(
                |((channel_type, priority, reliability_parameter), label, protocol, surplus)| {
                    DcepMessage::Open(Open {
                        channel_type: ChannelType(channel_type),
                        priority: Priority(priority),
                        reliability_parameter,
                        label,
                        protocol,
                        surplus,
                    })
                },
            );
        let unknown = (4u8.., any_octets(20)).prop_map(|(message_type, rest)| {
            DcepMessage::Unknown { message_type: MessageType(message_type), rest }
        });
        prop_oneof![open, Just(DcepMessage::Ack(Ack)), unknown]
    }

    #[test]
    fn chromium_opens_an_unordered_channel_without_retransmissions() {
        let octets = hex("03 81 0100 00000000 0005 0000 756e6f7264");
        let message = DcepMessage::Open(Open {
            channel_type: ChannelType::PARTIAL_RELIABLE_REXMIT.unordered(),
            priority: Priority::NORMAL,
            reliability_parameter: 0,
            label: Bytes::from_static(b"unord"),
            protocol: Bytes::new(),
            surplus: Bytes::new(),
        });
        assert_eq!(DcepMessage::parse(&octets).as_ref(), Ok(&message));
        assert_eq!(message.to_octets(), octets);
    }

    #[test]
    fn chromium_opens_a_timed_channel_with_a_protocol() {
        let octets = hex("03 02 0100 000001f4 0002 0005 706c 70726f746f");
        let message = DcepMessage::Open(Open {
            channel_type: ChannelType::PARTIAL_RELIABLE_TIMED,
            priority: Priority::NORMAL,
            reliability_parameter: 500,
            label: Bytes::from_static(b"pl"),
            protocol: Bytes::from_static(b"proto"),
            surplus: Bytes::new(),
        });
        assert_eq!(DcepMessage::parse(&octets).as_ref(), Ok(&message));
        assert_eq!(message.to_octets(), octets);
    }

    #[test]
    fn an_ack_is_one_octet_rfc_8832_section_5_2() {
        assert_eq!(DcepMessage::parse(&hex("02")), Ok(DcepMessage::Ack(Ack)));
        assert_eq!(DcepMessage::Ack(Ack).to_octets(), hex("02"));
        assert!(DcepMessage::parse(&hex("0200")).is_err());
    }

    #[test]
    fn trap_dcep_type_bit_0x80_with_each_reliability() {
        for reliability in [
            ChannelType::RELIABLE,
            ChannelType::PARTIAL_RELIABLE_REXMIT,
            ChannelType::PARTIAL_RELIABLE_TIMED,
        ] {
            assert!(!reliability.is_unordered() && reliability.unordered().is_unordered());
            assert_eq!(reliability.unordered().0, reliability.0 | 0x80);
            assert_eq!(reliability.unordered().reliability(), reliability);
        }
    }

    #[test]
    fn row_75_dcep_cut_and_length_lies() {
        let whole = hex("03 02 0100 000001f4 0002 0005 706c 70726f746f");
        for length in 0..whole.len() {
            assert!(DcepMessage::parse(&whole.slice(..length)).is_err(), "{length}");
        }
        for lie in [
            "03 00 0100 00000000 ffff 0000 61",
            "03 00 0100 00000000 0000 ffff 61",
            "03 00 0100 00000000 ffff ffff",
            "03 00 0100 00000000 0001 0001 61",
        ] {
            assert!(DcepMessage::parse(&hex(lie)).is_err(), "{lie}");
        }
    }

    /// "hé" is three octets and two characters: a sender that counts characters cuts the label.
    #[test]
    fn trap_dcep_label_length_in_characters() {
        let octets = hex("03 00 0100 00000000 0002 0000 68c3a9");
        let Ok(DcepMessage::Open(open)) = DcepMessage::parse(&octets) else { panic!("an OPEN") };
        assert_eq!((&open.label[..], &open.surplus[..]), (&b"h\xc3"[..], &b"\xa9"[..]));
    }

    proptest! {
        #[test]
        fn round_trip(message in any_message()) {
            prop_assert_eq!(DcepMessage::parse(&message.to_octets()), Ok(message));
        }

        #[test]
        fn never_panics(octets in any_octets(60)) {
            if let Ok(message) = DcepMessage::parse(&octets) {
                prop_assert_eq!(message.to_octets(), octets);
            }
        }

        #[test]
        fn fields_tile_the_input(message in any_message()) {
            let octets = message.to_octets();
            let (_, fields) = tap::explain(&octets, || DcepMessage::parse(&octets));
            prop_assert_eq!(tap::tile(&fields, octets.len()), Ok(()));
        }
    }
}
