//! WAV: sound of any sample rate to G.711, and G.711 to sound. The container by the `hound` crate.
//!
//! ```text
//!  RIFF ► samples ► one channel ► 8 kHz ► G.711, in packets of 20 ms      reading
//!  RIFF ◄ 16 bit  ◄ silence for what is missing ◄ G.711                   writing
//! ```
//!
//! Channels are averaged. The file's header says how long it is; the writer corrects that every
//! second and at the end.
//!
//! Book: "A codec you can read".

use std::io::{self, Read, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use srtp::payload::{Codec, g711};

use super::Sample;
use super::error::{Flaw, Misdeed};
use super::resample::{RATE, Resampler};

/// Samples a second of G.711, RFC 3551 §4.5.14.
pub(super) const CLOCK_RATE: u32 = RATE;

/// Samples in a packet: 20 ms, the default of RFC 3551 §4.2.
const PACKET: usize = 160;

/// Sample rates that are converted.
const RATES: std::ops::RangeInclusive<u32> = 1000..=192_000;

/// The most channels that are mixed.
const MAX_CHANNELS: u16 = 64;

/// Frames (one sample of each channel) that are read at once.
const FRAMES_AT_ONCE: usize = 1024;

/// Reads sound as packets of G.711.
pub(crate) struct WavReader<R> {
    reader: hound::WavReader<Counted<R>>,
    offset: Arc<AtomicU64>,
    codec: Codec,
    resampler: Resampler,
    /// What is converted and not yet sent.
    ready: Vec<i16>,
    ended: bool,
    position: u64,
}

impl<R> std::fmt::Debug for WavReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavReader").field("position", &self.position).finish_non_exhaustive()
    }
}

/// A reader that tells how far it is while another owns it.
#[derive(Debug)]
struct Counted<R> {
    inner: R,
    offset: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.offset.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: Read> WavReader<R> {
    /// Reads the headers. The packets will be of `codec`, one of the two laws.
    pub(crate) fn new(inner: R, codec: Codec) -> Result<WavReader<R>, Flaw> {
        let offset = Arc::new(AtomicU64::new(0));
        let flaw = |misdeed| Flaw::new(offset.load(Ordering::Relaxed), misdeed);
        if !matches!(codec, Codec::Pcmu | Codec::Pcma) {
            return Err(flaw(Misdeed::OtherCodec));
        }
        let counted = Counted { inner, offset: Arc::clone(&offset) };
        let reader = hound::WavReader::new(counted).map_err(|error| flaw(Misdeed::Wav(error)))?;
        let hound::WavSpec { sample_rate, channels, .. } = reader.spec();
        if !RATES.contains(&sample_rate) {
            return Err(flaw(Misdeed::SampleRate(sample_rate)));
        }
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(flaw(Misdeed::Channels(channels)));
        }
        let resampler = Resampler::new(sample_rate);
        let ready = Vec::new();
        Ok(WavReader { reader, offset, codec, resampler, ready, ended: false, position: 0 })
    }

    /// Which law.
    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// The next packet. The last one is filled up with silence.
    pub(crate) fn next_sample(&mut self) -> Result<Option<Sample>, Flaw> {
        while self.ready.len() < PACKET && !self.ended {
            let samples = self.mixed().map_err(|error| {
                Flaw::new(self.offset.load(Ordering::Relaxed), Misdeed::Wav(error))
            })?;
            self.resampler.push(&samples, &mut self.ready);
            if samples.len() < FRAMES_AT_ONCE {
                self.ended = true;
                self.resampler.finish(&mut self.ready);
            }
        }
        if self.ready.is_empty() {
            return Ok(None);
        }
        let mut packet: Vec<i16> = self.ready.drain(..PACKET.min(self.ready.len())).collect();
        packet.resize(PACKET, 0);
        let timestamp = self.position;
        self.position += PACKET as u64;
        let payload = match self.codec {
            Codec::Pcma => g711::encode_alaw(&packet),
            _ => g711::encode_ulaw(&packet),
        };
        Ok(Some(Sample { payload: payload.into(), timestamp }))
    }

    /// Some more samples between -1 and 1, all channels averaged.
    fn mixed(&mut self) -> Result<Vec<f32>, hound::Error> {
        let hound::WavSpec { channels, sample_format, bits_per_sample, .. } = self.reader.spec();
        let count = FRAMES_AT_ONCE * usize::from(channels);
        let samples: Vec<f32> = match sample_format {
            hound::SampleFormat::Float => {
                self.reader.samples::<f32>().take(count).collect::<Result<_, _>>()?
            }
            hound::SampleFormat::Int => {
                let full_scale = 2_f32.powi(i32::from(bits_per_sample) - 1);
                #[expect(clippy::cast_precision_loss, reason = "24 bits of a sample are plenty")]
                let scaled = |sample: i32| sample as f32 / full_scale;
                let samples = self.reader.samples::<i32>().take(count);
                samples.map(|sample| sample.map(scaled)).collect::<Result<_, _>>()?
            }
        };
        let mix = |frame: &[f32]| frame.iter().sum::<f32>() / f32::from(channels);
        // A file may hold numbers that are no samples, infinity for example.
        let audible = |sample: f32| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        Ok(samples.chunks(usize::from(channels)).map(mix).map(audible).collect())
    }
}

/// Writes G.711 as samples of 16 bits.
pub(crate) struct WavWriter<W: Write + Seek> {
    out: hound::WavWriter<W>,
    codec: Codec,
    /// Samples written.
    position: u64,
    /// Samples that the header knows.
    told: u64,
}

impl<W: Write + Seek> std::fmt::Debug for WavWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavWriter").field("position", &self.position).finish_non_exhaustive()
    }
}

/// Samples by which the times of packets may differ without a gap: half a packet.
const TOLERANCE: u64 = PACKET as u64 / 2;

impl<W: Write + Seek> WavWriter<W> {
    /// Writes the header. `codec` is one of the two laws.
    pub(crate) fn new(out: W, codec: Codec) -> io::Result<WavWriter<W>> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let out = hound::WavWriter::new(out, spec).map_err(into_io)?;
        Ok(WavWriter { out, codec, position: 0, told: 0 })
    }

    /// Adds a packet, with silence for what is missing before its time. What is late is left out.
    pub(crate) fn write(&mut self, sample: &Sample) -> io::Result<()> {
        if sample.timestamp + TOLERANCE < self.position {
            return Ok(());
        }
        let gap = sample.timestamp.saturating_sub(self.position);
        if gap > TOLERANCE {
            for _ in 0..gap {
                self.put(0)?;
            }
        }
        let samples = match self.codec {
            Codec::Pcma => g711::decode_alaw(&sample.payload),
            _ => g711::decode_ulaw(&sample.payload),
        };
        for sample in samples {
            self.put(sample)?;
        }
        if self.position - self.told >= u64::from(RATE) { self.finish() } else { Ok(()) }
    }

    fn put(&mut self, sample: i16) -> io::Result<()> {
        self.position += 1;
        self.out.write_sample(sample).map_err(into_io)
    }

    /// Makes the header right. More may still follow.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.told = self.position;
        self.out.flush().map_err(into_io)
    }
}

fn into_io(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn pcm(rate: u32, channels: u16, bits: u16, samples: impl Iterator<Item = i32>) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: bits,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        samples.for_each(|sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        file.into_inner()
    }

    fn read(file: &[u8], codec: Codec) -> Result<Vec<Sample>, Flaw> {
        let mut reader = WavReader::new(file, codec)?;
        std::iter::from_fn(|| reader.next_sample().transpose()).collect()
    }

    #[test]
    fn a_second_is_fifty_packets_whatever_the_rate() {
        for (rate, channels, bits) in
            [(8000, 1, 16), (44_100, 2, 16), (48_000, 6, 24), (11_025, 1, 8)]
        {
            let count = rate * u32::from(channels);
            let samples =
                read(&pcm(rate, channels, bits, (0..count).map(|_| 0)), Codec::Pcmu).unwrap();
            assert!(matches!(samples.len(), 50 | 51), "{rate}: {}", samples.len());
            assert!(samples.iter().all(|sample| sample.payload.len() == 160));
            assert_eq!(samples[7].timestamp, 1120);
        }
    }

    #[test]
    fn each_law_round_trips() {
        let loud = pcm(8000, 1, 16, (0..1600).map(|index| (index % 50) * 600 - 15_000));
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let samples = read(&loud, codec).unwrap();
            let mut file = Cursor::new(Vec::new());
            let mut writer = WavWriter::new(&mut file, codec).unwrap();
            samples.iter().for_each(|sample| writer.write(sample).unwrap());
            writer.finish().unwrap();
            drop(writer);
            assert_eq!(read(file.get_ref(), codec).unwrap(), samples);
        }
    }

    #[test]
    fn gaps_are_silent_and_late_packets_left_out() {
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, Codec::Pcmu).unwrap();
        let sample = |timestamp| Sample { payload: vec![0x80; 160].into(), timestamp };
        for timestamp in [0, 160, 800, 0, 960] {
            writer.write(&sample(timestamp)).unwrap();
        }
        writer.finish().unwrap();
        drop(writer);
        let mut reader = hound::WavReader::new(Cursor::new(file.into_inner())).unwrap();
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples.len(), 1120);
        assert!(samples[320..800].iter().all(|&sample| sample == 0));
        assert!(samples[800..].iter().all(|&sample| sample > 30_000));
    }

    #[test]
    fn headers_that_lie_are_named_with_their_offset() {
        let good = pcm(8000, 1, 16, 0..800);
        let complain = |index: usize, octets: &[u8]| {
            let mut bad = good.clone();
            bad[index..index + octets.len()].copy_from_slice(octets);
            read(&bad, Codec::Pcmu).unwrap_err().to_string()
        };
        assert!(complain(20, &[6]).starts_with("octet 36: not a WAV file"), "A-law inside");
        assert!(complain(22, &[0]).starts_with("octet 36: not a WAV file"), "no channels");
        assert!(complain(24, &[1, 0, 0, 0, 2, 0, 0, 0]).contains("a sample rate of 1 Hz"));
        // Half of the samples are missing.
        let cut = read(&good[..800], Codec::Pcmu).unwrap_err().to_string();
        assert!(cut.starts_with("octet 800: not a WAV file"), "{cut}");
    }

    proptest! {
        #[test]
        fn never_panics(
            octets: Vec<u8>,
            flips in proptest::collection::vec((0_usize..60, any::<u8>()), 0..5),
        ) {
            let _ = read(&octets, Codec::Pcmu);
            let mut file = pcm(8000, 2, 24, 0..64);
            for (index, octet) in flips {
                file[index] = octet;
            }
            let _ = read(&file, Codec::Pcma);
        }
    }
}
