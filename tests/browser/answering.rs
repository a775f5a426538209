//! The browser offers, the `peer` program answers and echoes.

use crate::harness::Browser;

/// A piece of JavaScript that throws when something is wrong. `PEER` is the program's address.
#[derive(Clone, Copy)]
pub(crate) struct Case(&'static str);

impl Case {
    pub(crate) async fn run(self, browser: &Browser, peer: &str) -> Result<(), String> {
        browser.run(format!("const PEER = {peer:?};\n{}", self.0)).await.map(drop)
    }
}

/// The cases that are also run in a browser without any flag or preference.
pub(crate) const PLAIN: &[&str] = &[
    "text_binary_and_empty_messages_come_back_unchanged",
    "ten_connections_at_once",
    "closing_the_connection_is_seen_within_two_seconds",
];

pub(crate) const CASES: &[(&str, Case)] = &[
    (
        "text_binary_and_empty_messages_come_back_unchanged",
        Case(
            r"
            const { pc, made: channel } = await call(PEER, pc => pc.createDataChannel('echo'));
            await opened(channel);
            const { next } = inbox(channel);
            for (const text of ['hello', 'größer 🎈', ''])  { channel.send(text); equal(await next(), text, 'text'); }
            for (const size of [0, 1, 1200, 65535, 65536, 262144]) {
                const octets = pattern(size);
                channel.send(octets);
                const back = await next();
                if (typeof back === 'string') throw new Error(`${size} octets came back as text`);
                if (!sameOctets(new Uint8Array(back), octets)) throw new Error(`${size} octets came back changed`);
            }
            const long = 'x'.repeat(65536);
            channel.send(long);
            equal(await next(), long, '64 KiB of text');
            pc.close();
        ",
        ),
    ),
    (
        "dtls_1_2_ecdsa_and_the_limits_are_negotiated",
        Case(
            r"
            const { pc, made: channel } = await call(PEER, pc => pc.createDataChannel('stats'));
            await opened(channel);
            const transport = await report(pc, 'transport');
            equal(transport.tlsVersion, 'FEFD', 'version');
            equal(transport.dtlsCipher, 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'suite');
            equal(pc.sctp.maxMessageSize, 262144, 'max-message-size');
            await until('the state to be connected', () => pc.connectionState === 'connected');
            pc.close();
        ",
        ),
    ),
    (
        "a_hundred_channels_echo_at_once",
        Case(
            r"
            const { pc, made: channels, session } = await call(PEER, pc =>
                Array.from({ length: 100 }, (_, i) => pc.createDataChannel(`channel ${i}`)));
            await Promise.all(channels.map(async (channel, i) => {
                const { next } = inbox(channel);
                await opened(channel);
                channel.send(`message ${i}`);
                equal(await next(), `message ${i}`, `channel ${i}`);
            }));
            const state = await sessionState(session);
            equal([state.opened, state.open], [100, 100], 'opened, open');
            equal(state.channels.length, 100, 'channels');
            pc.close();
        ",
        ),
    ),
    (
        "unordered_and_partially_reliable_channels_keep_their_options",
        Case(
            r"
            const { pc, made: channels, session } = await call(PEER, pc => [
                pc.createDataChannel('reliable'),
                pc.createDataChannel('unordered', { ordered: false }),
                pc.createDataChannel('no repeats', { ordered: false, maxRetransmits: 0 }),
                pc.createDataChannel('half a second', { maxPacketLifeTime: 500, protocol: 'timed' }),
            ]);
            for (const channel of channels) {
                await opened(channel);
                const { next } = inbox(channel);
                for (let i = 0; i < 20; i++) channel.send(`${i}`);
                const back = [];
                for (let i = 0; i < 20; i++) back.push(await next());
                equal(back.sort((a, b) => a - b), Array.from({ length: 20 }, (_, i) => `${i}`), channel.label);
            }
            const seen = (await sessionState(session)).channels
                .map(c => [c.label, c.protocol, c.ordered, c.maxRetransmits ?? null, c.maxPacketLifeTime ?? null]);
            const expected = [['reliable', '', true, null, null], ['unordered', '', false, null, null],
                ['no repeats', '', false, 0, null], ['half a second', 'timed', true, null, 500]];
            equal(seen.sort(), expected.sort(), 'options');
            pc.close();
        ",
        ),
    ),
    (
        "a_closed_channel_is_gone_within_two_seconds_and_another_takes_its_place",
        Case(
            r"
            const { pc, made: keep, session } = await call(PEER, pc => pc.createDataChannel('keep'));
            await opened(keep);
            for (let round = 0; round < 3; round++) {
                const channel = pc.createDataChannel(`round ${round}`);
                const { next } = inbox(channel);
                await opened(channel);
                channel.send('here');
                equal(await next(), 'here', 'echo');
                const closed = once(channel, 'close', 2000);
                channel.close();
                await closed;
                await until('the peer sees the close', async () => (await sessionState(session)).open === 1, 2000);
            }
            equal((await sessionState(session)).opened, 4, 'opened');
            const { next } = inbox(keep);
            keep.send('still here');
            equal(await next(), 'still here', 'the first channel');
            pc.close();
        ",
        ),
    ),
    (
        "closing_the_connection_is_seen_within_two_seconds",
        Case(
            r"
            const { pc, made: channel, session } = await call(PEER, pc => pc.createDataChannel('a'));
            await opened(channel);
            pc.close();
            await until('the session is closed', async () => (await sessionState(session)).state === 'closed', 2000);
        ",
        ),
    ),
    (
        "deleting_the_session_closes_the_channel_within_two_seconds",
        Case(
            r"
            const { pc, made: channel, session } = await call(PEER, pc => pc.createDataChannel('a'));
            await opened(channel);
            const closed = once(channel, 'close', 2000);
            const response = await fetch(session, { method: 'DELETE' });
            if (!response.ok) throw new Error(`DELETE: ${response.status}`);
            await closed;
            pc.close();
        ",
        ),
    ),
    (
        "ten_connections_at_once",
        Case(
            r"
            const calls = await Promise.all(Array.from({ length: 10 }, () => call(PEER, pc => pc.createDataChannel('x'))));
            await Promise.all(calls.map(async ({ made: channel }, i) => {
                const { next } = inbox(channel);
                await opened(channel);
                const octets = pattern(100000, i + 1);
                channel.send(octets);
                if (!sameOctets(new Uint8Array(await next()), octets)) throw new Error(`connection ${i}`);
            }));
            for (const { pc } of calls) pc.close();
        ",
        ),
    ),
    (
        "renegotiation_while_data_flows",
        Case(
            r"
            const { pc, made: channel, session } = await call(PEER, pc => pc.createDataChannel('a'));
            await opened(channel);
            const { next } = inbox(channel);
            for (let round = 0; round < 2; round++) {
                await pc.setLocalDescription(await pc.createOffer());
                const response = await fetch(session, {
                    method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp });
                equal(response.status, 200, 'status');
                await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
                channel.send(`round ${round}`);
                equal(await next(), `round ${round}`, 'echo');
            }
            await until('the state to be connected', () => pc.connectionState === 'connected');
            pc.close();
        ",
        ),
    ),
    (
        "candidates_may_trickle_in",
        Case(
            r"
            const pc = new RTCPeerConnection();
            const channel = pc.createDataChannel('trickle');
            const candidates = [];
            let gathered;
            const done = new Promise(resolve => gathered = resolve);
            pc.onicecandidate = e => { if (e.candidate && e.candidate.candidate) candidates.push(e.candidate); else gathered(); };
            const offer = await pc.createOffer();
            await pc.setLocalDescription(offer);
            const bare = offer.sdp.split('\r\n').filter(l => !/^a=(candidate|end-of-candidates)/.test(l)).join('\r\n');
            const response = await fetch(PEER + '/offer', { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: bare });
            equal(response.status, 201, 'offer');
            const session = new URL(response.headers.get('Location'), PEER).href;
            await Promise.race([done, sleep(3000)]);
            const [ufrag] = offer.sdp.match(/a=ice-ufrag:.*/), [pwd] = offer.sdp.match(/a=ice-pwd:.*/);
            const fragment = [ufrag, pwd, 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'a=mid:0',
                ...candidates.map(c => 'a=' + c.candidate), 'a=end-of-candidates', ''].join('\r\n');
            const patch = await fetch(session, { method: 'PATCH', headers: { 'Content-Type': 'application/trickle-ice-sdpfrag' }, body: fragment });
            if (!patch.ok) throw new Error(`PATCH: ${patch.status} ${await patch.text()}`);
            await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
            await opened(channel);
            pc.close();
        ",
        ),
    ),
    (
        "sixteen_megabytes_with_backpressure",
        Case(
            r"
            const { pc, made: channel } = await call(PEER, pc => pc.createDataChannel('file'));
            await opened(channel);
            channel.binaryType = 'arraybuffer';
            channel.bufferedAmountLowThreshold = 1 << 20;
            const total = 16 << 20, size = 64 << 10, piece = pattern(size);
            let received = 0, wrong = 0;
            const all = new Promise(resolve => channel.onmessage = e => {
                const back = new Uint8Array(e.data);
                if (back.length !== size || back[0] !== piece[0] || back[size - 1] !== piece[size - 1]) wrong++;
                received += back.length;
                if (received >= total) resolve();
            });
            for (let sent = 0; sent < total; sent += size) {
                if (channel.bufferedAmount > 4 << 20) await once(channel, 'bufferedamountlow', 30000);
                channel.send(piece);
            }
            await Promise.race([all, sleep(60000)]);
            equal([received, wrong], [total, 0], 'octets received, messages wrong');
            pc.close();
        ",
        ),
    ),
    (
        "without_candidates_the_browser_is_found_by_its_check",
        Case(
            r"
            const pc = new RTCPeerConnection();
            const channel = pc.createDataChannel('hidden');
            await pc.setLocalDescription();
            const bare = pc.localDescription.sdp.split('\r\n').filter(l => !/^a=(candidate|end-of-candidates)/.test(l)).join('\r\n');
            const response = await fetch(PEER + '/offer', { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: bare });
            equal(response.status, 201, 'offer');
            await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
            await opened(channel);
            pc.close();
        ",
        ),
    ),
    (
        "an_offer_of_audio_and_video_too_gets_data_and_rejections",
        Case(
            r"
            const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
            const { pc, made: channel } = await call(PEER, pc => {
                for (const track of stream.getTracks()) pc.addTrack(track, stream);
                return pc.createDataChannel('beside media');
            });
            const { next } = inbox(channel);
            await opened(channel);
            channel.send('data');
            equal(await next(), 'data', 'echo');
            for (const track of stream.getTracks()) track.stop();
            pc.close();
        ",
        ),
    ),
    (
        "a_message_above_the_limit_is_refused_by_the_browser",
        Case(
            r"
            const { pc, made: channel } = await call(PEER, pc => pc.createDataChannel('limit'));
            await opened(channel);
            let refused = false;
            try { channel.send(new Uint8Array(262145)); } catch (error) { refused = error instanceof TypeError; }
            equal(refused, true, 'refused');
            pc.close();
        ",
        ),
    ),
];
