//! The RTP and RTCP that browsers sent, opened: read, written again octet for octet, and looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bytes::BytesMut;
use srtp::wire::extension::{self, AudioLevel, TransportSequenceNumber};
use srtp::{Ssrc, rtcp, rtp};

use super::files::{self, Capture};
use super::srtp::{Opened, is_rtcp, opened, opened_of_ours};

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const TRANSPORT_NUMBER: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

fn rtp_packets(packets: &[Opened]) -> impl Iterator<Item = (&Opened, rtp::Packet)> {
    let rtp = packets.iter().filter(|packet| !is_rtcp(&packet.octets));
    rtp.map(|packet| (packet, rtp::Packet::parse(&packet.octets).unwrap()))
}

fn rtcp_packets(packets: &[Opened]) -> impl Iterator<Item = (&Opened, rtcp::Packet)> {
    let rtcp = packets.iter().filter(|packet| is_rtcp(&packet.octets));
    rtcp.flat_map(|opened| {
        let compound = rtcp::parse(&opened.octets).unwrap();
        compound.into_iter().map(move |packet| (opened, packet))
    })
}

/// The id that the offer gave to a header extension.
fn id(capture: &Capture, uri: &str) -> Option<u8> {
    let offer = files::description(&capture.name, "offer")?;
    let maps = offer.sections().flat_map(|section| section.extension_maps().collect::<Vec<_>>());
    let id = maps.filter(|map| map.uri == uri).map(|map| map.id).next()?;
    Some(id.try_into().unwrap())
}

#[test]
fn every_packet_parses_its_fields_tile_it_and_it_is_written_again() {
    let (mut packets, mut reports) = (0, 0);
    for (capture, opened) in opened() {
        for Opened { octets, .. } in opened {
            let (written, fields) = tap::explain(&octets, || match is_rtcp(&octets) {
                true => rtcp::write(&rtcp::parse(&octets).unwrap()),
                false => {
                    let mut out = BytesMut::new();
                    rtp::Packet::parse(&octets).unwrap().write(&mut out);
                    out.freeze()
                }
            });
            tap::tile(&fields, octets.len())
                .unwrap_or_else(|gap| panic!("{}: {gap}", capture.name));
            assert_eq!(written, octets, "{}", capture.name);
            *if is_rtcp(&octets) { &mut reports } else { &mut packets } += 1;
        }
    }
    assert!(packets > 2_300 && reports > 350, "{packets} packets, {reports} reports");
}

#[test]
fn every_header_of_rtp_is_in_the_clear() {
    let mut count = 0;
    for capture in files::udp() {
        for datagram in files::by_first_octet(&capture, 128..=191) {
            if !is_rtcp(&datagram.payload) {
                let (header, encrypted) = rtp::Header::parse(&datagram.payload).unwrap();
                // The tag at least; and sequence numbers begin in the lower half (RFC 3711 §3.3.1).
                assert!(encrypted.len() >= 10 && header.sequence_number.0 < 1 << 15);
                count += 1;
            }
        }
    }
    assert!(count > 2_100, "{count}");
}

/// Until the receiver has reported on a source, each of its packets says whose it is (RFC 8843).
#[test]
fn the_first_packet_of_every_source_names_its_section() {
    let (mut sources, mut later_without) = (0, 0);
    for (capture, opened) in opened() {
        let mid = id(&capture, MID).unwrap();
        let offer = files::description(&capture.name, "offer").unwrap();
        let mids: Vec<_> = offer.sections().filter_map(|section| section.mid()).collect();
        let mut seen = BTreeSet::new();
        for (packet, rtp::Packet { header, .. }) in rtp_packets(&opened) {
            let value = header.extensions.get(mid).map(|value| extension::text(value).unwrap());
            if seen.insert((packet.source, header.ssrc)) {
                assert!(mids.contains(&value.unwrap()), "{}: {header:?}", capture.name);
                sources += 1;
            } else {
                later_without += usize::from(value.is_none());
            }
        }
    }
    assert!(sources > 30 && later_without > 100, "{sources}, {later_without}");
}

#[test]
fn layers_of_a_simulcast_have_names_and_so_have_their_repairs() {
    for (capture, opened) in opened().into_iter().filter(|(it, _)| it.name.contains("simulcast")) {
        let (rid, repaired) = (id(&capture, RID).unwrap(), id(&capture, REPAIRED_RID).unwrap());
        let mut layers = BTreeMap::<String, BTreeSet<Ssrc>>::new();
        let mut repairs = BTreeMap::<String, BTreeSet<Ssrc>>::new();
        for (_, rtp::Packet { header, .. }) in rtp_packets(&opened) {
            for (id, named) in [(rid, &mut layers), (repaired, &mut repairs)] {
                if let Some(value) = header.extensions.get(id) {
                    let name = extension::text(value).unwrap().to_owned();
                    named.entry(name).or_default().insert(header.ssrc);
                }
            }
        }
        assert_eq!(layers.keys().collect::<Vec<_>>(), ["h", "l", "m"], "{}", capture.name);
        assert!(layers.values().chain(repairs.values()).all(|ssrcs| ssrcs.len() == 1));
        assert!(!repairs.is_empty() && repairs.keys().all(|name| layers.contains_key(name)));
    }
}

#[test]
fn trap_the_form_with_two_bytes_comes_among_packets_with_one() {
    let mut forms = BTreeMap::<[u8; 2], usize>::new();
    for (_, opened) in opened() {
        for (packet, rtp::Packet { header, .. }) in rtp_packets(&opened) {
            if !header.extensions.is_empty() {
                *forms.entry([packet.octets[12], packet.octets[13]]).or_default() += 1;
                let long = header.extensions.iter().any(|(_, value)| value.len() > 16);
                assert_eq!(packet.octets[12] == 0x10, long, "{header:?}");
            }
        }
    }
    assert!(forms[&[0x10, 0]] > 5 && forms[&[0xbe, 0xde]] > 1_000, "{forms:?}");
    assert_eq!(forms.len(), 2);
}

/// Before any picture, browsers probe the path: packets of nothing but padding, on the source of
/// retransmissions.
#[test]
fn trap_video_begins_with_padding_on_the_source_of_retransmissions() {
    let mut probes = 0;
    for (_, opened) in opened() {
        let mut last_of = BTreeMap::<(SocketAddr, Ssrc), u16>::new();
        for (packet, rtp::Packet { header, payload, padding }) in rtp_packets(&opened) {
            if padding > 0 {
                assert!(payload.is_empty() && padding == 255, "{header:?}");
                // Numbers of probes and of retransmissions are one sequence.
                let number = header.sequence_number.0;
                let last = last_of.insert((packet.source, header.ssrc), number);
                assert!(last.is_none_or(|last| last < number));
                probes += 1;
            }
        }
    }
    assert!(probes > 100, "{probes}");
}

#[test]
fn feedback_speaks_of_packets_that_were_sent() {
    let (mut received, mut lost) = (0, 0);
    for (capture, opened) in opened() {
        let transport_number = id(&capture, TRANSPORT_NUMBER).unwrap();
        let mut sent = BTreeMap::<SocketAddr, BTreeSet<u16>>::new();
        for (packet, rtp::Packet { header, .. }) in rtp_packets(&opened) {
            if let Some(value) = header.extensions.get(transport_number) {
                let number = TransportSequenceNumber::parse(value).unwrap().0;
                let is_new = sent.entry(packet.source).or_default().insert(number);
                assert!(is_new, "{}: one counter for audio and video", capture.name);
            }
        }
        for (packet, report) in rtcp_packets(&opened) {
            let rtcp::Packet::TransportFeedback(feedback) = report else { continue };
            let (_, sent) = sent.iter().find(|(source, _)| **source != packet.source).unwrap();
            for (number, arrival) in feedback.arrivals() {
                match arrival {
                    Some(_) => assert!(sent.contains(&number), "{}: {number}", capture.name),
                    None => lost += 1,
                }
                received += usize::from(arrival.is_some());
            }
        }
    }
    assert!(received > 1_500, "{received}");
    assert!(lost < received / 20, "{lost} lost on the loopback");
}

/// Browsers count a source's retransmissions, which go out under another SSRC, as its own.
#[test]
fn sender_reports_count_what_was_sent_and_name_its_cname() {
    let (mut reports, mut names) = (0, 0);
    for (capture, opened) in opened() {
        let sent_before = |source, time| {
            rtp_packets(&opened)
                .filter(|(packet, _)| packet.source == source && packet.time <= time)
                .count()
        };
        for (packet, report) in rtcp_packets(&opened) {
            match report {
                rtcp::Packet::SenderReport(report) => {
                    let sent = sent_before(packet.source, packet.time);
                    let told = usize::try_from(report.packet_count).unwrap();
                    assert!(told <= sent, "{}: {told} of {sent}", capture.name);
                    // Seconds since 1900: some time after 2020.
                    assert!(report.ntp_timestamp >> 32 > 3_786_825_600);
                    reports += 1;
                }
                rtcp::Packet::SourceDescription(chunks) => {
                    assert!(chunks.iter().all(|chunk| chunk.cname().is_some()));
                    names += 1;
                }
                _ => {}
            }
        }
    }
    assert!(reports > 15 && names >= reports, "{reports}, {names}");
}

/// Firefox says goodbye, Chromium just goes; both ask for keyframes; neither sends REMB or XR.
#[test]
fn the_types_of_rtcp_that_browsers_send() {
    let mut types = BTreeMap::<&str, usize>::new();
    for (_, opened) in opened() {
        for (_, report) in rtcp_packets(&opened) {
            *types.entry(report.name()).or_default() += 1;
        }
    }
    let expected = ["BYE", "PLI", "RR", "SDES", "SR", "transport feedback"];
    assert_eq!(types.keys().copied().collect::<Vec<_>>(), expected, "{types:?}");
}

#[test]
fn audio_tells_how_loud_it_is() {
    let mut levels = BTreeSet::new();
    for (capture, opened) in opened() {
        let Some(id) = id(&capture, AUDIO_LEVEL) else { continue };
        let headers = rtp_packets(&opened).map(|(_, packet)| packet.header);
        for header in headers.filter(|header| [109, 111].contains(&header.payload_type.0)) {
            let level = AudioLevel::parse(header.extensions.get(id).unwrap()).unwrap();
            levels.insert(level.level);
        }
    }
    assert!(levels.len() > 5, "{levels:?}");
}

/// What we sent to Firefox when it watched: 20 ms of µ-law in each packet, one tick for each octet, and
/// in it 440 periods a second.
#[test]
fn our_tone_is_one_of_440_hertz_in_g711() {
    let opened = opened_of_ours();
    let tone: Vec<rtp::Packet> = rtp_packets(&opened)
        .map(|(_, packet)| packet)
        .filter(|packet| packet.header.payload_type.0 == 0)
        .collect();
    assert!(tone.len() > 50);
    for pair in tone.windows(2) {
        let [before, after] = [&pair[0].header, &pair[1].header];
        assert_eq!(after.sequence_number, before.sequence_number.next());
        assert_eq!(after.timestamp.0, before.timestamp.0.wrapping_add(160));
        assert_eq!(pair[0].payload.len(), 160);
    }
    let samples: Vec<i16> =
        tone.iter().flat_map(|packet| srtp::payload::g711::decode_ulaw(&packet.payload)).collect();
    let rises = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    let hertz = rises * 8000 / samples.len();
    assert!((435..=445).contains(&hertz), "{hertz} Hz");
}
