//! Rows 77 to 80: hostile descriptions given to a connection, and what it says about secrets.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use peer::{Connection, Error, SessionDescription};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tests::sim::Link;

use super::rogue::{Call, offer, open};
use crate::peer::{LEFT, RIGHT, address, config};

fn fresh() -> (Instant, Connection) {
    let now = Instant::now();
    let mut victim = Connection::new(now, config(1), StdRng::seed_from_u64(5)).unwrap();
    victim.add_local_candidate(now, address(RIGHT));
    (now, victim)
}

fn good() -> String {
    let credentials =
        ice::Credentials { ufrag: "abcd".into(), pwd: "0123456789abcdefghijkl".into() };
    let fingerprint = config(0).certificate.unwrap().fingerprint(dtls::HashAlgorithm::Sha256);
    offer(&credentials, &fingerprint.to_string(), "actpass")
}

/// What a connection answers to an offer, or why it does not.
fn answer(sdp: impl Into<String>) -> Result<String, Error> {
    let (now, mut victim) = fresh();
    let offer = SessionDescription::offer(sdp.into());
    if let Err(error) = victim.set_remote_description(now, offer) {
        assert_eq!(victim.remote_description(), None, "a refusal changes nothing");
        assert!(victim.poll_transmit(now).is_none());
        // And it can still be called.
        victim.set_remote_description(now, SessionDescription::offer(good())).unwrap();
        victim.create_answer(now).unwrap();
        return Err(error);
    }
    let answer = victim.create_answer(now)?;
    victim.set_local_description(now, answer).unwrap();
    Ok(victim.local_description().unwrap().sdp)
}

#[test]
fn row_77_descriptions_as_bombs_are_refused_or_answered_within_a_second() {
    let good = good();
    let media = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n";
    let numbered = |line: &str, count: usize| {
        (0..count).fold(String::new(), |mut text, number| {
            write!(text, "{}", line.replace('#', &number.to_string())).unwrap();
            text
        })
    };
    let (head, _) = good.split_once("m=").unwrap();
    let bundle = format!("a=group:BUNDLE{}\r\n", numbered(" #", 50_000));
    let candidate = "a=candidate:# 1 udp 1 192.0.2.1 # typ host\r\n";
    let bombs = [
        ("100,000 lines", good.clone() + &"a=x\r\n".repeat(100_000)),
        ("2,000 sections", head.to_owned() + &media.repeat(2_000)),
        (
            "2,000 sections with mids",
            head.to_owned() + &numbered(&format!("{media}a=mid:#\r\n"), 2_000),
        ),
        ("a line of a mebibyte", format!("{good}a={}\r\n", "x".repeat(1 << 20))),
        ("a line of a mebibyte without end", format!("{good}a={}", "x".repeat(1 << 20))),
        ("50,000 mids in the bundle", good.replace("a=group:BUNDLE 0\r\n", &bundle)),
        ("50,000 mids", good.clone() + &numbered("a=mid:#\r\n", 50_000)),
        ("10,000 candidates", good.clone() + &numbered(candidate, 10_000)),
        ("1,000 candidates", good.clone() + &numbered(candidate, 1_000)),
        ("1,000 fingerprints", good.clone() + &"a=fingerprint:sha-256 AA\r\n".repeat(1_000)),
        ("a mebibyte of line ends", "\r\n".repeat(1 << 19)),
        ("a mebibyte of nothing", "\0".repeat(1 << 20)),
    ];
    for (name, bomb) in bombs {
        let start = Instant::now();
        let answer = answer(bomb.clone());
        assert!(start.elapsed() < Duration::from_secs(1), "{name}: {:?}", start.elapsed());
        if let Ok(answer) = answer {
            assert!(answer.len() <= 10 * bomb.len().max(1_000), "{name}");
        }
    }
}

#[test]
fn row_78_numbers_duplicates_and_credentials_are_refused_with_a_reason() {
    let good = good();
    let password = |length: usize| good.replace("0123456789abcdefghijkl", &"p".repeat(length));
    let fragment = |length: usize| {
        good.replace("a=ice-ufrag:abcd", &format!("a=ice-ufrag:{}", "u".repeat(length)))
    };
    let bad = [
        good.replace("sctp-port:5000", "sctp-port:65536"),
        good.replace("sctp-port:5000", "sctp-port:-1"),
        good.replace("max-message-size:262144", "max-message-size:18446744073709551616"),
        good.replace("m=application 9", "m=application 99999"),
        format!("{good}a=sctp-port:5001\r\n"),
        format!("{good}a=mid:1\r\n"),
        good.replace("t=0 0", "t=0 99999999999999999999999"),
        password(21),
        password(257),
        fragment(3),
        fragment(257),
        good.replace("a=ice-ufrag:abcd", "a=ice-ufrag:ab d"),
        String::new(),
        "v=1\r\n".to_owned(),
        "a".to_owned(),
    ];
    for sdp in bad {
        let error = answer(sdp.clone()).expect_err(&sdp);
        assert!(!error.to_string().is_empty());
    }
    for sdp in [password(22), password(256), fragment(4), fragment(256)] {
        answer(sdp).unwrap();
    }
    for cut in 0..good.len() {
        let _ = answer(&good[..cut]);
    }
}

#[test]
fn row_79_what_is_not_encrypted_is_refused_and_what_is_unknown_not_echoed() {
    let good = good();
    let (head, section) = good.split_once("m=").unwrap();
    let lines = |prefix: &str| -> String {
        good.split_inclusive("\r\n").filter(|line| !line.starts_with(prefix)).collect()
    };
    let audio = "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n";
    let refused = [
        lines("a=fingerprint"),
        lines("a=ice-pwd"),
        format!("{good}{audio}"),
        format!("{head}{audio}"),
        good.replace("actpass", "holdconn"),
    ];
    for sdp in refused {
        let answered = answer(sdp.clone());
        assert!(answered.is_err(), "{sdp} {answered:?}");
    }
    for sdp in [good.replace("UDP/DTLS/SCTP", "TCP/SCTP"), good.replace("UDP/DTLS/SCTP", "SCTP")] {
        let answered = answer(sdp.clone());
        let rejects = |answer: &String| answer.contains("m=application 0 ");
        assert!(answered.as_ref().map_or(true, rejects), "{answered:?}");
    }
    // Keys for what DTLS protects anyway mean nothing.
    let crypto = format!("{good}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n");
    assert!(answer(crypto).map_or(true, |answer| !answer.contains("crypto")));
    let marked = format!("{head}a=mark-1:x\r\nm={section}a=mark-2:x\r\na=mark-3\r\nb=MARK:1\r\n");
    let answered = answer(marked).unwrap().to_lowercase();
    assert!(!answered.contains("mark"), "{answered}");
}

/// All that is logged, as text.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Octets in the ways in which they get into a log.
fn spellings(octets: &[u8]) -> Vec<String> {
    let all = |separator: &str, spell: &dyn Fn(&u8) -> String| {
        octets.iter().map(spell).collect::<Vec<_>>().join(separator)
    };
    vec![
        all("", &|octet| format!("{octet:02x}")),
        all("", &|octet| format!("{octet:02X}")),
        all(":", &|octet| format!("{octet:02X}")),
        all(" ", &|octet| format!("{octet:02x}")),
        all(", ", &|octet| format!("{octet}")),
        all(", ", &|octet| format!("{octet:#04x}")),
        all("", &|octet| octet.escape_ascii().to_string()),
    ]
}

/// A whole call at the most talkative level: passwords, keys and messages are nowhere in it.
#[test]
fn row_80_neither_the_log_nor_debug_tells_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let mut printed = String::new();
    let mut secrets = Vec::new();
    tracing::subscriber::with_default(subscriber, || {
        for role in [dtls::Role::Server, dtls::Role::Client] {
            let mut call = Call::new(role, config(1), &Link::default().delay(5).loss(0.05));
            for _ in 0..20 {
                call.pass(20);
                let rogue = call.rogue();
                write!(printed, "{:?} {:#?} {:?}", rogue.dtls, rogue.dtls, rogue.agent).unwrap();
                write!(printed, "{:?} {:#?}", call.pair.right, call.pair.right).unwrap();
            }
            call.wait_established();
            let stream = call.stream(0);
            let rogue = call.rogue();
            let dcep = rogue.data(stream, 0, sctp::Ppid::DCEP, open("secret talk"));
            let text = rogue.data(stream, 1, sctp::Ppid::STRING, "do not print this message");
            call.say(&[&dcep, &text]);
            call.pass(500);
            // Trouble is talkative, too.
            for payload in call.pair.left.overheard.clone() {
                call.inject("203.0.113.66:666", payload.clone());
                call.inject(LEFT, payload.slice(..payload.len() / 2));
            }
            let wrong =
                call.victim().local_description().unwrap().sdp.replace("a=setup", "a=setap");
            let now = call.pair.now();
            let refusal =
                call.victim().set_remote_description(now, SessionDescription::answer(wrong));
            write!(printed, "{refusal:?} {:?}", call.victim().get_stats(now)).unwrap();
            let rogue = &call.pair.left;
            let proof = rogue.proof.as_ref().unwrap();
            for label in [&b"EXTRACTOR-dtls_srtp"[..], b"EXPORTER-tests"] {
                let key = rogue.dtls.export_keying_material(proof, label, 60).unwrap();
                secrets.extend(key.chunks(10).flat_map(spellings));
            }
            let srtp = rogue.dtls.srtp_keying_material(proof);
            write!(printed, "{srtp:?} {:?} {:#?}", rogue.dtls, rogue.agent).unwrap();
            let certificates = [0, 1].map(|side| config(side).certificate.unwrap());
            write!(printed, "{certificates:?} {:?}", config(1)).unwrap();
            secrets.push(rogue.agent.local_credentials().pwd.clone());
            let sdp = call.victim().local_description().unwrap().sdp;
            let password = sdp.lines().find_map(|line| line.strip_prefix("a=ice-pwd:"));
            secrets.push(password.unwrap().to_owned());
            call.victim().close(now);
            call.pass(100);
        }
    });
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.lines().count() > 50, "the log is there: {logged}");
    assert!(!printed.contains("do not print this message"));
    for line in logged.lines().chain([printed.as_str()]) {
        for secret in &secrets {
            assert!(secret.len() >= 10 && !line.contains(secret.as_str()), "{secret} in {line}");
        }
    }
}
