//! From one master key to six session keys: key derivation, RFC 3711 §4.3, RFC 6188 §3.
//!
//! ```text
//!            ┌────────────────────────────── 112 bits ───────────────────────────────┐
//! master salt│  0EC675AD498AFE │ EB │ B6960B3AABE6   (96 bits in GCM: zeros follow)  │
//!      label │                 │ 00 │ 000000000000   index DIV rate, with rate 0: 0  │
//!            └─────────────────┴─ XOR ──────────────────────────────────────────────┘
//!                                │  ‖ 0000, the block counter
//!                                ▼
//!               AES in counter mode under the master key ─► as many octets as wanted
//!
//! label  0 encryption  1 authentication  2 salt   of SRTP
//!        3 encryption  4 authentication  5 salt   of SRTCP
//! ```
//!
//! DTLS-SRTP leaves the key derivation rate at 0: each session key is derived once, at the start.
//! Book: the chapter on SRTP.

use aes::{Aes128Enc, Aes256Enc};
use ctr::cipher::{KeyIvInit, StreamCipherCore};
use ctr::{CtrCore, flavors};

use crate::Error;

/// What a session key is for: RFC 3711 §4.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Label {
    /// Encrypts RTP.
    RtpEncryption = 0,
    /// Authenticates RTP.
    RtpAuthentication = 1,
    /// Salts the counter of RTP.
    RtpSalt = 2,
    /// Encrypts RTCP.
    RtcpEncryption = 3,
    /// Authenticates RTCP.
    RtcpAuthentication = 4,
    /// Salts the counter of RTCP.
    RtcpSalt = 5,
}

/// Where the label meets the salt: 48 bits of index stand behind it.
const LABEL_AT: usize = 7;

/// Octets of the longest master salt; a shorter one is followed by zeros: for the 96 bits of GCM
/// that is the multiplication by 2^16 of erratum 4938 to RFC 7714 §11.
const SALT_LENGTH: usize = 14;

/// Fills `session_key` with the key of `label`: the PRF of RFC 3711 §4.3.3, or of RFC 6188 §3 if
/// the master key has 256 bits.
///
/// # Errors
/// [`Error::KeyLength`], [`Error::SaltLength`].
// ANCHOR: derive
pub(crate) fn derive(
    master_key: &[u8],
    master_salt: &[u8],
    label: Label,
    session_key: &mut [u8],
) -> Result<(), Error> {
    let mut input = [0; 16];
    let salt = input.get_mut(..SALT_LENGTH.min(master_salt.len())).ok_or(Error::SaltLength)?;
    if salt.len() != master_salt.len() {
        return Err(Error::SaltLength);
    }
    salt.copy_from_slice(master_salt);
    if let Some(octet) = input.get_mut(LABEL_AT) {
        *octet ^= label as u8;
    }
    session_key.fill(0);
    let keystream = session_key.into();
    match master_key.len() {
        16 => Prf::<Aes128Enc>::new_from_slices(master_key, &input)
            .map_err(|_| Error::KeyLength)?
            .try_apply_keystream_partial(keystream),
        32 => Prf::<Aes256Enc>::new_from_slices(master_key, &input)
            .map_err(|_| Error::KeyLength)?
            .try_apply_keystream_partial(keystream),
        _ => return Err(Error::KeyLength),
    }
    .map_err(|_| Error::KeyLength)
}
// ANCHOR_END: derive

/// AES in counter mode, of which the keystream is the PRF's output.
type Prf<Aes> = CtrCore<Aes, flavors::Ctr128BE>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    fn derived(key: &str, salt: &str, label: Label, length: usize) -> Vec<u8> {
        let mut session_key = vec![0xee; length];
        derive(&hex(key), &hex(salt), label, &mut session_key).unwrap();
        session_key
    }

    const KEY: &str = "E1F97A0D3E018BE0D64FA32C06DE4139";
    const SALT: &str = "0EC675AD498AFEEBB6960B3AABE6";

    #[test]
    fn rfc_3711_b_3_cipher_key() {
        let expected = hex("C61E7A93744F39EE10734AFE3FF7A087");
        assert_eq!(derived(KEY, SALT, Label::RtpEncryption, 16), expected);
    }

    #[test]
    fn rfc_3711_b_3_cipher_salt() {
        let expected = hex("30CBBC08863D8C85D49DB34A9AE1");
        assert_eq!(derived(KEY, SALT, Label::RtpSalt, 14), expected);
    }

    #[test]
    fn rfc_3711_b_3_authentication_key() {
        let expected = hex("CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
            E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
            6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2");
        assert_eq!(derived(KEY, SALT, Label::RtpAuthentication, 94), expected);
    }

    #[test]
    fn rfc_6188_7_2_aes_256_prf() {
        let key = "f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6";
        let salt = "3b04803de51ee7c96423ab5b78d2";
        let cipher_key = hex("5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4");
        assert_eq!(derived(key, salt, Label::RtpEncryption, 32), cipher_key);
        assert_eq!(derived(key, salt, Label::RtpSalt, 14), hex("fa31791685ca444a9e07c6c64e93"));
        let authentication_key = hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
        assert_eq!(derived(key, salt, Label::RtpAuthentication, 20), authentication_key);
    }

    #[test]
    fn rfc_7714_erratum_4938_a_salt_of_96_bits_is_followed_by_zeros() {
        let short = derived(KEY, "0EC675AD498AFEEBB6960B3A", Label::RtcpEncryption, 16);
        let padded = derived(KEY, "0EC675AD498AFEEBB6960B3A0000", Label::RtcpEncryption, 16);
        assert_eq!(short, padded);
    }

    #[test]
    fn other_lengths_are_refused() {
        let mut key = [0; 16];
        assert_eq!(derive(&[0; 24], &[0; 14], Label::RtpSalt, &mut key), Err(Error::KeyLength));
        assert_eq!(derive(&[0; 16], &[0; 15], Label::RtpSalt, &mut key), Err(Error::SaltLength));
    }
}
