//! Reads the key logs beside the captures (`NAME.keylog`, the format of NSS: label, client random,
//! secret) and derives from them what an endpoint would: the keying material of SRTP.
//!
//! It does so independently of the crates' own key schedules, so that a capture that opens proves
//! those right. RFC 5246 §5 (PRF), RFC 5705 §4, RFC 8446 §7.1 and §7.5, RFC 9147 §5.9, RFC 5764 §4.2.

use std::path::Path;

use ring::{digest, hkdf, hmac};

/// The label of SRTP's keys (RFC 5764 §4.2).
const DTLS_SRTP: &str = "EXTRACTOR-dtls_srtp";

/// The secrets of one capture's connections.
#[derive(Debug)]
pub struct KeyLog {
    lines: Vec<(String, Vec<u8>, Vec<u8>)>,
}

impl KeyLog {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the key log {}: {error}", path.display()))?;
        let line = |line: &str| {
            let mut words = line.split(' ');
            let label = words.next()?.to_owned();
            Some((label, hex(words.next()?)?, hex(words.next()?)?))
        };
        Ok(Self { lines: text.lines().filter_map(line).collect() })
    }

    /// The secret under a label for the connection that began with this client random.
    #[must_use]
    pub fn secret(&self, label: &str, client_random: &[u8]) -> Option<&[u8]> {
        let mut lines = self.lines.iter();
        let (_, _, secret) = lines.find(|line| line.0 == label && line.1 == client_random)?;
        Some(secret)
    }

    /// The octets that both ends export for SRTP: client's key, server's key, client's salt,
    /// server's salt (RFC 5764 §4.2). `None`: the log does not have this connection.
    #[must_use]
    pub fn srtp_keying_material(
        &self,
        client_random: &[u8],
        server_random: &[u8],
        length: usize,
    ) -> Option<Vec<u8>> {
        if let Some(master) = self.secret("CLIENT_RANDOM", client_random) {
            let seed = [client_random, server_random].concat();
            return Some(prf(master, DTLS_SRTP, &seed, length));
        }
        let exporter = self.secret("EXPORTER_SECRET", client_random)?;
        let empty = digest::digest(&digest::SHA256, b"");
        let secret = expand_label(exporter, DTLS_SRTP, empty.as_ref(), 32)?;
        expand_label(&secret, "exporter", empty.as_ref(), length)
    }
}

/// P_SHA256 with label and seed: the PRF of TLS 1.2 (RFC 5246 §5).
#[must_use]
pub fn prf(secret: &[u8], label: &str, seed: &[u8], length: usize) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let seed = [label.as_bytes(), seed].concat();
    let (mut out, mut a) = (Vec::new(), hmac::sign(&key, &seed));
    while out.len() < length {
        out.extend_from_slice(hmac::sign(&key, &[a.as_ref(), &seed].concat()).as_ref());
        a = hmac::sign(&key, a.as_ref());
    }
    out.truncate(length);
    out
}

/// HKDF-Expand-Label of SHA-256 (RFC 8446 §7.1), with the prefix of DTLS 1.3 (RFC 9147 §5.9).
fn expand_label(secret: &[u8], label: &str, context: &[u8], length: usize) -> Option<Vec<u8>> {
    struct Octets(usize);

    impl hkdf::KeyType for Octets {
        fn len(&self) -> usize {
            self.0
        }
    }

    let label = [b"dtls13", label.as_bytes()].concat();
    let info = [
        &u16::try_from(length).ok()?.to_be_bytes()[..],
        &[u8::try_from(label.len()).ok()?],
        &label,
        &[u8::try_from(context.len()).ok()?],
        context,
    ];
    let mut out = vec![0; length];
    let secret = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, secret);
    secret.expand(&info, Octets(length)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
    let octet = |pair: &[u32]| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    };
    digits?.chunks(2).map(octet).collect()
}
