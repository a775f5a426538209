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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{key, rtcp, rtp};
    use crate::{Inbound, WINDOW};

    fn outbound(profile: Profile) -> Outbound {
        Outbound::new(&key(profile))
    }

    /// What becomes of a packet of source 1 with this sequence number.
    fn send(outbound: &mut Outbound, seq: u16) -> Result<(), Error> {
        outbound.protect_rtp(&mut rtp(1, seq, b"speech"))
    }

    #[test]
    fn row_62_the_same_index_is_never_sent_twice() {
        for profile in Profile::ALL {
            let mut outbound = outbound(profile);
            send(&mut outbound, 100).unwrap();
            assert_eq!(send(&mut outbound, 100), Err(Error::IndexSpent));
            for seq in 101..1_100 {
                send(&mut outbound, seq).unwrap();
                assert_eq!(send(&mut outbound, 100), Err(Error::IndexSpent));
            }
        }
    }

    #[test]
    fn row_62_an_index_that_may_have_been_sent_is_not_sent() {
        let mut outbound = outbound(Profile::AeadAes128Gcm);
        send(&mut outbound, 5_000).unwrap();
        let window = u16::try_from(WINDOW).unwrap();
        assert_eq!(send(&mut outbound, 5_000 - window), Err(Error::IndexSpent));
        assert_eq!(send(&mut outbound, 5_000 - window + 1), Ok(()), "late, but surely new");
    }

    #[test]
    fn row_62_a_refused_packet_is_left_as_it_was() {
        let mut outbound = outbound(Profile::Aes128CmHmacSha1_80);
        send(&mut outbound, 7).unwrap();
        let mut packet = rtp(1, 7, b"a secret");
        assert_eq!(outbound.protect_rtp(&mut packet), Err(Error::IndexSpent));
        assert_eq!(packet, rtp(1, 7, b"a secret"));
    }

    #[test]
    fn row_62_each_round_of_the_sequence_number_has_its_keystream() {
        let mut outbound = outbound(Profile::AeadAes128Gcm);
        let mut seen = std::collections::HashSet::new();
        for round in 0..4 {
            for quarter in [0, 20_000, 40_000, 60_000] {
                let mut packet = rtp(1, quarter, b"always the same");
                outbound.protect_rtp(&mut packet).unwrap();
                assert!(seen.insert(packet.split_off(12)), "round {round}");
            }
        }
    }

    #[test]
    fn row_62_after_2_to_the_48_packets_the_key_is_used_up() {
        let mut outbound = outbound(Profile::AeadAes128Gcm);
        outbound.rtp_packets = MAX_RTP_PACKETS - 1;
        assert_eq!(send(&mut outbound, 1), Ok(()));
        assert_eq!(send(&mut outbound, 2), Err(Error::KeyExhausted));
        assert_eq!(outbound.protect_rtcp(&mut rtcp(1, b"report")), Ok(()), "counted apart");
    }

    #[test]
    fn row_62_at_the_last_index_a_source_ends() {
        let mut outbound = outbound(Profile::AeadAes128Gcm);
        let last = MAX_RTP_PACKETS - 2;
        let skip = |window: &mut ReplayWindow| {
            window.accept(window.check(last).unwrap());
            Ok(())
        };
        outbound.rtp_sources.attempt(crate::Ssrc(1), skip).unwrap();
        assert_eq!(send(&mut outbound, 65_535), Ok(()));
        assert_eq!(send(&mut outbound, 0), Err(Error::KeyExhausted));
    }

    #[test]
    fn row_62_after_2_to_the_31_rtcp_packets_the_key_is_used_up() {
        let mut outbound = outbound(Profile::Aes128CmHmacSha1_32);
        outbound.rtcp_packets = MAX_RTCP_PACKETS - 1;
        assert_eq!(outbound.protect_rtcp(&mut rtcp(1, b"report")), Ok(()));
        let mut packet = rtcp(1, b"report");
        assert_eq!(outbound.protect_rtcp(&mut packet), Err(Error::KeyExhausted));
        assert_eq!(packet, rtcp(1, b"report"));
        assert_eq!(send(&mut outbound, 1), Ok(()), "counted apart");
    }

    #[test]
    fn the_srtcp_index_of_each_source_counts_from_0() {
        for profile in Profile::ALL {
            let mut outbound = outbound(profile);
            for (ssrc, expected) in [(1, 0), (1, 1), (2, 0), (1, 2)] {
                let mut packet = rtcp(ssrc, b"report");
                outbound.protect_rtcp(&mut packet).unwrap();
                let index = outbound.rtcp.srtcp_index(&packet).unwrap();
                assert_eq!(index, SrtcpIndex { encrypted: true, index: expected });
            }
        }
    }

    #[test]
    fn packets_grow_by_what_the_profile_says_and_in_place() {
        for profile in Profile::ALL {
            let mut outbound = outbound(profile);
            let mut packet = rtp(1, 1, &[7; 100]);
            packet.reserve(64);
            let (before, address) = (packet.len(), packet.as_ptr());
            outbound.protect_rtp(&mut packet).unwrap();
            assert_eq!(packet.len(), before + profile.rtp_overhead());
            assert_eq!(packet.as_ptr(), address);

            let mut packet = rtcp(1, &[7; 100]);
            packet.reserve(64);
            let (before, address) = (packet.len(), packet.as_ptr());
            outbound.protect_rtcp(&mut packet).unwrap();
            assert_eq!(packet.len(), before + profile.rtcp_overhead());
            assert_eq!(packet.as_ptr(), address);
        }
    }

    #[test]
    fn a_receiver_follows_from_any_first_sequence_number() {
        for first in [0, 1, 32_767, 65_535] {
            let key = key(Profile::Aes128CmHmacSha1_80);
            let (mut outbound, mut inbound) = (Outbound::new(&key), Inbound::new(&key));
            for step in 0..100 {
                let seq = u16::wrapping_add(first, step);
                let mut packet = rtp(1, seq, b"speech");
                outbound.protect_rtp(&mut packet).unwrap();
                inbound.unprotect_rtp(&mut packet).unwrap();
                assert_eq!(packet, rtp(1, seq, b"speech"));
            }
        }
    }

    #[test]
    fn row_60_the_table_of_our_own_sources_is_bounded() {
        let mut outbound = outbound(Profile::AeadAes128Gcm);
        let limit = u32::try_from(crate::MAX_SOURCES).unwrap();
        for ssrc in 0..limit {
            outbound.protect_rtp(&mut rtp(ssrc, 1, b"")).unwrap();
        }
        assert_eq!(outbound.protect_rtp(&mut rtp(limit, 1, b"")), Err(Error::SourcesTooMany));
        assert_eq!(outbound.protect_rtp(&mut rtp(0, 2, b"")), Ok(()));
    }
}
