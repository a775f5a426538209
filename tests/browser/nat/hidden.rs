//! Names of multicast DNS in place of addresses, in a network of two machines
//! (draft-ietf-mmusic-mdns-ice-candidates).
//!
//! ```text
//!   browser 10.77.0.1 ──────── 10.77.0.2 peer
//! ```
//!
//! Only one side learns anything of the other by signalling, and that is a name: so they meet only if
//! it is looked up.

use std::process::Command;

use tests::namespace::{self, Namespace};

use super::Side;
use crate::driven::eventually;
use crate::harness::{Browser, Kind, PeerProgram, Setup};

/// One of the two tells a name, and nothing else is told.
pub(super) async fn is_found(whose: Side, kind: Kind) -> Result<(), String> {
    namespace::remove_orphans();
    if let Err(reason) = namespace::possible(&[]) {
        eprintln!("not tested: network namespaces cannot be made here: {reason}");
        return Ok(());
    }
    let (home, other) = (Namespace::add("browser")?, Namespace::add("peer")?);
    home.ip(&format!(
        "link add lan type veth peer name lan netns {}\n\
         address add 10.77.0.1/24 dev lan\nlink set lan up\n",
        other.name()
    ))?;
    other.ip("address add 10.77.0.2/24 dev lan\nlink set lan up\n\
              route add default via 10.77.0.1\n")?;
    // Chromium uses the interface of the default route.
    home.ip("route add default via 10.77.0.2\n")?;
    for place in [&home, &other] {
        eventually("the cable is in", async || is_up(place).then_some(())).await;
    }
    let browser = Browser::start_in(Some(&home), kind, Setup::Plain).await;
    let (flags, script): (&[&str], _) = match whose {
        Side::Browser => (&["--cors"], THEIRS),
        Side::We => (&["--cors", "--hide-addresses"], OURS),
    };
    let peer = PeerProgram::start_in(Some(&other), "10.77.0.2:0", flags).await;
    browser.run(format!("const PEER = {:?};\n{script}", peer.url)).await.map(drop)
}

/// Whether packets can pass already: what starts before that does not use the interface.
fn is_up(place: &Namespace) -> bool {
    let shown = Command::new("ip").args(["-n", place.name(), "link", "show", "lan"]).output();
    String::from_utf8_lossy(&shown.unwrap().stdout).contains("state UP")
}

/// The browser's offer has a name, our answer has nothing.
const THEIRS: &str = r"
    const pc = new RTCPeerConnection();
    const channel = pc.createDataChannel('found'), { next } = inbox(channel);
    await pc.setLocalDescription();
    const offer = await gathered(pc);
    if (!/a=candidate:.* [0-9a-f-]+\.local /.test(offer) || offer.includes('10.77.0.1')) throw new Error(`no name: ${offer}`);
    const response = await fetch(PEER + '/offer', { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offer });
    equal(response.status, 201, 'offer');
    const session = new URL(response.headers.get('Location'), PEER).href;
    await pc.setRemoteDescription({ type: 'answer', sdp: without(await response.text(), () => true) });
    await until('the channel opens', () => channel.readyState === 'open', 60000);
    channel.send('found');
    equal(await next(60000), 'found', 'echo');
    const { statistics } = await sessionState(session);
    equal(statistics.selectedCandidatePair.remoteCandidateType, 'host', 'what the peer has found');
    pc.close();
";

/// Our answer has a name, the browser's offer has nothing.
///
/// Who has told all the network of a name stays silent for the next second (RFC 6762 §6). Chromium asks
/// once and waits for less than that: if its question comes just then, another call brings another.
const OURS: &str = r"
    const meet = async () => {
        let answer;
        const { pc, made: channel } = await call(PEER, pc => pc.createDataChannel('found'), {
            offered: sdp => without(sdp, () => true), answered: sdp => answer = sdp });
        if (!/a=candidate:.* [0-9a-f-]+\.local /.test(answer) || answer.includes('10.77.0.2')) throw new Error(`no name: ${answer}`);
        const { next } = inbox(channel);
        await until('the channel opens', () => channel.readyState === 'open', 10000);
        channel.send('found');
        equal(await next(60000), 'found', 'echo');
        const pair = await until('a pair', () => selectedPair(pc));
        equal(pair.remote, 'host', 'what the browser has found');
        pc.close();
    };
    await meet().catch(meet).catch(meet);
";
