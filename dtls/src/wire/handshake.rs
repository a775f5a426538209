//! The handshake protocol's frame: a message, its header, its fragments (RFC 6347 §4.2.2–4.2.3).
//!
//! ```text
//! struct {
//!   HandshakeType msg_type;     1 octet
//!   uint24 length;              3 octets   of the whole message body
//!   uint16 message_seq;         2 octets   of the message; the same in every retransmission
//!   uint24 fragment_offset;     3 octets   where this fragment's octets belong in the body
//!   uint24 fragment_length;     3 octets   how many of them follow
//!   select (HandshakeType) { … } body;
//! } Handshake;
//! ```
//!
//! The transcript, which Finished and the extended master secret hash, takes each message as if it
//! had been sent in one fragment: offset 0, fragment_length = length (§4.2.6). [`HandshakeMessage`]
//! is exactly these octets. Book: "DTLS records and flights".

use std::fmt;

use bytes::Bytes;
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u24};

use super::field::{ParseError, Parsed, field};
use super::registry::registry;
use super::vector::whole;

mod certificate;
mod certificate_request;
mod certificate_verify;
mod client_hello;
mod client_key_exchange;
mod finished;
mod hello_request;
mod hello_verify_request;
mod server_hello;
mod server_hello_done;
mod server_key_exchange;

pub use certificate::Certificate;
pub use certificate_request::{CertificateRequest, ClientCertificateType};
pub use certificate_verify::{CertificateVerify, DigitallySigned};
pub use client_hello::{ClientHello, Cookie, Random, SessionId};
pub use client_key_exchange::ClientKeyExchange;
pub use finished::{Finished, VERIFY_DATA_LENGTH};
pub use hello_request::HelloRequest;
pub use hello_verify_request::HelloVerifyRequest;
pub use server_hello::ServerHello;
pub use server_hello_done::ServerHelloDone;
pub use server_key_exchange::{ServerEcdhParams, ServerKeyExchange};

registry! {
    /// Which message it is (RFC 5246 §7.4; hello_verify_request: RFC 6347 §4.3.2).
    pub struct HandshakeType(u8);
    /// The server asks for a new handshake.
    HELLO_REQUEST = 0, "hello_request";
    /// The client's offer.
    CLIENT_HELLO = 1, "client_hello";
    /// The server's choice.
    SERVER_HELLO = 2, "server_hello";
    /// The server's cookie.
    HELLO_VERIFY_REQUEST = 3, "hello_verify_request";
    /// A certificate chain.
    CERTIFICATE = 11, "certificate";
    /// The server's ephemeral key, signed.
    SERVER_KEY_EXCHANGE = 12, "server_key_exchange";
    /// The server wants a certificate.
    CERTIFICATE_REQUEST = 13, "certificate_request";
    /// End of the server's flight.
    SERVER_HELLO_DONE = 14, "server_hello_done";
    /// The client proves that it has the certificate's key.
    CERTIFICATE_VERIFY = 15, "certificate_verify";
    /// The client's ephemeral key.
    CLIENT_KEY_EXCHANGE = 16, "client_key_exchange";
    /// The hash of the whole handshake, keyed.
    FINISHED = 20, "finished";
}

/// The number of a message in its handshake, from 0; a retransmission keeps it (RFC 6347 §4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MessageSeq(pub u16);

impl MessageSeq {
    /// The number after this one, around 2^16.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// The 12 octets before each fragment of a message (RFC 6347 §4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeHeader {
    /// Which message it is.
    pub msg_type: HandshakeType,
    /// Octets of the whole body, below 2^24.
    pub length: u32,
    /// The message's number.
    pub message_seq: MessageSeq,
    /// Where this fragment begins in the body, below 2^24.
    pub fragment_offset: u32,
    /// Octets of this fragment, below 2^24.
    pub fragment_length: u32,
}

impl HandshakeHeader {
    /// Octets of a header.
    pub const LENGTH: usize = 12;

    fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, msg_type) = field("msg_type", be_u8.map(HandshakeType))(input)?;
        let (input, length) = field("length", be_u24)(input)?;
        let (input, message_seq) = field("message_seq", be_u16.map(MessageSeq))(input)?;
        let (input, fragment_offset) = field("fragment_offset", be_u24)(input)?;
        let (input, fragment_length) = field("fragment_length", be_u24)(input)?;
        Ok((input, Self { msg_type, length, message_seq, fragment_offset, fragment_length }))
    }

    /// Appends the 12 octets; of the lengths, the low 24 bits.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.msg_type.0);
        write_u24(self.length, out);
        out.extend_from_slice(&self.message_seq.0.to_be_bytes());
        write_u24(self.fragment_offset, out);
        write_u24(self.fragment_length, out);
    }
}

fn write_u24(value: u32, out: &mut Vec<u8>) {
    let [_, octets @ ..] = value.to_be_bytes();
    out.extend_from_slice(&octets);
}

/// One fragment of a message, as a record carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeFragment<'a> {
    /// Whose fragment, and which part.
    pub header: HandshakeHeader,
    /// The octets, `header.fragment_length` of them.
    pub body: &'a [u8],
}

impl<'a> HandshakeFragment<'a> {
    /// Parses all fragments in a record of type handshake; usually one, but several are legal
    /// (RFC 6347 §4.2.3).
    ///
    /// # Errors
    /// A record that does not end with a fragment's end, or an empty one.
    pub fn parse_all(fragment: &'a [u8]) -> Result<Vec<Self>, ParseError> {
        let (mut rest, mut all) = (fragment, Vec::new());
        loop {
            // Consumes at least the header's 12 octets each time.
            let one;
            (rest, one) = match Self::parsed(rest) {
                Ok(done) => done,
                Err(nom::Err::Error(error) | nom::Err::Failure(error)) => return Err(error),
                Err(nom::Err::Incomplete(_)) => {
                    return Err(ParseError::forbidden("incomplete", rest.len()));
                }
            };
            all.push(one);
            if rest.is_empty() {
                return Ok(all);
            }
        }
    }

    fn parsed(input: &'a [u8]) -> Parsed<'a, Self> {
        let (input, header) = HandshakeHeader::parsed(input)?;
        let (input, body) = field("body", take(header.fragment_length))(input)?;
        Ok((input, Self { header, body }))
    }

    /// Appends header and octets.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.header.write(out);
        out.extend_from_slice(self.body);
    }
}

/// A whole message as the transcript takes it: the header as if unfragmented, then the body
/// (RFC 6347 §4.2.6). Built by us or reassembled; cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct HandshakeMessage {
    msg_type: HandshakeType,
    message_seq: MessageSeq,
    octets: Bytes,
}

impl HandshakeMessage {
    /// Encodes `handshake` as message number `message_seq`.
    #[must_use]
    pub fn new(message_seq: MessageSeq, handshake: &Handshake) -> Self {
        let mut body = Vec::new();
        handshake.write(&mut body);
        Self::from_body(handshake.msg_type(), message_seq, &body)
    }

    /// Puts the header in front of an encoded body, of which at most 2^24 - 1 octets are taken.
    #[must_use]
    pub fn from_body(msg_type: HandshakeType, message_seq: MessageSeq, body: &[u8]) -> Self {
        let body = body.get(..MAX_U24 as usize).unwrap_or(body);
        let length = u32::try_from(body.len()).unwrap_or(MAX_U24);
        let header = HandshakeHeader {
            msg_type,
            length,
            message_seq,
            fragment_offset: 0,
            fragment_length: length,
        };
        let mut octets = Vec::with_capacity(HandshakeHeader::LENGTH + body.len());
        header.write(&mut octets);
        octets.extend_from_slice(body);
        Self { msg_type, message_seq, octets: octets.into() }
    }

    /// Which message it is.
    #[must_use]
    pub fn msg_type(&self) -> HandshakeType {
        self.msg_type
    }

    /// Its number in the handshake.
    #[must_use]
    pub fn message_seq(&self) -> MessageSeq {
        self.message_seq
    }

    /// Header and body: what the transcript hash takes.
    #[must_use]
    pub fn transcript(&self) -> &[u8] {
        &self.octets
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.octets.get(HandshakeHeader::LENGTH..).unwrap_or_default()
    }

    /// Parses the body.
    ///
    /// # Errors
    /// The body is not what the type says.
    pub fn parse(&self) -> Result<Handshake, ParseError> {
        Handshake::parse(self.msg_type, self.body())
    }
}

impl fmt::Debug for HandshakeMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} octets)", self.message_seq.0, self.msg_type, self.body().len())
    }
}

const MAX_U24: u32 = (1 << 24) - 1;

/// The body of a message (RFC 5246 §7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handshake {
    /// RFC 5246 §7.4.1.1.
    HelloRequest(HelloRequest),
    /// RFC 5246 §7.4.1.2, with DTLS's cookie (RFC 6347 §4.2.1).
    ClientHello(ClientHello),
    /// RFC 6347 §4.2.1.
    HelloVerifyRequest(HelloVerifyRequest),
    /// RFC 5246 §7.4.1.3.
    ServerHello(ServerHello),
    /// RFC 5246 §7.4.2.
    Certificate(Certificate),
    /// RFC 8422 §5.4.
    ServerKeyExchange(ServerKeyExchange),
    /// RFC 5246 §7.4.4.
    CertificateRequest(CertificateRequest),
    /// RFC 5246 §7.4.5.
    ServerHelloDone(ServerHelloDone),
    /// RFC 8422 §5.7.
    ClientKeyExchange(ClientKeyExchange),
    /// RFC 5246 §7.4.8.
    CertificateVerify(CertificateVerify),
    /// RFC 5246 §7.4.9.
    Finished(Finished),
    /// A type this crate does not know.
    Unknown {
        /// The type.
        msg_type: HandshakeType,
        /// The body, untouched.
        body: Vec<u8>,
    },
}

impl Handshake {
    /// Parses a whole body of the given type.
    ///
    /// # Errors
    /// The body is not what the type says, or has octets left over.
    pub fn parse(msg_type: HandshakeType, body: &[u8]) -> Result<Self, ParseError> {
        Ok(match msg_type {
            HandshakeType::HELLO_REQUEST => Self::HelloRequest(whole(body, HelloRequest::parsed)?),
            HandshakeType::CLIENT_HELLO => Self::ClientHello(whole(body, ClientHello::parsed)?),
            HandshakeType::HELLO_VERIFY_REQUEST => {
                Self::HelloVerifyRequest(whole(body, HelloVerifyRequest::parsed)?)
            }
            HandshakeType::SERVER_HELLO => Self::ServerHello(whole(body, ServerHello::parsed)?),
            HandshakeType::CERTIFICATE => Self::Certificate(whole(body, Certificate::parsed)?),
            HandshakeType::SERVER_KEY_EXCHANGE => {
                Self::ServerKeyExchange(whole(body, ServerKeyExchange::parsed)?)
            }
            HandshakeType::CERTIFICATE_REQUEST => {
                Self::CertificateRequest(whole(body, CertificateRequest::parsed)?)
            }
            HandshakeType::SERVER_HELLO_DONE => {
                Self::ServerHelloDone(whole(body, ServerHelloDone::parsed)?)
            }
            HandshakeType::CLIENT_KEY_EXCHANGE => {
                Self::ClientKeyExchange(whole(body, ClientKeyExchange::parsed)?)
            }
            HandshakeType::CERTIFICATE_VERIFY => {
                Self::CertificateVerify(whole(body, CertificateVerify::parsed)?)
            }
            HandshakeType::FINISHED => Self::Finished(whole(body, Finished::parsed)?),
            msg_type => Self::Unknown { msg_type, body: body.to_vec() },
        })
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::HelloRequest(message) => message.write(out),
            Self::ClientHello(message) => message.write(out),
            Self::HelloVerifyRequest(message) => message.write(out),
            Self::ServerHello(message) => message.write(out),
            Self::Certificate(message) => message.write(out),
            Self::ServerKeyExchange(message) => message.write(out),
            Self::CertificateRequest(message) => message.write(out),
            Self::ServerHelloDone(message) => message.write(out),
            Self::ClientKeyExchange(message) => message.write(out),
            Self::CertificateVerify(message) => message.write(out),
            Self::Finished(message) => message.write(out),
            Self::Unknown { body, .. } => out.extend_from_slice(body),
        }
    }

    /// Which message it is.
    #[must_use]
    pub fn msg_type(&self) -> HandshakeType {
        match self {
            Self::HelloRequest(_) => HandshakeType::HELLO_REQUEST,
            Self::ClientHello(_) => HandshakeType::CLIENT_HELLO,
            Self::HelloVerifyRequest(_) => HandshakeType::HELLO_VERIFY_REQUEST,
            Self::ServerHello(_) => HandshakeType::SERVER_HELLO,
            Self::Certificate(_) => HandshakeType::CERTIFICATE,
            Self::ServerKeyExchange(_) => HandshakeType::SERVER_KEY_EXCHANGE,
            Self::CertificateRequest(_) => HandshakeType::CERTIFICATE_REQUEST,
            Self::ServerHelloDone(_) => HandshakeType::SERVER_HELLO_DONE,
            Self::ClientKeyExchange(_) => HandshakeType::CLIENT_KEY_EXCHANGE,
            Self::CertificateVerify(_) => HandshakeType::CERTIFICATE_VERIFY,
            Self::Finished(_) => HandshakeType::FINISHED,
            Self::Unknown { msg_type, .. } => *msg_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::codec_properties;

    #[derive(Debug, Clone, PartialEq)]
    struct Fragments(Vec<(HandshakeHeader, Vec<u8>)>);

    prop_compose! {
        fn any_fragment()(
            ty: u8, seq: u16,
            length in 0..=MAX_U24, fragment_offset in 0..=MAX_U24,
            body in prop::collection::vec(any::<u8>(), 0..40),
        ) -> (HandshakeHeader, Vec<u8>) {
            let header = HandshakeHeader {
                msg_type: HandshakeType(ty),
                length,
                message_seq: MessageSeq(seq),
                fragment_offset,
                fragment_length: u32::try_from(body.len()).unwrap(),
            };
            (header, body)
        }
    }

    fn any_fragments() -> impl Strategy<Value = Fragments> {
        prop::collection::vec(any_fragment(), 1..5).prop_map(Fragments)
    }

    codec_properties!(
        any_fragments(),
        |all: &Fragments, out: &mut Vec<u8>| {
            all.0.iter().for_each(|(header, body)| {
                HandshakeFragment { header: *header, body }.write(out);
            });
        },
        |octets: &[u8]| HandshakeFragment::parse_all(octets)
            .map(|all| Fragments(all.iter().map(|f| (f.header, f.body.to_vec())).collect()))
    );

    #[test]
    fn a_record_without_or_with_half_a_fragment_is_refused() {
        assert!(HandshakeFragment::parse_all(&[]).is_err());
        let done =
            HandshakeMessage::new(MessageSeq(3), &Handshake::ServerHelloDone(ServerHelloDone));
        let octets = done.transcript();
        assert_eq!(octets, [14, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0]);
        assert!(HandshakeFragment::parse_all(&octets[..11]).is_err());
        let twice = [octets, octets].concat();
        assert_eq!(HandshakeFragment::parse_all(&twice).unwrap().len(), 2);
    }

    #[test]
    fn an_unknown_message_survives() {
        let message = HandshakeMessage::from_body(HandshakeType(99), MessageSeq(0), &[1, 2, 3]);
        let parsed = message.parse().unwrap();
        assert_eq!(HandshakeMessage::new(MessageSeq(0), &parsed), message);
        assert_eq!(parsed.msg_type().to_string(), "0x63");
    }

    #[test]
    fn messages_without_a_body_have_none() {
        for ty in [HandshakeType::HELLO_REQUEST, HandshakeType::SERVER_HELLO_DONE] {
            assert_eq!(Handshake::parse(ty, &[]).unwrap().msg_type(), ty);
            assert!(Handshake::parse(ty, &[0]).is_err());
        }
    }
}
