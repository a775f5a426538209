//! Records sealed and opened: AEAD in DTLS 1.2. RFC 5246 §6.2.3.3, RFC 6347 §4.1.2, RFC 5288, RFC 7905.
//!
//! ```text
//!                  GCM (RFC 5288 §3)                    ChaCha20-Poly1305 (RFC 7905 §2)
//! header           13 octets                            13 octets
//! explicit nonce   epoch(2) ‖ sequence_number(6)        none
//! ciphertext       as long as the plaintext             as long as the plaintext
//! tag              16 octets                            16 octets
//!
//! nonce            fixed IV(4) ‖ explicit nonce(8)      fixed IV(12) XOR 0(4) ‖ epoch ‖ sequence_number
//! additional data  epoch ‖ sequence_number(6) ‖ type(1) ‖ version(2) ‖ length of the plaintext(2)
//! ```
//!
//! A GCM key dies with the first repeated nonce. Ours are the record's number, never random (RFC 9325
//! §7.2.1), and [`Sealer`] owns that number: there is no way to seal twice with the same one, and
//! after 2^48 records there is no way to seal at all.
//!
//! Both directions work in place: a record is built in the datagram it leaves in, and opened in the
//! datagram it arrived in. ring keeps its own copy of the key and does not zeroise it.
//! Book: "The handshake and keys".

use bytes::{Buf, BytesMut};
use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::schedule::TrafficKey;
use super::suite::Suite;
use crate::Error;
use crate::wire::{ContentType, Epoch, ProtocolVersion, RecordHeader, SequenceNumber};

/// Octets of plaintext in a record: RFC 5246 §6.2.1.
pub(crate) const MAX_PLAINTEXT: usize = 1 << 14;

/// Octets of the tag of every AEAD here.
const TAG_LENGTH: usize = 16;

/// Seals the records of one epoch, each with the next number.
#[derive(Debug)]
pub(crate) struct Sealer {
    cipher: Cipher,
    epoch: Epoch,
    /// `None` once 2^48 records are sealed.
    next: Option<SequenceNumber>,
}

impl Sealer {
    /// A sealer that starts at sequence number 0.
    pub(crate) fn new(suite: Suite, key: &TrafficKey, epoch: Epoch) -> Result<Self, Error> {
        let next = Some(SequenceNumber::default());
        Ok(Self { cipher: Cipher::new(suite, key)?, epoch, next })
    }

    /// Octets of a record beyond its plaintext.
    pub(crate) fn overhead(&self) -> usize {
        RecordHeader::LENGTH + self.cipher.explicit_nonce_length() + TAG_LENGTH
    }

    /// Appends one whole record to `datagram`. At most [`MAX_PLAINTEXT`] octets.
    pub(crate) fn seal(
        &mut self,
        content_type: ContentType,
        plaintext: &[u8],
        datagram: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let sequence_number = self.next.ok_or(Error::SequenceExhausted)?;
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(Error::RecordOverflow);
        }
        // From here on the number is spent, whatever happens.
        self.next = sequence_number.next();
        let number = number(self.epoch, sequence_number);
        let length = self.cipher.explicit_nonce_length() + plaintext.len() + TAG_LENGTH;
        let header = RecordHeader {
            content_type,
            version: ProtocolVersion::DTLS_1_2,
            epoch: self.epoch,
            sequence_number,
            length: u16::try_from(length).map_err(|_| Error::RecordOverflow)?,
        };
        datagram.reserve(RecordHeader::LENGTH + length);
        header.write(datagram);
        if let Nonces::Explicit(_) = self.cipher.nonces {
            datagram.extend_from_slice(&number);
        }
        let start = datagram.len();
        datagram.extend_from_slice(plaintext);
        let (_, body) = datagram.split_at_mut(start);
        let nonce = self.cipher.nonce(number);
        let aad = additional_data(&header, plaintext.len());
        let tag = self.cipher.key.seal_in_place_separate_tag(nonce, aad, body);
        datagram.extend_from_slice(tag.map_err(|_| Error::Crypto)?.as_ref());
        Ok(())
    }
}

/// Opens the records of one epoch.
#[derive(Debug)]
pub(crate) struct Opener {
    cipher: Cipher,
}

impl Opener {
    /// An opener for what the other side's [`Sealer`] of the same key seals.
    pub(crate) fn new(suite: Suite, key: &TrafficKey) -> Result<Self, Error> {
        Ok(Self { cipher: Cipher::new(suite, key)? })
    }

    /// Turns the fragment of a record into its plaintext, in place. After an error the fragment's
    /// content is lost; the record is to be dropped silently (RFC 6347 §4.1.2.7).
    pub(crate) fn open(&self, header: &RecordHeader, fragment: &mut BytesMut) -> Result<(), Error> {
        let explicit = self.cipher.explicit_nonce_length();
        let length =
            fragment.len().checked_sub(explicit + TAG_LENGTH).ok_or(Error::Undecryptable)?;
        if length > MAX_PLAINTEXT {
            return Err(Error::RecordOverflow);
        }
        let number = match self.cipher.nonces {
            // What the peer put there, which need not be the record's number (RFC 5288 §3).
            Nonces::Explicit(_) => *fragment.first_chunk().ok_or(Error::Undecryptable)?,
            Nonces::Implicit(_) => number(header.epoch, header.sequence_number),
        };
        fragment.advance(explicit);
        let aad = additional_data(header, length);
        self.cipher
            .key
            .open_in_place(self.cipher.nonce(number), aad, fragment)
            .map_err(|_| Error::Undecryptable)?;
        fragment.truncate(length);
        Ok(())
    }
}

/// One direction's key with its way to make nonces.
struct Cipher {
    key: LessSafeKey,
    nonces: Nonces,
}

enum Nonces {
    /// The record carries 8 octets, these 4 come before them.
    Explicit(Zeroizing<[u8; 4]>),
    /// The record's number is XORed into these 12.
    Implicit(Zeroizing<[u8; NONCE_LEN]>),
}

impl Cipher {
    fn new(suite: Suite, key: &TrafficKey) -> Result<Self, Error> {
        let unbound = UnboundKey::new(suite.aead(), key.key()).map_err(|_| Error::Crypto)?;
        let nonces = match suite.explicit_nonce_length() {
            0 => Nonces::Implicit(Zeroizing::new(key.iv().try_into().map_err(|_| Error::Crypto)?)),
            _ => Nonces::Explicit(Zeroizing::new(key.iv().try_into().map_err(|_| Error::Crypto)?)),
        };
        Ok(Self { key: LessSafeKey::new(unbound), nonces })
    }

    fn explicit_nonce_length(&self) -> usize {
        match self.nonces {
            Nonces::Explicit(_) => 8,
            Nonces::Implicit(_) => 0,
        }
    }

    // ANCHOR: nonce
    fn nonce(&self, number: [u8; 8]) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        let (first, last) = nonce.split_at_mut(4);
        last.copy_from_slice(&number);
        match &self.nonces {
            Nonces::Explicit(salt) => first.copy_from_slice(salt.as_ref()),
            Nonces::Implicit(iv) => nonce.iter_mut().zip(iv.iter()).for_each(|(to, iv)| *to ^= iv),
        }
        Nonce::assume_unique_for_key(nonce)
    }
    // ANCHOR_END: nonce
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cipher({:?}, …)", self.key.algorithm())
    }
}

/// epoch ‖ sequence_number: what TLS counts and DTLS sends along (RFC 6347 §4.1.2.1).
fn number(epoch: Epoch, sequence_number: SequenceNumber) -> [u8; 8] {
    (u64::from(epoch.0) << 48 | sequence_number.get()).to_be_bytes()
}

/// RFC 5246 §6.2.3.3, with the number of RFC 6347 §4.1.2.1.
fn additional_data(header: &RecordHeader, plaintext: usize) -> Aad<[u8; 13]> {
    let [e0, e1, s0, s1, s2, s3, s4, s5] = number(header.epoch, header.sequence_number);
    let [v0, v1] = header.version.0.to_be_bytes();
    // At most 2^14, checked by both callers.
    let [l0, l1] = u16::try_from(plaintext).unwrap_or(u16::MAX).to_be_bytes();
    Aad::from([e0, e1, s0, s1, s2, s3, s4, s5, header.content_type.0, v0, v1, l0, l1])
}

#[cfg(test)]
impl Sealer {
    /// As if 2^48 records had been sealed.
    pub(crate) fn exhaust(&mut self) {
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(suite: Suite) -> (Sealer, Opener) {
        let key = vec![7; suite.key_length()];
        let iv = vec![9; suite.fixed_iv_length()];
        let key = TrafficKey::new(&key, &iv);
        (Sealer::new(suite, &key, Epoch(1)).unwrap(), Opener::new(suite, &key).unwrap())
    }

    fn open(opener: &Opener, record: &[u8]) -> Result<BytesMut, Error> {
        let (rest, header) = RecordHeader::parse(record).unwrap();
        let mut fragment = BytesMut::from(rest);
        opener.open(&header, &mut fragment).map(|()| fragment)
    }

    #[test]
    fn what_is_sealed_opens_with_every_suite() {
        for suite in Suite::ALL {
            let (mut sealer, opener) = pair(suite);
            for length in [0, 1, 15, 16, 17, 1200, MAX_PLAINTEXT] {
                let plaintext: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[0]).collect();
                let mut record = Vec::new();
                sealer.seal(ContentType::APPLICATION_DATA, &plaintext, &mut record).unwrap();
                assert_eq!(record.len(), length + sealer.overhead());
                assert_eq!(open(&opener, &record).unwrap(), plaintext);
            }
        }
    }

    #[test]
    fn row_36_a_bit_changed_anywhere_is_undecryptable() {
        for suite in Suite::ALL {
            let (mut sealer, opener) = pair(suite);
            let mut record = Vec::new();
            sealer.seal(ContentType::APPLICATION_DATA, b"plaintext", &mut record).unwrap();
            // Octets 11 and 12 are the length, which the caller has used to cut the record out.
            for at in (0..11).chain(RecordHeader::LENGTH..record.len()) {
                let mut changed = record.clone();
                changed[at] ^= 1;
                assert_eq!(open(&opener, &changed).unwrap_err(), Error::Undecryptable, "{at}");
            }
            for cut in RecordHeader::LENGTH..record.len() {
                assert_eq!(open(&opener, &record[..cut]).unwrap_err(), Error::Undecryptable);
            }
        }
    }

    #[test]
    fn row_46_the_nonce_is_epoch_and_sequence_and_never_repeats() {
        let (mut sealer, _) = pair(Suite::EcdheEcdsaAes128Gcm);
        for number in 0..300_u64 {
            let mut record = Vec::new();
            sealer.seal(ContentType::APPLICATION_DATA, b"", &mut record).unwrap();
            let expected = (1 << 48 | number).to_be_bytes();
            assert_eq!(record[3..11], expected, "in the header");
            assert_eq!(record[13..21], expected, "as explicit nonce");
        }
    }

    #[test]
    fn row_46_nothing_is_sealed_after_the_last_number() {
        let (mut sealer, _) = pair(Suite::EcdheEcdsaChaCha20Poly1305);
        sealer.next = Some(SequenceNumber::MAX);
        let mut datagram = Vec::new();
        sealer.seal(ContentType::ALERT, b"last", &mut datagram).unwrap();
        let length = datagram.len();
        let error = sealer.seal(ContentType::ALERT, b"one more", &mut datagram).unwrap_err();
        assert_eq!((error, datagram.len()), (Error::SequenceExhausted, length));
    }

    #[test]
    fn section_6_2_1_longer_plaintexts_are_neither_sealed_nor_opened() {
        let (mut sealer, opener) = pair(Suite::EcdheEcdsaAes128Gcm);
        let long = vec![0; MAX_PLAINTEXT + 1];
        let error = sealer.seal(ContentType::ALERT, &long, &mut Vec::new()).unwrap_err();
        assert_eq!(error, Error::RecordOverflow);
        let mut record = vec![23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0x19];
        record.extend(vec![0; 8 + MAX_PLAINTEXT + 1 + TAG_LENGTH]);
        assert_eq!(open(&opener, &record).unwrap_err(), Error::RecordOverflow);
    }

    #[test]
    fn rfc_7905_section_2_the_nonce_is_the_iv_xor_the_number() {
        let (sealer, _) = pair(Suite::EcdheEcdsaChaCha20Poly1305);
        let nonce = sealer.cipher.nonce(0x0001_0000_0000_00ff_u64.to_be_bytes());
        assert_eq!(nonce.as_ref(), &[9, 9, 9, 9, 9, 8, 9, 9, 9, 9, 9, 0xff ^ 9]);
    }

    #[test]
    fn row_80_ciphers_do_not_print_keys() {
        let (sealer, opener) = pair(Suite::EcdheEcdsaAes256Gcm);
        let printed = format!("{sealer:?} {opener:?}");
        assert!(!printed.contains('7') && !printed.contains('9'), "{printed}");
    }
}
