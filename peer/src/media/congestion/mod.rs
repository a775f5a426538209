//! Congestion control: how much may be sent, when each packet leaves, and what the receiver reports.
//!
//! draft-ietf-rmcat-gcc-02 ("Google Congestion Control"), as browsers have it today;
//! draft-holmer-rmcat-transport-wide-cc-extensions-01 for the numbers and the feedback.
//!
//! ```text
//!                          target ► encoders
//!   sender                   ▲
//!            ┌───────────────┴ CongestionControl ───────────────────────────────┐
//!            │  history ► grouping ► trendline ► detector ► rate ─┐             │
//!            │     │    ► throughput ──────────────────────► rate ├► min ► target
//!            │     │    ► loss ───────────────────────────────────┤             │
//!            │     │    ► probe_meter ► probing ──► rate     REMB ┘             │
//!            └──▲──┼──────────────────────────┬─────────────────────────────▲───┘
//!               │  │ packet_sent              │ pacing rate, probes         │ handle_feedback
//!     packets ──┼──┴────────────────────────► Pacer ──► network             │
//!   ............│...........................................│...............│.............
//!   receiver    └───── transport-wide number ───────────────▼               │
//!                                                    FeedbackRecorder ──────┘ every 50 ms
//! ```
//!
//! Queues that grow show in the delay before they show in loss: the sender slows down when packets
//! arrive further and further apart than they were sent, and no queue stands. The owner turns the
//! wheel after each input:
//!
//! ```text
//!   pacer.set_rate(control.pacing_rate());
//!   if let Some(probe) = control.poll_probe(now):
//!       pacer.begin_probe(now, probe)
//!   while let Some(paced) = pacer.poll(now):
//!       number = control.next_sequence_number(), written into the packet
//!       control.packet_sent(now, number, octets, paced.is_probe)
//!   while pacer.poll_padding(now, octets of the padding packet at hand):
//!       the same, as a probe; where there is nothing to pad with: pacer.end_probe()
//! ```
//!
//! Book: the chapter on congestion.

mod application;
mod bitrate;
mod capacity;
mod control;
mod detector;
mod grouping;
mod history;
mod loss;
mod pacer;
mod probe_meter;
mod probing;
mod rate;
mod recorder;
#[cfg(test)]
mod simulation;
mod throughput;
mod trendline;

pub(crate) use bitrate::Bitrate;
pub(crate) use control::CongestionControl;
pub(crate) use pacer::{Class, Paced, Pacer};
pub(crate) use probing::Probe;
pub(crate) use recorder::FeedbackRecorder;

/// Where the target begins and between what it stays, in bits a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bitrates {
    pub(crate) start: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Default for Bitrates {
    /// What browsers begin with; and the least that speech needs.
    fn default() -> Self {
        Self { start: 300_000, min: 30_000, max: 20_000_000 }
    }
}

impl Bitrates {
    fn start(self) -> Bitrate {
        self.clamp(Bitrate::bps(self.start))
    }

    fn max(self) -> Bitrate {
        Bitrate::bps(self.max)
    }

    fn clamp(self, rate: Bitrate) -> Bitrate {
        rate.max(Bitrate::bps(self.min)).min(self.max())
    }
}
