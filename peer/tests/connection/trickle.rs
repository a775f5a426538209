//! Candidates that come when they come: before the answer, after it, or never.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peer::{Connection, Error, Event, IceCandidate, IceGatheringState, SessionDescription};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::net::{A, B, Net, address, config};

const SECOND: Duration = Duration::from_secs(1);

fn without_candidates(text: &str) -> String {
    text.split_inclusive("\r\n").filter(|line| !line.starts_with("a=candidate")).collect()
}

fn candidates(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("a="))
        .filter(|line| line.starts_with("candidate"))
        .map(str::to_owned)
        .collect()
}

/// Neither description has candidates; they follow one by one, in every form there is.
#[test]
fn trap_trickled_candidates_in_all_their_forms() {
    type Form = fn(&str, &str) -> IceCandidate;
    let forms: [Form; 4] = [
        |text, _| text.into(),
        |text, _| format!("a={text}\r\n").into(),
        |text, ufrag| format!("{text} ufrag {ufrag}").into(),
        |text, ufrag| IceCandidate {
            candidate: text.to_owned(),
            sdp_mid: Some("0".to_owned()),
            sdp_m_line_index: Some(0),
            username_fragment: Some(ufrag.to_owned()),
        },
    ];
    for form in forms {
        let mut net = Net::new();
        let now = net.now;
        net.ends[A].create_data_channel(now, "", Default::default()).unwrap();
        let offer = net.ends[A].create_offer(now).unwrap();
        net.ends[A].set_local_description(now, offer.clone()).unwrap();
        let stripped = SessionDescription::offer(without_candidates(&offer.sdp));
        net.ends[B].set_remote_description(now, stripped).unwrap();
        let answer = net.ends[B].create_answer(now).unwrap();
        net.ends[B].set_local_description(now, answer.clone()).unwrap();
        let stripped = SessionDescription::answer(without_candidates(&answer.sdp));
        net.ends[A].set_remote_description(now, stripped).unwrap();
        net.run(SECOND);
        assert!(net.sent.is_empty(), "nobody knows where to send");
        let ufrags: Vec<String> =
            net.ends.iter().map(|end| end.local_ufrags().next().unwrap().to_owned()).collect();
        let now = net.now;
        for candidate in candidates(&offer.sdp) {
            net.ends[B].add_ice_candidate(now, form(&candidate, &ufrags[A])).unwrap();
        }
        for candidate in candidates(&answer.sdp) {
            net.ends[A].add_ice_candidate(now, form(&candidate, &ufrags[B])).unwrap();
        }
        for end in [A, B] {
            for empty in ["", "candidate:", "a=end-of-candidates"] {
                net.ends[end].add_ice_candidate(now, empty).unwrap();
            }
        }
        net.incoming(B);
    }
}

/// Before the description: held. While the offer waits for its answer: kept with it.
#[test]
fn candidates_before_their_description_and_before_the_answer() {
    let mut net = Net::new();
    let now = net.now;
    net.ends[A].create_data_channel(now, "", Default::default()).unwrap();
    let offer = net.ends[A].create_offer(now).unwrap();
    net.ends[A].set_local_description(now, offer.clone()).unwrap();
    let (early, stripped) = (candidates(&offer.sdp), without_candidates(&offer.sdp));
    for candidate in &early {
        net.ends[B].add_ice_candidate(now, candidate.as_str()).unwrap();
    }
    net.ends[B].set_remote_description(now, SessionDescription::offer(stripped)).unwrap();
    net.ends[B].set_local_description(now, SessionDescription::answer("")).unwrap();
    let answer = net.ends[B].local_description().unwrap();
    // The answer's candidates overtake the answer.
    for candidate in candidates(&answer.sdp) {
        net.ends[A].add_ice_candidate(now, candidate).unwrap();
    }
    let stripped = SessionDescription::answer(without_candidates(&answer.sdp));
    net.ends[A].set_remote_description(now, stripped).unwrap();
    net.incoming(B);
}

/// One side's candidates are enough: the other is learnt from its checks.
#[test]
fn trap_a_peer_without_candidates_is_learnt_from_its_checks() {
    for silent in [A, B] {
        let mut net = Net::new();
        let now = net.now;
        net.ends[A].create_data_channel(now, "", Default::default()).unwrap();
        let text = |description: SessionDescription, end| match end == silent {
            true => SessionDescription { sdp: without_candidates(&description.sdp), ..description },
            false => description,
        };
        let offer = net.ends[A].create_offer(now).unwrap();
        net.ends[A].set_local_description(now, offer.clone()).unwrap();
        net.ends[B].set_remote_description(now, text(offer, A)).unwrap();
        let answer = net.ends[B].create_answer(now).unwrap();
        net.ends[B].set_local_description(now, answer.clone()).unwrap();
        net.ends[A].set_remote_description(now, text(answer, B)).unwrap();
        net.incoming(B);
    }
}

#[test]
fn trap_local_names_and_tcp_candidates_fail_nothing() {
    let (mut net, ..) = Net::connected();
    for candidate in [
        "candidate:1023916248 1 udp 2113937151 7ada1079-36ae-4907-b379-434b909c0f02.local 42200 typ \
         host generation 0 network-cost 999",
        "candidate:2 1 TCP 2105458943 127.0.0.1 9 typ host tcptype active",
        "candidate:0 2 UDP 2122187006 127.0.0.1 49334 typ host",
    ] {
        net.ends[A].add_ice_candidate(net.now, candidate).unwrap();
    }
    let result = net.ends[A].add_ice_candidate(net.now, "candidate:nonsense");
    assert!(matches!(result, Err(Error::Candidate(_))), "{result:?}");
}

#[test]
fn row_24_ten_thousand_candidates_are_bounded() {
    let mut net = Net::new();
    let now = net.now;
    let candidate = |n: u32| {
        format!("candidate:{n} 1 udp 1 10.{}.{}.1 {} typ host", n / 256 % 256, n % 256, 1000 + n)
    };
    let refused = |end: &mut Connection, now: Instant| {
        (1..10_000).filter(|n| end.add_ice_candidate(now, candidate(*n)).is_err()).count()
    };
    // Before any description, while an offer waits, and when all is agreed.
    assert!(refused(&mut net.ends[B], now) > 9_000);
    let offer = net.ends[A].create_offer(now).unwrap();
    net.ends[A].set_local_description(now, offer.clone()).unwrap();
    net.ends[B].set_remote_description(now, offer).unwrap();
    assert!(refused(&mut net.ends[B], now) > 9_000);
    net.ends[B].set_local_description(now, SessionDescription::answer("")).unwrap();
    assert!(refused(&mut net.ends[B], now) > 9_000);
    let answer = net.ends[B].local_description().unwrap();
    net.ends[A].set_remote_description(now, answer).unwrap();
    net.run(SECOND);
    // RFC 8445 §14.2: one check per Ta of 50 ms, whatever the number of candidates.
    let strangers =
        net.sent.iter().filter(|(end, _, t)| *end == B && t.remote != address(A)).count();
    assert!(strangers <= 25, "{strangers}");
}

#[test]
fn our_candidates_are_in_the_description_or_told_and_never_both() {
    let now = Instant::now();
    let mut end = Connection::new(now, config(A), StdRng::seed_from_u64(1)).unwrap();
    end.add_local_candidate(now, "192.0.2.1:1".parse::<SocketAddr>().unwrap());
    let offer = end.create_offer(now).unwrap();
    assert_eq!(candidates(&offer.sdp).len(), 1);
    // Found between creating and setting.
    end.add_local_candidate(now, "192.0.2.2:2".parse::<SocketAddr>().unwrap());
    assert_eq!(end.poll_event(), None);
    end.set_local_description(now, offer).unwrap();
    let gathering = Event::IceGatheringStateChange(IceGatheringState::Gathering);
    assert_eq!(end.poll_event(), Some(gathering));
    let Some(Event::IceCandidate(Some(second))) = end.poll_event() else { panic!() };
    assert!(second.candidate.contains("192.0.2.2 2 "));
    end.add_local_candidate(now, "192.0.2.3:3".parse::<SocketAddr>().unwrap());
    end.end_of_local_candidates(now);
    let Some(Event::IceCandidate(Some(third))) = end.poll_event() else { panic!() };
    assert!(third.candidate.contains("192.0.2.3 3 "));
    let complete = Event::IceGatheringStateChange(IceGatheringState::Complete);
    assert_eq!(end.poll_event(), Some(complete));
    assert_eq!(end.poll_event(), Some(Event::IceCandidate(None)));
    assert_eq!(end.poll_event(), None);
    let text = end.local_description().unwrap().sdp;
    assert_eq!(candidates(&text).len(), 3);
    assert!(text.contains("a=end-of-candidates\r\n"));
}
