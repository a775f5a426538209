//! AES in counter mode with HMAC-SHA1: the transforms of RFC 3711 §4.1.1 and §4.2.1.
//!
//! ```text
//! SRTP    ┌──────── authenticated, with the ROC behind it ────────┐
//!         │ header │ payload: encrypted                           │ tag (10 or 4)
//! SRTCP   ┌──────── authenticated ─────────────────────────────────────────┐
//!         │ 8 octets │ the rest: encrypted                │ E ‖ index (4)  │ tag (10)
//!
//! IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16); the 16 bits below count blocks
//! ```
//!
//! The tag covers the ciphertext: it is verified first, and a forged packet is never decrypted.
//! The key of the HMAC is hashed once; each packet starts from a copy of that state.
//! Book: the chapter on SRTP.

use aes::Aes128Enc;
use bytes::BytesMut;
use ctr::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use ctr::{CtrCore, flavors};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::{salt_number, uniqueness};
use crate::Error;
use crate::header::{RTCP_HEADER_LENGTH, RtpHeader};
use crate::packet_index::{PacketIndex, SrtcpIndex};
use crate::wire::identifier::Ssrc;

/// The session keys of one stream.
#[derive(Clone)]
pub(crate) struct CounterMode {
    aes: Aes128Enc,
    salt: u128,
    hmac: Hmac<Sha1>,
    tag_length: usize,
}

impl CounterMode {
    pub(super) fn new(
        key: &[u8],
        salt: &[u8],
        authentication_key: &[u8],
        tag_length: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            aes: Aes128Enc::new_from_slice(key).map_err(|_| Error::KeyLength)?,
            salt: salt_number::<14>(salt)?,
            hmac: <Hmac<Sha1> as KeyInit>::new_from_slice(authentication_key)
                .map_err(|_| Error::KeyLength)?,
            tag_length,
        })
    }

    pub(super) fn tag_length(&self) -> usize {
        self.tag_length
    }

    #[inline]
    pub(super) fn seal_rtp(
        &self,
        packet: &mut BytesMut,
        header: &RtpHeader,
        index: PacketIndex,
    ) -> Result<(), Error> {
        let payload = packet.get_mut(header.length..).ok_or(Error::Malformed)?;
        self.apply_keystream(header.ssrc, index.get(), payload)?;
        self.append_tag(packet, &index.rollover_counter().to_be_bytes())
    }

    #[inline]
    pub(super) fn open_rtp(
        &self,
        packet: &mut BytesMut,
        header: &RtpHeader,
        index: PacketIndex,
    ) -> Result<(), Error> {
        let authenticated = self.verify(packet, &index.rollover_counter().to_be_bytes())?;
        packet.truncate(authenticated);
        let payload = packet.get_mut(header.length..).ok_or(Error::Malformed)?;
        self.apply_keystream(header.ssrc, index.get(), payload)
    }

    pub(super) fn seal_rtcp(
        &self,
        packet: &mut BytesMut,
        ssrc: Ssrc,
        index: SrtcpIndex,
    ) -> Result<(), Error> {
        if index.encrypted {
            let content = packet.get_mut(RTCP_HEADER_LENGTH..).ok_or(Error::Malformed)?;
            self.apply_keystream(ssrc, index.index.into(), content)?;
        }
        packet.extend_from_slice(&index.write());
        self.append_tag(packet, &[])
    }

    pub(super) fn open_rtcp(
        &self,
        packet: &mut BytesMut,
        ssrc: Ssrc,
        index: SrtcpIndex,
    ) -> Result<(), Error> {
        let authenticated = self.verify(packet, &[])?;
        packet.truncate(authenticated.saturating_sub(SrtcpIndex::LENGTH));
        if index.encrypted {
            let content = packet.get_mut(RTCP_HEADER_LENGTH..).ok_or(Error::Malformed)?;
            self.apply_keystream(ssrc, index.index.into(), content)?;
        }
        Ok(())
    }

    /// XORs the packet's segment of the keystream onto `octets`: RFC 3711 §4.1.1.
    #[inline]
    fn apply_keystream(&self, ssrc: Ssrc, index: u64, octets: &mut [u8]) -> Result<(), Error> {
        let iv = (self.salt ^ uniqueness(ssrc, index)) << 16;
        // 32 bits of counter are more than the 16 that count, and never carry.
        CtrCore::<&Aes128Enc, flavors::Ctr32BE>::inner_iv_init(&self.aes, &iv.to_be_bytes().into())
            .try_apply_keystream_partial(octets.into())
            .map_err(|_| Error::Crypto)
    }

    /// Authenticates all of `packet` and what is not sent behind it: RFC 3711 §4.2.
    #[inline]
    fn append_tag(&self, packet: &mut BytesMut, unsent: &[u8]) -> Result<(), Error> {
        let mut hmac = self.hmac.clone();
        hmac.update(packet);
        hmac.update(unsent);
        let tag = hmac.finalize().into_bytes();
        packet.extend_from_slice(tag.get(..self.tag_length).ok_or(Error::Crypto)?);
        Ok(())
    }

    /// Compares, in constant time, the tag at the end of `packet` with what it should be; returns
    /// how many octets stand before it.
    #[inline]
    fn verify(&self, packet: &[u8], unsent: &[u8]) -> Result<usize, Error> {
        let length = packet.len().checked_sub(self.tag_length).ok_or(Error::Malformed)?;
        let (authenticated, tag) = packet.split_at_checked(length).ok_or(Error::Malformed)?;
        let mut hmac = self.hmac.clone();
        hmac.update(authenticated);
        hmac.update(unsent);
        hmac.verify_truncated_left(tag).map_err(|_| Error::Unauthentic)?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    #[test]
    fn rfc_3711_b_2_keystream() {
        let key = hex("2B7E151628AED2A6ABF7158809CF4F3C");
        let salt = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
        let transform = CounterMode::new(&key, &salt, &[0; 20], 10).unwrap();
        let mut keystream = vec![0; 65_282 * 16];
        transform.apply_keystream(Ssrc(0), 0, &mut keystream).unwrap();
        let first = hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
            41E95B3BB0A2E8DD477901E4FCA894C0");
        assert_eq!(keystream.get(..48).unwrap(), first);
        let last = hex("EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE
            6A2CC3787889374FBEB4C81B17BA6C44");
        assert_eq!(keystream.last_chunk::<48>().unwrap().as_slice(), last);
    }
}
