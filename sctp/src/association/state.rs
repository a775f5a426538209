//! The states of an association (RFC 9260 §4).

use std::time::Instant;

use bytes::Bytes;

use super::inbound_streams::InboundStreams;
use super::retry::Retry;
use super::tcb::Tcb;

/// Where the association stands; each state holds what exists in it.
///
/// ```text
///                     CLOSED ─────────── connect ──────────► COOKIE-WAIT
///                       │                send INIT               │
///                       │                                        │ INIT ACK
///    valid COOKIE ECHO  │  (also from COOKIE-WAIT,               │ send COOKIE ECHO
///    send COOKIE ACK    │   when both sides called)              ▼
///                       │                                  COOKIE-ECHOED
///                       ▼                                        │
///                  ESTABLISHED ◄──────── COOKIE ACK ─────────────┘
///                    │     │
///           shutdown │     │ SHUTDOWN
///                    ▼     ▼
///     SHUTDOWN-PENDING     SHUTDOWN-RECEIVED
///     nothing outstanding  nothing outstanding
///        send SHUTDOWN     send SHUTDOWN ACK
///                    ▼     ▼
///        SHUTDOWN-SENT ──► SHUTDOWN-ACK-SENT     (── ►: SHUTDOWN of both crossed)
///        SHUTDOWN ACK      SHUTDOWN COMPLETE
///        send SHUTDOWN     │
///            COMPLETE│     │
///                    ▼     ▼
///                    CLOSED: here Dead, it never opens again       (also by ABORT from anywhere)
/// ```
// ANCHOR: states
#[derive(Debug)]
pub(crate) enum State {
    /// An INIT is answered; nothing was sent yet.
    Closed,
    /// INIT was sent, T1-init runs.
    CookieWait(Retry),
    /// COOKIE ECHO was sent, T1-cookie runs.
    CookieEchoed(Box<Tcb>, Echo),
    /// Messages flow.
    Established(Box<Tcb>),
    /// We want to close; what was sent must be acknowledged first.
    ShutdownPending(Box<Tcb>),
    /// SHUTDOWN was sent, T2-shutdown runs.
    ShutdownSent(Box<Tcb>, Retry),
    /// The remote endpoint wants to close; what we sent must be acknowledged first.
    ShutdownReceived(Box<Tcb>),
    /// SHUTDOWN ACK was sent, T2-shutdown runs.
    ShutdownAckSent(Box<Tcb>, Retry),
    /// The end. What arrived whole can still be read.
    Dead(InboundStreams),
}
// ANCHOR_END: states

/// A COOKIE ECHO on its way.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) cookie: Bytes,
    pub(crate) timer: Retry,
    /// It is to be sent (again).
    pub(crate) due: bool,
}

impl State {
    /// The RFC's name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::CookieWait(_) => "COOKIE-WAIT",
            Self::CookieEchoed(..) => "COOKIE-ECHOED",
            Self::Established(_) => "ESTABLISHED",
            Self::ShutdownPending(_) => "SHUTDOWN-PENDING",
            Self::ShutdownSent(..) => "SHUTDOWN-SENT",
            Self::ShutdownReceived(_) => "SHUTDOWN-RECEIVED",
            Self::ShutdownAckSent(..) => "SHUTDOWN-ACK-SENT",
            Self::Dead(_) => "dead",
        }
    }

    /// The association's variables, in the states that have them.
    pub(crate) fn tcb(&self) -> Option<&Tcb> {
        match self {
            Self::Closed | Self::CookieWait(_) | Self::Dead(_) => None,
            Self::CookieEchoed(tcb, _)
            | Self::Established(tcb)
            | Self::ShutdownPending(tcb)
            | Self::ShutdownSent(tcb, _)
            | Self::ShutdownReceived(tcb)
            | Self::ShutdownAckSent(tcb, _) => Some(tcb),
        }
    }

    /// The association's variables, in the states that have them.
    pub(crate) fn tcb_mut(&mut self) -> Option<&mut Tcb> {
        match self {
            Self::Closed | Self::CookieWait(_) | Self::Dead(_) => None,
            Self::CookieEchoed(tcb, _)
            | Self::Established(tcb)
            | Self::ShutdownPending(tcb)
            | Self::ShutdownSent(tcb, _)
            | Self::ShutdownReceived(tcb)
            | Self::ShutdownAckSent(tcb, _) => Some(tcb),
        }
    }

    /// What arrived, for the application to read.
    pub(crate) fn inbox(&self) -> Option<&InboundStreams> {
        match self {
            Self::Dead(streams) => Some(streams),
            _ => self.tcb().map(|tcb| &tcb.inbound.streams),
        }
    }

    /// Whether DATA may be sent: RFC 9260 §6 "only in ESTABLISHED, SHUTDOWN-PENDING and
    /// SHUTDOWN-RECEIVED".
    pub(crate) fn may_send_data(&self) -> bool {
        matches!(self, Self::Established(_) | Self::ShutdownPending(_) | Self::ShutdownReceived(_))
    }

    /// The state's own timer.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::CookieWait(timer)
            | Self::CookieEchoed(_, Echo { timer, .. })
            | Self::ShutdownSent(_, timer)
            | Self::ShutdownAckSent(_, timer) => Some(timer.deadline()),
            _ => None,
        }
    }
}
