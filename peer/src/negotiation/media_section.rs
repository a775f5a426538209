//! A section of audio or video as we write it.
//!
//! RFC 9429 §5.2.1 (offers), §5.3.1 (answers); RFC 8830 (`msid`), RFC 5576 (`ssrc`), RFC 4588 §8.8
//! (`FID`), RFC 8285 §6 (`extmap`), RFC 8853 §5.3 (simulcast in offer and answer).
//!
//! An answer has nothing that was not offered: codecs, feedback, extensions and layers are each what
//! both sides have. All is written from our own tables; of the offer's text come numbers and names.
//! Book: the chapter on offer and answer.

use sdp::{
    Direction, Lines, MediaStreamId, RidDirection, RidLine, Section, Simulcast, SimulcastStream,
};

use super::codecs::{self, Format, PayloadTypes};
use super::extensions::{self, ExtensionIds, Mapped};
use super::transceiver::Transceiver;
use crate::media::parameters::{Extension, LocalSource};

/// Limits on a layer that we repeat in an answer: numbers (RFC 8851 §5).
const LIMITS: [&str; 7] =
    ["max-width", "max-height", "max-fps", "max-fs", "max-br", "max-pps", "max-bpp"];

/// A layer in a section of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layer {
    rid: String,
    is_paused: bool,
    restrictions: String,
}

/// What a section says besides its transport.
#[derive(Debug, Clone)]
pub(crate) struct MediaSection {
    direction: Direction,
    formats: Vec<Format>,
    extensions: Vec<Mapped>,
    /// `a=extmap-allow-mixed` in the section itself.
    is_mixed: bool,
    is_reduced_size: bool,
    /// The rest is empty unless we send, or for `receive` unless the peer does.
    stream_and_track: Option<(String, String)>,
    /// With the name we have in RTCP.
    sources: Vec<LocalSource>,
    cname: String,
    send: Vec<Layer>,
    receive: Vec<Layer>,
}

impl MediaSection {
    /// The section of an offer. `agreed`: the codecs it has already.
    pub(crate) fn offer(
        transceiver: &Transceiver,
        agreed: Vec<Format>,
        payload_types: &mut PayloadTypes,
        ids: &mut ExtensionIds,
        cname: &str,
    ) -> Self {
        let Transceiver { kind, direction, .. } = *transceiver;
        let layers = if transceiver.is_simulcast() && direction.sends() {
            transceiver.sources.iter().filter_map(Layer::of_source).collect()
        } else {
            Vec::new()
        };
        Self {
            direction,
            formats: codecs::offer(kind, &transceiver.codecs, agreed, payload_types),
            extensions: extensions::offer(kind, ids),
            is_mixed: false,
            is_reduced_size: true,
            stream_and_track: None,
            sources: Vec::new(),
            cname: cname.to_owned(),
            send: layers,
            receive: Vec::new(),
        }
        .with_track(transceiver)
    }

    /// The section of an answer; `None` if there is no codec in common.
    pub(crate) fn answer(
        transceiver: &Transceiver,
        offered: &Section<'_>,
        cname: &str,
    ) -> Option<Self> {
        let formats = codecs::answer(offered, transceiver.kind, &transceiver.codecs);
        if formats.is_empty() {
            return None;
        }
        let direction = transceiver.answer_direction(offered.direction().reversed());
        let extensions = extensions::answer(offered, transceiver.kind);
        // Without the extension nobody could tell the layers apart (RFC 8853 §5.5).
        let has_rid = extensions.iter().any(|mapped| mapped.extension == Extension::Rid);
        let layers = if has_rid { offered.simulcast() } else { Simulcast::default() };
        let numbers: Vec<u8> = formats.iter().flat_map(Format::numbers).collect();
        let of = |direction, streams: &[SimulcastStream<'_>]| -> Vec<Layer> {
            let layer = |stream| Layer::answer(offered, direction, stream, &numbers);
            streams.iter().filter_map(layer).collect()
        };
        let receive = of(RidDirection::Send, &layers.send);
        let mut send = of(RidDirection::Recv, &layers.recv);
        send.retain(|layer| {
            let name = |source: &LocalSource| source.rid.as_ref().map(|rid| rid.0.to_string());
            transceiver.sources.iter().any(|source| name(source).as_ref() == Some(&layer.rid))
        });
        let sends_layers = direction.sends() && transceiver.is_simulcast();
        let section = Self {
            direction,
            formats,
            extensions,
            is_mixed: offered.media.lines.has("extmap-allow-mixed"),
            is_reduced_size: offered.rtcp_rsize(),
            stream_and_track: None,
            sources: Vec::new(),
            cname: cname.to_owned(),
            send: if sends_layers { send } else { Vec::new() },
            receive: if direction.receives() { receive } else { Vec::new() },
        };
        Some(section.with_track(transceiver))
    }

    /// Names what is sent: the track, and its sources unless they are told by their layers.
    fn with_track(mut self, transceiver: &Transceiver) -> Self {
        if self.direction.sends() {
            let track = transceiver.track_id.clone();
            self.stream_and_track = Some((transceiver.stream_id.clone(), track));
            if self.send.is_empty() {
                self.sources = transceiver.sources.iter().take(1).cloned().collect();
            }
        }
        self
    }

    /// The payload types of the m= line, the preferred one first.
    pub(crate) fn format_list(&self) -> String {
        let numbers = self.formats.iter().flat_map(Format::numbers);
        numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
    }

    /// The attributes behind those of the transport.
    pub(crate) fn write(&self, lines: &mut Lines) {
        for mapped in &self.extensions {
            mapped.write(lines);
        }
        if self.is_mixed {
            lines.push_flag("extmap-allow-mixed");
        }
        lines.push_flag(&self.direction.to_string());
        if let Some((stream, track)) = &self.stream_and_track {
            lines.push_attribute("msid", MediaStreamId { stream, track: Some(track) });
        }
        lines.push_flag("rtcp-mux");
        if self.is_reduced_size {
            lines.push_flag("rtcp-rsize");
        }
        for format in &self.formats {
            format.write(lines);
        }
        self.write_layers(lines);
        self.write_sources(lines);
    }

    fn write_layers(&self, lines: &mut Lines) {
        let of = |layers: &[Layer], direction, lines: &mut Lines| {
            for Layer { rid, restrictions, .. } in layers {
                lines.push_attribute("rid", RidLine { rid, direction, restrictions });
            }
        };
        of(&self.send, RidDirection::Send, lines);
        of(&self.receive, RidDirection::Recv, lines);
        if !self.send.is_empty() || !self.receive.is_empty() {
            let streams = |layers: &'_ [Layer]| -> Vec<(String, bool)> {
                layers.iter().map(|layer| (layer.rid.clone(), layer.is_paused)).collect()
            };
            let (send, recv) = (streams(&self.send), streams(&self.receive));
            let view = |(rid, is_paused)| SimulcastStream { rid, is_paused };
            let simulcast = Simulcast {
                send: send.iter().map(|(rid, paused)| view((rid.as_str(), *paused))).collect(),
                recv: recv.iter().map(|(rid, paused)| view((rid.as_str(), *paused))).collect(),
            };
            lines.push_attribute("simulcast", simulcast);
        }
    }

    /// Browsers pair a source with its retransmissions by these lines.
    fn write_sources(&self, lines: &mut Lines) {
        let has_rtx = self.formats.iter().any(|format| format.rtx.is_some());
        for LocalSource { ssrc, rtx, .. } in &self.sources {
            if has_rtx {
                lines.push_attribute("ssrc-group", format_args!("FID {ssrc} {rtx}"));
            }
            for ssrc in [Some(ssrc), Some(rtx).filter(|_| has_rtx)].into_iter().flatten() {
                lines.push_attribute("ssrc", format_args!("{ssrc} cname:{}", self.cname));
            }
        }
    }
}

impl Layer {
    fn of_source(source: &LocalSource) -> Option<Self> {
        let rid = source.rid.as_ref()?.0.to_string();
        Some(Self { rid, is_paused: false, restrictions: String::new() })
    }

    /// Our answer to a layer; `None`: it is not to be had (RFC 8851 §6.3: not with restrictions one
    /// does not understand). `direction` is the offerer's.
    fn answer(
        offered: &Section<'_>,
        direction: RidDirection,
        stream: &SimulcastStream<'_>,
        numbers: &[u8],
    ) -> Option<Self> {
        let SimulcastStream { rid, is_paused } = *stream;
        let line = offered.rids().find(|line| line.rid == rid && line.direction == direction)?;
        let mut restrictions: Vec<String> = Vec::new();
        for restriction in line.restrictions.split(';').filter(|text| !text.is_empty()) {
            let (key, value) = restriction.split_once('=')?;
            let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            if key == "pt" {
                let known = value
                    .split(',')
                    .filter(|value| value.parse().is_ok_and(|number| numbers.contains(&number)));
                let known: Vec<&str> = known.collect();
                if known.is_empty() {
                    return None;
                }
                restrictions.push(format!("pt={}", known.join(",")));
            } else if LIMITS.contains(&key) && is_number {
                restrictions.push(restriction.to_owned());
            } else {
                return None;
            }
        }
        Some(Self { rid: rid.to_owned(), is_paused, restrictions: restrictions.join(";") })
    }
}
