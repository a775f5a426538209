//! The header extension of RTP (RFC 3550 §5.3.1) as a list of small values (RFC 8285 §4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      defined by profile       |    length, in 32-bit words    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                       header extension                        \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! defined by profile = 0xBEDE: elements with a one-byte header, ids 1–14 and 1–16 octets (§4.2)
//!  0                   1
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  ID   | len-1 |     data      \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! defined by profile = 0x1000–0x100F: a two-byte header, ids 1–255 and 0–255 octets (§4.3)
//!  0                   1                   2
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      ID       |    length     |     data      \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Zero octets between and behind elements are padding. What an id means, `a=extmap` of the session
//! description says; the values are in [`super::extension`].
//!
//! Reading copies the few octets of the values into the header itself and allocates nothing, unless
//! there are more than [`INLINE_OCTETS`].

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::map;
use nom::number::complete::{be_u8, be_u16};
use smallvec::SmallVec;

use super::field::{ParseError, Parsed, field};

/// The profile of elements with one-byte headers.
const ONE_BYTE: u16 = 0xbede;
/// The profile of elements with two-byte headers; its four lowest bits are the application's.
const TWO_BYTE: u16 = 0x1000;
const TWO_BYTE_MASK: u16 = 0xfff0;
/// An octet that is no element.
const PADDING: u8 = 0;
/// The id that ends a block of one-byte headers (RFC 8285 §4.2).
const STOP: u8 = 15;
/// Octets of ids, lengths and values kept without an allocation. A dependency descriptor of 23
/// octets, a layers allocation of 19, mid, rid, transport sequence number and send time, which are
/// the most a browser sends in one packet, need fewer.
const INLINE_OCTETS: usize = 64;

/// The header extensions of a packet, RFC 8285: small values under agreed ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions {
    form: Form,
    /// Elements, each as id, length and value, whichever form they came in; or the octets of
    /// another profile as they are.
    octets: SmallVec<[u8; INLINE_OCTETS]>,
}

/// What the octets of [`Extensions`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Form {
    #[default]
    Elements,
    /// An extension as RFC 3550 has it, of a profile that is none of RFC 8285's.
    Other { profile: u16 },
}

impl Extensions {
    /// The value under `id`, of the first element that has it.
    #[must_use]
    pub fn get(&self, id: u8) -> Option<&[u8]> {
        self.iter().find(|element| element.0 == id).map(|(_, value)| value)
    }

    /// Each element's id and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = match self.form {
            Form::Elements => &self.octets[..],
            Form::Other { .. } => &[],
        };
        std::iter::from_fn(move || {
            let (&[id, length], values) = rest.split_first_chunk()?;
            let (value, next) = values.split_at_checked(length.into())?;
            rest = next;
            Some((id, value))
        })
    }

    /// Puts a value of at most 255 octets under `id` (1 to 255), replacing what was there. Anything
    /// else cannot be written in a packet and changes nothing.
    pub fn set(&mut self, id: u8, value: &[u8]) {
        let (Ok(length), false) = (u8::try_from(value.len()), id == PADDING) else { return };
        if let Some(place) = self.place_of(id)
            && let Some(old) = self.octets.get_mut(place)
            && old.len() == value.len()
        {
            old.copy_from_slice(value);
            return;
        }
        self.remove(id);
        self.push(id, length, value);
    }

    fn push(&mut self, id: u8, length: u8, value: &[u8]) {
        self.octets.push(id);
        self.octets.push(length);
        self.octets.extend_from_slice(value);
    }

    /// Takes away the elements with `id`. An extension of another profile goes, too: no element can
    /// stand beside it.
    pub fn remove(&mut self, id: u8) {
        if self.form != Form::Elements {
            *self = Self::default();
        }
        while let Some(place) = self.place_of(id) {
            self.octets.drain(place.start.saturating_sub(2)..place.end);
        }
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.form == Form::Elements && self.octets.is_empty()
    }

    /// An extension of a profile that is none of RFC 8285's: the profile's 16 bits and the data.
    #[must_use]
    pub fn other(&self) -> Option<(u16, &[u8])> {
        match self.form {
            Form::Elements => None,
            Form::Other { profile } => Some((profile, &self.octets)),
        }
    }

    /// Where in `octets` the first value under `id` stands.
    fn place_of(&self, id: u8) -> Option<std::ops::Range<usize>> {
        let mut end = 0;
        self.iter()
            .map(|(found, value)| {
                let start = end + 2;
                end = start + value.len();
                (found, start..end)
            })
            .find(|(found, _)| *found == id)
            .map(|(_, place)| place)
    }

    /// Reads the block behind the contributing sources, if the X bit is set, into these empty ones:
    /// in place, since what a header holds inline is long to move.
    pub(super) fn parse<'a>(&mut self, input: &'a [u8]) -> Parsed<'a, ()> {
        let (rest, profile) = field("defined by profile", be_u16).parse_complete(input)?;
        let (rest, words) = field("length", be_u16).parse_complete(rest)?;
        let Some((block, rest)) = rest.split_at_checked(usize::from(words) * 4) else {
            return Err(nom::Err::Error(ParseError::forbidden("length", rest.len())));
        };
        match profile {
            ONE_BYTE => self.parse_one_byte(block)?,
            _ if profile & TWO_BYTE_MASK == TWO_BYTE => self.parse_two_byte(block)?,
            _ => {
                field("header extension", take(block.len())).parse_complete(block)?;
                self.octets.extend_from_slice(block);
                self.form = Form::Other { profile };
            }
        }
        Ok((rest, ()))
    }

    fn parse_one_byte<'a>(&mut self, block: &'a [u8]) -> Result<(), nom::Err<ParseError>> {
        let mut rest = block;
        while let Some(&first) = rest.first() {
            if first == PADDING {
                (rest, _) = field("padding", be_u8).parse_complete(rest)?;
                continue;
            }
            // Either id ends the block and what is behind it is not looked at (§4.1.2, §4.2).
            if matches!(first >> 4, PADDING | STOP) {
                field("ignored", take(rest.len())).parse_complete(rest)?;
                break;
            }
            let (_, id) = field("ID", map(be_u8, |octet| octet >> 4)).parse_complete(rest)?;
            let (value, length) =
                field("len", map(be_u8, |octet| (octet & 15) + 1)).parse_complete(rest)?;
            let value: &'a [u8] = value;
            let data;
            (rest, data) = field("data", take(length)).parse_complete(value)?;
            self.push(id, length, data);
        }
        Ok(())
    }

    fn parse_two_byte(&mut self, block: &[u8]) -> Result<(), nom::Err<ParseError>> {
        let mut rest = block;
        while let Some(&first) = rest.first() {
            if first == PADDING {
                (rest, _) = field("padding", be_u8).parse_complete(rest)?;
                continue;
            }
            let (id, length, data);
            (rest, id) = field("ID", be_u8).parse_complete(rest)?;
            (rest, length) = field("length", be_u8).parse_complete(rest)?;
            if length > 0 {
                (rest, data) = field("data", take(length)).parse_complete(rest)?;
            } else {
                data = &[];
            }
            self.push(id, length, data);
        }
        Ok(())
    }

    /// Appends the block, in the shorter form if every element fits it.
    // ANCHOR: write
    pub(super) fn write(&self, out: &mut BytesMut) {
        let one_byte = self.iter().all(|(id, value)| id < STOP && (1..=16).contains(&value.len()));
        out.put_u16(match self.form {
            Form::Other { profile } => profile,
            Form::Elements if one_byte => ONE_BYTE,
            Form::Elements => TWO_BYTE,
        });
        let length_at = out.len();
        out.put_u16(0);
        let start = out.len();
        match self.form {
            Form::Elements if one_byte => {
                for (id, value) in self.iter() {
                    let length = u8::try_from(value.len()).unwrap_or(1);
                    out.put_u8(id << 4 | length.saturating_sub(1));
                    out.put_slice(value);
                }
            }
            Form::Elements | Form::Other { .. } => out.put_slice(&self.octets),
        }
        let length = out.len().saturating_sub(start);
        out.put_bytes(PADDING, length.next_multiple_of(4) - length);
        // 255 elements of 257 octets, or what came in a datagram: fewer than 65,536 words.
        let words = u16::try_from(length.div_ceil(4)).unwrap_or(u16::MAX);
        if let Some(place) = out.get_mut(length_at..start) {
            place.copy_from_slice(&words.to_be_bytes());
        }
    }
    // ANCHOR_END: write
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::testing::{self, hex};
    use super::*;

    pub(in super::super) fn any_extensions() -> impl Strategy<Value = Extensions> {
        let value = |longest| testing::octets(longest);
        let one_byte = prop::collection::vec((1u8..15, value(16)), 0..6);
        let two_byte = prop::collection::vec((1u8.., value(40)), 0..6);
        prop_oneof![
            one_byte.prop_map(of),
            two_byte.prop_map(of),
            (0u16..0x1000, testing::words(4)).prop_map(|(profile, data)| Extensions {
                form: Form::Other { profile },
                octets: data[..].into(),
            })
        ]
    }

    fn of(elements: impl IntoIterator<Item = (u8, Bytes)>) -> Extensions {
        let mut extensions = Extensions::default();
        for (id, value) in elements {
            extensions.set(id, &value);
        }
        extensions
    }

    fn parse(octets: &[u8]) -> Parsed<'_, Extensions> {
        let mut extensions = Extensions::default();
        extensions.parse(octets).map(|(rest, ())| (rest, extensions))
    }

    fn read(octets: &str) -> Extensions {
        let octets = hex(octets);
        let (rest, extensions) = parse(&octets).unwrap();
        assert!(rest.is_empty());
        extensions
    }

    fn write(extensions: &Extensions) -> Bytes {
        let mut out = BytesMut::new();
        extensions.write(&mut out);
        out.freeze()
    }

    fn elements(extensions: &Extensions) -> Vec<(u8, &[u8])> {
        extensions.iter().collect()
    }

    /// The example of RFC 8285 §4.2: elements of 1, 2 and 4 octets with padding between them.
    #[test]
    fn one_byte_headers_with_padding_between_rfc_8285_section_4_2() {
        let read = read("bede0003 10aa 21bbcc 0000 33ddddeeff");
        assert_eq!(
            elements(&read),
            [(1, &[0xaa][..]), (2, &[0xbb, 0xcc]), (3, &[0xdd, 0xdd, 0xee, 0xff])]
        );
        // Written again, the padding stands behind.
        assert_eq!(write(&read), hex("bede0003 10aa 21bbcc 33ddddeeff 0000"));
    }

    /// The example of RFC 8285 §4.3: an element without octets among others.
    #[test]
    fn two_byte_headers_with_an_empty_element_rfc_8285_section_4_3() {
        let octets = "10000003 0100 0201bb 00 0304ddddeeff";
        let read = read(octets);
        assert_eq!(elements(&read), [(1, &[][..]), (2, &[0xbb]), (3, &[0xdd, 0xdd, 0xee, 0xff])]);
        assert_eq!(write(&read), hex("10000003 0100 0201bb 0304ddddeeff 00"));
    }

    #[test]
    fn the_applications_bits_of_two_byte_headers_are_ignored() {
        assert_eq!(elements(&read("100f0001 2001aa00")), [(32, &[0xaa][..])]);
    }

    #[test]
    fn id_15_ends_the_block_rfc_8285_section_4_2() {
        assert_eq!(elements(&read("bede0002 10aa f0bb 10cc 0000")), [(1, &[0xaa][..])]);
    }

    #[test]
    fn id_0_with_a_length_ends_the_block_rfc_8285_section_4_1_2() {
        assert_eq!(elements(&read("bede0002 10aa 01bb 10cc 0000")), [(1, &[0xaa][..])]);
    }

    #[test]
    fn trap_the_form_with_two_bytes_is_taken_as_soon_as_one_element_needs_it() {
        let mut extensions = Extensions::default();
        extensions.set(14, &[7; 16]);
        assert_eq!(write(&extensions)[..5], hex("bede0005 ef")[..]);
        for (id, value) in [(1, &[7; 17][..]), (1, &[]), (15, &[1]), (255, &[1])] {
            let mut extensions = extensions.clone();
            extensions.set(id, value);
            assert_eq!(write(&extensions)[..2], [0x10, 0]);
            assert_eq!(extensions.get(id), Some(value));
        }
    }

    #[test]
    fn set_replaces_and_remove_takes_away() {
        let mut extensions = read("bede0002 10aa 20bb 10cc 0000");
        extensions.set(2, &[0xdd]);
        assert_eq!(elements(&extensions), [(1, &[0xaa][..]), (2, &[0xdd]), (1, &[0xcc])]);
        extensions.set(1, &[1, 2]);
        assert_eq!(elements(&extensions), [(2, &[0xdd][..]), (1, &[1, 2])]);
        extensions.remove(2);
        extensions.remove(1);
        assert!(extensions.is_empty());
        extensions.set(0, &[1]);
        extensions.set(1, &[0; 256]);
        assert!(extensions.is_empty());
    }

    #[test]
    fn another_profile_survives_until_an_element_is_set() {
        let mut extensions = read("abcd0001 01020304");
        assert_eq!(extensions.other(), Some((0xabcd, &[1, 2, 3, 4][..])));
        assert_eq!(extensions.get(1), None);
        assert_eq!(write(&extensions), hex("abcd0001 01020304"));
        extensions.set(1, &[9]);
        assert_eq!(write(&extensions), hex("bede0001 10090000"));
    }

    proptest! {
        #[test]
        fn round_trip(extensions in any_extensions()) {
            let octets = write(&extensions);
            prop_assert_eq!(parse(&octets).unwrap(), (&[][..], extensions));
        }

        #[test]
        fn never_panics(
            profile in prop_oneof![Just(ONE_BYTE), Just(TWO_BYTE), any::<u16>()],
            data in testing::words(12),
        ) {
            let mut octets = BytesMut::new();
            octets.put_u16(profile);
            octets.put_u16(u16::try_from(data.len() / 4).unwrap());
            octets.put_slice(&data);
            let (parsed, fields) = tap::explain(&octets, || parse(&octets).ok());
            if let Some((_, extensions)) = parsed {
                prop_assert_eq!(tap::tile(&fields, octets.len()), Ok(()));
                let again = write(&extensions);
                prop_assert_eq!(parse(&again).unwrap().1, extensions);
            }
        }

        #[test]
        fn fields_tile_the_input(extensions in any_extensions()) {
            let octets = write(&extensions);
            let (_, fields) = tap::explain(&octets, || parse(&octets).is_ok());
            prop_assert_eq!(tap::tile(&fields, octets.len()), Ok(()));
        }
    }
}
