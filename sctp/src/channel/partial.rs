//! Messages in PPID-based fragments, as old Firefox sent them (RFC 8831 §6.6).
//!
//! Before SCTP stacks could interleave, a large message went as several SCTP messages: all but the
//! last with a partial PPID (52 binary, 54 text), the last with the usual one (53, 51). The use is
//! deprecated; we never send it and still understand it, on the reliable and ordered channels it
//! was made for.

use bytes::{Bytes, BytesMut};

use crate::wire::Ppid;

/// The beginning of a message, the rest of which is to come.
#[derive(Debug, Default)]
pub(super) struct Partial {
    ends_with: Option<Ppid>,
    octets: BytesMut,
}

/// The fragments do not make a message: other kinds in between ("illegal ordering"), or too much.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Illegal;

impl Partial {
    /// Octets held.
    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }

    /// Takes in a message of the channel, and answers a whole one if this completes it. `room` is
    /// how many octets more may be held.
    pub(super) fn add(
        &mut self,
        ppid: Ppid,
        payload: Bytes,
        room: usize,
    ) -> Result<Option<(Ppid, Bytes)>, Illegal> {
        let (ends_with, is_last) = match ppid {
            Ppid::STRING_PARTIAL => (Ppid::STRING, false),
            Ppid::BINARY_PARTIAL => (Ppid::BINARY, false),
            other => (other, true),
        };
        match self.ends_with {
            None if is_last => return Ok(Some((ppid, payload))),
            None => self.ends_with = Some(ends_with),
            Some(awaited) if awaited == ends_with => {}
            Some(_) => return Err(Illegal),
        }
        if payload.len() > room {
            return Err(Illegal);
        }
        self.octets.extend_from_slice(&payload);
        if !is_last {
            return Ok(None);
        }
        self.ends_with = None;
        Ok(Some((ppid, std::mem::take(&mut self.octets).freeze())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Bytes = Bytes::from_static(b"a");

    #[test]
    fn trap_deprecated_ppids_52_and_54_still_make_messages() {
        for (partial, whole) in
            [(Ppid::STRING_PARTIAL, Ppid::STRING), (Ppid::BINARY_PARTIAL, Ppid::BINARY)]
        {
            let mut held = Partial::default();
            assert_eq!(held.add(partial, A, 9), Ok(None));
            assert_eq!(held.add(partial, A, 9), Ok(None));
            assert_eq!(held.len(), 2);
            assert_eq!(held.add(whole, A, 9), Ok(Some((whole, Bytes::from_static(b"aaa")))));
            assert_eq!(held.add(whole, A, 0), Ok(Some((whole, A))));
        }
    }

    #[test]
    fn illegal_ordering_rfc_8831_section_6_6() {
        for other in [Ppid::STRING, Ppid::STRING_PARTIAL, Ppid::BINARY_EMPTY] {
            let mut held = Partial::default();
            assert_eq!(held.add(Ppid::BINARY_PARTIAL, A, 9), Ok(None));
            assert_eq!(held.add(other, A, 9), Err(Illegal));
        }
    }

    #[test]
    fn row_71_what_is_held_is_bounded() {
        let mut held = Partial::default();
        assert_eq!(held.add(Ppid::BINARY_PARTIAL, A, 1), Ok(None));
        assert_eq!(held.add(Ppid::BINARY_PARTIAL, A, 0), Err(Illegal));
    }
}
