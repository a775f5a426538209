//! The handle of one transceiver: media in both directions.
//!
//! Book: the chapter on RTP.

use std::sync::Arc;

use sdp::Direction;

use super::media_line::MediaLine;
use super::requests::Requests;
use super::shared::{MediaCommand, Shared};
use crate::Error;
use crate::media::{
    Codec, EncodedFrame, MediaKind, MediaPacket, ReceiveMode, Received, Rid, TransceiverId,
    TransceiverInfo,
};

/// A transceiver, an `RTCRtpTransceiver` in the W3C's words: one section of the descriptions, with
/// what we send and what we receive there.
///
/// Clones are the same transceiver. It does not keep its connection open, and dropping it does not
/// end it: [`stop`](Transceiver::stop) does.
///
/// ```
/// use peer::media::{MediaKind, TransceiverInit};
/// use peer::{Config, PeerConnection};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let connection = PeerConnection::new(Config::default()).await?;
/// let audio = connection.add_transceiver(MediaKind::Audio, TransceiverInit::default()).await?;
/// let offer = connection.create_offer().await?;
/// assert!(offer.sdp.contains("m=audio"));
/// assert_eq!(audio.info().await?.current_direction, None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Transceiver {
    line: Arc<MediaLine>,
    requests: Requests,
    shared: Arc<Shared>,
}

impl Transceiver {
    pub(crate) fn new(line: Arc<MediaLine>, requests: Requests, shared: Arc<Shared>) -> Self {
        Self { line, requests, shared }
    }

    /// Which transceiver of its connection this is.
    pub fn id(&self) -> TransceiverId {
        self.line.id
    }

    /// Audio or video.
    pub fn kind(&self) -> MediaKind {
        self.line.kind
    }

    /// What it is now: direction, codecs, layers.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], also when the transceiver is over.
    pub async fn info(&self) -> Result<TransceiverInfo, Error> {
        let id = self.id();
        let info = self.requests.request(move |task, _| task.connection.transceiver(id)).await?;
        info.ok_or(Error::Closed)
    }

    /// Sets what we want. The next offer or answer says it.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], also when the transceiver is over.
    pub async fn set_direction(&self, direction: Direction) -> Result<(), Error> {
        let id = self.id();
        self.requests
            .request(move |task, now| task.connection.set_direction(now, id, direction))
            .await?
    }

    /// Sets the codecs to offer or accept, the preferred one first.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], also when the transceiver is over.
    pub async fn set_codec_preferences(&self, codecs: Vec<Codec>) -> Result<(), Error> {
        let id = self.id();
        self.requests
            .request(move |task, now| task.connection.set_codec_preferences(now, id, codecs))
            .await?
    }

    /// Ends it: the next description rejects its section, and there it is gone for good.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], also when the transceiver is over.
    pub async fn stop(&self) -> Result<(), Error> {
        let id = self.id();
        self.requests.request(move |task, now| task.connection.stop_transceiver(now, id)).await?
    }

    /// Sets in what form [`recv`](Self::recv) delivers. Nothing is delivered unless asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn set_receive_mode(&self, mode: ReceiveMode) -> Result<(), Error> {
        let id = self.id();
        self.requests
            .request(move |task, now| task.connection.set_receive_mode(now, id, mode))
            .await
    }

    /// The next frame or packet, in the form asked for with
    /// [`set_receive_mode`](Self::set_receive_mode); `None` when the transceiver is over. Who is
    /// too slow loses the oldest.
    pub async fn recv(&self) -> Option<Received> {
        self.line.recv().await
    }

    /// Frames and packets that were not taken in time.
    pub fn lost(&self) -> u64 {
        self.line.lost()
    }

    /// Sends a frame. Does not wait: what the connection cannot take in time is lost, as on the
    /// network.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn send_frame(&self, frame: EncodedFrame) -> Result<(), Error> {
        self.shared.command(MediaCommand::Frame(self.id(), frame))
    }

    /// Forwards a packet that another transceiver received, maybe of another connection. Does not
    /// wait, as [`send_frame`](Self::send_frame).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn send_packet(&self, packet: Arc<MediaPacket>) -> Result<(), Error> {
        self.shared.command(MediaCommand::Packet(self.id(), packet))
    }

    /// Asks the peer for a keyframe: of one layer, with simulcast. Not more often than makes sense.
    pub fn request_keyframe(&self, rid: Option<Rid>) {
        // On a connection that is gone nobody waits for the keyframe.
        let _ = self.shared.command(MediaCommand::RequestKeyframe(self.id(), rid));
    }

    /// Completes when the peer needs a keyframe of what we send, of one layer with simulcast;
    /// `None` when the transceiver is over.
    pub async fn keyframe_requested(&self) -> Option<Option<Rid>> {
        self.line.keyframe_wanted().await
    }
}
