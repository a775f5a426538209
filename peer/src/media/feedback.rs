//! RTCP both ways: reports, and what either end asks the other for.
//!
//! RFC 3550 §6 (reports), RFC 4585 (feedback), RFC 5506 (single packets), RFC 3611 §4.4, §4.5
//! (round trips of those that only receive).
//!
//! ```text
//!   every second or so          at once
//!   ┌────┬──────┬──────┐        ┌──────────┐ reduced size, if agreed
//!   │ SR │ SDES │ (XR) │        │ NACK PLI │
//!   └────┴──────┴──────┘        └──────────┘
//!   ┌────┬──────┬──────┐        ┌────┬──────┬──────────┐ else
//!   │ RR │ SDES │ (XR) │        │ RR │ SDES │ NACK PLI │
//!   └────┴──────┴──────┘        └────┴──────┴──────────┘
//! ```
//!
//! - The time between reports is drawn anew each time, between half and one and a half seconds, so
//!   that many ends do not speak at once (RFC 3550 §6.2).
//! - What one datagram can make us do is bounded: numbers looked up, requests heeded.
//!
//! DEVIATION RFC 3550 §6.2: one second on average instead of five at least. §6.2 allows less for
//! sessions with bandwidth, and congestion control by reports needs it.
//! Book: the chapter on feedback.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use srtp::{SequenceNumber, Ssrc, rtcp};

use super::clock::{middle, round_trip, to_short};
use super::engine::{Content, Media};
use super::outbound::Source;

/// The average time between reports.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Report blocks in one report: five bits count them (RFC 3550 §6.4.1).
const MAX_BLOCKS: usize = 31;

/// Missing numbers looked up for one datagram: as many as a stream has in a second or two.
const MAX_WANTED: usize = 1024;

/// Requests for keyframes heeded in one datagram: there are not more sources.
const MAX_REQUESTS: usize = 32;

/// Feedback packets that wait; more of ours is never useful at once.
const MAX_FEEDBACK: usize = 64;

/// A longer round trip is a lie, or no conversation.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(3);

/// Receivers whose reference times we answer.
const MAX_REFERENCE_TIMES: usize = 8;

/// The type of a canonical name in a source description (RFC 3550 §6.5.1).
const CNAME: u8 = 1;

impl Media {
    /// Takes the packets of a compound.
    pub(crate) fn handle_rtcp(&mut self, now: Instant, packets: Vec<rtcp::Packet>) {
        let (mut wanted, mut requests) = (MAX_WANTED, MAX_REQUESTS);
        for packet in packets {
            match packet {
                rtcp::Packet::SenderReport(report) => {
                    if let Some(stream) = self.streams.get_mut(&report.ssrc)
                        && let Content::Media(inbound) = &mut stream.content
                    {
                        inbound.reception.reported(now, &report);
                    }
                    self.handle_blocks(now, &report.reports);
                }
                rtcp::Packet::ReceiverReport(report) => self.handle_blocks(now, &report.reports),
                rtcp::Packet::Nack(nack) => {
                    let numbers = nack.entries.iter().flat_map(missing_numbers).take(wanted);
                    let numbers: Vec<_> = numbers.collect();
                    wanted -= numbers.len();
                    self.resend(now, nack.media, numbers.into_iter());
                }
                rtcp::Packet::PictureLoss(loss) if requests > 0 => {
                    requests -= 1;
                    if let Some(source) = self.sources.get_mut(&loss.media) {
                        source.counters.picture_losses += 1;
                        source.wish.make(now);
                    }
                }
                rtcp::Packet::FullIntraRequest(request) => {
                    for (ssrc, number) in request.entries.iter().take(requests) {
                        requests -= 1;
                        if let Some(source) = self.sources.get_mut(ssrc) {
                            source.full_intra_request(now, *number);
                        }
                    }
                }
                rtcp::Packet::TransportFeedback(feedback) => {
                    self.congestion.handle_feedback(now, &feedback);
                }
                rtcp::Packet::EstimatedBitrate(estimate) => {
                    self.congestion.handle_remb(now, estimate.bitrate);
                }
                rtcp::Packet::ExtendedReport(report) => self.handle_extended(now, &report),
                rtcp::Packet::Goodbye(goodbye) => {
                    for ssrc in &goodbye.ssrcs {
                        if let Some(stream) = self.streams.get_mut(ssrc)
                            && let Content::Media(inbound) = &mut stream.content
                        {
                            inbound.end();
                        }
                    }
                }
                _ => {}
            }
        }
        self.heed_wishes(now);
        self.follow_target(now);
    }

    /// How the peer receives our sources.
    fn handle_blocks(&mut self, now: Instant, blocks: &[rtcp::ReportBlock]) {
        let arrival = self.clock.middle(now);
        for block in blocks {
            let mut sources = self.sources.values_mut();
            let Some(source) = sources.find(|source| source.has(block.ssrc)) else { continue };
            let (is_media, measured) =
                (source.local.ssrc == block.ssrc, source.reported(arrival, block));
            if let Some(measured) = measured {
                self.measured(measured);
            }
            if is_media {
                let fraction = f64::from(block.fraction_lost) / 256.0;
                self.congestion.handle_loss(now, fraction, self.round_trip);
            }
        }
    }

    /// RFC 6298 §2.3: an eighth of the new measurement.
    fn measured(&mut self, round_trip: Duration) {
        let measured = round_trip.min(MAX_ROUND_TRIP);
        let is_first = !std::mem::replace(&mut self.is_measured, true);
        self.round_trip = if is_first { measured } else { (self.round_trip * 7 + measured) / 8 };
    }

    fn handle_extended(&mut self, now: Instant, report: &rtcp::ExtendedReport) {
        for block in report.blocks.iter().take(MAX_REQUESTS) {
            match block {
                rtcp::ReportExtension::ReferenceTime(time) => {
                    self.reference_times.retain(|(ssrc, ..)| *ssrc != report.ssrc);
                    if self.reference_times.len() < MAX_REFERENCE_TIMES {
                        self.reference_times.push_back((report.ssrc, middle(*time), now));
                    }
                }
                rtcp::ReportExtension::Delay(delays) => {
                    let reporter = self.sender();
                    let delays = delays.iter().take(MAX_REQUESTS);
                    for (_, last, delay) in delays.filter(|(ssrc, ..)| *ssrc == reporter) {
                        if let Some(measured) = round_trip(self.clock.middle(now), *last, *delay) {
                            self.measured(measured);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Who speaks for us: a source that sends, else a number of its own.
    pub(super) fn sender(&self) -> Ssrc {
        let mut senders = self.sources.values().filter(|source| source.is_sender());
        senders.next().map_or(self.reporter, |source| source.local.ssrc)
    }

    /// Feedback leaves with the next packet.
    pub(super) fn push_feedback(&mut self, packet: rtcp::Packet) {
        if self.feedback.len() < MAX_FEEDBACK {
            self.feedback.push_back(packet);
        }
    }

    /// Writes what waits: feedback of sources in one compound, that of the transport in its own.
    pub(super) fn collect_feedback(&mut self, now: Instant) {
        if !self.feedback.is_empty() {
            let packets: Vec<_> = self.feedback.drain(..).collect();
            self.send_feedback(packets);
        }
        let sender = self.sender();
        let media = self.streams.keys().next().copied().unwrap_or(Ssrc(0));
        while let Some(feedback) = self.recorder.poll_feedback(now, sender, media) {
            self.send_feedback(vec![rtcp::Packet::TransportFeedback(feedback)]);
        }
    }

    /// Alone if that is agreed on, else behind an empty report (RFC 3550 §6.1).
    fn send_feedback(&mut self, packets: Vec<rtcp::Packet>) {
        let is_reduced = self.sections.values().all(|section| section.reduced_size);
        let mut compound = Vec::new();
        if !is_reduced {
            let ssrc = self.sender();
            let report = rtcp::ReceiverReport { ssrc, reports: Vec::new() };
            compound.push(rtcp::Packet::ReceiverReport(report));
            compound.push(self.description(&[ssrc]));
        }
        compound.extend(packets);
        self.send_compound(&compound);
    }

    fn send_compound(&mut self, packets: &[rtcp::Packet]) {
        self.outbox.push_back(BytesMut::from(&rtcp::write(packets)[..]));
    }

    fn description(&self, ssrcs: &[Ssrc]) -> rtcp::Packet {
        let chunk = |ssrc: &Ssrc| rtcp::SdesChunk {
            ssrc: *ssrc,
            items: vec![(CNAME, Bytes::clone(&self.cname))],
        };
        rtcp::Packet::SourceDescription(ssrcs.iter().map(chunk).collect())
    }

    /// Reports on everything, if it is time (RFC 3550 §6.4).
    pub(super) fn report(&mut self, now: Instant) {
        if self.next_report.is_none_or(|next| next > now) {
            return;
        }
        let interval = self.rng.random_range(0.5..1.5);
        self.next_report = Some(now + REPORT_INTERVAL.mul_f64(interval));
        let mut blocks = self.report_blocks(now);
        let clock = self.clock;
        let reports: Vec<_> = self
            .sources
            .values_mut()
            .filter_map(|source| source.sender_report(now, &clock))
            .collect();
        for mut report in reports {
            report.reports = blocks.split_off(blocks.len().saturating_sub(MAX_BLOCKS));
            let ssrc = report.ssrc;
            self.send_report(now, ssrc, rtcp::Packet::SenderReport(report));
        }
        // Nothing is sent, or there is more to say.
        while !blocks.is_empty() {
            let reports = blocks.split_off(blocks.len().saturating_sub(MAX_BLOCKS));
            let ssrc = self.sender();
            let report = rtcp::ReceiverReport { ssrc, reports };
            self.send_report(now, ssrc, rtcp::Packet::ReceiverReport(report));
        }
    }

    fn send_report(&mut self, now: Instant, ssrc: Ssrc, report: rtcp::Packet) {
        let mut compound = vec![report, self.description(&[ssrc])];
        let answer = |(ssrc, time, at): (Ssrc, u32, Instant)| {
            (ssrc, time, to_short(now.saturating_duration_since(at)))
        };
        let delays: Vec<_> = self.reference_times.drain(..).map(answer).collect();
        if !delays.is_empty() {
            let blocks = vec![rtcp::ReportExtension::Delay(delays)];
            compound.push(rtcp::Packet::ExtendedReport(rtcp::ExtendedReport { ssrc, blocks }));
        }
        self.send_compound(&compound);
    }

    fn report_blocks(&mut self, now: Instant) -> Vec<rtcp::ReportBlock> {
        let block = |(ssrc, stream): (&Ssrc, &mut super::engine::Stream)| match &mut stream.content
        {
            Content::Media(inbound) => inbound.reception.report(now, *ssrc),
            Content::Repair { reception, .. } => reception.report(now, *ssrc),
        };
        self.streams.iter_mut().filter_map(block).collect()
    }

    /// Says farewell for all our sources (RFC 3550 §6.6).
    pub(super) fn say_goodbye(&mut self) {
        let senders = self.sources.values().filter(|source| source.is_sender());
        let ssrcs: Vec<_> =
            senders.map(|source: &Source| source.local.ssrc).take(MAX_BLOCKS).collect();
        let Some(first) = ssrcs.first().copied() else { return };
        let report = rtcp::ReceiverReport { ssrc: first, reports: Vec::new() };
        let goodbye = rtcp::Goodbye { ssrcs, reason: None };
        let compound = [
            rtcp::Packet::ReceiverReport(report),
            self.description(&[first]),
            rtcp::Packet::Goodbye(goodbye),
        ];
        self.send_compound(&compound);
    }
}

/// The numbers of a NACK's entry (RFC 4585 §6.2.1).
fn missing_numbers(entry: &rtcp::NackEntry) -> impl Iterator<Item = SequenceNumber> + use<> {
    let rtcp::NackEntry { packet_id, bitmap } = *entry;
    let follows = (0..16_u16).filter(move |bit| bitmap >> bit & 1 == 1);
    [packet_id].into_iter().chain(follows.map(move |bit| packet_id.advance(bit + 1)))
}
