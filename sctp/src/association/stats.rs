//! Figures about an association, for `getStats` and for the curious.

use std::time::Duration;

/// Counters since birth and gauges of this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Packets handed to [`crate::Association::poll_transmit`]'s caller.
    pub packets_sent: u64,
    /// Packets that were understood.
    pub packets_received: u64,
    /// Octets of these packets.
    pub octets_sent: u64,
    /// Octets of the packets that were understood.
    pub octets_received: u64,
    /// Messages taken by `send`.
    pub messages_sent: u64,
    /// Messages completed, whether or not they were read yet.
    pub messages_received: u64,
    /// DATA chunks sent again.
    pub retransmissions: u64,
    /// Times the retransmission timer expired.
    pub timeouts: u64,
    /// Messages given up by their reliability (RFC 3758).
    pub messages_abandoned: u64,
    /// Smoothed round-trip time (RFC 9260 §6.3.1), once measured.
    pub smoothed_round_trip_time: Option<Duration>,
    /// Congestion window, octets (RFC 9260 §7.2).
    pub congestion_window: usize,
    /// What the remote endpoint still has room for, octets.
    pub remote_window: usize,
    /// What we still have room for, octets.
    pub local_window: usize,
    /// Octets held for the application and for reassembly, bookkeeping included.
    pub held: usize,
    /// Octets of payload sent and not acknowledged.
    pub outstanding: usize,
    /// Octets of payload waiting to be sent or acknowledged.
    pub send_buffered: usize,
}
