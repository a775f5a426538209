//! What an application may choose.
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
            answer_role: SetupRole::Active,
            ice: ice::Timing::default(),
            since_unix_epoch: Duration::ZERO,
            data: sctp::channel::Config::default(),
        }
    }
}
