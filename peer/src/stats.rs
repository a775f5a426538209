//! Figures of a connection, as `getStats` of a browser reports them.
//!
//! W3C webrtc-stats: the members have its names when serialised (`bytesSent`,
//! `currentRoundTripTime`, …). Times are in seconds, as there.
//!
//! Everything is read out of the layers when asked for; only datagrams are counted here.
//! Book: the chapter on the pump.

mod candidates;

use std::time::Instant;

use sctp::channel::{ChannelId, ChannelState};
use serde::Serialize;

pub use crate::media::stats::{
    CodecStats, InboundRtpStats, MediaStats, OutboundRtpStats, RemoteInboundRtpStats,
};
use crate::{ChannelInfo, Connection, ConnectionState, IceConnectionState, SetupRole};
use candidates::IceStats;
pub use candidates::{CandidatePairStats, CandidateStats};

/// Datagrams, counted where they pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Datagrams given to `poll_transmit`'s caller.
    pub packets_sent: u64,
    /// Octets of them.
    pub bytes_sent: u64,
    /// Datagrams that were taken.
    pub packets_received: u64,
    /// Octets of them.
    pub bytes_received: u64,
    /// Datagrams that were refused, for whatever reason.
    pub packets_discarded: u64,
    /// Of these: RTP and RTCP, not encrypted, not authentic, replayed, or of nothing agreed on.
    pub media_discarded: u64,
}

impl Traffic {
    pub(crate) fn sent(&mut self, octets: usize) {
        self.packets_sent = self.packets_sent.wrapping_add(1);
        self.bytes_sent = self.bytes_sent.wrapping_add(octets as u64);
    }

    pub(crate) fn received(&mut self, octets: usize) {
        self.packets_received = self.packets_received.wrapping_add(1);
        self.bytes_received = self.bytes_received.wrapping_add(octets as u64);
    }
}

/// All figures of a connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// `connectionState`.
    pub state: ConnectionState,
    /// ICE and DTLS: `RTCTransportStats`.
    pub transport: TransportStats,
    /// The pair data goes on: `RTCIceCandidatePairStats`.
    pub selected_candidate_pair: Option<CandidatePairStats>,
    /// All pairs, the best first.
    pub candidate_pairs: Vec<CandidatePairStats>,
    /// Our candidates: `RTCIceCandidateStats` of type `local-candidate`.
    pub local_candidates: Vec<CandidateStats>,
    /// The peer's, as far as there are pairs with them: `remote-candidate`.
    pub remote_candidates: Vec<CandidateStats>,
    /// SCTP, once it has begun: `RTCSctpTransportStats` of webrtc-extensions, and more.
    pub sctp: Option<SctpStats>,
    /// Audio and video: `RTCInboundRtpStreamStats` and its kin.
    pub media: MediaStats,
    /// The certificates of both ends: `RTCCertificateStats`.
    pub certificates: CertificatesStats,
    /// Channels of which not all has been told: `RTCDataChannelStats`, in order of opening.
    pub data_channels: Vec<DataChannelStats>,
}

/// The transport: everything on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportStats {
    /// Datagrams and octets.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// `controlling` or `controlled`.
    pub ice_role: &'static str,
    /// The state of ICE.
    pub ice_state: IceConnectionState,
    /// The pair data goes on.
    pub selected_candidate_pair_id: Option<String>,
    /// Our user name fragment.
    pub ice_local_username_fragment: String,
    /// `client`, `server` or `unknown`.
    pub dtls_role: &'static str,
    /// `new`, `connecting` or `connected`.
    pub dtls_state: &'static str,
    /// `FEFD` is DTLS 1.2.
    pub tls_version: Option<String>,
    /// IANA's name of the cipher suite.
    pub dtls_cipher: Option<&'static str>,
    /// IANA's name of the key exchange group.
    pub dtls_group: Option<&'static str>,
    /// IANA's name of the SRTP profile.
    pub srtp_cipher: Option<&'static str>,
    /// DTLS flights sent again.
    pub dtls_retransmissions: u64,
    /// DTLS records dropped: replayed, undecryptable, out of place.
    pub dtls_records_discarded: u64,
}

/// The certificates of both ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificatesStats {
    /// Ours.
    pub local: CertificateStats,
    /// The peer's, once it has shown it.
    pub remote: Option<CertificateStats>,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStats {
    /// Pairs of hexadecimal digits with colons between (RFC 8122 §5).
    pub fingerprint: String,
    /// `sha-256`.
    pub fingerprint_algorithm: &'static str,
}

impl CertificateStats {
    fn new(der: &[u8]) -> Self {
        let algorithm = dtls::HashAlgorithm::Sha256;
        let pairs = dtls::Fingerprint::of(algorithm, der);
        let pairs: Vec<_> = pairs.digest().iter().map(|octet| format!("{octet:02X}")).collect();
        Self { fingerprint: pairs.join(":"), fingerprint_algorithm: algorithm.name() }
    }
}

/// The association.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SctpStats {
    /// Smoothed round trip, seconds, once measured (RFC 9260 §6.3.1).
    pub smoothed_round_trip_time: Option<f64>,
    /// Congestion window, octets.
    pub congestion_window: usize,
    /// What the peer has room for, octets.
    pub receiver_window: usize,
    /// Octets sent and not acknowledged.
    pub unack_data: usize,
    /// Octets that wait here, unsent or unacknowledged.
    pub send_buffered: usize,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets received.
    pub packets_received: u64,
    /// DATA chunks sent again.
    pub retransmissions: u64,
    /// Times the retransmission timer expired.
    pub timeouts: u64,
    /// Messages given up by their channel's options (RFC 3758).
    pub messages_abandoned: u64,
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataChannelStats {
    /// Its options and stream.
    #[serde(flatten)]
    pub info: ChannelInfo,
    /// `connecting`, `open`, `closing` or `closed`.
    pub state: &'static str,
    /// Messages sent.
    pub messages_sent: u64,
    /// Octets of them.
    pub bytes_sent: u64,
    /// Messages the application has taken.
    pub messages_received: u64,
    /// Octets of them.
    pub bytes_received: u64,
    /// Octets that wait to be sent.
    pub buffered_amount: usize,
}

impl Connection {
    /// The figures of this moment (`getStats`).
    #[must_use]
    pub fn get_stats(&self, now: Instant) -> Stats {
        let _ = now;
        let ice = IceStats::new(&self.paths);
        Stats {
            state: self.connection_state(),
            transport: self.transport_stats(ice.selected.as_ref()),
            selected_candidate_pair: ice.selected,
            candidate_pairs: ice.pairs,
            local_candidates: ice.local,
            remote_candidates: ice.remote,
            sctp: self.channels.stats().map(SctpStats::from),
            media: self.media.stats(),
            certificates: self.certificate_stats(),
            data_channels: self.channel_ids().filter_map(|id| self.channel_stats(id)).collect(),
        }
    }

    fn transport_stats(&self, selected: Option<&CandidatePairStats>) -> TransportStats {
        let agent = self.paths.agent();
        let dtls = self.handshake.connection();
        let info = dtls.and_then(dtls::Connection::info);
        let records = dtls.map(dtls::Connection::stats).unwrap_or_default();
        TransportStats {
            traffic: self.traffic,
            ice_role: match agent.role() {
                ice::Role::Controlling => "controlling",
                ice::Role::Controlled => "controlled",
            },
            ice_state: self.ice_connection_state(),
            selected_candidate_pair_id: selected.map(|pair| pair.id.clone()),
            ice_local_username_fragment: agent.local_credentials().ufrag.clone(),
            dtls_role: match self.role {
                None => "unknown",
                Some(SetupRole::Active) => "client",
                Some(SetupRole::Passive) => "server",
            },
            dtls_state: match (dtls, self.handshake.proof()) {
                (None, _) => "new",
                (Some(_), None) => "connecting",
                (Some(_), Some(_)) => "connected",
            },
            tls_version: info.map(|info| format!("{:04X}", info.version.0)),
            dtls_cipher: info.map(|info| info.cipher_suite),
            dtls_group: info.map(|info| info.group),
            srtp_cipher: self.keys.as_ref().map(|keys| keys.profile.name()),
            dtls_retransmissions: records.retransmissions,
            dtls_records_discarded: records.discarded,
        }
    }

    fn certificate_stats(&self) -> CertificatesStats {
        let info = self.handshake.connection().and_then(dtls::Connection::info);
        CertificatesStats {
            local: CertificateStats::new(self.handshake.certificate().der()),
            remote: info.map(|info| CertificateStats::new(&info.remote_certificate)),
        }
    }

    fn channel_stats(&self, id: ChannelId) -> Option<DataChannelStats> {
        let stats = self.channels.channel_stats(id)?;
        Some(DataChannelStats {
            info: self.channel(id)?,
            state: match self.channels.state(id) {
                ChannelState::Connecting => "connecting",
                ChannelState::Open => "open",
                ChannelState::Closing => "closing",
                ChannelState::Closed => "closed",
            },
            messages_sent: stats.messages_sent,
            bytes_sent: stats.octets_sent,
            messages_received: stats.messages_received,
            bytes_received: stats.octets_received,
            buffered_amount: self.channels.buffered_amount(id),
        })
    }
}

impl From<sctp::Stats> for SctpStats {
    fn from(stats: sctp::Stats) -> Self {
        Self {
            smoothed_round_trip_time: stats.smoothed_round_trip_time.map(|time| time.as_secs_f64()),
            congestion_window: stats.congestion_window,
            receiver_window: stats.remote_window,
            unack_data: stats.outstanding,
            send_buffered: stats.send_buffered,
            packets_sent: stats.packets_sent,
            packets_received: stats.packets_received,
            retransmissions: stats.retransmissions,
            timeouts: stats.timeouts,
            messages_abandoned: stats.messages_abandoned,
        }
    }
}
