//! RESERVATION-TOKEN: the ticket for a port that an earlier EVEN-PORT had reserved.
//!
//! RFC 8656 §18.10: eight octets, random, told by the server and given back in an Allocate request.
//! Book: "Relay".

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;

use super::field::{Parsed, field};

/// The ticket for a reserved port (RFC 8656 §18.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReservationToken(pub [u8; 8]);

impl ReservationToken {
    /// Parses the token.
    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let token = take(8usize).map(|octets: &[u8]| {
            let mut token = [0; 8];
            token.copy_from_slice(octets);
            Self(token)
        });
        field("reservation token", token)(input)
    }

    /// Writes the token.
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::assert_tiles;
    use super::*;

    fn written(token: ReservationToken) -> BytesMut {
        let mut out = BytesMut::new();
        token.write(&mut out);
        out
    }

    #[test]
    fn row_11_a_short_token_is_refused() {
        assert!(ReservationToken::parse(&[0; 7]).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(token in any::<[u8; 8]>().prop_map(ReservationToken)) {
            prop_assert_eq!(ReservationToken::parse(&written(token)).unwrap().1, token);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = ReservationToken::parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(token in any::<[u8; 8]>().prop_map(ReservationToken)) {
            assert_tiles(&written(token), |input| {
                ReservationToken::parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
