//! ec_point_formats: how points on a curve may be written (RFC 8422 §5.1.2).
//!
//! ```text
//! struct { ECPointFormat ec_point_format_list<1..2^8-1>; } ECPointFormatList;
//! ```
//!
//! Only `uncompressed` is left of the idea; who sends the extension must include it.

use nom::Parser;
use nom::number::complete::be_u8;

use crate::wire::field::{Parsed, field};
use crate::wire::registry::registry;
use crate::wire::vector::{Prefix, elements, write_vector};

registry! {
    /// A way to write a point (RFC 8422 §5.1.2).
    pub struct EcPointFormat(u8);
    /// 0x04 and both coordinates; x25519 has its own form and ignores this.
    UNCOMPRESSED = 0, "uncompressed";
}

/// The formats the sender can read (RFC 8422 §5.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcPointFormats(pub Vec<EcPointFormat>);

impl EcPointFormats {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let format = field("ec_point_format", be_u8.map(EcPointFormat));
        field("ec_point_format_list", elements(Prefix::One, 1, format).map(Self))(input)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_vector(out, Prefix::One, |out| out.extend(self.0.iter().map(|format| format.0)));
    }
}
