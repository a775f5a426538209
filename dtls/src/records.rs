//! The record layer of one connection: two epochs, their numbers, and the keys of the second.
//! RFC 6347 §4.1.
//!
//! ```text
//!           outbound                          inbound
//! epoch 0   header, plaintext                 taken as it is; anybody may have sent it
//! epoch 1   numbered and sealed by `Sealer`   window ► opened by `Opener` ► window moves
//! others    there are none: no renegotiation, so an epoch above 1 has no keys and is dropped
//! ```
//!
//! Invariants: epoch 0 has no replay window, since without a tag anybody could move it (the
//! handshake's message_seq does that work); the window of epoch 1 moves only for a record whose tag
//! has verified (RFC 6347 §4.1.2.6). Book: "DTLS records and flights".

use crate::Error;
use crate::flight::RecordWriter;
use crate::replay::ReplayWindow;
use crate::v12::handshake::RecordKeys;
use crate::wire::{ContentType, Epoch, ProtocolVersion, Record, RecordHeader, SequenceNumber};

/// Both directions of both epochs.
#[derive(Debug)]
pub(crate) struct Records {
    /// The next number of epoch 0; `None` once all are used.
    plain: Option<SequenceNumber>,
    protection: Protection,
}

/// The keys of epoch 1.
#[derive(Debug)]
enum Protection {
    None,
    Keys(Box<Keys>),
}

#[derive(Debug)]
struct Keys {
    keys: RecordKeys,
    window: ReplayWindow,
}

impl Records {
    /// Epoch 0 only.
    pub(crate) fn new() -> Self {
        Self { plain: Some(SequenceNumber::default()), protection: Protection::None }
    }

    /// Installs the keys of epoch 1.
    pub(crate) fn protect(&mut self, keys: RecordKeys) {
        let window = ReplayWindow::default();
        self.protection = Protection::Keys(Box::new(Keys { keys, window }));
    }

    /// Whether records of epoch 1 can be opened.
    pub(crate) fn has_keys(&self) -> bool {
        matches!(self.protection, Protection::Keys(_))
    }

    /// Opens a record of epoch 1 in place.
    pub(crate) fn open(&mut self, record: &mut Record) -> Result<(), Error> {
        let Protection::Keys(protection) = &mut self.protection else {
            return Err(Error::EpochUnknown);
        };
        let Record { header, fragment } = record;
        let fresh = protection.window.check(header.sequence_number).ok_or(Error::Replayed)?;
        protection.keys.opener.open(header, fragment)?;
        protection.window.accept(fresh);
        Ok(())
    }

    /// Appends one record of `epoch` to `datagram`.
    pub(crate) fn write(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        plaintext: &[u8],
        datagram: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match (epoch, &mut self.protection) {
            (Epoch(0), _) => self.write_plain(content_type, plaintext, datagram),
            (Epoch(1), Protection::Keys(keys)) => {
                keys.keys.sealer.seal(content_type, plaintext, datagram)
            }
            _ => Err(Error::EpochUnknown),
        }
    }

    fn write_plain(
        &mut self,
        content_type: ContentType,
        plaintext: &[u8],
        datagram: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let sequence_number = self.plain.ok_or(Error::SequenceExhausted)?;
        let length = u16::try_from(plaintext.len()).map_err(|_| Error::RecordOverflow)?;
        self.plain = sequence_number.next();
        // DEVIATION RFC 6347 §4.2.1: a HelloVerifyRequest and the ServerHello after it do not repeat
        // the number of the ClientHello's record. That is for servers that keep no state and would
        // else use a number twice; this connection counts.
        RecordHeader {
            content_type,
            version: ProtocolVersion::DTLS_1_2,
            epoch: Epoch(0),
            sequence_number,
            length,
        }
        .write(datagram);
        datagram.extend_from_slice(plaintext);
        Ok(())
    }
}

impl RecordWriter for Records {
    fn write_record(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        plaintext: &[u8],
        datagram: &mut Vec<u8>,
    ) {
        if let Err(error) = self.write(epoch, content_type, plaintext, datagram) {
            tracing::debug!(%error, "cannot write a record");
        }
    }

    fn overhead(&self, epoch: Epoch) -> usize {
        match (epoch, &self.protection) {
            (Epoch(1), Protection::Keys(keys)) => keys.keys.sealer.overhead(),
            _ => RecordHeader::LENGTH,
        }
    }
}

#[cfg(test)]
impl Records {
    /// Seals as if 2^48 records had been sent.
    pub(crate) fn exhaust(&mut self) {
        if let Protection::Keys(keys) = &mut self.protection {
            keys.keys.sealer.exhaust();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::v12::protection::{Opener, Sealer};
    use crate::v12::schedule::TrafficKey;
    use crate::v12::suite::Suite;
    use crate::wire::split;

    fn protected() -> Records {
        let suite = Suite::EcdheEcdsaAes128Gcm;
        let key = TrafficKey::new(&[1; 16], &[2; 4]);
        let mut records = Records::new();
        records.protect(RecordKeys {
            sealer: Sealer::new(suite, &key, Epoch(1)).unwrap(),
            opener: Opener::new(suite, &key).unwrap(),
        });
        records
    }

    fn parse(datagram: &[u8]) -> Record {
        split(BytesMut::from(datagram)).next().unwrap().unwrap()
    }

    #[test]
    fn row_45_a_record_is_taken_once_and_a_forged_one_does_not_move_the_window() {
        let (mut sender, mut receiver) = (protected(), protected());
        let mut datagram = Vec::new();
        sender.write(Epoch(1), ContentType::APPLICATION_DATA, b"data", &mut datagram).unwrap();
        let mut forged = datagram.clone();
        forged[5..11].fill(0xff); // the highest number there is
        assert_eq!(receiver.open(&mut parse(&forged)), Err(Error::Undecryptable));
        let mut record = parse(&datagram);
        receiver.open(&mut record).unwrap();
        assert_eq!(record.fragment, b"data"[..]);
        assert_eq!(receiver.open(&mut parse(&datagram)), Err(Error::Replayed));
    }

    #[test]
    fn section_4_1_numbers_count_up_in_each_epoch() {
        let mut records = protected();
        for number in 0..3 {
            for epoch in [Epoch(0), Epoch(1)] {
                let mut datagram = Vec::new();
                let before = records.overhead(epoch);
                records.write(epoch, ContentType::HANDSHAKE, b"", &mut datagram).unwrap();
                let header = parse(&datagram).header;
                assert_eq!((header.epoch, header.sequence_number.get()), (epoch, number));
                assert_eq!(datagram.len(), before);
            }
        }
    }

    #[test]
    fn an_epoch_without_keys_is_unknown() {
        let mut records = Records::new();
        let error = records.write(Epoch(1), ContentType::ALERT, b"", &mut Vec::new());
        assert_eq!(error, Err(Error::EpochUnknown));
        let record = [23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(records.open(&mut parse(&record)), Err(Error::EpochUnknown));
        let mut keyed = protected();
        assert_eq!(
            keyed.write(Epoch(2), ContentType::ALERT, b"", &mut Vec::new()),
            Err(Error::EpochUnknown)
        );
    }
}
