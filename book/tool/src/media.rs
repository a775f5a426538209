//! SRTP and SRTCP datagrams: as they were sent, or opened with the key log beside the capture.
//!
//! ```text
//! NAME.pcap   ─► ClientHello, ServerHello ─► randoms ─┐
//! NAME.keylog ─► secret ──────────────────────────────┴► keying material ─► srtp::Inbound, two
//! ```
//!
//! Which profile was agreed on, DTLS 1.3 says in an encrypted message. So each is tried: only the
//! right one opens anything. RFC 5764 §4.2, RFC 3711.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use dtls::wire::handshake::HandshakeFragment;
use dtls::wire::{ContentType, Epoch, Handshake, HandshakeType};
use srtp::wire::extension::{self, AbsoluteSendTime, AudioLevel, TransportSequenceNumber};
use srtp::{Inbound, MasterKey, Profile, Ssrc, rtcp, rtp};
use tap::Field;
use tap::capture::Datagram;
use tap::keylog::KeyLog;

use crate::explain::{Explained, Run};

/// Octets of RTCP that are never encrypted: the first header and its SSRC (RFC 3711 §3.4).
const RTCP_IN_THE_CLEAR: usize = 8;

/// What the offer's `a=extmap` lines say: an id, and the URI of what it stands for.
pub(crate) type ExtensionMap = Vec<(u8, String)>;

/// Whether a datagram is SRTP or SRTCP (RFC 7983 §7).
pub(crate) fn is_media(payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| (128..=191).contains(first))
}

/// RFC 5761 §4: the second octet tells.
fn is_rtcp(payload: &[u8]) -> bool {
    payload.get(1).is_some_and(|second| (192..=223).contains(second))
}

/// The `a=extmap` lines of a description.
pub(crate) fn extension_map(description: &str) -> ExtensionMap {
    let entry = |line: &str| {
        let (id, rest) = line.trim().strip_prefix("a=extmap:")?.split_once(' ')?;
        let id = id.split('/').next()?.parse().ok()?;
        Some((id, rest.split(' ').next()?.to_owned()))
    };
    description.lines().filter_map(entry).collect()
}

/// Every media datagram decrypted, in its place; `None` where there is none, or it does not open.
pub(crate) fn open(datagrams: &[Datagram], log: &KeyLog) -> Vec<Option<Bytes>> {
    let closed = || vec![None; datagrams.len()];
    let Some(hellos) = Hellos::find(datagrams) else { return closed() };
    for profile in Profile::ALL {
        let Some([mut client, mut server]) = hellos.inbounds(log, profile) else { continue };
        let open = |datagram: &Datagram| {
            let mut octets = BytesMut::from(&datagram.payload[..]);
            let inbound = match datagram.source == hellos.client {
                true => &mut client,
                false => &mut server,
            };
            let opened = match (is_media(&octets), is_rtcp(&octets)) {
                (false, _) => return None,
                (true, false) => inbound.unprotect_rtp(&mut octets),
                (true, true) => inbound.unprotect_rtcp(&mut octets),
            };
            opened.ok().map(|()| octets.freeze())
        };
        let opened: Vec<_> = datagrams.iter().map(open).collect();
        if opened.iter().any(Option::is_some) {
            return opened;
        }
    }
    closed()
}

/// What of the handshake the keys depend on.
struct Hellos {
    client: SocketAddr,
    client_random: Vec<u8>,
    server_random: Vec<u8>,
}

impl Hellos {
    fn find(datagrams: &[Datagram]) -> Option<Self> {
        let (mut client, mut server_random) = (None, None);
        for datagram in datagrams.iter().filter(|d| matches!(d.payload.first(), Some(20..=25))) {
            let records = dtls::wire::split(BytesMut::from(&datagram.payload[..]));
            for record in records.map_while(Result::ok) {
                let header = record.header;
                if header.content_type != ContentType::HANDSHAKE || header.epoch != Epoch(0) {
                    break;
                }
                for fragment in HandshakeFragment::parse_all(&record.fragment).ok()? {
                    match fragment.header.msg_type {
                        // The random follows the version; the rest may be in another datagram.
                        HandshakeType::CLIENT_HELLO if fragment.header.fragment_offset == 0 => {
                            let random = fragment.body.get(2..34)?.to_vec();
                            client = Some((datagram.source, random));
                        }
                        HandshakeType::SERVER_HELLO => {
                            let hello = Handshake::parse(fragment.header.msg_type, fragment.body);
                            if let Ok(Handshake::ServerHello(hello)) = hello {
                                server_random = Some(hello.random.0.to_vec());
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        let (client, client_random) = client?;
        Some(Self { client, client_random, server_random: server_random? })
    }

    /// What opens the client's packets, and the server's.
    fn inbounds(&self, log: &KeyLog, profile: Profile) -> Option<[Inbound; 2]> {
        let (key, salt) = (profile.key_length(), profile.salt_length());
        let length = 2 * (key + salt);
        let material =
            log.srtp_keying_material(&self.client_random, &self.server_random, length)?;
        let (keys, salts) = material.split_at_checked(2 * key)?;
        let inbound = |(key, salt)| {
            MasterKey::new(profile, key, salt).ok().map(|master| Inbound::new(&master))
        };
        let mut pairs = keys.chunks(key).zip(salts.chunks(salt)).map(inbound);
        Some([pairs.next()??, pairs.next()??])
    }
}

/// A datagram as it was sent.
pub(crate) fn sealed(payload: &[u8], map: &ExtensionMap) -> Result<Explained, String> {
    let (summary, run, mut fields, clear) = if is_rtcp(payload) {
        let fields = rtcp_in_the_clear(payload)?;
        ("SRTCP (encrypted)".to_owned(), None, fields, RTCP_IN_THE_CLEAR)
    } else {
        let (parsed, mut fields) = tap::explain(payload, || rtp::Header::parse(payload));
        let (header, rest) = parsed.map_err(|error| error.to_string())?;
        name_extensions(&mut fields, payload, map);
        let run = Run::of(&header);
        (run.in_words(), Some(run), fields, payload.len() - rest.len())
    };
    let name = if is_rtcp(payload) { "encrypted, tag and index" } else { "encrypted, and tag" };
    let octets = payload.len().saturating_sub(clear);
    fields.push(leaf(name, clear..payload.len(), format!("{octets} octets")));
    Ok(Explained { summary, fields, payload: payload.to_vec(), note: "as sent", run })
}

/// The eight octets that anybody can read. No parser of ours stops there, so they are named here.
fn rtcp_in_the_clear(payload: &[u8]) -> Result<Vec<Field>, String> {
    let Some(&[first, packet_type, l0, l1, ssrc @ ..]) = payload.first_chunk::<RTCP_IN_THE_CLEAR>()
    else {
        return Err("SRTCP of fewer than eight octets".to_owned());
    };
    Ok(vec![
        leaf("version", 0..1, (first >> 6).to_string()),
        leaf("count", 0..1, (first & 0x1f).to_string()),
        leaf("packet type", 1..2, packet_type.to_string()),
        leaf("length", 2..4, u16::from_be_bytes([l0, l1]).to_string()),
        leaf("SSRC of sender", 4..8, u32::from_be_bytes(ssrc).to_string()),
    ])
}

fn leaf(name: &str, range: std::ops::Range<usize>, value: String) -> Field {
    Field { name: name.to_owned(), range, value, depth: 0 }
}

/// A datagram that was decrypted.
pub(crate) fn opened(octets: &Bytes, map: &ExtensionMap) -> Result<Explained, String> {
    let (summary, run, fields) = match is_rtcp(octets) {
        true => {
            let (packets, fields) = tap::explain(octets, || rtcp::parse(octets));
            let packets = packets.map_err(|error| error.to_string())?;
            (format!("SRTCP {}", names(&packets)), None, fields)
        }
        false => {
            let (packet, mut fields) = tap::explain(octets, || rtp::Packet::parse(octets));
            let packet = packet.map_err(|error| error.to_string())?;
            name_extensions(&mut fields, octets, map);
            let run = Run::of(&packet.header);
            let probe = if packet.payload.is_empty() { ", only padding" } else { "" };
            (format!("{}{probe}", run.in_words()), Some(run), fields)
        }
    };
    Ok(Explained { summary, fields, payload: octets.to_vec(), note: "decrypted", run })
}

/// `SR+SDES`.
fn names(packets: &[rtcp::Packet]) -> String {
    let name = |packet: &rtcp::Packet| match packet {
        rtcp::Packet::TransportFeedback(_) => "TWCC",
        other => other.name(),
    };
    packets.iter().map(name).collect::<Vec<_>>().join("+")
}

/// Says of each element of a header extension what its id stands for, and what the value means.
fn name_extensions(fields: &mut [Field], octets: &[u8], map: &ExtensionMap) {
    let mut uri = None;
    for field in fields {
        match field.name.as_str() {
            "ID" => {
                let id = field.value.parse().ok();
                uri = map.iter().find(|(known, _)| Some(*known) == id).map(|(_, uri)| uri.as_str());
                if let Some(uri) = uri {
                    field.value = format!("{} – {}", field.value, short(uri));
                }
            }
            "data" => {
                let value = octets.get(field.range.clone()).unwrap_or_default();
                if let Some(words) = uri.and_then(|uri| value_in_words(uri, value)) {
                    field.value = words;
                }
            }
            _ => {}
        }
    }
}

/// The part of a URI that tells it from others.
fn short(uri: &str) -> &str {
    match uri.rsplit([':', '/']).next() {
        Some(draft) if draft.contains("transport-wide-cc") => "transport-wide-cc",
        Some(last) => last,
        None => uri,
    }
}

fn value_in_words(uri: &str, value: &[u8]) -> Option<String> {
    match short(uri) {
        "mid" | "rtp-stream-id" | "repaired-rtp-stream-id" => {
            extension::text(value).ok().map(|text| format!("{text:?}"))
        }
        "ssrc-audio-level" => AudioLevel::parse(value).ok().map(|level| {
            format!("−{} dB{}", level.level, if level.voice { ", voice" } else { "" })
        }),
        "abs-send-time" => AbsoluteSendTime::parse(value)
            .ok()
            .map(|time| format!("{:.3} s", f64::from(time.0) / f64::from(1 << 18))),
        "transport-wide-cc" => {
            TransportSequenceNumber::parse(value).ok().map(|number| number.0.to_string())
        }
        _ => None,
    }
}

impl Run {
    fn of(header: &rtp::Header) -> Self {
        let number = header.sequence_number.0;
        let Ssrc(ssrc) = header.ssrc;
        Self { ssrc, payload_type: header.payload_type.0, first: number, last: number, packets: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Capture;

    #[test]
    fn every_media_datagram_with_a_key_log_opens_and_is_named_octet_for_octet() {
        let root = crate::repository_root();
        for name in ["chromium-firefox-avd", "chromium-firefox-dtls12-avd", "firefox-chromium-avd"]
        {
            let capture = Capture::read(&root, name).unwrap();
            let mut media = 0;
            for number in 1..=capture.datagrams().len() {
                if is_media(&capture.datagrams()[number - 1].payload) {
                    for sealed in [false, true] {
                        let explained = capture.explain(number, sealed).unwrap();
                        tap::tile(&explained.fields, explained.payload.len()).unwrap();
                        assert_eq!(explained.note == "as sent", sealed);
                    }
                    media += 1;
                }
            }
            assert!(media > 100, "{name}: {media}");
        }
    }

    #[test]
    fn extmap_lines_are_read_with_and_without_direction() {
        let map = extension_map("a=extmap:1 urn:a\r\na=extmap:14/recvonly urn:b x\r\na=mid:0\r\n");
        assert_eq!(map, [(1, "urn:a".to_owned()), (14, "urn:b".to_owned())]);
    }
}
