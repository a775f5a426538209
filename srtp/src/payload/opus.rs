//! Opus, RFC 7587: a packet of RTP is a packet of Opus, and nothing stands in front of it.
//!
//! ```text
//!  +----------+--------------+
//!  |RTP Header| Opus Payload |        (RFC 7587 §4.2)
//!  +----------+--------------+
//! ```
//!
//! The timestamp counts at 48,000 Hz whatever the encoder's bandwidth (§4.1), and an Opus packet
//! says itself how long it lasts. One that is longer than a payload may be is sent all the same, as
//! it cannot be cut; at 510 kbit/s 20 ms are 1,275 octets.
//!
//! Book: the chapter on RTP.

use bytes::Bytes;
use nom::Parser;

use super::depacketizer::{Buffer, Join};
use super::descriptor::innermost;
use super::packetizer::{Cut, Payloads};
use crate::wire::ParseError;
use crate::wire::field::{field, remainder};

/// Packets are frames.
#[derive(Debug)]
pub(super) struct Whole;

impl Cut for Whole {
    fn cut(&mut self, frame: &Bytes, _: usize, payloads: &mut Payloads) {
        payloads.push(frame.clone());
    }
}

impl Join for Whole {
    fn begins_frame(&self, _: &Bytes) -> Result<bool, ParseError> {
        Ok(true)
    }

    fn append(&mut self, payload: &Bytes, frame: &mut Buffer) -> Result<(), ParseError> {
        let (_, packet) = field("Opus payload", remainder(payload))
            .parse_complete(payload.as_ref())
            .map_err(innermost)?;
        frame.extend(&packet)
    }

    fn end(&mut self, frame: Buffer) -> Result<(Bytes, bool), ParseError> {
        Ok((frame.freeze(), true))
    }

    fn packet_is_frame(&self) -> bool {
        true
    }
}
