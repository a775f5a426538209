//! A whole message: header, attributes, and the two attributes that prove the rest.
//!
//! RFC 8489 §5, §14:
//!
//! ```text
//! +--------+-----------+-----+-----------+---------------------+-------------+
//! | header | attribute | ... | attribute | MESSAGE-INTEGRITY,  | FINGERPRINT |
//! |        |           |     |           | -SHA256 (optional)  | (optional)  |
//! +--------+-----------+-----+-----------+---------------------+-------------+
//! ```
//!
//! Invariants: a message that parses fills its datagram, its FINGERPRINT (if any) is right and last;
//! [`Message::attributes`] holds only what counts: nothing that came after an integrity attribute.
//! Whether that integrity holds is for [`Message::verify`] to say. Book: "STUN", "Proving it".

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};

use super::attribute::{Attribute, envelope, peek_type};
use super::attribute_type::AttributeType;
use super::error_code::{Code, ErrorCode};
use super::field::ParseError;
use super::header::{Class, HEADER_LENGTH, Header, Method, TransactionId};
use super::integrity;
use super::{fingerprint, text::Text};
use crate::credentials::{Algorithms, IntegrityError, Key};

mod accessors;

/// Attributes in one message. A real one has about ten; without a bound one datagram of 16,000 empty
/// attributes would make us build a list forty times its size.
pub const MAX_ATTRIBUTES: usize = 256;

/// Types we list in UNKNOWN-ATTRIBUTES, so that a 420 response stays smaller than its request.
pub const MAX_UNKNOWN_ATTRIBUTES: usize = 16;

/// Octets of a UDP payload over IPv4, and so of the largest message that can be sent.
const MAX_MESSAGE_LENGTH: usize = 65_507;

/// A STUN message, received or to be sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Request, indication, success or error.
    pub class: Class,
    /// What it is about.
    pub method: Method,
    /// Ties a response to its request.
    pub transaction_id: TransactionId,
    attributes: Vec<Attribute>,
    received: Received,
}

/// What verification needs of the message as it came; empty in a message to be sent.
#[derive(Debug, Clone, Default)]
struct Received {
    octets: Bytes,
    sha1: Option<integrity::Code>,
    sha256: Option<integrity::Code>,
    fingerprint: bool,
}

impl Message {
    /// Parses a datagram, all of it.
    ///
    /// FINGERPRINT is checked if present; integrity is not, as that takes a key: [`Message::verify`].
    ///
    /// # Errors
    /// The field that is wrong: truncated, of a wrong size, with a forbidden value; a length other
    /// than the datagram's; a FINGERPRINT that is wrong or not last; over [`MAX_ATTRIBUTES`].
    pub fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        let (mut rest, header) = Header::parse(datagram)?;
        if usize::from(header.length) != rest.len() {
            return Err(ParseError::forbidden("message length", datagram.len().saturating_sub(2)));
        }
        let octets = Bytes::copy_from_slice(datagram);
        // The fields are read from the datagram itself, so that whoever listens to `wire` finds them
        // there; what has to last is a slice of the one copy.
        let keep = |part: &[u8]| {
            let start = part.as_ptr().addr().wrapping_sub(datagram.as_ptr().addr());
            match start.checked_add(part.len()) {
                Some(end) if end <= octets.len() => octets.slice(start..end),
                _ => Bytes::copy_from_slice(part),
            }
        };
        let mut attributes = Vec::with_capacity(8);
        let mut received = Received::default();
        let mut count = 0;
        while !rest.is_empty() {
            count += 1;
            if count > MAX_ATTRIBUTES {
                return Err(ParseError::forbidden("number of attributes", rest.len()));
            }
            let before = datagram.len() - rest.len();
            let protected = received.sha1.is_some() || received.sha256.is_some();
            rest = match peek_type(rest)? {
                AttributeType::FINGERPRINT => {
                    let (after, value) = fingerprint::parse(rest)?;
                    let expected = fingerprint::of(datagram.get(..before).unwrap_or_default());
                    if value != expected || !after.is_empty() {
                        return Err(ParseError::forbidden("FINGERPRINT", rest.len()));
                    }
                    received.fingerprint = true;
                    after
                }
                AttributeType::MESSAGE_INTEGRITY if !protected => {
                    let (after, code) = integrity::Code::parse_sha1(rest, before, keep)?;
                    received.sha1 = Some(code);
                    after
                }
                AttributeType::MESSAGE_INTEGRITY_SHA256 if received.sha256.is_none() => {
                    let (after, code) = integrity::Code::parse_sha256(rest, before, keep)?;
                    received.sha256 = Some(code);
                    after
                }
                // Nobody vouches for these (RFC 8489 §14.5, §14.6): passed over unread.
                _ if protected => ignored(rest)?,
                _ => {
                    let (after, attribute) = Attribute::parse(rest, &header.transaction_id, &keep)?;
                    attributes.push(attribute);
                    after
                }
            };
        }
        received.octets = octets;
        let Header { class, method, transaction_id, .. } = header;
        Ok(Self { class, method, transaction_id, attributes, received })
    }

    /// Writes the message with MESSAGE-INTEGRITY (if there is a key) and FINGERPRINT.
    ///
    /// That is what ICE sends and browsers understand; [`Message::encode_with`] does the others.
    #[must_use]
    pub fn encode(&self, key: Option<&Key>) -> Bytes {
        self.encode_with(key, Algorithms::Sha1)
    }

    /// Writes the message with the integrity attributes of `algorithms` and FINGERPRINT.
    ///
    /// An attribute with which the message would no longer fit into a UDP datagram is left out.
    #[must_use]
    pub fn encode_with(&self, key: Option<&Key>, algorithms: Algorithms) -> Bytes {
        let room = MAX_MESSAGE_LENGTH - integrity::LENGTH_OF_BOTH - fingerprint::LENGTH;
        let mut out = BytesMut::with_capacity(128);
        let Self { class, method, transaction_id, .. } = *self;
        Header { class, method, length: 0, transaction_id }.write(&mut out);
        for attribute in &self.attributes {
            let before = out.len();
            attribute.write(&transaction_id, &mut out);
            if out.len() > room {
                tracing::debug!(ty = ?attribute.attribute_type(), "attribute does not fit");
                out.truncate(before);
            }
        }
        if let Some(key) = key {
            if matches!(algorithms, Algorithms::Sha1 | Algorithms::Both) {
                let code = key.sign_sha1(&integrity::covered(&out, integrity::SHA1_LENGTH));
                integrity::write(AttributeType::MESSAGE_INTEGRITY, code.as_ref(), &mut out);
            }
            if matches!(algorithms, Algorithms::Sha256 | Algorithms::Both) {
                let code = key.sign_sha256(&integrity::covered(&out, integrity::SHA256_LENGTH));
                integrity::write(AttributeType::MESSAGE_INTEGRITY_SHA256, code.as_ref(), &mut out);
            }
        }
        write_length(&mut out, fingerprint::LENGTH);
        fingerprint::write(0, &mut out);
        out.freeze()
    }

    /// Checks the integrity of a received message, in constant time (RFC 8489 §9.1.3, §9.1.4).
    ///
    /// MESSAGE-INTEGRITY-SHA256 decides where it is present, otherwise MESSAGE-INTEGRITY.
    ///
    /// # Errors
    /// [`IntegrityError::Missing`] if there is neither, as in every message that was built here;
    /// [`IntegrityError::Mismatch`] if the key is another or an octet was changed. A SHA-256 code
    /// that was cut short counts as a mismatch: no usage of ours allows that (§14.6).
    pub fn verify(&self, key: &Key) -> Result<(), IntegrityError> {
        let Received { octets, sha1, sha256, .. } = &self.received;
        let covered = |code: &integrity::Code| {
            integrity::covered(octets.get(..code.covered).unwrap_or_default(), code.value.len())
        };
        match (sha256, sha1) {
            (Some(code), _) => key.verify_sha256(&covered(code), &code.value),
            (None, Some(code)) => key.verify_sha1(&covered(code), &code.value),
            (None, None) => Err(IntegrityError::Missing),
        }
    }

    /// A request (RFC 8489 §6.1).
    #[must_use]
    pub fn request(method: Method, transaction_id: TransactionId) -> Self {
        Self::build(Class::Request, method, transaction_id)
    }

    /// An indication, which is never answered (RFC 8489 §6.1).
    #[must_use]
    pub fn indication(method: Method, transaction_id: TransactionId) -> Self {
        Self::build(Class::Indication, method, transaction_id)
    }

    /// The success response to `request` (RFC 8489 §6.3.1.1).
    #[must_use]
    pub fn success(request: &Self) -> Self {
        Self::build(Class::Success, request.method, request.transaction_id)
    }

    /// The error response to `request` (RFC 8489 §6.3.1.1).
    #[must_use]
    pub fn error(request: &Self, error: ErrorCode) -> Self {
        Self::build(Class::Error, request.method, request.transaction_id)
            .with(Attribute::ErrorCode(error))
    }

    /// The 420 response to a request with comprehension-required attributes that are unknown here;
    /// `None` if it has none (RFC 8489 §6.3.1).
    ///
    /// Ask only once the request's integrity is verified, or strangers get answers.
    #[must_use]
    pub fn refuse_unknown(request: &Self) -> Option<Self> {
        let unknown = request.unknown_required();
        (!unknown.is_empty()).then(|| {
            Self::error(request, Code::UNKNOWN_ATTRIBUTE.into())
                .with(Attribute::UnknownAttributes(unknown))
        })
    }

    fn build(class: Class, method: Method, transaction_id: TransactionId) -> Self {
        let received = Received::default();
        Self { class, method, transaction_id, attributes: Vec::new(), received }
    }

    /// The message with one more attribute at the end.
    #[must_use]
    pub fn with(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// The attributes in the order they came; none that followed an integrity attribute.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Whether the message came with a FINGERPRINT (which was right, or it would not have parsed).
    #[must_use]
    pub fn has_fingerprint(&self) -> bool {
        self.received.fingerprint
    }

    /// Whether the message came with an integrity attribute; [`Message::verify`] says if it is right.
    #[must_use]
    pub fn has_integrity(&self) -> bool {
        self.integrity().is_some()
    }

    /// Which integrity attributes the message came with; the answer has to have the same
    /// (RFC 8489 §9.2.4).
    #[must_use]
    pub fn integrity(&self) -> Option<Algorithms> {
        match (&self.received.sha1, &self.received.sha256) {
            (Some(_), Some(_)) => Some(Algorithms::Both),
            (Some(_), None) => Some(Algorithms::Sha1),
            (None, Some(_)) => Some(Algorithms::Sha256),
            (None, None) => None,
        }
    }

    /// Whether it came with MESSAGE-INTEGRITY-SHA256; [`Message::verify`] says if it is right.
    #[must_use]
    pub fn has_sha256_integrity(&self) -> bool {
        self.received.sha256.is_some()
    }

    /// The first attribute for which `pick` has an answer: of repeated ones the first counts
    /// (RFC 8489 §14).
    fn first<'a, T>(&'a self, pick: impl Fn(&'a Attribute) -> Option<T>) -> Option<T> {
        self.attributes.iter().find_map(pick)
    }

    /// USERNAME (RFC 8489 §14.3); `None` also if it is not UTF-8.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.first(|a| if let Attribute::Username(text) = a { Some(text) } else { None })
            .and_then(Text::as_str)
    }

    /// PRIORITY (RFC 8445 §7.1.1).
    #[must_use]
    pub fn priority(&self) -> Option<u32> {
        self.first(|a| if let Attribute::Priority(value) = a { Some(*value) } else { None })
    }

    /// Whether USE-CANDIDATE is there (RFC 8445 §7.1.2).
    #[must_use]
    pub fn use_candidate(&self) -> bool {
        self.attributes.contains(&Attribute::UseCandidate)
    }

    /// The tie-breaker in ICE-CONTROLLED (RFC 8445 §7.1.3).
    #[must_use]
    pub fn ice_controlled(&self) -> Option<u64> {
        self.first(|a| if let Attribute::IceControlled(value) = a { Some(*value) } else { None })
    }

    /// The tie-breaker in ICE-CONTROLLING (RFC 8445 §7.1.3).
    #[must_use]
    pub fn ice_controlling(&self) -> Option<u64> {
        self.first(|a| if let Attribute::IceControlling(value) = a { Some(*value) } else { None })
    }

    /// XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
    #[must_use]
    pub fn xor_mapped_address(&self) -> Option<SocketAddr> {
        self.first(|a| if let Attribute::XorMappedAddress(addr) = a { Some(*addr) } else { None })
    }

    /// MAPPED-ADDRESS (RFC 8489 §14.1).
    #[must_use]
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        self.first(|a| if let Attribute::MappedAddress(addr) = a { Some(*addr) } else { None })
    }

    /// ERROR-CODE (RFC 8489 §14.8).
    #[must_use]
    pub fn error_code(&self) -> Option<&ErrorCode> {
        self.first(|a| if let Attribute::ErrorCode(error) = a { Some(error) } else { None })
    }

    /// SOFTWARE (RFC 8489 §14.14).
    #[must_use]
    pub fn software(&self) -> Option<&Text> {
        self.first(|a| if let Attribute::Software(text) = a { Some(text) } else { None })
    }

    /// REALM (RFC 8489 §14.9).
    #[must_use]
    pub fn realm(&self) -> Option<&Text> {
        self.first(|a| if let Attribute::Realm(text) = a { Some(text) } else { None })
    }

    /// NONCE (RFC 8489 §14.10).
    #[must_use]
    pub fn nonce(&self) -> Option<&Text> {
        self.first(|a| if let Attribute::Nonce(text) = a { Some(text) } else { None })
    }

    /// The comprehension-required attributes that are unknown here, each once and no more than
    /// [`MAX_UNKNOWN_ATTRIBUTES`] (RFC 8489 §6.3.1).
    #[must_use]
    pub fn unknown_required(&self) -> Vec<AttributeType> {
        let mut unknown = Vec::new();
        for attribute in &self.attributes {
            match attribute {
                Attribute::Unknown { ty, .. }
                    if ty.is_comprehension_required() && !unknown.contains(ty) =>
                {
                    unknown.push(*ty);
                }
                _ => {}
            }
            if unknown.len() == MAX_UNKNOWN_ATTRIBUTES {
                break;
            }
        }
        unknown
    }
}

/// Equal in what they say; whether one was received, and with which integrity, is not compared.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        (self.class, self.method, self.transaction_id, &self.attributes)
            == (other.class, other.method, other.transaction_id, &other.attributes)
    }
}

impl Eq for Message {}

/// Passes over an attribute that came after an integrity attribute.
fn ignored(input: &[u8]) -> Result<&[u8], ParseError> {
    let (rest, _) = envelope(input, |_, value| {
        super::field::field("ignored value", nom::combinator::rest)(value)
    })?;
    Ok(rest)
}

/// Writes the header's length: what `out` holds after the header, and `more`.
fn write_length(out: &mut BytesMut, more: usize) {
    let length = out.len().saturating_sub(HEADER_LENGTH) + more;
    if let Some(octets) = out.get_mut(2..4) {
        octets.copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
