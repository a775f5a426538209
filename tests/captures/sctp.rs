//! The SCTP that browsers sent inside DTLS, decrypted.

use std::time::Instant;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sctp::wire::{Chunk, DcepMessage, Packet, PacketWriter};
use sctp::{Association, Config, Ppid};

use super::{decrypt, files};

/// Every SCTP packet we have, with the capture it is of.
fn packets() -> Vec<(String, Bytes)> {
    let mut packets = Vec::new();
    for capture in files::sctp() {
        for datagram in capture.datagrams {
            packets.push((capture.name.clone(), Bytes::from(datagram.payload)));
        }
    }
    for capture in files::udp().iter().filter(|capture| capture.name.contains("dtls12")) {
        let opened = decrypt::open(capture).packets;
        packets.extend(opened.into_iter().map(|packet| (capture.name.clone(), packet)));
    }
    packets
}

#[test]
fn every_packet_parses_its_fields_tile_it_and_it_is_written_again() {
    let packets = packets();
    assert!(packets.len() > 250, "{} packets", packets.len());
    for (name, octets) in packets {
        assert!(octets.len() <= 1191, "{name}");
        let (packet, fields) = tap::explain(&octets, || Packet::parse(&octets).unwrap());
        tap::tile(&fields, octets.len()).unwrap_or_else(|gap| panic!("{name}: {gap}"));
        let mut writer = PacketWriter::new(&packet.header, 65_535);
        assert!(packet.chunks.iter().all(|chunk| writer.push(chunk)));
        assert_eq!(writer.finish(), octets, "{name}: {packet:?}");
    }
}

#[test]
fn every_dcep_message_parses_and_is_written_again() {
    let mut labels = Vec::new();
    for (name, octets) in packets() {
        for chunk in Packet::parse(&octets).unwrap().chunks {
            let Chunk::Data(data) = chunk else { continue };
            if data.ppid != Ppid::DCEP {
                continue;
            }
            let message = DcepMessage::parse(&data.payload).unwrap();
            assert_eq!(message.to_octets(), data.payload, "{name}");
            if let DcepMessage::Open(open) = message {
                labels.push(String::from_utf8(open.label.to_vec()).unwrap());
            }
        }
    }
    assert!(labels.len() > 8, "{labels:?}");
}

/// An association of ours answers every INIT that browsers sent, with the tag they asked for.
#[test]
fn every_init_of_a_browser_is_answered() {
    let now = Instant::now();
    let mut count = 0;
    for (name, octets) in packets() {
        let packet = Packet::parse(&octets).unwrap();
        let [Chunk::Init(init)] = &packet.chunks[..] else { continue };
        let rng = StdRng::seed_from_u64(1);
        let mut association = Association::new(now, Config::default(), rng);
        association.handle_datagram(now, octets.clone()).unwrap();
        let answer = Packet::parse(&association.poll_transmit(now).unwrap()).unwrap();
        assert_eq!(answer.header.verification_tag, init.initiate_tag, "{name}");
        assert!(matches!(answer.chunks[..], [Chunk::InitAck(_)]), "{answer:?}");
        assert_eq!(association.poll_transmit(now), None);
        count += 1;
    }
    assert!(count >= 20, "both ends of {count} / 2 connections send one");
}
