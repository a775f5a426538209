//! What a captured datagram is, in the words of the parsers that run in production.

use std::fmt::Write as _;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use dtls::wire::handshake::HandshakeFragment;
use dtls::wire::{ContentType, Epoch, Record};
use sctp::wire::{Body, Chunk, DcepMessage, Packet, Ppid, VerificationTag};
use stun::turn::ChannelData;
use tap::capture::Datagram;
use tap::keylog::KeyLog;

use crate::media::{self, ExtensionMap};

/// A datagram in one line, and every field of it.
pub(crate) struct Explained {
    pub(crate) summary: String,
    pub(crate) fields: Vec<tap::Field>,
    /// The octets that the fields speak of: the datagram, or what came of it when it was decrypted.
    pub(crate) payload: Vec<u8>,
    /// What was done to the datagram, or nothing.
    pub(crate) note: &'static str,
    /// Of a packet of media, what a ladder needs to draw many as one.
    pub(crate) run: Option<Run>,
}

impl Explained {
    fn new(payload: &[u8], summary: String, fields: Vec<tap::Field>) -> Self {
        Self { summary, fields, payload: payload.to_vec(), note: "", run: None }
    }
}

/// Consecutive packets of one stream of media.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) packets: usize,
}

impl Run {
    pub(crate) fn in_words(&self) -> String {
        let Self { payload_type, first, last, packets, .. } = self;
        match packets {
            1 => format!("SRTP PT {payload_type} seq {first}"),
            _ => format!("SRTP PT {payload_type} seq {first}–{last}, {packets} packets"),
        }
    }

    /// This one and `next`, if they are packets of one stream.
    pub(crate) fn joined(&self, next: &Self) -> Option<Self> {
        let is_same = (self.ssrc, self.payload_type) == (next.ssrc, next.payload_type);
        let packets = self.packets + next.packets;
        is_same.then_some(Self { last: next.last, packets, ..*self })
    }
}

/// `tests/fixtures/pcap/NAME.pcap`, its media opened if `NAME.keylog` is there.
pub(crate) struct Capture {
    name: String,
    datagrams: Vec<Datagram>,
    opened: Vec<Option<Bytes>>,
    extensions: ExtensionMap,
}

impl Capture {
    pub(crate) fn read(root: &Path, name: &str) -> Result<Self, String> {
        let directory = root.join("tests/fixtures/pcap");
        let datagrams = tap::capture::read(&directory.join(format!("{name}.pcap")))?;
        let log = directory.join(format!("{name}.keylog"));
        let opened = match log.is_file() {
            true => media::open(&datagrams, &KeyLog::read(&log)?),
            false => vec![None; datagrams.len()],
        };
        let offer = std::fs::read_to_string(directory.join(format!("{name}.offer.sdp")));
        let extensions = media::extension_map(&offer.unwrap_or_default());
        Ok(Self { name: name.to_owned(), datagrams, opened, extensions })
    }

    pub(crate) fn datagrams(&self) -> &[Datagram] {
        &self.datagrams
    }

    /// Explains datagram `number`, counted from 1; media decrypted, unless it is to stay `sealed`.
    pub(crate) fn explain(&self, number: usize, sealed: bool) -> Result<Explained, String> {
        let (name, count) = (&self.name, self.datagrams.len());
        let at = number.checked_sub(1);
        let found = at.and_then(|at| Some((self.datagrams.get(at)?, self.opened.get(at)?)));
        let (sent, opened) =
            found.ok_or_else(|| format!("{name} has {count} datagrams, counted from 1"))?;
        let explained = match opened {
            Some(octets) if !sealed => media::opened(octets, &self.extensions),
            _ if media::is_media(&sent.payload) => media::sealed(&sent.payload, &self.extensions),
            _ => datagram(&sent.payload),
        };
        explained.map_err(|error| format!("{name} datagram {number}: {error}"))
    }
}

/// For each datagram, whether the end that sent the first one sent it too.
///
/// Bare SCTP packets have no addresses; their verification tags tell, since each INIT and INIT ACK
/// says which tag its sender wants to see.
pub(crate) fn directions(datagrams: &[Datagram]) -> Vec<bool> {
    let Some(first) = datagrams.first() else { return Vec::new() };
    if first.source != first.destination {
        // In a restart an end may get another address: then it is known by whom it sends to.
        let is_first = |datagram: &Datagram| {
            datagram.source == first.source || datagram.destination == first.destination
        };
        return datagrams.iter().map(is_first).collect();
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

/// Explains one UDP payload that is not media, or a bare SCTP packet.
fn datagram(payload: &[u8]) -> Result<Explained, String> {
    match payload.first() {
        None => Err("an empty datagram".to_owned()),
        Some(_) if is_sctp(payload) => sctp(payload),
        Some(0..=3) => stun(payload),
        Some(20..=63) => dtls(payload),
        Some(64..=79) => channel_data(payload),
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
    let mut summary = format!("STUN {:?} {class}", message.method);
    if message.use_candidate() {
        summary.push_str(", USE-CANDIDATE");
    }
    if let Some(error) = message.error_code() {
        let _ = write!(summary, ", {}", error.code.number());
    }
    Ok(Explained::new(payload, summary, fields))
}

/// A packet between a TURN server and its client, with what is in it.
fn channel_data(payload: &[u8]) -> Result<Explained, String> {
    let (message, fields) = tap::explain(payload, || ChannelData::parse(payload));
    let message = message.map_err(|error| error.to_string())?;
    let inside = datagram(&message.data)?.summary;
    let summary = format!("ChannelData {:?} ► {inside}", message.channel);
    Ok(Explained::new(payload, summary, fields))
}

fn dtls(payload: &[u8]) -> Result<Explained, String> {
    let (classic, rest) = payload.split_at(classic_records(payload));
    let (words, mut fields) = tap::explain_owned(BytesMut::from(classic), |datagram| {
        let mut words = Vec::new();
        for record in dtls::wire::split(datagram) {
            words.push(record_in_words(&record.map_err(|error| error.to_string())?)?);
        }
        Ok::<_, String>(words)
    });
    let mut words = words?;
    if !rest.is_empty() {
        words.push(format!("DTLS 1.3 ({} octets encrypted)", rest.len()));
        fields.push(tap::Field {
            name: "records of DTLS 1.3, encrypted".to_owned(),
            range: classic.len()..payload.len(),
            value: format!("{} octets", rest.len()),
            depth: 0,
        });
    }
    let words = words.join(", ");
    let name = if words.starts_with("DTLS") { "" } else { "DTLS " };
    Ok(Explained::new(payload, format!("{name}{words}"), fields))
}

/// Octets of the records at the front that have the header of DTLS 1.2: those of 1.3 which are
/// encrypted have another (RFC 9147 §4), which we do not speak.
fn classic_records(payload: &[u8]) -> usize {
    let mut length = 0;
    while let Some(&[first, .., high, low]) =
        payload.get(length..).and_then(<[u8]>::first_chunk::<13>)
        && (20..=25).contains(&first)
    {
        length += 13 + usize::from(u16::from_be_bytes([high, low]));
    }
    length.min(payload.len())
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
    Ok(Explained::new(payload, words?, fields))
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
