//! Proving who we are: the client's side of the long-term credential mechanism (RFC 8489 §9.2).
//!
//! ```text
//!   Unasked ── 401 with realm and nonce ──► Challenged ── a response with our integrity ──► Proven
//!                                            ▲      │                                      │    ▲
//!                                            └──────┘ 438: a new nonce                     └────┘
//! ```
//!
//! Invariants: the first request tells nobody who we are; while there is an allocation no response to
//! a sealed request counts without its integrity, but for the two that ask for another proof (401,
//! 438); what was agreed on is not bid down afterwards. Book: "Relay".

use bytes::Bytes;

use super::event::Error;
use crate::turn::User;
use crate::wire::MAX_TEXT_LENGTH;
use crate::{
    Algorithms, Attribute, Class, Code, IntegrityError, Key, Message, PasswordAlgorithm,
    SecurityFeatures, Text, userhash,
};

/// How far the proof has come.
#[derive(Debug)]
pub(super) enum Authentication {
    /// The server has not asked; it may not want to know.
    Unasked,
    /// The server has asked.
    Challenged(Credentials),
    /// The server has answered with the integrity of our key.
    Proven(Credentials),
}

/// What requests are sealed with.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    realm: Text,
    nonce: Text,
    /// USERNAME, or USERHASH if the server does not want names to be seen.
    identity: Attribute,
    key: Key,
    negotiated: Option<Negotiated>,
}

/// How the key is made, where the server has let us choose.
#[derive(Debug, Clone)]
struct Negotiated {
    offered: Vec<PasswordAlgorithm>,
    chosen: PasswordAlgorithm,
}

/// With what a request was sealed, to check its response by.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    key: Key,
    realm: Text,
    nonce: Text,
    /// With MESSAGE-INTEGRITY-SHA256, so the response must have it too.
    sha256: bool,
}

impl Authentication {
    /// Writes a request, sealed if the server has asked for that.
    pub(super) fn seal(&self, request: Message) -> (Message, Bytes, Option<Seal>) {
        let (Self::Challenged(credentials) | Self::Proven(credentials)) = self else {
            let octets = request.encode(None);
            return (request, octets, None);
        };
        let Credentials { realm, nonce, identity, key, negotiated } = credentials.clone();
        let mut request = request
            .with(identity)
            .with(Attribute::Realm(realm.clone()))
            .with(Attribute::Nonce(nonce.clone()));
        // RFC 8489 §9.2.5: who was offered algorithms uses MESSAGE-INTEGRITY-SHA256 and nothing else.
        let sha256 = negotiated.is_some();
        let algorithms = if sha256 { Algorithms::Sha256 } else { Algorithms::Sha1 };
        if let Some(Negotiated { offered, chosen }) = negotiated {
            request = request
                .with(Attribute::PasswordAlgorithms(offered))
                .with(Attribute::PasswordAlgorithm(chosen));
        }
        let octets = request.encode_with(Some(&key), algorithms);
        (request, octets, Some(Seal { key, realm, nonce, sha256 }))
    }

    /// Whether a response to a request with this seal may be believed (RFC 8489 §9.2.5).
    ///
    /// DEVIATION RFC 8489 §9.2.5: while there is no allocation to lose, an error response without
    /// integrity is believed. Servers send them (coturn its 437 to Allocate), users want to know the
    /// reason, and the answers to the first request are not better.
    pub(super) fn admit(
        &mut self,
        seal: Option<&Seal>,
        response: &Message,
        has_something_to_lose: bool,
    ) -> Result<(), Error> {
        let too_long = |text: &Text| text.as_bytes().len() > MAX_TEXT_LENGTH;
        if response.realm().is_some_and(too_long) || response.nonce().is_some_and(too_long) {
            return Err(Error::TooLong);
        }
        if is_challenge(response) {
            return Ok(());
        }
        if is_bid_down(response) {
            return Err(Error::BidDown);
        }
        let Some(seal) = seal else { return Ok(()) };
        let is_bare_error = response.class == Class::Error && !response.has_integrity();
        if is_bare_error && !has_something_to_lose {
            return Ok(());
        }
        response.verify(&seal.key)?;
        if seal.sha256 && !response.has_sha256_integrity() {
            return Err(IntegrityError::Mismatch.into());
        }
        if let Self::Challenged(credentials) = self {
            *self = Self::Proven(credentials.clone());
        }
        Ok(())
    }

    // ANCHOR: answer
    /// Takes the realm and nonce of a 401 or 438; whether the request is worth another try
    /// (RFC 8489 §9.2.5).
    pub(super) fn answer(&mut self, user: &User, seal: Option<&Seal>, response: &Message) -> bool {
        let realm = response.realm().or(seal.map(|seal| &seal.realm));
        let (Some(realm), Some(nonce)) = (realm, response.nonce()) else { return false };
        if is_bid_down(response) {
            return false;
        }
        let is_stale_nonce = response.error_code().is_some_and(|e| e.code == Code::STALE_NONCE);
        let same_again = seal.filter(|seal| seal.realm == *realm && !is_stale_nonce);
        if let Some(seal) = same_again {
            // These very credentials were refused. DEVIATION RFC 8489 §9.2.5: if they had been good
            // and the nonce is another, then that is what 401 means here: some servers say 401 for
            // a nonce that is too old.
            let once_good = matches!(self, Self::Proven(_)) && seal.nonce != *nonce;
            if !once_good {
                return false;
            }
        }
        let offered = response.password_algorithms();
        if offered.is_none() && self.has_negotiated() {
            return false;
        }
        let Some(credentials) = Credentials::new(user, realm, nonce, offered) else {
            return false;
        };
        *self = match self {
            Self::Proven(before) if before.realm == *realm => Self::Proven(credentials),
            _ => Self::Challenged(credentials),
        };
        true
    }
    // ANCHOR_END: answer

    /// Whether the server has asked who we are.
    pub(super) fn is_asked(&self) -> bool {
        !matches!(self, Self::Unasked)
    }

    /// Whether the server has let us choose an algorithm, and has proven that it was the server.
    fn has_negotiated(&self) -> bool {
        matches!(self, Self::Proven(credentials) if credentials.negotiated.is_some())
    }
}

impl Credentials {
    // ANCHOR: credentials
    /// What answers a challenge; `None` if none of the algorithms offered is known here.
    fn new(
        user: &User,
        realm: &Text,
        nonce: &Text,
        offered: Option<&[PasswordAlgorithm]>,
    ) -> Option<Self> {
        let key = |algorithm: &PasswordAlgorithm| {
            Key::long_term(&user.name, realm, &user.password, algorithm)
        };
        let (key, negotiated) = match offered {
            None => (key(&PasswordAlgorithm::md5())?, None),
            Some(offered) => {
                // RFC 8489 §9.2.5: "the first algorithm from the list that the client supports".
                let (key, chosen) = offered.iter().find_map(|a| Some((key(a)?, a.clone())))?;
                (key, Some(Negotiated { offered: offered.to_vec(), chosen }))
            }
        };
        let identity = if SecurityFeatures::of_nonce(nonce).username_anonymity {
            Attribute::Userhash(userhash(&user.name, realm))
        } else {
            Attribute::Username(user.name.as_str().into())
        };
        Some(Self { realm: realm.clone(), nonce: nonce.clone(), identity, key, negotiated })
    }
    // ANCHOR_END: credentials
}

/// Whether a response asks for a proof, or for a newer one.
fn is_challenge(response: &Message) -> bool {
    let code = response.error_code().map(|error| error.code);
    response.class == Class::Error
        && matches!(code, Some(Code::UNAUTHENTICATED | Code::STALE_NONCE))
}

/// Whether algorithms were promised and are gone (RFC 8489 §9.2.1).
fn is_bid_down(response: &Message) -> bool {
    let promised = |nonce: &Text| SecurityFeatures::of_nonce(nonce).password_algorithms;
    response.nonce().is_some_and(promised) && response.password_algorithms().is_none()
}
