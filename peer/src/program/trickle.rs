//! Candidates that follow their description (trickle ICE, RFC 8838), as HTTP carries them: in a
//! fragment of SDP (RFC 8840 §4.4).
//!
//! Book: the chapter on signalling.

use peer::{Error, IceCandidate, PeerConnection};

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
