//! Audio: a packet of RTP is a packet of the codec, and nothing stands in front of it.
//!
//! ```text
//!  +----------+--------------+
//!  |RTP Header| Opus Payload |        (RFC 7587 §4.2)
//!  +----------+--------------+
//! ```
//!
//! - **Opus**, RFC 7587. The timestamp counts at 48,000 Hz whatever the encoder's bandwidth (§4.1),
//!   and an Opus packet says itself how long it lasts. One that is longer than a payload may be is
//!   sent all the same, as it cannot be cut; at 510 kbit/s 20 ms are 1,275 octets.
//! - **G.711**, RFC 3551 §4.5.14: a row of codes, one for each tick of 8,000 Hz; the codec itself is
//!   in [`g711`](super::g711).
//! - **G.722**, RFC 3551 §4.5.2. Each octet holds two samples taken at 16,000 Hz, but the timestamp
//!   counts at 8,000 Hz: RFC 1890 said so by mistake, and the mistake was kept for the sake of those
//!   who had implemented it. So here, too, an octet is a tick.
//!
//! Book: the chapter on RTP.

use bytes::Bytes;
use nom::Parser;

use super::depacketizer::{Buffer, Join};
use super::descriptor::innermost;
use super::packetizer::{Cut, Payloads};
use crate::wire::ParseError;
use crate::wire::field::{field, remainder};

/// Packets are frames, of what the name says.
#[derive(Debug)]
pub(super) struct Whole(pub(super) &'static str);

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
        let (_, packet) = field(self.0, remainder(payload))
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
