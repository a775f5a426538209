//! Names of multicast DNS (RFC 6762): the peer's are looked up, ours are answered for.
//!
//! A browser without permission for the microphone tells `<random>.local` in place of its addresses
//! (draft-ietf-mmusic-mdns-ice-candidates). The protocol of these names is a library's; what is here
//! bounds it: the names are chosen by the peer, and each look-up is heard by the whole network.
//!
//! Book: "Candidates".

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use mdns_sd::{HostnameResolutionEvent, ServiceDaemon, ServiceInfo};
use rand::RngExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::debug;

/// Look-ups at a time, of all connections together.
const MAX_LOOKUPS: usize = 32;

/// How long a name may take. On a local network an answer takes milliseconds, or never comes.
const LOOKUP_TIME: Duration = Duration::from_secs(3);

/// Names of ours at the most: as many as an endpoint tells addresses.
const MAX_OURS: usize = 16;

/// The type of service under which our names are registered: the library knows no name without one.
const SERVICE: &str = "_webrtc._udp.local.";

/// The names of one endpoint. Nothing is sent before the first is needed.
#[derive(Default)]
pub(super) struct Names {
    /// `None` where multicast is not to be had.
    daemon: OnceLock<Option<ServiceDaemon>>,
    ours: Mutex<HashMap<IpAddr, String>>,
}

/// The places for look-ups: the network is one, however many endpoints ask.
static PLACES: Semaphore = Semaphore::const_new(MAX_LOOKUPS);

impl Names {
    /// The address behind a name of the peer's, if somebody answers for it.
    pub(super) async fn look_up(&self, name: &str) -> Option<IpAddr> {
        let Ok(_place) = PLACES.try_acquire() else {
            debug!(name, "too many look-ups");
            return None;
        };
        let daemon = self.daemon()?;
        let full = format!("{}.", name.trim_end_matches('.'));
        let patience = u64::try_from(LOOKUP_TIME.as_millis()).ok();
        let answers = daemon
            .resolve_hostname(&full, patience)
            .inspect_err(|error| debug!(name, %error, "not looked up"))
            .ok()?;
        let found = async {
            loop {
                match answers.recv_async().await.ok()? {
                    HostnameResolutionEvent::AddressesFound(_, addresses) => {
                        let addresses = addresses.iter().map(|address| address.to_ip_addr());
                        if let Some(address) = choose(addresses) {
                            return Some(address);
                        }
                    }
                    HostnameResolutionEvent::SearchTimeout(_)
                    | HostnameResolutionEvent::SearchStopped(_) => return None,
                    _ => {}
                }
            }
        };
        let address = timeout(LOOKUP_TIME, found).await.ok().flatten();
        if let Err(error) = daemon.stop_resolve_hostname(&full) {
            debug!(name, %error, "the look-up goes on");
        }
        debug!(name, ?address, "looked up");
        address
    }

    /// A name for an address of ours, for which we answer from now on. `None` if that is not to be
    /// had: then the address must stay untold.
    pub(super) fn of(&self, address: IpAddr) -> Option<String> {
        let mut ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = ours.get(&address) {
            return Some(name.clone());
        }
        // Nobody else can reach a loopback address, so nobody need find it.
        if address.is_loopback() || ours.len() >= MAX_OURS {
            return None;
        }
        let name = random_name();
        let host = format!("{name}.local.");
        let service = ServiceInfo::new(SERVICE, &name, &host, address, 9, None)
            .map(|mut service| {
                // The name is random: nobody else can have it, and nobody need be asked.
                service.set_requires_probe(false);
                service
            })
            .and_then(|service| self.daemon().map(|daemon| daemon.register(service)).transpose());
        match service {
            Ok(Some(())) => {
                let name = format!("{name}.local");
                ours.insert(address, name.clone());
                Some(name)
            }
            Ok(None) => None,
            Err(error) => {
                debug!(%error, "the address gets no name");
                None
            }
        }
    }

    fn daemon(&self) -> Option<&ServiceDaemon> {
        let start =
            || ServiceDaemon::new().inspect_err(|error| debug!(%error, "no multicast DNS")).ok();
        self.daemon.get_or_init(start).as_ref()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        if let Some(Some(daemon)) = self.daemon.get()
            && let Err(error) = daemon.shutdown()
        {
            debug!(%error, "multicast DNS goes on");
        }
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

/// IPv4 first; of IPv6 no link-local address, which means nothing without its interface.
fn choose(addresses: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
    addresses
        .filter(|address| match address {
            IpAddr::V4(address) => !address.is_unspecified(),
            IpAddr::V6(address) => !address.is_unspecified() && !address.is_unicast_link_local(),
        })
        .min_by_key(|address| (address.is_ipv6(), *address))
}

/// A random UUID, version 4 (RFC 9562 §5.4).
fn random_name() -> String {
    let mut octets: [u8; 16] = rand::rng().random();
    octets[6] = octets[6] & 0x0f | 0x40;
    octets[8] = octets[8] & 0x3f | 0x80;
    let mut name = String::with_capacity(36);
    for (index, octet) in octets.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            name.push('-');
        }
        name.push_str(&format!("{octet:02x}"));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_random_uuids() {
        let (one, other) = (random_name(), random_name());
        assert_ne!(one, other);
        assert_eq!((one.len(), one.as_bytes()[14]), (36, b'4'));
        assert!(b"89ab".contains(&one.as_bytes()[19]));
    }

    #[test]
    fn ipv4_is_chosen_first_and_link_local_never() {
        let addresses = ["fe80::1", "fd00::2", "192.0.2.2"].map(|text| text.parse().unwrap());
        assert_eq!(choose(addresses.into_iter()), Some(addresses[2]));
        assert_eq!(choose(addresses[..2].iter().copied()), Some(addresses[1]));
        assert_eq!(choose(addresses[..1].iter().copied()), None);
    }
}
