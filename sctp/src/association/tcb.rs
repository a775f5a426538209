//! The variables of an association that exists on both sides (RFC 9260 §14: the TCB).

use std::time::Instant;

use super::congestion::{Burst, Congestion};
use super::control::Control;
use super::heartbeat::HeartbeatTimer;
use super::inbound::Inbound;
use super::outstanding::Outstanding;
use super::reconfig::Reconfig;
use super::rtt::RoundTrip;
use super::send_queue::SendQueue;
use crate::Config;
use crate::wire::{CommonHeader, Data, SkippedStream, Tsn, VerificationTag};

/// What an endpoint chose for itself in its INIT or INIT ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// What packets to it must carry.
    pub(crate) tag: VerificationTag,
    /// Its first TSN.
    pub(crate) initial_tsn: Tsn,
}

/// What the remote INIT or INIT ACK said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) tag: VerificationTag,
    pub(crate) initial_tsn: Tsn,
    /// a_rwnd.
    pub(crate) window: u32,
    /// Streams from us to it: what we want and it accepts.
    pub(crate) outbound_streams: u16,
    /// Streams from it to us.
    pub(crate) inbound_streams: u16,
    /// It understands FORWARD-TSN (RFC 3758 §3.3).
    pub(crate) forward_tsn: bool,
    /// It understands RE-CONFIG (RFC 6525 §5.1.1).
    pub(crate) re_config: bool,
}

/// The variables.
#[derive(Debug)]
pub(crate) struct Tcb {
    pub(crate) remote: Remote,
    pub(crate) send_queue: SendQueue,
    pub(crate) outstanding: Outstanding,
    pub(crate) inbound: Inbound,
    pub(crate) round_trip: RoundTrip,
    pub(crate) congestion: Congestion,
    pub(crate) burst: Burst,
    pub(crate) reconfig: Reconfig,
    pub(crate) heartbeat: HeartbeatTimer,
    /// Chunks to be sent once, in front of DATA.
    pub(crate) control: Control,
    /// Octets of payload in the largest DATA chunk.
    pub(crate) largest_payload: usize,
    /// a_rwnd of the last SACK.
    pub(crate) remote_window: usize,
    /// T3-rtx.
    pub(crate) t3: Option<Instant>,
    /// Expiries in a row without an answer (RFC 9260 §8.1).
    pub(crate) error_count: u32,
    /// One packet may leave whatever the window says (RFC 9260 §6.3.3 E3, §7.2.4 (3)).
    pub(crate) free_packet: bool,
    /// SHUTDOWN or SHUTDOWN ACK is to be sent (again).
    pub(crate) shutdown_due: bool,
    /// When DATA was last sent: a long silence ages the congestion window.
    pub(crate) last_data: Instant,
}

impl Tcb {
    pub(crate) fn new(now: Instant, config: &Config, local: Identity, remote: Remote) -> Self {
        // Chunks are padded to multiples of four, so no packet is filled beyond one.
        let packet = config.max_packet_size.saturating_sub(CommonHeader::LENGTH) & !3;
        let window = usize::try_from(remote.window).unwrap_or(usize::MAX);
        // A FORWARD-TSN chunk has eight octets beside its list.
        let max_skipped = packet.saturating_sub(8) / size_of::<SkippedStream>();
        Self {
            send_queue: SendQueue::default(),
            outstanding: Outstanding::new(local.initial_tsn, max_skipped),
            inbound: Inbound::new(config, remote.initial_tsn),
            round_trip: RoundTrip::new(config.rto),
            congestion: Congestion::new(packet, window),
            burst: Burst::new(),
            reconfig: Reconfig::new(local.initial_tsn, remote.initial_tsn),
            heartbeat: HeartbeatTimer::new(now, config.heartbeat_interval),
            control: Control::new(packet),
            largest_payload: packet.saturating_sub(Data::OVERHEAD),
            remote_window: window,
            t3: None,
            error_count: 0,
            free_packet: false,
            shutdown_due: false,
            last_data: now,
            remote,
        }
    }

    /// What the remote endpoint has room for beyond what is on its way to it (RFC 9260 §6.2.1).
    pub(crate) fn remote_room(&self) -> usize {
        self.remote_window.saturating_sub(self.outstanding.flight_payload())
    }

    /// Octets of memory in the send buffer.
    pub(crate) fn send_memory(&self) -> usize {
        self.send_queue.memory().saturating_add(self.outstanding.memory())
    }
}
