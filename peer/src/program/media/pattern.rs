//! The built-in source of pictures: a test pattern as VP8, without a video encoder.
//!
//! A lossy WebP picture *is* a VP8 key frame (RFC 9649 §2.5): the chunk "VP8 " of its container
//! holds exactly what one RTP frame of VP8 holds. So `libwebp`, a library for still pictures, is
//! all the encoder that is needed, if every frame is a key frame. That costs bits, and saves
//! everything else: any frame may be left out, and nobody ever waits for a key frame.
//!
//! ```text
//!  draw ► libwebp ► RIFF ► "VP8 " ─► broadcast ─┬► watcher, as many frames as its path carries
//!          ▲ quality                            ├► watcher
//!          └── octets of the last frame         └► …
//! ```
//!
//! One encoder serves all watchers, and runs while there are any. Its quality follows the slowest
//! path, down to [`MIN_BITRATE`]; watchers with less get fewer frames.
//!
//! Book: the chapter on RTP.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use peer::Transceiver;
use peer::media::EncodedFrame;
use srtp::RtpTimestamp;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, warn};

use super::file::VIDEO_CLOCK;
use super::picture::{HEIGHT, WIDTH, draw};

/// Frames a second.
const RATE: u32 = 15;

/// Ticks of the RTP clock from frame to frame.
const TICKS: u32 = VIDEO_CLOCK / RATE;

/// Bits a second that the pattern takes on a path that carries everything.
const MAX_BITRATE: u64 = 1_000_000;

/// Bits a second below which the quality no longer falls.
const MIN_BITRATE: u64 = 100_000;

/// The part of a path's bits that pictures may have, in percent; the rest is for sound, headers and
/// repair.
const SHARE: u64 = 80;

/// Frames that a watcher may lag behind before it loses some.
const MAX_LAG: usize = 4;

/// How often the slowest path is looked for anew, in frames.
const FRAMES_OF_SURVEY: u32 = RATE;

/// The pattern, for all who want to watch.
#[derive(Debug)]
pub(crate) struct Pattern {
    frames: broadcast::Sender<EncodedFrame>,
    /// Whether the encoder runs.
    running: Mutex<bool>,
    /// The lowest rate that a watcher's path carries, as seen since the last survey.
    lowest: AtomicU64,
}

impl Pattern {
    /// Nobody watches yet.
    pub(crate) fn new() -> Arc<Pattern> {
        let (frames, _) = broadcast::channel(MAX_LAG);
        Arc::new(Pattern { frames, running: Mutex::new(false), lowest: AtomicU64::new(u64::MAX) })
    }

    /// Sends the pattern on `transceiver`, as long as it is there and `bitrate` allows.
    pub(crate) async fn show(
        self: &Arc<Pattern>,
        transceiver: &Transceiver,
        bitrate: watch::Receiver<Option<u64>>,
    ) {
        let mut frames = self.subscribe();
        let mut allowance = Allowance::default();
        loop {
            let frame = match frames.recv().await {
                Ok(frame) => frame,
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return,
            };
            let carried = bitrate.borrow().map_or(MAX_BITRATE, |bitrate| bitrate * SHARE / 100);
            self.lowest.fetch_min(carried, Ordering::Relaxed);
            if allowance.permits(frame.payload.len(), carried)
                && transceiver.send_frame(frame).is_err()
            {
                return;
            }
        }
    }

    /// Joins the watchers, and starts the encoder for the first.
    fn subscribe(self: &Arc<Pattern>) -> broadcast::Receiver<EncodedFrame> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let frames = self.frames.subscribe();
        if !std::mem::replace(&mut *running, true) {
            tokio::spawn(Arc::clone(self).run());
        }
        frames
    }

    /// Whether nobody watches any more; then the next watcher starts another encoder.
    fn is_over(&self) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running = self.frames.receiver_count() > 0;
        !*running
    }

    /// Draws, encodes and gives away, frame by frame.
    async fn run(self: Arc<Pattern>) {
        debug!("the test pattern is on");
        let mut ticker = tokio::time::interval(Duration::from_secs(1) / RATE);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let start = ticker.tick().await;
        let mut quality = Quality::default();
        let mut bitrate = MAX_BITRATE;
        let mut survey = 0;
        while !self.is_over() {
            let now = ticker.tick().await;
            survey += 1;
            if survey >= FRAMES_OF_SURVEY {
                survey = 0;
                let lowest = self.lowest.swap(u64::MAX, Ordering::Relaxed);
                bitrate = lowest.clamp(MIN_BITRATE, MAX_BITRATE);
            }
            let value = quality.value;
            let time = since_midnight();
            let encoded = tokio::task::spawn_blocking(move || encode(&draw(time), value)).await;
            let Ok(Some(payload)) = encoded else {
                warn!("a picture of the test pattern could not be encoded");
                continue;
            };
            quality.learn(payload.len(), bitrate);
            let frame = EncodedFrame { payload, timestamp: timestamp(start, now), rid: None };
            // An error says that nobody watches, which is found out above.
            let _ = self.frames.send(frame);
        }
        debug!("the test pattern is off");
    }
}

/// The time of day, UTC.
fn since_midnight() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now - Duration::from_secs(now.as_secs() / 86_400 * 86_400)
}

/// Whole frames since the start, in ticks: what the ticker left out leaves a gap.
fn timestamp(start: Instant, now: Instant) -> RtpTimestamp {
    let frames = now.duration_since(start).as_millis() * u128::from(RATE) / 1000;
    // Modulo 2^32, as RTP's timestamps are.
    let frames = u32::try_from(frames & u128::from(u32::MAX)).unwrap_or(0);
    RtpTimestamp(frames.wrapping_mul(TICKS))
}

/// One picture as a VP8 key frame.
fn encode(pixels: &[u8], quality: f32) -> Option<Bytes> {
    let mut config = webp::WebPConfig::new().ok()?;
    config.quality = quality;
    // Fast instead of small: this is done fifteen times a second.
    config.method = 1;
    let encoder = webp::Encoder::from_rgb(pixels, WIDTH.into(), HEIGHT.into());
    key_frame(&encoder.encode_advanced(&config).ok()?).map(Bytes::copy_from_slice)
}

/// The chunk "VP8 " of a WebP file, RFC 9649 §2.3 and §2.5: RIFF, its size, WEBP, and chunks of a
/// name, a size and so many octets, filled up to an even number.
fn key_frame(webp: &[u8]) -> Option<&[u8]> {
    let mut chunks = webp.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    loop {
        let (name, rest) = chunks.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        let (content, rest) = rest.split_at_checked(size)?;
        if name == b"VP8 " {
            return Some(content);
        }
        chunks = rest.get(size % 2..)?;
    }
}

/// The quality, steered so that frames have the octets that the rate allows.
#[derive(Debug)]
struct Quality {
    /// 0 to 100, as libwebp has it.
    value: f32,
}

impl Default for Quality {
    fn default() -> Quality {
        Quality { value: 40.0 }
    }
}

impl Quality {
    /// The values between which it is steered: below, nothing can be seen; above, little is gained.
    const RANGE: std::ops::RangeInclusive<f32> = 2.0..=80.0;

    /// Learns what a frame of the present quality took.
    fn learn(&mut self, octets: usize, bitrate: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a ratio need not be exact")]
        let ratio = bitrate as f32 / 8.0 / RATE as f32 / octets.max(1) as f32;
        // Up slowly, down fast.
        self.value += ((ratio - 1.0) * 10.0).clamp(-8.0, 1.0);
        self.value = self.value.clamp(*Quality::RANGE.start(), *Quality::RANGE.end());
    }
}

/// What one watcher may still be sent: it grows with each frame's time and shrinks with each frame.
#[derive(Debug, Default)]
struct Allowance {
    octets: u64,
}

impl Allowance {
    /// Whether a frame may be sent over a path of so many bits per second.
    fn permits(&mut self, frame: usize, bitrate: u64) -> bool {
        let frame = frame as u64;
        self.octets = (self.octets + bitrate / 8 / u64::from(RATE)).min(2 * frame);
        let permitted = self.octets >= frame;
        if permitted {
            self.octets -= frame;
        }
        permitted
    }
}

#[cfg(test)]
mod tests {
    use srtp::payload::{Codec, dimensions};

    use super::*;

    #[test]
    fn a_webp_picture_is_a_vp8_key_frame() {
        let frame = encode(&draw(Duration::from_secs(3)), 40.0).unwrap();
        // RFC 6386 §9.1: the lowest bit of the frame tag is 0, then the start code and the size.
        assert_eq!(frame[0] & 1, 0);
        assert_eq!(frame[3..6], [0x9d, 0x01, 0x2a]);
        assert_eq!(dimensions(Codec::Vp8, &frame), Some((320, 240)));
    }

    #[test]
    fn the_quality_settles_at_the_rate() {
        for bitrate in [MIN_BITRATE, 500_000] {
            let mut quality = Quality::default();
            let mut octets = 0;
            for frame in 0..60 {
                let payload =
                    encode(&draw(Duration::from_millis(frame * 66)), quality.value).unwrap();
                octets = payload.len();
                quality.learn(octets, bitrate);
            }
            let rate = octets as u64 * 8 * u64::from(RATE);
            let settled = quality.value == *Quality::RANGE.start()
                || quality.value == *Quality::RANGE.end()
                || (bitrate * 7 / 10..=bitrate * 12 / 10).contains(&rate);
            assert!(settled, "{bitrate}: {rate} at quality {}", quality.value);
        }
    }

    #[test]
    fn a_slow_path_gets_fewer_frames() {
        let mut allowance = Allowance::default();
        let sent = (0..150).filter(|_| allowance.permits(3000, 180_000)).count();
        // 1500 octets for each frame of 3000.
        assert!((74..=76).contains(&sent), "{sent}");
        let mut allowance = Allowance::default();
        assert_eq!((0..150).filter(|_| allowance.permits(3000, 1_000_000)).count(), 150);
    }

    #[test]
    fn timestamps_follow_the_clock_and_wrap() {
        let start = Instant::now();
        assert_eq!(timestamp(start, start), RtpTimestamp(0));
        assert_eq!(timestamp(start, start + Duration::from_secs(2)), RtpTimestamp(180_000));
        let day = start + Duration::from_secs(86_400);
        assert_eq!(timestamp(start, day), RtpTimestamp(86_400_u32.wrapping_mul(90_000)));
    }

    #[test]
    fn containers_that_lie_hold_no_frame() {
        for webp in
            [&b"RIFF"[..], b"RIFF\0\0\0\0WEBPVP8 \xff\0\0\0a", b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0"]
        {
            assert_eq!(key_frame(webp), None);
        }
    }
}
