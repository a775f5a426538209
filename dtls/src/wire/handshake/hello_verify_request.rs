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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{codec_properties, hex};
    use crate::wire::vector::whole;

    prop_compose! {
        fn any_hello_verify_request()(
            version: u16, cookie in prop::collection::vec(any::<u8>(), 0..=255),
        ) -> HelloVerifyRequest {
            HelloVerifyRequest { server_version: ProtocolVersion(version), cookie: Cookie(cookie) }
        }
    }

    codec_properties!(
        any_hello_verify_request(),
        HelloVerifyRequest::write,
        |octets: &[u8]| whole(octets, HelloVerifyRequest::parsed)
    );

    #[test]
    fn rfc_6347_4_2_1_version_and_cookie() {
        let request = whole(&hex("feff 04 01020304"), HelloVerifyRequest::parsed).unwrap();
        assert_eq!(request.server_version, ProtocolVersion::DTLS_1_0);
        assert_eq!(request.cookie.0, [1, 2, 3, 4]);
    }
}
