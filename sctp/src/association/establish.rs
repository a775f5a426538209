//! The second half of the handshake: COOKIE ECHO and COOKIE ACK (RFC 9260 §5.1.5, §5.2.4).
//!
//! The cookie is compared with the association that exists, if one does:
//!
//! | local tag | remote tag | tie tags | meaning | action |
//! |---|---|---|---|---|
//! | differs | differs | both match | the remote endpoint restarted | A: begin anew |
//! | matches | differs | any | both called; our cookie came second | B: adopt its tag |
//! | differs | matches | zero | an old cookie, late | C: discard |
//! | matches | matches | any | both called, or COOKIE ACK was lost | D: COOKIE ACK |
//!
//! (The table of RFC 9260 §5.2.4.) In COOKIE-WAIT no remote tag is known, which counts as differing.
//!
//! Book: the chapter on the association.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};

use super::Association;
use super::cookie::Cookie;
use super::event::Event;
use super::retry::Retry;
use super::state::State;
use super::tcb::Tcb;
use crate::Error;
use crate::wire::{Cause, CauseCode, Chunk, CommonHeader, CookieAck, CookieEcho, OperationError};

impl Association {
    /// A COOKIE ECHO, in any state.
    pub(super) fn handle_cookie_echo(
        &mut self,
        now: Instant,
        header: &CommonHeader,
        echo: &CookieEcho,
    ) -> Result<(), Error> {
        let (cookie, age) = self.cookies.open(now, &echo.cookie)?;
        if header.verification_tag != cookie.local.tag {
            return Err(Error::WrongVerificationTag);
        }
        // ANCHOR: cookie_echo
        let local_matches = cookie.local.tag == self.local.tag;
        let remote_tag = self.state.tcb().map(|tcb| tcb.remote.tag);
        let remote_matches = remote_tag == Some(cookie.remote.tag);
        // RFC 9260 §5.2.4 (3): age matters not if both tags match.
        if age > self.config.cookie_lifetime && !(local_matches && remote_matches) {
            self.report_stale_cookie(&cookie, age.saturating_sub(self.config.cookie_lifetime));
            return Err(Error::StaleCookie);
        }
        let ties = remote_tag.map(|tag| [self.local.tag, tag]);
        match (&self.state, local_matches, remote_matches) {
            (State::Dead(_), ..) => Err(Error::Closed),
            // Tags of an association that never came to be.
            (State::Closed, true, _) => {
                self.establish(now, cookie);
                Ok(())
            }
            (State::Closed, false, _) => Err(Error::UnexpectedCookie),
            (_, false, false) if ties == Some(cookie.tie_tags) => self.restart(now, cookie),
            (State::CookieWait(_) | State::CookieEchoed(..), true, false) => {
                self.establish(now, cookie);
                Ok(())
            }
            (State::CookieEchoed(..), true, true) => {
                self.become_established();
                self.acknowledge_cookie();
                Ok(())
            }
            (_, true, true) => {
                self.acknowledge_cookie();
                Ok(())
            }
            // Action B in later states: the remote endpoint would have changed its tag in the
            // middle of a conversation, without the restart that the table has for it.
            _ => Err(Error::UnexpectedCookie),
        }
    }
    // ANCHOR_END: cookie_echo

    /// A COOKIE ACK; unexpected outside of COOKIE-ECHOED (RFC 9260 §5.2.5).
    pub(super) fn handle_cookie_ack(&mut self) {
        if matches!(self.state, State::CookieEchoed(..)) {
            self.become_established();
        }
    }

    /// The cookie makes the association.
    fn establish(&mut self, now: Instant, cookie: Cookie) {
        self.local = cookie.local;
        let tcb = Tcb::new(now, &self.config, cookie.local, cookie.remote);
        self.enter(State::Established(Box::new(tcb)));
        self.announce();
        self.acknowledge_cookie();
    }

    /// COOKIE-ECHOED becomes ESTABLISHED, with the variables it has.
    fn become_established(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::CookieEchoed(tcb, _) => {
                self.enter(State::Established(tcb));
                self.announce();
            }
            other => self.state = other,
        }
    }

    fn announce(&mut self) {
        let Some(tcb) = self.state.tcb() else { return };
        let event = Event::Established {
            outbound_streams: tcb.remote.outbound_streams,
            inbound_streams: tcb.remote.inbound_streams,
        };
        // DATA that overtook the COOKIE ACK was taken already (RFC 9260 §6).
        self.events.push_front(event);
    }

    /// COOKIE ACK is the first chunk of its packet (RFC 9260 §5.1).
    fn acknowledge_cookie(&mut self) {
        if let Some(tcb) = self.state.tcb_mut()
            && !matches!(tcb.control.front(), Some(Chunk::CookieAck(_)))
        {
            tcb.control.push_front(Chunk::CookieAck(CookieAck));
        }
    }

    /// Action A (RFC 9260 §5.2.4.1): the remote endpoint lost its state.
    fn restart(&mut self, now: Instant, cookie: Cookie) -> Result<(), Error> {
        // Already closing: finish that instead.
        if matches!(self.state, State::ShutdownAckSent(..)) {
            if let Some(tcb) = self.state.tcb_mut() {
                let code = CauseCode::COOKIE_RECEIVED_WHILE_SHUTTING_DOWN;
                let causes = vec![Cause { code, information: Bytes::new() }];
                tcb.control.push(Chunk::Error(OperationError { causes }));
                tcb.shutdown_due = true;
            }
            return Ok(());
        }
        if !self.events.has_room() {
            return Err(Error::UnexpectedCookie);
        }
        self.local = cookie.local;
        let mut tcb = Tcb::new(now, &self.config, cookie.local, cookie.remote);
        // What arrived whole before the restart was promised to the application.
        if let Some(old) = self.state.tcb_mut() {
            tcb.inbound.streams = std::mem::take(&mut old.inbound.streams);
            tcb.inbound.streams.reset_all();
        }
        self.enter(State::Established(Box::new(tcb)));
        self.events.push(Event::Restarted);
        self.acknowledge_cookie();
        Ok(())
    }

    /// ERROR with the measure of staleness, microseconds (RFC 9260 §3.3.10.3).
    fn report_stale_cookie(&mut self, cookie: &Cookie, staleness: std::time::Duration) {
        let mut information = BytesMut::with_capacity(4);
        information.put_u32(u32::try_from(staleness.as_micros()).unwrap_or(u32::MAX));
        let code = CauseCode::STALE_COOKIE;
        let causes = vec![Cause { code, information: information.freeze() }];
        self.send_alone(cookie.remote.tag, &OperationError { causes });
    }

    /// Our cookie was too old when it arrived (RFC 9260 §5.2.6): begin again.
    pub(super) fn handle_stale_cookie(&mut self, now: Instant) {
        if matches!(self.state, State::CookieEchoed(..)) {
            self.send_init();
            self.enter(State::CookieWait(Retry::new(now, self.config.rto.max)));
        }
    }
}
