//! Descriptions that want to hurt: rows 77 to 79 of the checklist, and the properties.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sdp::{
    Fragment, Lines, MAX_LINE_OCTETS, MAX_LINES, MAX_MEDIA, MAX_OCTETS, MaxMessageSize, Media,
    Origin, Reason, Session, Setup,
};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";

/// Parses within a second, whatever it is.
fn parse(text: &str) -> Result<Session, sdp::Error> {
    let start = Instant::now();
    let result = Session::parse(text);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    result
}

fn reason(text: &str) -> Reason {
    parse(text).unwrap_err().reason
}

#[test]
fn row_77_a_hundred_thousand_lines() {
    let text = format!("{HEAD}{}", "a=x\r\n".repeat(100_000));
    let error = parse(&text).unwrap_err();
    assert_eq!((error.line, error.reason), (MAX_LINES + 1, Reason::TooManyLines));
    let text = format!("{HEAD}{}", "a=x\r\n".repeat(MAX_LINES - 4));
    assert_eq!(parse(&text).unwrap().to_string(), text);
}

#[test]
fn row_77_a_line_of_a_mebibyte() {
    let text = format!("{HEAD}a={}\r\n", "x".repeat(1 << 20));
    assert_eq!(reason(&text), Reason::TooLong);
    let text = format!("{HEAD}a={}\r\n", "x".repeat(MAX_LINE_OCTETS));
    assert_eq!(parse(&text).unwrap_err(), sdp::Error { line: 5, reason: Reason::LineTooLong });
    assert_eq!(reason(&"\n".repeat(MAX_OCTETS + 1)), Reason::TooLong);
}

#[test]
fn row_77_two_thousand_media_sections() {
    let text = |count: usize| {
        (0..count).fold(HEAD.to_owned(), |mut text, mid| {
            write!(text, "{DATA}a=mid:{mid}\r\n").unwrap();
            text
        })
    };
    assert_eq!(reason(&text(2_000)), Reason::TooManyMedia);
    assert_eq!(parse(&text(MAX_MEDIA)).unwrap().media.len(), MAX_MEDIA);
}

#[test]
fn row_77_fifty_thousand_mids() {
    let mids = (0..50_000).fold(String::new(), |mut mids, mid| {
        write!(mids, " {mid}").unwrap();
        mids
    });
    assert_eq!(reason(&format!("{HEAD}a=group:BUNDLE{mids}\r\n")), Reason::LineTooLong);
    let many = "a=mid:".to_owned() + &mids.replace(' ', "\r\na=mid:");
    assert!(matches!(reason(&format!("{HEAD}{many}\r\n")), Reason::Malformed("mid")));
}

#[test]
fn row_77_memory_stays_in_proportion() {
    // The lines of a section are one string: no allocation per line, nothing nested.
    let lines = "a=x\r\n".repeat(MAX_LINES - 4);
    let session = parse(&format!("{HEAD}{lines}")).unwrap();
    assert_eq!(session.lines.to_string().len(), lines.len() + "t=0 0\r\n".len());
}

#[test]
fn row_78_numbers() {
    let section = |line: &str| format!("{HEAD}{DATA}{line}\r\n");
    let cases = [
        ("a=sctp-port:65536", Reason::TooLarge("sctp-port")),
        ("a=sctp-port:99999999999999999999999", Reason::TooLarge("sctp-port")),
        ("a=sctp-port:-1", Reason::Malformed("sctp-port")),
        ("a=sctp-port:", Reason::Malformed("sctp-port")),
        ("a=sctp-port", Reason::Malformed("sctp-port")),
        ("a=sctp-port:5000x", Reason::Malformed("attribute value")),
        ("a=max-message-size:18446744073709551616", Reason::TooLarge("max-message-size")),
        ("a=max-message-size:1e5", Reason::Malformed("attribute value")),
        ("b=AS:99999999999999999999", Reason::TooLarge("bandwidth")),
        ("t=1 99999999999999999999", Reason::TooLarge("stop-time")),
        ("m=audio 70000 UDP/TLS/RTP/SAVPF 111", Reason::TooLarge("port")),
    ];
    for (line, expected) in cases {
        let error = parse(&section(line)).unwrap_err();
        assert_eq!((error.line, error.reason), (6, expected), "{line}");
    }
    assert_eq!(reason("v=1\r\n"), Reason::Version);
    assert_eq!(reason("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nt=0 0\r\n"), Reason::Expected('s'));
}

#[test]
fn row_78_duplicates() {
    let cases = [
        ("a=mid:0\r\na=mid:1\r\n", Reason::DuplicateAttribute("mid")),
        ("a=setup:active\r\na=setup:passive\r\n", Reason::DuplicateAttribute("setup")),
        ("a=sctp-port:1\r\na=sctp-port:2\r\n", Reason::DuplicateAttribute("sctp-port")),
        ("a=ice-ufrag:aaaa\r\na=ice-ufrag:bbbb\r\n", Reason::DuplicateAttribute("ice-ufrag")),
        ("o=- 1 1 IN IP4 0.0.0.0\r\n", Reason::Repeated('o')),
    ];
    for (lines, expected) in cases {
        assert_eq!(reason(&format!("{HEAD}{DATA}{lines}")), expected, "{lines}");
    }
    let twice = format!("{HEAD}{DATA}a=mid:0\r\n{DATA}a=mid:0\r\n");
    assert_eq!(parse(&twice).unwrap_err(), sdp::Error { line: 8, reason: Reason::DuplicateMid });
    assert_eq!(reason(&format!("{HEAD}a=group:BUNDLE 0 0\r\n")), Reason::BundledTwice);
    let groups = "a=group:BUNDLE 0\r\na=group:LS 0\r\na=group:BUNDLE 1 0\r\n";
    assert_eq!(reason(&format!("{HEAD}{groups}")), Reason::BundledTwice);
    // Each section may have its own.
    let apart =
        format!("{HEAD}a=setup:active\r\n{DATA}a=setup:active\r\n{DATA}a=setup:passive\r\n");
    assert!(parse(&apart).is_ok());
}

#[test]
fn row_78_bad_bytes() {
    assert_eq!(reason(&format!("{HEAD}a=x\0y\r\n")), Reason::ForbiddenOctet);
    assert_eq!(reason(&format!("{HEAD}a=x\ry\r\n")), Reason::ForbiddenOctet);
    for line in ["a", "=x", "a x", " a=x", "a =x", "ü=x", "1=x", "ab=x"] {
        assert_eq!(reason(&format!("{HEAD}{line}\r\n")), Reason::NotALine, "{line}");
    }
    assert_eq!(reason(&format!("{HEAD}a=:x\r\n")), Reason::Malformed("attribute name"));
    assert_eq!(reason(&format!("{HEAD}{DATA}a=mid:a b\r\n")), Reason::Malformed("attribute value"));
    assert_eq!(reason(&format!("{HEAD}{DATA}a=mid:\r\n")), Reason::Malformed("mid"));
    assert!(parse(&format!("{HEAD}a=x:日本\u{7f}\t\r\n")).is_ok());
}

#[test]
fn row_78_length_of_credentials() {
    let with = |name: &str, length: usize| {
        parse(&format!("{HEAD}{DATA}a={name}:{}\r\n", "a".repeat(length))).map_err(|e| e.reason)
    };
    for (name, least) in [("ice-ufrag", 4), ("ice-pwd", 22)] {
        for good in [least, 256] {
            assert!(with(name, good).is_ok(), "{name} {good}");
        }
        for bad in [0, least - 1, 257] {
            let expected = Reason::Length(if least == 4 { "ice-ufrag" } else { "ice-pwd" });
            assert_eq!(with(name, bad).unwrap_err(), expected, "{name} {bad}");
        }
    }
    let line = format!("{HEAD}{DATA}a=ice-ufrag:abcd:efgh\r\n");
    assert_eq!(reason(&line), Reason::Malformed("attribute value"));
}

#[test]
fn row_78_fingerprints() {
    let with = |value: &str| parse(&format!("{HEAD}a=fingerprint:{value}\r\n")).map(drop);
    for good in ["sha-256 AB:CD", "sha-256 ab:cd ", "unheard-of 00"] {
        assert!(with(good).is_ok(), "{good}");
    }
    for bad in
        ["", "sha-256", "sha-256 ", "sha-256 ABCD", "sha-256 AB:C", "sha-256 AB:", "sha-256 G0"]
    {
        assert!(with(bad).is_err(), "{bad}");
    }
}

/// The model says what is there; that it is refused is the negotiation's decision.
#[test]
fn row_79_what_must_be_refused_can_be_seen() {
    let text = format!(
        "{HEAD}m=audio 9 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n\
         a=setup:holdconn\r\na=sctp-init:abc\r\n"
    );
    let session = parse(&text).unwrap();
    let section = session.sections().next().unwrap();
    assert!(section.has_sdes() && !section.is_dtls_srtp() && !section.is_data_channel());
    assert_eq!(section.setup(), Some(Setup::HoldConn));
    assert_eq!(section.fingerprints().count(), 0);
    assert_eq!(reason(&format!("{HEAD}a=setup:sideways\r\n")), Reason::Malformed("setup"));
}

#[test]
fn trap_missing_max_message_size_is_65536_and_zero_is_unlimited() {
    let size = |line: &str| {
        let session = parse(&format!("{HEAD}{DATA}{line}")).unwrap();
        session.sections().next().unwrap().max_message_size()
    };
    assert_eq!(size(""), MaxMessageSize::Octets(65_536));
    assert_eq!(size("a=max-message-size:0\r\n"), MaxMessageSize::Unlimited);
    assert_eq!(size("a=max-message-size:262144\r\n"), MaxMessageSize::Octets(262_144));
}

#[test]
fn trap_session_names_that_are_not_a_dash() {
    for name in ["", " ", "a session", "Ünïcode s=x"] {
        let text = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns={name}\r\nt=0 0\r\n");
        assert_eq!(parse(&text).unwrap().to_string(), text);
    }
}

#[test]
fn trap_trailing_spaces_and_unknown_attributes_are_tolerated() {
    let text = format!(
        "{HEAD}y=what\r\n{DATA}a=mid:0 \r\na=setup:active  \r\na=x-new:1 \r\na=ice-lite \r\n"
    );
    let session = parse(&text).unwrap();
    let section = session.sections().next().unwrap();
    assert_eq!((section.mid(), section.setup()), (Some("0"), Some(Setup::Active)));
    assert_eq!(session.to_string(), text);
}

#[test]
fn blank_lines_and_a_missing_last_line_end_are_tolerated() {
    let text = format!("\r\n{HEAD}\n{DATA}a=mid:0");
    assert_eq!(parse(&text).unwrap().to_string(), format!("{HEAD}{DATA}a=mid:0\r\n"));
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,40}", "[^\0\r\n]{0,20}"]
}

fn line() -> impl Strategy<Value = (char, String)> {
    prop_oneof![
        value().prop_map(|value| ('a', format!("x{value}"))),
        value().prop_map(|value| ('i', value)),
        value().prop_map(|value| ('q', value)),
        Just(('a', "ice-lite".to_owned())),
        "[a-zA-Z0-9+/]{4,32}".prop_map(|ufrag| ('a', format!("ice-ufrag:{ufrag}"))),
        any::<u16>().prop_map(|port| ('a', format!("sctp-port:{port}"))),
        any::<u32>().prop_map(|rate| ('b', format!("AS:{rate}"))),
        any::<u128>().prop_map(|id| ('c', format!("IN IP6 {id:x}"))),
    ]
}

fn lines() -> impl Strategy<Value = Lines> {
    proptest::collection::vec(line(), 0..8).prop_map(|all| {
        let mut lines = Lines::new();
        let mut seen = std::collections::HashSet::new();
        for (kind, value) in all {
            let name = value.split(':').next().unwrap_or_default().to_owned();
            if kind != 'a' || seen.insert(name) {
                lines.push(kind, &value);
            }
        }
        lines
    })
}

fn media() -> impl Strategy<Value = Media> {
    let formats = proptest::collection::vec("[a-z0-9-]{1,8}", 1..4);
    (value(), any::<u16>(), value(), formats, any::<Option<u32>>(), lines()).prop_map(
        |(kind, port, protocol, formats, port_count, lines)| {
            let kind = format!("m{kind}");
            Media { port_count, lines, ..Media::new(&kind, port, &protocol, &formats.join(" ")) }
        },
    )
}

fn session() -> impl Strategy<Value = Session> {
    let media = proptest::collection::vec(media(), 0..4);
    (any::<u64>(), any::<u64>(), value(), lines(), media).prop_map(
        |(id, version, name, lines, media)| Session {
            origin: Origin::new(id, version),
            name,
            lines,
            media,
        },
    )
}

proptest! {
    #[test]
    fn round_trip(session in session()) {
        let text = session.to_string();
        prop_assert_eq!(Session::parse(&text), Ok(session.clone()), "{}", text);
        let fragment = Fragment { lines: session.lines, media: session.media };
        prop_assert_eq!(Fragment::parse(&fragment.to_string()), Ok(fragment));
    }

    #[test]
    fn never_panics(text in "\\PC*", tail in "([vostcbamx]=?[ -~\r\n]{0,20}\r?\n){0,12}") {
        for text in [text.clone(), tail.clone(), format!("{HEAD}{tail}"), format!("{HEAD}{DATA}{text}")] {
            if let Ok(session) = Session::parse(&text) {
                let printed = session.to_string();
                prop_assert_eq!(Session::parse(&printed), Ok(session), "{}", printed);
            }
            if let Ok(fragment) = Fragment::parse(&text) {
                fragment.sections().for_each(|section| {
                    let _ = (section.mid(), section.setup(), section.sctp_port(), section.direction());
                    let _ = (section.candidates().count(), section.fingerprints().count());
                });
            }
        }
    }

    /// A built description is one the parser accepts, even if its texts try to break out.
    #[test]
    fn what_is_built_has_the_lines_that_were_built(kind in any::<char>(), value in any::<String>()) {
        let mut session = Session::new(Origin::new(1, 1));
        session.name.clone_from(&value);
        session.lines.push(kind, &value);
        session.media.push(Media::new(&value, 9, &value, &value));
        let text = session.to_string();
        prop_assert_eq!(text.lines().filter(|line| line.starts_with("m=")).count(), 1);
        prop_assert_eq!(text.matches("\r\n").count(), 6);
    }
}
