//! The three properties every chunk must have, written once (only in tests).

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Body, Chunk, ChunkType, CommonHeader, Packet, PacketWriter, Port, UnknownChunk, VerificationTag,
};

/// Octets of a string of hexadecimal digits; blanks do not count.
pub(super) fn hex(digits: &str) -> Bytes {
    let digits: Vec<u8> =
        digits.chars().filter_map(|c| c.to_digit(16)).map(|d| d.try_into().unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Up to `max` arbitrary octets.
pub(super) fn octets(max: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
}

pub(super) const HEADER: CommonHeader = CommonHeader {
    source_port: Port(5000),
    destination_port: Port(5000),
    verification_tag: VerificationTag(0x3447_230f),
};

/// A packet with `chunk` in it.
pub(super) fn packet_of(chunk: &impl Body) -> Bytes {
    let mut writer = PacketWriter::new(&HEADER, usize::MAX);
    assert!(writer.push(chunk));
    writer.finish()
}

/// A captured packet holds exactly this chunk, and the chunk is written with the same octets.
pub(super) fn captured(packet: &str, chunk: Chunk) {
    let packet = hex(packet);
    let parsed = Packet::parse(&packet).unwrap();
    assert_eq!(parsed.chunks.as_slice(), std::slice::from_ref(&chunk));
    let mut writer = PacketWriter::new(&parsed.header, packet.len());
    assert!(writer.push(&chunk));
    assert_eq!(writer.finish(), packet);
}

/// What is written is read again as it was.
pub(super) fn round_trip(chunk: Chunk) {
    let packet = packet_of(&chunk);
    assert_eq!(packet.len() % 4, 0);
    assert_eq!(Packet::parse(&packet).unwrap().chunks.as_slice(), [chunk]);
}

/// Arbitrary octets as the chunk's value are read or refused. What is read can be written and
/// read again, and its fields tile the input.
pub(super) fn never_panics(chunk_type: ChunkType, flags: u8, value: Bytes) {
    let packet = packet_of(&UnknownChunk { chunk_type, flags, value });
    if let Ok(parsed) = Packet::parse(&packet) {
        tiles(&packet);
        round_trip(parsed.chunks[0].clone());
    }
}

/// Every octet of the packet is named by exactly one field.
pub(super) fn fields_tile_the_input(chunk: &Chunk) {
    tiles(&packet_of(chunk));
}

pub(super) fn tiles(packet: &Bytes) {
    let (parsed, fields) = tap::explain(packet, || Packet::parse(packet));
    assert!(parsed.is_ok());
    assert_eq!(tap::tile(&fields, packet.len()), Ok(()));
}
