//! Candidates that follow their description (trickle ICE, RFC 8838), as HTTP carries them: in a
//! fragment of SDP (RFC 8840 §4.4).
//!
//! Book: the chapter on signalling.

use std::fmt::Write;

use peer::{Error, IceCandidate, PeerConnection};
use sdp::Session;

/// Adds the candidates of a fragment: those of each section, and those that stand above the first,
/// as a client with only one section may write them.
pub(super) async fn add_candidates(
    connection: &PeerConnection,
    fragment: &sdp::Fragment,
) -> Result<(), Error> {
    let mut candidates = Vec::new();
    let mut add = |candidate: &str, mid: Option<&str>, index: usize, fragment: Option<&str>| {
        candidates.push(IceCandidate {
            candidate: candidate.to_owned(),
            sdp_mid: mid.map(str::to_owned),
            sdp_m_line_index: u16::try_from(index).ok(),
            username_fragment: fragment.map(str::to_owned),
        });
    };
    for candidate in fragment.candidates() {
        add(candidate, None, 0, fragment.ice_ufrag());
    }
    for (index, section) in fragment.sections().enumerate() {
        for candidate in section.candidates() {
            add(candidate, section.mid(), index, section.ice_ufrag());
        }
        if section.end_of_candidates() {
            // The empty candidate means the end (W3C WebRTC §4.8.1.1).
            add("", section.mid(), index, section.ice_ufrag());
        }
    }
    if fragment.media.is_empty() && fragment.end_of_candidates() {
        add("", None, 0, fragment.ice_ufrag());
    }
    for candidate in candidates {
        connection.add_ice_candidate(candidate).await?;
    }
    Ok(())
}

/// A candidate of ours as a fragment, or the end of all: whose it is, and the section it belongs to
/// (RFC 8840 §4.4), which `description` tells.
pub(super) fn fragment(description: &str, candidate: Option<&IceCandidate>) -> String {
    let mut fragment = String::new();
    let Ok(description) = Session::parse(description) else { return fragment };
    let mut sections = description.sections().filter(|section| section.ice_ufrag().is_some());
    let mid = candidate.and_then(|candidate| candidate.sdp_mid.as_deref());
    let first = description.sections().find(|section| section.ice_ufrag().is_some());
    let named = sections.find(|section| mid.is_some() && section.mid() == mid);
    let Some(section) = named.or(first) else { return fragment };
    let ufrag = candidate.and_then(|candidate| candidate.username_fragment.as_deref());
    // Of a restart that is being prepared the password is not known here, nor needed.
    let is_current = ufrag.is_none_or(|ufrag| section.ice_ufrag() == Some(ufrag));
    let pwd = section.ice_pwd().filter(|_| is_current);
    for (name, value) in [("ice-ufrag", ufrag.or(section.ice_ufrag())), ("ice-pwd", pwd)] {
        if let Some(value) = value {
            let _ = write!(fragment, "a={name}:{value}\r\n");
        }
    }
    let (kind, protocol) = (&section.media.kind, &section.media.protocol);
    let format = section.media.formats().next().unwrap_or("0");
    let _ = write!(fragment, "m={kind} 9 {protocol} {format}\r\n");
    if let Some(mid) = section.mid() {
        let _ = write!(fragment, "a=mid:{mid}\r\n");
    }
    match candidate.map(|candidate| candidate.candidate.as_str()) {
        Some(text) if !text.is_empty() => {
            let _ = write!(fragment, "a={text}\r\n");
        }
        _ => fragment.push_str("a=end-of-candidates\r\n"),
    }
    fragment
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n";

    #[test]
    fn fragments_say_whose_candidates_they_have() {
        let candidate = IceCandidate {
            candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host".to_owned(),
            sdp_mid: Some("0".to_owned()),
            username_fragment: Some("abcd".to_owned()),
            ..IceCandidate::default()
        };
        let text = fragment(OFFER, Some(&candidate));
        let read = sdp::Fragment::parse(&text).unwrap();
        assert_eq!(read.ice_ufrag(), Some("abcd"));
        let section = read.sections().next().unwrap();
        assert_eq!(section.candidates().collect::<Vec<_>>(), [candidate.candidate.as_str()]);
        assert_eq!((section.mid(), section.end_of_candidates()), (Some("0"), false));
        let text = fragment(OFFER, None);
        assert!(text.ends_with("a=mid:0\r\na=end-of-candidates\r\n"), "{text}");
        assert!(sdp::Fragment::parse(&text).unwrap().sections().all(|it| it.end_of_candidates()));
        let next = IceCandidate { username_fragment: Some("next".to_owned()), ..candidate };
        let text = fragment(OFFER, Some(&next));
        assert!(text.starts_with("a=ice-ufrag:next\r\nm="), "{text}");
    }
}
