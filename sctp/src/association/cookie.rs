//! The state cookie: the answer to an INIT, kept by the one who asked (RFC 9260 §5.1.3).
//!
//! Answering an INIT costs no memory: all that the association will need goes into the cookie of
//! the INIT ACK, sealed with HMAC-SHA-256 under a key that never leaves this process, and comes
//! back in the COOKIE ECHO. A cookie that we did not make, or that was altered, is not even
//! answered.
//!
//! ```text
//! issued(8) local tag(4) local TSN(4) remote tag(4) remote TSN(4) remote a_rwnd(4)
//! outbound(2) inbound(2) tie tags(4+4) extensions(1)   then the MAC(32)
//! ```
//!
//! Book: the chapter on the association.

use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, TryGetError};
use rand::Rng;
use rand::rngs::StdRng;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::tcb::{Identity, Remote};
use crate::Error;
use crate::wire::{Tsn, VerificationTag};

const MAC_LENGTH: usize = 32;
const STATE_LENGTH: usize = 41;
/// Octets of a cookie, always: anything else is not ours and not worth a MAC's time.
pub(crate) const LENGTH: usize = STATE_LENGTH + MAC_LENGTH;

const FORWARD_TSN: u8 = 1;
const RE_CONFIG: u8 = 2;

/// The association that an INIT and our INIT ACK agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cookie {
    /// Our tag and first TSN, as in the INIT ACK.
    pub(crate) local: Identity,
    /// What the INIT said, streams already limited to what both sides want.
    pub(crate) remote: Remote,
    /// Our and the remote tag of the association that existed when the INIT came (RFC 9260
    /// §5.2.2); zero if there was none.
    pub(crate) tie_tags: [VerificationTag; 2],
}

/// The key, and the moment from which cookies count their age.
pub(crate) struct CookieJar {
    key: hmac::Key,
    epoch: Instant,
}

impl std::fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CookieJar").finish_non_exhaustive()
    }
}

impl CookieJar {
    pub(crate) fn new(now: Instant, rng: &mut StdRng) -> Self {
        let mut key = [0; MAC_LENGTH];
        if SystemRandom::new().fill(&mut key).is_err() {
            // `StdRng` is a cryptographic generator too, seeded once from the same source.
            rng.fill_bytes(&mut key);
        }
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), epoch: now }
    }

    /// The octets of a cookie issued `now`.
    pub(crate) fn seal(&self, now: Instant, cookie: &Cookie) -> Bytes {
        let issued = now.saturating_duration_since(self.epoch).as_millis();
        let mut out = Vec::with_capacity(LENGTH);
        out.put_u64(u64::try_from(issued).unwrap_or(u64::MAX));
        cookie.write(&mut out);
        let mac = hmac::sign(&self.key, &out);
        out.extend_from_slice(mac.as_ref());
        Bytes::from(out)
    }

    /// The cookie in `octets`, and its age.
    pub(crate) fn open(&self, now: Instant, octets: &[u8]) -> Result<(Cookie, Duration), Error> {
        if octets.len() != LENGTH {
            return Err(Error::ForgedCookie);
        }
        let (mut state, mac) = octets.split_at_checked(STATE_LENGTH).unwrap_or_default();
        hmac::verify(&self.key, state, mac).map_err(|_| Error::ForgedCookie)?;
        let issued = state.try_get_u64().map_err(|_| Error::ForgedCookie)?;
        let cookie = Cookie::read(&mut state).map_err(|_| Error::ForgedCookie)?;
        let since_epoch = now.saturating_duration_since(self.epoch);
        Ok((cookie, since_epoch.saturating_sub(Duration::from_millis(issued))))
    }
}

impl Cookie {
    fn read(input: &mut &[u8]) -> Result<Self, TryGetError> {
        let local = Identity {
            tag: VerificationTag(input.try_get_u32()?),
            initial_tsn: Tsn(input.try_get_u32()?),
        };
        let tag = VerificationTag(input.try_get_u32()?);
        let initial_tsn = Tsn(input.try_get_u32()?);
        let window = input.try_get_u32()?;
        let outbound_streams = input.try_get_u16()?;
        let inbound_streams = input.try_get_u16()?;
        let tie_tags =
            [VerificationTag(input.try_get_u32()?), VerificationTag(input.try_get_u32()?)];
        let extensions = input.try_get_u8()?;
        let remote = Remote {
            tag,
            initial_tsn,
            window,
            outbound_streams,
            inbound_streams,
            forward_tsn: extensions & FORWARD_TSN != 0,
            re_config: extensions & RE_CONFIG != 0,
        };
        Ok(Self { local, remote, tie_tags })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.put_u32(self.local.tag.0);
        out.put_u32(self.local.initial_tsn.0);
        out.put_u32(self.remote.tag.0);
        out.put_u32(self.remote.initial_tsn.0);
        out.put_u32(self.remote.window);
        out.put_u16(self.remote.outbound_streams);
        out.put_u16(self.remote.inbound_streams);
        out.put_u32(self.tie_tags[0].0);
        out.put_u32(self.tie_tags[1].0);
        let forward_tsn = if self.remote.forward_tsn { FORWARD_TSN } else { 0 };
        let re_config = if self.remote.re_config { RE_CONFIG } else { 0 };
        out.put_u8(forward_tsn | re_config);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn cookie() -> Cookie {
        Cookie {
            local: Identity { tag: VerificationTag(1), initial_tsn: Tsn(2) },
            remote: Remote {
                tag: VerificationTag(3),
                initial_tsn: Tsn(4),
                window: 5,
                outbound_streams: 6,
                inbound_streams: 7,
                forward_tsn: true,
                re_config: false,
            },
            tie_tags: [VerificationTag(8), VerificationTag(9)],
        }
    }

    #[test]
    fn round_trip_with_age() {
        let start = Instant::now();
        let jar = CookieJar::new(start, &mut StdRng::seed_from_u64(0));
        let octets = jar.seal(start + Duration::from_secs(5), &cookie());
        assert_eq!(octets.len(), LENGTH);
        let (opened, age) = jar.open(start + Duration::from_secs(65), &octets).unwrap();
        assert_eq!(opened, cookie());
        assert_eq!(age, Duration::from_secs(60));
    }

    #[test]
    fn row_70_every_altered_octet_is_noticed() {
        let now = Instant::now();
        let jar = CookieJar::new(now, &mut StdRng::seed_from_u64(0));
        let octets = jar.seal(now, &cookie());
        for at in 0..octets.len() {
            let mut altered = octets.to_vec();
            altered[at] ^= 1;
            assert_eq!(jar.open(now, &altered), Err(Error::ForgedCookie));
        }
        for length in [0, 1, LENGTH - 1] {
            assert_eq!(jar.open(now, &octets[..length]), Err(Error::ForgedCookie));
        }
        assert_eq!(jar.open(now, &[0; 65_535]), Err(Error::ForgedCookie));
    }

    #[test]
    fn row_70_a_cookie_of_another_endpoint_is_forged() {
        let now = Instant::now();
        let ours = CookieJar::new(now, &mut StdRng::seed_from_u64(0));
        let theirs = CookieJar::new(now, &mut StdRng::seed_from_u64(0));
        let octets = theirs.seal(now, &cookie());
        assert_eq!(ours.open(now, &octets), Err(Error::ForgedCookie));
    }
}
