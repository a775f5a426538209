//! Opus in Ogg, RFC 7845: pages and packets by the `ogg` crate, what they mean by us.
//!
//! ```text
//!  page 1: OpusHead     "OpusHead" 1  channels  pre-skip  input rate  gain  mapping family
//!  page 2: OpusTags     who wrote it, title and so on; perhaps more pages
//!  page 3…: packets     granule position: samples at 48 kHz up to the end of the page's last packet
//! ```
//!
//! - How long a packet is, its own first octet says ([`opus`](super::opus)); the granule positions
//!   only correct that: where a page ends later than its packets, something is missing before it.
//! - A stream is recorded from its middle, as far as a decoder is concerned: the writer asks for
//!   the 80 ms of pre-skip that §5.1 recommends for cropped streams.
//! - Packets that were lost or never sent are written as empty frames, so that the granule position
//!   is the sum of all packets as §4.1 demands, and decoders conceal them.
//! - Of a file with several streams, one beside or after another, the first is read.
//!
//! Book: the chapter on RTP.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use bytes::Bytes;
use ogg::reading::{BasePacketReader, OggReadError, PageParser, PageParsingOptions};
use ogg::writing::{PacketWriteEndInfo, PacketWriter};

use super::error::{Flaw, Misdeed};
use super::input::Input;
use super::{MAX_PAUSE, Sample, opus};

/// Octets of a page's header before its table of segments, RFC 3533 §6.
const PAGE_HEADER: usize = 27;

/// The largest packet of sound: 48 frames of 1275 octets and the table before them, rounded up.
const MAX_PACKET: u64 = 64 << 10;

/// The largest comment header: people put pictures into it.
const MAX_TAGS: u64 = 32 << 20;

/// Samples a decoder throws away at the beginning, 80 ms: RFC 7845 §5.1.
const PRE_SKIP: u16 = 3840;

/// A page is finished after so many samples: a second at most is lost if the program is killed.
const SAMPLES_OF_PAGE: u64 = opus::CLOCK_RATE as u64;

/// Samples between the times of two packets that are no gap: senders round.
const TOLERANCE: u64 = 2 * opus::SHORTEST_FRAME as u64;

/// Reads packets.
pub(crate) struct OpusReader<R> {
    input: Input<R>,
    packets: BasePacketReader,
    options: PageParsingOptions,
    /// Which of the streams in the file; the first one.
    serial: Option<[u8; 4]>,
    expected: Expected,
    /// Octets of a packet that goes on on the next page.
    unfinished: u64,
    /// Packets of the page that was read last.
    ready: VecDeque<Sample>,
    /// The time after the last packet.
    position: u64,
    /// The granule position of the last page.
    granule: Option<u64>,
}

/// What comes next in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Head,
    Tags,
    Sound,
}

impl<R> std::fmt::Debug for OpusReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusReader").field("position", &self.position).finish_non_exhaustive()
    }
}

impl<R: Read> OpusReader<R> {
    /// Reads nothing yet.
    pub(crate) fn new(inner: R) -> OpusReader<R> {
        OpusReader {
            input: Input::new(inner),
            packets: BasePacketReader::new(),
            options: PageParsingOptions::default(),
            serial: None,
            expected: Expected::Head,
            unfinished: 0,
            ready: VecDeque::new(),
            position: 0,
            granule: None,
        }
    }

    /// The next packet.
    pub(crate) fn next_sample(&mut self) -> Result<Option<Sample>, Flaw> {
        while self.ready.is_empty() {
            let start = self.input.offset();
            if !self.read_page(start)? {
                return Ok(None);
            }
            self.take_packets().map_err(|misdeed| Flaw::new(start, misdeed))?;
        }
        Ok(self.ready.pop_front())
    }

    /// Reads one page, of whatever stream. False at the end of the file.
    fn read_page(&mut self, start: u64) -> Result<bool, Flaw> {
        let flaw = |error| Flaw::new(start, Misdeed::Page(error));
        let mut header = [0; PAGE_HEADER];
        if !self.input.fill(&mut header, "a page's header")? {
            return Ok(false);
        }
        if !header.starts_with(b"OggS") {
            return Err(flaw(OggReadError::NoCapturePatternFound));
        }
        let (mut page, segments) =
            PageParser::new_with_parse_opts(header, self.options.clone()).map_err(flaw)?;
        let mut take = |length| self.input.octets(start, length as u64, u64::MAX, "a page");
        let length = page.parse_segments(take(segments)?.into());
        let page = page.parse_packet_data(take(length)?.into()).map_err(flaw)?;
        let [.., a, b, c, d, _, _, _, _, _, _, _, _, _] = header;
        if *self.serial.get_or_insert([a, b, c, d]) != [a, b, c, d] {
            return Ok(true);
        }
        self.packets.push_page(page).map_err(flaw)?;
        self.unfinished += length as u64;
        let limit = if self.expected == Expected::Tags { MAX_TAGS } else { MAX_PACKET };
        // Whole packets are subtracted below; a page can hold 64 KiB of them.
        if self.unfinished > limit + MAX_PACKET {
            let octets = self.unfinished;
            return Err(Flaw::new(start, Misdeed::TooLarge { what: "a packet", octets, limit }));
        }
        Ok(true)
    }

    /// Takes the packets that end on the page just read.
    fn take_packets(&mut self) -> Result<(), Misdeed> {
        let mut sound = Vec::new();
        let (mut total, mut granule) = (0, u64::MAX);
        while let Some(packet) = self.packets.read_packet() {
            self.unfinished = 0;
            match self.expected {
                Expected::Head => {
                    check_head(&packet.data)?;
                    self.expected = Expected::Tags;
                }
                Expected::Tags => {
                    if !packet.data.starts_with(b"OpusTags") {
                        return Err(Misdeed::NotOpus);
                    }
                    self.expected = Expected::Sound;
                }
                Expected::Sound => {
                    let duration = opus::duration(&packet.data).ok_or(Misdeed::OpusPacket)?;
                    granule = packet.absgp_page();
                    total += u64::from(duration);
                    sound.push((Bytes::from(packet.data), u64::from(duration)));
                }
            }
        }
        // All ones: no packet ends on this page (RFC 3533 §6). The first page may begin at any time.
        let expected = self.granule.map(|before| before.saturating_add(total));
        if granule != u64::MAX {
            self.granule = Some(granule);
            let gap = expected.map_or(0, |expected| granule.saturating_sub(expected));
            if gap / u64::from(opus::CLOCK_RATE) > MAX_PAUSE {
                return Err(Misdeed::Pause(gap / u64::from(opus::CLOCK_RATE)));
            }
            self.position += gap;
        }
        for (payload, duration) in sound {
            self.ready.push_back(Sample { payload, timestamp: self.position });
            self.position += duration;
        }
        Ok(())
    }
}

/// Checks the identification header, RFC 7845 §5.1.
fn check_head(packet: &[u8]) -> Result<(), Misdeed> {
    let Some((&[version, channels], _)) =
        packet.strip_prefix(b"OpusHead").and_then(|rest| rest.split_first_chunk())
    else {
        return Err(Misdeed::NotOpus);
    };
    // Minor versions, in the low bits, change nothing that older readers need.
    if version & 0xf0 != 0 {
        return Err(Misdeed::OpusVersion(version));
    }
    if !(1..=2).contains(&channels) {
        return Err(Misdeed::OpusChannels(channels));
    }
    Ok(())
}

/// Writes packets.
pub(crate) struct OpusWriter<W: Write> {
    out: PacketWriter<'static, W>,
    serial: u32,
    /// The last packet: whether it ends the stream is known later. With its granule position.
    last: Option<(Bytes, u64)>,
    /// Samples written, which is the granule position.
    position: u64,
    /// The position up to which pages are finished.
    finished: u64,
}

impl<W: Write> std::fmt::Debug for OpusWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusWriter").field("position", &self.position).finish_non_exhaustive()
    }
}

impl<W: Write> OpusWriter<W> {
    /// Writes both headers. The stream is called stereo, as RTP always does (RFC 7587 §7).
    pub(crate) fn new(out: W, serial: u32) -> io::Result<OpusWriter<W>> {
        let mut out = PacketWriter::new(out);
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend(PRE_SKIP.to_le_bytes());
        head.extend(opus::CLOCK_RATE.to_le_bytes());
        head.extend([0, 0]); // output gain
        head.push(0); // mapping family 0: mono or stereo
        out.write_packet(head, serial, PacketWriteEndInfo::EndPage, 0)?;
        let mut tags = b"OpusTags".to_vec();
        tags.extend(4_u32.to_le_bytes());
        tags.extend(b"peer");
        tags.extend(0_u32.to_le_bytes()); // no comments
        out.write_packet(tags, serial, PacketWriteEndInfo::EndPage, 0)?;
        Ok(OpusWriter { out, serial, last: None, position: 0, finished: 0 })
    }

    /// Adds a packet; what is missing before its time is concealed. A packet that is late is left
    /// out, and so is one that is malformed.
    pub(crate) fn write(&mut self, sample: &Sample) -> io::Result<()> {
        let (Some(duration), Some(&toc)) =
            (opus::duration(&sample.payload), sample.payload.first())
        else {
            return Ok(());
        };
        if sample.timestamp + TOLERANCE < self.position {
            return Ok(());
        }
        let gap = sample.timestamp.saturating_sub(self.position);
        if gap > TOLERANCE {
            for (packet, samples) in opus::concealment(toc, gap) {
                self.put(packet, samples)?;
            }
        }
        self.put(Bytes::clone(&sample.payload), duration)
    }

    fn put(&mut self, packet: Bytes, duration: u32) -> io::Result<()> {
        self.position += u64::from(duration);
        let Some((before, granule)) = self.last.replace((packet, self.position)) else {
            return Ok(());
        };
        let full = granule - self.finished >= SAMPLES_OF_PAGE;
        let end = if full { PacketWriteEndInfo::EndPage } else { PacketWriteEndInfo::NormalPacket };
        self.out.write_packet(before.to_vec(), self.serial, end, granule)?;
        if full {
            self.finished = granule;
            self.out.inner_mut().flush()?;
        }
        Ok(())
    }

    /// Ends the stream.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if let Some((last, granule)) = self.last.take() {
            let end = PacketWriteEndInfo::EndStream;
            self.out.write_packet(last.to_vec(), self.serial, end, granule)?;
        }
        self.out.inner_mut().flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 20 ms, CELT, mono.
    fn sample(timestamp: u64, fill: u8) -> Sample {
        Sample { payload: vec![0xf8, fill, fill].into(), timestamp }
    }

    fn written(samples: &[Sample]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = OpusWriter::new(&mut file, 7).unwrap();
        samples.iter().for_each(|sample| writer.write(sample).unwrap());
        writer.finish().unwrap();
        drop(writer);
        file
    }

    fn read_all<R: Read>(mut reader: OpusReader<R>) -> Result<Vec<Sample>, Flaw> {
        std::iter::from_fn(|| reader.next_sample().transpose()).collect()
    }

    fn read(file: &[u8]) -> Result<Vec<Sample>, Flaw> {
        read_all(OpusReader::new(file))
    }

    /// A stream of packets as given, all on one page.
    fn stream(head: &[u8], tags: &[u8], packets: &[&[u8]], granule: u64) -> Vec<u8> {
        let mut file = Vec::new();
        let mut out = PacketWriter::new(&mut file);
        out.write_packet(head, 1, PacketWriteEndInfo::EndPage, 0).unwrap();
        out.write_packet(tags, 1, PacketWriteEndInfo::EndPage, 0).unwrap();
        for packet in packets {
            out.write_packet(*packet, 1, PacketWriteEndInfo::NormalPacket, granule).unwrap();
        }
        out.write_packet(&[0xf8][..], 1, PacketWriteEndInfo::EndPage, granule).unwrap();
        drop(out);
        file
    }

    const HEAD: &[u8] = b"OpusHead\x01\x02\0\x0f\x80\xbb\0\0\0\0\0";

    #[test]
    fn headers_as_rfc_7845_section_5_draws_them() {
        let file = written(&[]);
        let head = file.windows(8).position(|octets| octets == b"OpusHead").unwrap();
        assert_eq!(file[head..head + HEAD.len()], *HEAD);
        assert_eq!(head, 28, "alone on the first page");
        assert!(file.windows(16).any(|octets| octets == b"OpusTags\x04\0\0\0peer"));
    }

    #[test]
    fn what_was_lost_is_concealed_and_the_times_stay() {
        let file = written(&[sample(0, 1), sample(960, 2), sample(4800, 3)]);
        let read = read(&file).unwrap();
        let times: Vec<u64> = read.iter().map(|sample| sample.timestamp).collect();
        assert_eq!(times, [0, 960, 1920, 4800]);
        assert_eq!(*read[2].payload, [0xfb, 3], "three empty frames of 20 ms");
        assert_eq!(read[3], sample(4800, 3));
    }

    #[test]
    fn late_packets_are_left_out() {
        let file = written(&[sample(0, 1), sample(960, 2), sample(0, 3), sample(1920, 4)]);
        assert_eq!(read(&file).unwrap(), [sample(0, 1), sample(960, 2), sample(1920, 4)]);
    }

    #[test]
    fn a_page_that_ends_later_than_its_packets_leaves_a_gap() {
        let mut file = stream(HEAD, b"OpusTags", &[], 960);
        let second = stream(HEAD, b"OpusTags", &[], 4800);
        // The third page of the other, made the fourth of this one.
        let pages = |file: &[u8]| {
            let starts = file.windows(4).enumerate().filter(|(_, octets)| *octets == b"OggS");
            starts.map(|(start, _)| start).collect::<Vec<_>>()
        };
        file.extend_from_slice(&second[pages(&second)[2]..]);
        let times: Vec<u64> = read(&file).unwrap().iter().map(|one| one.timestamp).collect();
        assert_eq!(times, [0, 960 + 2880]);
    }

    #[test]
    fn headers_that_lie_are_named_with_their_offset() {
        let complain = |file: &[u8]| read(file).unwrap_err().to_string();
        assert!(
            complain(&stream(b"\x01vorbis", b"", &[], 0))
                .starts_with("octet 0: the Ogg stream is not")
        );
        assert!(complain(&stream(b"OpusHead\x10\x02", b"", &[], 0)).contains("unknown version 16"));
        assert!(complain(&stream(b"OpusHead\x01\x06", b"", &[], 0)).contains("6 channels"));
        assert!(
            complain(&stream(HEAD, b"Tags", &[], 0)).starts_with("octet 47: the Ogg stream is not")
        );
        assert!(
            complain(&stream(HEAD, b"OpusTags", &[&[3, 0]], 0))
                .starts_with("octet 83: the Opus packet")
        );
        let far = stream(HEAD, b"OpusTags", &[&[0xf8]], 960);
        assert!(read(&far).is_ok());
        let mut broken = far.clone();
        broken[90] ^= 1;
        assert!(complain(&broken).starts_with("octet 83: the Ogg page is broken"));
        assert!(complain(&far[..100]).starts_with("octet 83: the file ends within a page"));
        assert!(complain(&far[..90]).starts_with("octet 83: the file ends within a page's header"));
    }

    #[test]
    fn a_packet_without_end_is_refused() {
        let file = stream(HEAD, b"OpusTags", &[&vec![0xf8; 1 << 20]], 0);
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("a packet has") && error.contains("at most 65536"), "{error}");
    }

    proptest! {
        #[test]
        fn round_trip(fills in proptest::collection::vec(any::<u8>(), 0..200)) {
            let samples: Vec<Sample> =
                (0..).zip(fills).map(|(index, fill)| sample(index * 960, fill)).collect();
            prop_assert_eq!(read(&written(&samples)).unwrap(), samples);
        }

        /// Checksums keep almost everything out, so they are not looked at.
        #[test]
        fn never_panics(
            octets: Vec<u8>,
            flips in proptest::collection::vec((0_usize..400, any::<u8>()), 0..6),
            times in proptest::collection::vec(0_u64..100_000, 0..9),
        ) {
            let _ = read(&octets);
            let samples: Vec<Sample> = times.iter().map(|&time| sample(time, 1)).collect();
            let mut file = written(&samples);
            for (index, octet) in flips {
                if let Some(place) = file.get_mut(index) {
                    *place = octet;
                }
            }
            let mut reader = OpusReader::new(&file[..]);
            reader.options.verify_checksum = false;
            let _ = read_all(reader);
        }
    }
}
