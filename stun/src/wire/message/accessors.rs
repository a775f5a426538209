//! What a message says: its attributes by name.
//!
//! Of an attribute that stands there more than once the first counts (RFC 8489 §14), but for those of
//! which a list is asked: RFC 8656 §10.1 (XOR-PEER-ADDRESS), §7.3 (XOR-RELAYED-ADDRESS).
//! Book: "Relay".

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::super::address_error_code::AddressErrorCode;
use super::super::attribute::Attribute;
use super::super::change_request::ChangeRequest;
use super::super::channel_number::ChannelNumber;
use super::super::even_port::EvenPort;
use super::super::family::Family;
use super::super::icmp::Icmp;
use super::super::password_algorithms::PasswordAlgorithm;
use super::super::requested_transport::RequestedTransport;
use super::super::reservation_token::ReservationToken;
use super::Message;

impl Message {
    /// ALTERNATE-SERVER (RFC 8489 §14.15).
    #[must_use]
    pub fn alternate_server(&self) -> Option<SocketAddr> {
        self.first(|a| if let Attribute::AlternateServer(value) = a { Some(*value) } else { None })
    }

    /// NOMINATION (draft-thatcher-ice-renomination).
    #[must_use]
    pub fn nomination(&self) -> Option<u32> {
        self.first(|a| if let Attribute::Nomination(value) = a { Some(*value) } else { None })
    }

    /// CHANNEL-NUMBER (RFC 8656 §18.1).
    #[must_use]
    pub fn channel_number(&self) -> Option<ChannelNumber> {
        self.first(|a| if let Attribute::ChannelNumber(value) = a { Some(*value) } else { None })
    }

    /// LIFETIME (RFC 8656 §18.2).
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.first(|a| if let Attribute::Lifetime(value) = a { Some(*value) } else { None })
    }

    /// The first XOR-PEER-ADDRESS (RFC 8656 §18.3).
    #[must_use]
    pub fn xor_peer_address(&self) -> Option<SocketAddr> {
        self.first(|a| if let Attribute::XorPeerAddress(value) = a { Some(*value) } else { None })
    }

    /// REQUESTED-ADDRESS-FAMILY (RFC 8656 §18.6).
    #[must_use]
    pub fn requested_address_family(&self) -> Option<Family> {
        self.first(|a| {
            if let Attribute::RequestedAddressFamily(value) = a { Some(*value) } else { None }
        })
    }

    /// EVEN-PORT (RFC 8656 §18.7).
    #[must_use]
    pub fn even_port(&self) -> Option<EvenPort> {
        self.first(|a| if let Attribute::EvenPort(value) = a { Some(*value) } else { None })
    }

    /// REQUESTED-TRANSPORT (RFC 8656 §18.8).
    #[must_use]
    pub fn requested_transport(&self) -> Option<RequestedTransport> {
        self.first(
            |a| if let Attribute::RequestedTransport(value) = a { Some(*value) } else { None },
        )
    }

    /// RESERVATION-TOKEN (RFC 8656 §18.10).
    #[must_use]
    pub fn reservation_token(&self) -> Option<ReservationToken> {
        self.first(|a| if let Attribute::ReservationToken(value) = a { Some(*value) } else { None })
    }

    /// ADDITIONAL-ADDRESS-FAMILY (RFC 8656 §18.11).
    #[must_use]
    pub fn additional_address_family(&self) -> Option<Family> {
        self.first(|a| {
            if let Attribute::AdditionalAddressFamily(value) = a { Some(*value) } else { None }
        })
    }

    /// ICMP (RFC 8656 §18.13).
    #[must_use]
    pub fn icmp(&self) -> Option<Icmp> {
        self.first(|a| if let Attribute::Icmp(value) = a { Some(*value) } else { None })
    }

    /// CHANGE-REQUEST (RFC 5780 §7.2).
    #[must_use]
    pub fn change_request(&self) -> Option<ChangeRequest> {
        self.first(|a| if let Attribute::ChangeRequest(value) = a { Some(*value) } else { None })
    }

    /// RESPONSE-ORIGIN (RFC 5780 §7.3).
    #[must_use]
    pub fn response_origin(&self) -> Option<SocketAddr> {
        self.first(|a| if let Attribute::ResponseOrigin(value) = a { Some(*value) } else { None })
    }

    /// OTHER-ADDRESS (RFC 5780 §7.4).
    #[must_use]
    pub fn other_address(&self) -> Option<SocketAddr> {
        self.first(|a| if let Attribute::OtherAddress(value) = a { Some(*value) } else { None })
    }

    /// RESPONSE-PORT (RFC 5780 §7.5).
    #[must_use]
    pub fn response_port(&self) -> Option<u16> {
        self.first(|a| if let Attribute::ResponsePort(value) = a { Some(*value) } else { None })
    }

    /// USERHASH (RFC 8489 §14.4).
    #[must_use]
    pub fn userhash(&self) -> Option<&[u8; 32]> {
        self.first(|a| if let Attribute::Userhash(value) = a { Some(value) } else { None })
    }

    /// PASSWORD-ALGORITHM (RFC 8489 §14.12).
    #[must_use]
    pub fn password_algorithm(&self) -> Option<&PasswordAlgorithm> {
        self.first(|a| if let Attribute::PasswordAlgorithm(value) = a { Some(value) } else { None })
    }

    /// DATA (RFC 8656 §18.4).
    #[must_use]
    pub fn data(&self) -> Option<&Bytes> {
        self.first(|a| if let Attribute::Data(value) = a { Some(value) } else { None })
    }

    /// ADDRESS-ERROR-CODE (RFC 8656 §18.12).
    #[must_use]
    pub fn address_error_code(&self) -> Option<&AddressErrorCode> {
        self.first(|a| if let Attribute::AddressErrorCode(value) = a { Some(value) } else { None })
    }

    /// PASSWORD-ALGORITHMS, in the server's order of preference (RFC 8489 §14.11).
    #[must_use]
    pub fn password_algorithms(&self) -> Option<&[PasswordAlgorithm]> {
        self.first(|a| match a {
            Attribute::PasswordAlgorithms(value) => Some(value.as_slice()),
            _ => None,
        })
    }

    /// Whether DONT-FRAGMENT is there (RFC 8656 §18.9).
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.attributes.contains(&Attribute::DontFragment)
    }

    /// Each XOR-PEER-ADDRESS: a CreatePermission request may have several (RFC 8656 §10.1).
    pub fn xor_peer_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::XorPeerAddress(address) => Some(*address),
            _ => None,
        })
    }

    /// Each XOR-RELAYED-ADDRESS: a dual allocation has two (RFC 8656 §7.3).
    pub fn xor_relayed_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::XorRelayedAddress(address) => Some(*address),
            _ => None,
        })
    }
}
