//! RE-CONFIG (130): reset or add streams while the association runs (RFC 6525 §3.1 and §4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Type = 130   |  Chunk Flags  |         Chunk Length          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                  Re-configuration Parameter                   \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \            Re-configuration Parameter (optional)              \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The one data channels need is the Outgoing SSN Reset Request (§4.1), a channel's close:
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Parameter Type = 13       | Parameter Length = 16 + 2 * N |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Re-configuration Request Sequence Number            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Re-configuration Response Sequence Number           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                Sender's Last Assigned TSN                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Stream Number 1 (optional)   |    Stream Number 2 (optional) |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                              ...                              \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::{map, opt};
use nom::multi::many0;
use nom::number::complete::{be_u16, be_u32};

use super::field::{Parsed, field, octets};
use super::parameter::{self, ParameterType};
use super::{Body, ChunkType, RequestNumber, StreamId, Tsn};

const OUTGOING_RESET: ParameterType = ParameterType(13);
const INCOMING_RESET: ParameterType = ParameterType(14);
const SSN_TSN_RESET: ParameterType = ParameterType(15);
const RESPONSE: ParameterType = ParameterType(16);
const ADD_OUTGOING: ParameterType = ParameterType(17);
const ADD_INCOMING: ParameterType = ParameterType(18);

/// A RE-CONFIG chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReConfig {
    /// One parameter or two (RFC 6525 §3.1 lists the pairs); which ones is for the association.
    pub parameters: Vec<ReConfigParameter>,
}

/// What is asked for or answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReConfigParameter {
    /// Outgoing SSN Reset Request (§4.1): the sender starts these streams of its own anew.
    OutgoingReset {
        /// This request's number.
        request: RequestNumber,
        /// The incoming reset request this one answers, else the last request seen.
        response: RequestNumber,
        /// The sender's last TSN before the reset.
        last_tsn: Tsn,
        /// Which streams; none means all.
        streams: Vec<StreamId>,
    },
    /// Incoming SSN Reset Request (§4.2): the receiver shall reset its outgoing side.
    IncomingReset {
        /// This request's number.
        request: RequestNumber,
        /// Which streams; none means all.
        streams: Vec<StreamId>,
    },
    /// SSN/TSN Reset Request (§4.3): everything starts anew.
    SsnTsnReset {
        /// This request's number.
        request: RequestNumber,
    },
    /// Re-configuration Response (§4.4).
    Response {
        /// The request answered.
        response: RequestNumber,
        /// What came of it.
        result: ReConfigResult,
        /// Only in answer to an SSN/TSN reset.
        next_tsns: Option<NextTsns>,
    },
    /// Add Outgoing Streams Request (§4.5).
    AddOutgoing {
        /// This request's number.
        request: RequestNumber,
        /// How many more.
        new_streams: u16,
    },
    /// Add Incoming Streams Request (§4.6).
    AddIncoming {
        /// This request's number.
        request: RequestNumber,
        /// How many more.
        new_streams: u16,
    },
    /// Any other, as it came.
    Unknown {
        /// Its type.
        parameter_type: ParameterType,
        /// Its value, without padding.
        value: Bytes,
    },
}

/// The result of a request (RFC 6525 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReConfigResult(pub u32);

impl ReConfigResult {
    /// Success - Nothing to do.
    pub const NOTHING_TO_DO: Self = Self(0);
    /// Success - Performed.
    pub const PERFORMED: Self = Self(1);
    /// Denied.
    pub const DENIED: Self = Self(2);
    /// Error - Wrong SSN.
    pub const WRONG_SSN: Self = Self(3);
    /// Error - Request already in progress.
    pub const ALREADY_IN_PROGRESS: Self = Self(4);
    /// Error - Bad Sequence Number.
    pub const BAD_SEQUENCE_NUMBER: Self = Self(5);
    /// In progress: ask again later, with the same number.
    pub const IN_PROGRESS: Self = Self(6);
}

/// Where both sides' TSNs go on after an SSN/TSN reset (RFC 6525 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextTsns {
    /// Sender's Next TSN: of the one that answers.
    pub sender: Tsn,
    /// Receiver's Next TSN: of the one that asked.
    pub receiver: Tsn,
}

impl ReConfig {
    pub(crate) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let parameter = |input| ReConfigParameter::parse(packet, input);
        map(|input| parameter::parse_each(input, parameter), |parameters| Self { parameters })
            .parse_complete(input)
    }
}

impl Body for ReConfig {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::RE_CONFIG
    }

    fn write(&self, out: &mut BytesMut) {
        parameter::write_each(&self.parameters, out, ReConfigParameter::write);
    }
}

impl ReConfigParameter {
    fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, (parameter_type, value)) = parameter::parse_header(input)?;
        let (surplus, parameter) = match parameter_type {
            OUTGOING_RESET => {
                let (value, request) = parse_request(value)?;
                let (value, response) = parse_response(value)?;
                let (value, last_tsn) =
                    field("Sender's Last Assigned TSN", map(be_u32, Tsn)).parse_complete(value)?;
                let (value, streams) = many0(parse_stream).parse_complete(value)?;
                (value, Self::OutgoingReset { request, response, last_tsn, streams })
            }
            INCOMING_RESET => {
                let (value, request) = parse_request(value)?;
                let (value, streams) = many0(parse_stream).parse_complete(value)?;
                (value, Self::IncomingReset { request, streams })
            }
            SSN_TSN_RESET => {
                let (value, request) = parse_request(value)?;
                (value, Self::SsnTsnReset { request })
            }
            RESPONSE => {
                let (value, response) = parse_response(value)?;
                let (value, result) =
                    field("Result", map(be_u32, ReConfigResult)).parse_complete(value)?;
                let (value, next_tsns) = match value.is_empty() {
                    true => (value, None),
                    false => opt(NextTsns::parse).parse_complete(value)?,
                };
                (value, Self::Response { response, result, next_tsns })
            }
            ADD_OUTGOING => {
                let (value, (request, new_streams)) = parse_add(value)?;
                (value, Self::AddOutgoing { request, new_streams })
            }
            ADD_INCOMING => {
                let (value, (request, new_streams)) = parse_add(value)?;
                (value, Self::AddIncoming { request, new_streams })
            }
            parameter_type => {
                let (value, octets) =
                    field("Parameter Value", octets(packet, value.len())).parse_complete(value)?;
                (value, Self::Unknown { parameter_type, value: octets })
            }
        };
        parameter::no_surplus("Parameter Length", surplus)?;
        Ok((rest, parameter))
    }

    fn write(&self, out: &mut BytesMut) {
        parameter::write_with(self.parameter_type().0, out, |out| match self {
            Self::OutgoingReset { request, response, last_tsn, streams } => {
                out.put_u32(request.0);
                out.put_u32(response.0);
                out.put_u32(last_tsn.0);
                streams.iter().for_each(|stream| out.put_u16(stream.0));
            }
            Self::IncomingReset { request, streams } => {
                out.put_u32(request.0);
                streams.iter().for_each(|stream| out.put_u16(stream.0));
            }
            Self::SsnTsnReset { request } => out.put_u32(request.0),
            Self::Response { response, result, next_tsns } => {
                out.put_u32(response.0);
                out.put_u32(result.0);
                if let Some(next_tsns) = next_tsns {
                    out.put_u32(next_tsns.sender.0);
                    out.put_u32(next_tsns.receiver.0);
                }
            }
            Self::AddOutgoing { request, new_streams }
            | Self::AddIncoming { request, new_streams } => {
                out.put_u32(request.0);
                out.put_u16(*new_streams);
                out.put_u16(0);
            }
            Self::Unknown { value, .. } => out.extend_from_slice(value),
        });
    }

    fn parameter_type(&self) -> ParameterType {
        match self {
            Self::OutgoingReset { .. } => OUTGOING_RESET,
            Self::IncomingReset { .. } => INCOMING_RESET,
            Self::SsnTsnReset { .. } => SSN_TSN_RESET,
            Self::Response { .. } => RESPONSE,
            Self::AddOutgoing { .. } => ADD_OUTGOING,
            Self::AddIncoming { .. } => ADD_INCOMING,
            Self::Unknown { parameter_type, .. } => *parameter_type,
        }
    }
}

impl NextTsns {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, sender) = field("Sender's Next TSN", map(be_u32, Tsn)).parse_complete(input)?;
        let (rest, receiver) =
            field("Receiver's Next TSN", map(be_u32, Tsn)).parse_complete(rest)?;
        Ok((rest, Self { sender, receiver }))
    }
}

fn parse_request(input: &[u8]) -> Parsed<'_, RequestNumber> {
    field("Re-configuration Request Sequence Number", map(be_u32, RequestNumber))
        .parse_complete(input)
}

fn parse_response(input: &[u8]) -> Parsed<'_, RequestNumber> {
    field("Re-configuration Response Sequence Number", map(be_u32, RequestNumber))
        .parse_complete(input)
}

fn parse_stream(input: &[u8]) -> Parsed<'_, StreamId> {
    field("Stream Number", map(be_u16, StreamId)).parse_complete(input)
}

fn parse_add(input: &[u8]) -> Parsed<'_, (RequestNumber, u16)> {
    let (rest, request) = parse_request(input)?;
    let (rest, new_streams) = field("Number of new streams", be_u16).parse_complete(rest)?;
    let (rest, _) = field("Reserved", be_u16).parse_complete(rest)?;
    Ok((rest, (request, new_streams)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    fn any_re_config() -> impl Strategy<Value = ReConfig> {
        let streams = || {
            prop::collection::vec(any::<u16>(), 0..5)
                .prop_map(|streams| streams.into_iter().map(StreamId).collect::<Vec<_>>())
        };
        let number = || any::<u32>().prop_map(RequestNumber);
        let tsns = any::<(u32, u32)>().prop_map(|(sender, receiver)| NextTsns {
            sender: Tsn(sender),
            receiver: Tsn(receiver),
        });
        let parameter = prop_oneof![
            (number(), number(), any::<u32>(), streams()).prop_map(
                |(request, response, tsn, streams)| ReConfigParameter::OutgoingReset {
                    request,
                    response,
                    last_tsn: Tsn(tsn),
                    streams
                }
            ),
            (number(), streams()).prop_map(|(request, streams)| {
                ReConfigParameter::IncomingReset { request, streams }
            }),
            number().prop_map(|request| ReConfigParameter::SsnTsnReset { request }),
            (number(), any::<u32>(), prop::option::of(tsns)).prop_map(
                |(response, result, next_tsns)| ReConfigParameter::Response {
                    response,
                    result: ReConfigResult(result),
                    next_tsns
                }
            ),
            (number(), any::<u16>()).prop_map(|(request, new_streams)| {
                ReConfigParameter::AddOutgoing { request, new_streams }
            }),
            (number(), any::<u16>()).prop_map(|(request, new_streams)| {
                ReConfigParameter::AddIncoming { request, new_streams }
            }),
            (19u16.., testing::octets(20)).prop_map(|(number, value)| ReConfigParameter::Unknown {
                parameter_type: ParameterType(number),
                value
            }),
        ];
        prop::collection::vec(parameter, 0..3).prop_map(|parameters| ReConfig { parameters })
    }

    #[test]
    fn chromium_closes_a_channel() {
        testing::captured(
            "138813883447230f954c6168 82000016 000d0012 97c2b70d 97c2b70d 97c2b71a 0003 0000",
            Chunk::ReConfig(ReConfig {
                parameters: vec![ReConfigParameter::OutgoingReset {
                    request: RequestNumber(0x97c2_b70d),
                    response: RequestNumber(0x97c2_b70d),
                    last_tsn: Tsn(0x97c2_b71a),
                    streams: vec![StreamId(3)],
                }],
            }),
        );
    }

    #[test]
    fn firefox_performs_the_reset() {
        testing::captured(
            "13881388a047f5ea92d5214f 82000010 0010000c 97c2b70d 00000001",
            Chunk::ReConfig(ReConfig {
                parameters: vec![ReConfigParameter::Response {
                    response: RequestNumber(0x97c2_b70d),
                    result: ReConfigResult::PERFORMED,
                    next_tsns: None,
                }],
            }),
        );
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_re_config()) {
            testing::round_trip(Chunk::ReConfig(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::RE_CONFIG, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_re_config()) {
            testing::fields_tile_the_input(&Chunk::ReConfig(chunk));
        }
    }
}
