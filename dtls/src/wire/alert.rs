//! Alerts: two octets that end a connection, politely or not (RFC 5246 §7.2).
//!
//! ```text
//! struct {
//!   AlertLevel level;               1 octet: warning(1), fatal(2)
//!   AlertDescription description;   1 octet
//! } Alert;
//! ```
//!
//! Alerts are not retransmitted and not part of a flight (RFC 6347 §4.2.7); an alert of epoch 0 can be
//! anybody's. Book: "The handshake and keys".

use nom::Parser;
use nom::number::complete::be_u8;

use super::field::{ParseError, Parsed, field};
use super::registry::registry;
use super::vector::whole;

registry! {
    /// How bad it is (RFC 5246 §7.2).
    pub struct AlertLevel(u8);
    /// The connection may go on, except after close_notify.
    WARNING = 1, "warning";
    /// The connection ends.
    FATAL = 2, "fatal";
}

registry! {
    /// What happened (RFC 5246 §7.2).
    pub struct AlertDescription(u8);
    /// The sender sends no more (RFC 5246 §7.2.1).
    CLOSE_NOTIFY = 0, "close_notify";
    /// A message that does not belong here.
    UNEXPECTED_MESSAGE = 10, "unexpected_message";
    /// The tag of a record is wrong. DTLS discards silently instead (RFC 6347 §4.1.2.7).
    BAD_RECORD_MAC = 20, "bad_record_mac";
    /// A record longer than allowed.
    RECORD_OVERFLOW = 22, "record_overflow";
    /// No acceptable set of parameters.
    HANDSHAKE_FAILURE = 40, "handshake_failure";
    /// A certificate was corrupt or its signature wrong.
    BAD_CERTIFICATE = 42, "bad_certificate";
    /// A certificate of an unsupported type.
    UNSUPPORTED_CERTIFICATE = 43, "unsupported_certificate";
    /// Any other reason not to accept a certificate.
    CERTIFICATE_UNKNOWN = 46, "certificate_unknown";
    /// A field out of range or inconsistent with others.
    ILLEGAL_PARAMETER = 47, "illegal_parameter";
    /// A message that could not be parsed.
    DECODE_ERROR = 50, "decode_error";
    /// A handshake signature or Finished did not verify.
    DECRYPT_ERROR = 51, "decrypt_error";
    /// The version is recognised but not supported.
    PROTOCOL_VERSION = 70, "protocol_version";
    /// Only more secure parameters than the peer's are acceptable.
    INSUFFICIENT_SECURITY = 71, "insufficient_security";
    /// Our own failure.
    INTERNAL_ERROR = 80, "internal_error";
    /// The user gave up before the handshake ended.
    USER_CANCELED = 90, "user_canceled";
    /// An answer to a ClientHello or HelloRequest after the handshake; a warning.
    NO_RENEGOTIATION = 100, "no_renegotiation";
    /// The server's hello has an extension the client did not offer.
    UNSUPPORTED_EXTENSION = 110, "unsupported_extension";
}

/// An alert (RFC 5246 §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert {
    /// How bad it is.
    pub level: AlertLevel,
    /// What happened.
    pub description: AlertDescription,
}

impl Alert {
    /// Parses the fragment of a record of type alert.
    ///
    /// # Errors
    /// Not exactly two octets.
    pub fn parse(fragment: &[u8]) -> Result<Self, ParseError> {
        whole(fragment, Self::parsed)
    }

    fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, level) = field("level", be_u8.map(AlertLevel))(input)?;
        let (input, description) = field("description", be_u8.map(AlertDescription))(input)?;
        Ok((input, Self { level, description }))
    }

    /// Appends the two octets.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.level.0, self.description.0]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::codec_properties;

    fn any_alert() -> impl Strategy<Value = Alert> {
        any::<(u8, u8)>().prop_map(|(level, description)| Alert {
            level: AlertLevel(level),
            description: AlertDescription(description),
        })
    }

    codec_properties!(any_alert(), Alert::write, |octets: &[u8]| Alert::parse(octets));

    #[test]
    fn rfc_5246_7_2_close_notify() {
        let alert = Alert::parse(&[1, 0]).unwrap();
        assert_eq!(format!("{alert:?}"), "Alert { level: warning, description: close_notify }");
    }

    #[test]
    fn two_alerts_in_a_record_are_refused() {
        assert!(Alert::parse(&[1, 0, 1, 0]).is_err() && Alert::parse(&[]).is_err());
    }
}
