//! What an association can be told at its birth, with the reasons for the defaults.

use std::time::Duration;

use crate::wire::Port;

/// Parameters of an association (RFC 9260 §16), with values fit for WebRTC by default.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our port. Over DTLS it names no socket; `a=sctp-port` says it (RFC 8841 §5). Default 5000.
    pub local_port: Port,
    /// The remote port. Default 5000.
    pub remote_port: Port,
    /// Octets of the largest packet we send, header and padding counted. Default 1191: with DTLS,
    /// UDP and IPv6 around it, it passes a path with an MTU of 1280. At least
    /// [`Config::MIN_PACKET_SIZE`], whatever is set.
    pub max_packet_size: usize,
    /// Octets we are willing to hold for the application and for reassembly: the a_rwnd of our
    /// INIT (RFC 9260 §3.3.2). Bookkeeping is counted too. Default 4 MiB: 40 ms at 100 MB/s.
    pub receive_window: u32,
    /// Octets of the largest message we accept: `a=max-message-size` of our description
    /// (RFC 8841 §6). A larger one is thrown away and reported. Default 256 KiB, as Chrome.
    pub max_message_size: usize,
    /// Octets of the largest message the remote endpoint accepts: `a=max-message-size` of its
    /// description. Default 65536, which is what the attribute's absence means (RFC 8841 §6.1).
    pub remote_max_message_size: usize,
    /// Octets that may wait in this endpoint, unsent or unacknowledged, before
    /// [`crate::SendError::BufferFull`]. Bookkeeping is counted too. Default 16 MiB, as Chrome.
    pub send_buffer: usize,
    /// The retransmission timer.
    pub rto: Rto,
    /// Streams we ask for (RFC 9260 §3.3.2). Default 65535 (RFC 8831 §6.2).
    pub outbound_streams: u16,
    /// Streams we accept. Default 65535.
    pub inbound_streams: u16,
    /// How long a SACK may wait for company. RFC 9260 §6.2 allows 200 ms; default 50 ms, because a
    /// remote endpoint may run its retransmission timer at 200 ms.
    pub sack_delay: Duration,
    /// How long a state cookie is good for (RFC 9260 §16, Valid.Cookie.Life). Default 60 s.
    pub cookie_lifetime: Duration,
    /// INIT or COOKIE ECHO retransmissions before giving up (RFC 9260 §16,
    /// Max.Init.Retransmits). Default 20: a minute, until ICE has certainly decided.
    pub max_init_retransmits: u32,
    /// Consecutive retransmission timeouts before giving up on an established association
    /// (RFC 9260 §8.1, Association.Max.Retrans). Default `None`, as Chrome: a mobile outage of a
    /// minute must not be fatal; whether the path is alive is for ICE to decide (RFC 7675).
    pub max_retransmits: Option<u32>,
    /// SHUTDOWN or SHUTDOWN ACK retransmissions before closing anyway. Default 5.
    pub max_shutdown_retransmits: u32,
    /// Idle time between heartbeats (RFC 9260 §8.3, HB.interval). Default 30 s; `None`: never.
    pub heartbeat_interval: Option<Duration>,
}

impl Config {
    /// Below this a packet could not carry an INIT ACK with its cookie.
    pub const MIN_PACKET_SIZE: usize = 512;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            local_port: Port(5000),
            remote_port: Port(5000),
            max_packet_size: 1191,
            receive_window: 4 << 20,
            max_message_size: 256 << 10,
            remote_max_message_size: 65_536,
            send_buffer: 16 << 20,
            rto: Rto::default(),
            outbound_streams: u16::MAX,
            inbound_streams: u16::MAX,
            sack_delay: Duration::from_millis(50),
            cookie_lifetime: Duration::from_secs(60),
            max_init_retransmits: 20,
            max_retransmits: None,
            max_shutdown_retransmits: 5,
            heartbeat_interval: Some(Duration::from_secs(30)),
        }
    }
}

/// Retransmission timeout (RFC 9260 §6.3, §16). The RFC's 1 s, 1 s and 60 s are made for telephone
/// networks; these are Chrome's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rto {
    /// Before the first measurement. Default 500 ms.
    pub initial: Duration,
    /// Lower bound. Default 400 ms: above the 200 ms for which a remote endpoint may hold a SACK.
    pub min: Duration,
    /// Upper bound of the measured timeout, and of the doubling at each expiry. Default 3 s: after
    /// an outage the transfer goes on three seconds later at the latest.
    pub max: Duration,
}

impl Default for Rto {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            min: Duration::from_millis(400),
            max: Duration::from_secs(3),
        }
    }
}
