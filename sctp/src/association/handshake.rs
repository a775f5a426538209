//! The first half of the handshake: INIT and INIT ACK (RFC 9260 §5.1, §5.2.1 to §5.2.3).
//!
//! ```text
//!   us                                  remote
//!   │ INIT (our tag, first TSN) ──────►│
//!   │◄────────────── INIT (its own)    │   WebRTC: both call, so this is the normal case
//!   │ INIT ACK (same tag, a cookie) ──►│
//!   │◄────── INIT ACK (same, a cookie) │
//!   │ COOKIE ECHO ───────────────────► │   each side's cookie makes one and the same association
//! ```
//!
//! An INIT ACK repeats what our INIT said, so it does not matter which of the two the remote
//! endpoint believes. Answering costs no state: it is all in the cookie.
//!
//! Book: the chapter on the association.

use std::time::Instant;

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;

use super::Association;
use super::cookie::Cookie;
use super::event::CloseReason;
use super::retry::Retry;
use super::state::{Echo, State};
use super::tcb::{Identity, Remote, Tcb};
use crate::Error;
use crate::wire::{
    Abort, Cause, CauseCode, Chunk, ChunkType, CommonHeader, Init, InitAck, OperationError,
    Parameter, ParameterType, Tsn, VerificationTag,
};

/// Octets of unknown parameters reported in one INIT ACK or ERROR: the report must fit into a
/// packet, together with a cookie.
const MAX_REPORTED: usize = 256;

/// A tag that is not zero (RFC 9260 §5.3.1) and a TSN, both unpredictable.
pub(crate) fn new_identity(rng: &mut StdRng) -> Identity {
    Identity {
        tag: VerificationTag(rng.random_range(1..=u32::MAX)),
        initial_tsn: Tsn(rng.random()),
    }
}

/// What the parameters of an INIT or INIT ACK came to.
#[derive(Debug, Default)]
struct Parameters {
    forward_tsn: bool,
    re_config: bool,
    cookie: Option<Bytes>,
    /// Those the sender wants to hear of (RFC 9260 §3.2.1).
    unrecognized: Vec<Parameter>,
}

impl Association {
    /// Sends INIT. In WebRTC both ends call it, right after the DTLS handshake. Once is enough;
    /// later calls do nothing.
    pub fn connect(&mut self, now: Instant) {
        if matches!(self.state, State::Closed) {
            self.send_init();
            self.enter(State::CookieWait(Retry::new(now, self.config.rto.initial)));
        }
    }

    pub(super) fn send_init(&mut self) {
        let init = self.init(self.local, self.config.outbound_streams);
        self.send_alone(VerificationTag::NONE, &init);
    }

    /// Our INIT, or the part of an INIT ACK that looks like one.
    fn init(&self, local: Identity, outbound_streams: u16) -> Init {
        Init {
            initiate_tag: local.tag,
            a_rwnd: self.config.receive_window,
            outbound_streams,
            inbound_streams: self.config.inbound_streams,
            initial_tsn: local.initial_tsn,
            parameters: vec![
                Parameter::ForwardTsnSupported,
                Parameter::SupportedExtensions(vec![ChunkType::RE_CONFIG, ChunkType::FORWARD_TSN]),
            ],
        }
    }

    /// An INIT, in any state.
    pub(super) fn handle_init(
        &mut self,
        now: Instant,
        header: &CommonHeader,
        init: &Init,
    ) -> Result<(), Error> {
        if header.verification_tag != VerificationTag::NONE {
            return Err(Error::WrongVerificationTag);
        }
        if init.initiate_tag == VerificationTag::NONE {
            return Err(Error::ForbiddenInit);
        }
        if init.outbound_streams == 0 || init.inbound_streams == 0 {
            self.refuse_init(init);
            return Err(Error::ForbiddenInit);
        }
        let none = VerificationTag::NONE;
        let (local, tie_tags) = match &self.state {
            State::Dead(_) => return Err(Error::Closed),
            State::Closed | State::CookieWait(_) => (self.local, [none, none]),
            State::CookieEchoed(tcb, _) => (self.local, [self.local.tag, tcb.remote.tag]),
            // RFC 9260 §9.2: the remote endpoint missed our SHUTDOWN ACK.
            State::ShutdownAckSent(..) => {
                if let Some(tcb) = self.state.tcb_mut() {
                    tcb.shutdown_due = true;
                }
                return Ok(());
            }
            // RFC 9260 §5.2.2: perhaps a restart. Nothing changes before the cookie comes back.
            State::Established(tcb)
            | State::ShutdownPending(tcb)
            | State::ShutdownSent(tcb, _)
            | State::ShutdownReceived(tcb) => {
                let tie_tags = [self.local.tag, tcb.remote.tag];
                (new_identity(&mut self.rng), tie_tags)
            }
        };
        self.answer_init(now, init, local, tie_tags);
        Ok(())
    }

    fn answer_init(
        &mut self,
        now: Instant,
        init: &Init,
        local: Identity,
        tie_tags: [VerificationTag; 2],
    ) {
        let parameters = read_parameters(&init.parameters);
        let remote = self.remote(init, &parameters);
        let outbound_streams = remote.outbound_streams;
        let cookie = self.cookies.seal(now, &Cookie { local, remote, tie_tags });
        let mut answer = self.init(local, outbound_streams);
        answer.parameters.insert(0, Parameter::StateCookie(cookie));
        answer.parameters.extend(
            parameters.unrecognized.iter().map(|unknown| Parameter::Unrecognized(octets(unknown))),
        );
        self.send_alone(init.initiate_tag, &InitAck(answer));
    }

    /// No streams: RFC 9260 §3.3.2 says to answer with an ABORT.
    fn refuse_init(&mut self, init: &Init) {
        let code = CauseCode::INVALID_MANDATORY_PARAMETER;
        let causes = vec![Cause { code, information: Bytes::new() }];
        self.send_alone(init.initiate_tag, &Abort { tag_reflected: false, causes });
    }

    /// Streams are limited to what both sides want (RFC 9260 §5.1.1).
    fn remote(&self, init: &Init, parameters: &Parameters) -> Remote {
        Remote {
            tag: init.initiate_tag,
            initial_tsn: init.initial_tsn,
            window: init.a_rwnd,
            outbound_streams: self.config.outbound_streams.min(init.inbound_streams),
            inbound_streams: self.config.inbound_streams.min(init.outbound_streams),
            forward_tsn: parameters.forward_tsn,
            re_config: parameters.re_config,
        }
    }

    /// An INIT ACK; unexpected outside of COOKIE-WAIT (RFC 9260 §5.2.3).
    pub(super) fn handle_init_ack(&mut self, now: Instant, ack: &InitAck) -> Result<(), Error> {
        let State::CookieWait(_) = self.state else { return Ok(()) };
        let InitAck(init) = ack;
        if init.initiate_tag == VerificationTag::NONE {
            // RFC 9260 §3.3.3: destroy the association.
            self.die(CloseReason::ProtocolViolation);
            return Ok(());
        }
        let parameters = read_parameters(&init.parameters);
        let room = self.config.max_packet_size.saturating_sub(CommonHeader::LENGTH + 4);
        let cookie = parameters.cookie.as_ref().filter(|cookie| cookie.len() <= room);
        let streams = init.outbound_streams > 0 && init.inbound_streams > 0;
        let Some(cookie) = cookie.filter(|_| streams) else {
            let code = match streams {
                true => CauseCode::MISSING_MANDATORY_PARAMETER,
                false => CauseCode::INVALID_MANDATORY_PARAMETER,
            };
            let information = match streams {
                true => Bytes::from_static(&[0, 0, 0, 1, 0, 7]),
                false => Bytes::new(),
            };
            let causes = vec![Cause { code, information }];
            self.send_alone(init.initiate_tag, &Abort { tag_reflected: false, causes });
            self.die(CloseReason::ProtocolViolation);
            return Ok(());
        };
        let remote = self.remote(init, &parameters);
        let mut tcb = Box::new(Tcb::new(now, &self.config, self.local, remote));
        if !parameters.unrecognized.is_empty() {
            let information: Vec<u8> = parameters.unrecognized.iter().flat_map(octets).collect();
            let code = CauseCode::UNRECOGNIZED_PARAMETERS;
            let causes = vec![Cause { code, information: information.into() }];
            tcb.control.push(Chunk::Error(OperationError { causes }));
        }
        let echo = Echo {
            // Not the slice: it would keep the packet in memory.
            cookie: Bytes::copy_from_slice(cookie),
            timer: Retry::new(now, self.config.rto.initial),
            due: true,
        };
        self.enter(State::CookieEchoed(tcb, echo));
        Ok(())
    }
}

/// Reads what we understand and lists what the sender wants to hear of.
fn read_parameters(parameters: &[Parameter]) -> Parameters {
    let mut read = Parameters::default();
    let mut reported = 0;
    for parameter in parameters {
        match parameter {
            Parameter::StateCookie(cookie) => read.cookie = Some(cookie.clone()),
            Parameter::ForwardTsnSupported => read.forward_tsn = true,
            Parameter::SupportedExtensions(types) => {
                read.re_config |= types.contains(&ChunkType::RE_CONFIG);
                read.forward_tsn |= types.contains(&ChunkType::FORWARD_TSN);
            }
            Parameter::Unrecognized(_) => {}
            Parameter::Unknown { parameter_type, .. } if is_ignored(*parameter_type) => {}
            Parameter::Unknown { parameter_type, value } => {
                let action = parameter_type.on_unknown();
                let length = value.len().saturating_add(4).next_multiple_of(4);
                reported =
                    if action.reports() { length.saturating_add(reported) } else { reported };
                if action.reports() && reported <= MAX_REPORTED {
                    read.unrecognized.push(parameter.clone());
                }
                if action.stops() {
                    break;
                }
            }
        }
    }
    read
}

/// Parameters that RFC 9260 §3.3.2 and §3.3.3 define and that mean nothing over DTLS: addresses,
/// cookie preservative, host name, supported address types.
fn is_ignored(parameter: ParameterType) -> bool {
    matches!(parameter.0, 5 | 6 | 9 | 11 | 12)
}

/// The parameter's octets, with padding.
fn octets(parameter: &Parameter) -> Bytes {
    let mut octets = bytes::BytesMut::new();
    parameter.write(&mut octets);
    octets.freeze()
}
