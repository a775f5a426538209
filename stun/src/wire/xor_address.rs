//! XOR-MAPPED-ADDRESS: a transport address disguised with the cookie and the transaction ID.
//!
//! RFC 8489 §14.2: laid out as MAPPED-ADDRESS, but the port is XORed with the cookie's upper 16 bits
//! and the address with the cookie (IPv4) or the cookie and the transaction ID (IPv6):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0 0 0 0 0 0 0|    Family     |         X-Port                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                X-Address (32 bits or 128 bits)                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Why: NATs that rewrite their address wherever they see it in a payload do not recognise it here.
//! Book: "STUN".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::{be_u16, be_u32, be_u128};

use super::address::{FAMILY_IPV4, family, write_family};
use super::field::{Parsed, field};
use super::header::{MAGIC_COOKIE, TransactionId};

/// Parses family, X-Port and X-Address; the values reported are the true ones.
pub(crate) fn parse<'a>(id: &TransactionId, input: &'a [u8]) -> Parsed<'a, SocketAddr> {
    let (rest, family) = family(input)?;
    let (rest, port) = field("x-port", be_u16.map(|bits| bits ^ port_mask()))(rest)?;
    let (rest, ip) = if family == FAMILY_IPV4 {
        let clear = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits ^ MAGIC_COOKIE));
        field("x-address", be_u32.map(clear))(rest)?
    } else {
        let clear = |bits| IpAddr::V6(Ipv6Addr::from_bits(bits ^ ipv6_mask(id)));
        field("x-address", be_u128.map(clear))(rest)?
    };
    Ok((rest, SocketAddr::new(ip, port)))
}

/// Writes family, X-Port and X-Address.
pub(crate) fn write(id: &TransactionId, address: &SocketAddr, out: &mut BytesMut) {
    write_family(address, out);
    out.put_u16(address.port() ^ port_mask());
    match address.ip() {
        IpAddr::V4(ip) => out.put_u32(ip.to_bits() ^ MAGIC_COOKIE),
        IpAddr::V6(ip) => out.put_u128(ip.to_bits() ^ ipv6_mask(id)),
    }
}

/// The upper half of the cookie.
fn port_mask() -> u16 {
    let [high, low, ..] = MAGIC_COOKIE.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// The cookie followed by the transaction ID: octets 4 to 19 of the message.
fn ipv6_mask(id: &TransactionId) -> u128 {
    let mut mask = [0; 16];
    let (cookie, rest) = mask.split_at_mut(4);
    cookie.copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    rest.copy_from_slice(&id.0);
    u128::from_be_bytes(mask)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::address::any_address;
    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(id: &TransactionId, address: &SocketAddr) -> BytesMut {
        let mut out = BytesMut::new();
        write(id, address, &mut out);
        out
    }

    fn id() -> TransactionId {
        TransactionId(hex("b7e7a701bc34d686fa87dfae").try_into().unwrap())
    }

    #[test]
    fn rfc_5769_section_2_2_value_ipv4() {
        let address = "192.0.2.1:32853".parse().unwrap();
        assert_eq!(written(&id(), &address), hex("0001a147 e112a643"));
        assert_eq!(parse(&id(), &hex("0001a147 e112a643")).unwrap().1, address);
    }

    #[test]
    fn rfc_5769_section_2_3_value_ipv6() {
        let address = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let octets = hex("0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9");
        assert_eq!(written(&id(), &address), octets);
        assert_eq!(parse(&id(), &octets).unwrap().1, address);
    }

    #[test]
    fn trap_an_ipv6_address_is_hidden_by_cookie_and_transaction_id() {
        let address = "[2001:db8::1]:1".parse().unwrap();
        let (one, other) = (written(&id(), &address), written(&TransactionId([7; 12]), &address));
        assert_eq!(one[..8], other[..8], "family, port and the front: the cookie only");
        assert!(one[8..].iter().zip(&other[8..]).all(|(one, other)| one != other));
        let ipv4 = "192.0.2.1:1".parse().unwrap();
        assert_eq!(written(&id(), &ipv4), written(&TransactionId([7; 12]), &ipv4));
    }

    proptest! {
        #[test]
        fn round_trip(id in any::<[u8; 12]>(), address in any_address()) {
            let id = TransactionId(id);
            prop_assert_eq!(parse(&id, &written(&id, &address)).unwrap().1, address);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..30)) {
            let _ = parse(&id(), &octets);
        }

        #[test]
        fn fields_tile_the_input(address in any_address()) {
            assert_tiles(&written(&id(), &address), |input| {
                parse(&id(), input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
