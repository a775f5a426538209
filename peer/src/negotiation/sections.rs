//! What two descriptions settle for media: who sends what, under which numbers.
//!
//! RFC 9429 §5.10, §5.11; RFC 3264 §6.1, §8; RFC 8853 §5.3.
//!
//! It is read from the two texts alone, ours and the peer's, so it cannot matter who offered: a side
//! receives under the numbers of its own description, and sends under those of the other's.
//! Book: the chapter on offer and answer.

use std::collections::BTreeSet;

use sdp::{Direction, Section, SimulcastStream};
use srtp::Ssrc;

use super::transceiver::Transceiver;
use super::{codecs, extensions};
use crate::media::Rid;
use crate::media::parameters::{LocalSource, ReceiveParameters, SectionParameters, SendParameters};

/// Most sources taken from one section's `a=ssrc`: a track with its layers and their retransmissions
/// has six or eight.
const MAX_SSRCS: usize = 32;

/// Most streams taken from one section's `a=msid`.
const MAX_STREAMS: usize = 8;

/// Which way media flows in a section, seen from us: what both descriptions allow.
pub(crate) fn direction(ours: &Section<'_>, theirs: &Section<'_>) -> Direction {
    ours.direction().and(theirs.direction().reversed())
}

/// What is settled for a section that both sides accepted.
pub(crate) fn settle(
    transceiver: &Transceiver,
    ours: &Section<'_>,
    theirs: &Section<'_>,
) -> SectionParameters {
    let direction = direction(ours, theirs);
    let (our_formats, their_formats) = (codecs::read(ours), codecs::read(theirs));
    let send = direction.sends().then(|| SendParameters {
        codecs: codecs::agreed(&our_formats, &their_formats),
        sources: sources(transceiver, ours, theirs),
    });
    let receive = direction.receives().then(|| ReceiveParameters {
        codecs: codecs::agreed(&their_formats, &our_formats),
        ssrcs: ssrcs(theirs),
        rtx_of: rtx_of(theirs),
        rids: received_rids(ours, theirs),
    });
    SectionParameters {
        transceiver: transceiver.id,
        kind: transceiver.kind,
        mid: ours.mid().unwrap_or_default().to_owned(),
        // Without a codec in common nothing can flow, whatever the direction says.
        send: send.filter(|send| !send.codecs.is_empty()),
        receive: receive.filter(|receive| !receive.codecs.is_empty()),
        extensions: extensions::agreed(ours, theirs),
        reduced_size: ours.rtcp_rsize() && theirs.rtcp_rsize(),
    }
}

/// Our sources: the layers both name, or else only the first (RFC 9429 §5.11).
fn sources(
    transceiver: &Transceiver,
    ours: &Section<'_>,
    theirs: &Section<'_>,
) -> Vec<LocalSource> {
    let (offered, wanted) = (ours.simulcast(), theirs.simulcast());
    let is_sent = |source: &&LocalSource| {
        let names = |streams: &[SimulcastStream<'_>]| {
            let rid = source.rid.as_ref();
            rid.is_some_and(|rid| streams.iter().any(|stream| stream.rid == &*rid.0))
        };
        names(&offered.send) && names(&wanted.recv)
    };
    let layers: Vec<LocalSource> = transceiver.sources.iter().filter(is_sent).cloned().collect();
    if layers.is_empty() { transceiver.sources.iter().take(1).cloned().collect() } else { layers }
}

/// The peer's layers, those that are not paused first.
fn received_rids(ours: &Section<'_>, theirs: &Section<'_>) -> Vec<Rid> {
    let (accepted, offered) = (ours.simulcast(), theirs.simulcast());
    let is_accepted =
        |stream: &&SimulcastStream<'_>| accepted.recv.iter().any(|other| other.rid == stream.rid);
    let mut layers: Vec<&SimulcastStream<'_>> = offered.send.iter().filter(is_accepted).collect();
    layers.sort_by_key(|stream| stream.is_paused);
    layers.into_iter().map(|stream| Rid(stream.rid.into())).collect()
}

fn ssrcs(section: &Section<'_>) -> Vec<Ssrc> {
    let mut seen = BTreeSet::new();
    let grouped = section.source_groups().flat_map(|group| group.ssrcs().collect::<Vec<_>>());
    section
        .source_attributes()
        .map(|source| source.ssrc)
        .chain(grouped)
        .filter(|ssrc| seen.insert(*ssrc))
        .take(MAX_SSRCS)
        .map(Ssrc)
        .collect()
}

/// Source and retransmissions (RFC 4588 §8.8).
fn rtx_of(section: &Section<'_>) -> Vec<(Ssrc, Ssrc)> {
    let pair = |group: sdp::SourceGroup<'_>| {
        let mut ssrcs = group.ssrcs();
        Some((Ssrc(ssrcs.next()?), Ssrc(ssrcs.next()?)))
    };
    section
        .source_groups()
        .filter(|group| group.semantics == "FID")
        .filter_map(pair)
        .take(MAX_SSRCS)
        .collect()
}

/// The peer's streams that a section's track is in (RFC 8830 §2).
pub(crate) fn streams(section: &Section<'_>) -> Vec<String> {
    section
        .msids()
        .map(|msid| msid.stream)
        .filter(|stream| *stream != "-")
        .take(MAX_STREAMS)
        .map(str::to_owned)
        .collect()
}
