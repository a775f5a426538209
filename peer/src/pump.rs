//! The glue: what comes out of one layer goes into the next.
//!
//! ```text
//!   inward, after every input              outward, for every datagram asked for
//!   ICE news       ► the path              ICE first: its checks keep the rest alive
//!   path, terms    ► DTLS begins           SCTP packet ► DTLS record ┐
//!   DTLS connected ► SCTP and SRTP begin   DTLS record ──────────────┼► the path
//!   DTLS data      ► SCTP                  RTP, RTCP ► SRTP ─────────┘  in turns
//! ```
//!
//! Both ways are straight lines. There is no other back and forth between the layers, and no queue
//! of its own here: what waits, waits in the layer that bounds it. Each datagram asked for takes one
//! packet out of SCTP, so no record is made before it can leave.
//! Book: the chapter on the pump.

use std::time::Instant;

use bytes::Bytes;
use dtls::Authenticated;
use sctp::channel::{Role, Start};
use sctp::wire::Port;
use tracing::debug;

use crate::connection::Life;
use crate::connection::Path;
use crate::{CloseReason, Connection, SetupRole, Transmit};

impl Connection {
    /// Inward: called after every input.
    // ANCHOR: pump
    pub(crate) fn pump(&mut self, now: Instant) {
        if let Some(path) = self.paths.poll_selected(now) {
            debug!(local = %path.local, remote = %path.remote, "path");
        }
        self.handshake.begin(now, self.paths.path().is_some());
        while let Some(event) = self.handshake.poll_event() {
            match event {
                dtls::Event::Connected(proof) => {
                    self.start_media(&proof);
                    self.start_channels(now, &proof);
                }
                dtls::Event::Closed(reason) => self.begin_closing(now, closed_by_dtls(reason)),
            }
        }
        while let Some(packet) = self.handshake.recv() {
            if let Err(error) = self.channels.handle_datagram(now, packet) {
                debug!(%error, "SCTP packet discarded");
            }
        }
        self.notice_end_of_association(now);
    }
    // ANCHOR_END: pump

    /// The association's end is its last event, so it is known when the events are drained.
    fn notice_end_of_association(&mut self, now: Instant) {
        if let Some(reason) = self.association_ended {
            self.begin_closing(now, closed_by_sctp(reason));
        }
    }

    /// Outward: the next datagram for the network. Call until `None`.
    // ANCHOR: transmit
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if !matches!(self.life, Life::Running | Life::Closing(_)) {
            return None;
        }
        self.notice_end_of_association(now);
        let transmit = self.paths.poll_transmit(now).or_else(|| self.poll_path(now));
        match &transmit {
            Some(transmit) => self.traffic.sent(transmit.payload.len()),
            None => self.end_if_closing(now),
        }
        transmit
    }

    /// What goes to the peer, if there is a path with consent to send it on (RFC 7675 §5.1). Media
    /// and data take turns: neither starves the other, and each has a rate control of its own.
    fn poll_path(&mut self, now: Instant) -> Option<Transmit> {
        let Path { protocol, local, remote } = self.paths.path()?;
        let payload = if self.is_media_next || self.life != Life::Running {
            self.poll_media(now).or_else(|| self.poll_record(now))
        } else {
            self.poll_record(now).or_else(|| self.poll_media(now))
        }?;
        self.is_media_next = !self.is_media_next;
        Some(Transmit { protocol, local, remote, payload })
    }
    // ANCHOR_END: transmit

    // ANCHOR: record
    /// The next DTLS record: of the handshake, or with a packet of SCTP.
    fn poll_record(&mut self, now: Instant) -> Option<Bytes> {
        loop {
            if let Some(record) = self.handshake.poll_transmit(now) {
                return Some(record);
            }
            match self.channels.poll_transmit(now) {
                Some(packet) => {
                    if let Err(error) = self.handshake.send(now, &packet) {
                        debug!(%error, "SCTP packet not sent");
                    }
                }
                // The last word; said again, it is nothing.
                None if matches!(self.life, Life::Closing(_)) => {
                    self.handshake.close(now);
                    return self.handshake.poll_transmit(now);
                }
                None => return None,
            }
        }
    }
    // ANCHOR_END: record

    /// The farewell has left, or cannot: silence from now on.
    fn end_if_closing(&mut self, now: Instant) {
        if let Life::Closing(reason) = self.life {
            self.life = Life::Closed(reason);
            self.paths.close(now);
        }
    }

    // ANCHOR: start_channels
    /// SCTP begins with the proof of who the peer is, and with nothing less (RFC 8831 §6.1).
    pub(crate) fn start_channels(&mut self, now: Instant, _: &Authenticated) {
        let Some(terms) = self.sctp_terms else { return };
        let role = match terms.role {
            SetupRole::Active => Role::Client,
            SetupRole::Passive => Role::Server,
        };
        let start = Start {
            role,
            remote_port: Port(terms.remote_port),
            remote_max_message_size: terms.remote_max_message_size,
        };
        self.channels.start(now, start);
    }
    // ANCHOR_END: start_channels
}

/// The peer's close_notify is its wish; everything else is a failure.
fn closed_by_dtls(reason: dtls::CloseReason) -> CloseReason {
    match reason {
        dtls::CloseReason::Local => CloseReason::Local,
        dtls::CloseReason::Remote => CloseReason::Remote,
        reason => CloseReason::Dtls(reason),
    }
}

/// Browsers end an association with an ABORT when their connection is closed.
fn closed_by_sctp(reason: sctp::CloseReason) -> CloseReason {
    match reason {
        sctp::CloseReason::LocalAbort => CloseReason::Local,
        sctp::CloseReason::Shutdown | sctp::CloseReason::RemoteAbort => CloseReason::Remote,
        reason => CloseReason::Sctp(reason),
    }
}
