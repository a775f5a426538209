//! What header extensions say: the values under the ids of [`super::rtp::Extensions`].
//!
//! | URI | value |
//! |---|---|
//! | `urn:ietf:params:rtp-hdrext:ssrc-audio-level` | [`AudioLevel`], RFC 6464 |
//! | `urn:ietf:params:rtp-hdrext:sdes:mid` | [`text`], RFC 9143 §15 |
//! | `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id` | [`text`], RFC 8852 §4.1 |
//! | `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id` | [`text`], RFC 8852 §4.2 |
//! | `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time` | [`AbsoluteSendTime`] |
//! | `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01` | [`TransportSequenceNumber`] |
//!
//! Book: the chapter on RTP.

use std::time::Duration;

use nom::Parser;
use nom::combinator::{all_consuming, map};
use nom::number::complete::{be_u8, be_u16, be_u24};

use super::ParseError;
use super::field::{bit, field};

/// How loud the audio in this packet is, RFC 6464 §3.
///
/// ```text
///  0 1 2 3 4 5 6 7
/// +-+-+-+-+-+-+-+-+
/// |V|    level    |
/// +-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// Whether the sender believes somebody speaks.
    pub voice: bool,
    /// Below the loudest there can be, in dB: 0 is overload, 127 silence.
    pub level: u8,
}

impl AudioLevel {
    /// Reads the value of an element.
    ///
    /// # Errors
    /// It is not one octet.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        whole(value, |value| {
            let voice = bit("V", 7, value);
            let (rest, level) =
                field("level", map(be_u8, |octet| octet & 0x7f)).parse_complete(value)?;
            Ok((rest, Self { voice, level }))
        })
    }

    /// The value as an element has it.
    #[must_use]
    pub fn to_octets(self) -> [u8; 1] {
        [u8::from(self.voice) << 7 | self.level.min(127)]
    }
}

/// When the packet left, in seconds modulo 64: six bits before the point, 18 behind it. The clock's
/// origin is the sender's affair.
///
/// ```text
///  0                   1                   2
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  seconds  |             fraction              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsoluteSendTime(pub u32);

impl AbsoluteSendTime {
    /// Reads the value of an element.
    ///
    /// # Errors
    /// It is not three octets.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        whole(value, |value| field("absolute send time", map(be_u24, Self)).parse_complete(value))
    }

    /// The value as an element has it.
    #[must_use]
    pub fn to_octets(self) -> [u8; 3] {
        let [_, octets @ ..] = self.0.to_be_bytes();
        octets
    }

    /// So long after the clock's origin; rounded down to 1/262,144 s.
    #[must_use]
    pub fn after(origin: Duration) -> Self {
        let ticks = (origin.as_nanos() << 18) / 1_000_000_000 % (1 << 24);
        Self(u32::try_from(ticks).unwrap_or(0))
    }

    /// How much later this is than `earlier`, around the circle of 64 s.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let ticks = self.0.wrapping_sub(earlier.0) & 0xff_ffff;
        Duration::from_nanos((u64::from(ticks) * 1_000_000_000) >> 18)
    }
}

/// Counts the packets of a whole transport, whatever their source, for congestion control
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).
///
/// ```text
///  0                   1
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   transport sequence number   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportSequenceNumber(pub u16);

impl TransportSequenceNumber {
    /// Reads the value of an element.
    ///
    /// # Errors
    /// It is not two octets.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let number = field("transport sequence number", map(be_u16, Self));
        whole(value, number)
    }

    /// The value as an element has it.
    #[must_use]
    pub fn to_octets(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

/// Reads an SDES item in a header extension (RFC 7941): a mid, a rid.
///
/// # Errors
/// It is empty, or not UTF-8.
pub fn text(value: &[u8]) -> Result<&str, ParseError> {
    let utf8 = |value| match std::str::from_utf8(value) {
        Ok(text) if !text.is_empty() => Ok((Default::default(), text)),
        _ => Err(nom::Err::Error(ParseError::forbidden("SDES item", value.len()))),
    };
    whole(value, field("SDES item", utf8))
}

/// Runs `parser` over the whole of `value`.
fn whole<'a, T>(
    value: &'a [u8],
    parser: impl Parser<&'a [u8], Output = T, Error = ParseError>,
) -> Result<T, ParseError> {
    match all_consuming(parser).parse_complete(value) {
        Ok((_, parsed)) => Ok(parsed),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(ParseError {
            field: if error.field.is_empty() { "data" } else { error.field },
            ..error
        }),
        Err(nom::Err::Incomplete(_)) => Err(ParseError::forbidden("data", value.len())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing;
    use super::*;

    #[test]
    fn voice_and_level_share_an_octet_rfc_6464_section_3() {
        let loud = AudioLevel { voice: true, level: 30 };
        assert_eq!(AudioLevel::parse(&[0x9e]).unwrap(), loud);
        assert_eq!(loud.to_octets(), [0x9e]);
        assert_eq!(AudioLevel { voice: false, level: 200 }.to_octets(), [127]);
    }

    #[test]
    fn send_times_have_18_bits_behind_the_point_and_wrap_after_64_seconds() {
        let time = |milliseconds| AbsoluteSendTime::after(Duration::from_millis(milliseconds));
        assert_eq!(time(1_500).to_octets(), [0x06, 0, 0]);
        assert_eq!(time(64_000), time(0));
        assert_eq!(time(64_250).since(time(63_750)), Duration::from_millis(500));
    }

    #[test]
    fn row_63_values_of_another_length_are_refused() {
        assert!(AudioLevel::parse(&[]).is_err() && AudioLevel::parse(&[0; 2]).is_err());
        assert!(AbsoluteSendTime::parse(&[0; 2]).is_err());
        assert!(AbsoluteSendTime::parse(&[0; 4]).is_err());
        assert!(TransportSequenceNumber::parse(&[0]).is_err());
        assert!(TransportSequenceNumber::parse(&[0; 3]).is_err());
        assert!(text(&[]).is_err() && text(&[0xff]).is_err());
        assert_eq!(text(b"h"), Ok("h"));
    }

    proptest! {
        #[test]
        fn round_trip(voice: bool, level in 0u8..128, time in 0u32..1 << 24, number: u16) {
            let level = AudioLevel { voice, level };
            prop_assert_eq!(AudioLevel::parse(&level.to_octets()), Ok(level));
            let time = AbsoluteSendTime(time);
            prop_assert_eq!(AbsoluteSendTime::parse(&time.to_octets()), Ok(time));
            let number = TransportSequenceNumber(number);
            prop_assert_eq!(TransportSequenceNumber::parse(&number.to_octets()), Ok(number));
        }

        #[test]
        fn never_panics(value in testing::octets(5)) {
            let _ = AudioLevel::parse(&value);
            let _ = AbsoluteSendTime::parse(&value);
            let _ = TransportSequenceNumber::parse(&value);
            let _ = text(&value);
        }

        #[test]
        fn fields_tile_the_input(value in any::<[u8; 3]>()) {
            let (_, fields) = tap::explain(&value, || {
                AudioLevel::parse(&value[..1]).unwrap();
                TransportSequenceNumber::parse(&value[1..]).unwrap();
            });
            prop_assert_eq!(tap::tile(&fields, 3), Ok(()));
            let (_, fields) = tap::explain(&value, || AbsoluteSendTime::parse(&value).is_ok());
            prop_assert_eq!(tap::tile(&fields, 3), Ok(()));
        }
    }
}
