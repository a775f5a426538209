//! ClientHello: everything the client can do (RFC 5246 §7.4.1.2; cookie: RFC 6347 §4.2.1).
//!
//! ```text
//! struct {
//!   ProtocolVersion client_version;                          2 octets
//!   Random random;                                           32 octets
//!   SessionID session_id<0..32>;
//!   opaque cookie<0..2^8-1>;                                 empty at first
//!   CipherSuite cipher_suites<2..2^16-2>;
//!   CompressionMethod compression_methods<1..2^8-1>;
//!   Extension extensions<0..2^16-1>;                         may be missing altogether
//! } ClientHello;
//! ```
//!
//! Browsers send about 1.4 kB of it, in two fragments. Book: "The handshake and keys".

use std::fmt;

use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16};

use crate::wire::cipher_suite::{CipherSuite, CompressionMethod};
use crate::wire::extension::Extensions;
use crate::wire::field::{ParseError, Parsed, field};
use crate::wire::record::ProtocolVersion;
use crate::wire::vector::{Prefix, elements, opaque_in, write_vector};

/// 32 octets that make each handshake different (RFC 5246 §7.4.1.2). The first four were once the
/// time; nobody may rely on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Random(pub [u8; 32]);

impl Random {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octets) = take(32_usize).parse_complete(input)?;
        let octets = octets
            .try_into()
            .map_err(|_| nom::Err::Error(ParseError::forbidden("random", input.len())))?;
        Ok((rest, Self(octets)))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A session to resume, at most 32 octets (RFC 5246 §7.4.1.2). We resume none: sent empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionId(pub Vec<u8>);

impl SessionId {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        opaque_in(Prefix::One, "session_id", 0..=32).map(Self).parse_complete(input)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_vector(out, Prefix::One, |out| out.extend_from_slice(&self.0));
    }
}

/// What a server gives to see whether the client can receive at its address, at most 255 octets
/// (RFC 6347 §4.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cookie(pub Vec<u8>);

impl Cookie {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        opaque_in(Prefix::One, "cookie", 0..=255).map(Self).parse_complete(input)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_vector(out, Prefix::One, |out| out.extend_from_slice(&self.0));
    }
}

/// The client's offer (RFC 5246 §7.4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// The highest version up to 1.2; later ones are in supported_versions.
    pub client_version: ProtocolVersion,
    /// The client's 32 random octets.
    pub random: Random,
    /// A session to resume.
    pub session_id: SessionId,
    /// The server's cookie, given back; else empty.
    pub cookie: Cookie,
    /// Suites in order of preference.
    pub cipher_suites: Vec<CipherSuite>,
    /// Compression methods; `null` must be among them.
    pub compression_methods: Vec<CompressionMethod>,
    /// Extensions in the order sent.
    pub extensions: Extensions,
}

impl ClientHello {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, client_version) = field("client_version", be_u16.map(ProtocolVersion))(input)?;
        let (input, random) = field("random", Random::parsed)(input)?;
        let (input, session_id) = field("session_id", SessionId::parsed)(input)?;
        let (input, cookie) = field("cookie", Cookie::parsed)(input)?;
        let suite = field("cipher_suite", be_u16.map(CipherSuite));
        let (input, cipher_suites) =
            field("cipher_suites", elements(Prefix::Two, 1, suite))(input)?;
        let method = field("compression_method", be_u8.map(CompressionMethod));
        let (input, compression_methods) =
            field("compression_methods", elements(Prefix::One, 1, method))(input)?;
        let (input, extensions) = Extensions::parsed_or_missing(input)?;
        Ok((
            input,
            Self {
                client_version,
                random,
                session_id,
                cookie,
                cipher_suites,
                compression_methods,
                extensions,
            },
        ))
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.client_version.0.to_be_bytes());
        out.extend_from_slice(&self.random.0);
        self.session_id.write(out);
        self.cookie.write(out);
        write_vector(out, Prefix::Two, |out| {
            self.cipher_suites.iter().for_each(|s| out.extend_from_slice(&s.0.to_be_bytes()));
        });
        write_vector(out, Prefix::One, |out| {
            out.extend(self.compression_methods.iter().map(|method| method.0));
        });
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
    use crate::wire::{Extension, ExtensionType, Handshake, HandshakeType};

    prop_compose! {
        fn any_client_hello()(
            version: u16, random: [u8; 32],
            session_id in prop::collection::vec(any::<u8>(), 0..=32),
            cookie in prop::collection::vec(any::<u8>(), 0..=255),
            suites in prop::collection::vec(any::<u16>(), 1..20),
            methods in prop::collection::vec(any::<u8>(), 1..4),
            extensions in any_extensions(),
        ) -> ClientHello {
            ClientHello {
                client_version: ProtocolVersion(version),
                random: Random(random),
                session_id: SessionId(session_id),
                cookie: Cookie(cookie),
                cipher_suites: suites.into_iter().map(CipherSuite).collect(),
                compression_methods: methods.into_iter().map(CompressionMethod).collect(),
                extensions,
            }
        }
    }

    codec_properties!(any_client_hello(), ClientHello::write, |octets: &[u8]| whole(
        octets,
        ClientHello::parsed
    ));

    fn captured(name: &str) -> (ClientHello, Vec<u8>) {
        let message = captured_message(name, HandshakeType::CLIENT_HELLO);
        match message.parse() {
            Ok(Handshake::ClientHello(hello)) => (hello, message.body().to_vec()),
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn browsers_hellos_are_written_as_they_were_read() {
        for name in [
            "chromium-chromium-data.pcap",
            "chromium-firefox-data.pcap",
            "firefox-firefox-data.pcap",
            "chromium-firefox-dtls12-data.pcap",
        ] {
            let (hello, octets) = captured(name);
            let mut out = Vec::new();
            hello.write(&mut out);
            assert_eq!(out, octets, "{name}");
        }
    }

    #[test]
    fn what_chromium_offers() {
        let (hello, octets) = captured("chromium-chromium-data.pcap");
        assert_eq!(octets.len(), 1413);
        assert_eq!(hello.client_version, ProtocolVersion::DTLS_1_2);
        assert!(hello.session_id.0.is_empty() && hello.cookie.0.is_empty());
        let best = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
        assert_eq!(hello.cipher_suites.get(3), Some(&best));
        let (extensions, share) = (&hello.extensions, ExtensionType::KEY_SHARE);
        assert!(extensions.extended_master_secret().is_some());
        assert!(extensions.renegotiation_info().unwrap().renegotiated_connection.is_empty());
        assert_eq!(extensions.use_srtp().unwrap().profiles.len(), 3);
        let opaque = extensions.0.iter().find(|extension| extension.extension_type() == share);
        assert!(matches!(opaque, Some(Extension::Unknown { extension_data, .. })
            if extension_data.len() > 1216));
    }

    #[test]
    fn a_hello_without_an_extension_block_is_read() {
        let (mut hello, _) = captured("chromium-firefox-dtls12-data.pcap");
        hello.extensions = Extensions::default();
        let mut out = Vec::new();
        hello.write(&mut out);
        assert_eq!(whole(&out, ClientHello::parsed), Ok(hello.clone()));
        out.extend_from_slice(&[0, 0]); // and one whose block is empty
        assert_eq!(whole(&out, ClientHello::parsed), Ok(hello));
    }

    #[test]
    fn no_suite_no_compression_or_a_long_session_id_is_refused() {
        let (hello, _) = captured("chromium-firefox-dtls12-data.pcap");
        for spoil in [
            (|hello| hello.cipher_suites.clear()) as fn(&mut ClientHello),
            |hello| hello.compression_methods.clear(),
            |hello| hello.session_id.0 = vec![0; 33],
        ] {
            let (mut hello, mut out) = (hello.clone(), Vec::new());
            spoil(&mut hello);
            hello.write(&mut out);
            assert!(whole(&out, ClientHello::parsed).is_err());
        }
    }
}
