//! What the SCTP association of the data channels reads from a description.
//!
//! RFC 8841 §4 (the `m=` line), §5 (`sctp-port`), §6 (`max-message-size`).
//! Book: the chapter on SDP.

use crate::error::{Parsed, field};
use crate::line::number;
use crate::views::section::Section;

/// `sctp-port-value`, RFC 8841 §5.
pub(crate) fn port(input: &str) -> Parsed<'_, u16> {
    field("sctp-port", number)(input)
}

/// `max-message-size-value = 1*DIGIT`, RFC 8841 §6.
pub(crate) fn max_message_size(input: &str) -> Parsed<'_, u64> {
    field("max-message-size", number)(input)
}

/// The largest message a description's sender will take, RFC 8841 §6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MaxMessageSize {
    /// So many octets.
    Octets(u64),
    /// Any size: the attribute is 0.
    Unlimited,
}

impl MaxMessageSize {
    /// What holds without the attribute: 64 KiB (RFC 8841 §6.1).
    pub const DEFAULT: Self = Self::Octets(65_536);
}

impl<'a> Section<'a> {
    /// The media section of data channels: SCTP over DTLS, format `webrtc-datachannel`
    /// (RFC 8841 §4).
    #[must_use]
    pub fn is_data_channel(&self) -> bool {
        self.media.kind == "application"
            && matches!(self.media.protocol.as_str(), "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP")
            && self.media.formats().any(|format| format == "webrtc-datachannel")
    }

    /// The SCTP port, RFC 8841 §5. `None` if it is not given.
    #[must_use]
    pub fn sctp_port(&self) -> Option<u16> {
        self.media.lines.attribute("sctp-port")?.parse(port).ok()
    }

    /// The largest message the sender of this description takes (RFC 8841 §6); 64 KiB if it does
    /// not say.
    #[must_use]
    pub fn max_message_size(&self) -> MaxMessageSize {
        let size = self.media.lines.attribute("max-message-size");
        match size.and_then(|attribute| attribute.parse(max_message_size).ok()) {
            None => MaxMessageSize::DEFAULT,
            Some(0) => MaxMessageSize::Unlimited,
            Some(octets) => MaxMessageSize::Octets(octets),
        }
    }
}
