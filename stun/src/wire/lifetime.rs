//! LIFETIME: for how many seconds the server keeps an allocation that is not refreshed.
//!
//! RFC 8656 §18.2: 32 bits, seconds. Book: "Relay".

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::be_u32;

use super::field::{Parsed, field};

/// Parses the seconds.
pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Duration> {
    field("lifetime", be_u32.map(|seconds| Duration::from_secs(seconds.into())))(input)
}

/// Writes whole seconds, at most as many as fit.
pub(crate) fn write(lifetime: Duration, out: &mut BytesMut) {
    out.put_u32(u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(lifetime: Duration) -> BytesMut {
        let mut out = BytesMut::new();
        write(lifetime, &mut out);
        out
    }

    fn any_lifetime() -> impl Strategy<Value = Duration> {
        any::<u32>().prop_map(|seconds| Duration::from_secs(seconds.into()))
    }

    #[test]
    fn rfc_8656_section_18_2_ten_minutes() {
        assert_eq!(written(Duration::from_secs(600)), hex("00000258"));
        assert_eq!(written(Duration::MAX), hex("ffffffff"));
    }

    proptest! {
        #[test]
        fn round_trip(lifetime in any_lifetime()) {
            prop_assert_eq!(parse(&written(lifetime)).unwrap().1, lifetime);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..9)) {
            let _ = parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(lifetime in any_lifetime()) {
            assert_tiles(&written(lifetime), |input| {
                parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
