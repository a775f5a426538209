//! What we write: the sections of our offers and answers.
//!
//! RFC 9429 §5.2 (offers), §5.3 (answers); RFC 8841 §4, §5, §6 (the data section); RFC 3264 §6
//! (rejected sections).
//!
//! Everything here is written from our own parameters. From the peer's offer come only the media
//! type, the protocol, one format and the mid of each section: an attribute we do not understand is
//! never echoed, since echoing it would mean we agree to it.
//! Book: the chapter on offer and answer.

use std::net::IpAddr;

use sdp::{Media, Origin, Section, Session, Setup};

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

/// One m= line that both sides know, from the last exchange. Its place never changes
/// (RFC 3264 §8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) kind: String,
    pub(crate) protocol: String,
    /// One of its formats; a rejected line must have one, and means nothing by it (RFC 3264 §6).
    pub(crate) format: String,
    pub(crate) mid: Option<String>,
    /// Whether this is the section of our data channels, accepted by both.
    pub(crate) is_data: bool,
}

impl Slot {
    /// A new data section.
    pub(crate) fn data(mid: String) -> Self {
        Self {
            kind: "application".to_owned(),
            protocol: DATA_PROTOCOL.to_owned(),
            format: DATA_FORMAT.to_owned(),
            mid: Some(mid),
            is_data: true,
        }
    }

    /// A section of the peer's offer.
    pub(crate) fn offered(section: &Section<'_>, is_data: bool) -> Self {
        let format = if is_data { Some(DATA_FORMAT) } else { section.media.formats().next() };
        Self {
            kind: section.media.kind.clone(),
            protocol: section.media.protocol.clone(),
            format: format.unwrap_or("0").to_owned(),
            mid: section.mid().map(str::to_owned),
            is_data,
        }
    }

    /// The section as we write it: data, or rejected.
    pub(crate) fn write(&self, setup: Setup, local: &LocalTransport) -> Media {
        if self.is_data { self.write_data(setup, local) } else { self.write_rejected() }
    }

    // ANCHOR: data_section
    fn write_data(&self, setup: Setup, local: &LocalTransport) -> Media {
        let default = default_candidate(&local.candidates);
        let port = default.map_or(DISCARD_PORT, |(_, port)| port);
        let mut media = Media::new(&self.kind, port, &self.protocol, &self.format);
        let lines = &mut media.lines;
        match default {
            Some((IpAddr::V4(address), _)) => lines.push('c', &format!("IN IP4 {address}")),
            Some((IpAddr::V6(address), _)) => lines.push('c', &format!("IN IP6 {address}")),
            None => lines.push('c', "IN IP4 0.0.0.0"),
        }
        for candidate in &local.candidates {
            lines.push('a', candidate);
        }
        if local.end_of_candidates {
            lines.push_flag("end-of-candidates");
        }
        lines.push_attribute("ice-ufrag", &local.ice_ufrag);
        lines.push_attribute("ice-pwd", &local.ice_pwd);
        lines.push_attribute("fingerprint", &local.fingerprint);
        lines.push_attribute("setup", setup);
        if let Some(mid) = &self.mid {
            lines.push_attribute("mid", mid);
        }
        lines.push_attribute("sctp-port", SCTP_PORT);
        lines.push_attribute("max-message-size", local.max_message_size);
        media
    }
    // ANCHOR_END: data_section

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

/// A description of `slots`, with the data sections among `bundled` in a BUNDLE group.
pub(crate) fn description(
    origin: Origin,
    slots: &[Slot],
    bundle: bool,
    setup: Setup,
    local: &LocalTransport,
) -> Session {
    let mut session = Session::new(origin);
    let data = slots.iter().find(|slot| slot.is_data);
    if let Some(mid) = data.and_then(|slot| slot.mid.as_deref()).filter(|_| bundle) {
        session.lines.push_attribute("group", format_args!("BUNDLE {mid}"));
    }
    if data.is_some() {
        session.lines.push_attribute("ice-options", "trickle ice2");
    }
    session.media = slots.iter().map(|slot| slot.write(setup, local)).collect();
    session
}

/// A description of ours with the candidates that were found since it was created
/// (RFC 9429 §3.5.3).
pub(crate) fn with_candidates(mut session: Session, local: &LocalTransport) -> Session {
    let is_data = |media: &&mut Media| media.port != 0 && media.format_list == DATA_FORMAT;
    if let Some(media) = session.media.iter_mut().find(is_data) {
        for candidate in &local.candidates {
            if !media.lines.iter().any(|line| line.value == candidate) {
                media.lines.push('a', candidate);
            }
        }
        if local.end_of_candidates && !media.lines.has("end-of-candidates") {
            media.lines.push_flag("end-of-candidates");
        }
    }
    session
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
