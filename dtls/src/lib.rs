//! DTLS 1.2 (RFC 6347) for WebRTC: client and server, no I/O, no clock.
//!
//! (completed with the connection)

mod certificate;
mod error;
mod fingerprint;
pub mod flight;
pub mod reassembly;
pub mod replay;
mod v12;
pub mod wire;

pub use certificate::Certificate;
pub use error::{CloseReason, Error, SendError};
pub use fingerprint::{Fingerprint, HashAlgorithm};

/// Which side of the handshake we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends the ClientHello; `a=setup:active`.
    Client,
    /// Awaits it; `a=setup:passive`.
    Server,
}
