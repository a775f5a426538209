//! A packet comes in (RFC 9260 §6.10, §8.4, §8.5).
//!
//! First, whether it is for us at all: ports, verification tag, and the chunks that must travel
//! alone. Whatever fails that is discarded before anything changes. Then chunk by chunk.

use std::time::Instant;

use bytes::Bytes;

use super::Association;
use super::event::CloseReason;
use super::reconfig::Around;
use super::state::State;
use crate::Error;
use crate::wire::{
    Cause, CauseCode, Chunk, HeartbeatAck, OnUnknown, OperationError, Packet, Sack, StreamId,
    UnknownChunk,
};

/// Whether the rest of the packet is looked at.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    Continue,
    Stop,
}

impl Association {
    /// Takes a packet from DTLS.
    ///
    /// # Errors
    /// The packet was discarded and left no trace, except perhaps an answer to be sent.
    pub fn handle_datagram(&mut self, now: Instant, packet: Bytes) -> Result<(), Error> {
        let length = packet.len();
        let packet = Packet::parse(&packet)?;
        let header = &packet.header;
        if header.source_port != self.config.remote_port
            || header.destination_port != self.config.local_port
        {
            return Err(Error::WrongPorts);
        }
        self.admit(&packet)?;
        match packet.chunks.first() {
            Some(Chunk::Init(init)) => self.handle_init(now, header, init)?,
            Some(Chunk::CookieEcho(echo)) => self.handle_cookie_echo(now, header, echo)?,
            Some(first) if self.is_out_of_the_blue(first) => {
                return Err(self.handle_out_of_the_blue(&packet));
            }
            _ => {}
        }
        self.stats.packets_received = self.stats.packets_received.saturating_add(1);
        self.stats.octets_received = self.stats.octets_received.saturating_add(length as u64);
        for chunk in packet.chunks {
            if self.handle_chunk(now, chunk, length) == Then::Stop {
                break;
            }
        }
        self.packet_handled(now);
        Ok(())
    }

    /// Whether the tag and the company of chunks are as they must be (RFC 9260 §6.10, §8.5).
    fn admit(&self, packet: &Packet) -> Result<(), Error> {
        let tag = packet.header.verification_tag;
        let alone = packet.chunks.len() == 1;
        let bundled = packet.chunks.iter().any(|chunk| {
            matches!(chunk, Chunk::Init(_) | Chunk::InitAck(_) | Chunk::ShutdownComplete(_))
        });
        if bundled && !alone {
            return Err(Error::Bundled);
        }
        // A COOKIE ECHO elsewhere than in front would skip the checks it is due.
        if packet.chunks.iter().skip(1).any(|chunk| matches!(chunk, Chunk::CookieEcho(_))) {
            return Err(Error::Bundled);
        }
        let Some(first) = packet.chunks.first() else { return Ok(()) };
        let remote_tag = self.state.tcb().map(|tcb| tcb.remote.tag);
        // The T bit is believed of the first chunk only, behind which nothing is looked at.
        let reflected = match first {
            Chunk::Abort(abort) => abort.tag_reflected,
            Chunk::ShutdownComplete(complete) => complete.tag_reflected,
            _ => false,
        };
        let right = match first {
            // They are checked where they are handled.
            Chunk::Init(_) | Chunk::CookieEcho(_) => true,
            _ if self.is_out_of_the_blue(first) => true,
            _ if reflected => remote_tag == Some(tag),
            _ => tag == self.local.tag,
        };
        if right { Ok(()) } else { Err(Error::WrongVerificationTag) }
    }

    fn handle_chunk(&mut self, now: Instant, chunk: Chunk, packet: usize) -> Then {
        match chunk {
            // Handled before.
            Chunk::Init(_) | Chunk::CookieEcho(_) => {}
            Chunk::InitAck(ack) => {
                if let Err(error) = self.handle_init_ack(now, &ack) {
                    tracing::debug!(%error, "INIT ACK");
                }
            }
            Chunk::CookieAck(_) => self.handle_cookie_ack(),
            Chunk::Abort(abort) => {
                tracing::debug!(causes = ?abort.causes, "ABORT");
                self.die(CloseReason::RemoteAbort);
            }
            Chunk::ShutdownAck(_) => self.handle_shutdown_ack(),
            Chunk::ShutdownComplete(_) => self.handle_shutdown_complete(),
            Chunk::Shutdown(shutdown) => self.handle_shutdown(now, shutdown),
            Chunk::Sack(sack) => self.handle_sack(now, &sack),
            Chunk::Error(error) => self.handle_error(now, &error),
            Chunk::Unknown(chunk) => return self.handle_unknown(&chunk),
            chunk => return self.handle_with_tcb(now, chunk, packet),
        }
        match self.state {
            State::Dead(_) => Then::Stop,
            _ => Then::Continue,
        }
    }

    /// Chunks that only touch the association's variables.
    fn handle_with_tcb(&mut self, now: Instant, chunk: Chunk, packet: usize) -> Then {
        // RFC 9260 §9.2: after SHUTDOWN ACK or SHUTDOWN of the other side no DATA is awaited.
        let takes_data =
            !matches!(self.state, State::ShutdownReceived(_) | State::ShutdownAckSent(..));
        let is_early = matches!(self.state, State::CookieEchoed(..));
        let Some(tcb) = self.state.tcb_mut() else { return Then::Stop };
        match chunk {
            // The COOKIE ACK is lost or late; what we cannot answer yet will come again (§6).
            Chunk::Data(_) | Chunk::ForwardTsn(_) | Chunk::ReConfig(_) if is_early => {
                return Then::Stop;
            }
            Chunk::Data(data) if data.payload.is_empty() => {
                let cause = Cause::no_user_data(data.tsn);
                self.abort_with(cause, CloseReason::ProtocolViolation);
                return Then::Stop;
            }
            Chunk::Data(data) if takes_data => {
                let exists = data.stream.0 < tcb.remote.inbound_streams;
                if !exists {
                    tcb.control.push(invalid_stream(data.stream));
                }
                tcb.inbound.data(data, packet, exists, &mut self.events);
            }
            Chunk::Data(_) => {}
            // RFC 3758 §3.3: not to be used unless both sides said so.
            Chunk::ForwardTsn(forward) if tcb.remote.forward_tsn && takes_data => {
                let streams = tcb.remote.inbound_streams;
                tcb.inbound.forward(&forward, streams, &mut self.events);
            }
            Chunk::ReConfig(reconfig) if tcb.remote.re_config => {
                let around = Around {
                    now,
                    timeout: tcb.round_trip.timeout(),
                    inbound_streams: tcb.remote.inbound_streams,
                    inbound: &mut tcb.inbound,
                    queue: &mut tcb.send_queue,
                    events: &mut self.events,
                };
                tcb.reconfig.handle(reconfig, around);
            }
            Chunk::Heartbeat(heartbeat) => {
                let information = heartbeat.information;
                tcb.control.push(Chunk::HeartbeatAck(HeartbeatAck { information }));
            }
            Chunk::HeartbeatAck(ack) => {
                if let Some(time) = tcb.heartbeat.acknowledged(now, &ack.information) {
                    tcb.round_trip.measured(time);
                    tcb.error_count = 0;
                }
            }
            _ => {}
        }
        Then::Continue
    }

    /// A SACK (RFC 9260 §6.2.1), or the like of one from a SHUTDOWN.
    pub(super) fn handle_sack(&mut self, now: Instant, sack: &Sack) {
        if matches!(self.state, State::CookieEchoed(..)) {
            return;
        }
        let Some(tcb) = self.state.tcb_mut() else { return };
        let flight = tcb.outstanding.flight();
        let in_recovery = tcb.congestion.in_fast_recovery();
        let Some(news) = tcb.outstanding.acknowledge(now, sack, in_recovery) else {
            tracing::debug!(cumulative = sack.cumulative_tsn.0, "SACK is old or a lie");
            return;
        };
        let was_shut = tcb.remote_window < tcb.largest_payload;
        tcb.remote_window = usize::try_from(sack.a_rwnd).unwrap_or(usize::MAX);
        if let Some(round_trip) = news.round_trip {
            tcb.round_trip.measured(round_trip);
        }
        // Who says that there is no room is alive (RFC 9260 §6.1 A).
        if news.octets > 0 || news.advanced || sack.a_rwnd == 0 {
            tcb.error_count = 0;
            tcb.heartbeat.postpone(now);
        }
        if news.advanced {
            let cumulative = tcb.outstanding.cumulative();
            tcb.congestion.acknowledged(news.octets, flight, cumulative);
        }
        tcb.burst.acknowledged(news.octets, self.config.max_packet_size);
        if news.lost {
            let last = tcb.outstanding.last();
            tcb.free_packet |= tcb.congestion.fast_retransmit(last);
        }
        if was_shut && tcb.remote_window >= tcb.largest_payload && !news.advanced {
            tcb.window_opened(now);
        }
        // RFC 9260 §6.3.2 R2 and R3.
        if tcb.outstanding.is_empty() {
            tcb.t3 = None;
            tcb.congestion.all_acknowledged();
        } else if news.advanced {
            tcb.t3 = Some(now + tcb.round_trip.timeout());
        }
        self.advance_shutdown(now);
    }

    fn handle_error(&mut self, now: Instant, error: &OperationError) {
        tracing::debug!(causes = ?error.causes, "ERROR");
        if error.causes.iter().any(|cause| cause.code == CauseCode::STALE_COOKIE) {
            self.handle_stale_cookie(now);
        }
    }

    /// The type's two highest bits say what to do (RFC 9260 §3.2).
    fn handle_unknown(&mut self, chunk: &UnknownChunk) -> Then {
        let action = chunk.chunk_type.on_unknown();
        if action.reports()
            && let Some(tcb) = self.state.tcb_mut()
        {
            let causes = vec![Cause::unrecognized_chunk_type(chunk.to_octets())];
            tcb.control.push(Chunk::Error(OperationError { causes }));
        }
        match action {
            OnUnknown::Stop | OnUnknown::StopAndReport => Then::Stop,
            OnUnknown::Skip | OnUnknown::SkipAndReport => Then::Continue,
        }
    }

    /// What is decided once per packet: acknowledgement, deferred resets.
    fn packet_handled(&mut self, now: Instant) {
        let sent_shutdown = matches!(self.state, State::ShutdownSent(..));
        let Some(tcb) = self.state.tcb_mut() else { return };
        let data_arrived = tcb.inbound.packet_handled(now);
        // RFC 9260 §9.2: each packet with DATA is answered with SHUTDOWN.
        tcb.shutdown_due |= sent_shutdown && data_arrived;
        tcb.reconfig.tsns_arrived(&mut tcb.inbound, &mut self.events);
    }
}

/// RFC 9260 §6.5: DATA for a stream that does not exist.
fn invalid_stream(stream: StreamId) -> Chunk {
    Chunk::Error(OperationError { causes: vec![Cause::invalid_stream_identifier(stream)] })
}
