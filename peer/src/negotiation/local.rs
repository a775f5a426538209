//! What we write: the sections of our offers and answers.
//!
//! RFC 9429 §5.2 (offers), §5.3 (answers); RFC 8841 §4, §5, §6 (the data section); RFC 3264 §6
//! (rejected sections); RFC 9143 §7 (BUNDLE).
//!
//! Everything here is written from our own parameters. From the peer's offer come only the media
//! type, the protocol, one format (with its name) and the mid of each section: an attribute we do not
//! understand is never echoed, since echoing it would mean we agree to it.
//! Book: the chapter on offer and answer.

use std::net::IpAddr;

use sdp::{Lines, Media, Origin, Session, Setup};

use super::media_section::MediaSection;
use super::slot::{Purpose, Slot};

/// The SCTP port of every WebRTC implementation; UDP's ports do the work.
const SCTP_PORT: u16 = 5000;
/// The port of a section whose address ICE will find: Discard (RFC 9429 §5.2.1).
const DISCARD_PORT: u16 = 9;
/// What our ICE can do (RFC 8838 §5, RFC 8445 §10, draft-thatcher-ice-renomination).
const ICE_OPTIONS: &str = "trickle ice2 renomination";

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
    /// We answer checks and send none (RFC 8839 §5.3).
    pub(crate) ice_lite: bool,
    pub(crate) max_message_size: usize,
}

/// What a description says, but for our transport.
pub(crate) struct Draft {
    /// Each m= line, with what a section of media says.
    pub(crate) slots: Vec<(Slot, Option<MediaSection>)>,
    /// The mids that share a transport, the tagged one first (RFC 9143 §7.2.1). Empty: no group.
    pub(crate) bundle: Vec<String>,
    pub(crate) setup: Setup,
    /// `a=extmap-allow-mixed` for the whole session.
    pub(crate) is_mixed: bool,
}

impl Draft {
    /// The slot whose section has our candidates: the tagged one, else the first that lives.
    fn transport(&self) -> Option<usize> {
        let tag = self.bundle.first();
        let is_tagged = |(slot, _): &(Slot, _)| tag.is_some() && slot.mid.as_ref() == tag;
        let tagged = self.slots.iter().position(is_tagged);
        tagged.or_else(|| self.slots.iter().position(|(slot, _)| slot.is_alive()))
    }

    /// The description (RFC 9429 §5.2.1, §5.3.1).
    pub(crate) fn write(&self, origin: Origin, local: &LocalTransport) -> Session {
        let mut session = Session::new(origin);
        if !self.bundle.is_empty() {
            let mids = self.bundle.join(" ");
            session.lines.push_attribute("group", format_args!("BUNDLE {mids}"));
        }
        if self.is_mixed {
            session.lines.push_flag("extmap-allow-mixed");
        }
        let transport = self.transport();
        if transport.is_some() {
            if local.ice_lite {
                session.lines.push_flag("ice-lite");
            }
            session.lines.push_attribute("ice-options", ICE_OPTIONS);
        }
        let section = |(index, (slot, media)): (usize, &(Slot, Option<MediaSection>))| {
            let writer = Writer { setup: self.setup, local, has_address: Some(index) == transport };
            writer.write(slot, media.as_ref())
        };
        session.media = self.slots.iter().enumerate().map(section).collect();
        session
    }
}

/// Writes one section.
struct Writer<'a> {
    setup: Setup,
    local: &'a LocalTransport,
    /// In a bundle the candidates stand in the tagged section only (RFC 9429 §5.2.2).
    has_address: bool,
}

impl Writer<'_> {
    fn write(&self, slot: &Slot, media: Option<&MediaSection>) -> Media {
        match (&slot.purpose, media) {
            (Purpose::Data, _) => self.write_data(slot),
            (Purpose::Media(_), Some(media)) => self.write_media(slot, media),
            (Purpose::Carrier(rtpmap), _) => self.write_carrier(slot, rtpmap.as_deref()),
            (Purpose::Media(_) | Purpose::Rejected, _) => write_rejected(slot),
        }
    }

    // ANCHOR: data_section
    fn write_data(&self, slot: &Slot) -> Media {
        let mut media = self.write_transport(slot, &slot.format);
        media.lines.push_attribute("sctp-port", SCTP_PORT);
        media.lines.push_attribute("max-message-size", self.local.max_message_size);
        media
    }

    /// The m= and c= lines, how to reach us, and the section's name.
    fn write_transport(&self, slot: &Slot, formats: &str) -> Media {
        let local = self.local;
        let default = default_candidate(&local.candidates).filter(|_| self.has_address);
        let port = default.map_or(DISCARD_PORT, |(_, port)| port);
        let mut media = Media::new(&slot.kind, port, &slot.protocol, formats);
        let lines = &mut media.lines;
        match default {
            Some((IpAddr::V4(address), _)) => lines.push('c', &format!("IN IP4 {address}")),
            Some((IpAddr::V6(address), _)) => lines.push('c', &format!("IN IP6 {address}")),
            None => lines.push('c', "IN IP4 0.0.0.0"),
        }
        if self.has_address {
            write_candidates(lines, local);
        }
        lines.push_attribute("ice-ufrag", &local.ice_ufrag);
        lines.push_attribute("ice-pwd", &local.ice_pwd);
        lines.push_attribute("fingerprint", &local.fingerprint);
        lines.push_attribute("setup", self.setup);
        if let Some(mid) = &slot.mid {
            lines.push_attribute("mid", mid);
        }
        media
    }
    // ANCHOR_END: data_section

    fn write_media(&self, slot: &Slot, section: &MediaSection) -> Media {
        let mut media = self.write_transport(slot, &section.format_list());
        section.write(&mut media.lines);
        media
    }

    fn write_carrier(&self, slot: &Slot, rtpmap: Option<&str>) -> Media {
        let mut media = self.write_transport(slot, &slot.format);
        media.lines.push_flag("inactive");
        media.lines.push_flag("rtcp-mux");
        if let Some(rtpmap) = rtpmap {
            media.lines.push_attribute("rtpmap", rtpmap);
        }
        media
    }
}

/// RFC 3264 §6: port 0, and everything else means nothing.
fn write_rejected(slot: &Slot) -> Media {
    let mut media = Media::new(&slot.kind, 0, &slot.protocol, &slot.format);
    media.lines.push('c', "IN IP4 0.0.0.0");
    media.lines.push_flag("inactive");
    if let Some(mid) = &slot.mid {
        media.lines.push_attribute("mid", mid);
    }
    media
}

/// The section of a description of ours that has our candidates.
pub(crate) fn transport_section(session: &Session) -> Option<usize> {
    let tag = session.bundle_groups().next().and_then(|group| group.mids().next());
    let tagged = session.sections().position(|section| tag.is_some() && section.mid() == tag);
    tagged.or_else(|| session.media.iter().position(|media| media.lines.has("ice-ufrag")))
}

/// A description of ours with the candidates that were found since it was created
/// (RFC 9429 §3.5.3).
pub(crate) fn with_candidates(mut session: Session, local: &LocalTransport) -> Session {
    let index = transport_section(&session);
    if let Some(media) = index.and_then(|index| session.media.get_mut(index)) {
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
