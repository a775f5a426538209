//! extended_master_secret: derive the master secret from the whole handshake (RFC 7627 §5.1); no octets.

use crate::wire::field::Parsed;

/// The extension's presence is all it says (RFC 7627 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtendedMasterSecret;

impl ExtendedMasterSecret {
    #[allow(clippy::unnecessary_wraps)] // the shape of every parser
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        Ok((input, Self))
    }

    pub(super) fn write(self, _: &mut Vec<u8>) {}
}
