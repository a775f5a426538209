//! Reading octets in order, with a count, so that every error can say where.

use std::io::{self, Read};

use bytes::Bytes;

use super::error::{Flaw, Misdeed};

/// A reader that knows how far it is.
#[derive(Debug)]
pub(super) struct Input<R> {
    inner: R,
    offset: u64,
}

impl<R: Read> Input<R> {
    /// From the beginning.
    pub(super) fn new(inner: R) -> Input<R> {
        Input { inner, offset: 0 }
    }

    /// Octets read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills `buffer`. False: the file ends here, before its first octet.
    pub(super) fn fill(&mut self, buffer: &mut [u8], what: &'static str) -> Result<bool, Flaw> {
        let start = self.offset;
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read(rest) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(Flaw::new(start, Misdeed::CutOff(what))),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Flaw::new(self.offset, error.into())),
            }
        }
        Ok(true)
    }

    /// The next `length` octets, no more than `limit`. Memory grows with what is there, not with
    /// what a header claims. `start` is where the structure they belong to begins.
    pub(super) fn octets(
        &mut self,
        start: u64,
        length: u64,
        limit: u64,
        what: &'static str,
    ) -> Result<Bytes, Flaw> {
        if length > limit {
            return Err(Flaw::new(start, Misdeed::TooLarge { what, octets: length, limit }));
        }
        let mut octets = Vec::new();
        let read = self.by_ref().take(length).read_to_end(&mut octets);
        match read {
            Ok(count) if count as u64 == length => Ok(octets.into()),
            Ok(_) => Err(Flaw::new(start, Misdeed::CutOff(what))),
            Err(error) => Err(Flaw::new(self.offset, error.into())),
        }
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.offset += count as u64;
        Ok(count)
    }
}
