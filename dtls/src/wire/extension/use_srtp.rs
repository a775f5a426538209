//! use_srtp: keys for SRTP shall come out of this handshake (RFC 5764 §4.1.1).
//!
//! ```text
//! uint8 SRTPProtectionProfile[2];
//!
//! struct {
//!   SRTPProtectionProfile SRTPProtectionProfiles<2..2^16-1>;   the server's answer has exactly one
//!   opaque srtp_mki<0..255>;
//! } UseSRTPData;
//! ```
//!
//! Browsers send it for calls with only data channels, too.

use nom::Parser;
use nom::number::complete::be_u16;

use crate::wire::field::{Parsed, field};
use crate::wire::registry::registry;
use crate::wire::vector::{Prefix, elements, opaque_in, write_vector};

registry! {
    /// Cipher and tag length of SRTP (RFC 5764 §4.1.2, RFC 7714 §14.2).
    pub struct SrtpProtectionProfile(u16);
    /// Mandatory for WebRTC (RFC 8827 §6.5).
    SRTP_AES128_CM_HMAC_SHA1_80 = 0x0001, "SRTP_AES128_CM_HMAC_SHA1_80";
    /// A short tag.
    SRTP_AES128_CM_HMAC_SHA1_32 = 0x0002, "SRTP_AES128_CM_HMAC_SHA1_32";
    /// RFC 7714 §14.2.
    SRTP_AEAD_AES_128_GCM = 0x0007, "SRTP_AEAD_AES_128_GCM";
    /// RFC 7714 §14.2.
    SRTP_AEAD_AES_256_GCM = 0x0008, "SRTP_AEAD_AES_256_GCM";
}

/// Profiles offered, or the one chosen (RFC 5764 §4.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseSrtp {
    /// In order of preference.
    pub profiles: Vec<SrtpProtectionProfile>,
    /// Master key identifier, at most 255 octets; WebRTC has none.
    pub srtp_mki: Vec<u8>,
}

impl UseSrtp {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let profile = field("SRTPProtectionProfile", be_u16.map(SrtpProtectionProfile));
        let (input, profiles) =
            field("SRTPProtectionProfiles", elements(Prefix::Two, 1, profile))(input)?;
        let (input, srtp_mki) =
            field("srtp_mki", opaque_in(Prefix::One, "srtp_mki", 0..=255))(input)?;
        Ok((input, Self { profiles, srtp_mki }))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_vector(out, Prefix::Two, |out| {
            self.profiles.iter().for_each(|p| out.extend_from_slice(&p.0.to_be_bytes()));
        });
        write_vector(out, Prefix::One, |out| out.extend_from_slice(&self.srtp_mki));
    }
}
