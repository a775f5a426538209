//! What a remote description asks of us, read and checked.
//!
//! RFC 9429 §5.8 (parsing), §5.8.3 (what must be there), §5.10 (applying); RFC 8827 §6.5 (nothing
//! without DTLS); RFC 9143 §7 (attributes of the transport stand in the tagged section).
//!
//! Invariant: a [`RemoteTransport`] has credentials and at least one fingerprint, so nothing that
//! comes after it can forget to check one.
//! Book: the chapter on offer and answer.

use std::collections::BTreeMap;
use std::fmt;

use dtls::Fingerprint;
use sdp::{Group, MaxMessageSize, Section, Session, Setup};

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
    /// If there is a data section that is not rejected.
    pub(crate) data: Option<RemoteData>,
    /// As in SDP: `candidate:…`.
    pub(crate) candidates: Vec<String>,
    pub(crate) end_of_candidates: bool,
}

/// What the peer's data section says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RemoteData {
    pub(crate) sctp_port: u16,
    pub(crate) max_message_size: MaxMessageSize,
}

/// Without the password.
impl fmt::Debug for RemoteTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTransport").field("ufrag", &self.ice_ufrag).finish_non_exhaustive()
    }
}

impl RemoteTransport {
    /// Reads the transport of a section, which is that of all we take part in.
    ///
    /// # Errors
    /// Something WebRTC cannot go without is missing.
    pub(crate) fn read(session: &Session, section: Section<'_>) -> Result<Self, Error> {
        let bundles = Bundles::of(session);
        // A bundled section may leave out what the tagged section says for all (RFC 9143 §7.1.3).
        let tagged = bundles.tagged(section);
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
            fingerprints(&bundles, section).filter_map(|text| text.parse().ok()).collect();
        if fingerprints.is_empty() {
            return Err(Error::FingerprintUnsupported);
        }
        let data = data_section(session).map(|(_, section)| RemoteData {
            sctp_port: section.sctp_port().unwrap_or(DEFAULT_SCTP_PORT),
            max_message_size: section.max_message_size(),
        });
        Ok(Self {
            ice_ufrag: ufrag.to_owned(),
            ice_pwd: pwd.to_owned(),
            ice_lite: section.is_ice_lite(),
            fingerprints,
            setup,
            data,
            candidates: candidates.candidates().take(MAX_CANDIDATES).map(str::to_owned).collect(),
            end_of_candidates: candidates.end_of_candidates(),
        })
    }
}

/// The first data section that is not rejected, and its index.
pub(crate) fn data_section(session: &Session) -> Option<(usize, Section<'_>)> {
    session
        .sections()
        .enumerate()
        .find(|(_, section)| section.is_data_channel() && !section.is_rejected())
}

/// The section whose transport all we take part in will use, given what we could accept of it.
///
/// There is one transport: of the BUNDLE group with the data section, or else with the first section
/// of media. In that group it is the first we accept; the browser moves the transport there. But where
/// that section has no candidates of its own, as under the policy max-bundle, there is only the tagged
/// one's: it then cannot be rejected without rejecting the whole group (RFC 9143 §7.3.3), and browsers
/// insist. It is accepted to carry the others.
pub(crate) fn lead_section<'a>(
    session: &'a Session,
    is_acceptable: impl Fn(&Section<'a>) -> bool,
) -> Option<usize> {
    let (data, _) = data_section(session).unzip();
    let could_accept = |index: usize, section: &Section<'a>| {
        Some(index) == data || (!section.is_rejected() && is_acceptable(section))
    };
    let sections: Vec<(usize, Section<'a>)> = session.sections().enumerate().collect();
    let acceptable = || sections.iter().filter(|(index, section)| could_accept(*index, section));
    let first = data.or_else(|| acceptable().next().map(|(index, _)| *index))?;
    let (_, first_section) = sections.get(first)?;
    let bundles = Bundles::of(session);
    let Some(group) = bundles.group(first_section) else { return Some(first) };
    let by_mid: BTreeMap<&str, (usize, Section<'a>)> = sections
        .iter()
        .filter_map(|(index, section)| Some((section.mid()?, (*index, *section))))
        .collect();
    let mut mids = group.mids().filter_map(|mid| by_mid.get(mid).copied());
    let (tag, tag_section) = mids.next()?;
    if could_accept(tag, &tag_section) {
        return Some(tag);
    }
    let (lead, lead_section) = mids.find(|(index, section)| could_accept(*index, section))?;
    let stands_alone = !lead_section.is_bundle_only() && lead_section.candidates().next().is_some();
    let can_carry = tag_section.is_dtls_srtp() && !tag_section.is_rejected();
    Some(if can_carry && !stands_alone { tag } else { lead })
}

/// The BUNDLE groups of a description, looked up by section.
pub(crate) struct Bundles<'a> {
    /// By mid: its group, and the section whose transport the group shares, the first of it.
    members: BTreeMap<&'a str, (Group<'a>, Option<Section<'a>>)>,
}

impl<'a> Bundles<'a> {
    pub(crate) fn of(session: &'a Session) -> Self {
        let sections: BTreeMap<&str, Section<'a>> =
            session.sections().filter_map(|section| Some((section.mid()?, section))).collect();
        let members = |group: Group<'a>| {
            let tag = group.mids().next().and_then(|mid| sections.get(mid).copied());
            group.mids().map(move |mid| (mid, (group, tag)))
        };
        Self { members: session.bundle_groups().flat_map(members).collect() }
    }

    fn member(&self, section: &Section<'_>) -> Option<&(Group<'a>, Option<Section<'a>>)> {
        self.members.get(section.mid()?)
    }

    /// The group of a section.
    pub(crate) fn group(&self, section: &Section<'_>) -> Option<Group<'a>> {
        self.member(section).map(|(group, _)| *group)
    }

    /// The section whose transport `section` shares: the tagged one of its group, else itself.
    fn tagged(&self, section: Section<'a>) -> Section<'a> {
        self.member(&section).and_then(|(_, tag)| *tag).unwrap_or(section)
    }

    /// Whether a section uses the transport of `lead`: it is in the same group, or the same.
    pub(crate) fn shares(&self, lead: &Section<'_>, section: &Section<'_>) -> bool {
        std::ptr::eq(lead.media, section.media)
            || self.group(lead).is_some_and(|group| self.group(section) == Some(group))
    }

    /// RTP and RTCP on one port: without it the section is not for WebRTC (RFC 9429 §5.1.3). For a
    /// bundle-only section the tagged one may say it (RFC 8859).
    pub(crate) fn has_rtcp_mux(&self, section: Section<'a>) -> bool {
        section.rtcp_mux() || (section.is_bundle_only() && self.tagged(section).rtcp_mux())
    }
}

/// The fingerprints that hold for a section: its own, the session's, or those of the tagged section.
fn fingerprints<'a>(
    bundles: &Bundles<'a>,
    section: Section<'a>,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let has_own = section.fingerprints().next().is_some();
    let from = if has_own { section } else { bundles.tagged(section) };
    from.fingerprints().take(MAX_FINGERPRINTS)
}

/// A section that wants media or data without DTLS refuses the whole description (RFC 8827 §6.5):
/// who asks for it has not understood whom it talks to.
pub(crate) fn check_encryption(session: &Session) -> Result<(), Error> {
    let bundles = Bundles::of(session);
    let mut sections = session.sections().filter(|section| !section.is_rejected());
    sections.try_for_each(|section| is_encrypted(&bundles, section))
}

fn is_encrypted<'a>(bundles: &Bundles<'a>, section: Section<'a>) -> Result<(), Error> {
    let has_fingerprint = fingerprints(bundles, section).next().is_some();
    if section.media.protocol.starts_with("RTP/") {
        return Err(if section.has_sdes() { Error::Sdes } else { Error::NotEncrypted });
    }
    if (section.is_data_channel() || section.is_dtls_srtp()) && !has_fingerprint {
        return Err(if section.has_sdes() { Error::Sdes } else { Error::NoFingerprint });
    }
    Ok(())
}
