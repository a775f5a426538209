//! supported_groups: the curves and groups a client can use, best first (RFC 8422 §5.1.1).
//!
//! ```text
//! struct { NamedCurve named_curve_list<2..2^16-1>; } NamedCurveList;
//! ```

use nom::Parser;
use nom::number::complete::be_u16;

use crate::wire::field::{Parsed, field};
use crate::wire::registry::registry;
use crate::wire::vector::{Prefix, elements, write_vector};

registry! {
    /// An elliptic curve or other group (RFC 8422 §5.1.1; registry "TLS Supported Groups").
    pub struct NamedGroup(u16);
    /// NIST P-256.
    SECP256R1 = 0x0017, "secp256r1";
    /// NIST P-384.
    SECP384R1 = 0x0018, "secp384r1";
    /// NIST P-521.
    SECP521R1 = 0x0019, "secp521r1";
    /// RFC 7748 §5.
    X25519 = 0x001d, "x25519";
    /// RFC 7748 §5.
    X448 = 0x001e, "x448";
    /// RFC 7919; browsers offer it for DTLS 1.3 only.
    FFDHE2048 = 0x0100, "ffdhe2048";
    /// RFC 7919.
    FFDHE3072 = 0x0101, "ffdhe3072";
    /// Post-quantum hybrid of DTLS 1.3; the reason why a browser's ClientHello needs two datagrams.
    X25519_MLKEM768 = 0x11ec, "X25519MLKEM768";
}

/// Groups in order of preference (RFC 8422 §5.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportedGroups(pub Vec<NamedGroup>);

impl SupportedGroups {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let group = field("named_group", be_u16.map(NamedGroup));
        field("named_group_list", elements(Prefix::Two, 1, group).map(Self))(input)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_vector(out, Prefix::Two, |out| {
            self.0.iter().for_each(|group| out.extend_from_slice(&group.0.to_be_bytes()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::{captured_message, hex};
    use crate::wire::vector::whole;
    use crate::wire::{Handshake, HandshakeType};

    #[test]
    fn rfc_8422_5_1_1_example_secp256r1_and_x25519() {
        let groups = whole(&hex("0004 0017 001d"), SupportedGroups::parsed).unwrap();
        assert_eq!(groups.0, [NamedGroup::SECP256R1, NamedGroup::X25519]);
    }

    #[test]
    fn chromium_offers_the_hybrid_group_first() {
        let hello = captured_message("chromium-chromium-data.pcap", HandshakeType::CLIENT_HELLO);
        let Ok(Handshake::ClientHello(hello)) = hello.parse() else { panic!("no ClientHello") };
        let groups = hello.extensions.supported_groups().unwrap();
        assert_eq!(
            format!("{groups:?}"),
            "SupportedGroups([X25519MLKEM768, x25519, secp256r1, secp384r1])"
        );
    }
}
