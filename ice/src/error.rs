//! What can be wrong with one call or one datagram. An error never ends the session.

use stun::{IntegrityError, ParseError};

/// Why a datagram or a call was refused. A refused datagram leaves no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The agent has failed or was closed.
    #[error("the agent has ended")]
    Ended,
    /// Credentials have the wrong length or characters (RFC 8839 §5.4).
    #[error("ufrag or password have a wrong length or character")]
    InvalidCredentials,
    /// The peer's credentials changed, which is an ICE restart (RFC 8445 §9).
    #[error("the remote credentials are known and different")]
    CredentialsChanged,
    /// The peer signalled more candidates than we remember.
    #[error("too many remote candidates")]
    TooManyCandidates,
    /// The datagram came to an address that is no local candidate.
    #[error("the datagram came to an address that is no candidate")]
    UnknownLocalAddress,
    /// The datagram is no STUN message.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// The message is neither a Binding request nor a response to one.
    #[error("the message has no meaning in ICE")]
    UnexpectedMessage,
    /// USERNAME is not `local:remote` (RFC 8445 §7.2.2).
    #[error("the check has a wrong username")]
    WrongUsername,
    /// MESSAGE-INTEGRITY is missing or wrong (RFC 8489 §9.1.3).
    #[error(transparent)]
    Unauthenticated(#[from] IntegrityError),
    /// The response belongs to no check that is under way.
    #[error("the response belongs to no pending check")]
    UnknownTransaction,
    /// The response came another way than the check went (RFC 8445 §7.2.5.2.1).
    #[error("the response came another way than the check went")]
    NotSymmetric,
}

impl From<stun::Error> for Error {
    fn from(error: stun::Error) -> Self {
        match error {
            stun::Error::Parse(error) => Self::Malformed(error),
            stun::Error::Integrity(error) => Self::Unauthenticated(error),
            stun::Error::NotAResponse => Self::UnexpectedMessage,
            stun::Error::UnknownTransaction => Self::UnknownTransaction,
        }
    }
}
