//! What an application may choose: W3C `RTCConfiguration`, and some more.
//!
//! RFC 8827 §6.5 (one certificate may serve many connections); RFC 9429 §4.1.1.
//! Book: the chapter on the pump.

use std::sync::Arc;
use std::time::Duration;

use crate::SetupRole;

/// The parameters of a connection. The default suits a call with a browser.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our certificate, which connections may share; `None`: a new one for this connection.
    pub certificate: Option<Arc<dtls::Certificate>>,
    /// The STUN and TURN servers to gather from (`iceServers`). Read by the
    /// [`Endpoint`](crate::Endpoint), which gathers; a connection alone is told what was found.
    pub ice_servers: Vec<IceServer>,
    /// Which candidates may be used (`iceTransportPolicy`).
    pub ice_transport_policy: IceTransportPolicy,
    /// Be an ICE-lite agent (RFC 8445 §2.5): for servers that everybody can reach. It answers checks
    /// and sends none.
    pub ice_lite: bool,
    /// Tell the peer `.local` names in place of this machine's addresses, as browsers do: only who is in
    /// the same network can look them up, and others reach us at what servers have seen of us.
    pub hide_addresses: bool,
    /// Our DTLS role where the peer's offer leaves the choice to us. Active, the default, saves a
    /// round trip (RFC 9429 §5.3.1 recommends it).
    pub answer_role: SetupRole,
    /// The timers of ICE.
    pub ice: ice::Timing,
    /// What time it is when the connection is made, as time since the beginning of 1970: reports of
    /// media carry it (RFC 3550 §6.4.1). Zero, the default, does as well; the driver sets it.
    pub since_unix_epoch: Duration,
    /// The association and the data channels, with the largest message we accept.
    pub data: sctp::channel::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            certificate: None,
            ice_servers: Vec::new(),
            ice_transport_policy: IceTransportPolicy::All,
            ice_lite: false,
            hide_addresses: false,
            answer_role: SetupRole::Active,
            ice: ice::Timing::default(),
            since_unix_epoch: Duration::ZERO,
            data: sctp::channel::Config::default(),
        }
    }
}

/// A STUN or TURN server: W3C `RTCIceServer`, with one URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// Where it is and what it is.
    pub url: stun::Uri,
    /// Who we are to a TURN server (`username` and `credential`).
    pub user: Option<ice::User>,
}

/// Which candidates may be used: W3C `RTCIceTransportPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IceTransportPolicy {
    /// All.
    #[default]
    All,
    /// Relayed ones alone: the peer learns no address of this machine.
    Relay,
}
