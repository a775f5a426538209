//! The media of the captures opened with their key logs, DTLS 1.2 and 1.3: SRTP keys as RFC 5764 §4.2
//! has them exported, every packet verified and decrypted, each once.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use srtp::{Error, Inbound, MasterKey, Profile};

use super::decrypt::{self, Secrets};
use super::files::{self, Capture};

/// A packet of media, as it was sent.
struct Sealed {
    time: Duration,
    source: SocketAddr,
    is_client: bool,
    octets: BytesMut,
}

/// A packet of media, no longer encrypted.
pub(crate) struct Opened {
    pub(crate) time: Duration,
    pub(crate) source: SocketAddr,
    pub(crate) octets: Bytes,
}

/// RFC 5761 §4: the second octet tells.
pub(crate) fn is_rtcp(octets: &[u8]) -> bool {
    octets.get(1).is_some_and(|octet| (192..=223).contains(octet))
}

/// What client and server protect with. Of DTLS 1.3 the profile is in an encrypted message (RFC 9147),
/// so the caller tries: only the right one opens anything.
fn inbounds(secrets: &Secrets, profile: Profile) -> [Inbound; 2] {
    let (key, salt) = (profile.key_length(), profile.salt_length());
    let (client, server) = (&secrets.client_random.0, &secrets.server_hello.random.0);
    let material = secrets.log.srtp_keying_material(client, server, 2 * (key + salt));
    let material = material.expect("the key log has the connection");
    let (keys, salts) = material.split_at(2 * key);
    let inbound = |n| {
        let (key, salt) = (&keys[n * key..][..key], &salts[n * salt..][..salt]);
        Inbound::new(&MasterKey::new(profile, key, salt).unwrap())
    };
    [inbound(0), inbound(1)]
}

fn unprotect(inbounds: &mut [Inbound; 2], packet: &mut Sealed) -> Result<(), Error> {
    let inbound = &mut inbounds[usize::from(!packet.is_client)];
    match is_rtcp(&packet.octets) {
        true => inbound.unprotect_rtcp(&mut packet.octets),
        false => inbound.unprotect_rtp(&mut packet.octets),
    }
}

fn media(capture: &Capture, secrets: &Secrets) -> Vec<Sealed> {
    files::by_first_octet(capture, 128..=191)
        .map(|datagram| Sealed {
            time: datagram.time,
            source: datagram.source,
            is_client: datagram.source == secrets.client,
            octets: BytesMut::from(&datagram.payload[..]),
        })
        .collect()
}

/// The captures of browsers that have media and a key log.
fn captures() -> Vec<(Capture, Secrets, Profile)> {
    let captures = with_media(files::udp());
    assert_eq!(captures.len(), 7);
    captures
}

fn with_media(all: Vec<Capture>) -> Vec<(Capture, Secrets, Profile)> {
    let mut captures = Vec::new();
    for capture in all {
        let Some(secrets) = decrypt::secrets(&capture) else { continue };
        let mut packets = media(&capture, &secrets).into_iter();
        let Some(first) = packets.next() else { continue };
        let opens = |profile: &Profile| {
            let octets = first.octets.clone();
            let mut first = Sealed { octets, ..first };
            unprotect(&mut inbounds(&secrets, *profile), &mut first).is_ok()
        };
        let profile = Profile::ALL.into_iter().find(opens).expect("a profile opens the first");
        if let Some(extension) = secrets.server_hello.extensions.use_srtp() {
            assert_eq!(Profile::from_id(extension.profiles[0].0), Some(profile));
        }
        captures.push((capture, secrets, profile));
    }
    captures
}

/// Every packet of these captures, opened.
pub(crate) fn opened() -> Vec<(Capture, Vec<Opened>)> {
    open_all(captures())
}

/// Every packet between Firefox and the `peer` program, opened.
pub(crate) fn opened_of_ours() -> Vec<Opened> {
    open_all(with_media(vec![files::ours()])).into_iter().flat_map(|(_, packets)| packets).collect()
}

fn open_all(captures: Vec<(Capture, Secrets, Profile)>) -> Vec<(Capture, Vec<Opened>)> {
    let open = |(capture, secrets, profile): (Capture, Secrets, Profile)| {
        let mut inbounds = inbounds(&secrets, profile);
        let packets = media(&capture, &secrets).into_iter().map(|mut packet| {
            unprotect(&mut inbounds, &mut packet).unwrap();
            let Sealed { time, source, octets, .. } = packet;
            Opened { time, source, octets: octets.freeze() }
        });
        let packets = packets.collect();
        (capture, packets)
    };
    captures.into_iter().map(open).collect()
}

#[test]
fn every_packet_opens_once() {
    for (capture, secrets, profile) in captures() {
        let mut inbounds = inbounds(&secrets, profile);
        for mut packet in media(&capture, &secrets) {
            let mut again = Sealed { octets: packet.octets.clone(), ..packet };
            unprotect(&mut inbounds, &mut packet).unwrap();
            assert_eq!(unprotect(&mut inbounds, &mut again), Err(Error::Replayed));
        }
    }
}

#[test]
fn row_58_no_packet_of_a_browser_opens_with_an_octet_changed() {
    for (capture, secrets, profile) in captures() {
        let mut inbounds = inbounds(&secrets, profile);
        for (number, mut packet) in media(&capture, &secrets).into_iter().enumerate() {
            let at = number * 7 % packet.octets.len();
            packet.octets[at] ^= 0x10;
            assert!(unprotect(&mut inbounds, &mut packet).is_err(), "octet {at}");
        }
    }
}
