//! USERHASH: who sends, without telling a listener.
//!
//! RFC 8489 §14.4: always 32 octets, SHA-256 of the username, a colon and the realm. Book: "STUN".

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;

use super::field::{Parsed, field};

/// Parses the hash.
pub(crate) fn parse(input: &[u8]) -> Parsed<'_, [u8; 32]> {
    let octets = take(32usize).map(|octets: &[u8]| {
        let mut hash = [0; 32];
        hash.copy_from_slice(octets);
        hash
    });
    field("userhash", octets)(input)
}

/// Writes the hash.
pub(crate) fn write(hash: &[u8; 32], out: &mut BytesMut) {
    out.put_slice(hash);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::digest;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    #[test]
    fn rfc_8489_appendix_b_1_userhash_is_sha_256_of_username_and_realm() {
        let expected = hex("4a3cf38fef6992bda952c6780417da0f2481941556 9e60b205c46e41407f1704");
        let hash = digest::digest(&digest::SHA256, "マトリックス:example.org".as_bytes());
        assert_eq!(hash.as_ref(), expected);
    }

    #[test]
    fn row_11_a_short_hash_is_refused() {
        assert!(parse(&[0; 31]).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(hash in any::<[u8; 32]>()) {
            let mut out = BytesMut::new();
            write(&hash, &mut out);
            prop_assert_eq!(parse(&out).unwrap().1, hash);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(hash in any::<[u8; 32]>()) {
            assert_tiles(&hash, |input| parse(input).ok().map(|(rest, _)| 32 - rest.len()));
        }
    }
}
