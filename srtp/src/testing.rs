//! What tests of several modules need.

use bytes::{BufMut, BytesMut};

use crate::{MasterKey, Profile};

/// The same key whenever it is asked for.
pub(crate) fn key(profile: Profile) -> MasterKey {
    let octets: Vec<u8> = (0..48).collect();
    let (key, salt) = octets.split_at(profile.key_length());
    MasterKey::new(profile, key, &salt[..profile.salt_length()]).unwrap()
}

/// An RTP packet.
pub(crate) fn rtp(ssrc: u32, seq: u16, payload: &[u8]) -> BytesMut {
    let mut packet = BytesMut::from([0x80, 96].as_slice());
    packet.put_u16(seq);
    packet.put_u32(0x0102_0304);
    packet.put_u32(ssrc);
    packet.put_slice(payload);
    packet
}

/// An RTCP packet, of which the first is a receiver report.
pub(crate) fn rtcp(ssrc: u32, content: &[u8]) -> BytesMut {
    let mut packet = BytesMut::from([0x80, 201, 0, 1].as_slice());
    packet.put_u32(ssrc);
    packet.put_slice(content);
    packet
}

/// Octets from hexadecimal digits; blanks are ignored.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of digits");
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
