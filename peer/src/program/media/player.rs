//! Playing a file in real time.
//!
//! ```text
//!  file ► a batch of frames (a thread that may block) ► each at its time ► Transceiver::send_frame
//!           ▲                                                 │
//!           └──── from the beginning again, for `peer serve` ─┘
//! ```
//!
//! A frame goes when its time stamp says, counted from a start that the sound and the picture of a
//! call share. When the machine was asleep the start moves, so that nothing is sent in a rush. A
//! viewer that asks for a keyframe gets the next one in the file: an encoder that could make one is
//! not here.
//!
//! Book: the chapter on RTP.

use std::time::Duration;

use peer::Transceiver;
use peer::media::{Codec, EncodedFrame};
use srtp::RtpTimestamp;
use tokio::time::Instant;
use tracing::debug;

use super::file::{FileError, MediaFile, OpenFile, Sample, clock_rate};
use crate::program::failure::{Explain, Failure};

/// Frames read at once: the thread pool is asked about once a second.
const BATCH: usize = 32;

/// Octets read at once, with the frame that exceeds them.
const BATCH_OCTETS: usize = 512 << 10;

/// How late a frame may be and still be sent in its old rhythm.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Whether a file begins again when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It is played once: `peer call`.
    Never,
    /// It is played again and again: `peer serve`.
    Forever,
}

/// Plays `file` on `transceiver`, which is connected, from `start` on. Ends with the file or with
/// the transceiver.
pub(crate) async fn play(
    transceiver: &Transceiver,
    file: &MediaFile,
    mut start: Instant,
    repeat: Repeat,
) -> Result<(), Failure> {
    let Some(codec) = sent_codec(transceiver).await.filter(|codec| file.codecs().contains(codec))
    else {
        let (path, codecs) = (file.path().display(), file.codecs());
        return Err(Failure::new(format!("the peer does not take {path} ({codecs:?})")));
    };
    let rate = clock_rate(codec);
    // Time stamps go on where the round before ended.
    let mut round = Round::default();
    loop {
        let mut open = file.play(codec).map_err(|error| Failure::new(error.to_string()))?;
        loop {
            let (samples, rest) = read(open).await?;
            open = rest;
            if samples.is_empty() {
                break;
            }
            for Sample { payload, timestamp } in samples {
                let ticks = round.place(timestamp);
                let due = start + duration(ticks, rate);
                let delay = Instant::now().saturating_duration_since(due);
                if delay > MAX_DELAY {
                    start += delay;
                }
                tokio::time::sleep_until(due).await;
                // Modulo 2^32, as RTP's timestamps are.
                let timestamp =
                    RtpTimestamp(u32::try_from(ticks & u64::from(u32::MAX)).unwrap_or(0));
                if transceiver.send_frame(EncodedFrame { payload, timestamp, rid: None }).is_err() {
                    return Ok(());
                }
            }
        }
        round.end(rate);
        if repeat == Repeat::Never {
            // The last frame is shown, or heard, for its time too.
            tokio::time::sleep_until(start + duration(round.base, rate)).await;
            return Ok(());
        }
        debug!(file = %file.path().display(), "from the beginning");
    }
}

/// The codec that was agreed on for what we send.
pub(crate) async fn sent_codec(transceiver: &Transceiver) -> Option<Codec> {
    let info = transceiver.info().await.ok()?;
    info.send_codec.map(|parameters| parameters.codec)
}

/// The next frames of a file, none at its end, and the rest of it.
async fn read(mut file: OpenFile) -> Result<(Vec<Sample>, OpenFile), Failure> {
    let reading = tokio::task::spawn_blocking(move || {
        let (mut samples, mut octets) = (Vec::new(), 0);
        while samples.len() < BATCH && octets < BATCH_OCTETS {
            let Some(sample) = file.next_sample()? else { break };
            octets += sample.payload.len();
            samples.push(sample);
        }
        Ok((samples, file))
    });
    let outcome: Result<_, FileError> = reading.await.explain(|| "the reader has failed".into())?;
    outcome.map_err(|error| Failure::new(error.to_string()))
}

fn duration(ticks: u64, rate: u32) -> Duration {
    let rate = u64::from(rate);
    Duration::from_secs(ticks / rate) + Duration::from_nanos(ticks % rate * 1_000_000_000 / rate)
}

/// Where the times of one round through the file lie among those of all rounds.
#[derive(Debug, Default)]
struct Round {
    /// Ticks of the rounds before.
    base: u64,
    /// The last two times in this one.
    last: Option<(u64, u64)>,
}

impl Round {
    fn place(&mut self, timestamp: u64) -> u64 {
        let before = self.last.map_or(timestamp, |(_, last)| last);
        self.last = Some((before, timestamp));
        self.base.saturating_add(timestamp)
    }

    /// The next round begins as long after the last frame as that was after the one before it. A
    /// file of one frame lasts a second.
    fn end(&mut self, rate: u32) {
        if let Some((before, last)) = self.last.take() {
            let step = if last > before { last - before } else { u64::from(rate) };
            self.base = self.base.saturating_add(last).saturating_add(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_follow_each_other_without_a_seam() {
        let mut round = Round::default();
        let times: Vec<u64> = [0, 960, 1920].map(|time| round.place(time)).to_vec();
        assert_eq!(times, [0, 960, 1920]);
        round.end(48_000);
        assert_eq!(round.place(0), 2880);
        round.end(48_000);
        assert_eq!(round.place(0), 2880 + 48_000, "a file of one frame");
    }

    #[test]
    fn ticks_become_time_without_drift() {
        assert_eq!(duration(48_000 * 3600, 48_000), Duration::from_secs(3600));
        assert_eq!(duration(3, 90_000), Duration::from_nanos(33_333));
        assert!(duration(u64::MAX, 90_000) > Duration::from_secs(1 << 40));
    }
}
