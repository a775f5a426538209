//! The m= lines of a connection, and what each is for.
//!
//! RFC 3264 §8 (their number and order never change); RFC 9429 §5.2.2 (a rejected place is used again,
//! under a new mid).
//!
//! ```text
//!   Media ──── stopped, rejected ────► Rejected ──── new transceiver, new mid ────► Media
//! ```
//! Book: the chapter on offer and answer.

use sdp::{Section, Session};

use crate::media::{MediaKind, TransceiverId};

const DATA_PROTOCOL: &str = "UDP/DTLS/SCTP";
const DATA_FORMAT: &str = "webrtc-datachannel";
const MEDIA_PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";

/// What one m= line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Our data channels.
    Data,
    /// Audio or video.
    Media(TransceiverId),
    /// Media that nobody sends: it is there because the transport of everything else is written in
    /// its section. With the value of its `a=rtpmap`, if it has one.
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

    /// A new section for a transceiver.
    pub(crate) fn media(id: TransceiverId, kind: MediaKind, mid: String) -> Self {
        let kind = match kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        Self {
            kind: kind.to_owned(),
            protocol: MEDIA_PROTOCOL.to_owned(),
            format: "0".to_owned(),
            mid: Some(mid),
            purpose: Purpose::Media(id),
        }
    }

    /// A section of the peer's offer, for a purpose of ours.
    pub(crate) fn of_section(section: &Section<'_>, purpose: Purpose) -> Self {
        let data = (purpose == Purpose::Data).then_some(DATA_FORMAT);
        let format = data.or_else(|| section.media.formats().next()).unwrap_or("0");
        Self {
            kind: section.media.kind.clone(),
            protocol: section.media.protocol.clone(),
            format: format.to_owned(),
            mid: section.mid().map(str::to_owned),
            purpose,
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.purpose != Purpose::Rejected
    }

    pub(crate) fn transceiver(&self) -> Option<TransceiverId> {
        match self.purpose {
            Purpose::Media(id) => Some(id),
            _ => None,
        }
    }
}

/// The purpose of a section that is accepted for its transport only. Of its attributes only the
/// `a=rtpmap` of its first format is said back, since a dynamic payload type means nothing without
/// it (RFC 8866 §6.6).
pub(crate) fn carrier(section: &Section<'_>) -> Purpose {
    let format = section.media.formats().next();
    let map = section
        .media
        .lines
        .attributes()
        .filter(|attribute| attribute.name == "rtpmap")
        .find(|attribute| attribute.text().split(' ').next() == format)
        .map(|attribute| attribute.text().to_owned());
    Purpose::Carrier(map)
}

/// The slots of an offer once it is answered: what the answer rejects is rejected.
pub(crate) fn answered(mut slots: Vec<Slot>, answer: &Session) -> Vec<Slot> {
    for (slot, section) in slots.iter_mut().zip(answer.sections()) {
        if section.is_rejected() {
            slot.purpose = Purpose::Rejected;
        }
    }
    slots
}

/// The kind of a section of RTP that we could take part in.
pub(crate) fn media_kind(section: &Section<'_>) -> Option<MediaKind> {
    match section.media.kind.as_str() {
        "audio" if section.is_dtls_srtp() => Some(MediaKind::Audio),
        "video" if section.is_dtls_srtp() => Some(MediaKind::Video),
        _ => None,
    }
}
