//! The timetable of RFC 8489 §6.2.1, and what responses may and may not do.

use super::*;
use crate::{Attribute, AttributeType, Code};

fn request() -> Message {
    Message::request(Method::BINDING, TransactionId([9; 12]))
}

fn key() -> Key {
    Key::short_term("a password of at least 22")
}

/// Runs until the event, always jumping to the next timer; the times of transmission in ms.
fn run(transaction: &mut ClientTransaction, start: Instant) -> (Vec<u128>, Event, u128) {
    let (mut now, mut sent) = (start, Vec::new());
    loop {
        while let Some(octets) = transaction.poll_transmit(now) {
            assert_eq!(Message::parse(&octets).unwrap().transaction_id, TransactionId([9; 12]));
            sent.push((now - start).as_millis());
        }
        if let Some(event) = transaction.poll_event() {
            return (sent, event, (now - start).as_millis());
        }
        now = transaction.poll_timeout().unwrap();
        transaction.handle_timeout(now - Duration::from_nanos(1));
        assert_eq!(transaction.poll_transmit(now), None, "too early");
        transaction.handle_timeout(now);
        transaction.handle_timeout(now);
    }
}

#[test]
fn rfc_8489_section_6_2_1_default_timetable() {
    let start = Instant::now();
    let mut transaction = ClientTransaction::new(&request(), None, Timing::default());
    let (sent, event, end) = run(&mut transaction, start);
    assert_eq!(sent, [0, 500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!((event, end), (Event::Closed(Outcome::TimedOut), 39500));
    let late = start + Duration::from_secs(1000);
    transaction.handle_timeout(late);
    assert_eq!(transaction.poll_event(), None, "silence after the end");
    assert_eq!(transaction.poll_transmit(late), None);
    assert_eq!(transaction.poll_timeout(), None);
}

#[test]
fn rfc_8489_section_6_2_2_over_a_stream_once_and_as_patient() {
    let start = Instant::now();
    let timing = Timing::default().over_a_stream();
    let mut transaction = ClientTransaction::new(&request(), None, timing);
    let (sent, event, end) = run(&mut transaction, start);
    assert_eq!(sent, [0]);
    assert_eq!((event, end), (Event::Closed(Outcome::TimedOut), 39500));
}

#[test]
fn trap_same_transaction_id_on_retransmit() {
    let now = Instant::now();
    let mut transaction = ClientTransaction::new(&request(), Some(key()), Timing::default());
    let first = transaction.poll_transmit(now).unwrap();
    let later = transaction.poll_timeout().unwrap();
    transaction.handle_timeout(later);
    assert_eq!(transaction.poll_transmit(later), Some(first));
}

#[test]
fn odd_timings_neither_panic_nor_spin() {
    let now = Instant::now();
    let timings = [
        Timing { rto: Duration::MAX, rc: 3, rm: 2 },
        Timing { rto: Duration::from_millis(1), rc: 0, rm: 0 },
        Timing { rto: Duration::from_millis(1), rc: 40, rm: 1 },
    ];
    for timing in timings {
        let mut transaction = ClientTransaction::new(&request(), None, timing);
        let (sent, event, _) = run(&mut transaction, now);
        assert_eq!(event, Event::Closed(Outcome::TimedOut));
        assert_eq!(sent.len(), timing.rc.max(1) as usize);
    }
}

fn respond(
    transaction: &mut ClientTransaction,
    response: &Message,
    key: Option<&Key>,
) -> Result<(), Error> {
    transaction.handle_datagram(Instant::now(), &response.encode(key))
}

#[test]
fn a_success_response_ends_it_once() {
    let mapped = "192.0.2.1:7".parse().unwrap();
    let response = Message::success(&request()).with(Attribute::XorMappedAddress(mapped));
    let mut transaction = ClientTransaction::new(&request(), Some(key()), Timing::default());
    for _ in 0..2 {
        respond(&mut transaction, &response, Some(&key())).unwrap();
    }
    assert_eq!(transaction.poll_timeout(), None);
    let outcome = Event::Closed(Outcome::Success(response));
    assert_eq!(transaction.poll_event(), Some(outcome));
    assert_eq!(transaction.poll_event(), None);
}

#[test]
fn row_19_forged_responses_change_nothing() {
    let now = Instant::now();
    let mut transaction = ClientTransaction::new(&request(), Some(key()), Timing::default());
    transaction.poll_transmit(now).unwrap();
    let timer = transaction.poll_timeout();
    let stranger = Key::short_term("another password, 24 long");
    for code in [Code::UNAUTHENTICATED, Code::ROLE_CONFLICT] {
        let forged = Message::error(&request(), code.into());
        assert!(matches!(respond(&mut transaction, &forged, None), Err(Error::Integrity(_))));
        assert!(respond(&mut transaction, &forged, Some(&stranger)).is_err());
    }
    let other = Message::request(Method::BINDING, TransactionId([8; 12]));
    let elsewhere = respond(&mut transaction, &Message::success(&other), Some(&key()));
    assert_eq!(elsewhere, Err(Error::UnknownTransaction));
    let other = Message::request(Method::new(3), TransactionId([9; 12]));
    let elsewhere = respond(&mut transaction, &Message::success(&other), Some(&key()));
    assert_eq!(elsewhere, Err(Error::UnknownTransaction));
    assert_eq!(respond(&mut transaction, &request(), Some(&key())), Err(Error::NotAResponse));
    assert!(matches!(transaction.handle_datagram(now, &[0; 20]), Err(Error::Parse(_))));
    assert_eq!((transaction.poll_event(), transaction.poll_timeout()), (None, timer));
}

#[test]
fn an_authenticated_error_is_the_outcome() {
    let mut transaction = ClientTransaction::new(&request(), Some(key()), Timing::default());
    let refusal = Message::error(&request(), Code::ROLE_CONFLICT.into());
    respond(&mut transaction, &refusal, Some(&key())).unwrap();
    assert_eq!(transaction.poll_event(), Some(Event::Closed(Outcome::Refused(refusal))));
}

#[test]
fn rfc_8489_section_6_3_3_unknown_required_attributes_fail_the_transaction() {
    let unknown = Attribute::Unknown { ty: AttributeType(0x7777), value: Bytes::new() };
    let mut error_without_code = Message::success(&request());
    error_without_code.class = crate::Class::Error;
    for response in [Message::success(&request()).with(unknown), error_without_code] {
        let mut transaction = ClientTransaction::new(&request(), None, Timing::default());
        respond(&mut transaction, &response, None).unwrap();
        let outcome = Event::Closed(Outcome::Unintelligible(response));
        assert_eq!(transaction.poll_event(), Some(outcome));
    }
}
