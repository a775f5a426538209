//! What we write: the sections of our offers and answers.
//!
//! RFC 9429 §5.2 (offers), §5.3 (answers); RFC 8841 §4, §5, §6 (the data section); RFC 3264 §6
//! (rejected sections).
//!
//! Everything here is written from our own parameters. From the peer's offer come only the media
//! type, the protocol, one format (with its name) and the mid of each section: an attribute we do not understand is
//! never echoed, since echoing it would mean we agree to it.
//! Book: the chapter on offer and answer.

use std::net::IpAddr;

use sdp::{Lines, Media, Origin, Section, Session, Setup};

use super::remote;

/// The SCTP port of every WebRTC implementation; UDP's ports do the work.
const SCTP_PORT: u16 = 5000;
/// The port of a section whose address ICE will find: Discard (RFC 9429 §5.2.1).
const DISCARD_PORT: u16 = 9;
const DATA_PROTOCOL: &str = "UDP/DTLS/SCTP";
const DATA_FORMAT: &str = "webrtc-datachannel";

/// Our side of the transport, as it goes into a description.
#[derive(Clone)]
pub(crate) struct LocalTransport {
    pub(crate) ice_ufrag: String,
    pub(crate) ice_pwd: String,
    /// As in SDP: `sha-256 AB:CD:…`.
    pub(crate) fingerprint: String,
    /// As in SDP: `candidate:…`.
    pub(crate) candidates: Vec<String>,
    pub(crate) end_of_candidates: bool,
    pub(crate) max_message_size: usize,
}

/// What one m= line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Our data channels.
    Data,
    /// Media that nobody sends: it is there because the transport of the data channels is written
    /// in its section. With the value of its `a=rtpmap`, if it has one.
    Carrier(Option<String>),
    /// Nothing: port 0.
    Rejected,
}

/// One m= line that both sides know. Its place never changes (RFC 3264 §8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) kind: String,
    pub(crate) protocol: String,
    /// One of its formats. A rejected line must have one, and means nothing by it (RFC 3264 §6).
    pub(crate) format: String,
    pub(crate) mid: Option<String>,
    pub(crate) purpose: Purpose,
}

impl Slot {
    /// A new data section.
    pub(crate) fn data(mid: String) -> Self {
        Self {
            kind: "application".to_owned(),
            protocol: DATA_PROTOCOL.to_owned(),
            format: DATA_FORMAT.to_owned(),
            mid: Some(mid),
            purpose: Purpose::Data,
        }
    }

    /// The m= lines of an offer, with what our answer makes of them.
    pub(crate) fn all_of_offer(offer: &Session) -> Vec<Self> {
        let data = remote::data_section(offer).map(|(index, _)| index);
        let carrier = remote::carrier_section(offer);
        let purpose = |index| match Some(index) {
            index if index == data => Purpose::Data,
            index if index == carrier => Purpose::Carrier(None),
            _ => Purpose::Rejected,
        };
        Self::all(offer, purpose)
    }

    /// The m= lines of an answer: what it accepts.
    pub(crate) fn all_of_answer(answer: &Session) -> Vec<Self> {
        let data = remote::data_section(answer).map(|(index, _)| index);
        let accepted: Vec<bool> = answer
            .sections()
            .map(|section| !section.is_rejected() && section.is_dtls_srtp())
            .collect();
        let purpose = |index| match accepted.get(index) {
            _ if Some(index) == data => Purpose::Data,
            Some(true) => Purpose::Carrier(None),
            _ => Purpose::Rejected,
        };
        Self::all(answer, purpose)
    }

    fn all(session: &Session, purpose: impl Fn(usize) -> Purpose) -> Vec<Self> {
        let slot = |(index, section): (usize, Section<'_>)| {
            let purpose = purpose(index);
            let data = (purpose == Purpose::Data).then_some(DATA_FORMAT);
            let format = data.or_else(|| section.media.formats().next()).unwrap_or("0").to_owned();
            let purpose = match purpose {
                Purpose::Carrier(_) => Purpose::Carrier(rtpmap(&section, &format)),
                other => other,
            };
            Self {
                kind: section.media.kind.clone(),
                protocol: section.media.protocol.clone(),
                format,
                mid: section.mid().map(str::to_owned),
                purpose,
            }
        };
        session.sections().enumerate().map(slot).collect()
    }

    /// The section as we write it.
    fn write(&self, setup: Setup, local: &LocalTransport, with_candidates: bool) -> Media {
        match &self.purpose {
            Purpose::Data => self.write_data(setup, local, with_candidates),
            Purpose::Carrier(rtpmap) => {
                self.write_carrier(setup, local, with_candidates, rtpmap.as_deref())
            }
            Purpose::Rejected => self.write_rejected(),
        }
    }

    // ANCHOR: data_section
    fn write_data(&self, setup: Setup, local: &LocalTransport, with_candidates: bool) -> Media {
        let mut media = self.write_transport(setup, local, with_candidates);
        if let Some(mid) = &self.mid {
            media.lines.push_attribute("mid", mid);
        }
        media.lines.push_attribute("sctp-port", SCTP_PORT);
        media.lines.push_attribute("max-message-size", local.max_message_size);
        media
    }

    /// The m= and c= lines, and how to reach us. In a bundle the candidates stand in its first
    /// section only (RFC 9429 §5.2.2).
    fn write_transport(
        &self,
        setup: Setup,
        local: &LocalTransport,
        with_candidates: bool,
    ) -> Media {
        let default = default_candidate(&local.candidates).filter(|_| with_candidates);
        let port = default.map_or(DISCARD_PORT, |(_, port)| port);
        let mut media = Media::new(&self.kind, port, &self.protocol, &self.format);
        let lines = &mut media.lines;
        match default {
            Some((IpAddr::V4(address), _)) => lines.push('c', &format!("IN IP4 {address}")),
            Some((IpAddr::V6(address), _)) => lines.push('c', &format!("IN IP6 {address}")),
            None => lines.push('c', "IN IP4 0.0.0.0"),
        }
        if with_candidates {
            write_candidates(lines, local);
        }
        lines.push_attribute("ice-ufrag", &local.ice_ufrag);
        lines.push_attribute("ice-pwd", &local.ice_pwd);
        lines.push_attribute("fingerprint", &local.fingerprint);
        lines.push_attribute("setup", setup);
        media
    }
    // ANCHOR_END: data_section

    fn write_carrier(
        &self,
        setup: Setup,
        local: &LocalTransport,
        with_candidates: bool,
        rtpmap: Option<&str>,
    ) -> Media {
        let mut media = self.write_transport(setup, local, with_candidates);
        if let Some(mid) = &self.mid {
            media.lines.push_attribute("mid", mid);
        }
        media.lines.push_flag("inactive");
        media.lines.push_flag("rtcp-mux");
        if let Some(rtpmap) = rtpmap {
            media.lines.push_attribute("rtpmap", rtpmap);
        }
        media
    }

    fn write_rejected(&self) -> Media {
        let mut media = Media::new(&self.kind, 0, &self.protocol, &self.format);
        media.lines.push('c', "IN IP4 0.0.0.0");
        media.lines.push_flag("inactive");
        if let Some(mid) = &self.mid {
            media.lines.push_attribute("mid", mid);
        }
        media
    }
}

/// A description of `slots`; with `bundle`, those that are not rejected share a transport.
pub(crate) fn description(
    origin: Origin,
    slots: &[Slot],
    bundle: bool,
    setup: Setup,
    local: &LocalTransport,
) -> Session {
    let mut session = Session::new(origin);
    let is_alive = |slot: &&Slot| slot.purpose != Purpose::Rejected;
    let alive: Vec<&str> =
        slots.iter().filter(is_alive).filter_map(|slot| slot.mid.as_deref()).collect();
    if bundle && !alive.is_empty() {
        session.lines.push_attribute("group", format_args!("BUNDLE {}", alive.join(" ")));
    }
    let first = slots.iter().position(|slot| is_alive(&slot));
    if first.is_some() {
        session.lines.push_attribute("ice-options", "trickle ice2");
    }
    let section = |(index, slot): (usize, &Slot)| slot.write(setup, local, Some(index) == first);
    session.media = slots.iter().enumerate().map(section).collect();
    session
}

/// A description of ours with the candidates that were found since it was created
/// (RFC 9429 §3.5.3).
pub(crate) fn with_candidates(mut session: Session, local: &LocalTransport) -> Session {
    if let Some(media) = session.media.iter_mut().find(|media| media.lines.has("ice-ufrag")) {
        let known: Vec<String> = local.candidates.clone();
        let is_new = |candidate: &String| !media.lines.iter().any(|line| line.value == candidate);
        let candidates = known.into_iter().filter(is_new).collect();
        let has_end = media.lines.has("end-of-candidates");
        let end_of_candidates = local.end_of_candidates && !has_end;
        let news = LocalTransport { candidates, end_of_candidates, ..local.clone() };
        write_candidates(&mut media.lines, &news);
    }
    session
}

fn write_candidates(lines: &mut Lines, local: &LocalTransport) {
    for candidate in &local.candidates {
        lines.push('a', candidate);
    }
    if local.end_of_candidates {
        lines.push_flag("end-of-candidates");
    }
}

/// The value of the `a=rtpmap` of a format: the one thing of a carrier that is said back, since a
/// dynamic payload type means nothing without it (RFC 8866 §6.6).
fn rtpmap(section: &Section<'_>, format: &str) -> Option<String> {
    section
        .media
        .lines
        .attributes()
        .filter(|attribute| attribute.name == "rtpmap")
        .find(|attribute| attribute.text().split(' ').next() == Some(format))
        .map(|attribute| attribute.text().to_owned())
}

/// The address for the m= and c= lines: of the candidate with the highest priority that has one
/// (RFC 8839 §4.2.1.2; nobody who speaks ICE looks at it).
fn default_candidate(candidates: &[String]) -> Option<(IpAddr, u16)> {
    candidates
        .iter()
        .filter_map(|candidate| {
            let mut fields = candidate.split(' ').skip(3);
            let priority: u32 = fields.next()?.parse().ok()?;
            let address = fields.next()?.parse().ok()?;
            Some((priority, (address, fields.next()?.parse().ok()?)))
        })
        .max_by_key(|(priority, _)| *priority)
        .map(|(_, address)| address)
}
