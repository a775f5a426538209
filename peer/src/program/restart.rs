//! An ICE restart without a new description: only credentials and candidates are exchanged, in
//! fragments (RFC 9725 §4.3.3, RFC 8840). What the rest of the descriptions says still holds.
//!
//! ```text
//!  fragment of the client ─ ufrag, pwd ─► its offer with these ─► our new answer ─► our fragment
//! ```
//!
//! Book: the chapter on signalling and WHIP.

use std::fmt::Write;

use sdp::{Fragment, Session};

/// The offer with the credentials of the fragment and without its old candidates; `None` if the
/// fragment has no credentials, or those that the offer has already: then it is no restart.
pub(super) fn offer(offer: &str, fragment: &Fragment) -> Option<String> {
    let sections = fragment.sections().filter_map(|section| {
        Some((section.ice_ufrag()?.to_owned(), section.ice_pwd()?.to_owned()))
    });
    let session_level = || {
        let password = fragment.lines.attribute("ice-pwd")?.text();
        Some((fragment.ice_ufrag()?.to_owned(), password.to_owned()))
    };
    let (ufrag, password) = sections.into_iter().next().or_else(session_level)?;
    let mut changed = false;
    let mut restarted = String::with_capacity(offer.len());
    for line in offer.lines() {
        let line = line.trim_end();
        if let Some(old) = line.strip_prefix("a=ice-ufrag:") {
            changed |= old != ufrag;
            let _ = write!(restarted, "a=ice-ufrag:{ufrag}\r\n");
        } else if line.starts_with("a=ice-pwd:") {
            let _ = write!(restarted, "a=ice-pwd:{password}\r\n");
        } else if !line.starts_with("a=candidate:") && line != "a=end-of-candidates" {
            restarted.push_str(line);
            restarted.push_str("\r\n");
        }
    }
    changed.then_some(restarted)
}

/// Credentials and candidates of an answer: those of the section that carries the bundle.
pub(super) fn fragment(answer: &str) -> String {
    let mut fragment = String::new();
    let Ok(answer) = Session::parse(answer) else { return fragment };
    let carrier = answer.sections().find(|section| section.candidates().next().is_some());
    let Some(section) = carrier.or_else(|| answer.sections().next()) else { return fragment };
    // Writing into a string cannot fail.
    for (name, value) in [("ice-ufrag", section.ice_ufrag()), ("ice-pwd", section.ice_pwd())] {
        if let Some(value) = value {
            let _ = write!(fragment, "a={name}:{value}\r\n");
        }
    }
    let _ = write!(fragment, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n");
    if let Some(mid) = section.mid() {
        let _ = write!(fragment, "a=mid:{mid}\r\n");
    }
    for candidate in section.candidates() {
        let _ = write!(fragment, "a={candidate}\r\n");
    }
    if section.end_of_candidates() {
        fragment.push_str("a=end-of-candidates\r\n");
    }
    fragment
}

/// The answer that a fragment of a server makes of the one before: its credentials, and its candidates
/// in the section that has them. `None` as for [`offer`].
pub(super) fn answer(answer: &str, fragment: &Fragment) -> Option<String> {
    let mut answer = offer(answer, fragment)?;
    let within = fragment.sections().flat_map(|section| section.candidates().collect::<Vec<_>>());
    let lines: String =
        fragment.candidates().chain(within).map(|candidate| format!("a={candidate}\r\n")).collect();
    // The transport of all sections is written in the first that is not rejected (RFC 9143 §7.3).
    let first = answer.find("a=ice-pwd:")?;
    let after = answer.get(first..)?.find("\r\n")? + first + 2;
    answer.insert_str(after, &lines);
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
        a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n";

    #[test]
    fn other_credentials_are_a_restart() {
        let parse = |text: &str| Fragment::parse(text).unwrap();
        let new = "a=ice-ufrag:efgh\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n";
        let restarted = offer(OFFER, &parse(new)).unwrap();
        assert!(restarted.ends_with(&format!("a=mid:0\r\n{new}")), "{restarted}");
        let within = format!("m=audio 9 RTP/AVP 0\r\na=mid:0\r\n{new}");
        assert_eq!(offer(OFFER, &parse(&within)), Some(restarted.clone()));
        assert_eq!(offer(&restarted, &parse(new)), None);
        assert_eq!(offer(OFFER, &parse("a=ice-ufrag:efgh\r\n")), None);
        assert_eq!(offer(OFFER, &parse("")), None);
    }

    #[test]
    fn an_answer_takes_over_what_a_fragment_says() {
        let text = "a=ice-ufrag:efgh\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:2 1 udp 1 192.0.2.1 9 typ host\r\n";
        let renewed = answer(OFFER, &Fragment::parse(text).unwrap()).unwrap();
        let session = Session::parse(&renewed).unwrap();
        let section = session.sections().next().unwrap();
        assert_eq!(section.ice_ufrag(), Some("efgh"));
        let candidates: Vec<_> = section.candidates().collect();
        assert_eq!(candidates, ["candidate:2 1 udp 1 192.0.2.1 9 typ host"]);
    }

    #[test]
    fn the_fragment_of_an_answer_can_be_read() {
        let text = fragment(OFFER);
        let read = Fragment::parse(&text).unwrap();
        assert_eq!(read.ice_ufrag(), Some("abcd"));
        let section = read.sections().next().unwrap();
        assert_eq!((section.mid(), section.candidates().count()), (Some("0"), 1));
    }
}
