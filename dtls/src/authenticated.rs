//! The proof that the peer is the one its description names.
//!
//! ```text
//! FingerprintMatched   its certificate is the one in the SDP        fingerprint::match_any
//! PossessionProven     it has that certificate's private key        PeerKey::verify
//! FinishedVerified     both saw the same handshake                  MasterSecret::verify_finished
//!        └───────────────┴─────────────┴──► Authenticated
//! ```
//!
//! Each of the three is made in one place only, after its check; who wants keys or data has to show
//! the result. A skipped check does not compile. Book: "The handshake and keys".

use crate::fingerprint::FingerprintMatched;
use crate::v12::schedule::FinishedVerified;
use crate::v12::signature::PossessionProven;

// ANCHOR: authenticated
/// The peer's certificate, its key and the handshake are verified (RFC 8827 §6.5).
///
/// Comes in [`Event::Connected`](crate::Event::Connected) and cannot be made outside this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticated(());
// ANCHOR_END: authenticated

// ANCHOR: proofs
impl Authenticated {
    pub(crate) fn new(_: FingerprintMatched, _: PossessionProven, _: FinishedVerified) -> Self {
        Self(())
    }
}
// ANCHOR_END: proofs
