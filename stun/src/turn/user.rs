//! Who we are to a TURN server: a long-term credential (RFC 8489 §9.2). Book: "Relay".

use std::fmt;

use zeroize::Zeroizing;

/// A user name and its password. The password is wiped when dropped and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The user name.
    pub name: String,
    pub(crate) password: Zeroizing<String>,
}

impl User {
    /// A user.
    #[must_use]
    pub fn new(name: &str, password: &str) -> Self {
        Self { name: name.to_owned(), password: Zeroizing::new(password.to_owned()) }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}
