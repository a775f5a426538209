//! From a datagram to what it means: records, fragments, messages, alerts, application data.
//! RFC 6347 §4.1 to §4.2.
//!
//! ```text
//!               epoch 0                                  epoch 1
//! Handshaking   fragments of all but Finished            no keys yet: kept
//!               alerts: doubted                          application data: kept
//!               ChangeCipherSpec: the epoch says it      fragments of Finished; alerts: believed
//! Connected     dropped                                  application data: delivered
//!                                                        Finished again: last flight again
//!                                                        hello: no_renegotiation; alerts: believed
//! ```
//!
//! Everything that has no place in this table is dropped and counted.
//!
//! Invariant: application data is delivered in one line of this file, in `Connected`, from a record
//! whose tag has verified. Book: "The handshake and keys".

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::{
    Connected, Connection, Event, GRACE, Handshaking, Info, MAX_INBOX, MAX_INBOX_OCTETS, Phase,
    octets,
};
use crate::flight::FlightItem;
use crate::reassembly::Inserted;
use crate::v12::handshake::{Action, Context, Established, Refusal, Step};
use crate::wire::{
    Alert, AlertDescription, AlertLevel, ChangeCipherSpec, ContentType, Epoch, HandshakeFragment,
    HandshakeMessage, HandshakeType, ProtocolVersion, Record, split,
};
use crate::{CloseReason, Error, Role};

impl Connection {
    /// Takes a datagram from the network. Its memory is decrypted in place and becomes the payloads
    /// that [`Connection::recv`] hands out.
    ///
    /// # Errors
    /// No record of the datagram was of use; it was discarded and left no trace but a count (and an
    /// alert, if it was a ClientHello that cannot be served).
    pub fn handle_datagram(&mut self, now: Instant, datagram: BytesMut) -> Result<(), Error> {
        let mut used = false;
        let mut discarded = Error::UnexpectedRecord;
        for record in split(datagram) {
            match record.map_err(Error::from).and_then(|record| self.handle_record(now, record)) {
                Ok(()) => used = true,
                Err(error) => {
                    self.discard(error);
                    discarded = error;
                }
            }
        }
        if used { Ok(()) } else { Err(discarded) }
    }

    fn discard(&mut self, error: Error) {
        tracing::debug!(%error, "discarded");
        self.stats.discarded += 1;
        match error {
            Error::Undecryptable => self.stats.undecryptable += 1,
            Error::Replayed => self.stats.replayed += 1,
            _ => {}
        }
    }

    fn handle_record(&mut self, now: Instant, mut record: Record) -> Result<(), Error> {
        if !matches!(record.header.version, ProtocolVersion::DTLS_1_0 | ProtocolVersion::DTLS_1_2) {
            return Err(Error::RecordVersion);
        }
        match (&mut self.phase, record.header.epoch) {
            (Phase::Connected(_), Epoch(1)) => {
                self.records.open(&mut record)?;
                self.connected_record(now, record)
            }
            (Phase::Handshaking(_), Epoch(0)) => self.plain_record(now, &record),
            (Phase::Handshaking(handshaking), Epoch(1)) => {
                let early = record.header.content_type == ContentType::APPLICATION_DATA;
                if early || !self.records.has_keys() {
                    let kept = handshaking.reception.early.keep(&record);
                    return kept.then_some(()).ok_or(Error::EpochUnknown);
                }
                self.records.open(&mut record)?;
                self.finishing_record(now, &record)
            }
            (Phase::Connected(_), Epoch(0)) => Err(Error::UnexpectedRecord),
            (Phase::Handshaking(_) | Phase::Connected(_), _) => Err(Error::EpochUnknown),
            (Phase::Closed, _) => Err(Error::Closed),
        }
    }

    /// Connected, and the tag has verified.
    fn connected_record(&mut self, now: Instant, record: Record) -> Result<(), Error> {
        match record.header.content_type {
            ContentType::APPLICATION_DATA => self.deliver(record.fragment),
            ContentType::ALERT => self.authentic_alert(&record.fragment),
            ContentType::HANDSHAKE => self.post_handshake(now, &record.fragment),
            _ => Err(Error::UnexpectedRecord),
        }
    }

    /// The only way application data gets out.
    fn deliver(&mut self, payload: BytesMut) -> Result<(), Error> {
        let length = payload.len();
        // RFC 5246 §6.2.1 allows empty records, against traffic analysis; they carry nothing.
        if length == 0 {
            return Ok(());
        }
        if self.inbox.len() >= MAX_INBOX || self.inbox_octets + length > MAX_INBOX_OCTETS {
            return Err(Error::ApplicationDataUnwanted);
        }
        self.stats.records_received += 1;
        self.stats.octets_received += octets(length);
        self.inbox_octets += length;
        self.inbox.push_back(payload.freeze());
        Ok(())
    }

    /// Handshake messages after the handshake: the peer misses our last flight, or wants a new
    /// handshake, which RFC 8827 §6.5 forbids and RFC 5246 §7.2.2 answers with a warning.
    fn post_handshake(&mut self, now: Instant, octets: &[u8]) -> Result<(), Error> {
        let fragments = HandshakeFragment::parse_all(octets)?;
        let types = |wanted| fragments.iter().any(|f| f.header.msg_type == wanted);
        let renegotiation = match self.config.role {
            Role::Client => HandshakeType::HELLO_REQUEST,
            Role::Server => HandshakeType::CLIENT_HELLO,
        };
        if types(HandshakeType::FINISHED) {
            self.flights.peer_repeats(now);
            Ok(())
        } else if types(renegotiation) {
            tracing::debug!("renegotiation refused");
            self.alert(AlertLevel::WARNING, AlertDescription::NO_RENEGOTIATION);
            Ok(())
        } else {
            Err(Error::UnexpectedMessage)
        }
    }

    /// An alert of epoch 1 is the peer's own: RFC 5246 §7.2.
    fn authentic_alert(&mut self, octets: &[u8]) -> Result<(), Error> {
        let Alert { level, description } = Alert::parse(octets)?;
        if description == AlertDescription::CLOSE_NOTIFY {
            // RFC 5246 §7.2.1: answered with our own, then over.
            self.alert(AlertLevel::WARNING, AlertDescription::CLOSE_NOTIFY);
            self.end(CloseReason::Remote);
        } else if level == AlertLevel::FATAL {
            self.end(CloseReason::RemoteAlert(description));
        } else {
            tracing::debug!(%description, "warning");
        }
        Ok(())
    }

    /// Handshaking, epoch 0: from anybody.
    fn plain_record(&mut self, now: Instant, record: &Record) -> Result<(), Error> {
        match record.header.content_type {
            ContentType::HANDSHAKE => self.fragments(now, Epoch(0), &record.fragment),
            ContentType::ALERT => self.doubtful_alert(now, &record.fragment),
            // DEVIATION RFC 5246 §7.4.9: Finished is not required to come after a ChangeCipherSpec.
            // In DTLS the epoch of its record says that the keys have changed; a ChangeCipherSpec
            // that is lost alone would only cost a retransmission.
            ContentType::CHANGE_CIPHER_SPEC => {
                ChangeCipherSpec::parse(&record.fragment).map(drop).map_err(Error::from)
            }
            // Application data of epoch 0 is nobody's.
            _ => Err(Error::UnexpectedRecord),
        }
    }

    /// Handshaking, epoch 1: from whoever did the key exchange.
    fn finishing_record(&mut self, now: Instant, record: &Record) -> Result<(), Error> {
        match record.header.content_type {
            ContentType::HANDSHAKE => self.fragments(now, Epoch(1), &record.fragment),
            ContentType::ALERT => self.authentic_alert(&record.fragment),
            _ => Err(Error::UnexpectedRecord),
        }
    }

    /// An alert that anybody can have sent ends nothing, but shortens the wait.
    fn doubtful_alert(&mut self, now: Instant, octets: &[u8]) -> Result<(), Error> {
        let Alert { level, description } = Alert::parse(octets)?;
        let reason = match description {
            AlertDescription::CLOSE_NOTIFY => CloseReason::Remote,
            _ => CloseReason::RemoteAlert(description),
        };
        let Phase::Handshaking(handshaking) = &mut self.phase else { return Err(Error::Closed) };
        // Who has not begun cannot give up.
        if handshaking.machine.expects(HandshakeType::CLIENT_HELLO) {
            return Err(Error::UnexpectedRecord);
        }
        if level == AlertLevel::FATAL || description == AlertDescription::CLOSE_NOTIFY {
            handshaking.reception.doubt(now + GRACE, reason);
        }
        Ok(())
    }

    /// Puts fragments together and handles what is whole.
    fn fragments(&mut self, now: Instant, epoch: Epoch, octets: &[u8]) -> Result<(), Error> {
        for fragment in HandshakeFragment::parse_all(octets)? {
            let Phase::Handshaking(handshaking) = &mut self.phase else { break };
            let reception = &mut handshaking.reception;
            // Finished is the one message under the new keys; no other may hide there, and it may
            // not come without them (RFC 5246 §7.4.9).
            let finished = fragment.header.msg_type == HandshakeType::FINISHED;
            if finished != (epoch == Epoch(1)) {
                return Err(Error::UnexpectedMessage);
            }
            match reception.reassembly.insert(epoch, &fragment) {
                Ok(Inserted::New | Inserted::Duplicate) => {}
                // Only what our newest flight answers: a repeated part of a flight that is still
                // coming in does not say that ours was lost.
                Ok(Inserted::Delivered) if reception.is_answered(&fragment) => {
                    self.flights.peer_repeats(now);
                }
                Ok(Inserted::Delivered) => {}
                Err(error) => {
                    tracing::debug!(%error, "fragment refused");
                    return Err(Error::FragmentUnusable);
                }
            }
            self.messages(now)?;
        }
        Ok(())
    }

    /// Handles the messages that are whole and next.
    fn messages(&mut self, now: Instant) -> Result<(), Error> {
        loop {
            let Phase::Handshaking(handshaking) = &mut self.phase else { return Ok(()) };
            let Some(whole) = handshaking.reception.reassembly.pop() else { return Ok(()) };
            self.message(now, &whole.message)?;
        }
    }

    /// One step of the handshake.
    fn message(&mut self, now: Instant, message: &HandshakeMessage) -> Result<(), Error> {
        let Phase::Handshaking(handshaking) = &mut self.phase else { return Err(Error::Closed) };
        // Not the message that is due, or not one at all: anybody's. The true one may still come.
        let parsed = match message.parse() {
            Ok(parsed) if handshaking.machine.expects(message.msg_type()) => parsed,
            other => {
                handshaking.reception.reassembly.refuse();
                return Err(other.err().map_or(Error::UnexpectedMessage, Error::Malformed));
            }
        };
        // The state is moved into the step and out of it.
        let Phase::Handshaking(handshaking) = std::mem::replace(&mut self.phase, Phase::Closed)
        else {
            return Err(Error::Closed);
        };
        let Handshaking { machine, mut reception } = *handshaking;
        let before = machine.name();
        let mut context = Context { config: &self.config, rng: &mut self.rng };
        match machine.handle(&mut context, message, parsed) {
            Ok(Step { state: machine, actions }) => {
                tracing::debug!(received = ?message, before, after = machine.name(), "handshake");
                reception.progress();
                self.phase = Phase::Handshaking(Box::new(Handshaking { machine, reception }));
                self.act(now, actions);
                Ok(())
            }
            Err(Refusal::Ignored(machine, error)) => {
                reception.reassembly.refuse();
                let handshaking = Handshaking { machine: *machine, reception };
                self.phase = Phase::Handshaking(Box::new(handshaking));
                Err(error)
            }
            Err(Refusal::Declined(machine, error)) => {
                reception.reassembly.refuse();
                reception.doubt(reception.deadline, CloseReason::Refused(error));
                let handshaking = Handshaking { machine: *machine, reception };
                self.phase = Phase::Handshaking(Box::new(handshaking));
                self.alert(AlertLevel::FATAL, error.alert());
                Err(error)
            }
            Err(Refusal::Fatal(error)) => {
                self.refuse(error);
                Ok(())
            }
        }
    }

    /// Does what a step of the handshake asks for.
    pub(super) fn act(&mut self, now: Instant, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Protect(keys) => {
                    self.records.protect(*keys);
                    if let Phase::Handshaking(handshaking) = &mut self.phase {
                        let early = handshaking.reception.early.take();
                        self.handle_early(now, early);
                    }
                }
                Action::Send(flight) => {
                    self.flight_begins(&flight);
                    self.flights.send(flight);
                }
                Action::SendLast(flight) => {
                    self.flight_begins(&flight);
                    self.flights.send_last(flight);
                }
                Action::Connected(established) => self.connected(now, *established),
            }
        }
    }

    /// From now on we answer what has come so far, and seal alerts if the flight changes the keys.
    fn flight_begins(&mut self, flight: &[FlightItem]) {
        if let Phase::Handshaking(handshaking) = &mut self.phase {
            handshaking.reception.answered = handshaking.reception.reassembly.next_seq();
        }
        if flight.iter().any(|item| matches!(item, FlightItem::ChangeCipherSpec(_))) {
            self.write_epoch = Epoch(1);
        }
    }

    /// Handshaking → Connected.
    fn connected(&mut self, now: Instant, established: Established) {
        let info = Info {
            role: self.config.role,
            version: ProtocolVersion::DTLS_1_2,
            cipher_suite: established.master.suite().name(),
            group: established.group.name().unwrap_or_default(),
            srtp_profile: established.srtp_profile,
            remote_certificate: Bytes::copy_from_slice(&established.remote_certificate),
        };
        tracing::debug!(
            cipher_suite = info.cipher_suite,
            group = info.group,
            srtp_profile = ?info.srtp_profile,
            "connected"
        );
        if self.config.role == Role::Client {
            // The server's Finished answers our last flight; the server's own is never answered.
            self.flights.answered();
        }
        self.events.push_back(Event::Connected(established.proof));
        let connected = Phase::Connected(Box::new(Connected { master: established.master, info }));
        if let Phase::Handshaking(mut handshaking) = std::mem::replace(&mut self.phase, connected) {
            let early = handshaking.reception.early.take();
            self.handle_early(now, early);
        }
    }

    /// Handles records again that came before their time.
    fn handle_early(&mut self, now: Instant, early: Vec<Record>) {
        for record in early {
            if let Err(error) = self.handle_record(now, record) {
                self.discard(error);
            }
        }
    }
}
