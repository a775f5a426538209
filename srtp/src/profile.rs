//! Protection profiles: which cipher and which authentication, agreed on by DTLS. RFC 5764 §4.1.2.
//!
//! ```text
//! profile                    id      cipher        key  salt  tag SRTP  tag SRTCP
//! AES128_CM_HMAC_SHA1_80     0x0001  AES-128 CTR    16    14        10         10   RFC 5764 §4.1.2
//! AES128_CM_HMAC_SHA1_32     0x0002  AES-128 CTR    16    14         4         10
//! AEAD_AES_128_GCM           0x0007  AES-128 GCM    16    12        16         16   RFC 7714 §14.2
//! AEAD_AES_256_GCM           0x0008  AES-256 GCM    32    12        16         16
//! ```
//!
//! Lengths in octets. A tag of 32 bits saves six octets on a packet of speech and can be guessed
//! once in 2^32 tries; a report is too precious for that, its tag always has 80 bits.
//! Book: the chapter on SRTP.

use std::fmt;

/// How packets are encrypted and authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// AES-128 in counter mode, HMAC-SHA1 cut to 80 bits: every endpoint has it (RFC 8827 §6.5).
    Aes128CmHmacSha1_80,
    /// The same with 32 bits on RTP packets; on RTCP packets it is still 80.
    Aes128CmHmacSha1_32,
    /// AES-128 in Galois/counter mode.
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode.
    AeadAes256Gcm,
}

impl Profile {
    /// All of them, the one to prefer first: GCM is faster, and its tag is 128 bits long.
    pub const ALL: [Self; 4] = [
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
        Self::Aes128CmHmacSha1_80,
        Self::Aes128CmHmacSha1_32,
    ];

    /// The number on the wire of DTLS: RFC 5764 §4.1.2, RFC 7714 §14.2.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Aes128CmHmacSha1_80 => 0x0001,
            Self::Aes128CmHmacSha1_32 => 0x0002,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
        }
    }

    /// The profile of a number; `None` if it is none of ours.
    #[must_use]
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.id() == id)
    }

    /// The registered name, as `get_stats` shows it in `srtpCipher`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
            Self::Aes128CmHmacSha1_32 => "SRTP_AES128_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
        }
    }

    /// Octets of the master key, and of the session keys for encryption.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of the master salt, and of the session salts.
    #[must_use]
    pub const fn salt_length(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }

    /// Octets that an RTP packet grows by.
    #[must_use]
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1_80 => 10,
            Self::Aes128CmHmacSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Octets that an RTCP packet grows by: the tag, and the word of E flag and index.
    #[must_use]
    pub const fn rtcp_overhead(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 => 10 + 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16 + 4,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_names_its_profile() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_id(profile.id()), Some(profile));
        }
        // NULL ciphers have numbers, too (RFC 5764 §4.1.2), and are not spoken here.
        assert_eq!(Profile::from_id(0x0005), None);
        assert_eq!(Profile::from_id(0x0006), None);
    }
}
