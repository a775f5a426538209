//! G.722, RFC 3551 §4.5.2: octets from the encoder, passed through.
//!
//! Each octet holds two samples taken at 16,000 Hz, but the timestamp counts at 8,000 Hz: RFC 1890
//! said so by mistake, and the mistake was kept for the sake of those who had implemented it. So
//! here, too, an octet is a tick, and 20 ms are 160 octets and 160 ticks.
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
        let (_, samples) = field("G.722 samples", remainder(payload))
            .parse_complete(payload.as_ref())
            .map_err(innermost)?;
        frame.extend(&samples)
    }

    fn end(&mut self, frame: Buffer) -> Result<(Bytes, bool), ParseError> {
        Ok((frame.freeze(), true))
    }

    fn packet_is_frame(&self) -> bool {
        true
    }
}
