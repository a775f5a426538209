//! IVF: the simplest file of video frames, as the tools of VP8, VP9 and AV1 write it.
//!
//! ```text
//!  "DKIF"  version 0   header length 32   codec "VP80"     width   height
//!  time base: denominator, numerator      length                   unused       32 octets
//!  then for each frame: its length (4), its time in units of the base (8), its octets
//! ```
//!
//! All numbers are little-endian. There is no specification but the tools' sources, and these do not
//! agree on the length: libvpx writes the number of frames there, ffmpeg writes and reads the
//! duration in units of the time base. (With one unit for each frame, as encoders write it, that is
//! the same.) The reader does not believe it, since a file that was not closed has a wrong one. The
//! writer, whose unit is a tick of the video clock, writes the duration, and corrects it as it goes
//! along.
//!
//! Book: the chapter on RTP.

use std::io::{self, Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use srtp::payload::Codec;

use super::error::{Flaw, Misdeed};
use super::input::Input;
use super::{MAX_FRAME, MAX_PAUSE, Sample, VIDEO_CLOCK, obu};

const SIGNATURE: &[u8; 4] = b"DKIF";
const HEADER: u16 = 32;
const FRAME_HEADER: usize = 12;

/// The longest header that is skipped over; all there are have 32 octets.
const MAX_HEADER: u16 = 1024;

/// Where the length stands.
const LENGTH: u64 = 24;

/// After so many frames the length in the header is brought up to date.
const FRAMES_BETWEEN_UPDATES: u32 = 30;

/// Reads frames.
#[derive(Debug)]
pub(crate) struct IvfReader<R> {
    input: Input<R>,
    codec: Codec,
    numerator: u32,
    denominator: u32,
    /// The time stamp of the last frame, in the file's units.
    last: Option<u64>,
    /// The first one: time begins there.
    origin: u64,
    /// The last frame's time in ticks.
    ticks: u64,
}

impl<R: Read> IvfReader<R> {
    /// Reads the header.
    pub(crate) fn new(inner: R) -> Result<IvfReader<R>, Flaw> {
        let mut input = Input::new(inner);
        let mut header = [0; HEADER as usize];
        if !input.fill(&mut header, "the IVF header")? || !header.starts_with(SIGNATURE) {
            return Err(Flaw::new(0, Misdeed::Unknown));
        }
        let (version, length) = (u16_at(&header, 4), u16_at(&header, 6));
        if version != 0 {
            return Err(Flaw::new(4, Misdeed::IvfVersion(version)));
        }
        if !(HEADER..=MAX_HEADER).contains(&length) {
            return Err(Flaw::new(6, Misdeed::IvfHeaderLength(length)));
        }
        let codec = match array_at(&header, 8) {
            [b'V', b'P', b'8', b'0'] => Codec::Vp8,
            [b'V', b'P', b'9', b'0'] => Codec::Vp9,
            [b'A', b'V', b'0', b'1'] => Codec::Av1,
            other => return Err(Flaw::new(8, Misdeed::FourCc(other))),
        };
        let (denominator, numerator) = (u32_at(&header, 16), u32_at(&header, 20));
        if denominator == 0 || numerator == 0 {
            return Err(Flaw::new(16, Misdeed::TimeBase { numerator, denominator }));
        }
        let more = u64::from(length - HEADER);
        input.octets(0, more, more, "the IVF header")?;
        Ok(IvfReader { input, codec, numerator, denominator, last: None, origin: 0, ticks: 0 })
    }

    /// Which codec the header says.
    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// The next frame that is not empty.
    pub(crate) fn next_sample(&mut self) -> Result<Option<Sample>, Flaw> {
        loop {
            let start = self.input.offset();
            let mut header = [0; FRAME_HEADER];
            if !self.input.fill(&mut header, "a frame's header")? {
                return Ok(None);
            }
            let (length, time) = (u32_at(&header, 0), u64::from_le_bytes(array_at(&header, 4)));
            let timestamp = self.ticks(time).map_err(|misdeed| Flaw::new(start, misdeed))?;
            let mut payload = self.input.octets(start, length.into(), MAX_FRAME, "the frame")?;
            if self.codec == Codec::Av1 {
                payload = obu::without_delimiter(&payload)
                    .map_err(|misdeed| Flaw::new(start, misdeed))?;
            }
            // What the encoder dropped, some writers keep as an empty frame.
            if !payload.is_empty() {
                return Ok(Some(Sample { payload, timestamp }));
            }
        }
    }

    /// A time stamp of the file in ticks from the first one. Frames never share a tick: an RTP
    /// timestamp is what tells them apart (a frame that is not shown has its successor's time).
    fn ticks(&mut self, time: u64) -> Result<u64, Misdeed> {
        let Some(before) = self.last.replace(time) else {
            self.origin = time;
            return Ok(0);
        };
        if time < before {
            return Err(Misdeed::TimeGoesBack { before, after: time });
        }
        let scaled = |units: u64, rate: u32| {
            let ticks = u128::from(units) * u128::from(self.numerator) * u128::from(rate)
                / u128::from(self.denominator);
            u64::try_from(ticks).unwrap_or(u64::MAX)
        };
        let pause = scaled(time - before, 1);
        if pause > MAX_PAUSE {
            return Err(Misdeed::Pause(pause));
        }
        self.ticks = scaled(time.saturating_sub(self.origin), VIDEO_CLOCK).max(self.ticks + 1);
        Ok(self.ticks)
    }
}

/// Writes frames.
#[derive(Debug)]
pub(crate) struct IvfWriter<W: Write + Seek> {
    out: W,
    codec: Codec,
    frames: u32,
    /// The time of the last frame, and how long after the one before it that was.
    last: u64,
    step: u64,
}

impl<W: Write + Seek> IvfWriter<W> {
    /// Writes the header. The times will be in ticks of the video clock. `None`: the codec has no
    /// name in IVF.
    pub(crate) fn new(
        mut out: W,
        codec: Codec,
        (width, height): (u16, u16),
    ) -> io::Result<Option<IvfWriter<W>>> {
        let name = match codec {
            Codec::Vp8 => b"VP80",
            Codec::Vp9 => b"VP90",
            Codec::Av1 => b"AV01",
            _ => return Ok(None),
        };
        out.write_all(SIGNATURE)?;
        out.write_all(&0_u16.to_le_bytes())?;
        out.write_all(&HEADER.to_le_bytes())?;
        out.write_all(name)?;
        out.write_all(&width.to_le_bytes())?;
        out.write_all(&height.to_le_bytes())?;
        out.write_all(&VIDEO_CLOCK.to_le_bytes())?;
        out.write_all(&1_u32.to_le_bytes())?;
        out.write_all(&[0; 8])?;
        Ok(Some(IvfWriter { out, codec, frames: 0, last: 0, step: 0 }))
    }

    /// Adds a frame. Times are ticks of the video clock and never go back.
    pub(crate) fn write(&mut self, sample: &Sample) -> io::Result<()> {
        let payload = match self.codec {
            Codec::Av1 => obu::with_delimiter(&sample.payload),
            _ => Bytes::clone(&sample.payload),
        };
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&sample.timestamp.to_le_bytes())?;
        self.out.write_all(&payload)?;
        self.frames = self.frames.wrapping_add(1);
        self.step = sample.timestamp.saturating_sub(self.last);
        self.last = sample.timestamp;
        if self.frames.is_multiple_of(FRAMES_BETWEEN_UPDATES) { self.finish() } else { Ok(()) }
    }

    /// Makes the header right. More frames may still follow.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        // The last frame is taken to last as long as the one before it.
        let length = u32::try_from(self.last.saturating_add(self.step)).unwrap_or(u32::MAX);
        self.out.seek(SeekFrom::Start(LENGTH))?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()
    }
}

/// The `N` octets at `index`; zeros where there are none.
fn array_at<const N: usize>(octets: &[u8], index: usize) -> [u8; N] {
    octets.get(index..).and_then(|octets| octets.first_chunk()).copied().unwrap_or([0; N])
}

fn u16_at(octets: &[u8], index: usize) -> u16 {
    u16::from_le_bytes(array_at(octets, index))
}

fn u32_at(octets: &[u8], index: usize) -> u32 {
    u32::from_le_bytes(array_at(octets, index))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn written(codec: Codec, samples: &[Sample]) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut writer = IvfWriter::new(&mut file, codec, (320, 240)).unwrap().unwrap();
        samples.iter().for_each(|sample| writer.write(sample).unwrap());
        writer.finish().unwrap();
        file.into_inner()
    }

    fn read(octets: &[u8]) -> Result<Vec<Sample>, Flaw> {
        let mut reader = IvfReader::new(octets)?;
        std::iter::from_fn(|| reader.next_sample().transpose()).collect()
    }

    fn sample(timestamp: u64, payload: &'static [u8]) -> Sample {
        Sample { payload: Bytes::from_static(payload), timestamp }
    }

    #[test]
    fn a_file_of_two_frames() {
        let file = written(Codec::Vp8, &[sample(0, b"one"), sample(3000, b"three")]);
        assert_eq!(file.len(), 32 + 12 + 3 + 12 + 5);
        assert_eq!(u32_at(&file, 24), 6000);
        assert_eq!((u16_at(&file, 12), u16_at(&file, 14)), (320, 240));
        assert_eq!(read(&file).unwrap(), [sample(0, b"one"), sample(3000, b"three")]);
    }

    #[test]
    fn headers_that_lie_are_named_with_their_offset() {
        let good = written(Codec::Vp8, &[sample(0, b"one"), sample(3000, b"two")]);
        let complain = |index: usize, octets: &[u8]| {
            let mut bad = good.clone();
            bad[index..index + octets.len()].copy_from_slice(octets);
            read(&bad).unwrap_err().to_string()
        };
        assert!(complain(0, b"RIFF").starts_with("octet 0: this is none of"));
        assert!(complain(4, &[1]).starts_with("octet 4: the IVF header has the unknown version 1"));
        assert!(complain(6, &[8]).starts_with("octet 6: the IVF header claims to have 8 octets"));
        assert!(complain(8, b"H264").starts_with("octet 8: the codec `H264`"));
        assert!(complain(16, &[0; 4]).starts_with("octet 16: the time base 1/0"));
        assert!(complain(32, &[0xff; 4]).starts_with("octet 32: the frame has 4294967295 octets"));
        assert!(complain(32, &[99]).starts_with("octet 32: the file ends within the frame"));
        assert!(complain(36, &[0, 32]).starts_with("octet 47: the time goes back"));
        assert!(complain(51, &[0xff; 8]).starts_with("octet 47: the next frame is only due"));
        let cut = read(&good[..50]).unwrap_err().to_string();
        assert_eq!(cut, "octet 47: the file ends within a frame's header");
    }

    #[test]
    fn frames_of_the_same_time_are_told_apart() {
        let file = written(Codec::Vp8, &[sample(7, b"hidden"), sample(7, b"shown")]);
        let times: Vec<u64> = read(&file).unwrap().iter().map(|sample| sample.timestamp).collect();
        assert_eq!(times, [0, 1]);
    }

    proptest! {
        #[test]
        fn round_trip(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 1..70),
            step in 1_u64..100_000,
        ) {
            let samples: Vec<Sample> = (0..).map(|index| index * step).zip(payloads)
                .map(|(timestamp, payload)| Sample { payload: payload.into(), timestamp }).collect();
            prop_assert_eq!(read(&written(Codec::Vp9, &samples)).unwrap(), samples);
        }

        #[test]
        fn never_panics(octets: Vec<u8>, flips in proptest::collection::vec((0_usize..80, any::<u8>()), 0..4)) {
            let _ = read(&octets);
            let mut file = written(Codec::Av1, &[sample(0, &[0x32, 1, 1]), sample(3000, &[0x32, 0])]);
            for (index, octet) in flips {
                if let Some(place) = file.get_mut(index) {
                    *place = octet;
                }
            }
            let _ = read(&file);
        }
    }
}
