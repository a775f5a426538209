//! RTCP: what is said when, and what is made of it.

use std::time::Duration;

use srtp::{Ssrc, rtcp};

use super::link::{A, AUDIO, B, Link, VIDEO, source};
use crate::media::ReceiveMode;

#[test]
fn reports_come_about_once_a_second_and_tell_loss_jitter_and_the_round_trip() {
    let mut link = Link::new();
    link.loss = 100;
    link.video(A, 300, 3000, 1000);
    let compounds = link.rtcp(A);
    let is_sender_report = |compound: &&Vec<rtcp::Packet>| {
        matches!(
            &compound[..],
            [rtcp::Packet::SenderReport(_), rtcp::Packet::SourceDescription(_), ..]
        )
    };
    let reports = compounds.iter().filter(is_sender_report).count();
    assert!((7..=14).contains(&reports), "{reports} in ten seconds");
    let source = &link.ends[A].sources[&source(A, VIDEO, 0).ssrc];
    let remote = source.remote.unwrap();
    let round_trip = remote.round_trip.unwrap().as_millis();
    assert!((39..=42).contains(&round_trip), "{round_trip}");
    assert!(remote.block.cumulative_lost > 30, "{remote:?}");
    assert!(link.ends[A].round_trip < Duration::from_millis(60));
}

#[test]
fn a_sender_report_is_right_about_time_and_counts() {
    let mut link = Link::new();
    link.audio(A, 100);
    let reports: Vec<_> = link
        .rtcp(A)
        .into_iter()
        .flatten()
        .filter_map(|packet| match packet {
            rtcp::Packet::SenderReport(report) => Some(report),
            _ => None,
        })
        .collect();
    let [first, .., last] = &reports[..] else { panic!("{reports:?}") };
    let seconds = (last.ntp_timestamp - first.ntp_timestamp) as f64 / 2_f64.powi(32);
    let ticks = f64::from(last.rtp_timestamp.0.wrapping_sub(first.rtp_timestamp.0));
    assert!((ticks / 48_000.0 - seconds).abs() < 0.001, "{ticks} in {seconds}");
    assert_eq!(last.octet_count, last.packet_count * 80);
    // 2023 is 123 years after 1900.
    assert_eq!(first.ntp_timestamp >> 32, 1_700_000_000 + 2_208_988_800);
}

#[test]
fn who_only_receives_sends_receiver_reports() {
    let mut link = Link::new();
    link.audio(A, 100);
    let compounds = link.rtcp(B);
    let reports: Vec<_> = compounds
        .iter()
        .filter_map(|compound| match &compound[..] {
            [rtcp::Packet::ReceiverReport(report), rtcp::Packet::SourceDescription(_), ..] => {
                Some(report)
            }
            _ => None,
        })
        .collect();
    assert!(!reports.is_empty());
    assert!(reports.iter().all(|report| report.reports[0].ssrc == source(A, AUDIO, 0).ssrc));
    assert!(reports.last().unwrap().reports[0].last_sender_report != 0);
}

/// RFC 5506: alone only if agreed on. RFC 3550 §6.1: else behind a report and a name.
#[test]
fn feedback_without_reduced_size_is_compound() {
    for is_reduced in [true, false] {
        let mut link = Link::new();
        link.configure(B, |section| section.reduced_size = is_reduced);
        link.loss = 100;
        link.video(A, 60, 5000, 1000);
        let begins_with_report = |compound: &Vec<rtcp::Packet>| {
            matches!(
                compound[..],
                [
                    rtcp::Packet::ReceiverReport(_) | rtcp::Packet::SenderReport(_),
                    rtcp::Packet::SourceDescription(_),
                    ..
                ]
            )
        };
        let compounds = link.rtcp(B);
        assert!(compounds.len() > 10);
        assert_eq!(compounds.iter().all(begins_with_report), !is_reduced);
    }
}

#[test]
fn transport_feedback_tells_of_every_packet() {
    let mut link = Link::new();
    link.video(A, 60, 5000, 1000);
    link.run(Duration::from_millis(200));
    let statuses: usize = link
        .rtcp(B)
        .iter()
        .flatten()
        .filter_map(|packet| match packet {
            rtcp::Packet::TransportFeedback(feedback) => Some(feedback.statuses.len()),
            _ => None,
        })
        .sum();
    assert_eq!(statuses, link.rtp(A).len());
}

/// RFC 3611 §4.5: whoever only receives learns the round trip, too.
#[test]
fn a_reference_time_is_answered() {
    let mut link = Link::new();
    link.audio(A, 10);
    let blocks = vec![rtcp::ReportExtension::ReferenceTime(0x1111_2222_3333_4444)];
    let report = rtcp::ExtendedReport { ssrc: Ssrc(77), blocks };
    link.ends[A].handle_rtcp(link.now, vec![rtcp::Packet::ExtendedReport(report)]);
    link.audio(A, 100);
    let answers: Vec<_> = link
        .rtcp(A)
        .into_iter()
        .flatten()
        .filter_map(|packet| match packet {
            rtcp::Packet::ExtendedReport(report) => Some(report.blocks),
            _ => None,
        })
        .collect();
    let [blocks] = &answers[..] else { panic!("{answers:?}") };
    let [rtcp::ReportExtension::Delay(delays)] = &blocks[..] else { panic!("{blocks:?}") };
    let (ssrc, last, delay) = delays[0];
    assert_eq!((ssrc, last), (Ssrc(77), 0x2222_3333));
    assert!(delay < 2 * 65_536);
}

#[test]
fn a_full_intra_request_asks_once_for_each_number() {
    let mut link = Link::new();
    link.video(A, 2, 100, 100);
    link.keyframe_asked(A);
    let ssrc = source(A, VIDEO, 0).ssrc;
    let mut asked = Vec::new();
    for number in [1, 1, 2, 2] {
        let entries = vec![(ssrc, number)];
        let request = rtcp::FullIntraRequest { sender: Ssrc(1), entries };
        link.ends[A].handle_rtcp(link.now, vec![rtcp::Packet::FullIntraRequest(request)]);
        link.run(Duration::from_millis(400));
        asked.push(link.keyframe_asked(A));
    }
    assert_eq!(asked, [true, false, true, false]);
    assert_eq!(link.ends[A].sources[&ssrc].counters.full_intra_requests, 2);
}

#[test]
fn where_only_fir_is_agreed_on_it_is_sent() {
    let mut link = Link::new();
    link.configure(B, |section| {
        let codecs = &mut section.receive.as_mut().unwrap().codecs;
        codecs.iter_mut().for_each(|codec| codec.feedback.pli = false);
    });
    link.video(A, 3, 100, 100);
    link.ends[B].request_keyframe(link.now, VIDEO, None);
    link.run(Duration::from_millis(400));
    assert!(link.keyframe_asked(A));
    assert!(link.ends[A].sources[&source(A, VIDEO, 0).ssrc].counters.full_intra_requests > 0);
}

#[test]
fn goodbye_ends_what_is_asked_for() {
    let mut link = Link::new();
    link.video(A, 5, 5000, 100);
    let now = link.now;
    link.ends[A].close(now);
    link.run(Duration::from_millis(100));
    let goodbye = |packet: &rtcp::Packet| matches!(packet, rtcp::Packet::Goodbye(_));
    assert!(link.rtcp(A).last().unwrap().iter().any(goodbye));
    link.ends[B].set_receive_mode(link.now, VIDEO, ReceiveMode::Discard);
}
