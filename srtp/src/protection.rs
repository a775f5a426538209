//! A session key at work: the payload encrypted, the whole packet authenticated, both in place.
//!
//! ```text
//!            SSRC (32 bits) ‖ index (48 bits): never twice under one key
//!                           │ XOR session salt
//!                           ▼
//!        counter mode: ‖ 16 bits of block counter      GCM: the nonce
//! ```
//!
//! The two transforms differ in what they append and in what order, so each has its file:
//! [`counter_mode`] is RFC 3711 §4.1.1 and §4.2.1, [`aead`] is RFC 7714. [`Protection`] is one of them,
//! keyed for RTP or for RTCP. It knows no source and no window; a caller that protects two packets of
//! one SSRC under the same index gives both away. Book: the chapter on SRTP.

mod aead;
mod counter_mode;

use bytes::BytesMut;
use zeroize::Zeroizing;

use self::aead::Aead;
use self::counter_mode::CounterMode;
use crate::derive::{Label, derive};
use crate::header::RtpHeader;
use crate::packet_index::{PacketIndex, SrtcpIndex};
use crate::wire::identifier::Ssrc;
use crate::{Error, Profile};

/// Octets of the key of HMAC-SHA1 (RFC 3711 §5.2).
const AUTHENTICATION_KEY_LENGTH: usize = 20;

/// The session keys of either RTP or RTCP, in the form that their transform needs.
#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "two in a direction, and each packet would pay for a Box"
)]
pub(crate) enum Protection {
    /// AES in counter mode and HMAC-SHA1.
    CounterMode(CounterMode),
    /// AES-GCM.
    Aead(Aead),
}

/// Which three of the six session keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Labels 0, 1, 2.
    Rtp,
    /// Labels 3, 4, 5.
    Rtcp,
}

impl Protection {
    /// Derives the session keys of `stream` from a master key and salt.
    pub(crate) fn derive(
        profile: Profile,
        stream: Stream,
        master_key: &[u8],
        master_salt: &[u8],
    ) -> Result<Self, Error> {
        let (encryption, authentication, salting) = match stream {
            Stream::Rtp => (Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt),
            Stream::Rtcp => (Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt),
        };
        let derived = |label, length| {
            let mut session_key = Zeroizing::new(vec![0; length]);
            derive(master_key, master_salt, label, &mut session_key).map(|()| session_key)
        };
        let key = derived(encryption, profile.key_length())?;
        let salt = derived(salting, profile.salt_length())?;
        match profile {
            Profile::Aes128CmHmacSha1_80 | Profile::Aes128CmHmacSha1_32 => {
                let authentication_key = derived(authentication, AUTHENTICATION_KEY_LENGTH)?;
                let tag_length = match stream {
                    Stream::Rtp => profile.rtp_overhead(),
                    Stream::Rtcp => profile.rtcp_overhead() - SrtcpIndex::LENGTH,
                };
                CounterMode::new(&key, &salt, &authentication_key, tag_length)
                    .map(Self::CounterMode)
            }
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => {
                Aead::new(profile, &key, &salt).map(Self::Aead)
            }
        }
    }

    /// Encrypts and authenticates an RTP packet.
    #[inline]
    pub(crate) fn seal_rtp(
        &self,
        packet: &mut BytesMut,
        header: &RtpHeader,
        index: PacketIndex,
    ) -> Result<(), Error> {
        match self {
            Self::CounterMode(transform) => transform.seal_rtp(packet, header, index),
            Self::Aead(transform) => transform.seal_rtp(packet, header, index),
        }
    }

    /// Verifies and decrypts an RTP packet.
    ///
    /// # Errors
    /// [`Error::Unauthentic`]; the packet's content is then lost.
    #[inline]
    pub(crate) fn open_rtp(
        &self,
        packet: &mut BytesMut,
        header: &RtpHeader,
        index: PacketIndex,
    ) -> Result<(), Error> {
        match self {
            Self::CounterMode(transform) => transform.open_rtp(packet, header, index),
            Self::Aead(transform) => transform.open_rtp(packet, header, index),
        }
    }

    /// Encrypts and authenticates an RTCP packet.
    pub(crate) fn seal_rtcp(
        &self,
        packet: &mut BytesMut,
        ssrc: Ssrc,
        index: SrtcpIndex,
    ) -> Result<(), Error> {
        match self {
            Self::CounterMode(transform) => transform.seal_rtcp(packet, ssrc, index),
            Self::Aead(transform) => transform.seal_rtcp(packet, ssrc, index),
        }
    }

    /// The E flag and index that a received packet carries, not yet authenticated.
    pub(crate) fn srtcp_index(&self, packet: &[u8]) -> Result<SrtcpIndex, Error> {
        let behind = match self {
            Self::CounterMode(transform) => transform.tag_length(),
            Self::Aead(_) => 0,
        };
        let end = packet.len().checked_sub(behind).ok_or(Error::Malformed)?;
        let word = packet.get(..end).and_then(<[u8]>::last_chunk).ok_or(Error::Malformed)?;
        Ok(SrtcpIndex::parse(*word))
    }

    /// Verifies and, if its E flag says so, decrypts an RTCP packet that carries `index`.
    ///
    /// # Errors
    /// [`Error::Unauthentic`]; the packet's content is then lost.
    pub(crate) fn open_rtcp(
        &self,
        packet: &mut BytesMut,
        ssrc: Ssrc,
        index: SrtcpIndex,
    ) -> Result<(), Error> {
        match self {
            Self::CounterMode(transform) => transform.open_rtcp(packet, ssrc, index),
            Self::Aead(transform) => transform.open_rtcp(packet, ssrc, index),
        }
    }
}

/// What makes a packet's keystream its own, as a number: `SSRC * 2^48 XOR index` (RFC 3711 §4.1.1,
/// RFC 7714 §8.1, §9.1).
fn uniqueness(Ssrc(ssrc): Ssrc, index: u64) -> u128 {
    u128::from(ssrc) << 48 ^ u128::from(index)
}

/// A salt as the number that the above is XORed with.
fn salt_number<const LENGTH: usize>(salt: &[u8]) -> Result<u128, Error> {
    let salt: &[u8; LENGTH] = salt.try_into().map_err(|_| Error::SaltLength)?;
    Ok(salt.iter().fold(0, |number, octet| number << 8 | u128::from(*octet)))
}
