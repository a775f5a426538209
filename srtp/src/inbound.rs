//! Packets on their way in: verified, decrypted, each once. RFC 3711 §3.3, §3.4.
//!
//! ```text
//! unprotect_rtp   header ─► guess the index from SEQ ─► seen? ─► verify, decrypt ─► mark as seen
//! unprotect_rtcp  header ─► read the index ───────────► seen? ─► verify, decrypt ─► mark as seen
//!                   │                                     │             │
//!                   └── Malformed                         └── Replayed  └── Unauthentic
//! ```
//!
//! Invariant: only the last step, behind the verification, changes anything: a forged packet moves no
//! window and no rollover counter, and makes no source known. Book: the chapter on SRTP.

use std::fmt;

use bytes::BytesMut;

use crate::header::{RtpHeader, rtcp_source};
use crate::packet_index::PacketIndex;
use crate::protection::Protection;
use crate::replay::ReplayWindow;
use crate::sources::Sources;
use crate::{Error, MasterKey, Profile};

/// Opens the packets of one direction.
pub struct Inbound {
    profile: Profile,
    rtp: Protection,
    rtcp: Protection,
    /// Which packets of each source have arrived.
    rtp_sources: Sources<ReplayWindow>,
    rtcp_sources: Sources<ReplayWindow>,
}

impl Inbound {
    /// Begins with rollover counters of 0.
    #[must_use]
    pub fn new(key: &MasterKey) -> Self {
        let (rtp, rtcp) = key.session_keys();
        Self {
            profile: key.profile(),
            rtp,
            rtcp,
            rtp_sources: Sources::new(),
            rtcp_sources: Sources::new(),
        }
    }

    /// Verifies an SRTP packet, decrypts it in place and cuts off its tag.
    ///
    /// # Errors
    /// The packet is to be dropped silently. Nothing has changed but the buffer, whose content is lost.
    // ANCHOR: unprotect_rtp
    pub fn unprotect_rtp(&mut self, packet: &mut BytesMut) -> Result<(), Error> {
        let header = RtpHeader::parse(packet, self.profile.rtp_overhead())?;
        self.rtp_sources.attempt(header.ssrc, |window| {
            let index = PacketIndex::closest(header.sequence_number, window.highest())
                .ok_or(Error::KeyExhausted)?;
            let fresh = window.check(index.get()).ok_or(Error::Replayed)?;
            self.rtp.open_rtp(packet, &header, index)?;
            window.accept(fresh);
            Ok(())
        })
    }
    // ANCHOR_END: unprotect_rtp

    /// Verifies an SRTCP packet, decrypts it in place if its E flag says so, and cuts off E flag,
    /// index and tag.
    ///
    /// # Errors
    /// The packet is to be dropped silently. Nothing has changed but the buffer, whose content is lost.
    pub fn unprotect_rtcp(&mut self, packet: &mut BytesMut) -> Result<(), Error> {
        let ssrc = rtcp_source(packet, self.profile.rtcp_overhead())?;
        let index = self.rtcp.srtcp_index(packet)?;
        self.rtcp_sources.attempt(ssrc, |window| {
            let fresh = window.check(index.index.into()).ok_or(Error::Replayed)?;
            self.rtcp.open_rtcp(packet, ssrc, index)?;
            window.accept(fresh);
            Ok(())
        })
    }

    /// The profile in use.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").field("profile", &self.profile).finish_non_exhaustive()
    }
}
