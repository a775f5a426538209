//! AES-GCM: the transforms of RFC 7714, with a tag of 16 octets.
//!
//! ```text
//! SRTP §8    │ header: associated data │ payload: encrypted                     │ tag (16)
//! SRTCP §9   │ 8 octets: a. d.         │ the rest: encrypted │ tag (16) │ E ‖ index (4): a. d.
//!  E = 0     │ the whole packet: a. d.                       │ tag (16) │ E ‖ index (4): a. d.
//!
//! nonce = salt XOR (0 (16 bits) ‖ SSRC (32) ‖ ROC (32) ‖ SEQ (16))                 SRTP §8.1
//!         salt XOR (0 (16 bits) ‖ SSRC (32) ‖ 0 (16) ‖ 0 (1) ‖ index (31))         SRTCP §9.1
//! ```
//!
//! Both nonces are SSRC ‖ 48 bits of index. A nonce used twice under one key gives away not only two
//! packets but the authentication of all: whoever calls this must count.
//! ring keeps its own copy of the key and does not zeroise it. Book: the chapter on SRTP.

use bytes::BytesMut;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

use super::{salt_number, uniqueness};
use crate::header::{RTCP_HEADER_LENGTH, RtpHeader};
use crate::packet_index::{PacketIndex, SrtcpIndex};
use crate::wire::identifier::Ssrc;
use crate::{Error, Profile};

/// Octets of the tag (RFC 7714 §5.3 allows no shorter one).
const TAG_LENGTH: usize = 16;

/// The session key of one stream.
#[derive(Clone)]
pub(crate) struct Aead {
    key: LessSafeKey,
    salt: u128,
}

impl Aead {
    pub(super) fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        let algorithm = if profile == Profile::AeadAes256Gcm { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).map_err(|_| Error::KeyLength)?;
        Ok(Self { key: LessSafeKey::new(key), salt: salt_number::<12>(salt)? })
    }

    #[inline]
    pub(super) fn seal_rtp(
        &self,
        packet: &mut BytesMut,
        header: &RtpHeader,
        index: PacketIndex,
    ) -> Result<(), Error> {
        let (header_octets, payload) =
            packet.split_at_mut_checked(header.length).ok_or(Error::Malformed)?;
        let nonce = self.nonce(header.ssrc, index.get());
        let tag = self.seal(nonce, header_octets, payload)?;
        packet.extend_from_slice(tag.as_ref());
        Ok(())
    }

    #[inline]
    pub(super) fn open_rtp(
        &self,
        packet: &mut BytesMut,
        header: &RtpHeader,
        index: PacketIndex,
    ) -> Result<(), Error> {
        let tag = cut_tag(packet)?;
        let (header_octets, payload) =
            packet.split_at_mut_checked(header.length).ok_or(Error::Malformed)?;
        self.open(self.nonce(header.ssrc, index.get()), header_octets, payload, tag)
    }

    pub(super) fn seal_rtcp(
        &self,
        packet: &mut BytesMut,
        ssrc: Ssrc,
        index: SrtcpIndex,
    ) -> Result<(), Error> {
        let nonce = self.nonce(ssrc, index.index.into());
        let word = index.write();
        let tag = if index.encrypted {
            let (header, content) = split_header(packet)?;
            self.seal(nonce, &associated_data(*header, word), content)?
        } else {
            let length = packet.len();
            packet.extend_from_slice(&word);
            let tag = self.seal(nonce, packet, &mut [])?;
            packet.truncate(length);
            tag
        };
        packet.extend_from_slice(tag.as_ref());
        packet.extend_from_slice(&word);
        Ok(())
    }

    pub(super) fn open_rtcp(
        &self,
        packet: &mut BytesMut,
        ssrc: Ssrc,
        index: SrtcpIndex,
    ) -> Result<(), Error> {
        let nonce = self.nonce(ssrc, index.index.into());
        let word = index.write();
        packet.truncate(packet.len().saturating_sub(SrtcpIndex::LENGTH));
        let tag = cut_tag(packet)?;
        if index.encrypted {
            let (header, content) = split_header(packet)?;
            self.open(nonce, &associated_data(*header, word), content, tag)
        } else {
            let length = packet.len();
            packet.extend_from_slice(&word);
            self.open(nonce, packet, &mut [], tag)?;
            packet.truncate(length);
            Ok(())
        }
    }

    // ANCHOR: nonce
    fn nonce(&self, ssrc: Ssrc, index: u64) -> Nonce {
        let [_, _, _, _, nonce @ ..] = (self.salt ^ uniqueness(ssrc, index)).to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }
    // ANCHOR_END: nonce

    #[inline]
    fn seal(&self, nonce: Nonce, associated: &[u8], content: &mut [u8]) -> Result<Tag, Error> {
        self.key
            .seal_in_place_separate_tag(nonce, Aad::from(associated), content)
            .map_err(|_| Error::Crypto)
    }

    #[inline]
    fn open(
        &self,
        nonce: Nonce,
        associated: &[u8],
        content: &mut [u8],
        tag: Tag,
    ) -> Result<(), Error> {
        self.key
            .open_in_place_separate_tag(nonce, Aad::from(associated), tag, content, 0..)
            .map(|_| ())
            .map_err(|_| Error::Unauthentic)
    }
}

/// Takes the tag off the end.
#[inline]
fn cut_tag(packet: &mut BytesMut) -> Result<Tag, Error> {
    let tag = Tag::from(*packet.last_chunk::<TAG_LENGTH>().ok_or(Error::Malformed)?);
    packet.truncate(packet.len() - TAG_LENGTH);
    Ok(tag)
}

fn split_header(packet: &mut [u8]) -> Result<(&mut [u8; RTCP_HEADER_LENGTH], &mut [u8]), Error> {
    packet.split_first_chunk_mut().ok_or(Error::Malformed)
}

/// RFC 7714 §9.2: the header and, from the packet's end, the word of E flag and index.
fn associated_data(header: [u8; RTCP_HEADER_LENGTH], word: [u8; SrtcpIndex::LENGTH]) -> [u8; 12] {
    let ([h0, h1, h2, h3, h4, h5, h6, h7], [w0, w1, w2, w3]) = (header, word);
    [h0, h1, h2, h3, h4, h5, h6, h7, w0, w1, w2, w3]
}

#[cfg(test)]
mod tests {
    //! RFC 7714 §16 and §17 state session keys and salts, not master keys.

    use super::*;
    use crate::testing::hex;

    const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
    const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    /// "Quid pro quo"
    const SALT: &str = "51756964 2070726f 2071756f";
    /// §16: "Gallia est omnis divisa in partes tres".
    const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
        69736120 696e2070 61727465 73207472 6573";
    /// §17.1 to §17.4; the packet printed before §17.1 is another one.
    const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
        deadbeef deadbeef deadbeef deadbeef deadbeef";
    const SRTCP_INDEX: u32 = 0x0000_05d4;

    fn aead(profile: Profile, key: &str) -> Aead {
        Aead::new(profile, &hex(key), &hex(SALT)).unwrap()
    }

    fn aead_128() -> Aead {
        aead(Profile::AeadAes128Gcm, KEY_128)
    }

    fn aead_256() -> Aead {
        aead(Profile::AeadAes256Gcm, KEY_256)
    }

    fn buffer(digits: &str) -> BytesMut {
        BytesMut::from(hex(digits).as_slice())
    }

    /// Both directions of an encrypted RTP packet.
    fn rtp(aead: &Aead, protected: &str) {
        let mut packet = buffer(RTP);
        let header = RtpHeader::parse(&packet, 0).unwrap();
        let index = PacketIndex::closest(header.sequence_number, None).unwrap();
        aead.seal_rtp(&mut packet, &header, index).unwrap();
        assert_eq!(packet, hex(protected));
        aead.open_rtp(&mut packet, &header, index).unwrap();
        assert_eq!(packet, hex(RTP));
    }

    /// Both directions of an RTP packet that is only tagged, which nobody negotiates here.
    fn rtp_tag_only(aead: &Aead, tag: &str) {
        let (packet, tag) = (hex(RTP), Tag::from(<[u8; 16]>::try_from(hex(tag)).unwrap()));
        let nonce = || aead.nonce(Ssrc(0x5501_a0b2), 0xf17b);
        assert_eq!(aead.seal(nonce(), &packet, &mut []).unwrap().as_ref(), tag.as_ref());
        aead.open(nonce(), &packet, &mut [], tag).unwrap();
    }

    /// Both directions of an RTCP packet.
    fn rtcp(aead: &Aead, encrypted: bool, protected: &str) {
        let (mut packet, ssrc) = (buffer(RTCP), Ssrc(0x4d61_7273));
        let index = SrtcpIndex { encrypted, index: SRTCP_INDEX };
        aead.seal_rtcp(&mut packet, ssrc, index).unwrap();
        assert_eq!(packet, hex(protected));
        aead.open_rtcp(&mut packet, ssrc, index).unwrap();
        assert_eq!(packet, hex(RTCP));
    }

    #[test]
    fn rfc_7714_16_iv_of_srtp() {
        let nonce = aead_128().nonce(Ssrc(0x5501_a0b2), 0x0000_0000_f17b);
        assert_eq!(nonce.as_ref().as_slice(), hex("51753c65 80c2726f 20718414"));
    }

    #[test]
    fn rfc_7714_17_iv_of_srtcp() {
        let nonce = aead_128().nonce(Ssrc(0x4d61_7273), SRTCP_INDEX.into());
        assert_eq!(nonce.as_ref().as_slice(), hex("51752405 5203726f 207170bb"));
    }

    #[test]
    fn rfc_7714_16_1_1_and_2_aead_aes_128_gcm() {
        rtp(
            &aead_128(),
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
            0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        );
    }

    #[test]
    fn rfc_7714_16_1_3_and_4_aead_aes_128_gcm_tag_only() {
        rtp_tag_only(&aead_128(), "22493f82 d2bce397 e9d79e3b 19aa4216");
    }

    #[test]
    fn rfc_7714_16_2_1_and_2_aead_aes_256_gcm() {
        rtp(
            &aead_256(),
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
            9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        );
    }

    #[test]
    fn rfc_7714_16_2_3_and_4_aead_aes_256_gcm_tag_only() {
        rtp_tag_only(&aead_256(), "a866d591 0f887463 067ceefe c45215d4");
    }

    #[test]
    fn rfc_7714_17_1_srtcp_aead_aes_128_gcm() {
        rtcp(
            &aead_128(),
            true,
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
            c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
            45d9eade 800005d4",
        );
    }

    #[test]
    fn rfc_7714_17_2_srtcp_aead_aes_256_gcm() {
        rtcp(
            &aead_256(),
            true,
            "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
            a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c
            b26ac3be 800005d4",
        );
    }

    #[test]
    fn rfc_7714_17_3_srtcp_aead_aes_128_gcm_tag_only() {
        rtcp(
            &aead_128(),
            false,
            "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
            deadbeef deadbeef deadbeef deadbeef deadbeef 841dd968 3dd78ec9 2ae58790
            125f62b3 000005d4",
        );
    }

    #[test]
    fn rfc_7714_17_4_srtcp_aead_aes_256_gcm_tag_only() {
        rtcp(
            &aead_256(),
            false,
            "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
            deadbeef deadbeef deadbeef deadbeef deadbeef 91db4afb feee5a97 8fab4393
            ed2615fe 000005d4",
        );
    }
}
