//! ServerHelloDone: the server's flight ends here; no octets (RFC 5246 §7.4.5).

use crate::wire::field::Parsed;

/// End of the server's flight (RFC 5246 §7.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerHelloDone;

impl ServerHelloDone {
    #[allow(clippy::unnecessary_wraps)] // the shape of every parser
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        Ok((input, Self))
    }

    /// Appends nothing: the body is empty.
    pub fn write(self, _: &mut Vec<u8>) {}
}
