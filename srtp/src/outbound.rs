//! Packets on their way out: numbered, encrypted, authenticated. RFC 3711 §3.3, §3.4.
//!
//! ```text
//! protect_rtp   header ─► source's window: index of SEQ, spent now ─► encrypt ─► append the tag
//! protect_rtcp  header ─► source's counter: next index, spent now ──► encrypt ─► append index and tag
//! ```
//!
//! Invariants: no index of a source is used twice, whatever the caller asks (RFC 3711 §9.1): the same
//! packet a second time, even after others, is refused, and so is one that is too late to tell. A lost
//! packet is therefore repeated as the octets that were sent, or as a packet of another source (RFC 4588).
//! After 2^48 RTP or 2^31 RTCP packets nothing is protected any more. Book: the chapter on SRTP.

use std::fmt;

use bytes::BytesMut;

use crate::header::{RtpHeader, rtcp_source};
use crate::packet_index::{MAX_RTCP_PACKETS, MAX_RTP_PACKETS, PacketIndex, SrtcpIndex};
use crate::protection::Protection;
use crate::replay::ReplayWindow;
use crate::sources::Sources;
use crate::{Error, MasterKey, Profile};

/// Protects the packets of one direction. There is to be one for each master key.
pub struct Outbound {
    profile: Profile,
    rtp: Protection,
    rtcp: Protection,
    /// Which indices of each source are spent.
    rtp_sources: Sources<ReplayWindow>,
    /// The next index of each source.
    rtcp_sources: Sources<u32>,
    /// Packets protected so far, of all sources: RFC 3711 §9.2.
    rtp_packets: u64,
    rtcp_packets: u64,
}

impl Outbound {
    /// Begins with rollover counters and SRTCP indices of 0.
    #[must_use]
    pub fn new(key: &MasterKey) -> Self {
        let (rtp, rtcp) = key.session_keys();
        Self {
            profile: key.profile(),
            rtp,
            rtcp,
            rtp_sources: Sources::new(),
            rtcp_sources: Sources::new(),
            rtp_packets: 0,
            rtcp_packets: 0,
        }
    }

    /// Encrypts an RTP packet in place and appends its tag: [`Profile::rtp_overhead`] octets. Nothing
    /// is allocated if the buffer has that capacity to spare.
    ///
    /// Sequence numbers may skip and may come late by up to [`WINDOW`](crate::WINDOW), but each may
    /// come once. The first of a source should lie below 2^15: if the receiver misses the
    /// first packets and the number wraps meanwhile, it cannot know the rollover counter.
    ///
    /// # Errors
    /// The packet must not be sent, and is unchanged unless the cipher itself failed.
    pub fn protect_rtp(&mut self, packet: &mut BytesMut) -> Result<(), Error> {
        let header = RtpHeader::parse(packet, 0)?;
        if self.rtp_packets >= MAX_RTP_PACKETS {
            return Err(Error::KeyExhausted);
        }
        self.rtp_sources.attempt(header.ssrc, |window| {
            let index = PacketIndex::closest(header.sequence_number, window.highest())
                .ok_or(Error::KeyExhausted)?;
            // From here on the index is spent, whatever happens.
            window.accept(window.check(index.get()).ok_or(Error::IndexSpent)?);
            self.rtp_packets += 1;
            self.rtp.seal_rtp(packet, &header, index)
        })
    }

    /// Encrypts an RTCP packet, single or compound, in place and appends E flag, index and tag:
    /// [`Profile::rtcp_overhead`] octets.
    ///
    /// # Errors
    /// The packet must not be sent, and is unchanged unless the cipher itself failed.
    pub fn protect_rtcp(&mut self, packet: &mut BytesMut) -> Result<(), Error> {
        let ssrc = rtcp_source(packet, 0)?;
        if self.rtcp_packets >= MAX_RTCP_PACKETS {
            return Err(Error::KeyExhausted);
        }
        self.rtcp_sources.attempt(ssrc, |next| {
            let index = SrtcpIndex { encrypted: true, index: *next };
            // From here on the index is spent, whatever happens. It stays below 2^31 because the
            // packets of all sources together do.
            *next += 1;
            self.rtcp_packets += 1;
            self.rtcp.seal_rtcp(packet, ssrc, index)
        })
    }

    /// The profile in use.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("profile", &self.profile).finish_non_exhaustive()
    }
}
