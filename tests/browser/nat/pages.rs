//! Cases that are JavaScript alone, each with a program of its own.

use crate::harness::{Browser, PeerProgram};

/// A piece of JavaScript that throws when something is wrong. `PEER` is the program's address.
pub(crate) struct Case {
    pub(super) name: &'static str,
    flags: &'static [&'static str],
    script: &'static str,
}

pub(super) async fn run(case: &Case, browser: &Browser) -> Result<(), String> {
    let flags: Vec<&str> = ["--cors"].iter().chain(case.flags).copied().collect();
    let peer = PeerProgram::start(&flags).await;
    browser.run(format!("const PEER = {:?};\n{}", peer.url, case.script)).await.map(drop)
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "two_hundred_connections_on_one_port",
        flags: &[],
        script: r"
            const calls = [];
            // A few at a time, as people come.
            const caller = async () => {
                while (calls.length < 200) {
                    const place = calls.push(null) - 1;
                    const made = await call(PEER, pc => pc.createDataChannel('x'));
                    await until('the channel opens', () => made.made.readyState === 'open', 60000);
                    calls[place] = made;
                }
            };
            await Promise.all(Array.from({ length: 8 }, caller));
            await Promise.all(calls.map(async ({ made: channel }, i) => {
                const { next } = inbox(channel);
                channel.send(`message ${i}`);
                equal(await next(60000), `message ${i}`, 'echo');
            }));
            const ports = new Set();
            for (const { session } of calls) {
                const { state, statistics } = await sessionState(session);
                equal(state, 'connected', 'state');
                ports.add(statistics.selectedCandidatePair.local.split(':').pop());
            }
            equal([calls.length, ports.size], [200, 1], 'connections, ports');
            for (const { pc } of calls) pc.close();
        ",
    },
    Case {
        name: "ice_over_tcp_when_there_is_no_udp",
        flags: &["--tcp-port", "0"],
        script: r"
            // The browser's own candidates stay untold: our checks would open a way for UDP.
            const { pc, made: channel, session } = await call(PEER, pc => pc.createDataChannel('tcp'), {
                offered: sdp => without(sdp, () => true),
                answered: sdp => {
                    if (!/ tcp .* tcptype passive/i.test(sdp)) throw new Error(`no TCP: ${sdp}`);
                    return without(sdp, line => / udp /i.test(line));
                } });
            const { next } = inbox(channel);
            await until('the channel opens', () => channel.readyState === 'open', 60000);
            for (const size of [1, 1200, 262144]) {
                channel.send(pattern(size));
                if (!sameOctets(new Uint8Array(await next(60000)), pattern(size))) throw new Error(`${size} octets have changed`);
            }
            const pair = await until('a pair', () => selectedPair(pc));
            equal(pair.protocol, 'tcp', 'protocol');
            equal((await sessionState(session)).statistics.selectedCandidatePair.protocol, 'tcp', 'protocol at the peer');
            pc.close();
        ",
    },
    Case {
        name: "an_ice_lite_peer_is_called",
        flags: &["--ice-lite"],
        script: r"
            let answer;
            const { pc, made: channel, session } = await call(PEER, pc => pc.createDataChannel('lite'), {
                answered: sdp => answer = sdp });
            if (!/^a=ice-lite\r$/m.test(answer)) throw new Error(`it does not say so: ${answer}`);
            const { next } = inbox(channel);
            await until('the channel opens', () => channel.readyState === 'open', 60000);
            channel.send('lite');
            equal(await next(60000), 'lite', 'echo');
            const { statistics } = await sessionState(session);
            equal(statistics.transport.iceRole, 'controlled', 'role');
            equal(statistics.selectedCandidatePair.requestsSent, 0, 'checks of a lite agent');
            pc.close();
        ",
    },
];
