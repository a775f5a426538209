//! Key material for others: the exporter of RFC 5705 and what DTLS-SRTP makes of it (RFC 5764 §4.2).
//!
//! ```text
//! EXTRACTOR-dtls_srtp, 2 × (key + salt) octets
//! ┌────────────────┬────────────────┬─────────────┬─────────────┐
//! │ client key     │ server key     │ client salt │ server salt │
//! └────────────────┴────────────────┴─────────────┴─────────────┘
//!  what the client protects with …                                the server's beside it
//!
//! profile                         key   salt
//! SRTP_AES128_CM_HMAC_SHA1_80/32   16     14     RFC 5764 §4.1.2
//! SRTP_AEAD_AES_128_GCM            16     12     RFC 7714 §12
//! SRTP_AEAD_AES_256_GCM            32     12
//! ```
//!
//! Invariant: nothing is exported without [`Authenticated`](crate::Authenticated): keys never leave
//! before the peer is known. Book: "The handshake and keys".

use zeroize::Zeroizing;

use super::schedule::MasterSecret;
use crate::{Error, SrtpProfile};

/// Labels the handshake itself uses; an exporter must not be given them (RFC 5705 §4).
const RESERVED_LABELS: [&[u8]; 5] = [
    b"client finished",
    b"server finished",
    b"master secret",
    b"extended master secret",
    b"key expansion",
];

/// Longest export: far beyond any SRTP profile, and the PRF's work stays under a millisecond.
const MAX_EXPORT: usize = 4096;

/// RFC 5764 §4.2.
const SRTP_LABEL: &[u8] = b"EXTRACTOR-dtls_srtp";

/// `length` octets of key material for `label`, without context: RFC 5705 §4.
pub(crate) fn export(
    master: &MasterSecret,
    label: &[u8],
    length: usize,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    if RESERVED_LABELS.contains(&label) {
        return Err(Error::ExporterLabelReserved);
    }
    if length > MAX_EXPORT {
        return Err(Error::ExportTooLong);
    }
    let mut exported = Zeroizing::new(vec![0; length]);
    master.export(label, &mut exported);
    Ok(exported)
}

/// The SRTP master keys and salts of both sides: RFC 5764 §4.2. Zeroised on drop, never printed.
pub struct SrtpKeyingMaterial {
    profile: SrtpProfile,
    octets: Zeroizing<Vec<u8>>,
    key: usize,
}

impl SrtpKeyingMaterial {
    /// Exports what `profile` needs; `None` if its lengths are not known here.
    pub(crate) fn export(master: &MasterSecret, profile: SrtpProfile) -> Option<Self> {
        let (key, salt) = match profile {
            SrtpProfile::SRTP_AES128_CM_HMAC_SHA1_80 | SrtpProfile::SRTP_AES128_CM_HMAC_SHA1_32 => {
                (16, 14)
            }
            SrtpProfile::SRTP_AEAD_AES_128_GCM => (16, 12),
            SrtpProfile::SRTP_AEAD_AES_256_GCM => (32, 12),
            _ => return None,
        };
        let octets = export(master, SRTP_LABEL, 2 * (key + salt)).ok()?;
        Some(Self { profile, octets, key })
    }

    /// The profile that this material is for.
    #[must_use]
    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Master key of what the DTLS client sends.
    #[must_use]
    pub fn client_key(&self) -> &[u8] {
        self.keys().split_at(self.key).0
    }

    /// Master key of what the DTLS server sends.
    #[must_use]
    pub fn server_key(&self) -> &[u8] {
        self.keys().split_at(self.key).1
    }

    /// Master salt of what the DTLS client sends.
    #[must_use]
    pub fn client_salt(&self) -> &[u8] {
        self.salts().split_at(self.salts().len() / 2).0
    }

    /// Master salt of what the DTLS server sends.
    #[must_use]
    pub fn server_salt(&self) -> &[u8] {
        self.salts().split_at(self.salts().len() / 2).1
    }

    fn keys(&self) -> &[u8] {
        self.octets.split_at(2 * self.key).0
    }

    fn salts(&self) -> &[u8] {
        self.octets.split_at(2 * self.key).1
    }
}

impl std::fmt::Debug for SrtpKeyingMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SrtpKeyingMaterial").field("profile", &self.profile).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v12::schedule::Randoms;
    use crate::v12::suite::Suite;

    fn master() -> MasterSecret {
        let randoms = Randoms { client: [1; 32], server: [2; 32] };
        MasterSecret::derive(Suite::EcdheEcdsaAes128Gcm, &[3; 32], &[4; 32], randoms)
    }

    #[test]
    fn rfc_5705_section_4_labels_of_the_handshake_are_not_exported() {
        for label in RESERVED_LABELS {
            assert_eq!(export(&master(), label, 16).unwrap_err(), Error::ExporterLabelReserved);
        }
        assert_eq!(export(&master(), b"x", MAX_EXPORT + 1).unwrap_err(), Error::ExportTooLong);
        assert_eq!(export(&master(), b"x", 60).unwrap().len(), 60);
    }

    #[test]
    fn rfc_5764_section_4_2_client_key_server_key_client_salt_server_salt() {
        for (profile, key, salt) in [
            (SrtpProfile::SRTP_AES128_CM_HMAC_SHA1_80, 16, 14),
            (SrtpProfile::SRTP_AEAD_AES_128_GCM, 16, 12),
            (SrtpProfile::SRTP_AEAD_AES_256_GCM, 32, 12),
        ] {
            let whole = export(&master(), SRTP_LABEL, 2 * (key + salt)).unwrap();
            let material = SrtpKeyingMaterial::export(&master(), profile).unwrap();
            assert_eq!(material.client_key(), &whole[..key]);
            assert_eq!(material.server_key(), &whole[key..2 * key]);
            assert_eq!(material.client_salt(), &whole[2 * key..2 * key + salt]);
            assert_eq!(material.server_salt(), &whole[2 * key + salt..]);
            assert_eq!(material.profile(), profile);
        }
        assert!(SrtpKeyingMaterial::export(&master(), SrtpProfile(0x0a0a)).is_none());
    }

    #[test]
    fn row_80_srtp_keys_do_not_print() {
        let material =
            SrtpKeyingMaterial::export(&master(), SrtpProfile::SRTP_AEAD_AES_128_GCM).unwrap();
        let expected = "SrtpKeyingMaterial { profile: SRTP_AEAD_AES_128_GCM, .. }";
        assert_eq!(format!("{material:?}"), expected);
    }
}
