//! Media of a connection: SRTP around the engine, and the application's verbs.
//!
//! RFC 5764 §4.2 (keys from DTLS), RFC 8827 §6.5 (never without encryption). The work is done in
//! `srtp` and `media`.
//!
//! ```text
//!   DTLS connected ─► keying material ─► Keys
//!   datagram ─► validated? ─► Keys.inbound ─► parse ─► Media ─► recv_media, events
//!   path     ◄──────────────── Keys.outbound ◄─────────── Media ◄─ send_frame, send_packet
//! ```
//!
//! - Without keys nothing is taken and nothing is sent: a packet in the clear has no way in
//!   (row 61), and there is none out.
//! - What does not verify changes nothing; what does is a sign of life.
//!
//! Book: the chapters on RTP and SRTP.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use dtls::Authenticated;
use srtp::{MasterKey, Profile, rtcp, rtp};
use tracing::debug;

use super::{Connection, Datagram, Event, Life};
use crate::media::engine::{MediaEvent, Outgoing};
use crate::media::{
    EncodedFrame, MediaError, MediaPacket, ReceiveMode, Received, Rid, TransceiverId,
};
use crate::{Error, Protocol};

/// The keys of both directions.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) profile: Profile,
    outbound: srtp::Outbound,
    inbound: srtp::Inbound,
}

impl Connection {
    /// Sends a frame.
    ///
    /// # Errors
    /// Nothing can be sent on this transceiver now, or not this.
    pub fn send_frame(
        &mut self,
        now: Instant,
        id: TransceiverId,
        frame: EncodedFrame,
    ) -> Result<(), MediaError> {
        self.must_carry_media()?;
        self.media.send_frame(now, id, &frame)
    }

    /// Forwards a packet that came on another transceiver, maybe of another connection. Its numbers
    /// are mapped onto ours: gaps are kept, and when the source changes they go on without a jump.
    ///
    /// # Errors
    /// Nothing can be sent on this transceiver now, or nothing of this codec.
    pub fn send_packet(
        &mut self,
        now: Instant,
        id: TransceiverId,
        packet: &MediaPacket,
    ) -> Result<(), MediaError> {
        self.must_carry_media()?;
        self.media.send_packet(now, id, packet)
    }

    /// Live media does not wait for a connection.
    fn must_carry_media(&self) -> Result<(), MediaError> {
        let is_ready =
            self.life == Life::Running && self.keys.is_some() && self.paths.path().is_some();
        if is_ready { Ok(()) } else { Err(MediaError::NotSending) }
    }

    /// The next frame or packet of a transceiver.
    pub fn recv_media(&mut self, now: Instant, id: TransceiverId) -> Option<Received> {
        let _ = now;
        self.media.recv(id)
    }

    /// In what form a transceiver delivers what it receives. Nothing is delivered unless asked for.
    pub fn set_receive_mode(&mut self, now: Instant, id: TransceiverId, mode: ReceiveMode) {
        self.media.set_receive_mode(now, id, mode);
    }

    /// Asks the peer for a keyframe (RFC 4585 §6.3.1), not more often than makes sense.
    pub fn request_keyframe(&mut self, now: Instant, id: TransceiverId, rid: Option<&Rid>) {
        self.media.request_keyframe(now, id, rid);
    }

    /// What is agreed on for media has changed.
    pub(super) fn configure_media(&mut self, now: Instant) {
        self.media.configure(now, self.negotiation.sections().to_vec());
        let lives = |id| self.negotiation.transceiver(id).is_some_and(|info| !info.stopped);
        self.media.retain(lives);
    }

    /// The keys come with the proof of who the peer is (RFC 5764 §4.2). Without a profile in common
    /// there is none, and no media.
    pub(crate) fn start_media(&mut self, proof: &Authenticated) {
        let Some(dtls) = self.handshake.connection() else { return };
        let (Some(material), Some(info)) = (dtls.srtp_keying_material(proof), dtls.info()) else {
            return;
        };
        let Some(profile) = Profile::from_id(material.profile().0) else { return };
        let client = MasterKey::new(profile, material.client_key(), material.client_salt());
        let server = MasterKey::new(profile, material.server_key(), material.server_salt());
        let (Ok(client), Ok(server)) = (client, server) else { return };
        let (ours, theirs) = match info.role {
            dtls::Role::Client => (client, server),
            dtls::Role::Server => (server, client),
        };
        let outbound = srtp::Outbound::new(&ours);
        let inbound = srtp::Inbound::new(&theirs);
        debug!(profile = profile.name(), "SRTP");
        self.keys = Some(Keys { profile, outbound, inbound });
    }

    /// Takes RTP and RTCP: only what is encrypted, and comes from where the peer has proven to be.
    pub(super) fn handle_media(
        &mut self,
        now: Instant,
        protocol: Protocol,
        datagram: Datagram,
    ) -> Result<(), Error> {
        let path = datagram.path();
        if !self.paths.is_validated(path) {
            return Err(Error::Unvalidated);
        }
        let handled = self.open(now, protocol, datagram.payload);
        match &handled {
            Ok(()) => self.paths.received_from(now, path),
            Err(_) => {
                self.traffic.media_discarded = self.traffic.media_discarded.wrapping_add(1);
            }
        }
        handled
    }

    // ANCHOR: open
    fn open(
        &mut self,
        now: Instant,
        protocol: Protocol,
        mut packet: BytesMut,
    ) -> Result<(), Error> {
        let Some(keys) = &mut self.keys else { return Err(Error::UnexpectedMedia) };
        if protocol == Protocol::Rtcp {
            keys.inbound.unprotect_rtcp(&mut packet)?;
            self.media.handle_rtcp(now, rtcp::parse(&packet.freeze())?);
            return Ok(());
        }
        keys.inbound.unprotect_rtp(&mut packet)?;
        let octets = packet.len();
        let mut packet = rtp::Packet::parse(&packet.freeze())?;
        // A payload is a slice of its datagram: a small one would hold a large one (row 3).
        if packet.payload.len() < octets / 2 {
            packet.payload = Bytes::copy_from_slice(&packet.payload);
        }
        if self.media.handle_rtp(now, packet) { Ok(()) } else { Err(Error::UnexpectedMedia) }
    }
    // ANCHOR_END: open

    /// The next packet of media, sealed.
    pub(crate) fn poll_media(&mut self, now: Instant) -> Option<Bytes> {
        let keys = self.keys.as_mut()?;
        loop {
            let (sealed, packet) = match self.media.poll_transmit(now)? {
                Outgoing::Rtp(mut packet) => (keys.outbound.protect_rtp(&mut packet), packet),
                Outgoing::Rtcp(mut packet) => (keys.outbound.protect_rtcp(&mut packet), packet),
            };
            match sealed {
                Ok(()) => return Some(packet.freeze()),
                Err(error) => debug!(%error, "media not sent"),
            }
        }
    }

    /// Timers of media, and the round trip as ICE knows it.
    pub(super) fn handle_media_timeout(&mut self, now: Instant) {
        let mut pairs = self.paths.agent().pair_stats();
        if let Some(pair) = pairs.find(|pair| pair.selected)
            && !pair.counters.current_round_trip_time.is_zero()
        {
            self.media.set_round_trip(pair.counters.current_round_trip_time);
        }
        drop(pairs);
        self.media.handle_timeout(now);
    }

    /// When media has something to do: nothing while it cannot be sent.
    pub(super) fn poll_media_timeout(&self) -> Option<Instant> {
        let is_ready = self.keys.is_some() && self.paths.path().is_some();
        is_ready.then(|| self.media.poll_timeout())?
    }

    /// The next news of media.
    pub(super) fn poll_media_event(&mut self) -> Option<Event> {
        Some(match self.media.poll_event()? {
            MediaEvent::Readable(id) => Event::MediaReadable(id),
            MediaEvent::KeyframeRequested(id, rid) => Event::KeyframeRequested(id, rid),
            MediaEvent::TargetBitrate(target) => Event::TargetBitrate(target),
        })
    }
}
