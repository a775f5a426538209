//! What a remote description asks of us, read and checked.
//!
//! RFC 9429 §5.8 (parsing), §5.8.3 (what must be there), §5.10 (applying); RFC 8827 §6.5 (nothing
//! without DTLS); RFC 9143 §7 (attributes of the transport stand in the tagged section).
//!
//! Invariant: a [`RemoteTransport`] has credentials and at least one fingerprint, so nothing that
//! comes after it can forget to check one.
//! Book: the chapter on offer and answer.

use std::fmt;

use dtls::Fingerprint;
use sdp::{MaxMessageSize, Section, Session, Setup};

use crate::Error;

/// Most candidates taken from one description. A host has some ten; ICE's checklist holds a
/// hundred pairs (RFC 8445 §6.1.2.5), so more would only be thrown away there.
pub(crate) const MAX_CANDIDATES: usize = 100;

/// Most fingerprints taken from one description: one per hash function and certificate.
const MAX_FINGERPRINTS: usize = 16;

/// The SCTP port everybody uses, where the description does not say.
///
/// DEVIATION RFC 8841 §5.1: the attribute has no default; old stacks wrote it into the m= line.
const DEFAULT_SCTP_PORT: u16 = 5000;

/// How to reach the peer, as its description says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RemoteTransport {
    pub(crate) ice_ufrag: String,
    pub(crate) ice_pwd: String,
    pub(crate) ice_lite: bool,
    /// Never empty.
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) setup: Option<Setup>,
    pub(crate) sctp_port: u16,
    pub(crate) max_message_size: MaxMessageSize,
    /// As in SDP: `candidate:…`.
    pub(crate) candidates: Vec<String>,
    pub(crate) end_of_candidates: bool,
}

/// Without the password.
impl fmt::Debug for RemoteTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTransport").field("ufrag", &self.ice_ufrag).finish_non_exhaustive()
    }
}

impl RemoteTransport {
    /// Reads the transport of the data section, if there is one that is not rejected.
    ///
    /// # Errors
    /// Something WebRTC cannot go without is missing, or encryption is.
    pub(crate) fn read(session: &Session) -> Result<Option<Self>, Error> {
        for section in session.sections().filter(|section| !section.is_rejected()) {
            check_encryption(session, section)?;
        }
        let Some((_, section)) = data_section(session) else { return Ok(None) };
        // A bundled section may leave out what the tagged section says for all (RFC 9143 §7.1.3).
        let tagged = tagged_section(session, section);
        let ice = if section.ice_ufrag().is_some() { section } else { tagged };
        let (Some(ufrag), Some(pwd)) = (ice.ice_ufrag(), ice.ice_pwd()) else {
            return Err(Error::NoIceCredentials);
        };
        let has_candidates = section.candidates().next().is_some();
        let candidates = if has_candidates { section } else { tagged };
        // The role is that of the transport: Firefox says something else in a recycled section.
        let setup = tagged.setup().or_else(|| section.setup());
        if setup == Some(Setup::HoldConn) {
            return Err(Error::HoldConnection);
        }
        // RFC 8122 §5.1: those of unknown hash functions are passed over.
        let fingerprints: Vec<Fingerprint> =
            fingerprints(session, section).filter_map(|text| text.parse().ok()).collect();
        if fingerprints.is_empty() {
            return Err(Error::FingerprintUnsupported);
        }
        Ok(Some(Self {
            ice_ufrag: ufrag.to_owned(),
            ice_pwd: pwd.to_owned(),
            ice_lite: section.is_ice_lite(),
            fingerprints,
            setup,
            sctp_port: section.sctp_port().unwrap_or(DEFAULT_SCTP_PORT),
            max_message_size: section.max_message_size(),
            candidates: candidates.candidates().take(MAX_CANDIDATES).map(str::to_owned).collect(),
            end_of_candidates: candidates.end_of_candidates(),
        }))
    }
}

/// The first data section that is not rejected, and its index.
pub(crate) fn data_section(session: &Session) -> Option<(usize, Section<'_>)> {
    session
        .sections()
        .enumerate()
        .find(|(_, section)| section.is_data_channel() && !section.is_rejected())
}

/// The section of media that carries the data section's transport, if there is one.
///
/// Audio or video before data in one BUNDLE group is such a section if data has nowhere of its own
/// to go: under the policy max-bundle only the first section has candidates. It cannot be rejected
/// without rejecting the whole group (RFC 9143 §7.3.3), and browsers insist; so it is accepted
/// `inactive`. Where the data section has candidates of its own it can stand alone, and the other
/// is rejected.
pub(crate) fn carrier_section(session: &Session) -> Option<usize> {
    let (_, data) = data_section(session)?;
    let tag = tagged_section(session, data).mid().filter(|tag| Some(*tag) != data.mid())?;
    let stands_alone = !data.is_bundle_only() && data.candidates().next().is_some();
    let is_carrier = |section: &Section<'_>| {
        section.mid() == Some(tag) && section.is_dtls_srtp() && !section.is_rejected()
    };
    session.sections().position(|section| is_carrier(&section)).filter(|_| !stands_alone)
}

/// Whether the data section is in a BUNDLE group: then it is in that of the answer, too.
pub(crate) fn is_data_bundled(session: &Session) -> bool {
    let mid = data_section(session).and_then(|(_, section)| section.mid());
    mid.is_some_and(|mid| {
        session.bundle_groups().any(|group| group.mids().any(|other| other == mid))
    })
}

/// The section whose transport `section` shares: the first of its BUNDLE group, else itself.
fn tagged_section<'a>(session: &'a Session, section: Section<'a>) -> Section<'a> {
    let Some(mid) = section.mid() else { return section };
    session
        .bundle_groups()
        .find(|group| group.mids().any(|other| other == mid))
        .and_then(|group| group.mids().next())
        .and_then(|tag| session.sections().find(|section| section.mid() == Some(tag)))
        .unwrap_or(section)
}

/// The fingerprints that hold for a section: its own, the session's, or those of the tagged section.
fn fingerprints<'a>(
    session: &'a Session,
    section: Section<'a>,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let tagged = tagged_section(session, section);
    let has_own = section.fingerprints().next().is_some();
    let from = if has_own { section } else { tagged };
    from.fingerprints().take(MAX_FINGERPRINTS)
}

/// A section that wants media or data without DTLS refuses the whole description (RFC 8827 §6.5):
/// who asks for it has not understood whom it talks to.
fn check_encryption(session: &Session, section: Section<'_>) -> Result<(), Error> {
    let has_fingerprint = fingerprints(session, section).next().is_some();
    if section.media.protocol.starts_with("RTP/") {
        return Err(if section.has_sdes() { Error::Sdes } else { Error::NotEncrypted });
    }
    if (section.is_data_channel() || section.is_dtls_srtp()) && !has_fingerprint {
        return Err(if section.has_sdes() { Error::Sdes } else { Error::NoFingerprint });
    }
    Ok(())
}
