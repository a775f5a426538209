//! ServerHello: what the server chose of the client's offer (RFC 5246 §7.4.1.3).
//!
//! ```text
//! struct {
//!   ProtocolVersion server_version;          2 octets
//!   Random random;                           32 octets
//!   SessionID session_id<0..32>;
//!   CipherSuite cipher_suite;                2 octets
//!   CompressionMethod compression_method;    1 octet
//!   Extension extensions<0..2^16-1>;         may be missing; only what the client offered
//! } ServerHello;
//! ```
//!
//! Book: "The handshake and keys".

use nom::Parser;
use nom::number::complete::{be_u8, be_u16};

use super::client_hello::{Random, SessionId};
use crate::wire::cipher_suite::{CipherSuite, CompressionMethod};
use crate::wire::extension::Extensions;
use crate::wire::field::{Parsed, field};
use crate::wire::record::ProtocolVersion;

/// The server's choice (RFC 5246 §7.4.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHello {
    /// The version of this connection.
    pub server_version: ProtocolVersion,
    /// The server's 32 random octets.
    pub random: Random,
    /// A name for the session, if it could be resumed.
    pub session_id: SessionId,
    /// The one suite.
    pub cipher_suite: CipherSuite,
    /// The one compression method.
    pub compression_method: CompressionMethod,
    /// Answers to the client's extensions.
    pub extensions: Extensions,
}

impl ServerHello {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, server_version) = field("server_version", be_u16.map(ProtocolVersion))(input)?;
        let (input, random) = field("random", Random::parsed)(input)?;
        let (input, session_id) = field("session_id", SessionId::parsed)(input)?;
        let (input, cipher_suite) = field("cipher_suite", be_u16.map(CipherSuite))(input)?;
        let (input, compression_method) =
            field("compression_method", be_u8.map(CompressionMethod))(input)?;
        let (input, extensions) = Extensions::parsed_or_missing(input)?;
        Ok((
            input,
            Self {
                server_version,
                random,
                session_id,
                cipher_suite,
                compression_method,
                extensions,
            },
        ))
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.server_version.0.to_be_bytes());
        out.extend_from_slice(&self.random.0);
        self.session_id.write(out);
        out.extend_from_slice(&self.cipher_suite.0.to_be_bytes());
        out.push(self.compression_method.0);
        self.extensions.write(out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::extension::tests::any_extensions;
    use crate::wire::testing::{captured_message, codec_properties};
    use crate::wire::vector::whole;
    use crate::wire::{ExtensionType, Handshake, HandshakeType};

    prop_compose! {
        fn any_server_hello()(
            version: u16, random: [u8; 32],
            session_id in prop::collection::vec(any::<u8>(), 0..=32),
            suite: u16, method: u8,
            extensions in any_extensions(),
        ) -> ServerHello {
            ServerHello {
                server_version: ProtocolVersion(version),
                random: Random(random),
                session_id: SessionId(session_id),
                cipher_suite: CipherSuite(suite),
                compression_method: CompressionMethod(method),
                extensions,
            }
        }
    }

    codec_properties!(any_server_hello(), ServerHello::write, |octets: &[u8]| whole(
        octets,
        ServerHello::parsed
    ));

    #[test]
    fn what_firefox_chooses_as_a_dtls_1_2_server() {
        let message =
            captured_message("firefox-chromium-dtls12-data.pcap", HandshakeType::SERVER_HELLO);
        let Ok(Handshake::ServerHello(hello)) = message.parse() else { panic!("no ServerHello") };
        assert_eq!(hello.cipher_suite, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
        assert_eq!(hello.session_id.0.len(), 32);
        let types: Vec<_> = hello.extensions.types().collect();
        assert_eq!(
            types,
            [
                ExtensionType::EC_POINT_FORMATS,
                ExtensionType::EXTENDED_MASTER_SECRET,
                ExtensionType::RENEGOTIATION_INFO,
                ExtensionType::USE_SRTP,
            ]
        );
        let mut out = Vec::new();
        hello.write(&mut out);
        assert_eq!(out, message.body());
    }

    #[test]
    fn a_dtls_1_3_hello_is_read_too() {
        let message = captured_message("chromium-chromium-data.pcap", HandshakeType::SERVER_HELLO);
        let Ok(Handshake::ServerHello(hello)) = message.parse() else { panic!("no ServerHello") };
        assert_eq!(
            format!("{:?}", hello.extensions.supported_versions().unwrap()),
            "Selected(DTLS 1.3)"
        );
    }
}
