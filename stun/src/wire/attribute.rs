//! Attributes: type, length, value and padding, and the values known here.
//!
//! RFC 8489 §14:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Type                  |            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         Value (variable)                ....
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Length counts the value without its padding to a multiple of four; padding octets may have any
//! value, and are written as zeros. Invariants: a value of another size than its type prescribes is
//! an error, not a guess; a type unknown here keeps its octets. Book: "STUN".

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::rest;
use nom::number::complete::{be_u16, be_u32, be_u64};

use super::address_error_code::AddressErrorCode;
use super::attribute_type::AttributeType;
use super::change_request::ChangeRequest;
use super::channel_number::ChannelNumber;
use super::error_code::ErrorCode;
use super::even_port::EvenPort;
use super::family::Family;
use super::field::{ParseError, Parsed, field};
use super::header::TransactionId;
use super::icmp::Icmp;
use super::password_algorithms::PasswordAlgorithm;
use super::requested_transport::RequestedTransport;
use super::reservation_token::ReservationToken;
use super::text::Text;
use super::{address, lifetime, response_port, unknown_attributes, userhash, xor_address};

/// Octets of type and length.
pub(crate) const TYPE_AND_LENGTH: usize = 4;

/// An attribute with its value understood; types unknown here are kept as they came.
///
/// MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT are not here: they are computed over
/// the message, so [`Message`](crate::Message) checks and writes them itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attribute {
    /// The address a request came from, as servers of RFC 3489 say it (RFC 8489 §14.1).
    MappedAddress(SocketAddr),
    /// The address a request came from (RFC 8489 §14.2).
    XorMappedAddress(SocketAddr),
    /// Who sends; in ICE `remote-ufrag:local-ufrag` (RFC 8489 §14.3, RFC 8445 §7.2.2).
    Username(Text),
    /// SHA-256 of `username:realm`, instead of USERNAME (RFC 8489 §14.4).
    Userhash([u8; 32]),
    /// Why a request was refused (RFC 8489 §14.8).
    ErrorCode(ErrorCode),
    /// Where a username and password are valid (RFC 8489 §14.9).
    Realm(Text),
    /// The server's freshness token, sent back as it came (RFC 8489 §14.10).
    Nonce(Text),
    /// The ways to make a key that a server offers (RFC 8489 §14.11).
    PasswordAlgorithms(Vec<PasswordAlgorithm>),
    /// The way a client chose (RFC 8489 §14.12).
    PasswordAlgorithm(PasswordAlgorithm),
    /// What a request contained that was not understood (RFC 8489 §14.13).
    UnknownAttributes(Vec<AttributeType>),
    /// The sender's program, for people (RFC 8489 §14.14).
    Software(Text),
    /// Another server to try (RFC 8489 §14.15).
    AlternateServer(SocketAddr),
    /// The name that server's certificate must show (RFC 8489 §14.16).
    AlternateDomain(Text),
    /// The priority a peer-reflexive candidate learnt from this check would have (RFC 8445 §7.1.1).
    Priority(u32),
    /// The controlling agent nominates the pair of this check (RFC 8445 §7.1.2).
    UseCandidate,
    /// The sender is controlled; its tie-breaker (RFC 8445 §7.1.3).
    IceControlled(u64),
    /// The sender is controlling; its tie-breaker (RFC 8445 §7.1.3).
    IceControlling(u64),
    /// The controlling agent nominates anew: the highest value counts
    /// (draft-thatcher-ice-renomination).
    Nomination(u32),
    /// The number that stands for a peer (RFC 8656 §18.1).
    ChannelNumber(ChannelNumber),
    /// How long an allocation lasts, in whole seconds (RFC 8656 §18.2).
    Lifetime(Duration),
    /// A peer, as the server sees it (RFC 8656 §18.3).
    XorPeerAddress(SocketAddr),
    /// A packet to or from a peer (RFC 8656 §18.4).
    Data(Bytes),
    /// An address that the server lends (RFC 8656 §18.5).
    XorRelayedAddress(SocketAddr),
    /// The family a relayed address is to have (RFC 8656 §18.6).
    RequestedAddressFamily(Family),
    /// The port of the relayed address is to be even (RFC 8656 §18.7).
    EvenPort(EvenPort),
    /// What is to carry packets between the server and peers (RFC 8656 §18.8).
    RequestedTransport(RequestedTransport),
    /// The server is not to let packets to the peer be fragmented (RFC 8656 §18.9).
    DontFragment,
    /// The ticket for a reserved port (RFC 8656 §18.10).
    ReservationToken(ReservationToken),
    /// A second relayed address of this family is wanted too (RFC 8656 §18.11).
    AdditionalAddressFamily(Family),
    /// That second address was not to be had (RFC 8656 §18.12).
    AddressErrorCode(AddressErrorCode),
    /// What came back from the way to a peer (RFC 8656 §18.13).
    Icmp(Icmp),
    /// From which of its addresses a server is to answer (RFC 5780 §7.2).
    ChangeRequest(ChangeRequest),
    /// From which address the server did answer (RFC 5780 §7.3).
    ResponseOrigin(SocketAddr),
    /// The server's other address and port (RFC 5780 §7.4).
    OtherAddress(SocketAddr),
    /// The port the answer is to go to (RFC 5780 §7.5).
    ResponsePort(u16),
    /// Octets that make a message larger than a link carries in one piece (RFC 5780 §7.6).
    Padding(Bytes),
    /// Any other attribute.
    Unknown {
        /// Its type.
        ty: AttributeType,
        /// Its value without padding, at most 65,531 octets.
        value: Bytes,
    },
}

impl Attribute {
    /// The type.
    #[must_use]
    pub fn attribute_type(&self) -> AttributeType {
        match self {
            Self::MappedAddress(_) => AttributeType::MAPPED_ADDRESS,
            Self::XorMappedAddress(_) => AttributeType::XOR_MAPPED_ADDRESS,
            Self::Username(_) => AttributeType::USERNAME,
            Self::Userhash(_) => AttributeType::USERHASH,
            Self::ErrorCode(_) => AttributeType::ERROR_CODE,
            Self::Realm(_) => AttributeType::REALM,
            Self::Nonce(_) => AttributeType::NONCE,
            Self::PasswordAlgorithms(_) => AttributeType::PASSWORD_ALGORITHMS,
            Self::PasswordAlgorithm(_) => AttributeType::PASSWORD_ALGORITHM,
            Self::UnknownAttributes(_) => AttributeType::UNKNOWN_ATTRIBUTES,
            Self::Software(_) => AttributeType::SOFTWARE,
            Self::AlternateServer(_) => AttributeType::ALTERNATE_SERVER,
            Self::AlternateDomain(_) => AttributeType::ALTERNATE_DOMAIN,
            Self::Priority(_) => AttributeType::PRIORITY,
            Self::UseCandidate => AttributeType::USE_CANDIDATE,
            Self::IceControlled(_) => AttributeType::ICE_CONTROLLED,
            Self::IceControlling(_) => AttributeType::ICE_CONTROLLING,
            Self::Nomination(_) => AttributeType::NOMINATION,
            Self::ChannelNumber(_) => AttributeType::CHANNEL_NUMBER,
            Self::Lifetime(_) => AttributeType::LIFETIME,
            Self::XorPeerAddress(_) => AttributeType::XOR_PEER_ADDRESS,
            Self::Data(_) => AttributeType::DATA,
            Self::XorRelayedAddress(_) => AttributeType::XOR_RELAYED_ADDRESS,
            Self::RequestedAddressFamily(_) => AttributeType::REQUESTED_ADDRESS_FAMILY,
            Self::EvenPort(_) => AttributeType::EVEN_PORT,
            Self::RequestedTransport(_) => AttributeType::REQUESTED_TRANSPORT,
            Self::DontFragment => AttributeType::DONT_FRAGMENT,
            Self::ReservationToken(_) => AttributeType::RESERVATION_TOKEN,
            Self::AdditionalAddressFamily(_) => AttributeType::ADDITIONAL_ADDRESS_FAMILY,
            Self::AddressErrorCode(_) => AttributeType::ADDRESS_ERROR_CODE,
            Self::Icmp(_) => AttributeType::ICMP,
            Self::ChangeRequest(_) => AttributeType::CHANGE_REQUEST,
            Self::ResponseOrigin(_) => AttributeType::RESPONSE_ORIGIN,
            Self::OtherAddress(_) => AttributeType::OTHER_ADDRESS,
            Self::ResponsePort(_) => AttributeType::RESPONSE_PORT,
            Self::Padding(_) => AttributeType::PADDING,
            Self::Unknown { ty, .. } => *ty,
        }
    }

    /// Parses one attribute with its padding. The transaction ID undoes XOR-MAPPED-ADDRESS, `keep`
    /// makes octets last.
    pub(crate) fn parse<'a>(
        input: &'a [u8],
        id: &TransactionId,
        keep: &impl Fn(&[u8]) -> Bytes,
    ) -> Parsed<'a, Self> {
        envelope(input, |ty, value| Self::parse_value(ty, value, id, keep))
    }

    /// Parses a value; [`envelope`] checks that nothing of it is left over.
    fn parse_value<'a>(
        ty: AttributeType,
        value: &'a [u8],
        id: &TransactionId,
        keep: &impl Fn(&[u8]) -> Bytes,
    ) -> Parsed<'a, Self> {
        let text = |name| field(name, rest.map(|octets| Text::parse(keep(octets))));
        let octets = |name| field(name, rest.map(keep));
        match ty {
            AttributeType::MAPPED_ADDRESS => {
                address::parse.map(Self::MappedAddress).parse_complete(value)
            }
            AttributeType::XOR_MAPPED_ADDRESS => (|input| xor_address::parse(id, input))
                .map(Self::XorMappedAddress)
                .parse_complete(value),
            AttributeType::USERNAME => text("username").map(Self::Username).parse_complete(value),
            AttributeType::USERHASH => userhash::parse.map(Self::Userhash).parse_complete(value),
            AttributeType::ERROR_CODE => {
                (|input| ErrorCode::parse(input, keep)).map(Self::ErrorCode).parse_complete(value)
            }
            AttributeType::REALM => text("realm").map(Self::Realm).parse_complete(value),
            AttributeType::NONCE => text("nonce").map(Self::Nonce).parse_complete(value),
            AttributeType::PASSWORD_ALGORITHMS => {
                (|input| PasswordAlgorithm::parse_list(input, keep))
                    .map(Self::PasswordAlgorithms)
                    .parse_complete(value)
            }
            AttributeType::PASSWORD_ALGORITHM => (|input| PasswordAlgorithm::parse(input, keep))
                .map(Self::PasswordAlgorithm)
                .parse_complete(value),
            AttributeType::UNKNOWN_ATTRIBUTES => {
                unknown_attributes::parse.map(Self::UnknownAttributes).parse_complete(value)
            }
            AttributeType::SOFTWARE => {
                text("description").map(Self::Software).parse_complete(value)
            }
            AttributeType::ALTERNATE_SERVER => {
                address::parse.map(Self::AlternateServer).parse_complete(value)
            }
            AttributeType::ALTERNATE_DOMAIN => {
                text("domain").map(Self::AlternateDomain).parse_complete(value)
            }
            AttributeType::PRIORITY => {
                field("priority", be_u32).map(Self::Priority).parse_complete(value)
            }
            AttributeType::USE_CANDIDATE => Ok((value, Self::UseCandidate)),
            AttributeType::ICE_CONTROLLED => {
                field("tie-breaker", be_u64).map(Self::IceControlled).parse_complete(value)
            }
            AttributeType::ICE_CONTROLLING => {
                field("tie-breaker", be_u64).map(Self::IceControlling).parse_complete(value)
            }
            AttributeType::NOMINATION => {
                field("nomination", be_u32).map(Self::Nomination).parse_complete(value)
            }
            AttributeType::CHANNEL_NUMBER => {
                ChannelNumber::parse.map(Self::ChannelNumber).parse_complete(value)
            }
            AttributeType::LIFETIME => lifetime::parse.map(Self::Lifetime).parse_complete(value),
            AttributeType::XOR_PEER_ADDRESS => (|input| xor_address::parse(id, input))
                .map(Self::XorPeerAddress)
                .parse_complete(value),
            AttributeType::DATA => octets("data").map(Self::Data).parse_complete(value),
            AttributeType::XOR_RELAYED_ADDRESS => (|input| xor_address::parse(id, input))
                .map(Self::XorRelayedAddress)
                .parse_complete(value),
            AttributeType::REQUESTED_ADDRESS_FAMILY => {
                Family::parse.map(Self::RequestedAddressFamily).parse_complete(value)
            }
            AttributeType::EVEN_PORT => EvenPort::parse.map(Self::EvenPort).parse_complete(value),
            AttributeType::REQUESTED_TRANSPORT => {
                RequestedTransport::parse.map(Self::RequestedTransport).parse_complete(value)
            }
            AttributeType::DONT_FRAGMENT => Ok((value, Self::DontFragment)),
            AttributeType::RESERVATION_TOKEN => {
                ReservationToken::parse.map(Self::ReservationToken).parse_complete(value)
            }
            AttributeType::ADDITIONAL_ADDRESS_FAMILY => {
                Family::parse.map(Self::AdditionalAddressFamily).parse_complete(value)
            }
            AttributeType::ADDRESS_ERROR_CODE => (|input| AddressErrorCode::parse(input, keep))
                .map(Self::AddressErrorCode)
                .parse_complete(value),
            AttributeType::ICMP => Icmp::parse.map(Self::Icmp).parse_complete(value),
            AttributeType::CHANGE_REQUEST => {
                ChangeRequest::parse.map(Self::ChangeRequest).parse_complete(value)
            }
            AttributeType::RESPONSE_ORIGIN => {
                address::parse.map(Self::ResponseOrigin).parse_complete(value)
            }
            AttributeType::OTHER_ADDRESS => {
                address::parse.map(Self::OtherAddress).parse_complete(value)
            }
            AttributeType::RESPONSE_PORT => {
                response_port::parse.map(Self::ResponsePort).parse_complete(value)
            }
            AttributeType::PADDING => {
                octets("padding octets").map(Self::Padding).parse_complete(value)
            }
            ty => field("value", rest.map(|octets| Self::Unknown { ty, value: keep(octets) }))
                .parse_complete(value),
        }
    }

    /// Writes one attribute with its padding.
    pub(crate) fn write(&self, id: &TransactionId, out: &mut BytesMut) {
        write_envelope(self.attribute_type(), out, |out| match self {
            Self::MappedAddress(value)
            | Self::AlternateServer(value)
            | Self::ResponseOrigin(value)
            | Self::OtherAddress(value) => address::write(value, out),
            Self::XorMappedAddress(value)
            | Self::XorPeerAddress(value)
            | Self::XorRelayedAddress(value) => xor_address::write(id, value, out),
            Self::Username(value)
            | Self::Realm(value)
            | Self::Nonce(value)
            | Self::Software(value)
            | Self::AlternateDomain(value) => value.write(out),
            Self::Userhash(value) => userhash::write(value, out),
            Self::ErrorCode(value) => value.write(out),
            Self::PasswordAlgorithms(value) => PasswordAlgorithm::write_list(value, out),
            Self::PasswordAlgorithm(value) => value.write(out),
            Self::UnknownAttributes(value) => unknown_attributes::write(value, out),
            Self::Priority(value) | Self::Nomination(value) => out.put_u32(*value),
            Self::UseCandidate | Self::DontFragment => {}
            Self::IceControlled(value) | Self::IceControlling(value) => out.put_u64(*value),
            Self::ChannelNumber(value) => value.write(out),
            Self::Lifetime(value) => lifetime::write(*value, out),
            Self::RequestedAddressFamily(value) | Self::AdditionalAddressFamily(value) => {
                value.write(out);
            }
            Self::EvenPort(value) => value.write(out),
            Self::RequestedTransport(value) => value.write(out),
            Self::ReservationToken(value) => value.write(out),
            Self::AddressErrorCode(value) => value.write(out),
            Self::Icmp(value) => value.write(out),
            Self::ChangeRequest(value) => value.write(out),
            Self::ResponsePort(value) => response_port::write(*value, out),
            Self::Data(value) | Self::Padding(value) | Self::Unknown { value, .. } => {
                out.put_slice(value);
            }
        });
    }
}

/// The type at the front of `input`, without consuming it.
pub(crate) fn peek_type(input: &[u8]) -> Result<AttributeType, ParseError> {
    match input {
        [high, low, ..] => Ok(AttributeType(u16::from_be_bytes([*high, *low]))),
        _ => Err(ParseError::forbidden("attribute", input.len())),
    }
}

/// Parses type, length, value and padding; `parse_value` must consume the whole value.
///
/// The whole attribute is a field with the attribute's name, enclosing the others.
pub(crate) fn envelope<'a, T: std::fmt::Debug>(
    input: &'a [u8],
    parse_value: impl Fn(AttributeType, &'a [u8]) -> Parsed<'a, T>,
) -> Parsed<'a, T> {
    let name = peek_type(input).map_err(nom::Err::Error)?.name();
    let whole = |input| {
        let (rest, ty) = field("type", be_u16.map(AttributeType))(input)?;
        let (rest, length) = field("length", be_u16)(rest)?;
        let (rest, value) =
            take(length).parse_complete(rest).map_err(|_: nom::Err<ParseError>| {
                nom::Err::Error(ParseError::forbidden("length", rest.len() + 2))
            })?;
        let (left_over, parsed) = parse_value(ty, value)?;
        if !left_over.is_empty() {
            return Err(nom::Err::Error(ParseError::forbidden(name, left_over.len())));
        }
        let (rest, _) = field("padding", take(padding_of(usize::from(length))))(rest)?;
        Ok((rest, parsed))
    };
    field(name, whole)(input)
}

/// Writes type, length, the value that `write_value` writes, and padding.
pub(crate) fn write_envelope(
    ty: AttributeType,
    out: &mut BytesMut,
    write_value: impl FnOnce(&mut BytesMut),
) {
    let start = out.len();
    out.put_u16(ty.0);
    out.put_u16(0);
    write_value(out);
    let length = out.len() - start - TYPE_AND_LENGTH;
    write_padding(length, out);
    if let Some(octets) = out.get_mut(start + 2..start + TYPE_AND_LENGTH) {
        // A value beyond 65,535 octets is not written at all: see `Message::encode`.
        octets.copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    }
}

/// Octets that bring `length` to a multiple of four (RFC 8489 §14).
pub(crate) fn padding_of(length: usize) -> usize {
    length.wrapping_neg() % 4
}

/// Writes that many zeros (RFC 8489 §14: "MUST be set to zero on sending").
pub(crate) fn write_padding(length: usize, out: &mut BytesMut) {
    out.put_bytes(0, padding_of(length));
}

#[cfg(test)]
pub(crate) mod tests;
