//! The candidate line (RFC 8839 §5.1, with `tcptype` of RFC 6544 §4.5).
//!
//! ```text
//! candidate:1 1 udp 2130706431 192.0.2.1 8998 typ srflx raddr 10.0.0.1 rport 9 generation 0
//!           │ │ │   │          │         │        │     └ related ──────────┘ └ extensions …
//!           │ │ │   │          │         port     type
//!           │ │ │   priority   address or name
//!           │ │ transport
//!           │ component
//!           foundation
//! ```
//!
//! Browsers differ in case (`UDP`, `udp`), in extensions and in the prefix they hand to the page;
//! all of it is accepted. What is written is what Chromium writes. Book: chapter "Candidates".

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::{FromStr, SplitAsciiWhitespace};

use super::{Candidate, CandidateAddress, CandidateKind, Foundation, Related, Transport};
use crate::priority::Priority;

/// The longest line we read: a browser's is below 200 octets, a hostile one costs us no more.
const MAX_LINE: usize = 2048;
/// The longest name: a domain name has at most 253 characters.
const MAX_NAME: usize = 255;
/// Extensions kept of one candidate; browsers write five at most.
const MAX_EXTENSIONS: usize = 32;

/// What is wrong with a candidate line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CandidateError {
    /// More than 2048 octets.
    #[error("the candidate line is too long")]
    TooLong,
    /// A part that must be there is not.
    #[error("the candidate line ends before its {0}")]
    Missing(&'static str),
    /// A part has a value it cannot have.
    #[error("the candidate line has a wrong {0}")]
    Wrong(&'static str),
}

pub(super) fn parse(line: &str) -> Result<Candidate, CandidateError> {
    if line.len() > MAX_LINE {
        return Err(CandidateError::TooLong);
    }
    let line = line.trim_ascii();
    let line = strip_prefix_ignoring_case(line, "a=");
    let line = strip_prefix_ignoring_case(line, "candidate:");
    let mut words = line.split_ascii_whitespace();

    let foundation = Foundation::new(next(&mut words, "foundation")?)
        .ok_or(CandidateError::Wrong("foundation"))?;
    let component = number::<u16>(&mut words, "component")?;
    if !(1..=256).contains(&component) {
        return Err(CandidateError::Wrong("component"));
    }
    let transport = transport(next(&mut words, "transport")?)?;
    let priority = Priority::new(number::<u32>(&mut words, "priority")?);
    let host = next(&mut words, "address")?;
    let port = number::<u16>(&mut words, "port")?;
    let address = address(host, port)?;
    if !next(&mut words, "typ")?.eq_ignore_ascii_case("typ") {
        return Err(CandidateError::Wrong("typ"));
    }
    let kind = kind(next(&mut words, "type")?)?;

    let mut candidate = Candidate {
        foundation,
        component,
        transport,
        priority,
        address,
        kind,
        related: None,
        tcp_type: None,
        extensions: Vec::new(),
    };
    attributes(&mut candidate, words)?;
    Ok(candidate)
}

/// Everything after the type comes in pairs of name and value. A name whose value is missing, as some
/// stacks write, is dropped.
fn attributes(
    candidate: &mut Candidate,
    mut words: SplitAsciiWhitespace<'_>,
) -> Result<(), CandidateError> {
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        match (name, &mut candidate.related) {
            ("raddr", related @ None) => {
                let address = token(value, "raddr")?.to_owned();
                *related = Some(Related { address, port: None });
            }
            ("rport", Some(related)) if related.port.is_none() => {
                related.port = Some(value.parse().map_err(|_| CandidateError::Wrong("rport"))?);
            }
            ("tcptype", _) if candidate.tcp_type.is_none() => {
                candidate.tcp_type = Some(token(value, "tcptype")?.to_owned());
            }
            // A repetition, or an `rport` without `raddr`: the first one counted.
            ("raddr" | "rport" | "tcptype", _) => {}
            _ if candidate.extensions.len() < MAX_EXTENSIONS => {
                candidate.extensions.push((name.to_owned(), value.to_owned()));
            }
            _ => return Err(CandidateError::Wrong("number of extensions")),
        }
    }
    Ok(())
}

pub(super) fn print(candidate: &Candidate, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let transport = match &candidate.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Other(token) => token,
    };
    write!(
        formatter,
        "candidate:{} {} {transport} {} ",
        candidate.foundation.as_str(),
        candidate.component,
        candidate.priority,
    )?;
    match &candidate.address {
        CandidateAddress::Socket(address) => {
            write!(formatter, "{} {}", address.ip(), address.port())?;
        }
        CandidateAddress::Name { name, port } => write!(formatter, "{name} {port}")?,
    }
    write!(formatter, " typ {}", candidate.kind.as_str())?;
    if let Some(related) = &candidate.related {
        write!(formatter, " raddr {}", related.address)?;
        if let Some(port) = related.port {
            write!(formatter, " rport {port}")?;
        }
    }
    if let Some(tcp_type) = &candidate.tcp_type {
        write!(formatter, " tcptype {tcp_type}")?;
    }
    for (name, value) in &candidate.extensions {
        write!(formatter, " {name} {value}")?;
    }
    Ok(())
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> &'a str {
    match text.split_at_checked(prefix.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(prefix) => rest,
        _ => text,
    }
}

fn next<'a>(
    words: &mut SplitAsciiWhitespace<'a>,
    part: &'static str,
) -> Result<&'a str, CandidateError> {
    words.next().ok_or(CandidateError::Missing(part))
}

fn number<T: FromStr>(
    words: &mut SplitAsciiWhitespace<'_>,
    part: &'static str,
) -> Result<T, CandidateError> {
    let word = next(words, part)?;
    // `FromStr` takes a sign, the grammar does not.
    if !word.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(CandidateError::Wrong(part));
    }
    word.parse().map_err(|_| CandidateError::Wrong(part))
}

fn transport(word: &str) -> Result<Transport, CandidateError> {
    let word = token(word, "transport")?.to_ascii_lowercase();
    Ok(match word.as_str() {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => Transport::Other(word),
    })
}

fn kind(word: &str) -> Result<CandidateKind, CandidateError> {
    Ok(match token(word, "type")? {
        "host" => CandidateKind::Host,
        "srflx" => CandidateKind::ServerReflexive,
        "prflx" => CandidateKind::PeerReflexive,
        "relay" => CandidateKind::Relayed,
        other => CandidateKind::Other(other.to_owned()),
    })
}

fn address(host: &str, port: u16) -> Result<CandidateAddress, CandidateError> {
    // A zone (`fe80::1%eth0`) means nothing on another machine; some stacks write it all the same.
    let unscoped = host.split_once('%').map_or(host, |(address, _)| address);
    if let Ok(ip) = unscoped.parse::<IpAddr>() {
        return Ok(CandidateAddress::Socket(SocketAddr::new(ip, port)));
    }
    let name = name_or_address(host, "address")?.to_owned();
    Ok(CandidateAddress::Name { name, port })
}

/// The characters of domain names and IP addresses, and the `_` seen in names.
fn name_or_address<'a>(word: &'a str, part: &'static str) -> Result<&'a str, CandidateError> {
    let legal =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b':');
    if word.len() <= MAX_NAME && word.bytes().all(legal) {
        Ok(word)
    } else {
        Err(CandidateError::Wrong(part))
    }
}

fn token<'a>(word: &'a str, part: &'static str) -> Result<&'a str, CandidateError> {
    if word.bytes().all(|octet| octet.is_ascii_graphic()) {
        Ok(word)
    } else {
        Err(CandidateError::Wrong(part))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(line: &str) -> Candidate {
        Candidate::parse(line).unwrap()
    }

    #[test]
    fn rfc_8839_section_5_1_example() {
        let line = "a=candidate:2 1 UDP 1694498815 192.0.2.3 5000 typ srflx raddr \
                    203.0.113.141 rport 8998";
        let candidate = parse(line);
        assert_eq!(candidate.foundation.as_str(), "2");
        assert_eq!(candidate.transport, Transport::Udp);
        assert_eq!(candidate.priority.value(), 1_694_498_815);
        assert_eq!(candidate.address.socket(), Some("192.0.2.3:5000".parse().unwrap()));
        assert_eq!(candidate.kind, CandidateKind::ServerReflexive);
        let related = candidate.related.unwrap();
        assert_eq!((related.address.as_str(), related.port), ("203.0.113.141", Some(8998)));
    }

    #[test]
    fn trap_unknown_extension_pairs_of_browsers_are_kept_and_harmless() {
        let chromium = parse(
            "candidate:2999745851 1 udp 2113937151 4d3ec5a7-6b1b-4a6b-9d3a-1f0c7e0d4a11.local \
             56412 typ host generation 0 ufrag Xy+/ network-cost 999",
        );
        assert_eq!(chromium.extensions[1], ("ufrag".to_owned(), "Xy+/".to_owned()));
        assert!(chromium.address.socket().is_none());
        let firefox = parse("candidate:3 1 TCP 2105393407 ::1 9 typ host tcptype active");
        assert_eq!(firefox.transport, Transport::Tcp);
        assert_eq!(firefox.tcp_type.as_deref(), Some("active"));
        assert_eq!(firefox.address.socket(), Some("[::1]:9".parse().unwrap()));
    }

    #[test]
    fn trap_the_prefix_of_a_candidate_is_optional() {
        let bare = "1 1 udp 1 192.0.2.1 1 typ host";
        for prefix in ["", "candidate:", "a=candidate:", "A=Candidate:"] {
            assert_eq!(parse(&format!("{prefix}{bare}\r\n")), parse(bare));
        }
    }

    #[test]
    fn the_error_names_the_part() {
        for (line, error) in [
            ("", CandidateError::Missing("foundation")),
            ("1", CandidateError::Missing("component")),
            ("1 0 udp 1 192.0.2.1 1 typ host", CandidateError::Wrong("component")),
            ("1 +1 udp 1 192.0.2.1 1 typ host", CandidateError::Wrong("component")),
            ("1 1 udp 4294967296 192.0.2.1 1 typ host", CandidateError::Wrong("priority")),
            ("1 1 udp 1 192.0.2.1 65536 typ host", CandidateError::Wrong("port")),
            ("1 1 udp 1 192.0.2.1 1 type host", CandidateError::Wrong("typ")),
            ("1 1 udp 1 192.0.2.1 1 typ", CandidateError::Missing("type")),
            ("1 1 udp 1 a/b 1 typ host", CandidateError::Wrong("address")),
        ] {
            assert_eq!(Candidate::parse(line), Err(error), "{line:?}");
        }
        let long = format!("1 1 udp 1 192.0.2.1 1 typ host x {}", "y".repeat(MAX_LINE));
        assert_eq!(Candidate::parse(&long), Err(CandidateError::TooLong));
    }

    fn candidates() -> impl Strategy<Value = Candidate> {
        let address = prop_oneof![
            any::<([u8; 4], u16)>()
                .prop_map(|(ip, port)| CandidateAddress::Socket(SocketAddr::new(ip.into(), port))),
            any::<([u16; 8], u16)>()
                .prop_map(|(ip, port)| CandidateAddress::Socket(SocketAddr::new(ip.into(), port))),
            ("[a-z0-9-]{1,36}\\.local", any::<u16>())
                .prop_map(|(name, port)| CandidateAddress::Name { name, port }),
        ];
        let kind = prop_oneof![
            Just(CandidateKind::Host),
            Just(CandidateKind::ServerReflexive),
            Just(CandidateKind::PeerReflexive),
            Just(CandidateKind::Relayed),
            "x[a-z]{1,8}".prop_map(CandidateKind::Other),
        ];
        let transport = prop_oneof![
            Just(Transport::Udp),
            Just(Transport::Tcp),
            "x[a-z]{1,8}".prop_map(Transport::Other),
        ];
        let related = prop::option::of(("[0-9a-f:.]{1,20}", prop::option::of(any::<u16>())))
            .prop_map(|related| related.map(|(address, port)| Related { address, port }));
        let rest = (
            related,
            prop::option::of("[a-z]{1,8}"),
            prop::collection::vec(("x-[a-z]{1,8}", "[!-~]{1,16}"), 0..4),
        );
        ("[A-Za-z0-9+/]{1,32}", 1u16..=256, transport, any::<u32>(), address, kind, rest).prop_map(
            |(foundation, component, transport, priority, address, kind, rest)| Candidate {
                foundation: Foundation::new(&foundation).unwrap(),
                component,
                transport,
                priority: Priority::new(priority),
                address,
                kind,
                related: rest.0,
                tcp_type: rest.1,
                extensions: rest.2,
            },
        )
    }

    proptest! {
        #[test]
        fn round_trip(candidate in candidates()) {
            prop_assert_eq!(Candidate::parse(&candidate.to_string()), Ok(candidate));
        }

        #[test]
        fn what_parses_prints_what_parses(line in "(a=)?(candidate:)?([ -~]{0,12} ){0,12}") {
            if let Ok(candidate) = Candidate::parse(&line) {
                prop_assert_eq!(Candidate::parse(&candidate.to_string()), Ok(candidate));
            }
        }

        #[test]
        fn never_panics(line in "\\PC*") {
            let _ = Candidate::parse(&line);
        }
    }
}
