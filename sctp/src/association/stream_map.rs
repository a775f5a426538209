//! A map from streams to what is known of them, fast enough for a look-up per message.
//!
//! The standard hasher defends against chosen keys at 20 ns a look-up. A stream has only 65,536
//! values, and multiplying by an odd number maps them to as many different hashes, so there is
//! nothing to choose.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::wire::StreamId;

/// Streams and what is known of them. At most 65,536 entries: that is how many streams there are.
pub(crate) type StreamMap<T> = HashMap<StreamId, T, BuildHasherDefault<StreamHasher>>;

/// Multiplies the stream's number by the golden ratio's 64 bits.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct StreamHasher(u64);

impl Hasher for StreamHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.write_u16(octet.into());
        }
    }

    fn write_u16(&mut self, number: u16) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_stream_has_its_own_hash() {
        let hashes: HashSet<u64> = (0..=u16::MAX)
            .map(|number| {
                let mut hasher = StreamHasher::default();
                hasher.write_u16(number);
                hasher.finish()
            })
            .collect();
        assert_eq!(hashes.len(), 65_536);
    }
}
