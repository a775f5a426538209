//! A packet goes out (RFC 9260 §6.1, §6.10).
//!
//! ```text
//!   COOKIE ECHO | COOKIE ACK, HEARTBEAT, ERROR … , SACK, FORWARD-TSN, RE-CONFIG, SHUTDOWN, DATA …
//! ```
//!
//! Control chunks come before DATA, retransmissions before what is new. A packet is filled as far
//! as the windows allow, padding counted. Nothing is allocated if there is nothing to send.
//!
//! Book: the chapter on reliability.

use std::time::Instant;

use bytes::Bytes;

use super::Association;
use super::send_queue::Next;
use super::state::State;
use super::tcb::Tcb;
use crate::Stats;
use crate::wire::{Body, CommonHeader, CookieEcho, Data, PacketWriter, Sack, VerificationTag};

/// Packets that wait to be sent alone. They are answers; a flood of questions gets this many.
const MAX_ALONE: usize = 4;

/// The least of a large message worth filling the rest of a packet with, octets.
const MIN_FRAGMENT: usize = 128;

impl Association {
    /// The next packet for DTLS. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        let packet = match self.alone.pop_front() {
            Some(packet) => packet,
            None => self.build(now)?,
        };
        self.stats.packets_sent = self.stats.packets_sent.saturating_add(1);
        self.stats.octets_sent = self.stats.octets_sent.saturating_add(packet.len() as u64);
        Some(packet)
    }

    /// Queues a packet with this chunk only.
    pub(super) fn send_alone(&mut self, tag: VerificationTag, chunk: &impl Body) {
        if self.alone.len() >= MAX_ALONE {
            return;
        }
        let mut packet = PacketWriter::new(&self.header(tag), self.config.max_packet_size);
        if packet.push(chunk) {
            self.alone.push_back(packet.finish());
        }
    }

    fn header(&self, tag: VerificationTag) -> CommonHeader {
        CommonHeader {
            source_port: self.config.local_port,
            destination_port: self.config.remote_port,
            verification_tag: tag,
        }
    }

    fn build(&mut self, now: Instant) -> Option<Bytes> {
        self.advance_shutdown(now);
        let header = self.header(self.state.tcb()?.remote.tag);
        let writer = || PacketWriter::new(&header, self.config.max_packet_size);
        if let State::CookieEchoed(tcb, echo) = &mut self.state {
            if !std::mem::take(&mut echo.due) {
                return None;
            }
            let mut packet = writer();
            // It was checked to fit when it arrived.
            let _ = packet.push(&CookieEcho { cookie: echo.cookie.clone() });
            tcb.write_control(&mut packet);
            return Some(packet.finish());
        }
        let shutdown = Self::shutdown_chunk(&self.state);
        let may_send_data = self.state.may_send_data();
        let tcb = self.state.tcb_mut()?;
        // Looking for DATA abandons what is not worth it any more.
        let data = may_send_data && tcb.may_send_data(now);
        let given_up = tcb.outstanding.take_abandoned() + tcb.send_queue.take_expired();
        self.stats.messages_abandoned = self.stats.messages_abandoned.saturating_add(given_up);
        let shutdown = shutdown.filter(|_| std::mem::take(&mut tcb.shutdown_due));
        if !data && shutdown.is_none() && !tcb.has_control(now) {
            return None;
        }
        let mut packet = writer();
        tcb.write_control(&mut packet);
        if tcb.inbound.sack_is_due(now) || (data && tcb.inbound.sack_is_pending()) {
            tcb.write_sack(&mut packet);
        }
        tcb.write_forward(&mut packet);
        tcb.write_reconfig(now, &mut packet);
        if let Some(shutdown) = shutdown {
            tcb.shutdown_due = !packet.push(&shutdown);
        }
        if data {
            tcb.write_data(now, &mut packet, &mut self.stats);
        }
        // RFC 9260 §6.3.2 R1; a FORWARD-TSN is repeated by T3, too.
        if tcb.t3.is_none() && !tcb.outstanding.is_empty() {
            tcb.t3 = Some(now + tcb.round_trip.timeout());
        }
        (!packet.is_empty()).then(|| packet.finish())
    }
}

impl Tcb {
    /// Whether anything but DATA and SHUTDOWN is to be sent.
    fn has_control(&self, now: Instant) -> bool {
        !self.control.is_empty()
            || self.inbound.sack_is_due(now)
            || self.outstanding.forward_is_due()
            || self.reconfig.is_due(&self.send_queue)
    }

    fn write_control(&mut self, packet: &mut PacketWriter) {
        while let Some(chunk) = self.control.front() {
            if !packet.push(chunk) {
                break;
            }
            self.control.pop();
        }
    }

    fn write_sack(&mut self, packet: &mut PacketWriter) {
        if !packet.fits(Sack::FIXED_LENGTH) {
            return;
        }
        let room = packet.remaining().saturating_sub(4 + Sack::FIXED_LENGTH);
        let sack = self.inbound.sack(room);
        // It was made to fit.
        let _ = packet.push(&sack);
    }

    fn write_forward(&mut self, packet: &mut PacketWriter) {
        if !self.outstanding.forward_is_due() {
            return;
        }
        let Some(forward) = self.outstanding.forward_tsn() else { return };
        if !packet.push(&forward) {
            self.outstanding.forward_again();
        }
    }

    fn write_reconfig(&mut self, now: Instant, packet: &mut PacketWriter) {
        if !self.reconfig.is_due(&self.send_queue) || !packet.fits(super::reconfig::MAX_LENGTH) {
            return;
        }
        let timeout = self.round_trip.timeout();
        let chunk = self.reconfig.chunk(now, timeout, &self.outstanding, &mut self.send_queue);
        if let Some(chunk) = chunk {
            // It was made to fit.
            let _ = packet.push(&chunk);
        }
    }

    /// Whether a DATA chunk can go out now. Abandons on the way what is not worth it any more.
    fn may_send_data(&mut self, now: Instant) -> bool {
        // Abandoning makes room, so it comes first.
        let lost = self.next_lost(now);
        if self.free_packet && lost.is_some() {
            return true;
        }
        let window = self.congestion.window();
        if self.outstanding.flight() >= window {
            return false;
        }
        let something_waits = lost.is_some() || self.next_new(now).is_some();
        if something_waits && self.burst.is_spent() {
            if let Some(round_trip) = self.round_trip.smoothed() {
                self.burst.wait(now, round_trip, self.largest_payload, window);
            }
            return false;
        }
        something_waits
    }

    /// Octets of the next chunk to retransmit.
    fn next_lost(&mut self, now: Instant) -> Option<usize> {
        loop {
            match self.outstanding.next_lost(now) {
                Ok(next) => return next,
                Err(_unfinished) => self.give_up(),
            }
        }
    }

    /// Octets left of the message to send next, if the remote endpoint has room.
    fn next_new(&mut self, now: Instant) -> Option<usize> {
        if self.outstanding.is_full() {
            return None;
        }
        let octets = loop {
            match self.send_queue.next(now) {
                Next::Nothing => return None,
                Next::Octets(octets) => break octets,
                Next::Expired => self.give_up(),
            }
        };
        // RFC 9260 §6.1 A: one chunk may always be on its way, to learn of room again.
        let fits = self.remote_room() >= octets.min(self.largest_payload);
        (fits || self.outstanding.is_empty()).then_some(octets)
    }

    /// Gives up the message being sent, sent fragments and unsent rest.
    fn give_up(&mut self) {
        if let Some(end) = self.send_queue.give_up() {
            self.outstanding.abandon_unfinished(end);
        }
    }

    fn write_data(&mut self, now: Instant, packet: &mut PacketWriter, stats: &mut Stats) {
        self.age_window(now);
        let free = std::mem::take(&mut self.free_packet);
        let mut written = false;
        loop {
            let in_window = self.outstanding.flight() < self.congestion.window();
            if let Some(octets) = self.next_lost(now) {
                if !(in_window || free) || !packet.fits(octets + Data::OVERHEAD - 4) {
                    break;
                }
                let immediate = self.congestion.is_small();
                let Some(data) = self.outstanding.retransmit(immediate) else { break };
                stats.retransmissions = stats.retransmissions.saturating_add(1);
                written |= packet.push(&data);
                continue;
            }
            if !in_window {
                break;
            }
            let Some(octets) = self.next_new(now) else { break };
            let Some(length) = self.fragment_length(octets, packet) else { break };
            let Some(sent) = self.send_queue.take(length) else { break };
            // With a small window the remote endpoint's delay would leave the path idle.
            let immediate = self.congestion.is_small();
            let data = self.outstanding.push(now, sent, immediate);
            written |= packet.push(&data);
        }
        if written {
            self.burst.sent();
            self.last_data = now;
            self.heartbeat.postpone(now);
        }
    }

    /// How much of a message of `octets` goes into what is left of the packet.
    fn fragment_length(&self, octets: usize, packet: &PacketWriter) -> Option<usize> {
        // The chunk is padded to a multiple of four, inside the packet's size.
        let room = (packet.remaining() & !3).saturating_sub(Data::OVERHEAD);
        if octets <= room {
            return Some(octets);
        }
        // A message that fits into a packet is not cut, except a large one that is cut anyway.
        let cut = octets > self.largest_payload && room >= MIN_FRAGMENT;
        cut.then_some(room)
    }

    /// RFC 9260 §7.2.1: a window not used for long is halved for each RTO of silence.
    fn age_window(&mut self, now: Instant) {
        if !self.outstanding.is_empty() {
            return;
        }
        let timeout = self.round_trip.timeout();
        let mut silence = now.saturating_duration_since(self.last_data);
        // 64 halvings are enough for any window.
        for _ in 0..64 {
            if silence < timeout {
                break;
            }
            self.congestion.idle();
            silence = silence.saturating_sub(timeout);
        }
    }
}
