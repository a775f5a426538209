//! Reflexive addresses, the pace, completion, and who is believed.

use super::*;
use GatheringEvent::{Complete, Failed, Found, Lost};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_server_tells_the_mapped_address_and_gathering_is_complete() {
    let mut bench = Bench::new(&[BASE], &[stun(SERVER)]);
    bench.sees(SERVER, PUBLIC);
    bench.run_for(SECOND);
    assert_eq!(bench.news(), [Found(reflexive(BASE, PUBLIC)), Complete]);
}

#[test]
fn what_two_servers_see_alike_is_one_candidate_and_no_nat_is_none() {
    let mut bench = Bench::new(&[BASE], &[stun(SERVER), stun(OTHER)]);
    bench.sees(SERVER, PUBLIC);
    bench.sees(OTHER, PUBLIC);
    bench.run_for(SECOND);
    assert_eq!(bench.news(), [Found(reflexive(BASE, PUBLIC)), Complete]);
    // A NAT whose mapping depends on the destination (RFC 4787 §4.1).
    bench.sees(OTHER, "203.0.113.5:40001");
    bench.run_for(20 * SECOND);
    assert_eq!(bench.news(), [Found(reflexive(BASE, "203.0.113.5:40001"))]);

    let mut bench = Bench::new(&[PUBLIC], &[stun(SERVER)]);
    bench.sees(SERVER, PUBLIC);
    bench.run_for(SECOND);
    assert_eq!(bench.news(), [Complete]);
}

#[test]
fn mappings_are_kept_open_and_new_ones_noticed() {
    let mut bench = Bench::new(&[BASE], &[stun(SERVER)]);
    bench.sees(SERVER, PUBLIC);
    bench.run_for(121 * SECOND);
    let times: Vec<Duration> = bench.sent.iter().map(|(at, _)| *at).collect();
    assert!((7..=9).contains(&times.len()), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 15 * SECOND), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 20 * SECOND), "{times:?}");
    assert_eq!(bench.news(), [Found(reflexive(BASE, PUBLIC)), Complete]);
    bench.sees(SERVER, "203.0.113.5:41000");
    bench.run_for(20 * SECOND);
    let (old, new) = (reflexive(BASE, PUBLIC), reflexive(BASE, "203.0.113.5:41000"));
    assert_eq!(bench.news(), [Lost(old), Found(new)]);
    // A server that falls silent takes nothing away.
    bench.servers.clear();
    bench.run_for(200 * SECOND);
    assert_eq!(bench.news(), []);
}

#[test]
fn one_question_goes_out_every_ta() {
    let bases: Vec<String> = (1..=9).map(|host| format!("10.0.0.{host}:1000")).collect();
    let bases: Vec<&str> = bases.iter().map(String::as_str).collect();
    let mut bench = Bench::new(&bases, &[stun(SERVER), stun(OTHER)]);
    bench.sees(SERVER, PUBLIC);
    bench.sees(OTHER, PUBLIC);
    bench.run_for(SECOND);
    let times: Vec<u128> = bench.sent.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(times, (0..18).map(|slot| slot * 50).collect::<Vec<u128>>());
    assert_eq!(bench.news().last(), Some(&Complete));
}

#[test]
fn a_dead_server_holds_nobody_up_and_its_late_answer_counts() {
    let mut bench = Bench::new(&[BASE], &[stun(SERVER), stun(OTHER)]);
    bench.sees(OTHER, PUBLIC);
    bench.run_for(6 * SECOND);
    let complete_at = bench.events.last().unwrap().0;
    assert!(complete_at <= 5 * SECOND + 50 * SECOND / 1000, "{complete_at:?}");
    let news = bench.news();
    assert_eq!(news[0], Found(reflexive(BASE, PUBLIC)));
    let Failed(error) = &news[1] else { panic!("{news:?}") };
    assert_eq!((error.code, error.url.as_str()), (701, "stun:198.51.100.1:3478"));
    assert_eq!(error.local, Some(at(BASE)));
    assert_eq!(news[2..], [Complete]);
    // The request of 7.5 s is answered.
    bench.sees(SERVER, "203.0.113.5:40001");
    bench.run_for(2 * SECOND);
    assert_eq!(bench.news(), [Found(reflexive(BASE, "203.0.113.5:40001"))]);
}

#[test]
fn a_server_that_one_base_cannot_reach_is_no_failure() {
    let mut bench = Bench::new(&[BASE, "172.17.0.1:1000"], &[stun(SERVER)]);
    bench.sees(SERVER, PUBLIC);
    // Only the first base's request is answered.
    bench.drain();
    bench.servers.clear();
    bench.run_for(60 * SECOND);
    assert_eq!(bench.news(), [Found(reflexive(BASE, PUBLIC)), Complete]);
}

#[test]
fn a_refusal_is_told_once_with_its_code() {
    let mut bench = Bench::new(&[BASE, "10.0.0.3:1000"], &[stun(SERVER)]);
    bench.sees(SERVER, PUBLIC);
    bench.refusal = Some(Code::SERVER_ERROR);
    bench.run_for(100 * SECOND);
    let news = bench.news();
    let [Failed(error), Complete] = &news[..] else { panic!("{news:?}") };
    assert_eq!(error.code, 500);
    assert!(error.to_string().starts_with("stun:198.51.100.1:3478: it refuses"), "{error}");
}

#[test]
fn late_bases_and_servers_make_it_complete_again() {
    let mut bench = Bench::new(&[BASE], &[]);
    bench.run_for(SECOND);
    assert_eq!(bench.news(), [Complete]);
    bench.sees(SERVER, PUBLIC);
    let now = bench.now;
    bench.gatherer.add_server(now, stun(SERVER));
    bench.gatherer.add_server(now, stun(SERVER));
    bench.run_for(SECOND);
    assert_eq!(bench.news(), [Found(reflexive(BASE, PUBLIC)), Complete]);
    let now = bench.now;
    bench.gatherer.add_base(now, at("10.0.0.9:1000"));
    bench.gatherer.add_base(now, at(BASE));
    bench.run_for(SECOND);
    assert_eq!(bench.news(), [Found(reflexive("10.0.0.9:1000", PUBLIC)), Complete]);
    let now = bench.now;
    bench.gatherer.remove_base(now, at(BASE));
    bench.run_for(SECOND);
    assert_eq!(bench.news(), [Lost(reflexive(BASE, PUBLIC))]);
}

#[test]
fn what_cannot_be_asked_is_said() {
    let mut bench = Bench::new(&["127.0.0.1:1000"], &[stun(SERVER)]);
    bench.run_for(SECOND);
    let news = bench.news();
    assert!(matches!(&news[..], [Failed(error), Complete] if error.code == 701), "{news:?}");
    assert!(bench.sent.is_empty());
    // It is this machine: an address of ours.
    let now = bench.now;
    bench.sees(SERVER, "127.0.0.1:1000");
    bench.gatherer.add_base(now, at("198.51.100.1:1000"));
    bench.run_for(SECOND);
    assert_eq!(bench.sent.len(), 2);

    let stream = Server { transport: ServerTransport::Tcp, ..stun(SERVER) };
    let mut bench = Bench::new(&[BASE], &[stream]);
    bench.run_for(SECOND);
    assert!(matches!(&bench.news()[..], [Failed(error), Complete] if error.code == 701));
}

#[test]
fn row_19_a_response_needs_the_id_the_server_and_the_base() {
    let mut bench = Bench::new(&[BASE, "10.0.0.3:1000"], &[stun(SERVER), stun(OTHER)]);
    bench.run_for(SECOND);
    let request = bench.sent[0].1.clone();
    let lie = at("203.0.113.66:666");
    let honest = bench.answer(&request, at(PUBLIC));
    let answer = bench.answer(&request, lie);
    let mut other_id = answer.clone();
    other_id.transaction_id.0[5] ^= 1;
    assert!(bench.deliver(&request, &other_id).is_err());
    let mut no_response = answer.clone();
    no_response.class = Class::Request;
    assert!(bench.deliver(&request, &no_response).is_err());
    for (local, remote) in [
        (BASE, "198.51.100.1:3479"),
        (BASE, OTHER),
        (BASE, "203.0.113.66:3478"),
        ("10.0.0.3:1000", SERVER),
        ("10.0.0.4:1000", SERVER),
    ] {
        let way = ToServer { local: at(local), remote: at(remote), ..request.clone() };
        assert!(bench.deliver(&way, &answer).is_err(), "{local} {remote}");
    }
    bench.run_for(Duration::from_millis(100));
    assert_eq!(bench.news(), []);
    assert_eq!(bench.deliver(&request, &honest), Ok(()));
    assert!(bench.deliver(&request, &answer).is_err(), "it is answered");
    bench.run_for(Duration::from_millis(100));
    assert_eq!(bench.news(), [Found(reflexive(BASE, PUBLIC))]);
}

#[test]
fn row_25_an_unusable_mapped_address_is_no_candidate() {
    for lie in ["0.0.0.0:1", "224.0.0.1:1", "203.0.113.5:0", "[2001:db8::1]:1"] {
        let mut bench = Bench::new(&[BASE], &[stun(SERVER)]);
        bench.sees(SERVER, lie);
        bench.run_for(SECOND);
        let news = bench.news();
        assert!(matches!(&news[..], [Failed(error), Complete] if error.code == 701), "{news:?}");
    }
}

#[test]
fn servers_and_bases_are_bounded_and_close_is_silence() {
    let mut bench = Bench::new(&[], &[]);
    let now = bench.now;
    for number in 0..1000u32 {
        let host = std::net::Ipv4Addr::from(0x0a00_0000 + number);
        bench.gatherer.add_base(now, SocketAddr::from((host, 1000)));
        let server = format!("198.51.{}.{}:3478", number / 250, number % 250 + 1);
        bench.gatherer.add_server(now, stun(&server));
    }
    bench.run_for(4 * SECOND);
    let asked: std::collections::BTreeSet<_> =
        bench.sent.iter().map(|(_, request)| (request.local, request.remote)).collect();
    assert_eq!(asked.len(), 64);
    let now = bench.now;
    bench.gatherer.close(now);
    bench.sent.clear();
    bench.events.clear();
    bench.run_for(60 * SECOND);
    assert!(bench.sent.is_empty() && bench.events.is_empty());
    assert_eq!(bench.gatherer.poll_timeout(), None);
}
