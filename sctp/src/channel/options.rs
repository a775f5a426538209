//! What a channel is told at its birth, and how DCEP says it (RFC 8832 §5.1).
//!
//! ```text
//!                      ordered   unordered   reliability parameter
//!   Reliable            0x00       0x80      0
//!   MaxRetransmits      0x01       0x81      number of retransmissions
//!   MaxLifetime         0x02       0x82      milliseconds
//! ```

use std::time::Duration;

use bytes::Bytes;

use crate::Reliability;
use crate::wire::{ChannelType, Open, Priority, StreamId};

/// Octets of the longest label and of the longest protocol: their length fields have 16 bits.
pub const MAX_NAME_LENGTH: usize = 65_535;

/// Octets of the longest OPEN: what the association must let pass, however small the
/// application's messages are to be.
pub(super) const MAX_OPEN_LENGTH: usize = 12 + 2 * MAX_NAME_LENGTH;

/// The DTLS role, which decides whose stream identifiers are even (RFC 8832 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Opens channels on even streams.
    Client,
    /// Opens channels on odd streams.
    Server,
}

impl Role {
    /// The lowest stream this side may open a channel on; the others are two apart.
    pub(super) fn first_stream(self) -> u16 {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }

    /// Whether the remote endpoint may open a channel on `stream`.
    pub(super) fn is_remote(self, stream: StreamId) -> bool {
        stream.0 % 2 != self.first_stream()
    }
}

/// A channel to be: W3C's `label` and `RTCDataChannelInit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelOptions {
    /// The name, at most [`MAX_NAME_LENGTH`] octets. Names need not differ.
    pub label: String,
    /// The sub-protocol, at most [`MAX_NAME_LENGTH`] octets.
    pub protocol: String,
    /// Whether messages arrive in the order they were sent.
    pub ordered: bool,
    /// How hard to try to deliver a message.
    pub reliability: Reliability,
    /// `Some`: both ends agreed on this stream by other means, and no OPEN is sent.
    pub negotiated: Option<StreamId>,
    /// The channel's share of the sending capacity (RFC 8831 §6.4).
    pub priority: Priority,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            label: String::new(),
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
            negotiated: None,
            priority: Priority::NORMAL,
        }
    }
}

impl ChannelOptions {
    /// A reliable, ordered channel with this label.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// Octets of label and protocol.
    pub(super) fn name_length(&self) -> usize {
        self.label.len().saturating_add(self.protocol.len())
    }

    /// The OPEN that announces the channel.
    pub(super) fn to_open(&self) -> Open {
        let (reliability, reliability_parameter) = match self.reliability {
            Reliability::Reliable => (ChannelType::RELIABLE, 0),
            Reliability::MaxRetransmits(count) => {
                (ChannelType::PARTIAL_RELIABLE_REXMIT, u32::from(count))
            }
            Reliability::MaxLifetime(lifetime) => {
                let milliseconds = u32::try_from(lifetime.as_millis()).unwrap_or(u32::MAX);
                (ChannelType::PARTIAL_RELIABLE_TIMED, milliseconds)
            }
        };
        Open {
            channel_type: if self.ordered { reliability } else { reliability.unordered() },
            priority: self.priority,
            reliability_parameter,
            label: Bytes::copy_from_slice(self.label.as_bytes()),
            protocol: Bytes::copy_from_slice(self.protocol.as_bytes()),
            surplus: Bytes::new(),
        }
    }

    /// The channel a remote endpoint announces. `None`: "problems with parameters" (RFC 8832 §6),
    /// a channel type that does not exist or a name that is not UTF-8.
    ///
    /// Octets behind the names mean that their lengths count characters instead of octets, as two
    /// known stacks do. Such a name may end within a character, which does no harm.
    pub(super) fn from_open(open: &Open) -> Option<Self> {
        let reliability = match open.channel_type.reliability() {
            ChannelType::RELIABLE => Reliability::Reliable,
            ChannelType::PARTIAL_RELIABLE_REXMIT => {
                // The API's number has 16 bits; more retransmissions than that are not made.
                let count = u16::try_from(open.reliability_parameter).unwrap_or(u16::MAX);
                Reliability::MaxRetransmits(count)
            }
            ChannelType::PARTIAL_RELIABLE_TIMED => {
                Reliability::MaxLifetime(Duration::from_millis(open.reliability_parameter.into()))
            }
            _ => return None,
        };
        let miscounted = !open.surplus.is_empty();
        let name = |octets: &Bytes| match std::str::from_utf8(octets) {
            Ok(name) => Some(name.to_owned()),
            Err(_) if miscounted => Some(String::from_utf8_lossy(octets).into_owned()),
            Err(_) => None,
        };
        Some(Self {
            label: name(&open.label)?,
            protocol: name(&open.protocol)?,
            ordered: !open.channel_type.is_unordered(),
            reliability,
            negotiated: None,
            priority: open.priority,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_options() -> impl Strategy<Value = ChannelOptions> {
        let reliability = prop_oneof![
            Just(Reliability::Reliable),
            any::<u16>().prop_map(Reliability::MaxRetransmits),
            any::<u32>().prop_map(|ms| Reliability::MaxLifetime(Duration::from_millis(ms.into()))),
        ];
        ("\\PC{0,20}", "\\PC{0,20}", any::<bool>(), reliability, any::<u16>()).prop_map(
            |(label, protocol, ordered, reliability, priority)| ChannelOptions {
                label,
                protocol,
                ordered,
                reliability,
                negotiated: None,
                priority: Priority(priority),
            },
        )
    }

    proptest! {
        #[test]
        fn open_says_all(options in any_options()) {
            prop_assert_eq!(ChannelOptions::from_open(&options.to_open()), Some(options));
        }
    }

    #[test]
    fn row_75_unknown_type_and_bad_utf_8() {
        let open = ChannelOptions::new("x").to_open();
        for number in [0x03, 0x7f, 0x83, 0xff] {
            let unknown = Open { channel_type: ChannelType(number), ..open.clone() };
            assert_eq!(ChannelOptions::from_open(&unknown), None, "{number:#x}");
        }
        let bad = Bytes::from_static(b"\xc3");
        assert_eq!(ChannelOptions::from_open(&Open { label: bad.clone(), ..open.clone() }), None);
        assert_eq!(ChannelOptions::from_open(&Open { protocol: bad, ..open }), None);
    }

    #[test]
    fn trap_dcep_label_length_in_characters_keeps_the_channel() {
        let cut = Open {
            label: Bytes::from_static(b"h\xc3"),
            surplus: Bytes::from_static(b"\xa9"),
            ..ChannelOptions::default().to_open()
        };
        assert_eq!(ChannelOptions::from_open(&cut).unwrap().label, "h\u{fffd}");
    }

    #[test]
    fn parity_by_role_rfc_8832_section_6() {
        assert!(Role::Client.is_remote(StreamId(1)) && !Role::Client.is_remote(StreamId(0)));
        assert!(Role::Server.is_remote(StreamId(0)) && !Role::Server.is_remote(StreamId(65_533)));
    }
}
