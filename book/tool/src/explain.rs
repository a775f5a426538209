//! What a captured datagram is, in the words of the parsers that run in production.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use dtls::wire::handshake::HandshakeFragment;
use dtls::wire::{ContentType, Epoch, Record};
use sctp::wire::{Body, Chunk, DcepMessage, Packet, Ppid, VerificationTag};
use tap::capture::Datagram;

/// A datagram in one line, and every field of it.
pub(crate) struct Explained {
    pub(crate) summary: String,
    pub(crate) fields: Vec<tap::Field>,
}

/// The datagrams of `tests/fixtures/pcap/NAME.pcap`.
pub(crate) fn capture(root: &Path, name: &str) -> Result<Vec<Datagram>, String> {
    tap::capture::read(&root.join("tests/fixtures/pcap").join(format!("{name}.pcap")))
}

/// For each datagram, whether the end that sent the first one sent it too.
///
/// Bare SCTP packets have no addresses; their verification tags tell, since each INIT and INIT ACK
/// says which tag its sender wants to see.
pub(crate) fn directions(datagrams: &[Datagram]) -> Vec<bool> {
    let Some(first) = datagrams.first() else { return Vec::new() };
    if first.source != first.destination {
        return datagrams.iter().map(|datagram| datagram.source == first.source).collect();
    }
    let mut first_tag = None;
    datagrams
        .iter()
        .map(|datagram| {
            let Ok(packet) = Packet::parse(&Bytes::copy_from_slice(&datagram.payload)) else {
                return true;
            };
            match packet.chunks.first() {
                Some(Chunk::Init(init)) => {
                    *first_tag.get_or_insert(init.initiate_tag) == init.initiate_tag
                }
                _ => Some(packet.header.verification_tag) != first_tag,
            }
        })
        .collect()
}

/// Explains one UDP payload or bare SCTP packet.
pub(crate) fn datagram(payload: &[u8]) -> Result<Explained, String> {
    match payload.first() {
        None => Err("an empty datagram".to_owned()),
        Some(_) if is_sctp(payload) => sctp(payload),
        Some(0..=3) => stun(payload),
        Some(20..=63) => dtls(payload),
        Some(first) => Err(format!("no parser for a first octet of {first}")),
    }
}

/// Bare SCTP begins with the port that WebRTC always uses, twice: 5000.
fn is_sctp(payload: &[u8]) -> bool {
    payload.starts_with(&[0x13, 0x88, 0x13, 0x88])
}

fn stun(payload: &[u8]) -> Result<Explained, String> {
    let (message, fields) = tap::explain(payload, || stun::Message::parse(payload));
    let message = message.map_err(|error| error.to_string())?;
    let class = match message.class {
        stun::Class::Request => "request",
        stun::Class::Indication => "indication",
        stun::Class::Success => "success",
        stun::Class::Error => "error",
    };
    let nominates = if message.use_candidate() { ", USE-CANDIDATE" } else { "" };
    Ok(Explained { summary: format!("STUN {:?} {class}{nominates}", message.method), fields })
}

fn dtls(payload: &[u8]) -> Result<Explained, String> {
    let (words, fields) = tap::explain_owned(BytesMut::from(payload), |datagram| {
        let mut words = Vec::new();
        for record in dtls::wire::split(datagram) {
            words.push(record_in_words(&record.map_err(|error| error.to_string())?)?);
        }
        Ok::<_, String>(words)
    });
    Ok(Explained { summary: format!("DTLS {}", words?.join(", ")), fields })
}

fn record_in_words(record: &Record) -> Result<String, String> {
    let content = match record.header.content_type {
        ContentType::HANDSHAKE if record.header.epoch == Epoch(0) => {
            let fragments = HandshakeFragment::parse_all(&record.fragment)
                .map_err(|error| error.to_string())?;
            let messages: Result<Vec<String>, String> =
                fragments.iter().map(message_in_words).collect();
            return Ok(messages?.join(", "));
        }
        ContentType::HANDSHAKE => "Finished (encrypted)".to_owned(),
        ContentType::ALERT if record.header.epoch == Epoch(0) => {
            let alert =
                dtls::wire::Alert::parse(&record.fragment).map_err(|error| error.to_string())?;
            format!("alert {alert:?}")
        }
        ContentType::ALERT => "alert (encrypted)".to_owned(),
        ContentType::CHANGE_CIPHER_SPEC => "ChangeCipherSpec".to_owned(),
        ContentType::APPLICATION_DATA => {
            format!("application data ({} octets)", record.fragment.len())
        }
        other => other.to_string(),
    };
    Ok(content)
}

fn message_in_words(fragment: &HandshakeFragment<'_>) -> Result<String, String> {
    let header = &fragment.header;
    let name = camel_case(&header.msg_type.to_string());
    if header.fragment_length == header.length {
        dtls::wire::Handshake::parse(header.msg_type, fragment.body)
            .map_err(|error| error.to_string())?;
        return Ok(name);
    }
    let end = header.fragment_offset + header.fragment_length;
    Ok(format!("{name}, octets {}–{} of {}", header.fragment_offset, end - 1, header.length))
}

/// `client_hello`, as the RFC's syntax has it, in the spelling of its figures: `ClientHello`.
fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
    };
    name.split('_').filter_map(capital).collect()
}

fn sctp(payload: &[u8]) -> Result<Explained, String> {
    let (words, fields) = tap::explain_owned(Bytes::copy_from_slice(payload), |packet| {
        let parsed = Packet::parse(&packet).map_err(|error| error.to_string())?;
        let chunks: Vec<String> = parsed.chunks.iter().map(chunk_in_words).collect();
        let tag = match parsed.header.verification_tag {
            VerificationTag(0) => " (tag 0)",
            _ => "",
        };
        Ok::<_, String>(format!("SCTP {}{tag}", chunks.join(", ")))
    });
    Ok(Explained { summary: words?, fields })
}

fn chunk_in_words(chunk: &Chunk) -> String {
    match chunk {
        Chunk::Data(data) if data.ppid == Ppid::DCEP => match DcepMessage::parse(&data.payload) {
            Ok(DcepMessage::Open(open)) => {
                format!(
                    "DATA: OPEN {:?} on stream {}",
                    String::from_utf8_lossy(&open.label),
                    data.stream.0
                )
            }
            Ok(DcepMessage::Ack(_)) => format!("DATA: ACK on stream {}", data.stream.0),
            _ => "DATA: unknown DCEP message".to_owned(),
        },
        Chunk::Data(data) => {
            let place = match (data.beginning, data.ending) {
                (true, true) => "",
                (true, false) => ", beginning",
                (false, false) => ", middle",
                (false, true) => ", end",
            };
            format!(
                "DATA: TSN {}, stream {}, {} octets{place}",
                data.tsn.0,
                data.stream.0,
                data.payload.len()
            )
        }
        Chunk::Sack(sack) => {
            format!("SACK up to {}, {} gap blocks", sack.cumulative_tsn.0, sack.gaps.len())
        }
        other => other.chunk_type().name().to_owned(),
    }
}
