//! Records of epoch 1 that overtook the handshake they belong to.
//!
//! ```text
//! in the air     Certificate … Finished      or     Finished, application data
//! arrives        Finished, Certificate …            application data, Finished
//!                └ no keys yet                      └ peer not yet authenticated
//! ```
//!
//! The network reorders; without this store the flight would have to be repeated, or SCTP would lose
//! its first packet and wait for half a second. Records are kept as they came, sealed, and handled
//! again when keys are there, and again when the peer is known: nothing is opened or delivered early.
//!
//! Invariant: at most [`MAX_EARLY`] records of at most [`MAX_EARLY_OCTETS`] octets, copied out of
//! their datagrams so that they do not keep 64 kB alive. Book: "The handshake and keys".

use bytes::BytesMut;

use crate::wire::Record;

/// Records kept. A Finished, and what a peer sends at once after it.
const MAX_EARLY: usize = 8;

/// Octets of a record kept: what fits one datagram of a usual path.
const MAX_EARLY_OCTETS: usize = 2048;

/// Sealed records, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Early(Vec<Record>);

impl Early {
    /// Keeps a record; `false` if there is no room for it.
    pub(crate) fn keep(&mut self, record: &Record) -> bool {
        let room = self.0.len() < MAX_EARLY && record.fragment.len() <= MAX_EARLY_OCTETS;
        if room {
            let fragment = BytesMut::from(&record.fragment[..]);
            self.0.push(Record { header: record.header, fragment });
        }
        room
    }

    /// All records kept, to be handled again.
    pub(crate) fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ContentType, Epoch, ProtocolVersion, RecordHeader, SequenceNumber};

    fn record(length: u16) -> Record {
        Record {
            header: RecordHeader {
                content_type: ContentType::APPLICATION_DATA,
                version: ProtocolVersion::DTLS_1_2,
                epoch: Epoch(1),
                sequence_number: SequenceNumber::default(),
                length,
            },
            fragment: BytesMut::zeroed(usize::from(length)),
        }
    }

    #[test]
    fn row_3_early_records_are_bounded_in_number_and_size() {
        let mut early = Early::default();
        assert!(!early.keep(&record(2049)));
        for _ in 0..MAX_EARLY {
            assert!(early.keep(&record(2048)));
        }
        assert!(!early.keep(&record(1)));
        assert_eq!(early.take().len(), MAX_EARLY);
        assert!(early.take().is_empty());
    }
}
