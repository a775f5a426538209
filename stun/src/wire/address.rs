//! A transport address in the clear: the value of MAPPED-ADDRESS and ALTERNATE-SERVER.
//!
//! RFC 8489 §14.1, §14.15:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0 0 0 0 0 0 0|    Family     |           Port                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 Address (32 bits or 128 bits)                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The first octet is ignored by receivers. Book: "STUN".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::verify;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u128};

use super::field::{Parsed, field};

/// The family octet of an IPv4 address.
pub(crate) const FAMILY_IPV4: u8 = 1;
/// The family octet of an IPv6 address.
pub(crate) const FAMILY_IPV6: u8 = 2;

/// Parses family, port and address.
pub(crate) fn parse(input: &[u8]) -> Parsed<'_, SocketAddr> {
    let (rest, family) = family(input)?;
    let (rest, port) = field("port", be_u16)(rest)?;
    let (rest, ip) = if family == FAMILY_IPV4 {
        field("address", be_u32.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))))(rest)?
    } else {
        field("address", be_u128.map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))))(rest)?
    };
    Ok((rest, SocketAddr::new(ip, port)))
}

/// Writes family, port and address.
pub(crate) fn write(address: &SocketAddr, out: &mut BytesMut) {
    write_family(address, out);
    out.put_u16(address.port());
    match address.ip() {
        IpAddr::V4(ip) => out.put_u32(ip.to_bits()),
        IpAddr::V6(ip) => out.put_u128(ip.to_bits()),
    }
}

/// The reserved octet and the family, which XOR-MAPPED-ADDRESS has in the clear too.
pub(crate) fn family(input: &[u8]) -> Parsed<'_, u8> {
    let (rest, _) = field("reserved", be_u8)(input)?;
    field("family", verify(be_u8, |family| matches!(*family, FAMILY_IPV4 | FAMILY_IPV6)))(rest)
}

/// Writes what [`family`] parses.
pub(crate) fn write_family(address: &SocketAddr, out: &mut BytesMut) {
    out.put_u8(0);
    out.put_u8(if address.is_ipv4() { FAMILY_IPV4 } else { FAMILY_IPV6 });
}

/// Addresses for the properties of this and the XORed form.
#[cfg(test)]
pub(crate) fn any_address() -> impl proptest::strategy::Strategy<Value = SocketAddr> {
    use proptest::prelude::*;
    let ip = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    ];
    (ip, any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(address: &SocketAddr) -> BytesMut {
        let mut out = BytesMut::new();
        write(address, &mut out);
        out
    }

    #[test]
    fn rfc_8489_section_14_1_reserved_octet_is_ignored() {
        let (_, address) = parse(&hex("ff01 8055 c0000201")).unwrap();
        assert_eq!(address, "192.0.2.1:32853".parse().unwrap());
    }

    #[test]
    fn row_11_families_other_than_1_and_2_are_refused() {
        assert!(parse(&hex("0000 8055 c0000201")).is_err());
        assert!(parse(&hex("0003 8055 c0000201")).is_err());
        assert!(parse(&hex("0002 8055 c0000201")).is_err(), "an IPv6 address has 16 octets");
    }

    proptest! {
        #[test]
        fn round_trip(address in any_address()) {
            prop_assert_eq!(parse(&written(&address)).unwrap().1, address);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..30)) {
            let _ = parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(address in any_address()) {
            assert_tiles(&written(&address), |input| {
                parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
