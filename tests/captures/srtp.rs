//! The media of the DTLS 1.2 captures opened with their key logs: SRTP keys as RFC 5764 §4.2 takes
//! them out of the master secret, every packet decrypted, parsed and written again.

use bytes::{Bytes, BytesMut};
use srtp::wire::{rtcp, rtp};
use srtp::{Error, Inbound, MasterKey, Profile};

use super::decrypt::{self, Secrets};
use super::files::{self, Capture};

/// What client and server protect with.
fn inbounds(secrets: &Secrets) -> [Inbound; 2] {
    let extension = secrets.server_hello.extensions.use_srtp().unwrap();
    let profile = Profile::from_id(extension.profiles[0].0).unwrap();
    let (key, salt) = (profile.key_length(), profile.salt_length());
    let seed = [secrets.client_random.0, secrets.server_hello.random.0].concat();
    let material = decrypt::prf(&secrets.master, "EXTRACTOR-dtls_srtp", &seed, 2 * (key + salt));
    let (keys, salts) = material.split_at(2 * key);
    let inbound = |n| {
        let (key, salt) = (&keys[n * key..][..key], &salts[n * salt..][..salt]);
        Inbound::new(&MasterKey::new(profile, key, salt).unwrap())
    };
    [inbound(0), inbound(1)]
}

/// The packets of media, each with whether it is RTCP (RFC 5761 §4) and whether the client sent it.
fn media(capture: &Capture, secrets: &Secrets) -> Vec<(bool, bool, BytesMut)> {
    files::by_first_octet(capture, 128..=191)
        .map(|datagram| {
            let is_rtcp = (192..=223).contains(&datagram.payload[1]);
            let is_client = datagram.source == secrets.client;
            (is_rtcp, is_client, BytesMut::from(&datagram.payload[..]))
        })
        .collect()
}

fn captures() -> Vec<Capture> {
    let with_media = |capture: &Capture| capture.name.ends_with("dtls12-avd");
    let captures: Vec<_> = files::udp().into_iter().filter(with_media).collect();
    assert_eq!(captures.len(), 2);
    captures
}

#[test]
fn every_packet_opens_once_and_is_parsed_and_written_again() {
    for capture in captures() {
        let secrets = decrypt::secrets(&capture);
        let mut inbounds = inbounds(&secrets);
        let (mut packets, mut reports) = (0, 0);
        for (is_rtcp, is_client, mut packet) in media(&capture, &secrets) {
            let inbound = &mut inbounds[usize::from(!is_client)];
            let mut again = packet.clone();
            if is_rtcp {
                inbound.unprotect_rtcp(&mut packet).unwrap();
                assert_eq!(inbound.unprotect_rtcp(&mut again), Err(Error::Replayed));
                let packet = packet.freeze();
                assert_eq!(rtcp::write(&rtcp::parse(&packet).unwrap()), packet);
                reports += 1;
            } else {
                inbound.unprotect_rtp(&mut packet).unwrap();
                assert_eq!(inbound.unprotect_rtp(&mut again), Err(Error::Replayed));
                let packet = packet.freeze();
                assert_eq!(written(&rtp::Packet::parse(&packet).unwrap()), packet);
                packets += 1;
            }
        }
        assert!(packets > 100 && reports > 5, "{}: {packets}, {reports}", capture.name);
    }
}

fn written(packet: &rtp::Packet) -> Bytes {
    let mut octets = BytesMut::new();
    packet.write(&mut octets);
    octets.freeze()
}

#[test]
fn row_58_no_packet_of_a_browser_opens_with_an_octet_changed() {
    for capture in captures() {
        let secrets = decrypt::secrets(&capture);
        let mut inbounds = inbounds(&secrets);
        for (number, (is_rtcp, is_client, mut packet)) in
            media(&capture, &secrets).into_iter().enumerate()
        {
            let inbound = &mut inbounds[usize::from(!is_client)];
            let at = number * 7 % packet.len();
            packet[at] ^= 0x10;
            let opened = match is_rtcp {
                true => inbound.unprotect_rtcp(&mut packet),
                false => inbound.unprotect_rtp(&mut packet),
            };
            assert!(opened.is_err(), "octet {at}");
        }
    }
}
