//! What `GET /session/ID` tells, as JSON.

use peer::{ChannelInfo, ConnectionState, Stats};
use serde::Serialize;

use super::sessions::Channels;

/// A session as its client and curious people see it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The connection's state, in W3C's words.
    state: ConnectionState,
    /// Channels the client ever opened.
    opened: u64,
    /// Channels that are still open.
    open: u64,
    /// The channels, in order of opening.
    channels: Vec<ChannelInfo>,
    /// What `getStats` says.
    statistics: Stats,
}

impl Report {
    /// Puts it together.
    pub(super) fn new(state: ConnectionState, channels: Channels, statistics: Stats) -> Report {
        let Channels { opened, open, reported, .. } = channels;
        Report { state, opened, open, channels: reported, statistics }
    }
}
