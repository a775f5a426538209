//! The header extensions of a packet that leaves.
//!
//! RFC 8285; RFC 9143 §15 (mid), RFC 8852 (rid), RFC 6464 (audio level); abs-send-time and
//! transport-wide numbers as browsers have them.
//!
//! They are written when the packet leaves, not when it is made: time and transport-wide number are
//! those of the moment, and the names are left away once the peer has reported on the source.
//! Book: the chapter on RTP.

use srtp::rtp::Extensions;
use srtp::wire::extension::{AbsoluteSendTime, AudioLevel, TransportSequenceNumber};

use super::Rid;
use super::parameters::{Extension, SectionParameters};

/// What a packet's extensions say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp<'a> {
    /// The name of the layer; `None` if the peer knows the source.
    pub(crate) name: Option<Option<&'a Rid>>,
    pub(crate) is_repair: bool,
    pub(crate) audio_level: Option<u8>,
    pub(crate) send_time: AbsoluteSendTime,
    pub(crate) transport_number: Option<u16>,
}

impl Stamp<'_> {
    /// The extensions, under the numbers of the section.
    pub(crate) fn extensions(&self, section: &SectionParameters) -> Extensions {
        let mut extensions = Extensions::default();
        let mut set = |extension, value: &[u8]| {
            if let Some(id) = section.extensions.get(&extension) {
                extensions.set(*id, value);
            }
        };
        if let Some(number) = self.transport_number {
            set(Extension::TransportSequenceNumber, &TransportSequenceNumber(number).to_octets());
        }
        set(Extension::AbsoluteSendTime, &self.send_time.to_octets());
        if let Some(level) = self.audio_level {
            let level = AudioLevel { voice: level < 127, level: level.min(127) };
            set(Extension::AudioLevel, &level.to_octets());
        }
        if let Some(rid) = self.name {
            set(Extension::Mid, section.mid.as_bytes());
            if let Some(Rid(rid)) = rid {
                let extension =
                    if self.is_repair { Extension::RepairedRid } else { Extension::Rid };
                set(extension, rid.as_bytes());
            }
        }
        extensions
    }
}

/// The most octets that extensions take in this section, the header of the block included.
pub(crate) fn space(section: &SectionParameters) -> usize {
    /// RFC 8851 §10: a rid has no more, and neither has any mid that fits a one-byte element.
    const NAME: usize = 16;
    let mut sources = section.send.iter().flat_map(|send| &send.sources);
    let has_layers = sources.any(|source| source.rid.is_some());
    let lengths = section.extensions.keys().filter_map(|extension| match extension {
        Extension::Mid => Some(section.mid.len().max(1)),
        Extension::Rid => has_layers.then_some(NAME),
        // In place of the rid, not beside it.
        Extension::RepairedRid => None,
        Extension::AudioLevel => Some(1),
        Extension::AbsoluteSendTime => Some(3),
        Extension::TransportSequenceNumber => Some(2),
    });
    // Two octets in front of each value, four in front of all, and up to three behind.
    4 + lengths.map(|length| 2 + length).sum::<usize>().next_multiple_of(4)
}
