//! Sound and pictures: what the program sends, what it does with what it receives.
//!
//! ```text
//!  file      containers: Ogg, WAV, IVF, Annex B; no clock, no network
//!  player    a file, in real time            ┐
//!  pattern   a test pattern (picture)        ├─► Transceiver::send_frame
//!  tone      440 Hz                          ┘
//!  mirror    the echo: packets back          ──► Transceiver::send_packet
//!  recorder  frames ► gate ► recording (timeline) ► file
//!  stage     who does which of these in a session of `peer serve`
//!  show      the same for `peer call`
//! ```
//!
//! Book: the chapter on RTP.

pub(crate) mod file;
pub(crate) mod player;
pub(crate) mod recorder;
pub(crate) mod show;
pub(crate) mod stage;

mod gate;
mod mirror;
mod pattern;
mod picture;
mod recording;
mod timeline;
mod tone;

use super::failure::Failure;
