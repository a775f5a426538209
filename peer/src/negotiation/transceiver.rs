//! Transceivers: what we want of each piece of media, and what became of it.
//!
//! RFC 9429 §4.2 (RtpTransceiver), §5.10 (which section is whose), §5.7 (rollback); W3C webrtc-pc §5.4.
//!
//! ```text
//!   add_transceiver ─► no section ── offer set ──► section offered ── answer set ──► agreed
//!                          ▲                             │                             │
//!                          └────────── rollback ─────────┘        stop, or rejected ───┴─► stopped
//!   offer received ─► section of the peer's (a waiting transceiver's, or a new one's) ── answer ──► agreed
//! ```
//!
//! Sources are chosen when a transceiver is made: every description names the same ones, so packets
//! of before and after a renegotiation are of one stream.
//! Book: the chapter on offer and answer.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::rngs::StdRng;
use sdp::Direction;
use srtp::Ssrc;

use super::codecs::kind_of;
use crate::Error;
use crate::media::parameters::LocalSource;
use crate::media::{Codec, MediaKind, Rid, TransceiverId, TransceiverInit};

/// Most transceivers that live at once. A conference has two for each of its members; further
/// sections of an offer are rejected.
pub(crate) const MAX_TRANSCEIVERS: usize = 256;

/// Most layers of a simulcast: there is no use for more than four sizes.
const MAX_ENCODINGS: usize = 8;

/// Longest name of a stream: `1*64token-char` (RFC 8830 §2).
const MAX_STREAM_ID: usize = 64;

/// Longest name of a layer that a one-byte header extension carries (RFC 8285 §4.2).
const MAX_RID: usize = 16;

/// One transceiver.
#[derive(Debug, Clone)]
pub(crate) struct Transceiver {
    pub(crate) id: TransceiverId,
    pub(crate) kind: MediaKind,
    pub(crate) mid: Option<String>,
    pub(crate) direction: Direction,
    pub(crate) current_direction: Option<Direction>,
    /// Empty: all we know.
    pub(crate) codecs: Vec<Codec>,
    /// `-` for none (RFC 8830 §2).
    pub(crate) stream_id: String,
    pub(crate) track_id: String,
    /// Never empty.
    pub(crate) sources: Vec<LocalSource>,
    pub(crate) stopped: bool,
    /// The peer's streams that its track is in.
    pub(crate) remote_streams: Vec<String>,
    /// An exchange has completed since it was stopped.
    is_over: bool,
    /// The peer's pending offer made it.
    is_provisional: bool,
    /// The application was told, or will be, that the peer sends.
    is_receiving: bool,
    is_track_untold: bool,
}

impl Transceiver {
    /// What of an offer's flow (seen from us) we take part in.
    pub(crate) fn answer_direction(&self, offered: Direction) -> Direction {
        self.direction.and(offered)
    }

    /// Whether more than one layer can be sent.
    pub(crate) fn is_simulcast(&self) -> bool {
        self.sources.len() > 1
    }

    /// The peer's description says whether it sends (W3C webrtc-pc §4.4.1.5, the track event).
    pub(crate) fn remote_sends(&mut self, sends: bool) {
        if sends && !self.is_receiving {
            self.is_track_untold = true;
        }
        self.is_receiving = sends;
        self.is_track_untold &= sends;
    }

    /// Our answer says whether we receive.
    pub(crate) fn receives(&mut self, receives: bool) {
        self.is_receiving &= receives;
    }

    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        self.current_direction = None;
        self.is_track_untold = false;
    }
}

/// What of a transceiver a rollback takes back.
#[derive(Debug)]
struct Before {
    id: TransceiverId,
    mid: Option<String>,
    is_receiving: bool,
    remote_streams: Vec<String>,
}

/// All transceivers of a connection, in order of their making.
#[derive(Debug)]
pub(crate) struct Transceivers {
    all: Vec<Transceiver>,
    next_id: u32,
    rng: StdRng,
    /// As they were before the exchange that is under way.
    before: Option<Vec<Before>>,
}

impl Transceivers {
    pub(crate) fn new(rng: StdRng) -> Self {
        Self { all: Vec::new(), next_id: 0, rng, before: None }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transceiver> {
        self.all.iter()
    }

    pub(crate) fn get(&self, id: TransceiverId) -> Option<&Transceiver> {
        self.all.iter().find(|transceiver| transceiver.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: TransceiverId) -> Option<&mut Transceiver> {
        self.all.iter_mut().find(|transceiver| transceiver.id == id)
    }

    /// One that the application may still change.
    pub(crate) fn living_mut(&mut self, id: TransceiverId) -> Result<&mut Transceiver, Error> {
        let transceiver = self.get_mut(id).ok_or(Error::UnknownTransceiver)?;
        if transceiver.stopped { Err(Error::TransceiverStopped) } else { Ok(transceiver) }
    }

    fn is_full(&self) -> bool {
        self.all.iter().filter(|transceiver| !transceiver.stopped).count() >= MAX_TRANSCEIVERS
    }

    /// Adds one (RFC 9429 §4.1.3).
    ///
    /// # Errors
    /// The wishes contradict each other, or there are too many.
    pub(crate) fn add(
        &mut self,
        kind: MediaKind,
        init: TransceiverInit,
    ) -> Result<TransceiverId, Error> {
        check_codecs(kind, &init.codecs)?;
        check_stream_id(init.stream_id.as_deref())?;
        check_encodings(kind, &init.send_encodings)?;
        if self.is_full() {
            return Err(Error::TooManyTransceivers);
        }
        Ok(self.insert(kind, init))
    }

    fn insert(&mut self, kind: MediaKind, init: TransceiverInit) -> TransceiverId {
        let id = TransceiverId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let mut rids: Vec<Option<Rid>> = init.send_encodings.into_iter().map(Some).collect();
        if rids.is_empty() {
            rids.push(None);
        }
        let sources = rids
            .into_iter()
            .map(|rid| LocalSource { rid, ssrc: self.unused_ssrc(), rtx: self.unused_ssrc() })
            .collect();
        self.all.push(Transceiver {
            id,
            kind,
            mid: None,
            direction: init.direction,
            current_direction: None,
            codecs: init.codecs,
            stream_id: init.stream_id.unwrap_or_else(|| "-".to_owned()),
            track_id: format!("{:032x}", self.rng.random::<u128>()),
            sources,
            stopped: false,
            remote_streams: Vec::new(),
            is_over: false,
            is_provisional: false,
            is_receiving: false,
            is_track_untold: false,
        });
        id
    }

    /// A source has ceased to send; should its layer be sent again, it will have another name.
    /// Chromium plays nothing of a track that comes back under the name it had.
    pub(crate) fn renew_source(&mut self, ssrc: Ssrc) {
        let (fresh, rtx) = (self.unused_ssrc(), self.unused_ssrc());
        let mut sources = self.all.iter_mut().flat_map(|transceiver| &mut transceiver.sources);
        if let Some(source) = sources.find(|source| source.ssrc == ssrc) {
            (source.ssrc, source.rtx) = (fresh, rtx);
        }
    }

    /// A random source that is not ours yet (RFC 3550 §8.1). 2^32 of them: this ends.
    fn unused_ssrc(&mut self) -> Ssrc {
        loop {
            let ssrc = Ssrc(self.rng.random());
            let mut ours = self.all.iter().flat_map(|transceiver| &transceiver.sources);
            if ssrc.0 != 0 && ours.all(|source| source.ssrc != ssrc && source.rtx != ssrc) {
                return ssrc;
            }
        }
    }

    /// The transceiver for a new section of the peer's offer: one of ours that waits for such a
    /// section, else a new one that only receives (RFC 9429 §5.10). `offered` is seen from us.
    /// `None`: there are too many.
    ///
    /// DEVIATION RFC 9429 §5.10: every waiting transceiver can be found, not only those made for a
    /// track, and also one that only receives; else two ends that each want media would have two
    /// sections for it.
    pub(crate) fn for_section(
        &mut self,
        kind: MediaKind,
        offered: Direction,
    ) -> Option<TransceiverId> {
        let suits = |transceiver: &&Transceiver| {
            transceiver.kind == kind
                && transceiver.mid.is_none()
                && !transceiver.stopped
                && transceiver.direction.and(offered) != Direction::Inactive
        };
        let waiting = self.all.iter().find(suits).map(|transceiver| transceiver.id);
        if waiting.is_some() || self.is_full() {
            return waiting;
        }
        let init = TransceiverInit { direction: Direction::RecvOnly, ..TransceiverInit::default() };
        let id = self.insert(kind, init);
        if let Some(transceiver) = self.get_mut(id) {
            transceiver.is_provisional = true;
        }
        Some(id)
    }

    /// An exchange begins: what it changes can be taken back.
    pub(crate) fn remember(&mut self) {
        let before = |transceiver: &Transceiver| Before {
            id: transceiver.id,
            mid: transceiver.mid.clone(),
            is_receiving: transceiver.is_receiving,
            remote_streams: transceiver.remote_streams.clone(),
        };
        self.before = Some(self.all.iter().map(before).collect());
    }

    // ANCHOR: roll_back
    /// Takes the exchange back (RFC 9429 §5.7): sections that were new are forgotten, and with them the
    /// transceivers the offer made, unless the application wants to send on them.
    pub(crate) fn roll_back(&mut self) {
        let Some(before) = self.before.take() else { return };
        self.all.retain(|transceiver| {
            !transceiver.is_provisional || transceiver.direction.sends() || transceiver.stopped
        });
        for transceiver in &mut self.all {
            transceiver.is_provisional = false;
            match before.iter().find(|before| before.id == transceiver.id) {
                Some(before) => {
                    transceiver.mid.clone_from(&before.mid);
                    transceiver.is_receiving = before.is_receiving;
                    transceiver.remote_streams.clone_from(&before.remote_streams);
                }
                None => {
                    transceiver.mid = None;
                    transceiver.is_receiving = false;
                    transceiver.remote_streams.clear();
                }
            }
            transceiver.is_track_untold &= transceiver.is_receiving;
        }
    }
    // ANCHOR_END: roll_back

    /// An exchange is complete, and `living` have a section. Those that had one are stopped
    /// (RFC 9429 §5.11); what was stopped before is forgotten now.
    pub(crate) fn complete(&mut self, living: &BTreeSet<TransceiverId>) {
        self.before = None;
        self.all.retain(|transceiver| !transceiver.is_over);
        for transceiver in &mut self.all {
            transceiver.is_provisional = false;
            if transceiver.mid.is_some() && !living.contains(&transceiver.id) {
                transceiver.stop();
                transceiver.mid = None;
            }
            transceiver.is_over = transceiver.stopped && !living.contains(&transceiver.id);
        }
    }

    /// The next transceiver on which the peer has begun to send.
    pub(crate) fn poll_track(&mut self) -> Option<TransceiverId> {
        let transceiver = self.all.iter_mut().find(|transceiver| transceiver.is_track_untold)?;
        transceiver.is_track_untold = false;
        Some(transceiver.id)
    }
}

/// W3C webrtc-pc `setCodecPreferences`: codecs of the kind only.
pub(crate) fn check_codecs(kind: MediaKind, codecs: &[Codec]) -> Result<(), Error> {
    let fits = codecs.iter().all(|codec| kind_of(*codec) == kind);
    if fits { Ok(()) } else { Err(Error::CodecOfOtherKind) }
}

fn check_stream_id(id: Option<&str>) -> Result<(), Error> {
    let is_word = |id: &str| {
        (1..=MAX_STREAM_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if id.is_none_or(is_word) { Ok(()) } else { Err(Error::StreamId) }
}

/// RFC 8852 §3.3: letters and digits; W3C webrtc-pc `addTransceiver`: each once, and for video only.
fn check_encodings(kind: MediaKind, rids: &[Rid]) -> Result<(), Error> {
    let is_name = |Rid(rid): &Rid| {
        (1..=MAX_RID).contains(&rid.len()) && rid.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let distinct: BTreeSet<&Rid> = rids.iter().collect();
    let is_simulcast = rids.len() > 1;
    let fits = rids.iter().all(is_name)
        && distinct.len() == rids.len()
        && rids.len() <= MAX_ENCODINGS
        && (!is_simulcast || kind == MediaKind::Video);
    if fits { Ok(()) } else { Err(Error::Encodings) }
}
