//! Why a connection refused something.
//!
//! One error for the crate's sans-IO part: the reasons of a negotiation (RFC 9429), and those of the
//! layers below. A refused call has changed nothing.
//! Book: the chapters on offer and answer, and on the pump.

use crate::negotiation::{SdpType, SignalingState};

/// A call or a datagram was refused, and changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
    /// The description breaks the grammar of SDP.
    #[error("the description is malformed: {0}")]
    Sdp(#[from] sdp::Error),
    /// A description of this type does not fit the signalling state (RFC 9429 §3.2).
    #[error("no {kind} is possible in state {state}")]
    WrongState {
        /// The type of the description.
        kind: SdpType,
        /// The state, which did not change.
        state: SignalingState,
    },
    /// The local description is not the one that was created last (RFC 9429 §5.4).
    #[error("a local description must be set as it was created")]
    Modified,
    /// No `a=fingerprint`: the peer's certificate could be anyone's (RFC 8827 §6.5).
    #[error("the description has no certificate fingerprint: without DTLS there is no WebRTC")]
    NoFingerprint,
    /// Keys in the description (RFC 4568) in place of DTLS (RFC 8827 §6.5).
    #[error("the description wants keys from a=crypto (SDES), which WebRTC forbids")]
    Sdes,
    /// A section without encryption (RFC 8827 §6.5).
    #[error("the description wants media without encryption (RTP without DTLS)")]
    NotEncrypted,
    /// No `a=ice-ufrag` or no `a=ice-pwd` (RFC 8839 §5.4).
    #[error("the description has no ICE user name fragment or password")]
    NoIceCredentials,
    /// `a=setup:holdconn`, which RFC 8842 §5.1 does not allow.
    #[error("the description has a=setup:holdconn")]
    HoldConnection,
    /// An answer with `a=setup:actpass` leaves open who begins (RFC 8842 §5.3).
    #[error("the answer does not decide the DTLS role")]
    UndecidedRole,
    /// The DTLS role changed although the DTLS connection goes on (RFC 8842 §5.5).
    #[error("the description changes the DTLS role of a connection that exists")]
    RoleChanged,
    /// The fingerprint changed although the DTLS connection goes on. A new certificate needs a new
    /// connection.
    #[error("the description changes the certificate of a connection that exists")]
    FingerprintChanged,
    /// A later offer has fewer m= lines than the exchange before (RFC 3264 §8).
    #[error("the offer has fewer m= lines than before")]
    MediaRemoved,
    /// A later offer uses the place of a living section for something else (RFC 3264 §8).
    #[error("the offer has something else in the place of a section that is in use")]
    MediaChanged,
    /// The answer does not have the sections of the offer (RFC 3264 §6).
    #[error("the answer does not match the offer's m= lines")]
    AnswerMismatch,
    /// The answer rejects the data channels, and nothing else was offered.
    #[error("the answer rejects the data channels")]
    DataRejected,
    /// There is no such transceiver, or it was forgotten after its end.
    #[error("there is no such transceiver")]
    UnknownTransceiver,
    /// The transceiver is over.
    #[error("the transceiver is stopped")]
    TransceiverStopped,
    /// There are as many transceivers as a connection may have.
    #[error("too many transceivers")]
    TooManyTransceivers,
    /// A codec of audio for video, or of video for audio.
    #[error("a codec is not of the transceiver's kind")]
    CodecOfOtherKind,
    /// The name of a stream is empty, longer than 64 characters, or not plain ASCII (RFC 8830 §2).
    #[error("a stream's name is not one word of 1 to 64 visible ASCII characters")]
    StreamId,
    /// Layers that are not distinct, too many, of audio, or not named by 1 to 16 letters and digits
    /// (RFC 8852 §3.3).
    #[error("the layers of a simulcast must have distinct names of 1 to 16 letters and digits")]
    Encodings,
    /// None of the fingerprints is of a hash function we accept: sha-256, sha-384, sha-512.
    #[error("no fingerprint of the description can be checked")]
    FingerprintUnsupported,
    /// The candidate breaks the grammar (RFC 8839 §5.1).
    #[error("the candidate is malformed: {0}")]
    Candidate(#[from] ice::CandidateError),
    /// What ICE has against it.
    #[error("ICE: {0}")]
    Ice(#[from] ice::Error),
    /// What DTLS has against it.
    #[error("DTLS: {0}")]
    Dtls(#[from] dtls::Error),
    /// What SCTP has against it.
    #[error("SCTP: {0}")]
    Sctp(#[from] sctp::Error),
    /// The channel cannot be opened.
    #[error("the channel cannot be opened: {0}")]
    Open(#[from] sctp::channel::OpenError),
    /// A channel with both `max_retransmits` and `max_packet_life_time` (W3C webrtc-pc §6.1).
    #[error("a channel cannot be limited by both retransmissions and lifetime")]
    BothReliabilities,
    /// A negotiated channel without its stream (W3C webrtc-pc §6.1).
    #[error("a negotiated channel needs an id")]
    NegotiatedWithoutId,
    /// A datagram that is neither STUN nor DTLS, and no RTP either (RFC 7983 §7).
    #[error("the datagram belongs to no protocol of ours")]
    UnknownProtocol,
    /// A datagram other than STUN from an address that ICE has not validated.
    #[error("the datagram comes from an address that is not validated")]
    Unvalidated,
    /// RTP or RTCP before its keys are there, or of a section that was not agreed on.
    #[error("media that was not agreed on")]
    UnexpectedMedia,
    /// What SRTP has against it.
    #[error("SRTP: {0}")]
    Srtp(#[from] srtp::Error),
    /// RTP or RTCP that is authentic and makes no sense.
    #[error("RTP: {0}")]
    Rtp(#[from] srtp::wire::ParseError),
    /// A DTLS datagram before the peer's fingerprint is known, beyond those that are held.
    #[error("too many datagrams before the peer's fingerprint is known")]
    TooEarly,
    /// There is no socket to be had.
    #[error("no socket: {0}")]
    Socket(std::io::ErrorKind),
}
