//! The `peer` program: `peer serve`, `peer call`, `peer nat` and `peer turn-server`.
//!
//! ```text
//!  serve:  http ► sessions ► PeerConnection ► echo, on every channel
//!                                           ► media, sent and received
//!          whip ► hub               one publisher, many viewers
//!          room ► socket            between two browsers
//!          page (HTML, CSS, JavaScript)
//!  call:   signalling (HTTP client) ► PeerConnection ► chat | transfer | media
//!          keeper: candidates that come later, ICE restarts
//!  nat:    probing (stun::behaviour) ► words
//!  turn-server:  UDP, TCP, TLS ► stun::turn::Server ► relayed addresses
//! ```
//!
//! The program uses the library as any other program would.
//!
//! Book: "Thirty seconds of a call".

pub(crate) mod call;
pub(crate) mod cli;
pub(crate) mod failure;
pub(crate) mod nat;
pub(crate) mod serve;
pub(crate) mod turn_server;

mod chat;
mod connections;
mod echo;
mod http;
mod hub;
mod ice_servers;
mod keeper;
mod media;
mod page;
mod report;
mod request;
mod restart;
mod room;
mod sessions;
mod signalling;
mod socket;
mod token;
mod transfer;
mod trickle;
mod whip;

/// Octets that SCTP may hold for a peer that does not acknowledge. The default is made for
/// applications that cannot wait; this one does.
const SEND_BUFFER: usize = 512 << 10;

/// Octets that SCTP may hold until they are echoed, as it tells the peer.
const RECEIVE_WINDOW: u32 = 2 << 20;

/// How the connections of this program are: a client that reads nothing should cost it little.
/// Across an ocean (100 ms) this still carries 5 MB/s there and back.
fn config() -> peer::Config {
    let mut config = peer::Config::default();
    config.data.association.send_buffer = SEND_BUFFER;
    config.data.association.receive_window = RECEIVE_WINDOW;
    config
}
