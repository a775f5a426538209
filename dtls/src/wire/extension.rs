//! Extensions of the hello messages (RFC 5246 §7.4.1.4).
//!
//! ```text
//! struct {
//!   ExtensionType extension_type;            2 octets
//!   opaque extension_data<0..2^16-1>;        what it means depends on the type
//! } Extension;
//!
//! Extension extensions<0..2^16-1>;           the last field of a hello, or missing altogether
//! ```
//!
//! They come in any order (Chromium permutes them on every connection) and an unknown one is no
//! error, so they are found by type. That no type may come twice is the state machine's rule
//! ([`Extensions::duplicate`]). Book: "The handshake and keys".

use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::be_u16;

use super::field::{Parsed, field};
use super::registry::registry;
use super::vector::{Prefix, elements, whole, write_vector};

mod ec_point_formats;
mod extended_master_secret;
mod renegotiation_info;
mod signature_algorithms;
mod supported_groups;
mod supported_versions;
mod use_srtp;

pub use ec_point_formats::{EcPointFormat, EcPointFormats};
pub use extended_master_secret::ExtendedMasterSecret;
pub use renegotiation_info::RenegotiationInfo;
pub use signature_algorithms::{SignatureAlgorithms, SignatureScheme};
pub use supported_groups::{NamedGroup, SupportedGroups};
pub use supported_versions::SupportedVersions;
pub use use_srtp::{SrtpProtectionProfile, UseSrtp};

registry! {
    /// Which extension it is (RFC 5246 §7.4.1.4).
    pub struct ExtensionType(u16);
    /// RFC 6066 §3.
    SERVER_NAME = 0, "server_name";
    /// RFC 8422 §5.1.1.
    SUPPORTED_GROUPS = 10, "supported_groups";
    /// RFC 8422 §5.1.2.
    EC_POINT_FORMATS = 11, "ec_point_formats";
    /// RFC 5246 §7.4.1.4.1.
    SIGNATURE_ALGORITHMS = 13, "signature_algorithms";
    /// RFC 5764 §4.1.1.
    USE_SRTP = 14, "use_srtp";
    /// RFC 7301 §3.1.
    APPLICATION_LAYER_PROTOCOL_NEGOTIATION = 16, "application_layer_protocol_negotiation";
    /// RFC 7627 §5.1.
    EXTENDED_MASTER_SECRET = 23, "extended_master_secret";
    /// RFC 8449 §4.
    RECORD_SIZE_LIMIT = 28, "record_size_limit";
    /// RFC 9345 §4.1.
    DELEGATED_CREDENTIAL = 34, "delegated_credential";
    /// RFC 5077 §3.2.
    SESSION_TICKET = 35, "session_ticket";
    /// RFC 8446 §4.2.1.
    SUPPORTED_VERSIONS = 43, "supported_versions";
    /// RFC 8446 §4.2.2.
    COOKIE = 44, "cookie";
    /// RFC 8446 §4.2.9.
    PSK_KEY_EXCHANGE_MODES = 45, "psk_key_exchange_modes";
    /// RFC 8446 §4.2.8.
    KEY_SHARE = 51, "key_share";
    /// RFC 5746 §3.2.
    RENEGOTIATION_INFO = 0xff01, "renegotiation_info";
}

/// One extension (RFC 5246 §7.4.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extension {
    /// RFC 8422 §5.1.1.
    SupportedGroups(SupportedGroups),
    /// RFC 8422 §5.1.2.
    EcPointFormats(EcPointFormats),
    /// RFC 5246 §7.4.1.4.1.
    SignatureAlgorithms(SignatureAlgorithms),
    /// RFC 5764 §4.1.1.
    UseSrtp(UseSrtp),
    /// RFC 7627 §5.1.
    ExtendedMasterSecret(ExtendedMasterSecret),
    /// RFC 8446 §4.2.1.
    SupportedVersions(SupportedVersions),
    /// RFC 5746 §3.2.
    RenegotiationInfo(RenegotiationInfo),
    /// Any other: kept as it is.
    Unknown {
        /// The type.
        extension_type: ExtensionType,
        /// The data, at most 2^16 - 1 octets.
        extension_data: Vec<u8>,
    },
}

impl Extension {
    fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, ty) = field("extension_type", be_u16.map(ExtensionType))(input)?;
        let (input, length) = field("length", be_u16)(input)?;
        field("extension_data", take(length).and_then(|data| Self::data(ty, data)))(input)
    }

    /// Parses the data of an extension of type `ty`, all of it.
    fn data(ty: ExtensionType, data: &[u8]) -> Parsed<'_, Self> {
        let extension = match ty {
            ExtensionType::SUPPORTED_GROUPS => {
                whole(data, SupportedGroups::parsed).map(Self::SupportedGroups)
            }
            ExtensionType::EC_POINT_FORMATS => {
                whole(data, EcPointFormats::parsed).map(Self::EcPointFormats)
            }
            ExtensionType::SIGNATURE_ALGORITHMS => {
                whole(data, SignatureAlgorithms::parsed).map(Self::SignatureAlgorithms)
            }
            ExtensionType::USE_SRTP => whole(data, UseSrtp::parsed).map(Self::UseSrtp),
            ExtensionType::EXTENDED_MASTER_SECRET => {
                whole(data, ExtendedMasterSecret::parsed).map(Self::ExtendedMasterSecret)
            }
            ExtensionType::SUPPORTED_VERSIONS => {
                whole(data, SupportedVersions::parsed).map(Self::SupportedVersions)
            }
            ExtensionType::RENEGOTIATION_INFO => {
                whole(data, RenegotiationInfo::parsed).map(Self::RenegotiationInfo)
            }
            extension_type => Ok(Self::Unknown { extension_type, extension_data: data.to_vec() }),
        };
        // `whole` left nothing: the rest is the empty end of `data`.
        let end = data.get(data.len()..).unwrap_or_default();
        extension.map(|extension| (end, extension)).map_err(nom::Err::Error)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.extension_type().0.to_be_bytes());
        write_vector(out, Prefix::Two, |out| match self {
            Self::SupportedGroups(groups) => groups.write(out),
            Self::EcPointFormats(formats) => formats.write(out),
            Self::SignatureAlgorithms(algorithms) => algorithms.write(out),
            Self::UseSrtp(use_srtp) => use_srtp.write(out),
            Self::ExtendedMasterSecret(empty) => empty.write(out),
            Self::SupportedVersions(versions) => versions.write(out),
            Self::RenegotiationInfo(info) => info.write(out),
            Self::Unknown { extension_data, .. } => out.extend_from_slice(extension_data),
        });
    }

    /// Which extension it is.
    #[must_use]
    pub fn extension_type(&self) -> ExtensionType {
        match self {
            Self::SupportedGroups(_) => ExtensionType::SUPPORTED_GROUPS,
            Self::EcPointFormats(_) => ExtensionType::EC_POINT_FORMATS,
            Self::SignatureAlgorithms(_) => ExtensionType::SIGNATURE_ALGORITHMS,
            Self::UseSrtp(_) => ExtensionType::USE_SRTP,
            Self::ExtendedMasterSecret(_) => ExtensionType::EXTENDED_MASTER_SECRET,
            Self::SupportedVersions(_) => ExtensionType::SUPPORTED_VERSIONS,
            Self::RenegotiationInfo(_) => ExtensionType::RENEGOTIATION_INFO,
            Self::Unknown { extension_type, .. } => *extension_type,
        }
    }
}

/// The extensions of a hello, in the order sent (RFC 5246 §7.4.1.4). None: the block is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions(pub Vec<Extension>);

/// `extensions.use_srtp()`: the first extension of a kind.
macro_rules! first {
    ($($(#[$doc:meta])* $method:ident: $variant:ident($ty:ty);)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $method(&self) -> Option<&$ty> {
                self.0.iter().find_map(|extension| match extension {
                    Extension::$variant(inner) => Some(inner),
                    _ => None,
                })
            }
        )*
    };
}

impl Extensions {
    first! {
        /// The groups, if sent (RFC 8422 §5.1.1).
        supported_groups: SupportedGroups(SupportedGroups);
        /// The point formats, if sent (RFC 8422 §5.1.2).
        ec_point_formats: EcPointFormats(EcPointFormats);
        /// The signature algorithms, if sent (RFC 5246 §7.4.1.4.1).
        signature_algorithms: SignatureAlgorithms(SignatureAlgorithms);
        /// The SRTP profiles, if sent (RFC 5764 §4.1.1).
        use_srtp: UseSrtp(UseSrtp);
        /// Whether the master secret covers the handshake (RFC 7627 §5.1).
        extended_master_secret: ExtendedMasterSecret(ExtendedMasterSecret);
        /// The versions, if sent (RFC 8446 §4.2.1).
        supported_versions: SupportedVersions(SupportedVersions);
        /// The renegotiation indication, if sent (RFC 5746 §3.2).
        renegotiation_info: RenegotiationInfo(RenegotiationInfo);
    }

    /// The types in the order sent.
    pub fn types(&self) -> impl Iterator<Item = ExtensionType> + '_ {
        self.0.iter().map(Extension::extension_type)
    }

    /// A type that occurs twice, which RFC 5246 §7.4.1.4 forbids.
    #[must_use]
    pub fn duplicate(&self) -> Option<ExtensionType> {
        let mut types: Vec<_> = self.types().collect();
        types.sort_unstable();
        types.windows(2).find_map(|pair| match pair {
            [a, b] if a == b => Some(*a),
            _ => None,
        })
    }

    /// Parses the block at the end of a hello; a hello that ends before it has none.
    pub(super) fn parsed_or_missing(input: &[u8]) -> Parsed<'_, Self> {
        if input.is_empty() {
            return Ok((input, Self::default()));
        }
        let extension = field("extension", Extension::parsed);
        field("extensions", elements(Prefix::Two, 0, extension).map(Self))(input)
    }

    /// Appends the block, or nothing if there are no extensions.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if !self.0.is_empty() {
            write_vector(out, Prefix::Two, |out| self.0.iter().for_each(|e| e.write(out)));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::ProtocolVersion;
    use crate::wire::testing::codec_properties;

    fn list<T>(of: fn(u16) -> T, max: usize) -> impl Strategy<Value = Vec<T>>
    where
        T: std::fmt::Debug,
    {
        prop::collection::vec(any::<u16>().prop_map(of), 1..max)
    }

    pub(crate) fn any_extension() -> impl Strategy<Value = Extension> {
        let octets = |max| prop::collection::vec(any::<u8>(), 0..max);
        prop_oneof![
            list(NamedGroup, 8).prop_map(|all| Extension::SupportedGroups(SupportedGroups(all))),
            prop::collection::vec(any::<u8>().prop_map(EcPointFormat), 1..4)
                .prop_map(|all| Extension::EcPointFormats(EcPointFormats(all))),
            list(SignatureScheme, 12)
                .prop_map(|all| Extension::SignatureAlgorithms(SignatureAlgorithms(all))),
            (list(SrtpProtectionProfile, 5), octets(9)).prop_map(|(profiles, srtp_mki)| {
                Extension::UseSrtp(UseSrtp { profiles, srtp_mki })
            }),
            Just(Extension::ExtendedMasterSecret(ExtendedMasterSecret)),
            list(ProtocolVersion, 127)
                .prop_map(|all| Extension::SupportedVersions(SupportedVersions::Offered(all))),
            any::<u16>().prop_map(|version| {
                let version = SupportedVersions::Selected(ProtocolVersion(version));
                Extension::SupportedVersions(version)
            }),
            octets(13).prop_map(|renegotiated_connection| {
                Extension::RenegotiationInfo(RenegotiationInfo { renegotiated_connection })
            }),
            (200..60000_u16, octets(50)).prop_map(|(ty, extension_data)| Extension::Unknown {
                extension_type: ExtensionType(ty),
                extension_data,
            }),
        ]
    }

    pub(crate) fn any_extensions() -> impl Strategy<Value = Extensions> {
        prop::collection::vec(any_extension(), 0..7).prop_map(Extensions)
    }

    codec_properties!(any_extensions(), Extensions::write, |octets: &[u8]| whole(
        octets,
        Extensions::parsed_or_missing
    ));

    /// The data of one extension, in the place where it is parsed.
    fn data(ty: ExtensionType, data: &[u8]) -> Result<Extension, crate::wire::ParseError> {
        whole(data, |data| Extension::data(ty, data))
    }

    #[test]
    fn row_51_a_type_sent_twice_is_found() {
        let empty = Extension::ExtendedMasterSecret(ExtendedMasterSecret);
        let other = Extension::RenegotiationInfo(RenegotiationInfo::default());
        let once = Extensions(vec![empty.clone(), other.clone()]);
        assert_eq!(once.duplicate(), None);
        let twice = Extensions(vec![empty.clone(), other, empty]);
        assert_eq!(twice.duplicate(), Some(ExtensionType::EXTENDED_MASTER_SECRET));
    }

    #[test]
    fn supported_versions_of_either_hello() {
        let ty = ExtensionType::SUPPORTED_VERSIONS;
        let offered = data(ty, &[6, 0xfe, 0xfc, 0xfe, 0xfd, 3, 3]).unwrap();
        let versions = [0xfefc, 0xfefd, 0x0303].map(ProtocolVersion).to_vec();
        assert_eq!(offered, Extension::SupportedVersions(SupportedVersions::Offered(versions)));
        let selected = SupportedVersions::Selected(ProtocolVersion::DTLS_1_3);
        assert_eq!(data(ty, &[0xfe, 0xfc]), Ok(Extension::SupportedVersions(selected)));
    }

    #[test]
    fn data_that_does_not_fill_its_extension_is_an_error() {
        assert!(data(ExtensionType::EXTENDED_MASTER_SECRET, &[0]).is_err());
        assert!(data(ExtensionType::SUPPORTED_GROUPS, &[0, 0]).is_err());
        assert!(data(ExtensionType::SUPPORTED_GROUPS, &[0, 3, 0, 29, 0]).is_err());
        assert!(data(ExtensionType::EC_POINT_FORMATS, &[0]).is_err());
        assert!(data(ExtensionType::USE_SRTP, &[0, 2, 0, 1]).is_err());
        assert!(data(ExtensionType::RENEGOTIATION_INFO, &[0, 0]).is_err());
        assert!(data(ExtensionType::SUPPORTED_VERSIONS, &[]).is_err());
    }
}
