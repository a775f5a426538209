//! H.264 as a stream of octets, ITU-T H.264 Annex B: NAL units behind start codes.
//!
//! ```text
//!  00 00 00 01 | SPS | 00 00 00 01 | PPS | 00 00 01 | slice | 00 00 01 | slice | 00 00 00 01 | …
//!              └──────────────────── one access unit ──────────────────┘
//! ```
//!
//! The file has no times and no lengths. Both are found:
//!
//! - An access unit ends where something stands that only begins one: a delimiter, parameter sets
//!   or SEI after a slice (§7.4.1.2.3), or a slice of macroblock 0. Streams with slices in
//!   arbitrary order, and fields instead of frames, are not told apart correctly.
//! - Each lasts as long as the last sequence parameter set says ([`sps`](super::sps)), and a
//!   thirtieth of a second where it does not say. Pictures are sent in the order of decoding, which
//!   is that of showing for streams without B pictures; browsers expect no others.
//! - A keyframe that stands without parameter sets gets the last ones: the viewer may be new.
//!
//! Book: the chapter on RTP.

use std::io::{self, Read};

use bytes::Bytes;
use tracing::warn;

use super::error::{Flaw, Misdeed};
use super::input::Input;
use super::{MAX_FRAME, Sample, VIDEO_CLOCK, sps};

/// Octets read at once.
const READ: usize = 64 << 10;

/// Pictures per second, where the stream does not say.
const DEFAULT_RATE: (u32, u32) = (30, 1);

/// The pictures per second that are believed.
const RATES: std::ops::RangeInclusive<u32> = 1..=240;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// `nal_unit_type`, ITU-T H.264 table 7-1.
mod kind {
    pub(super) const SLICE: u8 = 1;
    pub(super) const IDR_SLICE: u8 = 5;
    pub(super) const SEI: u8 = 6;
    pub(super) const SPS: u8 = 7;
    pub(super) const PPS: u8 = 8;
    pub(super) const DELIMITER: u8 = 9;
}

/// Reads access units.
#[derive(Debug)]
pub(crate) struct AnnexBReader<R> {
    units: NalUnits<R>,
    /// The first unit of the next access unit.
    next: Option<Nal>,
    /// The last parameter sets, with start codes.
    sps: Vec<u8>,
    pps: Vec<u8>,
    /// Pictures per second.
    rate: (u32, u32),
    position: u64,
    /// What of a tick is left over from the pictures before, in parts of `rate.0`.
    remainder: u64,
    warned: bool,
}

/// A NAL unit and where it begins.
#[derive(Debug)]
struct Nal {
    offset: u64,
    octets: Vec<u8>,
}

impl Nal {
    fn kind(&self) -> u8 {
        self.octets.first().map_or(0, |header| header & 0x1f)
    }

    /// Whether it holds macroblocks.
    fn is_slice(&self) -> bool {
        (kind::SLICE..=kind::IDR_SLICE).contains(&self.kind())
    }

    /// Whether an access unit that has a slice already ends before it.
    fn begins_access_unit(&self) -> bool {
        match self.kind() {
            kind::SLICE | 2 | kind::IDR_SLICE => self.begins_picture(),
            kind::SEI..=kind::DELIMITER | 14..=18 => true,
            _ => false,
        }
    }

    /// `first_mb_in_slice` is 0: as `ue(v)` that is a single one.
    fn begins_picture(&self) -> bool {
        self.octets.get(1).is_some_and(|octet| octet & 0x80 != 0)
    }

    /// Whether `slice_type`, the second number of the slice header, is B (1 or 6).
    fn is_b_slice(&self) -> bool {
        let begins =
            |bits: u8, mask: u8| self.octets.get(1).is_some_and(|octet| octet & mask == bits);
        // 1 010 or 1 00111, behind a first_mb_in_slice of 0.
        self.is_slice() && (begins(0b1010_0000, 0b1111_0000) || begins(0b1001_1100, 0b1111_1100))
    }
}

impl<R: Read> AnnexBReader<R> {
    /// Reads nothing yet.
    pub(crate) fn new(inner: R) -> AnnexBReader<R> {
        AnnexBReader {
            units: NalUnits::new(inner),
            next: None,
            sps: Vec::new(),
            pps: Vec::new(),
            rate: DEFAULT_RATE,
            position: 0,
            remainder: 0,
            warned: false,
        }
    }

    /// The next access unit.
    pub(crate) fn next_sample(&mut self) -> Result<Option<Sample>, Flaw> {
        let (mut frame, mut start) = (Vec::new(), 0);
        let (mut has_slice, mut has_sps) = (false, false);
        loop {
            let nal = match self.next.take() {
                Some(nal) => nal,
                None => match self.units.next()? {
                    Some(nal) => nal,
                    None => break,
                },
            };
            if has_slice && nal.begins_access_unit() {
                self.next = Some(nal);
                break;
            }
            if frame.is_empty() {
                start = nal.offset;
            }
            self.take(&nal)?;
            if nal.kind() == kind::IDR_SLICE && !has_slice && !has_sps {
                frame.extend_from_slice(&self.sps);
                frame.extend_from_slice(&self.pps);
            }
            has_slice |= nal.is_slice();
            has_sps |= nal.kind() == kind::SPS;
            frame.extend(START_CODE);
            frame.extend(nal.octets);
            if frame.len() as u64 > MAX_FRAME {
                let octets = frame.len() as u64;
                let what = "an access unit";
                return Err(Flaw::new(start, Misdeed::TooLarge { what, octets, limit: MAX_FRAME }));
            }
        }
        if !has_slice {
            return Ok(None);
        }
        let timestamp = self.position;
        self.advance();
        Ok(Some(Sample { payload: Bytes::from(frame), timestamp }))
    }

    /// Looks at a unit, and keeps what later ones need.
    fn take(&mut self, nal: &Nal) -> Result<(), Flaw> {
        if nal.octets.first().is_some_and(|header| header & 0x80 != 0) {
            return Err(Flaw::new(nal.offset, Misdeed::ForbiddenBit));
        }
        let with_start_code = || [&START_CODE, nal.octets.as_slice()].concat();
        match nal.kind() {
            kind::SPS => {
                let rate = sps::frame_rate(&nal.octets).unwrap_or(DEFAULT_RATE);
                self.rate =
                    if RATES.contains(&(rate.0 / rate.1.max(1))) { rate } else { DEFAULT_RATE };
                self.remainder = 0;
                self.sps = with_start_code();
            }
            kind::PPS => self.pps = with_start_code(),
            _ if nal.is_slice() && (self.sps.is_empty() || self.pps.is_empty()) => {
                return Err(Flaw::new(nal.offset, Misdeed::NoParameterSets));
            }
            _ if nal.is_b_slice() && !self.warned => {
                self.warned = true;
                warn!("the H.264 stream has B pictures, which most peers show in the wrong order");
            }
            _ => {}
        }
        Ok(())
    }

    /// To the time of the next picture.
    fn advance(&mut self) {
        let (pictures, seconds) = (u64::from(self.rate.0.max(1)), u64::from(self.rate.1));
        let ticks = u64::from(VIDEO_CLOCK) * seconds + self.remainder;
        self.position += ticks / pictures;
        self.remainder = ticks % pictures;
    }
}

/// Finds NAL units.
#[derive(Debug)]
struct NalUnits<R> {
    input: Input<R>,
    /// What is read and not yet given out; begins behind a start code once `begun`.
    buffer: Vec<u8>,
    /// The offset of the buffer in the file.
    base: u64,
    /// No start code begins before this index.
    searched: usize,
    begun: bool,
    ended: bool,
}

impl<R: Read> NalUnits<R> {
    fn new(inner: R) -> NalUnits<R> {
        let input = Input::new(inner);
        NalUnits { input, buffer: Vec::new(), base: 0, searched: 0, begun: false, ended: false }
    }

    /// The next unit that is not empty.
    fn next(&mut self) -> Result<Option<Nal>, Flaw> {
        while let Some(end) = self.find_start_code()? {
            let nal = self.cut(end);
            self.discard(end + 3);
            if !std::mem::replace(&mut self.begun, true) {
                // Only zeros may stand before the first start code.
                if !nal.octets.is_empty() {
                    return Err(Flaw::new(0, Misdeed::Unknown));
                }
            } else if !nal.octets.is_empty() {
                return Ok(Some(nal));
            }
        }
        let nal = self.cut(self.buffer.len());
        self.discard(self.buffer.len());
        match nal.octets.is_empty() {
            true => Ok(None),
            false if self.begun => Ok(Some(nal)),
            false => Err(Flaw::new(0, Misdeed::Unknown)),
        }
    }

    /// The index of the next `00 00 01`, reading on as long as there is none; `None` at the end.
    fn find_start_code(&mut self) -> Result<Option<usize>, Flaw> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(index) = rest.windows(3).position(|octets| octets == [0, 0, 1]) {
                return Ok(Some(self.searched + index));
            }
            self.searched = self.buffer.len().saturating_sub(2);
            if self.buffer.len() as u64 > MAX_FRAME {
                let octets = self.buffer.len() as u64;
                let misdeed = Misdeed::TooLarge { what: "a NAL unit", octets, limit: MAX_FRAME };
                return Err(Flaw::new(self.base, misdeed));
            }
            if self.ended || !self.read()? {
                return Ok(None);
            }
        }
    }

    /// Reads some more. False at the end.
    fn read(&mut self) -> Result<bool, Flaw> {
        let length = self.buffer.len();
        self.buffer.resize(length + READ, 0);
        let outcome = loop {
            match self.input.read(self.buffer.get_mut(length..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        self.buffer.truncate(length + outcome.as_ref().copied().unwrap_or(0));
        let count = outcome.map_err(|error| Flaw::new(self.input.offset(), error.into()))?;
        self.ended = count == 0;
        Ok(!self.ended)
    }

    /// The octets up to `end`, without the zeros that may follow a unit.
    fn cut(&self, end: usize) -> Nal {
        let octets = self.buffer.get(..end).unwrap_or_default();
        let length = octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
        Nal { offset: self.base, octets: octets.get(..length).unwrap_or_default().to_vec() }
    }

    fn discard(&mut self, count: usize) {
        self.buffer.drain(..count.min(self.buffer.len()));
        self.base += count as u64;
        self.searched = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x0d];
    const PPS: &[u8] = &[0x68, 0xce];
    const IDR: &[u8] = &[0x65, 0x88, 1];
    const MORE_IDR: &[u8] = &[0x65, 0x40, 2];
    const P: &[u8] = &[0x41, 0x9a, 3];

    fn file(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&START_CODE, *unit].concat()).collect()
    }

    fn read(file: &[u8]) -> Result<Vec<Sample>, Flaw> {
        let mut reader = AnnexBReader::new(file);
        std::iter::from_fn(|| reader.next_sample().transpose()).collect()
    }

    #[test]
    fn access_units_are_found_and_timed() {
        let stream = file(&[SPS, PPS, IDR, MORE_IDR, P, &[9, 0x10], P, SPS, PPS, IDR]);
        let samples = read(&stream).unwrap();
        let payloads: Vec<Vec<u8>> = samples.iter().map(|one| one.payload.to_vec()).collect();
        assert_eq!(
            payloads,
            [
                file(&[SPS, PPS, IDR, MORE_IDR]),
                file(&[P]),
                file(&[&[9, 0x10], P]),
                file(&[SPS, PPS, IDR]),
            ]
        );
        let times: Vec<u64> = samples.iter().map(|sample| sample.timestamp).collect();
        assert_eq!(times, [0, 3000, 6000, 9000]);
    }

    #[test]
    fn a_keyframe_without_parameter_sets_gets_the_last_ones() {
        let samples = read(&file(&[SPS, PPS, IDR, P, IDR])).unwrap();
        assert_eq!(*samples[2].payload, file(&[SPS, PPS, IDR]));
    }

    #[test]
    fn short_start_codes_and_zeros_behind_units() {
        let stream =
            [&[0, 0, 0][..], &file(&[SPS]), &[0, 0, 0], &file(&[PPS]), &[0, 0, 1], IDR, &[0, 0]];
        let samples = read(&stream.concat()).unwrap();
        assert_eq!(*samples[0].payload, file(&[SPS, PPS, IDR]));
    }

    #[test]
    fn the_rate_of_the_parameter_set_counts() {
        let sps = [
            0x67, 0x64, 0x00, 0x0c, 0xac, 0xd9, 0x41, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03,
            0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60,
        ];
        let samples = read(&file(&[&sps, PPS, IDR, P, P])).unwrap();
        assert_eq!(samples[2].timestamp, 7200, "25 pictures a second");
    }

    #[test]
    fn what_is_no_h264_is_named_with_its_offset() {
        let complain = |file: &[u8]| read(file).unwrap_err().to_string();
        assert!(complain(b"moov\0\0\x01").starts_with("octet 0: this is none of"));
        assert!(complain(b"moov").starts_with("octet 0: this is none of"));
        assert!(
            complain(&file(&[SPS, PPS, &[0xe5, 1]])).starts_with("octet 18: the NAL unit has its")
        );
        assert!(complain(&file(&[SPS, IDR])).starts_with("octet 12: a picture comes before its"));
        let endless = [&START_CODE[..], &vec![0x65; 9 << 20]].concat();
        assert!(complain(&endless).starts_with("octet 4: a NAL unit has"));
    }

    proptest! {
        #[test]
        fn round_trip(pictures in proptest::collection::vec(proptest::collection::vec(1_u8.., 1..40), 1..20)) {
            let mut expected = Vec::new();
            for (index, picture) in pictures.iter().enumerate() {
                let slice = [&[if index == 0 { 0x65 } else { 0x41 }, 0x88], picture.as_slice()].concat();
                expected.push(if index == 0 { file(&[SPS, PPS, &slice]) } else { file(&[&slice]) });
            }
            let read: Vec<Vec<u8>> =
                read(&expected.concat()).unwrap().iter().map(|one| one.payload.to_vec()).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn never_panics(octets in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0x67), Just(0x68), Just(0x65), any::<u8>()], 0..200)) {
            let _ = read(&octets);
            let _ = read(&[&file(&[SPS, PPS]), octets.as_slice()].concat());
        }
    }
}
