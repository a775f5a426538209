//! What asking a server has come to, and the sentences for it (RFC 8489 §14.8, RFC 8656 §19).
//!
//! Book: chapter "Relay".

use super::GatheringError;

/// What asking a server has come to so far. Gathering is complete when nothing is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No answer, and it is not too late for one.
    Pending,
    /// It was of use.
    Useful,
    /// It was of none. Perhaps it will be: a late answer counts, and some are asked again.
    Useless { failure: Failure, is_told: bool },
}

impl Verdict {
    /// It was of no use. The same once more is no news.
    pub(super) fn fail(&mut self, failure: Failure) {
        let is_told = matches!(
            self, Self::Useless { failure: before, is_told: true } if before.code == failure.code
        );
        *self = Self::Useless { failure, is_told };
    }
}

/// Why it was of none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: u16,
    pub(super) reason: String,
}

impl Failure {
    /// The server refused; `phrase` is its own.
    pub(super) fn refused(code: u16, phrase: &str) -> Self {
        let advice = match code {
            300 => "it sends us to a server that we may not use: ask its operator for another URL",
            401 => "it does not know this user name with this password: check both",
            403 => "it forbids this: ask its operator",
            437 => {
                "it has lost our allocation, or holds another for this port: a new one is asked for"
            }
            438 => "it takes no nonce, not even its newest: ask its operator",
            440 => "it has no addresses of this family: use another server",
            441 => "this port's allocation was made by another user: check user name and password",
            442 => "it does not relay UDP: use another server",
            486 => "this user has all the allocations it may have: close some, or wait",
            508 => "it has no address left to relay from: wait, or use another server",
            _ => "it refuses: ask its operator, or use another server",
        };
        // What the server says may be of any length and is shown to people.
        let phrase: String =
            phrase.chars().filter(|it| !it.is_control()).take(Self::MAX_PHRASE).collect();
        let reason = if phrase.is_empty() {
            advice.to_owned()
        } else {
            format!("{advice}; it says: {phrase}")
        };
        Self { code, reason }
    }

    /// It did not answer.
    pub(super) fn silent() -> Self {
        Self::unreachable(
            "no answer: check its name and port; where UDP is blocked, use TCP or TLS",
        )
    }

    /// Nothing proves that the answers are the server's.
    pub(super) fn unproven() -> Self {
        Self::unreachable("its answers do not prove that it knows the password: check it")
    }

    /// It answered something else.
    pub(super) fn unintelligible() -> Self {
        Self::unreachable("its answer cannot be understood: is it a server of this kind?")
    }

    /// It was not reached, for that reason.
    pub(super) fn unreachable(reason: &str) -> Self {
        Self { code: GatheringError::UNREACHABLE, reason: reason.to_owned() }
    }

    /// Whether asking the same once more, later, can have another end.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.code, 437 | 438 | 486 | 500..=599 | GatheringError::UNREACHABLE)
    }

    /// Characters of a server's reason phrase that are shown (RFC 8489 §14.8 allows 127).
    const MAX_PHRASE: usize = 127;
}
