//! Row 65: an authenticated peer whose feedback lies, or asks for more than anybody can give.

use std::time::{Duration, Instant};

use peer::Event;
use srtp::rtcp::{
    EstimatedBitrate, FullIntraRequest, Goodbye, Nack, NackEntry, Packet, PacketStatus,
    PictureLoss, ReceiverReport, ReportBlock, ReportExtension, TransportFeedback,
};
use srtp::{SequenceNumber, Ssrc, rtcp};

use super::talk::{PICTURE, RTX, TRANSPORT_NUMBER, Talk, VOICE, VP8, packet};

/// What a datagram of 64 kB may take, on a busy machine and without optimisation.
const LONGEST: Duration = Duration::from_millis(5);

/// A call in which the victim has sent video for a moment, and what it sent.
fn watched() -> (Talk, Vec<srtp::rtp::Packet>) {
    let mut talk = Talk::new();
    for _ in 0..20 {
        talk.victim_speaks(5_000);
        talk.pass(30);
    }
    talk.pass(300);
    let (packets, _) = talk.heard();
    let packets: Vec<_> =
        packets.into_iter().filter(|packet| packet.header.payload_type == VP8).collect();
    assert!(packets.len() >= 80, "{}", packets.len());
    (talk, packets)
}

fn source(packets: &[srtp::rtp::Packet]) -> Ssrc {
    packets[0].header.ssrc
}

/// Gives feedback, and sees how long it takes.
fn give(talk: &mut Talk, packets: &[Packet]) {
    let sealed = talk.seal_rtcp(rtcp::write(packets));
    let start = Instant::now();
    assert!(talk.give(sealed));
    talk.costs.push(start.elapsed());
}

/// What was given has taken no longer than it may, and the call goes on.
fn must_have_been_bearable(mut talk: Talk) {
    talk.costs.sort_unstable();
    let median = talk.costs[talk.costs.len() / 2];
    assert!(median <= LONGEST, "{median:?}");
    talk.must_go_on();
}

fn keyframes_asked(talk: &Talk) -> usize {
    talk.told(|event| matches!(event, Event::KeyframeRequested(..)))
}

#[test]
fn row_65_a_nack_for_everything_is_answered_a_few_times() {
    let (mut talk, packets) = watched();
    let media = source(&packets);
    let entry = |index: u16| NackEntry {
        packet_id: SequenceNumber(index.wrapping_mul(17)),
        bitmap: u16::MAX,
    };
    let everything = Nack { sender: VOICE, media, entries: (0..16_000).map(entry).collect() };
    let lost = packets.iter().map(|packet| packet.header.sequence_number);
    let all = Nack::new(VOICE, media, lost);
    let unknown = Nack { media: Ssrc(7), ..everything.clone() };
    let mut attack = |talk: &mut Talk| {
        give(talk, &[Packet::Nack(everything.clone())]);
        give(talk, &vec![Packet::Nack(all.clone()); 50]);
        give(talk, &[Packet::Nack(unknown.clone())]);
    };
    for _ in 0..100 {
        attack(&mut talk);
    }
    // Before a round trip is over each packet leaves once more, if at all.
    talk.pass(15);
    let (again, _) = talk.heard();
    let again = again.iter().filter(|packet| packet.header.payload_type == RTX).count();
    assert!((1..=packets.len()).contains(&again), "{again}");
    for _ in 0..3 {
        talk.for_a_second(&mut attack);
    }
    let (again, _) = talk.heard();
    let again = again.iter().filter(|packet| packet.header.payload_type == RTX).count();
    assert!(again <= 8 * packets.len(), "{again} for {}", packets.len());
    must_have_been_bearable(talk);
}

#[test]
fn row_65_a_flood_of_requests_for_keyframes_is_heeded_as_often_as_makes_sense() {
    let (mut talk, packets) = watched();
    let media = source(&packets);
    let loss = Packet::PictureLoss(PictureLoss { sender: VOICE, media });
    let before = keyframes_asked(&talk);
    talk.for_a_second(|talk| give(talk, &vec![loss.clone(); 100]));
    let asked = keyframes_asked(&talk) - before;
    assert!((1..=5).contains(&asked), "{asked}");
    talk.pass(1_000);
    let before = keyframes_asked(&talk);
    let mut number = 0_u8;
    talk.for_a_second(|talk| {
        let entries = (0..8_000).map(|_| {
            number = number.wrapping_add(1);
            (media, number)
        });
        let entries = entries.collect();
        let request = FullIntraRequest { sender: VOICE, entries };
        give(talk, &[Packet::FullIntraRequest(request)]);
    });
    let asked = keyframes_asked(&talk) - before;
    assert!((1..=5).contains(&asked), "{asked}");
    must_have_been_bearable(talk);
}

#[test]
fn row_65_transport_feedback_of_65_535_statuses_is_bounded_work() {
    let (mut talk, _) = watched();
    let mut base_sequence_number = 0_u16;
    for round in 0..100_u8 {
        base_sequence_number = base_sequence_number.wrapping_add(7_919);
        let status = match round % 3 {
            0 => PacketStatus::Lost,
            1 => PacketStatus::Received(0),
            _ => PacketStatus::Received(i16::MIN),
        };
        // What fits in a datagram: a quarter of a bit for one that was lost, two octets for others.
        let count = [65_535, 60_000, 30_000][usize::from(round % 3)];
        let feedback = TransportFeedback {
            sender: VOICE,
            media: PICTURE,
            base_sequence_number,
            reference_time: i32::from(round) << 16,
            feedback_count: round,
            statuses: vec![status; count],
        };
        give(&mut talk, &[Packet::TransportFeedback(feedback)]);
        talk.victim_speaks(500);
        talk.pass(20);
    }
    // Many that say little each, and one that says too much in all.
    let lost = TransportFeedback {
        sender: VOICE,
        media: PICTURE,
        base_sequence_number: 0,
        reference_time: 0,
        feedback_count: 0,
        statuses: vec![PacketStatus::Lost; 65_535],
    };
    let one = TransportFeedback { statuses: vec![PacketStatus::Lost], ..lost.clone() };
    give(&mut talk, &vec![Packet::TransportFeedback(one); 256]);
    let sealed = talk.seal_rtcp(rtcp::write(&vec![Packet::TransportFeedback(lost); 2]));
    talk.must_refuse(sealed);
    talk.pass(3_000);
    must_have_been_bearable(talk);
}

#[test]
fn row_65_estimates_and_reports_that_lie_leave_the_rate_within_its_bounds() {
    let (mut talk, packets) = watched();
    let media = source(&packets);
    let target = |talk: &mut Talk| talk.stats().outbound_rtp[0].target_bitrate;
    let mut targets = Vec::new();
    for round in 0..200_u32 {
        let bitrate = [0, 1, u64::MAX][usize::try_from(round % 3).unwrap()];
        let estimate = EstimatedBitrate { sender: VOICE, bitrate, ssrcs: vec![media; 255] };
        let block = ReportBlock {
            ssrc: media,
            fraction_lost: 255,
            cumulative_lost: -0x80_0000,
            highest_sequence_number: u32::MAX - round,
            jitter: u32::MAX,
            last_sender_report: round << 16,
            delay_since_last_sender_report: round.wrapping_mul(0x1234_5678),
        };
        let report = ReceiverReport { ssrc: VOICE, reports: vec![block; 31] };
        let times = (0..50).map(|_| ReportExtension::ReferenceTime(u64::MAX)).collect();
        let extended = rtcp::ExtendedReport { ssrc: Ssrc(round), blocks: times };
        give(
            &mut talk,
            &[
                Packet::ReceiverReport(report),
                Packet::EstimatedBitrate(estimate),
                Packet::ExtendedReport(extended),
            ],
        );
        targets.push(target(&mut talk));
        if round % 10 == 0 {
            talk.pass(50);
        }
    }
    assert!(targets.iter().all(|target| (1_000..1_000_000_000).contains(target)), "{targets:?}");
    let told = talk.told(|event| matches!(event, Event::TargetBitrate(_)));
    assert!(told <= 300, "{told}");
    // A farewell in the midst of it is no end.
    let goodbye = Goodbye { ssrcs: vec![VOICE, PICTURE, media], reason: None };
    give(&mut talk, &[Packet::Goodbye(goodbye)]);
    let estimate = EstimatedBitrate { sender: VOICE, bitrate: 1 << 40, ssrcs: vec![media] };
    give(&mut talk, &[Packet::EstimatedBitrate(estimate)]);
    talk.pass(5_000);
    must_have_been_bearable(talk);
}

/// What we ask for ourselves: a peer whose numbers leap, and whose keyframe never comes, is not a
/// peer to shout at.
#[test]
fn row_65_what_a_broken_stream_makes_us_ask_is_less_than_it_sends() {
    for leap in [2, 30, 700, 2_000, 20_000] {
        let mut talk = Talk::new();
        talk.must_go_on();
        talk.heard();
        let (sent_before, mut given) = (talk.call.pair.right.sent_octets, 0);
        let (mut number, mut transport) = (10_000_u16, 0_u16);
        for _ in 0..3 {
            talk.for_a_second(|talk| {
                number = number.wrapping_add(leap);
                transport = transport.wrapping_add(leap);
                let mut packet = packet(Ssrc(0x4444), VP8, number, vec![0x10, 0x11, 7, 7]);
                packet.payload = vec![0x11; 500].into();
                packet.header.extensions.set(TRANSPORT_NUMBER, &transport.to_be_bytes());
                let sealed = talk.seal(&packet);
                given += sealed.len();
                assert!(talk.give(sealed));
            });
        }
        let sent = talk.call.pair.right.sent_octets - sent_before;
        assert!(sent <= given / 2, "{leap}: {sent} octets for {given}");
        let (_, reports) = talk.heard();
        let asked = reports.iter().filter(|report| matches!(report, Packet::PictureLoss(_)));
        let asked = asked.count();
        assert!((1..=12).contains(&asked), "{leap}: {asked}");
        for _ in 0..200 {
            talk.number();
        }
        talk.must_go_on();
    }
}
