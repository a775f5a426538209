//! What people read.

use super::*;

fn behaviour(mapped: &str, mapping: Possible, filtering: Possible) -> Behaviour {
    let local = "10.0.0.2:5000".parse().unwrap();
    let mapped = mapped.parse().unwrap();
    let hairpin = (local != mapped).then_some(false);
    Behaviour { local, mapped, mapping, filtering, hairpin }
}

fn found(behaviour: Behaviour) -> Finding {
    Finding::Found { behaviour, silent: Vec::new() }
}

/// What the table says of each peer, from the public one to the one without UDP.
fn table(text: &str) -> Vec<&str> {
    let lines = text.lines().skip_while(|line| !line.starts_with("Over IPv4"));
    let lines = lines.skip(1).take(PEERS.len() + 1);
    lines.map(|line| line.get(WIDTH + 2..).unwrap()).collect()
}

const OUTSIDE: &str = "203.0.113.9:40001";
const DIRECT: &str = "directly";
const RELAY: &str = "through a relay";

#[test]
fn a_home_router() {
    let mapping = Possible::exactly(EndpointIndependent);
    let filtering = Possible::exactly(AddressAndPortDependent);
    let text = findings(&found(behaviour(OUTSIDE, mapping, filtering)), &Finding::NoRoute);
    assert_eq!(
        text,
        "
IPv4: you are behind a NAT.
  Address:   203.0.113.9:40001 is what others see of 10.0.0.2:5000.
  Mapping:   endpoint-independent. All peers see you at the same address and port.
  Filtering: address- and port-dependent. Only those to whom you have sent can send to you, and from no other port.
  Hairpin:   no. Two behind this NAT can only meet inside it.

IPv6: this machine has none.

Over IPv4 you meet a peer that
  is not behind a NAT                         directly
  is behind a NAT that lets everybody in      directly
  is behind a NAT that looks at addresses     directly
  is behind a usual home router               directly
  is behind a NAT with a port for each peer   through a relay
  has no UDP                                  through a relay

A relay is a TURN server that one of the two is told of.
"
    );
}

#[test]
fn a_nat_with_a_port_for_each_peer() {
    let strict = Possible::exactly(AddressAndPortDependent);
    let text = findings(&found(behaviour(OUTSIDE, strict, strict)), &Finding::NoServer);
    assert!(text.contains("Each peer sees you at another port"), "{text}");
    assert_eq!(table(&text), [DIRECT, DIRECT, DIRECT, RELAY, RELAY, RELAY]);
}

#[test]
fn what_is_not_known_is_said() {
    let mapping = Possible::exactly(EndpointIndependent);
    let text = findings(&found(behaviour(OUTSIDE, mapping, Possible::UNKNOWN)), &Finding::NoServer);
    assert!(text.contains("Filtering: unknown. Only a server with two IP addresses"), "{text}");
    assert!(text.contains("IPv6: not tested"), "{text}");
    let perhaps = "perhaps directly, else through a relay";
    assert_eq!(table(&text), [DIRECT, DIRECT, DIRECT, DIRECT, perhaps, RELAY]);
    let text = findings(
        &found(behaviour(OUTSIDE, Possible::UNKNOWN, Possible::UNKNOWN)),
        &Finding::NoServer,
    );
    assert!(text.contains("Mapping:   unknown. Give two servers"), "{text}");
}

#[test]
fn without_a_nat() {
    let open = Possible::exactly(EndpointIndependent);
    let behaviour = behaviour("10.0.0.2:5000", open, open);
    let silent = vec!["192.0.2.9:3478".parse().unwrap()];
    let text = findings(&Finding::Found { behaviour, silent }, &Finding::NoServer);
    assert!(text.contains("IPv4: you are not behind a NAT."), "{text}");
    assert!(text.contains("10.0.0.2 is your own"), "{text}");
    assert!(text.contains("192.0.2.9:3478 did not answer."), "{text}");
    assert!(!text.contains("Mapping") && !text.contains("Hairpin"), "{text}");
    let perhaps = "perhaps over TCP, else through a relay";
    assert_eq!(table(&text), [DIRECT, DIRECT, DIRECT, DIRECT, DIRECT, perhaps]);
}

#[test]
fn blocked_udp() {
    let text = findings(&Finding::NoUdp { tcp: true }, &Finding::NoRoute);
    let advice = "UDP is blocked, TCP works: use a TURN server over TCP or TLS.";
    assert!(text.contains(advice), "{text}");
    assert!(text.contains("You meet others through a relay"), "{text}");
}
