//! Certificate fingerprints: how SDP vouches for a self-signed certificate. RFC 8122 §5.
//!
//! ```text
//! a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:…:3E:5D:49
//!               └ hash  └ hash of the certificate's DER, upper-case hex, colons
//! ```
//!
//! In WebRTC nobody asks an authority about a certificate (RFC 8827 §6.5): what the signalling says
//! about its fingerprint is the whole proof of identity. sha-1 and md5 are not accepted.
//!
//! Invariants: only [`match_any`] makes a [`FingerprintMatched`]; no fingerprints match nothing.
//! Book: "The handshake and keys".

use std::fmt;
use std::str::FromStr;

use ring::digest;

use crate::Error;

/// A hash function of `a=fingerprint`: RFC 8122 §5. Ordered by strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// sha-256: what everybody sends.
    Sha256,
    /// sha-384.
    Sha384,
    /// sha-512.
    Sha512,
}

impl HashAlgorithm {
    /// The name in SDP, of the registry "Hash Function Textual Names".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl FromStr for HashAlgorithm {
    type Err = Error;

    /// Names are tokens compared without case (RFC 8122 §5 writes them lower-case; some peers do not).
    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or(Error::FingerprintInvalid)
    }
}

/// The hash of a certificate in DER: RFC 8122 §5. The digest has the hash's length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    algorithm: HashAlgorithm,
    digest: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    #[must_use]
    pub fn of(algorithm: HashAlgorithm, der: &[u8]) -> Self {
        let digest = digest::digest(algorithm.algorithm(), der).as_ref().to_vec();
        Self { algorithm, digest }
    }

    /// The hash function.
    #[must_use]
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The hash, 32, 48 or 64 octets.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

impl fmt::Display for Fingerprint {
    /// `sha-256 4A:AD:…`, as after `a=fingerprint:`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        let mut separator = ' ';
        for octet in &self.digest {
            write!(f, "{separator}{octet:02X}")?;
            separator = ':';
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    /// Parses the value of `a=fingerprint`. Lower-case hex is tolerated.
    ///
    /// # Errors
    /// An unknown hash, a digest of another length, or anything that is not hex and colons.
    fn from_str(value: &str) -> Result<Self, Error> {
        let (name, hex) = value.trim().split_once(' ').ok_or(Error::FingerprintInvalid)?;
        let algorithm: HashAlgorithm = name.parse()?;
        let digest: Vec<u8> = hex.split(':').map(octet).collect::<Result<_, _>>()?;
        if digest.len() != algorithm.algorithm().output_len() {
            return Err(Error::FingerprintInvalid);
        }
        Ok(Self { algorithm, digest })
    }
}

/// Two hexadecimal digits; `from_str_radix` alone would take "+f".
fn octet(digits: &str) -> Result<u8, Error> {
    if digits.len() != 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Error::FingerprintInvalid);
    }
    u8::from_str_radix(digits, 16).map_err(|_| Error::FingerprintInvalid)
}

/// Proof that the certificate is the one the description vouches for: only [`match_any`] makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FingerprintMatched(());

/// Checks that the certificate `der` is one that the description vouches for: RFC 8122 §5.1 (several
/// fingerprints) and §6.2 (what to do with them).
///
/// Of the hashes in the description only the strongest counts, and one of its fingerprints must
/// match: a weaker hash cannot be used to get around a stronger one.
pub(crate) fn match_any(der: &[u8], expected: &[Fingerprint]) -> Result<FingerprintMatched, Error> {
    let preferred = expected.iter().map(|fingerprint| fingerprint.algorithm).max();
    let preferred = preferred.ok_or(Error::FingerprintMismatch)?;
    let ours = Fingerprint::of(preferred, der);
    expected.contains(&ours).then_some(FingerprintMatched(())).ok_or(Error::FingerprintMismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [HashAlgorithm; 3] =
        [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];

    #[test]
    fn sdp_text_round_trips_for_each_hash() {
        for algorithm in ALL {
            let fingerprint = Fingerprint::of(algorithm, b"certificate");
            let text = fingerprint.to_string();
            assert_eq!(text.parse::<Fingerprint>().unwrap(), fingerprint);
            assert_eq!(text.to_lowercase().parse::<Fingerprint>().unwrap(), fingerprint);
        }
    }

    #[test]
    fn fips_180_the_text_of_abc() {
        assert_eq!(
            Fingerprint::of(HashAlgorithm::Sha256, b"abc").to_string(),
            "sha-256 BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:\
             B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD"
        );
    }

    #[test]
    fn row_47_truncated_mislabelled_or_malformed_fingerprints_do_not_parse() {
        let good = Fingerprint::of(HashAlgorithm::Sha256, b"certificate").to_string();
        let hex = good.split_once(' ').unwrap().1;
        for bad in [
            "",
            "sha-256",
            "sha-256 ",
            &good[..good.len() - 3],
            &format!("{good}:00"),
            &good.replace(':', ""),
            &good.replacen("sha-256", "sha-384", 1),
            &good.replacen("sha-256", "sha-1", 1),
            &good.replacen("sha-256", "md5", 1),
            &format!("sha-256 +1{}", &hex[2..]),
            &format!("sha-256 é{}", &hex[2..]),
        ] {
            assert_eq!(bad.parse::<Fingerprint>().unwrap_err(), Error::FingerprintInvalid, "{bad}");
        }
    }

    #[test]
    fn row_47_only_the_certificates_own_fingerprint_matches() {
        for algorithm in ALL {
            let other = Fingerprint::of(algorithm, b"other");
            let right = Fingerprint::of(algorithm, b"certificate");
            assert!(match_any(b"certificate", &[other.clone(), right]).is_ok());
            let error = match_any(b"certificate", &[other]).unwrap_err();
            assert_eq!(error, Error::FingerprintMismatch);
        }
        assert_eq!(match_any(b"certificate", &[]).unwrap_err(), Error::FingerprintMismatch);
    }

    #[test]
    fn section_5_1_only_the_strongest_hash_counts() {
        let weak = Fingerprint::of(HashAlgorithm::Sha256, b"certificate");
        let strong = Fingerprint::of(HashAlgorithm::Sha512, b"certificate");
        let wrong = Fingerprint::of(HashAlgorithm::Sha512, b"other");
        assert!(match_any(b"certificate", &[weak.clone(), strong]).is_ok());
        assert!(match_any(b"certificate", &[weak, wrong]).is_err());
    }
}
