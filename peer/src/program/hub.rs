//! The hub of a broadcast: what one publisher sends goes to every viewer, as the packets it came in.
//!
//! ```text
//!  publisher ── recv ─┬─► layer? ──┬─► viewer: keyframe seen? ── send_packet ─► viewer
//!      ▲              │            └─► viewer …
//!      │              └─► frames, with --record ─► recorder
//!      └── request_keyframe ◄── somebody joined, lost something, or still waits
//! ```
//!
//! Nothing is decoded and nothing waits here: what is recorded waits in the recorder's queue, and
//! [`Transceiver::send_packet`] never blocks. What a slow viewer cannot take is lost, as it would be
//! on his network, and nobody else notices. He asks for a keyframe then, as who joins does;
//! [`KEYFRAME_INTERVAL`] bounds how often the publisher hears of it. A viewer sees no picture before
//! one that can be decoded alone.
//!
//! Of a simulcast the largest layer that arrives is forwarded (RFC 8853).
//!
//! When the publisher leaves, the viewers stay and see whoever comes next: for each of them it is
//! one stream, whose numbers go on (RFC 3550 §5.1; the connection maps them).
//!
//! Book: the chapter on signalling and WHIP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peer::media::{Codec, MediaKind, MediaPacket, ReceiveMode, Received, Rid};
use peer::{Error, Transceiver};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info};

use super::media::recorder::SessionRecorder;

/// How long the publisher is left alone after a request for a keyframe. Each costs as much as ten
/// other frames, and viewers join in crowds.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// Over which time the layers of a simulcast are weighed.
const LAYER_INTERVAL: Duration = Duration::from_secs(1);

/// The layers of a simulcast that are weighed.
const MAX_LAYERS: usize = 8;

/// One publisher and its viewers. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Hub {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    publisher: Option<Publisher>,
    /// Bounded by whoever admits viewers.
    viewers: BTreeMap<u64, Viewer>,
    /// The last number given to a publisher or a viewer.
    last: u64,
}

#[derive(Debug)]
struct Publisher {
    id: u64,
    audio: Option<Transceiver>,
    video: Option<Transceiver>,
    layers: Layers,
    asked: Option<Instant>,
    /// Somebody will ask as soon as the interval is over.
    asking: bool,
}

#[derive(Debug)]
struct Viewer {
    audio: Option<Transceiver>,
    video: Option<Transceiver>,
    /// Whether there was a picture that can be decoded alone.
    sees: bool,
}

/// The right to publish; given back when dropped.
#[derive(Debug)]
pub(super) struct Publication {
    hub: Hub,
    id: u64,
    _forwarding: JoinSet<()>,
}

/// A viewer's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Watching {
    hub: Hub,
    id: u64,
    _listening: JoinSet<()>,
}

impl Hub {
    /// Takes the right to publish, if nobody has it.
    pub(super) fn publish(&self) -> Option<Publication> {
        let mut state = lock(&self.state);
        if state.publisher.is_some() {
            return None;
        }
        state.last += 1;
        let id = state.last;
        let layers = Layers::new(Instant::now());
        let (audio, video) = (None, None);
        state.publisher = Some(Publisher { id, audio, video, layers, asked: None, asking: false });
        Some(Publication { hub: self.clone(), id, _forwarding: JoinSet::new() })
    }

    /// The codecs for a viewer: those of the publisher first, then the others, for whoever comes
    /// next.
    pub(super) async fn codecs(&self, kind: MediaKind) -> Vec<Codec> {
        let published = lock(&self.state).publisher.as_ref().and_then(|p| p.track(kind).cloned());
        let mut codecs = Vec::new();
        if let Some(Ok(info)) = match published {
            Some(transceiver) => Some(transceiver.info().await),
            None => None,
        } {
            codecs.extend(info.receive_codecs.iter().map(|parameters| parameters.codec));
        }
        let prefix = match kind {
            MediaKind::Audio => "audio/",
            MediaKind::Video => "video/",
        };
        codecs.extend(Codec::ALL.into_iter().filter(|codec| codec.mime_type().starts_with(prefix)));
        let mut seen = Vec::new();
        codecs.retain(|codec| {
            !seen.contains(codec) && {
                seen.push(*codec);
                true
            }
        });
        codecs
    }

    // ANCHOR: watch
    /// Adds a viewer, who is sent what comes from now on.
    pub(super) fn watch(&self, audio: Option<Transceiver>, video: Option<Transceiver>) -> Watching {
        let mut listening = JoinSet::new();
        if let Some(video) = video.clone() {
            let hub = self.clone();
            listening.spawn(async move {
                while video.keyframe_requested().await.is_some() {
                    hub.ask();
                }
            });
        }
        let mut state = lock(&self.state);
        state.last += 1;
        let id = state.last;
        state.viewers.insert(id, Viewer { audio, video, sees: false });
        info!(viewers = state.viewers.len(), "somebody watches");
        drop(state);
        self.ask();
        Watching { hub: self.clone(), id, _listening: listening }
    }
    // ANCHOR_END: watch

    /// Gives a packet of the publisher to all viewers.
    fn forward(&self, publisher: u64, kind: MediaKind, packet: &Arc<MediaPacket>) {
        let mut state = lock(&self.state);
        let State { publisher: current, viewers, .. } = &mut *state;
        let Some(current) = current.as_mut().filter(|current| current.id == publisher) else {
            return;
        };
        let mut wanted = false;
        if kind == MediaKind::Video {
            let admitted = current.layers.admit(packet);
            wanted = current.layers.next.is_some();
            if !admitted {
                drop(state);
                if wanted {
                    self.ask();
                }
                return;
            }
        }
        for viewer in viewers.values_mut() {
            let output = match kind {
                MediaKind::Audio => &viewer.audio,
                MediaKind::Video => &viewer.video,
            };
            let Some(output) = output else { continue };
            if kind == MediaKind::Video {
                viewer.sees |= packet.begins_keyframe;
                if !viewer.sees {
                    wanted = true;
                    continue;
                }
            }
            // A viewer who has left is about to be removed.
            let _ = output.send_packet(Arc::clone(packet));
        }
        drop(state);
        if wanted {
            self.ask();
        }
    }

    /// Asks the publisher for a keyframe, now or when the interval is over.
    fn ask(&self) {
        let now = Instant::now();
        let mut state = lock(&self.state);
        let Some(publisher) = state.publisher.as_mut() else { return };
        let due = publisher.asked.map_or(now, |asked| asked + KEYFRAME_INTERVAL);
        if due > now {
            if !publisher.asking {
                publisher.asking = true;
                let (hub, id) = (self.clone(), publisher.id);
                tokio::spawn(async move {
                    tokio::time::sleep_until(due).await;
                    hub.ask_as_promised(id);
                });
            }
            return;
        }
        publisher.ask(now);
    }

    fn ask_as_promised(&self, id: u64) {
        let mut state = lock(&self.state);
        if let Some(publisher) = state.publisher.as_mut().filter(|publisher| publisher.id == id) {
            publisher.asking = false;
            publisher.ask(Instant::now());
        }
    }
}

impl Publisher {
    fn track(&self, kind: MediaKind) -> Option<&Transceiver> {
        match kind {
            MediaKind::Audio => self.audio.as_ref(),
            MediaKind::Video => self.video.as_ref(),
        }
    }

    fn ask(&mut self, now: Instant) {
        self.asked = Some(now);
        if let Some(video) = &self.video {
            debug!("a keyframe is needed");
            video.request_keyframe(self.layers.target().cloned());
        }
    }
}

impl Publication {
    /// Forwards what arrives on these transceivers, as long as this lives, and records it if
    /// there is a recording.
    ///
    /// # Errors
    ///
    /// The publisher's connection is over.
    pub(super) async fn forward(
        &mut self,
        audio: Option<Transceiver>,
        video: Option<Transceiver>,
        recording: Option<SessionRecorder>,
    ) -> Result<(), Error> {
        for transceiver in [&audio, &video].into_iter().flatten() {
            let mut track = recording.as_ref().map(|session| session.track(transceiver.kind()));
            let mode = if track.is_some() { ReceiveMode::Both } else { ReceiveMode::Packets };
            transceiver.set_receive_mode(mode).await?;
            let (hub, id, transceiver) = (self.hub.clone(), self.id, transceiver.clone());
            self._forwarding.spawn(async move {
                let kind = transceiver.kind();
                while let Some(received) = transceiver.recv().await {
                    match received {
                        Received::Packet(packet) => hub.forward(id, kind, &packet),
                        Received::Frame(frame) => {
                            let rid = frame.rid.clone();
                            if track.as_mut().is_some_and(|track| track.take(frame)) {
                                transceiver.request_keyframe(rid);
                            }
                        }
                    }
                }
            });
        }
        if let Some(publisher) = lock(&self.hub.state).publisher.as_mut() {
            (publisher.audio, publisher.video) = (audio, video);
        }
        info!("somebody publishes");
        Ok(())
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        let mut state = lock(&self.hub.state);
        state.publisher = None;
        for viewer in state.viewers.values_mut() {
            // What comes next cannot be decoded with what was before.
            viewer.sees = false;
        }
        info!("nobody publishes");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        lock(&self.hub.state).viewers.remove(&self.id);
    }
}

/// The layers of a simulcast, by what they carry.
#[derive(Debug)]
struct Layers {
    /// What is forwarded.
    current: Option<Rid>,
    /// What is to be forwarded from its next keyframe on.
    next: Option<Rid>,
    octets: Vec<(Rid, usize)>,
    since: Instant,
}

impl Layers {
    fn new(now: Instant) -> Layers {
        Layers { current: None, next: None, octets: Vec::new(), since: now }
    }

    /// The layer whose keyframe is of use.
    fn target(&self) -> Option<&Rid> {
        self.next.as_ref().or(self.current.as_ref())
    }

    /// Whether a packet is to be forwarded.
    fn admit(&mut self, packet: &MediaPacket) -> bool {
        let Some(rid) = &packet.rid else { return true };
        let known = self.octets.len();
        match self.octets.iter_mut().find(|(layer, _)| layer == rid) {
            Some((_, octets)) => *octets += packet.payload.len(),
            None if known < MAX_LAYERS => self.octets.push((rid.clone(), packet.payload.len())),
            None => return false,
        }
        let now = Instant::from_std(packet.received_at);
        if now.saturating_duration_since(self.since) >= LAYER_INTERVAL {
            let largest = self.octets.iter().max_by_key(|(_, octets)| *octets);
            let largest = largest.map(|(layer, _)| layer.clone());
            self.next = largest.filter(|largest| self.current.as_ref() != Some(largest));
            self.octets.clear();
            self.since = now;
        }
        // The first layer there is does until a better one is known.
        let does = self.current.is_none() || self.next.as_ref() == Some(rid);
        if packet.begins_keyframe && does {
            self.current = Some(rid.clone());
            self.next = None;
        }
        self.current.as_ref() == Some(rid)
    }
}

/// What this mutex guards is consistent after each statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_publishes_at_a_time() {
        let hub = Hub::default();
        let publication = hub.publish().unwrap();
        assert!(hub.publish().is_none());
        drop(publication);
        assert!(hub.publish().is_some());
    }

    #[test]
    fn the_largest_layer_is_forwarded_from_its_keyframe_on() {
        let start = Instant::now();
        let mut layers = Layers::new(start);
        let mut admit = |millis: u64, rid: &str, length: usize, begins_keyframe: bool| {
            let packet = MediaPacket {
                codec: Codec::Vp8,
                rid: Some(Rid(rid.into())),
                ssrc: srtp::Ssrc(1),
                sequence_number: 1,
                timestamp: srtp::RtpTimestamp(1),
                marker: false,
                audio_level: None,
                begins_keyframe,
                received_at: (start + Duration::from_millis(millis)).into_std(),
                payload: vec![0; length].into(),
            };
            (layers.admit(&packet), layers.next.is_some())
        };
        assert_eq!(admit(0, "l", 100, false), (false, false));
        assert_eq!(admit(10, "l", 100, true), (true, false));
        assert_eq!(admit(20, "h", 900, true), (false, false));
        assert_eq!(admit(1000, "l", 100, false), (true, true), "h is asked for a keyframe");
        assert_eq!(admit(1010, "h", 900, false), (false, true));
        assert_eq!(admit(1020, "h", 900, true), (true, false));
        assert_eq!(admit(1030, "l", 100, true), (false, false));
        // The large layer is paused.
        assert_eq!(admit(2100, "l", 100, false), (false, false), "h was the larger one");
        assert_eq!(admit(3200, "l", 100, false), (false, true));
        assert_eq!(admit(3210, "l", 100, true), (true, false));
    }

    #[tokio::test]
    async fn without_a_publisher_a_viewer_takes_every_codec() {
        let codecs = Hub::default().codecs(MediaKind::Audio).await;
        assert_eq!(codecs, [Codec::Opus, Codec::Pcmu, Codec::Pcma, Codec::G722]);
    }
}
