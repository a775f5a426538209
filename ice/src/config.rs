//! What an owner may choose: the role at the start, the timers, the limits.

use std::time::Duration;

use crate::role::Role;

/// The configuration of an [`Agent`](crate::Agent).
#[derive(Debug, Clone)]
pub struct Config {
    /// The role to begin with: the offerer is controlling (RFC 8445 §6.1.1).
    pub role: Role,
    /// Full, or lite for a server that everybody can reach.
    pub mode: Mode,
    /// The timers.
    pub timing: Timing,
    /// Candidate pairs at most (RFC 8445 §6.1.2.5: configurable, 100 by default).
    pub max_pairs: usize,
}

impl Config {
    /// The defaults of the RFCs, for `role`.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self { role, mode: Mode::Full, timing: Timing::default(), max_pairs: 100 }
    }
}

/// How much of ICE the agent does (RFC 8445 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// All of it.
    #[default]
    Full,
    /// Answers checks and sends none: for a host with public addresses, whose owner says `a=ice-lite`.
    ///
    /// It is controlled, and data goes on the pair that the peer nominates (RFC 8445 §7.3.2, §8.2). It
    /// asks for no consent (RFC 7675 §1); the peer's own checks, which renew the peer's consent, stand
    /// for it: when none has come for [`Timing::consent_timeout`], data stops.
    ///
    /// DEVIATION RFC 8445 §8.2: two lite agents would send data unchecked; here they do not connect,
    /// for nobody has consented to anything.
    Lite,
}

/// The timers of an agent. [`Timing::default`] holds the values of the RFCs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Ta, the time from one check to the next (RFC 8445 §14.2: 50 ms).
    pub ta: Duration,
    /// The least time to the first retransmission of a check (RFC 8445 §14.3: 500 ms).
    pub rto: Duration,
    /// How long the controlling agent waits for a better pair once it has a valid one
    /// (RFC 8445 §8.1.1 leaves it open).
    pub nomination_wait: Duration,
    /// The same when the valid pair goes through a relay, which is the last resort and often the
    /// first to work.
    pub relay_nomination_wait: Duration,
    /// The mean time between consent checks (RFC 7675 §5.1: 5 s).
    pub consent_interval: Duration,
    /// How long a response gives consent (RFC 7675 §5.1: 30 s).
    pub consent_timeout: Duration,
    /// Silence on the selected pair after which the connection counts as disconnected. Longer than
    /// the longest time between two consent checks, 6 s, or every connection would flicker.
    pub disconnected_after: Duration,
    /// How long we wait for connectivity at the least before we give up: the PAC timer
    /// (RFC 8863 §4: the timeout of a check, 39.5 s).
    pub patience: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ta: Duration::from_millis(50),
            rto: Duration::from_millis(500),
            nomination_wait: Duration::from_millis(200),
            relay_nomination_wait: Duration::from_secs(2),
            consent_interval: Duration::from_secs(5),
            consent_timeout: Duration::from_secs(30),
            disconnected_after: Duration::from_secs(7),
            patience: Duration::from_millis(39_500),
        }
    }
}
