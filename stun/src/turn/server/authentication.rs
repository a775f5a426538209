//! Who a request comes from: the server's half of the long-term credential mechanism
//! (RFC 8489 §9.2.4).
//!
//! ```text
//!   no integrity ................................... 401, REALM, NONCE, PASSWORD-ALGORITHMS
//!   no user, realm or nonce beside the integrity ... 400
//!   PASSWORD-ALGORITHMS other than we said ......... 400  (somebody on the way shortened the list)
//!   user unknown, or integrity wrong ............... 401
//!   nonce stale .................................... 438  (the password was right: try at once)
//!   otherwise ...................................... Proof
//! ```
//!
//! The order matters: only one who knows the password learns that the nonce is the problem. Both
//! refusals with a nonce carry all that the next request needs. Invariants: passwords are kept only as
//! keys; a [`Proof`] exists only for a request whose integrity held. Book: "Relay".

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;

use super::allocation::FiveTuple;
use super::nonce::Nonces;
use crate::turn::User;
use crate::{Algorithms, Attribute, Code, Key, Message, PasswordAlgorithm, Text, userhash};

/// A user's place in the list of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct UserId(usize);

/// The users, and the nonces they have to show.
#[derive(Debug)]
pub(super) struct Authentication {
    realm: Text,
    accounts: Vec<Account>,
    names: HashMap<String, UserId>,
    hashes: HashMap<[u8; 32], UserId>,
    nonces: Nonces,
}

#[derive(Debug)]
struct Account {
    md5: Key,
    sha256: Key,
}

/// That a request came from this user, and with what to sign the answer.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub(super) user: UserId,
    key: Key,
    algorithms: Algorithms,
}

impl Proof {
    /// The answer with the same kind of integrity as the request had (RFC 8489 §9.2.4).
    pub(super) fn sign(&self, answer: &Message) -> Bytes {
        answer.encode_with(Some(&self.key), self.algorithms)
    }
}

impl Authentication {
    pub(super) fn new(realm: &str, users: &[User], nonces: Nonces) -> Self {
        let mut authentication = Self {
            realm: Text::new(realm),
            accounts: Vec::with_capacity(users.len()),
            names: HashMap::new(),
            hashes: HashMap::new(),
            nonces,
        };
        for user in users {
            authentication.add(user);
        }
        authentication
    }

    /// Adds a user; of two with the same name the later counts.
    fn add(&mut self, user: &User) {
        let id = UserId(self.accounts.len());
        let key = |algorithm| Key::long_term(&user.name, &self.realm, &user.password, &algorithm);
        let (Some(md5), Some(sha256)) =
            (key(PasswordAlgorithm::md5()), key(PasswordAlgorithm::sha_256()))
        else {
            return; // both algorithms are known
        };
        self.accounts.push(Account { md5, sha256 });
        self.names.insert(user.name.clone(), id);
        self.hashes.insert(userhash(&user.name, &self.realm), id);
    }

    /// Who sent this request.
    pub(super) fn check(
        &self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
    ) -> Result<Proof, Code> {
        let algorithms = request.integrity().ok_or(Code::UNAUTHENTICATED)?;
        let nonce = request.nonce().ok_or(Code::BAD_REQUEST)?;
        let names_itself = request.username().is_some() || request.userhash().is_some();
        if !names_itself || request.realm().is_none() {
            return Err(Code::BAD_REQUEST);
        }
        let algorithm = chosen(request)?;
        let user = match (request.username(), request.userhash()) {
            (Some(name), _) => self.names.get(name),
            (None, Some(hash)) => self.hashes.get(hash),
            (None, None) => None,
        };
        let user = *user.ok_or(Code::UNAUTHENTICATED)?;
        let account = self.accounts.get(user.0).ok_or(Code::UNAUTHENTICATED)?;
        let key =
            if algorithm == PasswordAlgorithm::SHA_256 { &account.sha256 } else { &account.md5 };
        request.verify(key).map_err(|_| Code::UNAUTHENTICATED)?;
        if !self.nonces.is_fresh(now, client.transport, client.remote, nonce) {
            return Err(Code::STALE_NONCE);
        }
        Ok(Proof { user, key: key.clone(), algorithms })
    }

    /// The refusal of a request that [`Self::check`] did not accept. It is not signed: the two sides
    /// do not agree on a key yet.
    pub(super) fn refuse(
        &self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
        code: Code,
    ) -> Message {
        let refusal = Message::error(request, code.into());
        if !matches!(code, Code::UNAUTHENTICATED | Code::STALE_NONCE) {
            return refusal;
        }
        refusal
            .with(Attribute::Realm(self.realm.clone()))
            .with(Attribute::Nonce(self.nonces.issue(now, client.transport, client.remote)))
            .with(Attribute::PasswordAlgorithms(offered()))
    }
}

/// What we say in PASSWORD-ALGORITHMS: the better first.
fn offered() -> Vec<PasswordAlgorithm> {
    vec![PasswordAlgorithm::sha_256(), PasswordAlgorithm::md5()]
}

/// The password algorithm a request was made with: MD5 if it says nothing, as all of RFC 5389 do;
/// else the one it says, if it also repeats the list that we said (RFC 8489 §9.2.4).
fn chosen(request: &Message) -> Result<u16, Code> {
    match (request.password_algorithms(), request.password_algorithm()) {
        (None, None) => Ok(PasswordAlgorithm::MD5),
        (Some(list), Some(one)) if list == offered() && list.contains(one) => Ok(one.algorithm),
        _ => Err(Code::BAD_REQUEST),
    }
}
