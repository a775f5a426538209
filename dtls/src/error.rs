//! Everything that can be wrong, sorted by what it costs, and the one table from error to alert.
//!
//! ```text
//! Error ┬ the datagram is discarded, the connection lives   RFC 6347 §4.1.2.7
//!       ├ the handshake is refused: alert, then Closed      RFC 5246 §7.2.2
//!       └ the caller asked for what cannot be               no packet at all
//! CloseReason   why a connection ended; told once, in Event::Closed
//! SendError     why a payload was not taken
//! ```
//!
//! An error is about one datagram, an event is about the connection: `handle_datagram` returns only
//! errors of the first kind; those of the second arrive as `CloseReason::Refused`.
//! Book: "The handshake and keys".

use crate::wire::{AlertDescription, ParseError};

/// One misdeed, named after what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // Discarded: the connection lives.
    /// Octets that are no record, alert, fragment or message.
    #[error("malformed: {0}")]
    Malformed(#[from] ParseError),
    /// A content type this protocol does not have, or not at this moment.
    #[error("a record of a type that does not belong here")]
    UnexpectedRecord,
    /// Neither DTLS 1.0 nor 1.2 in the record header (RFC 6347 §4.1).
    #[error("a record of another version")]
    RecordVersion,
    /// An epoch without keys: too early, or never to be.
    #[error("a record of an epoch that has no keys")]
    EpochUnknown,
    /// The tag does not verify (RFC 6347 §4.1.2.7).
    #[error("a record that cannot be decrypted")]
    Undecryptable,
    /// The record was here before, or is older than the window (RFC 6347 §4.1.2.6).
    #[error("a replayed record")]
    Replayed,
    /// More than 2^14 octets of plaintext (RFC 5246 §6.2.1).
    #[error("a record with more than 2^14 octets")]
    RecordOverflow,
    /// A fragment beyond the bounds of reassembly, or in contradiction to another one.
    #[error("a handshake fragment that cannot be used")]
    FragmentUnusable,
    /// A message that the handshake does not await now (RFC 5246 §7.4).
    #[error("a handshake message out of order")]
    UnexpectedMessage,
    /// Application data before the peer is authenticated, or more than is buffered.
    #[error("application data that cannot be taken now")]
    ApplicationDataUnwanted,
    /// Everything after the end.
    #[error("the connection is closed")]
    Closed,

    // Refused: the handshake ends with an alert.
    /// The peer does not speak DTLS 1.2.
    #[error("the peer does not offer DTLS 1.2")]
    VersionUnsupported,
    /// No cipher suite in common, given our certificate.
    #[error("no cipher suite in common")]
    NoCommonCipherSuite,
    /// No elliptic curve group in common.
    #[error("no group in common")]
    NoCommonGroup,
    /// No signature algorithm in common, given our certificate.
    #[error("no signature algorithm in common")]
    NoCommonSignatureScheme,
    /// The client does not offer, or the server does not choose, "no compression".
    #[error("compression is not supported")]
    CompressionUnsupported,
    /// The same extension twice (RFC 5246 §7.4.1.4).
    #[error("an extension appears twice")]
    ExtensionDuplicate,
    /// The server answers an extension we did not send (RFC 5246 §7.4.1.4).
    #[error("an extension that was not offered")]
    ExtensionNotOffered,
    /// An extension whose content contradicts its meaning.
    #[error("an extension with a wrong value")]
    ExtensionInvalid,
    /// The server chose a suite that we did not offer.
    #[error("a cipher suite that was not offered")]
    CipherSuiteNotOffered,
    /// The server chose a group that we did not offer.
    #[error("a group that was not offered")]
    GroupNotOffered,
    /// A signature made with an algorithm that we did not offer.
    #[error("a signature algorithm that was not offered")]
    SignatureSchemeNotOffered,
    /// The server chose an SRTP profile that we did not offer, or several (RFC 5764 §4.1.1).
    #[error("an SRTP protection profile that was not offered")]
    SrtpProfileNotOffered,
    /// RFC 7627 §5.2: without it the handshake could be relayed.
    #[error("the peer does not support the extended master secret")]
    ExtendedMasterSecretMissing,
    /// RFC 5746 §3.4, §3.6: a first handshake whose renegotiation_info is not empty.
    #[error("renegotiation_info of a first handshake is not empty")]
    RenegotiationInfoInvalid,
    /// A server that keeps asking for cookies.
    #[error("too many HelloVerifyRequests")]
    HelloVerifyRequestsTooMany,
    /// No certificate where one is needed (RFC 8827 §6.5).
    #[error("the peer shows no certificate")]
    CertificateMissing,
    /// Not a certificate, or longer than we take.
    #[error("the peer's certificate cannot be parsed")]
    CertificateMalformed,
    /// A key that is neither ECDSA on P-256 or P-384 nor RSA of 2048 to 8192 bits.
    #[error("the certificate's key is of an unsupported kind")]
    CertificateUnsupported,
    /// The key's kind is not the one that the cipher suite or the signature names.
    #[error("the certificate's key does not fit the cipher suite")]
    CertificateMismatch,
    /// None of the fingerprints in the peer's description is this certificate's (RFC 8122 §6.2).
    #[error("the peer's certificate has another fingerprint than its description")]
    FingerprintMismatch,
    /// The key exchange's public value is not a point of the group (RFC 8422 §5.4, RFC 7748 §6.1).
    #[error("a public value that is not a point of the group")]
    PublicValueInvalid,
    /// The signature over the key exchange or the handshake is wrong.
    #[error("a handshake signature that does not verify")]
    SignatureWrong,
    /// Finished does not match the handshake we saw (RFC 5246 §7.4.9).
    #[error("the Finished message is wrong")]
    FinishedWrong,
    /// The handshake became longer than any honest one.
    #[error("the handshake is too long")]
    HandshakeTooLong,
    /// 2^48 records were sent; nothing may be sealed any more (RFC 6347 §4.1).
    #[error("the sequence numbers are used up")]
    SequenceExhausted,
    /// A cryptographic operation of ours failed: no randomness, or a key that cannot sign.
    #[error("a cryptographic operation failed")]
    Crypto,

    // The caller's.
    /// The handshake has not ended, or has failed.
    #[error("not connected")]
    NotConnected,
    /// A label of the handshake itself (RFC 5705 §4).
    #[error("this exporter label is reserved")]
    ExporterLabelReserved,
    /// More key material than anyone needs.
    #[error("more key material than can be exported")]
    ExportTooLong,
    /// Certificate and private key do not belong together.
    #[error("the private key is not the certificate's")]
    PrivateKeyMismatch,
    /// The private key is not a PKCS#8 key of a kind we can sign with.
    #[error("the private key cannot be used")]
    PrivateKeyInvalid,
    /// Not `HASH XX:XX:…` of RFC 8122 §5 with a hash we know.
    #[error("the fingerprint cannot be parsed")]
    FingerprintInvalid,
}

impl Error {
    /// The alert that tells the peer: RFC 5246 §7.2.2.
    #[must_use]
    pub fn alert(&self) -> AlertDescription {
        match self {
            Self::Malformed(_) => AlertDescription::DECODE_ERROR,
            Self::UnexpectedMessage | Self::UnexpectedRecord | Self::HelloVerifyRequestsTooMany => {
                AlertDescription::UNEXPECTED_MESSAGE
            }
            Self::RecordOverflow => AlertDescription::RECORD_OVERFLOW,
            Self::VersionUnsupported => AlertDescription::PROTOCOL_VERSION,
            Self::NoCommonCipherSuite
            | Self::NoCommonGroup
            | Self::NoCommonSignatureScheme
            | Self::ExtendedMasterSecretMissing
            | Self::RenegotiationInfoInvalid
            | Self::CertificateMissing
            | Self::HandshakeTooLong => AlertDescription::HANDSHAKE_FAILURE,
            Self::CompressionUnsupported
            | Self::ExtensionDuplicate
            | Self::ExtensionInvalid
            | Self::CipherSuiteNotOffered
            | Self::GroupNotOffered
            | Self::SignatureSchemeNotOffered
            | Self::SrtpProfileNotOffered
            | Self::CertificateMismatch
            | Self::PublicValueInvalid => AlertDescription::ILLEGAL_PARAMETER,
            Self::ExtensionNotOffered => AlertDescription::UNSUPPORTED_EXTENSION,
            Self::CertificateMalformed | Self::FingerprintMismatch => {
                AlertDescription::BAD_CERTIFICATE
            }
            Self::CertificateUnsupported => AlertDescription::UNSUPPORTED_CERTIFICATE,
            Self::SignatureWrong | Self::FinishedWrong => AlertDescription::DECRYPT_ERROR,
            _ => AlertDescription::INTERNAL_ERROR,
        }
    }
}

/// Why a connection ended. Told once, in `Event::Closed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// `close` was called.
    #[error("closed by us")]
    Local,
    /// The peer sent close_notify (RFC 5246 §7.2.1).
    #[error("closed by the peer")]
    Remote,
    /// The peer sent a fatal alert.
    #[error("the peer refused with {0}")]
    RemoteAlert(AlertDescription),
    /// The peer's handshake was refused, with the alert that [`Error::alert`] names.
    #[error("refused: {0}")]
    Refused(Error),
    /// The handshake did not end in time.
    #[error("the handshake did not end in time")]
    Timeout,
}

/// Why a payload was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The handshake has not ended, or the connection is closed.
    #[error("not connected")]
    NotConnected,
    /// More than 2^14 octets (RFC 5246 §6.2.1); DTLS does not fragment application data.
    #[error("more than 2^14 octets in one record")]
    TooLong,
    /// Too many datagrams wait for `poll_transmit`; the payload was dropped.
    #[error("too many datagrams are waiting to be sent")]
    Backlog,
    /// 2^48 records were sent; the connection is closed (RFC 6347 §4.1).
    #[error("the sequence numbers are used up")]
    SequenceExhausted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_47_to_54_each_refusal_has_its_alert() {
        let table = [
            (Error::FingerprintMismatch, AlertDescription::BAD_CERTIFICATE),
            (Error::CertificateMissing, AlertDescription::HANDSHAKE_FAILURE),
            (Error::SignatureWrong, AlertDescription::DECRYPT_ERROR),
            (Error::PublicValueInvalid, AlertDescription::ILLEGAL_PARAMETER),
            (Error::GroupNotOffered, AlertDescription::ILLEGAL_PARAMETER),
            (Error::ExtensionNotOffered, AlertDescription::UNSUPPORTED_EXTENSION),
            (Error::UnexpectedMessage, AlertDescription::UNEXPECTED_MESSAGE),
            (Error::FinishedWrong, AlertDescription::DECRYPT_ERROR),
            (Error::ExtendedMasterSecretMissing, AlertDescription::HANDSHAKE_FAILURE),
            (Error::VersionUnsupported, AlertDescription::PROTOCOL_VERSION),
        ];
        for (error, alert) in table {
            assert_eq!(error.alert(), alert, "{error}");
        }
    }
}
