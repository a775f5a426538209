//! What a [`PeerConnection`](super::PeerConnection) tells its application.
//!
//! Book: "The pump".

use std::net::SocketAddr;

use super::{DataChannel, Transceiver};
use crate::{CloseReason, ConnectionState, IceCandidate, IceConnectionState, IceGatheringState};

/// News of a connection, in the order in which it happened. In brackets the W3C's name.
#[derive(Debug)]
#[non_exhaustive]
pub enum PeerEvent {
    /// The state of the connection changed (`connectionstatechange`).
    ConnectionState(ConnectionState),
    /// A local candidate for the peer, or `None` when there will be no more (`icecandidate`).
    IceCandidate(Option<IceCandidate>),
    /// Gathering got further (`icegatheringstatechange`).
    IceGatheringState(IceGatheringState),
    /// A STUN or TURN server was of no use, and why (`icecandidateerror`). Others may do.
    IceCandidateError(ice::GatheringError),
    /// The state of ICE changed (`iceconnectionstatechange`).
    IceConnectionState(IceConnectionState),
    /// ICE sends on this pair of addresses from now on (`selectedcandidatepairchange`).
    SelectedPair {
        /// What carries it.
        protocol: ice::Protocol,
        /// Ours.
        local: SocketAddr,
        /// The peer's.
        remote: SocketAddr,
    },
    /// The peer has opened a channel (`datachannel`). It is open. Dropping it closes it.
    DataChannel(DataChannel),
    /// The peer sends on this transceiver from now on (`track`).
    Track(Transceiver),
    /// Something has changed that only a new offer can tell the peer (`negotiationneeded`).
    NegotiationNeeded,
    /// The connection is over, by this or by the other side. Nothing follows.
    Closed(CloseReason),
}
