//! Row 3: what one peer can make us hold, as the operating system counts it.
//!
//! Each measurement runs in a process of its own (this test program, called again for that one
//! test), so that other tests do not disturb it, and over many victims, so that the allocator's
//! pages do not. Only Linux tells a process its size in a file; elsewhere these tests do nothing.

use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use peer::{Connection, SessionDescription};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sctp::wire::{Body, Data, Ppid, SkippedStream, Ssn, StreamId, Tsn};
use stun::{Attribute, Key, Message, Method, TransactionId};
use tests::sim::Link;
use tests::{Datagram, Endpoint};

use super::rogue::{Call, TSN, open, whole};
use crate::peer::{LEFT, RIGHT, address, config};

const ALONE: &str = "SECURITY_MEMORY_ALONE";
const PAGE: usize = 4096;

/// The checklist's bounds. The second one is a_rwnd and two megabytes.
const BEFORE_AUTHENTICATION: usize = 256_000;
pub(super) const AFTER_AUTHENTICATION: usize = (4 << 20) + 2_000_000;

fn resident_octets() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<usize>().ok()? * PAGE)
}

/// An attack: its name, and what it leaves behind in one victim.
pub(super) type Attack<'a> = (&'a str, &'a dyn Fn() -> usize);

/// Makes sure that each attack leaves less than `limit` octets, in a process of its own for each:
/// what one has freed would be the next one's.
pub(super) fn must_stay_below(limit: usize, test: &str, attacks: &[Attack<'_>]) {
    if resident_octets().is_none() {
        return;
    }
    if let Ok(chosen) = std::env::var(ALONE) {
        let (name, measure) = attacks.iter().find(|(name, _)| *name == chosen).unwrap();
        let octets = measure();
        assert!(octets <= limit, "{name}: {octets} octets");
        return;
    }
    for (name, _) in attacks {
        let program = std::env::current_exe().unwrap();
        let test = format!("security::{test}");
        let arguments = ["--exact", &test, "--nocapture"];
        let output = Command::new(program).args(arguments).env(ALONE, name).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}

/// How many octets each of `count` victims takes, made and attacked by `attack`.
pub(super) fn each<T>(count: usize, mut attack: impl FnMut(usize) -> T) -> usize {
    let warm = attack(count);
    let before = resident_octets().unwrap();
    let victims: Vec<T> = (0..count).map(&mut attack).collect();
    let after = resident_octets().unwrap();
    drop((warm, victims));
    after.saturating_sub(before) / count
}

/// A handshake record with a fragment of a message that is never whole.
fn fragment(message_seq: u16, offset: u32, length: usize, number: u64) -> Bytes {
    let mut body = vec![11, 0, 0xff, 0];
    body.extend(message_seq.to_be_bytes());
    body.extend(&offset.to_be_bytes()[1..]);
    body.extend(&u32::try_from(length).unwrap().to_be_bytes()[1..]);
    body.resize(body.len() + length, 7);
    let mut record = vec![22, 254, 253, 0, 0];
    record.extend(&number.to_be_bytes()[2..]);
    record.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    record.extend(body);
    record.into()
}

fn give(victim: &mut Connection, now: Instant, source: &str, payload: Bytes) {
    let (source, destination) = (address(source), address(RIGHT));
    let _ = Endpoint::handle_datagram(victim, now, Datagram::udp(source, destination, payload));
    while victim.poll_transmit(now).is_some() {}
}

/// A call whose path is there, and whose handshake has not begun.
fn half_open(role: dtls::Role) -> Call {
    let link = Link::default().delay(1);
    let mut call = Call::new(role, config(1), &link);
    call.pair.run_until(std::time::Duration::from_secs(5), |_, _, victim| {
        let is_path = |event: &peer::Event| matches!(event, peer::Event::SelectedPair { .. });
        victim.events.iter().any(is_path)
    });
    call
}

#[test]
fn row_03_before_authentication_a_peer_takes_less_than_256_kilobytes() {
    let fragments = |role| {
        each(16, |_| {
            let mut call = half_open(role);
            let now = call.pair.now();
            for number in 0..2_000_u64 {
                let seq = u16::try_from(number % 40).unwrap();
                let offset = u32::try_from(number / 40 * 1_000).unwrap();
                let fragment = fragment(seq, offset, 1_000, number);
                give(call.victim(), now, LEFT, fragment);
                // Records of the next epoch may wait for their keys.
                let mut early = vec![23, 254, 253, 0, 1, 0, 0];
                early.extend(&number.to_be_bytes()[4..]);
                early.extend([4, 0]);
                early.resize(early.len() + 1024, 7);
                give(call.victim(), now, LEFT, early.into());
            }
            call
        })
    };
    let checks = || {
        each(16, |_| {
            let mut call = half_open(dtls::Role::Server);
            let now = call.pair.now();
            let sdp = call.victim().local_description().unwrap().sdp;
            let value = |name: &str| {
                sdp.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
            };
            let key = Key::short_term(&value("a=ice-pwd:"));
            let theirs = call.rogue().agent.local_credentials().ufrag.clone();
            let username = format!("{}:{theirs}", value("a=ice-ufrag:"));
            let mut rng = StdRng::seed_from_u64(1);
            for index in 0..5_000 {
                let check = Message::request(Method::BINDING, TransactionId::random(&mut rng))
                    .with(Attribute::Username(username.as_str().into()))
                    .with(Attribute::Priority(index))
                    .with(Attribute::IceControlling(u64::MAX));
                let source = format!("203.0.{}.{}:{}", index / 250, index % 250, 1024 + index);
                give(call.victim(), now, &source, check.encode(Some(&key)));
            }
            call
        })
    };
    let early = || {
        each(64, |_| {
            let now = Instant::now();
            let rng = StdRng::seed_from_u64(5);
            let mut victim = Connection::new(now, config(1), rng).unwrap();
            victim.add_local_candidate(now, address(RIGHT));
            let offer = victim.create_offer(now).unwrap();
            victim.set_local_description(now, offer).unwrap();
            for index in 0..5_000 {
                let candidate =
                    format!("candidate:{index} 1 udp 1 192.0.2.1 {} typ host", 1 + index);
                let init = peer::IceCandidate { candidate, ..Default::default() };
                let _ = victim.add_ice_candidate(now, init);
                give(&mut victim, now, LEFT, vec![22; 1200].into());
            }
            victim
        })
    };
    let described = || {
        each(64, |_| {
            let now = Instant::now();
            let rng = StdRng::seed_from_u64(5);
            let mut victim = Connection::new(now, config(1), rng).unwrap();
            victim.add_local_candidate(now, address(RIGHT));
            let credentials = ice::Credentials { ufrag: "u".repeat(256), pwd: "p".repeat(256) };
            let certificate = config(0).certificate.unwrap();
            let fingerprint = certificate.fingerprint(dtls::HashAlgorithm::Sha256).to_string();
            let mut sdp = super::rogue::offer(&credentials, &fingerprint, "passive");
            for index in 0..1_000 {
                sdp += &format!("a=candidate:{index} 1 udp 1 192.0.2.1 {index} typ host\r\n");
            }
            let _ = victim.set_remote_description(now, SessionDescription::offer(sdp));
            let answer = victim.create_answer(now);
            if let Ok(answer) = answer {
                victim.set_local_description(now, answer).unwrap();
            }
            victim
        })
    };
    must_stay_below(
        BEFORE_AUTHENTICATION,
        "memory::row_03_before_authentication_a_peer_takes_less_than_256_kilobytes",
        &[
            ("fragments for a client", &|| fragments(dtls::Role::Server)),
            ("fragments for a server", &|| fragments(dtls::Role::Client)),
            ("checks", &checks),
            ("what comes before the answer", &early),
            ("a long description", &described),
        ],
    );
}

/// A victim that got `count` packets of these chunks, and the TSNs that are left.
fn attacked(packets: u32, mut chunks: impl FnMut(u32) -> Vec<Data>) -> Call {
    let mut call = Call::established();
    let (now, mut tag_sent) = (call.pair.now(), 0_u32);
    let tag = call.rogue().tag;
    for number in 0..packets {
        let made = chunks(number);
        let bodies: Vec<&dyn Body> = made.iter().map(|data| data as &dyn Body).collect();
        let record = call.rogue().seal(now, &super::rogue::packet(tag, &bodies));
        give(call.victim(), now, LEFT, record);
        tag_sent += 1;
    }
    assert_eq!(tag_sent, packets);
    call
}

fn fragment_of(tsn: Tsn, octets: usize) -> Data {
    let payload = Bytes::from(vec![1; octets]);
    Data { beginning: false, ending: false, payload, ..whole(tsn, 1, 0) }
}

#[test]
fn row_03_after_authentication_a_peer_takes_its_window_and_two_megabytes() {
    let dcep = |tsn| Data { ppid: Ppid::DCEP, payload: open("unread"), ..whole(tsn, 1, 0) };
    // Whole messages that nobody reads.
    let unread = |octets: usize, per_packet: u32, packets: u32| {
        each(3, |_| {
            attacked(packets, |packet| {
                let message = |index: u32| {
                    let number = packet * per_packet + index;
                    if number == 0 {
                        return dcep(TSN);
                    }
                    let ssn = u16::try_from(number & 0xffff).unwrap();
                    let payload = Bytes::from(vec![1; octets]);
                    Data { payload, ..whole(TSN.advance(number), 1, ssn) }
                };
                (0..per_packet).map(message).collect()
            })
        })
    };
    let islands = |octets: usize, per_packet: u32, packets: u32| {
        each(3, |_| {
            attacked(packets, |packet| {
                let island = |index| {
                    let number = (packet * per_packet + index) * 2 + 1;
                    fragment_of(TSN.advance(number), octets)
                };
                (0..per_packet).map(island).collect()
            })
        })
    };
    // First every other fragment, as far as it goes; then those between.
    let filled = || {
        each(3, |_| {
            attacked(12_000, |packet| {
                let number = if packet < 6_000 { packet * 2 + 1 } else { (packet - 6_000) * 2 + 2 };
                vec![fragment_of(TSN.advance(number), 1_100)]
            })
        })
    };
    let holes = || {
        each(3, |_| {
            attacked(10_000, |packet| {
                let ssn = u16::try_from(packet % 60_000 + 1).unwrap();
                let payload = Bytes::from(vec![1; 1_100]);
                vec![Data { payload, ..whole(TSN.advance(packet), 1, ssn) }]
            })
        })
    };
    let channels = || {
        each(3, |_| {
            attacked(10_000, |packet| {
                let stream = u16::try_from(packet * 2 % 65_000 + 1).unwrap();
                let payload = open(format!("{packet} {}", "x".repeat(250)));
                vec![Data { ppid: Ppid::DCEP, payload, ..whole(TSN.advance(packet), stream, 0) }]
            })
        })
    };
    let unread_streams = || {
        each(3, |_| {
            attacked(2_000, |packet| {
                let message = |index: u32| {
                    let number = packet * 40 + index;
                    let stream = u16::try_from(number % 65_535).unwrap();
                    whole(TSN.advance(number), stream, 0)
                };
                (0..40).map(message).collect()
            })
        })
    };
    let holes_everywhere = || {
        each(3, |_| {
            attacked(2_000, |packet| {
                let message = |index: u32| {
                    let number = packet * 40 + index;
                    whole(TSN.advance(number), u16::try_from(number % 65_535).unwrap(), 1)
                };
                (0..40).map(message).collect()
            })
        })
    };
    // One run behind a hole: what waits for it must come, so there is room beyond the window.
    let run = || each(3, |_| attacked(10_000, |i| vec![fragment_of(TSN.advance(i + 1), 1_100)]));
    let endless = || {
        each(3, |_| {
            attacked(10_000, |packet| {
                let tsn = TSN.advance(packet);
                let stream = u16::try_from(packet / 200).unwrap();
                let beginning = packet % 200 == 0;
                vec![Data { beginning, stream: StreamId(stream), ..fragment_of(tsn, 1_100) }]
            })
        })
    };
    // Channels, as many as may be; then what is not the application's to read, nor anybody's.
    let everything = || {
        each(3, |_| {
            let mut call = attacked(12_000, |packet| {
                let tsn = TSN.advance(packet);
                if packet < 2_100 {
                    let payload = open(format!("{packet} {}", "x".repeat(120)));
                    let stream = u16::try_from(packet * 2 + 1).unwrap();
                    return vec![Data { ppid: Ppid::DCEP, payload, ..whole(tsn, stream, 0) }];
                }
                let beginning = packet % 200 == 0;
                vec![Data { beginning, ..fragment_of(tsn, 1_100) }]
            });
            let new_cumulative_tsn = TSN.advance(2_099);
            let skipped = |number| SkippedStream { stream: StreamId(number), ssn: Ssn(7) };
            for round in 0..22 {
                let streams = (0..3_000).map(|index| skipped(round * 3_000 % 60_000 + index));
                let streams = streams.collect();
                call.say(&[&sctp::wire::ForwardTsn { new_cumulative_tsn, streams }]);
            }
            call
        })
    };
    let nothing = || each(3, |_| attacked(1, |packet| vec![whole(TSN.advance(packet), 1, 1)]));
    let streams = || {
        each(3, |_| {
            let mut call = Call::established();
            for round in 0..200_u16 {
                let skipped = |index| SkippedStream {
                    stream: StreamId(round.wrapping_mul(3_000).wrapping_add(index)),
                    ssn: Ssn(7),
                };
                let streams = (0..3_000).map(skipped).collect();
                let new_cumulative_tsn = call.rogue().tsn();
                call.say(&[&sctp::wire::ForwardTsn { new_cumulative_tsn, streams }]);
            }
            call
        })
    };
    must_stay_below(
        AFTER_AUTHENTICATION,
        "memory::row_03_after_authentication_a_peer_takes_its_window_and_two_megabytes",
        &[
            ("unread messages of a packet", &|| unread(1_100, 1, 10_000)),
            ("unread messages of a record", &|| unread(16_000, 1, 1_000)),
            ("unread messages of an octet", &|| unread(1, 40, 2_000)),
            ("islands of a packet", &|| islands(1_100, 1, 10_000)),
            ("islands of an octet", &|| islands(1, 40, 1_000)),
            ("islands of an octet in packets of their own", &|| islands(1, 1, 30_000)),
            ("islands and what is between", &filled),
            ("messages behind a hole", &holes),
            ("channels", &channels),
            ("streams", &streams),
            ("nothing", &nothing),
            ("a message behind a hole on each stream", &holes_everywhere),
            ("fragments behind a hole", &run),
            ("messages without end", &endless),
            ("everything", &everything),
            ("a message on each stream", &unread_streams),
        ],
    );
}
