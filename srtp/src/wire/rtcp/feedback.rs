//! What every feedback packet begins with, RFC 4585 §6.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|   FMT   |  PT=205, 206  |             length            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     SSRC of packet sender                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      SSRC of media source                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \              feedback control information (FCI)               \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::number::complete::be_u32;

use super::super::field::{Parsed, field};
use super::super::identifier::Ssrc;

/// Sender and media source.
pub(super) fn parse_ssrcs(input: &[u8]) -> Parsed<'_, (Ssrc, Ssrc)> {
    let (rest, sender) = field("SSRC of packet sender", map(be_u32, Ssrc)).parse_complete(input)?;
    let (rest, media) = field("SSRC of media source", map(be_u32, Ssrc)).parse_complete(rest)?;
    Ok((rest, (sender, media)))
}

pub(super) fn write_ssrcs(sender: Ssrc, media: Ssrc, out: &mut BytesMut) {
    out.put_u32(sender.0);
    out.put_u32(media.0);
}

/// What stands for a media source where there is none to name.
pub(super) const NO_MEDIA: Ssrc = Ssrc(0);
