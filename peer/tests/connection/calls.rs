//! Calls that go well: who offers, who is client, what is said again.

use std::time::Duration;

use peer::{
    Config, ConnectionState, DataChannelInit, Error, Event, Message, SendError, SessionDescription,
    SetupRole, SignalingState,
};

use crate::net::{A, B, Net, address, config, is_stun};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_call_opens_a_channel_and_messages_of_every_kind_pass() {
    let (mut net, ours, theirs) = Net::connected();
    let messages = [
        Message::text("grün"),
        Message::text(""),
        Message::binary(vec![]),
        Message::binary(vec![0; 65_536]),
    ];
    for message in &messages {
        net.ends[A].send(net.now, ours, message.clone()).unwrap();
    }
    net.run(SECOND);
    for message in &messages {
        let now = net.now;
        assert_eq!(net.ends[B].recv(now, theirs).as_ref(), Some(message));
        net.run(SECOND);
    }
    assert_eq!(net.ends[B].channel(theirs).unwrap().label, "chat");
    let expected = [ConnectionState::Connecting, ConnectionState::Connected];
    assert_eq!(net.states(A), expected);
    assert_eq!(net.states(B), expected);
    assert!(net.events[A].contains(&Event::ChannelOpened(ours)));
    let path =
        Event::SelectedPair { protocol: ice::Protocol::Udp, local: address(A), remote: address(B) };
    assert!(net.events[A].contains(&path));
}

/// Offer to open takes four round trips and no timer: ICE, DTLS two, SCTP two overlap with nothing,
/// and no layer may wait where it could go on.
#[test]
fn no_timer_stands_between_the_answer_and_the_first_message() {
    let mut net = Net::new();
    net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    net.negotiate(A);
    net.incoming(B);
    let round_trips = (net.now - net.start).as_secs_f64() / (2.0 * net.delay.as_secs_f64());
    assert!(round_trips < 6.6, "{round_trips} round trips");
}

#[test]
fn both_setup_roles_and_both_directions() {
    for offerer in [A, B] {
        for role in [SetupRole::Active, SetupRole::Passive] {
            let role_of = |end| Config { answer_role: role, ..config(end) };
            let mut net = Net::with(role_of(A), role_of(B));
            let id =
                net.ends[offerer].create_data_channel(net.now, "x", Default::default()).unwrap();
            let (offer, answer) = net.negotiate(offerer);
            assert!(offer.sdp.contains("a=setup:actpass"));
            let word = if role == SetupRole::Active { "active" } else { "passive" };
            assert!(answer.sdp.contains(&format!("a=setup:{word}")));
            let other = net.incoming(1 - offerer);
            net.deliver(offerer, id, other, "there");
            net.deliver(1 - offerer, other, id, "back");
            // RFC 8832 §6: the DTLS client opens even streams.
            let is_client = role == SetupRole::Passive;
            let stream = net.ends[offerer].channel(id).unwrap().id.unwrap();
            assert_eq!(stream.is_multiple_of(2), is_client);
        }
    }
}

#[test]
fn channels_opened_before_and_after_by_either_side() {
    let (mut net, ..) = Net::connected();
    let options = DataChannelInit {
        ordered: false,
        max_retransmits: Some(3),
        protocol: "p".to_owned(),
        ..DataChannelInit::default()
    };
    net.events = Default::default();
    let ours = net.ends[B].create_data_channel(net.now, "later", options).unwrap();
    let theirs = net.incoming(A);
    let info = net.ends[A].channel(theirs).unwrap();
    assert_eq!((info.label.as_str(), info.protocol.as_str()), ("later", "p"));
    assert_eq!(
        (info.ordered, info.max_retransmits, info.max_packet_life_time),
        (false, Some(3), None)
    );
    net.deliver(B, ours, theirs, "hello");
}

#[test]
fn negotiated_channels_need_no_word() {
    let mut net = Net::new();
    let init = || DataChannelInit { negotiated: true, id: Some(7), ..DataChannelInit::default() };
    let ours = net.ends[A].create_data_channel(net.now, "n", init()).unwrap();
    let theirs = net.ends[B].create_data_channel(net.now, "n", init()).unwrap();
    net.negotiate(A);
    net.run(SECOND);
    net.deliver(A, ours, theirs, "hello");
    assert!(!net.events[B].iter().any(|event| matches!(event, Event::DataChannel(_))));
    let wrong = DataChannelInit { negotiated: true, ..DataChannelInit::default() };
    let result = net.ends[A].create_data_channel(net.now, "", wrong);
    assert!(matches!(result, Err(Error::NegotiatedWithoutId)));
    let wrong = DataChannelInit {
        max_retransmits: Some(1),
        max_packet_life_time: Some(1),
        ..DataChannelInit::default()
    };
    let result = net.ends[A].create_data_channel(net.now, "", wrong);
    assert!(matches!(result, Err(Error::BothReliabilities)));
}

#[test]
fn a_message_larger_than_the_peer_takes_is_refused() {
    let mut small = config(B);
    small.data.association.max_message_size = 1000;
    let mut net = Net::with(config(A), small);
    let ours = net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    let (_, answer) = net.negotiate(A);
    assert!(answer.sdp.contains("a=max-message-size:1000\r\n"));
    let theirs = net.incoming(B);
    assert_eq!(net.ends[A].max_message_size(), 1000);
    let result = net.ends[A].send(net.now, ours, Message::binary(vec![0; 1001]));
    assert_eq!(result, Err(SendError::TooLarge { limit: 1000 }));
    net.deliver(A, ours, theirs, "fits");
}

#[test]
fn trap_a_re_offer_keeps_the_dtls_role_and_the_call() {
    let (mut net, ours, theirs) = Net::connected();
    for offerer in [A, B, B, A] {
        let (offer, answer) = net.negotiate(offerer);
        assert!(offer.sdp.contains("a=setup:actpass"));
        let expected = if offerer == A { "a=setup:active" } else { "a=setup:passive" };
        assert!(answer.sdp.contains(expected), "{}", answer.sdp);
        net.deliver(A, ours, theirs, "still");
        net.deliver(B, theirs, ours, "here");
    }
    assert_eq!(net.states(A), [ConnectionState::Connecting, ConnectionState::Connected]);
}

#[test]
fn rollback_of_an_offer_and_then_a_call() {
    let mut net = Net::new();
    let now = net.now;
    net.ends[A].set_local_description(now, SessionDescription::offer("")).unwrap();
    net.ends[A].set_local_description(now, SessionDescription::rollback()).unwrap();
    assert_eq!(net.ends[A].signaling_state(), SignalingState::Stable);
    net.ends[B].create_data_channel(now, "", Default::default()).unwrap();
    net.negotiate(B);
    net.incoming(A);
}

/// Perfect negotiation: both offer at once, the polite one gives way.
#[test]
fn trap_glare() {
    let mut net = Net::new();
    let now = net.now;
    let ours = net.ends[A].create_data_channel(now, "a", Default::default()).unwrap();
    let polite = net.ends[A].create_offer(now).unwrap();
    net.ends[A].set_local_description(now, polite).unwrap();
    let impolite = net.ends[B].create_offer(now).unwrap();
    net.ends[B].set_local_description(now, impolite.clone()).unwrap();
    net.ends[A].set_remote_description(now, impolite).unwrap();
    net.ends[A].set_local_description(now, SessionDescription::answer("")).unwrap();
    let answer = net.ends[A].local_description().unwrap();
    net.ends[B].set_remote_description(now, answer).unwrap();
    let theirs = net.incoming(B);
    net.deliver(A, ours, theirs, "agreed");
}

/// STUN often beats signalling: the answerer's checks and its ClientHello come before its answer.
#[test]
fn trap_checks_and_client_hello_before_the_answer() {
    let mut net = Net::new();
    let now = net.now;
    let ours = net.ends[A].create_data_channel(now, "early", Default::default()).unwrap();
    let offer = net.ends[A].create_offer(now).unwrap();
    net.ends[A].set_local_description(now, offer.clone()).unwrap();
    net.ends[B].set_remote_description(now, offer).unwrap();
    net.ends[B].set_local_description(now, SessionDescription::answer("")).unwrap();
    let answer = net.ends[B].local_description().unwrap();
    net.run(Duration::from_millis(150));
    let hellos =
        net.sent.iter().filter(|(end, _, transmit)| *end == B && !is_stun(transmit)).count();
    assert!(hellos >= 1, "B has a path and begins");
    net.sent.clear();
    net.passes = Box::new(|end, transmit| end == A || is_stun(transmit));
    let now = net.now;
    net.ends[A].set_remote_description(now, answer).unwrap();
    // What was held is answered as soon as A has a path of its own, one round trip later, although
    // B's repetitions are lost.
    net.run(3 * net.delay);
    assert!(net.sent.iter().any(|(end, _, transmit)| *end == A && !is_stun(transmit)));
    net.passes = Box::new(|_, _| true);
    let theirs = net.incoming(B);
    net.deliver(A, ours, theirs, "hello");
}

#[test]
fn a_wrong_certificate_fails_the_connection_and_no_data_passes() {
    let mut net = Net::new();
    let now = net.now;
    net.ends[A].create_data_channel(now, "", Default::default()).unwrap();
    let offer = net.ends[A].create_offer(now).unwrap();
    net.ends[A].set_local_description(now, offer.clone()).unwrap();
    // A man in the middle has put another fingerprint into the offer.
    let line = offer.sdp.lines().find(|line| line.starts_with("a=fingerprint")).unwrap();
    let swapped = if line.ends_with("00") { "11" } else { "00" };
    let wrong = format!("{}{swapped}", &line[..line.len() - 2]);
    let forged = SessionDescription::offer(offer.sdp.replace(line, &wrong));
    net.ends[B].set_remote_description(now, forged).unwrap();
    net.ends[B].set_local_description(now, SessionDescription::answer("")).unwrap();
    let answer = net.ends[B].local_description().unwrap();
    net.ends[A].set_remote_description(now, answer).unwrap();
    net.run(40 * SECOND);
    assert_eq!(net.state(B), ConnectionState::Failed);
    assert!(
        net.events[B]
            .iter()
            .any(|event| matches!(event, Event::Closed(reason) if reason.is_failure()))
    );
    assert!(!net.events[B].iter().any(|event| matches!(event, Event::DataChannel(_))));
    assert!(
        !net.states(A).contains(&ConnectionState::Connected)
            || net.state(A) != ConnectionState::Connected
    );
}

#[test]
fn statistics_have_the_names_of_the_w3c() {
    let (mut net, ours, theirs) = Net::connected();
    net.deliver(A, ours, theirs, "12345");
    let stats = net.ends[A].get_stats(net.now);
    let json = serde_json::to_value(&stats).unwrap();
    assert_eq!(json["transport"]["tlsVersion"], "FEFD");
    assert_eq!(json["transport"]["dtlsCipher"], "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(json["transport"]["dtlsRole"], "server");
    assert_eq!(json["transport"]["iceRole"], "controlling");
    assert!(json["transport"]["bytesSent"].as_u64().unwrap() > 1000);
    assert_eq!(json["selectedCandidatePair"]["remote"], "192.0.2.2:2000");
    assert_eq!(json["transport"]["iceState"], "completed");
    let pair = &json["selectedCandidatePair"];
    assert_eq!(json["transport"]["selectedCandidatePairId"], pair["id"]);
    assert_eq!((&pair["state"], &pair["protocol"]), (&"succeeded".into(), &"udp".into()));
    assert_eq!(pair["localCandidateType"], "host");
    let find = |list: &str, id: &serde_json::Value| {
        let mut list = json[list].as_array().unwrap().iter();
        list.find(|it| it["id"] == *id).unwrap().clone()
    };
    assert_eq!(find("candidatePairs", &pair["id"]), *pair);
    let ours = find("localCandidates", &pair["localCandidateId"]);
    assert_eq!((&ours["address"], &ours["port"]), (&"192.0.2.1".into(), &1000.into()));
    assert_eq!((&ours["candidateType"], &ours["protocol"]), (&"host".into(), &"udp".into()));
    assert!(ours["relayProtocol"].is_null() && ours["priority"].as_u64().unwrap() > 0);
    let theirs = find("remoteCandidates", &pair["remoteCandidateId"]);
    assert_eq!(
        (&theirs["address"], &theirs["candidateType"]),
        (&"192.0.2.2".into(), &"host".into())
    );
    let round_trip = json["selectedCandidatePair"]["currentRoundTripTime"].as_f64().unwrap();
    assert!((0.019..0.3).contains(&round_trip), "{round_trip}");
    assert_eq!(json["dataChannels"][0]["label"], "chat");
    assert_eq!(json["dataChannels"][0]["messagesSent"], 1);
    assert_eq!(json["dataChannels"][0]["bytesSent"], 5);
    assert!(json["sctp"]["smoothedRoundTripTime"].as_f64().unwrap() > 0.0);
    let received = net.ends[B].get_stats(net.now).data_channels[0].bytes_received;
    assert_eq!(received, 5);
}

#[test]
fn a_thousand_channels_on_one_connection() {
    let (mut net, ..) = Net::connected();
    for number in 0..999 {
        net.ends[A].create_data_channel(net.now, &number.to_string(), Default::default()).unwrap();
    }
    let opened = |net: &Net| {
        net.events[B].iter().filter(|event| matches!(event, Event::DataChannel(_))).count()
    };
    assert!(net.run_until(10 * SECOND, |net| opened(net) == 1000), "{}", opened(&net));
}
