//! The `peer` program: `peer serve` and `peer call`.
//!
//! ```text
//!  serve:  http ► sessions ► PeerConnection ► echo, on every channel
//!          page (HTML, CSS, JavaScript)
//!  call:   signalling (HTTP client) ► PeerConnection ► chat | transfer
//! ```
//!
//! The program uses the library as any other program would.

pub(crate) mod call;
pub(crate) mod cli;
pub(crate) mod failure;
pub(crate) mod serve;

mod chat;
mod echo;
mod http;
mod page;
mod report;
mod sessions;
mod signalling;
mod transfer;

/// Octets that SCTP may hold for a peer that does not acknowledge. The default is made for programs
/// that cannot wait; this one does, and a client that reads nothing should cost it little.
const SEND_BUFFER: usize = 1 << 20;

/// How the connections of this program are.
fn config() -> peer::Config {
    let mut config = peer::Config::default();
    config.data.association.send_buffer = SEND_BUFFER;
    config
}
