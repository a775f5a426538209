//! supported_versions: how a client says that it could do 1.3 (RFC 8446 §4.2.1, RFC 9147 §5.3).
//!
//! ```text
//! struct {
//!   select (Handshake.msg_type) {
//!     case client_hello:
//!       ProtocolVersion versions<2..254>;      one octet of length: an odd number of octets in all
//!     case server_hello:
//!       ProtocolVersion selected_version;      two octets
//!   };
//! } SupportedVersions;
//! ```
//!
//! The two forms cannot be confused, so one parser reads both. A server without 1.3 ignores the
//! extension (RFC 8446 §4.2.1) and answers with 1.2.

use nom::Parser;
use nom::number::complete::be_u16;

use crate::wire::field::{Parsed, field};
use crate::wire::record::ProtocolVersion;
use crate::wire::vector::{Prefix, elements, write_vector};

/// Versions offered, or the one selected (RFC 8446 §4.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SupportedVersions {
    /// In a ClientHello, best first; unknown values and those of TLS over TCP occur.
    Offered(Vec<ProtocolVersion>),
    /// In a ServerHello.
    Selected(ProtocolVersion),
}

impl SupportedVersions {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let mut version = field("version", be_u16.map(ProtocolVersion));
        if input.len() == 2 {
            return version.map(Self::Selected).parse_complete(input);
        }
        field("versions", elements(Prefix::One, 1, &mut version).map(Self::Offered))(input)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Offered(versions) => write_vector(out, Prefix::One, |out| {
                versions.iter().for_each(|v| out.extend_from_slice(&v.0.to_be_bytes()));
            }),
            Self::Selected(version) => out.extend_from_slice(&version.0.to_be_bytes()),
        }
    }
}
