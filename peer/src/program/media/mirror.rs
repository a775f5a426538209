//! The echo of sound and pictures: packets go back on the transceiver they came on.
//!
//! Packets, not frames: nothing waits until a frame is whole, and what was lost on the way here is
//! lost on the way back, as in a forwarding server. A peer that cannot decode what comes back
//! asks for a keyframe; the one who can make it is that peer itself, so it is asked.
//!
//! Of a simulcast one layer goes back, the best that arrives. Layers are changed where a frame
//! begins that can be decoded alone.
//!
//! Book: the chapter on feedback.

use std::time::{Duration, Instant};

use peer::media::{MediaPacket, Rid};

/// A layer that was silent for so long has been switched off.
const SILENCE: Duration = Duration::from_millis(700);

/// How often a keyframe of a better layer is asked for.
const REQUEST_INTERVAL: Duration = Duration::from_secs(1);

/// Which packets of a transceiver go back.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    /// The layer that goes back now: its rank, its name, and when it was last heard of.
    current: Option<(usize, Option<Rid>, Instant)>,
    /// When a keyframe was asked for.
    asked: Option<Instant>,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes back.
    Return,
    /// It is of a layer that does not.
    Drop,
    /// The same; but that layer is wanted, and a keyframe of it has to be asked for.
    Ask,
}

impl Mirror {
    /// Decides on a packet. `layers` are the peer's, in the order in which it announced them,
    /// which is from the poorest to the best.
    pub(super) fn judge(&mut self, packet: &MediaPacket, layers: &[Rid]) -> Verdict {
        let now = packet.received_at;
        let rank = packet.rid.as_ref().and_then(|rid| layers.iter().position(|layer| layer == rid));
        let rank = rank.unwrap_or(0);
        match &mut self.current {
            Some((_, rid, heard)) if *rid == packet.rid => {
                *heard = now;
                return Verdict::Return;
            }
            Some((current, _, heard))
                if rank <= *current && now.saturating_duration_since(*heard) < SILENCE =>
            {
                return Verdict::Drop;
            }
            _ => {}
        }
        // A stream without layers may begin anywhere: its decoder asks for what it needs.
        if packet.begins_keyframe || packet.rid.is_none() {
            self.current = Some((rank, packet.rid.clone(), now));
            return Verdict::Return;
        }
        let recently =
            self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < REQUEST_INTERVAL);
        if recently {
            return Verdict::Drop;
        }
        self.asked = Some(now);
        Verdict::Ask
    }

    /// The layer that goes back: whom to ask for a keyframe.
    pub(super) fn layer(&self) -> Option<Rid> {
        self.current.as_ref().and_then(|(_, rid, _)| rid.clone())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use peer::media::Codec;
    use srtp::{RtpTimestamp, Ssrc};

    use super::*;

    fn packet(rid: Option<&str>, received_at: Instant, begins_keyframe: bool) -> MediaPacket {
        MediaPacket {
            codec: Codec::Vp8,
            rid: rid.map(|rid| Rid(rid.into())),
            ssrc: Ssrc(1),
            sequence_number: 1,
            timestamp: RtpTimestamp(0),
            marker: true,
            audio_level: None,
            begins_keyframe,
            received_at,
            payload: Bytes::new(),
        }
    }

    #[test]
    fn without_layers_everything_goes_back() {
        let (mut mirror, now) = (Mirror::default(), Instant::now());
        for begins_keyframe in [false, true, false] {
            assert_eq!(mirror.judge(&packet(None, now, begins_keyframe), &[]), Verdict::Return);
        }
        assert_eq!(mirror.layer(), None);
    }

    #[test]
    fn the_best_layer_that_arrives_goes_back() {
        let layers = ["l", "m", "h"].map(|rid| Rid(rid.into()));
        let (mut mirror, mut now) = (Mirror::default(), Instant::now());
        let mut judge = |rid, key, later| {
            now += Duration::from_millis(later);
            mirror.judge(&packet(Some(rid), now, key), &layers)
        };
        assert_eq!(judge("l", true, 0), Verdict::Return);
        assert_eq!(judge("h", false, 10), Verdict::Ask);
        assert_eq!(judge("h", false, 10), Verdict::Drop);
        assert_eq!(judge("l", false, 10), Verdict::Return);
        assert_eq!(judge("h", true, 10), Verdict::Return);
        assert_eq!(judge("l", true, 10), Verdict::Drop);
        assert_eq!(judge("m", true, 10), Verdict::Drop);
        // The best one is switched off.
        assert_eq!(judge("m", false, 2000), Verdict::Ask);
        assert_eq!(judge("m", true, 10), Verdict::Return);
        assert_eq!(mirror.layer(), Some(Rid("m".into())));
    }
}
