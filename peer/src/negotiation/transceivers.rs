//! What the application asks of transceivers, and when that needs a new offer.
//!
//! W3C webrtc-pc §4.7.3 ("check if negotiation is needed"), §5.4; RFC 9429 §4.2.
//! Book: the chapter on offer and answer.

use sdp::Direction;

use super::slot::{Purpose, Slot};
use super::transceiver::{Transceiver, check_codecs};
use super::{Described, Negotiation, SdpType};
use crate::Error;
use crate::media::parameters::SectionParameters;
use crate::media::{Codec, MediaKind, TransceiverId, TransceiverInfo, TransceiverInit};

impl Negotiation {
    /// Adds a transceiver; the next offer has a section for it.
    pub(crate) fn add_transceiver(
        &mut self,
        kind: MediaKind,
        init: TransceiverInit,
    ) -> Result<TransceiverId, Error> {
        self.transceivers.add(kind, init)
    }

    /// All transceivers, those that were stopped a short time ago included.
    pub(crate) fn transceivers(&self) -> impl Iterator<Item = TransceiverInfo> + '_ {
        self.transceivers.iter().map(|transceiver| self.info(transceiver))
    }

    pub(crate) fn transceiver(&self, id: TransceiverId) -> Option<TransceiverInfo> {
        self.transceivers.get(id).map(|transceiver| self.info(transceiver))
    }

    fn info(&self, transceiver: &Transceiver) -> TransceiverInfo {
        let section = self.sections.iter().find(|section| section.transceiver == transceiver.id);
        let send = section.and_then(|section| section.send.as_ref());
        let receive = section.and_then(|section| section.receive.as_ref());
        TransceiverInfo {
            id: transceiver.id,
            kind: transceiver.kind,
            mid: transceiver.mid.clone().filter(|mid| !mid.is_empty()),
            direction: transceiver.direction,
            current_direction: transceiver.current_direction,
            stopped: transceiver.stopped,
            send_codec: send
                .and_then(|send| send.codecs.first())
                .map(|codec| codec.parameters.clone()),
            receive_codecs: receive
                .into_iter()
                .flat_map(|receive| &receive.codecs)
                .map(|codec| codec.parameters.clone())
                .collect(),
            receive_rids: receive.map(|receive| receive.rids.clone()).unwrap_or_default(),
            remote_streams: transceiver.remote_streams.clone(),
        }
    }

    pub(crate) fn set_direction(
        &mut self,
        id: TransceiverId,
        direction: Direction,
    ) -> Result<(), Error> {
        self.transceivers.living_mut(id)?.direction = direction;
        Ok(())
    }

    pub(crate) fn set_codec_preferences(
        &mut self,
        id: TransceiverId,
        codecs: Vec<Codec>,
    ) -> Result<(), Error> {
        let transceiver = self.transceivers.living_mut(id)?;
        check_codecs(transceiver.kind, &codecs)?;
        transceiver.codecs = codecs;
        Ok(())
    }

    /// Ends a transceiver at once; its section is rejected by the next description.
    pub(crate) fn stop_transceiver(&mut self, id: TransceiverId) -> Result<(), Error> {
        self.transceivers.living_mut(id)?.stop();
        self.sections.retain(|section| section.transceiver != id);
        Ok(())
    }

    /// There is a channel, so there must be a section for it.
    pub(crate) fn want_data(&mut self) {
        self.wants_data = true;
    }

    /// What the last answer settled for media.
    pub(crate) fn sections(&self) -> &[SectionParameters] {
        &self.sections
    }

    /// Our name in RTCP, the same in all sections (RFC 8834 §4.9).
    pub(crate) fn cname(&self) -> &str {
        &self.cname
    }

    /// The next transceiver on which the peer has begun to send.
    pub(crate) fn poll_track(&mut self) -> Option<TransceiverId> {
        self.transceivers.poll_track()
    }

    // ANCHOR: needs_negotiation
    /// Whether what is wanted differs from what is agreed on (W3C webrtc-pc §4.7.3).
    pub(crate) fn needs_negotiation(&self) -> bool {
        let has_data = self.slots.iter().any(|slot| slot.purpose == Purpose::Data);
        if self.wants_data && !has_data {
            return true;
        }
        self.transceivers.iter().any(|transceiver| {
            match self.slots.iter().position(|slot| slot.transceiver() == Some(transceiver.id)) {
                Some(_) if transceiver.stopped => true,
                Some(index) => !self.is_said(index, transceiver.direction),
                None => !transceiver.stopped,
            }
        })
    }
    // ANCHOR_END: needs_negotiation

    /// Whether the descriptions in force say this direction of a section as well as they can.
    fn is_said(&self, index: usize, wanted: Direction) -> bool {
        let direction = |described: &Option<Described>| {
            let section = described.as_ref()?.session.sections().nth(index)?;
            Some(section.direction())
        };
        let (Some(ours), Some(theirs)) = (direction(&self.local), direction(&self.remote)) else {
            return false;
        };
        let offered = self.local.as_ref().is_some_and(|local| local.kind == SdpType::Offer);
        if offered {
            wanted == ours || wanted == theirs.reversed()
        } else {
            wanted.and(theirs.reversed()) == ours
        }
    }

    /// Whether a section of the peer's newest description, named by its mid, is one whose candidates
    /// are of no use: that of another transport than the one we share.
    pub(crate) fn is_other_transport(&self, mid: &str) -> bool {
        let super::State::HaveRemoteOffer { incoming } = &self.state else { return false };
        let is_named = |slot: &Slot| slot.mid.as_deref() == Some(mid);
        let lead = incoming.lead_section().and_then(|section| section.mid());
        incoming.slots.iter().any(is_named) && lead != Some(mid)
    }
}
