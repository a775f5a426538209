//! HelloRequest: the server asks for a renegotiation; no octets (RFC 5246 §7.4.1.1).
//!
//! WebRTC forbids renegotiation (RFC 8827 §6.5), so it is understood in order to be refused. It is not in the transcript.

use crate::wire::field::Parsed;

/// "Start again" (RFC 5246 §7.4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HelloRequest;

impl HelloRequest {
    #[allow(clippy::unnecessary_wraps)] // the shape of every parser
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        Ok((input, Self))
    }

    /// Appends nothing: the body is empty.
    pub fn write(self, _: &mut Vec<u8>) {}
}
