//! What a connection is told at its birth. Defaults are those of a WebRTC call.
//!
//! Book: "The handshake and keys".

use std::sync::Arc;
use std::time::Duration;

use crate::v12::key_exchange::GROUPS;
use crate::v12::suite::Suite;
use crate::wire::{CipherSuite, NamedGroup};
use crate::{Certificate, Fingerprint, SrtpProfile};

/// Which side of the handshake we are: the `setup` attribute of SDP decides (RFC 8842).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends the ClientHello: `active`.
    Client,
    /// Awaits it: `passive`.
    Server,
}

impl Role {
    /// The other side.
    #[must_use]
    pub fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The parameters of a connection.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our side.
    pub role: Role,
    /// Our certificate and key; many connections may share one.
    pub certificate: Arc<Certificate>,
    /// The fingerprints in the peer's description; one of them must be its certificate's
    /// (RFC 8122 §5.1). Empty: every peer is refused.
    pub remote_fingerprints: Vec<Fingerprint>,
    /// SRTP profiles in our order of preference, which decides when we are the server (RFC 5764
    /// §4.1.1). Offered in calls with only data channels too, as browsers do. Empty: no use_srtp.
    pub srtp_profiles: Vec<SrtpProfile>,
    /// Cipher suites in our order of preference; those this crate does not know are ignored.
    pub cipher_suites: Vec<CipherSuite>,
    /// Key exchange groups in our order of preference; those this crate does not know are ignored.
    pub groups: Vec<NamedGroup>,
    /// As server, ask for a cookie first (RFC 6347 §4.2.1). Off: ICE has validated the path.
    pub hello_verify: bool,
    /// Octets of the largest datagram of a handshake; 1200 fits every path that WebRTC works on.
    pub mtu: usize,
    /// First interval of the retransmission timer; it doubles.
    ///
    /// DEVIATION RFC 6347 §4.2.4.1: 100 ms instead of one second. The path has just been validated
    /// by ICE, which knows its round trip to be short; browsers start at 50 ms.
    pub retransmit_initial: Duration,
    /// Longest interval of the retransmission timer.
    ///
    /// DEVIATION RFC 6347 §4.2.4.1: 1 s instead of 60 s. That is the rate the RFC itself begins with,
    /// one or two datagrams a second, and it gives a flight 30 tries before the handshake's time is
    /// up: with 40 % of all datagrams lost, eight tries (what doubling to 10 s leaves) fail too often.
    pub retransmit_max: Duration,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

impl Config {
    /// The defaults of a WebRTC call.
    #[must_use]
    pub fn new(
        role: Role,
        certificate: Arc<Certificate>,
        remote_fingerprints: Vec<Fingerprint>,
    ) -> Self {
        Self {
            role,
            certificate,
            remote_fingerprints,
            srtp_profiles: vec![
                SrtpProfile::SRTP_AEAD_AES_128_GCM,
                SrtpProfile::SRTP_AEAD_AES_256_GCM,
                SrtpProfile::SRTP_AES128_CM_HMAC_SHA1_80,
            ],
            cipher_suites: Suite::ALL.map(Suite::number).to_vec(),
            groups: GROUPS.to_vec(),
            hello_verify: false,
            mtu: 1200,
            retransmit_initial: Duration::from_millis(100),
            retransmit_max: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(30),
        }
    }

    /// The suites that are also this crate's, in order.
    pub(crate) fn suites(&self) -> impl Iterator<Item = Suite> + '_ {
        self.cipher_suites.iter().filter_map(|&number| Suite::from_wire(number))
    }

    /// The groups that are also this crate's, in order.
    pub(crate) fn known_groups(&self) -> impl Iterator<Item = NamedGroup> + '_ {
        self.groups.iter().copied().filter(|group| GROUPS.contains(group))
    }
}
