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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet_index::SrtcpIndex;
    use crate::testing::{key, rtcp, rtp};
    use crate::{MAX_SOURCES, Outbound, Ssrc, WINDOW};

    fn pair(profile: Profile) -> (Outbound, Inbound) {
        let key = key(profile);
        (Outbound::new(&key), Inbound::new(&key))
    }

    fn sealed_rtp(outbound: &mut Outbound, ssrc: u32, seq: u16) -> BytesMut {
        let mut packet = rtp(ssrc, seq, b"a payload of some length");
        outbound.protect_rtp(&mut packet).unwrap();
        packet
    }

    fn sealed_rtcp(outbound: &mut Outbound, ssrc: u32) -> BytesMut {
        let mut packet = rtcp(ssrc, b"a report of some length.");
        outbound.protect_rtcp(&mut packet).unwrap();
        packet
    }

    impl Inbound {
        /// Everything that a packet could change.
        fn state(&self) -> [Sources<ReplayWindow>; 2] {
            [self.rtp_sources.clone(), self.rtcp_sources.clone()]
        }
    }

    /// Each way to damage `packet`: one octet changed, or any number of octets cut off.
    fn damaged(packet: &BytesMut) -> impl Iterator<Item = BytesMut> {
        let changed = (0..packet.len()).map(|at| {
            let mut copy = packet.clone();
            copy[at] ^= 1 << (at % 8);
            copy
        });
        let cut = (0..packet.len()).map(|length| BytesMut::from(&packet[..length]));
        changed.chain(cut)
    }

    #[test]
    fn row_58_a_damaged_packet_is_dropped_and_changes_nothing() {
        for profile in Profile::ALL {
            let (mut outbound, mut inbound) = pair(profile);
            inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, 1, 65_535)).unwrap();
            inbound.unprotect_rtcp(&mut sealed_rtcp(&mut outbound, 1)).unwrap();
            let before = inbound.state();

            let packet = sealed_rtp(&mut outbound, 1, 0);
            for mut damaged in damaged(&packet) {
                assert!(inbound.unprotect_rtp(&mut damaged).is_err());
                assert!(inbound.state() == before, "{profile}");
            }
            inbound.unprotect_rtp(&mut packet.clone()).unwrap();

            let before = inbound.state();
            let packet = sealed_rtcp(&mut outbound, 1);
            for mut damaged in damaged(&packet) {
                assert!(inbound.unprotect_rtcp(&mut damaged).is_err());
                assert!(inbound.state() == before, "{profile}");
            }
            inbound.unprotect_rtcp(&mut packet.clone()).unwrap();
        }
    }

    #[test]
    fn row_58_a_forged_number_does_not_move_the_rollover_counter() {
        let (mut outbound, mut inbound) = pair(Profile::Aes128CmHmacSha1_80);
        inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, 1, 65_000)).unwrap();
        let mut forged = rtp(1, 5, &[0; 40]);
        assert_eq!(inbound.unprotect_rtp(&mut forged), Err(Error::Unauthentic));
        inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, 1, 65_001)).unwrap();
    }

    #[test]
    fn row_59_a_replayed_packet_is_dropped() {
        for profile in Profile::ALL {
            let (mut outbound, mut inbound) = pair(profile);
            let (rtp, rtcp) = (sealed_rtp(&mut outbound, 1, 9), sealed_rtcp(&mut outbound, 1));
            inbound.unprotect_rtp(&mut rtp.clone()).unwrap();
            inbound.unprotect_rtcp(&mut rtcp.clone()).unwrap();
            assert_eq!(inbound.unprotect_rtp(&mut rtp.clone()), Err(Error::Replayed));
            assert_eq!(inbound.unprotect_rtcp(&mut rtcp.clone()), Err(Error::Replayed));
        }
    }

    #[test]
    fn row_59_late_packets_within_the_window_open_even_across_a_wrap() {
        for profile in Profile::ALL {
            let (mut outbound, mut inbound) = pair(profile);
            let window = u16::try_from(WINDOW).unwrap();
            let first = 65_535 - 500;
            let mut packets: Vec<_> = (0..window)
                .map(|step| sealed_rtp(&mut outbound, 1, u16::wrapping_add(first, step)))
                .collect();
            inbound.unprotect_rtp(&mut packets[0].clone()).unwrap();
            // From the newest, in the second round of sequence numbers, to the oldest, in the first.
            for packet in packets[1..].iter_mut().rev() {
                inbound.unprotect_rtp(packet).unwrap();
            }
            inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, 1, 524)).unwrap();
            assert_eq!(inbound.unprotect_rtp(&mut packets[0]), Err(Error::Replayed));
        }
    }

    #[test]
    fn row_59_a_packet_older_than_the_window_is_dropped() {
        let (mut outbound, mut inbound) = pair(Profile::AeadAes128Gcm);
        let (mut late, mut reported) =
            (sealed_rtp(&mut outbound, 1, 1), sealed_rtcp(&mut outbound, 1));
        let window = u16::try_from(WINDOW).unwrap();
        inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, 1, 1 + window)).unwrap();
        assert_eq!(inbound.unprotect_rtp(&mut late), Err(Error::Replayed));
        (0..WINDOW)
            .for_each(|_| inbound.unprotect_rtcp(&mut sealed_rtcp(&mut outbound, 1)).unwrap());
        assert_eq!(inbound.unprotect_rtcp(&mut reported), Err(Error::Replayed));
    }

    #[test]
    fn row_59_sources_and_rtp_and_rtcp_have_windows_of_their_own() {
        let (mut outbound, mut inbound) = pair(Profile::AeadAes256Gcm);
        for ssrc in [1, 2] {
            inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, ssrc, 0)).unwrap();
            inbound.unprotect_rtcp(&mut sealed_rtcp(&mut outbound, ssrc)).unwrap();
        }
    }

    #[test]
    fn row_59_a_stream_survives_many_rounds_with_heavy_loss() {
        let (mut outbound, mut inbound) = pair(Profile::Aes128CmHmacSha1_80);
        let mut seq = 0_u16;
        for _ in 0..100 {
            seq = seq.wrapping_add(32_767);
            inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, 1, seq)).unwrap();
        }
    }

    #[test]
    fn row_60_forged_sources_cost_no_state() {
        for profile in Profile::ALL {
            let (mut outbound, mut inbound) = pair(profile);
            for ssrc in 0..5_000 {
                let mut forged = rtp(ssrc, 1, &[0; 40]);
                assert_eq!(inbound.unprotect_rtp(&mut forged), Err(Error::Unauthentic));
                let mut forged = rtcp(ssrc, &[0; 40]);
                assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(Error::Unauthentic));
            }
            assert_eq!((inbound.rtp_sources.len(), inbound.rtcp_sources.len()), (0, 0));
            inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, 4_999, 1)).unwrap();
        }
    }

    #[test]
    fn row_60_true_sources_are_bounded_and_the_known_ones_go_on() {
        // One sender has as many sources as the receiver, so two make too many.
        let (mut outbound, mut inbound) = pair(Profile::AeadAes128Gcm);
        let mut another = Outbound::new(&key(Profile::AeadAes128Gcm));
        let limit = u32::try_from(MAX_SOURCES).unwrap();
        for ssrc in 0..limit {
            inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, ssrc, 1)).unwrap();
        }
        let mut packet = sealed_rtp(&mut another, limit, 1);
        assert_eq!(inbound.unprotect_rtp(&mut packet), Err(Error::SourcesTooMany));
        inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, 0, 2)).unwrap();
    }

    #[test]
    fn row_61_clear_packets_are_dropped_and_the_session_lives() {
        for profile in Profile::ALL {
            let (mut outbound, mut inbound) = pair(profile);
            inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, 1, 1)).unwrap();
            let before = inbound.state();
            for length in 0..60 {
                assert!(inbound.unprotect_rtp(&mut rtp(1, 2, &vec![7; length])).is_err());
                assert!(inbound.unprotect_rtcp(&mut rtcp(1, &vec![7; length])).is_err());
            }
            assert!(inbound.state() == before);
            inbound.unprotect_rtp(&mut sealed_rtp(&mut outbound, 1, 2)).unwrap();
        }
    }

    #[test]
    fn rtp_and_rtcp_have_keys_of_their_own() {
        for profile in Profile::ALL {
            let (mut outbound, mut inbound) = pair(profile);
            let packet = sealed_rtp(&mut outbound, 1, 1);
            assert!(inbound.unprotect_rtcp(&mut packet.clone()).is_err());
            let packet = sealed_rtcp(&mut outbound, 1);
            assert!(inbound.unprotect_rtp(&mut packet.clone()).is_err());
        }
    }

    #[test]
    fn rfc_3711_3_4_without_the_e_flag_the_content_is_clear_but_authentic() {
        for profile in Profile::ALL {
            let (_, mut inbound) = pair(profile);
            let mut packet = rtcp(1, b"said in public.");
            let index = SrtcpIndex { encrypted: false, index: 5 };
            inbound.rtcp.seal_rtcp(&mut packet, Ssrc(1), index).unwrap();
            let mut forged = packet.clone();
            forged[10] ^= 1;
            assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(Error::Unauthentic));
            inbound.unprotect_rtcp(&mut packet).unwrap();
            assert_eq!(packet, rtcp(1, b"said in public."));
        }
    }

    #[test]
    fn packets_without_content_open() {
        for profile in Profile::ALL {
            let (mut outbound, mut inbound) = pair(profile);
            let (mut media, mut report) = (rtp(1, 1, b""), rtcp(1, b""));
            outbound.protect_rtp(&mut media).unwrap();
            outbound.protect_rtcp(&mut report).unwrap();
            inbound.unprotect_rtp(&mut media).unwrap();
            inbound.unprotect_rtcp(&mut report).unwrap();
            assert_eq!((media, report), (rtp(1, 1, b""), rtcp(1, b"")));
        }
    }

    fn profile() -> impl Strategy<Value = Profile> {
        prop::sample::select(Profile::ALL.as_slice())
    }

    /// An RTP packet with sources, an extension and padding, or without.
    fn packet() -> impl Strategy<Value = Vec<u8>> {
        let octets = |most| prop::collection::vec(any::<u8>(), 0..most);
        let extension = prop::option::of((any::<u16>(), octets(20)));
        (any::<[u8; 10]>(), 0_usize..16, extension, any::<bool>(), octets(1_300)).prop_map(
            |(fixed, csrcs, extension, padded, payload)| {
                let flag = |set: bool, bit: u8| if set { bit } else { 0 };
                let csrc_count = u8::try_from(csrcs).unwrap();
                let flags =
                    0x80 | flag(padded, 0x20) | flag(extension.is_some(), 0x10) | csrc_count;
                let mut packet = [&[flags, 96], fixed.as_slice(), &vec![3; 4 * csrcs]].concat();
                if let Some((id, words)) = extension {
                    packet.extend(id.to_be_bytes());
                    packet.extend(u16::try_from(words.len()).unwrap().to_be_bytes());
                    packet.extend(words.iter().flat_map(|octet| [*octet; 4]));
                }
                packet.extend(payload);
                packet
            },
        )
    }

    proptest! {
        #[test]
        fn round_trip(profile in profile(), packets in prop::collection::vec(packet(), 1..5)) {
            let (mut outbound, mut inbound) = pair(profile);
            for packet in packets {
                let mut buffer = BytesMut::from(packet.as_slice());
                outbound.protect_rtp(&mut buffer).unwrap();
                prop_assert_eq!(buffer.len(), packet.len() + profile.rtp_overhead());
                inbound.unprotect_rtp(&mut buffer).unwrap();
                prop_assert_eq!(&buffer, &packet);
            }
        }

        #[test]
        fn round_trip_of_rtcp(
            profile in profile(),
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
        ) {
            let (mut outbound, mut inbound) = pair(profile);
            for content in packets {
                let mut buffer = rtcp(1, &content);
                outbound.protect_rtcp(&mut buffer).unwrap();
                inbound.unprotect_rtcp(&mut buffer).unwrap();
                prop_assert_eq!(buffer, rtcp(1, &content));
            }
        }

        #[test]
        fn never_panics(profile in profile(), octets in prop::collection::vec(any::<u8>(), 0..100)) {
            let (mut outbound, mut inbound) = pair(profile);
            let buffer = || BytesMut::from(octets.as_slice());
            let _ = outbound.protect_rtp(&mut buffer());
            let _ = outbound.protect_rtcp(&mut buffer());
            prop_assert!(inbound.unprotect_rtp(&mut buffer()).is_err());
            prop_assert!(inbound.unprotect_rtcp(&mut buffer()).is_err());
            prop_assert!(inbound.rtp_sources.len() + inbound.rtcp_sources.len() == 0);
        }

        #[test]
        fn row_58_nothing_changes_on_failure(
            profile in profile(),
            packet in packet(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u32..8), 1..4),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let (mut outbound, mut inbound) = pair(profile);
            let mut sealed = BytesMut::from(packet.as_slice());
            outbound.protect_rtp(&mut sealed).unwrap();
            let mut damaged = sealed.clone();
            for (at, bit) in flips {
                let at = at.index(damaged.len());
                damaged[at] ^= 1 << bit;
            }
            if let Some(cut) = cut {
                damaged.truncate(cut.index(sealed.len()));
            }
            prop_assume!(damaged != sealed);
            prop_assert!(inbound.unprotect_rtp(&mut damaged).is_err());
            prop_assert!(inbound.state() == pair(profile).1.state());
            inbound.unprotect_rtp(&mut sealed).unwrap();
            prop_assert_eq!(sealed, packet);
        }
    }
}
