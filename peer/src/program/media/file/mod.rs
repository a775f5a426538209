//! Files of sound and pictures: read as frames with their times, written from the same.
//!
//! ```text
//!               read                                written
//!  Ogg          Opus                                Opus, lost packets marked as such
//!  WAV          PCM of any rate ► 8 kHz ► G.711     G.711 ► PCM, 8 kHz, 16 bit, gaps silent
//!  IVF          VP8, VP9, AV1                       the same
//!  Annex B      H.264, access units found           the same: frames are in this form
//!  .g722        -                                   the octets as they came
//! ```
//!
//! No clock, no network and no codec but G.711 here. What a file is, its first octets say, not its
//! name. A reader takes memory for one frame (one page of Ogg), whatever a header claims, and what
//! makes no sense is an error that says at which octet.
//!
//! Book: the chapter on RTP.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use srtp::payload::Codec;

mod annexb;
mod error;
mod input;
mod ivf;
mod obu;
mod ogg;
mod opus;
mod resample;
mod sps;
mod wav;

pub(crate) use error::{FileError, Flaw, Misdeed};
pub(crate) use ivf::IvfWriter;
pub(crate) use ogg::OpusWriter;
pub(crate) use wav::WavWriter;

/// Ticks a second of every video stream (RFC 7741 §4.1, RFC 9628 §4.1, RFC 6184 §5.1).
pub(crate) const VIDEO_CLOCK: u32 = 90_000;

/// The largest frame that is read: what is larger is not sent.
const MAX_FRAME: u64 = srtp::payload::MAX_FRAME as u64;

/// The longest pause between two frames, in seconds; what is longer is taken for a broken file,
/// because nobody would wait for it.
const MAX_PAUSE: u64 = 3600;

/// One encoded frame and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// In the form that [`Codec`] says.
    pub(crate) payload: Bytes,
    /// Ticks of the codec's clock since the beginning of the file.
    pub(crate) timestamp: u64,
}

/// A file that can be played: its path, and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct MediaFile {
    path: PathBuf,
    codecs: &'static [Codec],
}

impl MediaFile {
    /// Looks into the file as far as the first frame.
    pub(crate) fn open(path: &Path) -> Result<MediaFile, FileError> {
        let open = || {
            let format = Format::of(path)?;
            let mut reader = Reader::new(path, format, None)?;
            let codecs: &[Codec] = match reader.codec() {
                Codec::Pcmu | Codec::Pcma => &[Codec::Pcmu, Codec::Pcma],
                Codec::Vp8 => &[Codec::Vp8],
                Codec::Vp9 => &[Codec::Vp9],
                Codec::Av1 => &[Codec::Av1],
                Codec::H264 => &[Codec::H264],
                Codec::Opus | Codec::G722 => &[Codec::Opus],
            };
            match reader.next_sample()? {
                Some(_) => Ok(codecs),
                None => Err(Flaw::new(0, Misdeed::Empty)),
            }
        };
        match open() {
            Ok(codecs) => Ok(MediaFile { path: path.to_owned(), codecs }),
            Err(flaw) => Err(FileError { path: path.to_owned(), flaw }),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it can be sent as, the better first.
    pub(crate) fn codecs(&self) -> &'static [Codec] {
        self.codecs
    }

    /// Whether it is sound and not pictures.
    pub(crate) fn is_audio(&self) -> bool {
        use Codec::{G722, Opus, Pcma, Pcmu};
        self.codecs.iter().any(|codec| matches!(codec, Opus | Pcmu | Pcma | G722))
    }

    /// Reads it from the beginning, as `codec`.
    pub(crate) fn play(&self, codec: Codec) -> Result<OpenFile, FileError> {
        let reader = Format::of(&self.path)
            .and_then(|format| Reader::new(&self.path, format, Some(codec)))
            .map_err(|flaw| FileError { path: self.path.clone(), flaw })?;
        Ok(OpenFile { path: self.path.clone(), reader })
    }
}

/// Ticks a second in which the times of `codec`'s frames are told.
pub(crate) fn clock_rate(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => opus::CLOCK_RATE,
        Codec::Pcmu | Codec::Pcma | Codec::G722 => wav::CLOCK_RATE,
        Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => VIDEO_CLOCK,
    }
}

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct OpenFile {
    path: PathBuf,
    reader: Reader<BufReader<File>>,
}

impl OpenFile {
    /// The next frame; `None` at the end.
    pub(crate) fn next_sample(&mut self) -> Result<Option<Sample>, FileError> {
        let path = &self.path;
        self.reader.next_sample().map_err(|flaw| FileError { path: path.clone(), flaw })
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ogg,
    Wav,
    Ivf,
    AnnexB,
}

impl Format {
    /// Octets enough to tell.
    const SIGNATURE: u64 = 16;

    fn of(path: &Path) -> Result<Format, Flaw> {
        let mut octets = Vec::new();
        File::open(path)
            .and_then(|file| file.take(Format::SIGNATURE).read_to_end(&mut octets))
            .map_err(|error| Flaw::new(0, error.into()))?;
        Format::recognise(&octets).ok_or(Flaw::new(0, Misdeed::Unknown))
    }

    fn recognise(octets: &[u8]) -> Option<Format> {
        match octets {
            [b'O', b'g', b'g', b'S', ..] => Some(Format::Ogg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Format::Wav),
            [b'D', b'K', b'I', b'F', ..] => Some(Format::Ivf),
            // Any number of zeros before the first start code, but some other kinds of file begin
            // with zeros too.
            [0, 0, 1, ..] | [0, 0, 0, 1, ..] => Some(Format::AnnexB),
            _ => None,
        }
    }
}

/// A reader of any format.
#[derive(Debug)]
enum Reader<R> {
    Ogg(ogg::OpusReader<R>),
    Wav(wav::WavReader<R>),
    Ivf(ivf::IvfReader<R>),
    AnnexB(annexb::AnnexBReader<R>),
}

impl Reader<BufReader<File>> {
    fn new(path: &Path, format: Format, codec: Option<Codec>) -> Result<Self, Flaw> {
        let file = File::open(path).map_err(|error| Flaw::new(0, error.into()))?;
        Reader::of(BufReader::new(file), format, codec)
    }
}

impl<R: Read> Reader<R> {
    /// Of a given codec, if there is a choice; it is an error if it is not in the file.
    fn of(file: R, format: Format, codec: Option<Codec>) -> Result<Reader<R>, Flaw> {
        let reader = match format {
            Format::Ogg => Reader::Ogg(ogg::OpusReader::new(file)),
            Format::Wav => Reader::Wav(wav::WavReader::new(file, codec.unwrap_or(Codec::Pcmu))?),
            Format::Ivf => Reader::Ivf(ivf::IvfReader::new(file)?),
            Format::AnnexB => Reader::AnnexB(annexb::AnnexBReader::new(file)),
        };
        match codec {
            Some(codec) if codec != reader.codec() => Err(Flaw::new(0, Misdeed::OtherCodec)),
            _ => Ok(reader),
        }
    }

    fn codec(&self) -> Codec {
        match self {
            Reader::Ogg(_) => Codec::Opus,
            Reader::Wav(reader) => reader.codec(),
            Reader::Ivf(reader) => reader.codec(),
            Reader::AnnexB(_) => Codec::H264,
        }
    }

    fn next_sample(&mut self) -> Result<Option<Sample>, Flaw> {
        match self {
            Reader::Ogg(reader) => reader.next_sample(),
            Reader::Wav(reader) => reader.next_sample(),
            Reader::Ivf(reader) => reader.next_sample(),
            Reader::AnnexB(reader) => reader.next_sample(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn error_of(name: &str, octets: &[u8]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        File::create(&path).unwrap().write_all(octets).unwrap();
        let error = MediaFile::open(&path).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        error
    }

    #[test]
    fn a_file_that_is_not_what_it_says_is_named_with_the_offset() {
        for octets in [&b""[..], b"<html>", b"ID3\x04\0\0\0\0\0\0\0\0\0", b"RIFF\0\0\0\0AVI "] {
            assert!(error_of("clip.ivf", octets).contains("octet 0: this is none of Ogg, WAV"));
        }
        assert!(error_of("clip.ogg", b"OggS").contains("octet 0: the file ends within a page"));
        assert!(error_of("clip.ivf", b"DKIF").contains("octet 0: the file ends within the IVF"));
        assert!(error_of("clip.wav", b"RIFF\0\0\0\0WAVE").contains("octet 12: not a WAV file"));
        assert!(error_of("clip.h264", &[0, 0, 1, 0xff]).contains("octet 3: the NAL unit has its"));
        assert!(error_of("clip.h264", &[0, 0, 0, 1]).contains("octet 0: there is nothing in it"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = MediaFile::open(Path::new("no/such/file.ogg")).unwrap_err().to_string();
        assert!(error.starts_with("no/such/file.ogg, octet 0: cannot be read: "), "{error}");
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>) {
            for format in [Format::Ogg, Format::Wav, Format::Ivf, Format::AnnexB] {
                let Ok(mut reader) = Reader::of(&octets[..], format, None) else { continue };
                while let Ok(Some(_)) = reader.next_sample() {}
            }
        }
    }
}
