//! The master key and salt of one direction, as DTLS exports them. RFC 5764 §4.2, RFC 3711 §4.3.
//!
//! The session keys are derived here, once, and the master key is forgotten: with a key derivation
//! rate of 0 nobody needs it again. Each direction has a master key of its own, so that two endpoints
//! that happen to choose the same SSRC do not share a keystream. Book: the chapter on SRTP.

use std::fmt;

use crate::protection::{Protection, Stream};
use crate::{Error, Profile};

/// What protects the packets of one direction. Wiped from memory when dropped, apart from the copy
/// that ring keeps of a GCM key; `Debug` shows nothing of it.
pub struct MasterKey {
    profile: Profile,
    rtp: Protection,
    rtcp: Protection,
}

impl MasterKey {
    /// From what [`Profile::key_length`] and [`Profile::salt_length`] ask for.
    ///
    /// # Errors
    /// [`Error::KeyLength`], [`Error::SaltLength`].
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        if key.len() != profile.key_length() {
            return Err(Error::KeyLength);
        }
        if salt.len() != profile.salt_length() {
            return Err(Error::SaltLength);
        }
        let rtp = Protection::derive(profile, Stream::Rtp, key, salt)?;
        let rtcp = Protection::derive(profile, Stream::Rtcp, key, salt)?;
        Ok(Self { profile, rtp, rtcp })
    }

    /// The profile it is for.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The session keys of RTP and of RTCP.
    pub(crate) fn session_keys(&self) -> (Protection, Protection) {
        (self.rtp.clone(), self.rtcp.clone())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("profile", &self.profile).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_lengths_are_refused() {
        for profile in Profile::ALL {
            let (key, salt) = (vec![1; profile.key_length()], vec![2; profile.salt_length()]);
            assert!(MasterKey::new(profile, &key, &salt).is_ok());
            let long = [key.as_slice(), &[1]].concat();
            assert_eq!(MasterKey::new(profile, &long, &salt).err(), Some(Error::KeyLength));
            let long = [salt.as_slice(), &[2]].concat();
            assert_eq!(MasterKey::new(profile, &key, &long).err(), Some(Error::SaltLength));
            assert_eq!(MasterKey::new(profile, &[], &[]).err(), Some(Error::KeyLength));
        }
    }

    #[test]
    fn row_80_debug_shows_no_key() {
        let key = MasterKey::new(Profile::AeadAes128Gcm, &[0xab; 16], &[0xcd; 12]).unwrap();
        assert_eq!(format!("{key:?}"), "MasterKey { profile: AeadAes128Gcm, .. }");
    }
}
