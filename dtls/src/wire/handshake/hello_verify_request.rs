//! HelloVerifyRequest: "show me that you receive at this address" (RFC 6347 §4.2.1).
//!
//! ```text
//! struct {
//!   ProtocolVersion server_version;   2 octets; DTLS 1.0 recommended whatever follows
//!   opaque cookie<0..2^8-1>;
//! } HelloVerifyRequest;
//! ```
//!
//! Neither it nor the ClientHello it answers is in the transcript (§4.2.1). Book: "DTLS records and flights".

use nom::Parser;
use nom::number::complete::be_u16;

use super::client_hello::Cookie;
use crate::wire::field::{Parsed, field};
use crate::wire::record::ProtocolVersion;

/// The server's cookie (RFC 6347 §4.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelloVerifyRequest {
    /// Not a negotiated version; the client ignores it.
    pub server_version: ProtocolVersion,
    /// To be repeated in the next ClientHello.
    pub cookie: Cookie,
}

impl HelloVerifyRequest {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, server_version) = field("server_version", be_u16.map(ProtocolVersion))(input)?;
        let (input, cookie) = field("cookie", Cookie::parsed)(input)?;
        Ok((input, Self { server_version, cookie }))
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.server_version.0.to_be_bytes());
        self.cookie.write(out);
    }
}
