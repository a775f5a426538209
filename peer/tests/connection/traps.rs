//! Known failures of other stacks, for the whole connection: one test a trap.

use std::path::Path;
use std::time::Duration;

use peer::{Error, Message, SendError, SessionDescription};

use crate::net::{A, B, Net};

const SECOND: Duration = Duration::from_secs(1);

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/sdp").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// A browser without permissions writes nothing but names; its checks will tell where it is.
#[test]
fn trap_descriptions_with_mdns_names_only_are_answered() {
    for name in ["chromium-data-mdns.offer.sdp", "firefox-data-mdns.offer.sdp"] {
        let mut net = Net::new();
        let offer = SessionDescription::offer(fixture(name));
        net.ends[B].set_remote_description(net.now, offer).unwrap();
        net.ends[B].set_local_description(net.now, SessionDescription::answer("")).unwrap();
        net.run(SECOND);
        assert!(net.sent.is_empty(), "{name}: no name is looked up, nobody is asked");
        assert!(net.ends[B].local_description().unwrap().sdp.contains("a=candidate:"));
    }
}

/// An empty candidate is the end of candidates, however it is written; never an error.
#[test]
fn trap_an_empty_candidate_is_the_end_of_candidates() {
    let ends = ["", " ", "candidate:", "a=candidate:", "a=candidate:\r\n", "a=end-of-candidates"];
    let mut net = Net::new();
    let now = net.now;
    let ours = net.ends[A].create_data_channel(now, "x", Default::default()).unwrap();
    let say = |net: &mut Net, end: usize| {
        for text in ends {
            net.ends[end].add_ice_candidate(now, text).unwrap();
        }
    };
    // Before the description, before the answer, after it, and when all is long over.
    say(&mut net, B);
    let offer = net.ends[A].create_offer(now).unwrap();
    net.ends[A].set_local_description(now, offer.clone()).unwrap();
    net.ends[B].set_remote_description(now, offer).unwrap();
    say(&mut net, B);
    net.ends[B].set_local_description(now, SessionDescription::answer("")).unwrap();
    say(&mut net, B);
    let answer = net.ends[B].local_description().unwrap();
    net.ends[A].set_remote_description(now, answer).unwrap();
    let theirs = net.incoming(B);
    say(&mut net, B);
    net.deliver(A, ours, theirs, "there");
    let nonsense = net.ends[B].add_ice_candidate(net.now, "candidate");
    assert!(matches!(nonsense, Err(Error::Candidate(_))), "{nonsense:?}");
}

/// Chrome closes the channel without a word when a message is larger than it said. Not to say
/// anything means 65,536 octets, and 0 means any length (RFC 8841 §6.1).
#[test]
fn trap_the_remote_max_message_size_is_respected() {
    for (line, limit) in [("", 65_536), ("a=max-message-size:100000\r\n", 100_000)] {
        let mut net = Net::new();
        let now = net.now;
        let ours = net.ends[A].create_data_channel(now, "x", Default::default()).unwrap();
        let offer = net.ends[A].create_offer(now).unwrap();
        net.ends[A].set_local_description(now, offer.clone()).unwrap();
        net.ends[B].set_remote_description(now, offer).unwrap();
        let answer = net.ends[B].create_answer(now).unwrap();
        net.ends[B].set_local_description(now, answer.clone()).unwrap();
        let sdp = answer.sdp.replace("a=max-message-size:262144\r\n", line);
        net.ends[A].set_remote_description(now, SessionDescription::answer(sdp)).unwrap();
        let theirs = net.incoming(B);
        assert_eq!(net.ends[A].max_message_size(), limit);
        let refused = net.ends[A].send(net.now, ours, Message::binary(vec![0; limit + 1]));
        assert_eq!(refused, Err(SendError::TooLarge { limit }));
        assert!(refused.unwrap_err().to_string().contains(&limit.to_string()), "it says why");
        net.deliver(A, ours, theirs, &"x".repeat(limit));
    }
}

#[test]
fn trap_max_message_size_zero_is_unlimited() {
    let mut net = Net::new();
    let now = net.now;
    let offer = net.ends[A].create_offer(now).unwrap();
    let sdp = offer.sdp.replace("max-message-size:262144", "max-message-size:0");
    net.ends[B].set_remote_description(now, SessionDescription::offer(sdp)).unwrap();
    net.ends[B].set_local_description(now, SessionDescription::answer("")).unwrap();
    assert!(net.ends[B].max_message_size() > 1 << 20);
}

/// A lite agent sends no checks: it is controlled even if it made the offer (str0m#513).
#[test]
fn trap_an_ice_lite_offerer_is_controlled() {
    for (line, role) in [("", "controlled"), ("a=ice-lite\r\n", "controlling")] {
        let mut net = Net::new();
        let now = net.now;
        let offer = net.ends[A].create_offer(now).unwrap();
        let sdp = offer.sdp.replace("t=0 0\r\n", &format!("t=0 0\r\n{line}"));
        net.ends[B].set_remote_description(now, SessionDescription::offer(sdp)).unwrap();
        net.ends[B].set_local_description(now, SessionDescription::answer("")).unwrap();
        assert_eq!(net.ends[B].get_stats(now).transport.ice_role, role);
    }
}
