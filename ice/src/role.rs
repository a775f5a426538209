//! The two roles of ICE (RFC 8445 §6.1.1). Book: chapter "Nomination and consent".

/// Who chooses the pair (RFC 8445 §6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nominates the pair: the offerer, or the full agent that faces a lite one.
    Controlling,
    /// Follows the nomination: the answerer.
    Controlled,
}

impl Role {
    /// The other role: what remains after a lost role conflict (RFC 8445 §7.3.1.1).
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}
