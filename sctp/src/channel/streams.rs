//! Who uses which stream (RFC 8831 §6.5 and §6.7, RFC 8832 §6).
//!
//! A channel is a pair of streams with the same number, one in each direction. Closing it resets
//! both, each by its sender, and only when both resets were performed may the number be used again.

use super::{ChannelId, Role};
use crate::association::stream_map::StreamMap;
use crate::wire::StreamId;

/// The highest number of a stream: 65,535 streams (RFC 8831 §6.2), counted from zero.
pub(super) const MAX_STREAM: StreamId = StreamId(65_534);

/// Streams on which a remote endpoint's OPEN was refused and that are not reset in both directions
/// yet. More than so many at once are not even refused: their OPENs are ignored.
const MAX_REFUSED: usize = 1_024;

/// Streams with messages of a `negotiated` channel that was not opened here yet. A page and its
/// server create such channels at about the same time, and there are few of them.
pub(super) const MAX_UNCLAIMED: usize = 64;

/// The directions of a stream that were reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Resets {
    pub(super) outgoing: bool,
    pub(super) incoming: bool,
}

impl Resets {
    pub(super) const INCOMING: Self = Self { outgoing: false, incoming: true };

    pub(super) fn are_complete(self) -> bool {
        self.outgoing && self.incoming
    }
}

/// What a stream is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// By this channel.
    Channel(ChannelId),
    /// Messages wait on it for somebody to open a `negotiated` channel.
    Unclaimed,
    /// By nobody: we refused to open a channel on it and are resetting it.
    Refused(Resets),
    /// By nobody ever again: it cannot be reset.
    Lost,
}

/// The streams in use. At most 65,535 entries.
#[derive(Debug, Default)]
pub(super) struct Streams {
    uses: StreamMap<Use>,
    refused: usize,
    unclaimed: usize,
    /// No stream of our parity below this one is free.
    lowest_free: u16,
}

impl Streams {
    pub(super) fn get(&self, stream: StreamId) -> Option<Use> {
        self.uses.get(&stream).copied()
    }

    pub(super) fn set(&mut self, stream: StreamId, new: Use) {
        let old = self.uses.insert(stream, new);
        self.uncount(old);
        match new {
            Use::Refused(_) => self.refused += 1,
            Use::Unclaimed => self.unclaimed += 1,
            Use::Channel(_) | Use::Lost => {}
        }
    }

    /// The stream is free.
    pub(super) fn free(&mut self, stream: StreamId) {
        let old = self.uses.remove(&stream);
        self.uncount(old);
        self.lowest_free = self.lowest_free.min(stream.0 & !1);
    }

    fn uncount(&mut self, old: Option<Use>) {
        match old {
            Some(Use::Refused(_)) => self.refused = self.refused.saturating_sub(1),
            Some(Use::Unclaimed) => self.unclaimed = self.unclaimed.saturating_sub(1),
            _ => {}
        }
    }

    // ANCHOR: free
    /// The lowest free stream of our parity.
    pub(super) fn lowest_free(&mut self, role: Role) -> Option<StreamId> {
        let mut pair = self.lowest_free;
        loop {
            let stream = StreamId(pair.checked_add(role.first_stream())?);
            if stream > MAX_STREAM {
                return None;
            }
            if !self.uses.contains_key(&stream) {
                self.lowest_free = pair;
                return Some(stream);
            }
            pair = pair.checked_add(2)?;
        }
    }
    // ANCHOR_END: free

    /// Whether one more OPEN may be refused.
    pub(super) fn may_refuse(&self) -> bool {
        self.refused < MAX_REFUSED
    }

    /// Whether one more stream may wait for its channel.
    pub(super) fn may_wait(&self) -> bool {
        self.unclaimed < MAX_UNCLAIMED
    }

    pub(super) fn has_unclaimed(&self) -> bool {
        self.unclaimed > 0
    }

    /// All streams in use, lowest first.
    pub(super) fn all(&self) -> Vec<(StreamId, Use)> {
        let mut all: Vec<_> = self.uses.iter().map(|(stream, used)| (*stream, *used)).collect();
        all.sort_unstable_by_key(|(stream, _)| *stream);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_stream_id_zero_is_a_stream() {
        let mut streams = Streams::default();
        assert_eq!(streams.lowest_free(Role::Client), Some(StreamId(0)));
        streams.set(StreamId(0), Use::Channel(ChannelId(0)));
        assert_eq!(streams.lowest_free(Role::Client), Some(StreamId(2)));
        streams.free(StreamId(0));
        assert_eq!(streams.lowest_free(Role::Client), Some(StreamId(0)));
    }

    #[test]
    fn each_role_has_half_of_the_streams() {
        for (role, count) in [(Role::Client, 32_768), (Role::Server, 32_767)] {
            let mut streams = Streams::default();
            let mut used = 0;
            while let Some(stream) = streams.lowest_free(role) {
                assert!(!role.is_remote(stream));
                streams.set(stream, Use::Channel(ChannelId(0)));
                used += 1;
            }
            assert_eq!(used, count);
            streams.free(StreamId(101));
            streams.free(StreamId(100));
            let freed = streams.lowest_free(role).unwrap();
            assert_eq!(freed, StreamId(100 + role.first_stream()));
        }
    }
}
