//! The `o=` line: who made this description, and which version of it this is.
//!
//! RFC 8866 §5.2; for WebRTC RFC 9429 §5.2.1 (a random 63-bit id, the version plus one per change).
//!
//! ```text
//! o=<username> <sess-id> <sess-version> <nettype> <addrtype> <unicast-address>
//! o=-          20518     0              IN        IP4        203.0.113.1
//! ```
//! Book: the chapter on SDP.

use std::fmt;

use nom::Parser;
use nom::character::complete::char;
use nom::sequence::terminated;

use crate::error::{Reason, field, reason};
use crate::line::{OneLine, digits, number, token, trailing_space, word};

/// The originator and the identity of a description, RFC 8866 §5.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The user on the originating host; `-` if there is none.
    pub username: String,
    /// Decimal digits, of any length. WebRTC makes a 63-bit number of it.
    pub session_id: String,
    /// Goes up with every change of the description.
    pub version: u64,
    /// `IN` for the Internet.
    pub network_type: String,
    /// `IP4` or `IP6`.
    pub address_type: String,
    /// The machine the description comes from; browsers hide it behind a constant.
    pub address: String,
}

impl Origin {
    /// The origin WebRTC endpoints write: no user, an id, a version, no real address
    /// (RFC 9429 §5.2.1).
    #[must_use]
    pub fn new(session_id: u64, version: u64) -> Self {
        Self {
            username: "-".to_owned(),
            session_id: session_id.to_string(),
            version,
            network_type: "IN".to_owned(),
            address_type: "IP4".to_owned(),
            address: "0.0.0.0".to_owned(),
        }
    }

    pub(crate) fn parse(value: &str) -> Result<Self, Reason> {
        let space = || field("o= line", char(' '));
        let (_, (username, session_id, version, network_type, address_type, address, ())) = (
            terminated(field("username", word), space()),
            terminated(field("sess-id", digits), space()),
            terminated(field("sess-version", number), space()),
            terminated(field("nettype", token), space()),
            terminated(field("addrtype", token), space()),
            field("unicast-address", word),
            field("o= line", trailing_space),
        )
            .parse_complete(value)
            .map_err(reason)?;
        Ok(Self {
            username: username.to_owned(),
            session_id: session_id.to_owned(),
            version,
            network_type: network_type.to_owned(),
            address_type: address_type.to_owned(),
            address: address.to_owned(),
        })
    }
}

/// The value of the line, without `o=`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, session_id, version, network_type, address_type, address } = self;
        write!(f, "{} {} {version} ", OneLine(username), OneLine(session_id))?;
        write!(f, "{} {} {}", OneLine(network_type), OneLine(address_type), OneLine(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_8866_section_5() {
        let origin = Origin::parse("jdoe 3724394400 3724394405 IN IP4 198.51.100.1").unwrap();
        assert_eq!((origin.username.as_str(), origin.version), ("jdoe", 3_724_394_405));
        assert_eq!(origin.to_string(), "jdoe 3724394400 3724394405 IN IP4 198.51.100.1");
    }

    #[test]
    fn each_field_is_named_when_it_is_wrong() {
        let cases = [
            ("", Reason::Malformed("username")),
            ("-", Reason::Malformed("o= line")),
            ("- x 1 IN IP4 0", Reason::Malformed("sess-id")),
            ("- 1 99999999999999999999 IN IP4 0", Reason::TooLarge("sess-version")),
            ("- 1 1 IN IP4", Reason::Malformed("o= line")),
            ("- 1 1 IN IP4 ", Reason::Malformed("unicast-address")),
            ("- 1 1 IN IP4 0 more", Reason::Malformed("o= line")),
        ];
        for (value, expected) in cases {
            assert_eq!(Origin::parse(value), Err(expected), "{value}");
        }
    }
}
