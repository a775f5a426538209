//! The task's side of the transceivers: what was received goes to the handles, what they send to
//! the connection.
//!
//! Book: "The pump".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tracing::debug;

use super::task::Request;
use crate::Connection;
use crate::handle::{MediaCommand, MediaLine, Requests, Shared, Transceiver};
use crate::media::{MediaKind, Rid, TransceiverId};

/// The transceivers that have handles, or had.
#[derive(Debug)]
pub(crate) struct Tracks {
    shared: Arc<Shared>,
    requests: Requests,
    lines: BTreeMap<TransceiverId, Arc<MediaLine>>,
}

impl Tracks {
    pub(super) fn new(shared: Arc<Shared>, requests: &mpsc::Sender<Request>) -> Tracks {
        Tracks { shared, requests: Requests::new(requests), lines: BTreeMap::new() }
    }

    /// A handle on a transceiver.
    pub(crate) fn handle(&mut self, id: TransceiverId, kind: MediaKind) -> Transceiver {
        let line = self.lines.entry(id).or_insert_with(|| Arc::new(MediaLine::new(id, kind)));
        Transceiver::new(Arc::clone(line), self.requests.clone(), Arc::clone(&self.shared))
    }

    /// Gives what was received to whoever reads it.
    pub(super) fn readable(&self, connection: &mut Connection, now: Instant, id: TransceiverId) {
        while let Some(received) = connection.recv_media(now, id) {
            if let Some(line) = self.lines.get(&id) {
                line.push_inbound(received);
            }
        }
    }

    /// The peer wants a keyframe.
    pub(super) fn keyframe_requested(&self, id: TransceiverId, rid: Option<Rid>) {
        if let Some(line) = self.lines.get(&id) {
            line.want_keyframe(rid);
        }
    }

    /// Does what the handles asked for since the last call.
    pub(super) fn obey(&self, connection: &mut Connection, now: Instant) {
        for command in self.shared.take_commands() {
            let outcome = match command {
                MediaCommand::Frame(id, frame) => connection.send_frame(now, id, frame),
                MediaCommand::Packet(id, packet) => connection.send_packet(now, id, &packet),
                MediaCommand::RequestKeyframe(id, rid) => {
                    connection.request_keyframe(now, id, rid.as_ref());
                    Ok(())
                }
            };
            if let Err(error) = outcome {
                debug!(%error, "media not sent");
            }
        }
    }

    /// Closes the handles of transceivers that are over, for whatever reason.
    pub(super) fn follow(&mut self, connection: &Connection) {
        self.lines.retain(|id, line| {
            let lives = connection.transceiver(*id).is_some_and(|info| !info.stopped);
            if !lives {
                line.close();
            }
            lives
        });
    }

    /// The connection is gone, and so are they.
    pub(super) fn end(&self) {
        for line in self.lines.values() {
            line.close();
        }
    }
}
