//! Cipher suites and compression methods: two registries, and nothing else (RFC 5246 §7.4.1.2, A.5).

use super::registry::registry;

registry! {
    /// Key exchange, signature, cipher and PRF hash in one number (RFC 5246 A.5).
    pub struct CipherSuite(u16);
    /// RFC 5289 §3.2: mandatory for WebRTC (RFC 8827 §6.5).
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    /// RFC 5289 §3.2.
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 = 0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    /// RFC 5289 §3.2.
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = 0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    /// RFC 5289 §3.2.
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 = 0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    /// RFC 7905 §2.
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = 0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";
    /// RFC 7905 §2.
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = 0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    /// Not a cipher: the client supports secure renegotiation (RFC 5746 §3.3).
    TLS_EMPTY_RENEGOTIATION_INFO_SCSV = 0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV";
}

registry! {
    /// Compression of records (RFC 5246 §6.2.2); only `null` is ever used.
    pub struct CompressionMethod(u8);
    /// No compression.
    NULL = 0, "null";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ianas_and_unknown_numbers_stay_numbers() {
        let known = CipherSuite(0xcca9);
        assert_eq!(known.to_string(), "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
        assert_eq!(CipherSuite(0x1301).to_string(), "0x1301");
    }
}
