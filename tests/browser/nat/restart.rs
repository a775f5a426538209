//! ICE restarts in the middle of a file that comes back: other credentials, other pairs, the same
//! octets (RFC 8445 §9).

use peer::{Config, Message};
use serde_json::{Value, json};

use super::{End, Meeting, Side, offer_to, soon};
use crate::harness::Browser;

/// The browser asks for it, with an offer to the program.
pub(super) async fn by_the_browser(browser: &Browser, peer: &str) -> Result<(), String> {
    browser.run(format!("const PEER = {peer:?};\n{RESTART}")).await.map(drop)
}

/// Half of the file goes before and during the restart; the rest waits for its end.
const RESTART: &str = r"
    const { pc, made: channel, session } = await call(PEER, pc => pc.createDataChannel('file'));
    await until('the channel opens', () => channel.readyState === 'open', 60000);
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = 256 << 10;
    const file = pattern(8 << 20), back = new Uint8Array(file.length), size = 64 << 10;
    let received = 0;
    channel.onmessage = ({ data }) => { back.set(new Uint8Array(data), received); received += data.byteLength; };
    const send = async (from, to) => {
        for (let at = from; at < to; at += size) {
            if (channel.bufferedAmount > 1 << 20) await once(channel, 'bufferedamountlow', 60000);
            channel.send(file.subarray(at, at + size));
        }
    };
    const ufrag = description => description.sdp.match(/a=ice-ufrag:(.*)\r/)[1];
    const before = ufrag(pc.localDescription), theirsBefore = ufrag(pc.remoteDescription);
    const restart = async () => {
        pc.restartIce();
        await pc.setLocalDescription(await pc.createOffer());
        const response = await fetch(session, { method: 'POST', headers: { 'Content-Type': 'application/sdp' },
            body: pc.localDescription.sdp });
        equal(response.status, 200, 'status');
        await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
        await until('a pair of the new credentials', async () => {
            const { statistics } = await sessionState(session);
            const pair = statistics.selectedCandidatePair;
            const remote = statistics.remoteCandidates.find(c => c.id === pair.remoteCandidateId);
            return statistics.transport.iceLocalUsernameFragment === ufrag(pc.remoteDescription)
                && remote.usernameFragment === ufrag(pc.localDescription);
        }, 60000);
    };
    const half = file.length / 2;
    await send(0, half / 2);
    const restarted = restart();
    await send(half / 2, half);
    await restarted;
    if (ufrag(pc.localDescription) === before || ufrag(pc.remoteDescription) === theirsBefore)
        throw new Error('the credentials are the old ones');
    await send(half, file.length);
    await until('the whole file', () => received >= file.length, 60000);
    const checksum = async octets => [...new Uint8Array(await crypto.subtle.digest('SHA-256', octets))].join();
    equal([received, await checksum(back)], [file.length, await checksum(file)], 'octets, checksum');
    await until('the state to be connected', () => pc.connectionState === 'connected');
    equal((await sessionState(session)).state, 'connected', 'state at the peer');
    pc.close();
";

/// We ask for it, with an offer to the page.
pub(super) async fn by_us(browser: &Browser) -> Result<(), String> {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 128;
    let meeting = Meeting::of(Side::We, browser, &Value::Null, Config::default()).await?;
    let (ours, End::Channel(channel)) = (&meeting.ours, &meeting.end) else {
        return Err("we have opened the channel".into());
    };
    let piece = |number: usize| {
        let octets = (0..PIECE).map(|at| (at.wrapping_mul(31) ^ number).to_le_bytes()[0]);
        Message::binary(octets.collect::<Vec<u8>>())
    };
    let fragment = async || ours.get_stats().await.unwrap().transport.ice_local_username_fragment;
    let before = fragment().await;
    let (restarted, after_restart) = tokio::sync::oneshot::channel();
    let send = async {
        for number in 0..PIECES / 2 {
            channel.send(piece(number)).await.unwrap();
        }
        after_restart.await.map_err(|_| "there was no restart".to_owned())?;
        for number in PIECES / 2..PIECES {
            channel.send(piece(number)).await.unwrap();
        }
        Ok::<_, String>(())
    };
    let receive = async {
        let mut restarted = Some(restarted);
        for number in 0..PIECES {
            let back = soon("a piece", channel.recv()).await?;
            assert!(back == Some(piece(number)), "piece {number} has changed");
            if number == PIECES / 8 {
                ours.restart_ice().await.unwrap();
                offer_to(browser, ours, "").await?;
                soon("a pair of the new credentials", renewed(&meeting)).await??;
                restarted.take().map(|restarted| restarted.send(()));
            }
        }
        Ok(())
    };
    tokio::try_join!(send, receive)?;
    assert_ne!(fragment().await, before, "the credentials are the old ones");
    let state = browser.run("return pc.connectionState".to_owned()).await?;
    assert_eq!(state, json!("connected"));
    meeting.end().await
}

/// Waits until the pair in use is one of the browser's new credentials.
async fn renewed(meeting: &Meeting<'_>) -> Result<(), String> {
    let theirs = meeting
        .browser
        .run(r"return pc.localDescription.sdp.match(/a=ice-ufrag:(.*)\r/)[1]".to_owned())
        .await?;
    loop {
        let stats = meeting.ours.get_stats().await.unwrap();
        let selected = stats.selected_candidate_pair.map(|pair| pair.remote_candidate_id);
        let remote = stats
            .remote_candidates
            .iter()
            .find(|candidate| Some(&candidate.id) == selected.as_ref());
        let fragment = remote.and_then(|candidate| candidate.username_fragment.as_deref());
        if fragment == theirs.as_str() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
