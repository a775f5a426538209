//! Sound and pictures: a browser's microphone and camera to the `peer` program and back.
//!
//! The camera films red on the left and blue on the right, the microphone hears 1,000 Hz
//! ([`devices`](crate::devices)); a case passes when the page sees and hears them again, and, where
//! the program records, when ffprobe and ffmpeg find in the file what was sent ([`judge`]).

use std::time::Duration;

use tests::judge::{Verdict, judge};

use crate::harness::{Browser, Kind, PeerProgram};
use crate::relay::Relay;

/// What happens around a piece of JavaScript.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    /// Nothing: `PEER` is the program's address.
    Echo(&'static str),
    /// The program records, and the recordings are judged.
    Recorded(&'static str, fn(&[Verdict]) -> Result<(), String>),
    /// Between them a relay loses packets; `RELAY` is its port. The program records.
    Lossy(&'static str, fn(&[Verdict]) -> Result<(), String>),
}

/// The share of datagrams that the relay loses, each way.
const LOSS: f64 = 0.05;

/// How long the program may take to finish its files.
const FILES_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn cases(kind: Kind) -> &'static [(&'static str, Case)] {
    match kind {
        Kind::Chromium => CHROMIUM,
        Kind::Firefox => FIREFOX,
    }
}

pub(crate) async fn run(case: Case, browser: &Browser) -> Result<(), String> {
    match case {
        Case::Echo(script) => {
            let peer = PeerProgram::start(&["--cors"]).await;
            script_of(browser, &peer.url, 0, script).await
        }
        Case::Recorded(script, verdict) => {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("calls");
            let peer = PeerProgram::start(&["--cors", "--record", path.to_str().unwrap()]).await;
            script_of(browser, &peer.url, 0, script).await?;
            finish(peer).await?;
            verdict(&judge(&path)?)
        }
        Case::Lossy(script, verdict) => {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("calls");
            let port = free_udp_port();
            let flags =
                ["--cors", "--udp-port", &port.to_string(), "--record", path.to_str().unwrap()];
            let peer = PeerProgram::start(&flags).await;
            let relay = Relay::start(port, LOSS).await;
            script_of(browser, &peer.url, relay.port, script).await?;
            if relay.lost() == 0 {
                return Err("the relay lost nothing".to_owned());
            }
            finish(peer).await?;
            verdict(&judge(&path)?)
        }
    }
}

async fn script_of(browser: &Browser, peer: &str, relay: u16, script: &str) -> Result<(), String> {
    browser.run(format!("const PEER = {peer:?}, RELAY = {relay};\n{script}")).await.map(drop)
}

/// Ends the program, which finishes its recordings first.
async fn finish(peer: PeerProgram) -> Result<(), String> {
    let status = tokio::time::timeout(FILES_TIMEOUT, peer.interrupt())
        .await
        .map_err(|_| "the program does not end".to_owned())?;
    status.success().then_some(()).ok_or_else(|| format!("the program ended with {status}"))
}

fn free_udp_port() -> u16 {
    std::net::UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

/// The one recording of this codec.
fn the_one<'a>(verdicts: &'a [Verdict], codec: &str) -> Result<&'a Verdict, String> {
    let mut of_codec = verdicts.iter().filter(|verdict| verdict.codec == codec);
    match (of_codec.next(), of_codec.next()) {
        (Some(verdict), None) => Ok(verdict),
        _ => Err(format!("not one recording of {codec}: {verdicts:?}")),
    }
}

fn lasts(verdict: &Verdict, seconds: f64) -> Result<(), String> {
    if verdict.duration >= seconds { Ok(()) } else { Err(format!("too short: {verdict:?}")) }
}

fn has_frames(verdict: &Verdict, frames: u64) -> Result<(), String> {
    if verdict.frames >= frames { Ok(()) } else { Err(format!("too few frames: {verdict:?}")) }
}

macro_rules! audio_case {
    ($mime:literal, $codec:literal) => {
        Case::Recorded(
            concat!(
                "const MIME = '",
                $mime,
                "';",
                r"
                const stream = await capture({ audio: true });
                const { pc, made: came } = await call(PEER, pc => {
                    const came = tracks(pc);
                    only(pc.addTransceiver(stream.getAudioTracks()[0]), MIME);
                    return came;
                });
                await hear(await came.next('audio'), 1000);
                await sleep(2000);
                const inbound = await find(pc, 'inbound-rtp', 'audio');
                const codec = (await pc.getStats()).get(inbound.codecId);
                equal(codec.mimeType.toLowerCase(), MIME, 'codec');
                const remote = await find(pc, 'remote-inbound-rtp', 'audio');
                equal(remote.packetsLost, 0, 'packets the peer reports as lost');
                pc.close();
                "
            ),
            |verdicts| lasts(the_one(verdicts, $codec)?, 1.5),
        )
    };
}

macro_rules! video_case {
    ($mime:literal, $codec:literal) => {
        Case::Recorded(
            concat!(
                "const MIME = '",
                $mime,
                "';",
                r"
                const stream = await capture({ video: true });
                const { pc, made: came } = await call(PEER, pc => {
                    const came = tracks(pc);
                    only(pc.addTransceiver(stream.getVideoTracks()[0]), MIME);
                    return came;
                });
                await see(await came.next('video'));
                await sleep(2000);
                const inbound = await find(pc, 'inbound-rtp', 'video');
                const codec = (await pc.getStats()).get(inbound.codecId);
                equal(codec.mimeType.toLowerCase(), MIME, 'codec');
                if (!(inbound.framesDecoded >= 20)) throw new Error(`only ${inbound.framesDecoded} frames decoded`);
                pc.close();
                "
            ),
            |verdicts| has_frames(the_one(verdicts, $codec)?, 20),
        )
    };
}

const CHROMIUM: &[(&str, Case)] = &[
    ("opus_is_echoed_and_recorded", audio_case!("audio/opus", "opus")),
    ("pcmu_is_echoed_and_recorded", audio_case!("audio/pcmu", "pcm_s16le")),
    ("pcma_is_echoed_and_recorded", audio_case!("audio/pcma", "pcm_s16le")),
    ("vp8_is_echoed_and_recorded", video_case!("video/vp8", "vp8")),
    ("vp9_is_echoed_and_recorded", video_case!("video/vp9", "vp9")),
    ("h264_is_echoed_and_recorded", video_case!("video/h264", "h264")),
    ("av1_is_echoed_and_recorded", video_case!("video/av1", "av1")),
    ("sound_and_picture_with_data_in_one_call", SOUND_PICTURE_DATA),
    ("srtp_is_aes_gcm_where_we_choose", SRTP_GCM),
    ("three_layers_of_a_simulcast_are_recorded", SIMULCAST),
    ("video_is_added_to_a_call_with_sound_and_taken_away", ADD_AND_REMOVE),
    ("camera_off_and_on", CAMERA_OFF_AND_ON),
    ("five_percent_loss_is_repaired", FIVE_PERCENT_LOSS),
    ("the_test_pattern_is_seen_and_heard", PATTERN),
    ("one_publisher_many_viewers", WHIP_AND_WHEP),
];

const FIREFOX: &[(&str, Case)] = &[
    ("opus_and_vp8_are_echoed_and_recorded", FIREFOX_ECHO),
    ("the_test_pattern_is_seen", FIREFOX_PATTERN),
];

const SOUND_PICTURE_DATA: Case = Case::Echo(
    r"
    const stream = await capture({ audio: true, video: true });
    const { pc, made: [came, channel] } = await call(PEER, pc => {
        const came = tracks(pc);
        for (const track of stream.getTracks()) pc.addTrack(track, stream);
        return [came, pc.createDataChannel('echo')];
    });
    await opened(channel);
    const { next } = inbox(channel);
    const octets = pattern(65536);
    channel.send(octets);
    if (!sameOctets(new Uint8Array(await next()), octets)) throw new Error('data came back changed');
    await hear(await came.next('audio'), 1000);
    await see(await came.next('video'));
    pc.close();
    ",
);

/// The DTLS server chooses the profile: we do if the browser offers to be the client.
const SRTP_GCM: Case = Case::Echo(
    r"
    const stream = await capture({ audio: true });
    const pc = new RTCPeerConnection();
    const came = tracks(pc);
    pc.addTrack(stream.getAudioTracks()[0], stream);
    await pc.setLocalDescription();
    const response = await fetch(PEER + '/offer', { method: 'POST', headers: { 'Content-Type': 'application/sdp' },
        body: pc.localDescription.sdp.replaceAll('a=setup:actpass', 'a=setup:active') });
    await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    await hear(await came.next('audio'), 1000);
    equal((await report(pc, 'transport')).srtpCipher, 'SRTP_AEAD_AES_128_GCM', 'srtpCipher');
    pc.close();
    ",
);

const SIMULCAST: Case = Case::Recorded(
    r"
    const stream = await capture({ video: true, width: 960, height: 540 });
    const { pc } = await call(PEER, pc => pc.addTransceiver(stream.getVideoTracks()[0], {
        direction: 'sendonly',
        sendEncodings: [{ rid: 'l', scaleResolutionDownBy: 4 }, { rid: 'm', scaleResolutionDownBy: 2 }, { rid: 'h' }] }));
    await until('three layers with 20 frames each', async () => {
        const layers = [...(await pc.getStats()).values()].filter(r => r.type === 'outbound-rtp');
        return layers.length === 3 && layers.every(layer => layer.framesEncoded >= 20 && layer.packetsSent >= 20);
    }, 40000);
    await sleep(1000);
    pc.close();
    ",
    |verdicts| {
        let mut widths: Vec<u64> = verdicts.iter().map(|verdict| verdict.width).collect();
        widths.sort_unstable();
        if widths != [240, 480, 960] {
            return Err(format!("not three layers: {verdicts:?}"));
        }
        verdicts.iter().try_for_each(|verdict| has_frames(verdict, 10))
    },
);

const ADD_AND_REMOVE: Case = Case::Echo(
    r"
    const sound = await capture({ audio: true });
    const { pc, made: [came, channel], session } = await call(PEER, pc => {
        const came = tracks(pc);
        pc.addTrack(sound.getAudioTracks()[0], sound);
        return [came, pc.createDataChannel('data')];
    });
    await opened(channel);
    const { next } = inbox(channel);
    const heard = await came.next('audio');
    await hear(heard, 1000);
    let flowing = true, echoed = 0;
    const flow = (async () => { while (flowing) { channel.send(pattern(10000)); await next(); echoed++; await sleep(5); } })();

    const picture = await capture({ video: true });
    const sender = pc.addTrack(picture.getVideoTracks()[0], picture);
    await renegotiate(pc, session);
    const transceiver = pc.getTransceivers().find(t => t.sender === sender);
    await see(transceiver.receiver.track);
    await hear(heard, 1000);

    transceiver.stop();
    await renegotiate(pc, session);
    equal(pc.getTransceivers().length, 1, 'transceivers');
    await hear(heard, 1000);

    pc.addTrack(picture.getVideoTracks()[0], picture);
    await renegotiate(pc, session);
    await see(pc.getTransceivers().find(t => t.receiver.track.kind === 'video').receiver.track);
    flowing = false;
    await flow;
    if (echoed < 20) throw new Error(`only ${echoed} messages came back meanwhile`);
    pc.close();
    ",
);

const CAMERA_OFF_AND_ON: Case = Case::Echo(
    r"
    const stream = await capture({ video: true });
    const { pc, made: [came, sender], session } = await call(PEER, pc => {
        const came = tracks(pc);
        return [came, pc.addTrack(stream.getVideoTracks()[0], stream)];
    });
    const track = await came.next('video');
    await see(track);
    const frames = async () => (await find(pc, 'inbound-rtp', 'video')).framesDecoded;
    const stands = async () => { await sleep(600); const before = await frames(); await sleep(600); return await frames() === before; };

    await sender.replaceTrack(null);
    await until('the picture to stand still', stands);
    await sender.replaceTrack(stream.getVideoTracks()[0]);
    await see(track);

    const [transceiver] = pc.getTransceivers();
    transceiver.direction = 'inactive';
    await renegotiate(pc, session);
    equal(transceiver.currentDirection, 'inactive', 'direction');
    transceiver.direction = 'sendrecv';
    await renegotiate(pc, session);
    equal(transceiver.currentDirection, 'sendrecv', 'direction');
    await see(track);
    pc.close();
    ",
);

const FIVE_PERCENT_LOSS: Case = Case::Lossy(
    r"
    const stream = await capture({ audio: true, video: true });
    const pc = new RTCPeerConnection();
    const came = tracks(pc);
    for (const track of stream.getTracks()) pc.addTrack(track, stream);
    await pc.setLocalDescription();
    // Nobody gets to know an address but the relay's.
    const offer = pc.localDescription.sdp.split('\r\n').filter(line => !/^a=(candidate|end-of-candidates)/.test(line)).join('\r\n');
    const response = await fetch(PEER + '/offer', { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offer });
    const session = new URL(response.headers.get('Location'), PEER).href;
    let placed = false;
    const answer = (await response.text()).split('\r\n').filter(line => !/^a=(candidate|end-of-candidates)/.test(line))
        .flatMap(line => line.startsWith('a=ice-ufrag') && !placed
            ? (placed = true, [`a=candidate:1 1 udp 2130706431 127.0.0.1 ${RELAY} typ host`, line]) : [line]).join('\r\n');
    await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    await hear(await came.next('audio'), 1000);
    await see(await came.next('video'));
    await until('retransmissions both ways', async () => {
        const outbound = await find(pc, 'outbound-rtp', 'video'), inbound = await find(pc, 'inbound-rtp', 'video');
        return outbound.nackCount > 0 && outbound.retransmittedPacketsSent > 0
            && inbound.nackCount > 0 && inbound.retransmittedPacketsReceived > 0 && inbound.framesDecoded > 100;
    }, 40000);
    const { inboundRtp, outboundRtp } = (await sessionState(session)).statistics.media;
    const [received] = inboundRtp.filter(r => r.kind === 'video'), [sent] = outboundRtp.filter(r => r.kind === 'video');
    if (!(received.nackCount > 0 && received.retransmittedPacketsReceived > 0)) throw new Error(`no repair in ${JSON.stringify(received)}`);
    if (!(sent.nackCount > 0 && sent.retransmittedPacketsSent > 0)) throw new Error(`no repair in ${JSON.stringify(sent)}`);
    pc.close();
    ",
    |verdicts| {
        has_frames(the_one(verdicts, "vp8")?, 60)?;
        lasts(the_one(verdicts, "opus")?, 2.0)
    },
);

const PATTERN: Case = Case::Echo(
    r"
    const { pc, made: came } = await call(PEER, pc => {
        const came = tracks(pc);
        pc.addTransceiver('audio', { direction: 'recvonly' });
        pc.addTransceiver('video', { direction: 'recvonly' });
        return came;
    });
    await hear(await came.next('audio'), 440);
    const video = await play(await came.next('video'));
    await until('a picture', () => video.videoWidth);
    const first = look(video).all;
    await until('the clock to move', () => !sameOctets(first, look(video).all));
    if (first.filter(value => value > 60).length < 1000) throw new Error('the picture is black');
    pc.close();
    ",
);

const WHIP_AND_WHEP: Case = Case::Echo(
    r"
    const stream = await capture({ audio: true, video: true });
    const publisher = new RTCPeerConnection();
    for (const track of stream.getTracks()) publisher.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
    const resource = await exchange(PEER + '/whip', publisher);
    await until('the publisher to be connected', () => publisher.connectionState === 'connected');
    const viewers = await Promise.all([1, 2, 3].map(async () => {
        const pc = new RTCPeerConnection();
        const came = tracks(pc);
        pc.addTransceiver('audio', { direction: 'recvonly' });
        pc.addTransceiver('video', { direction: 'recvonly' });
        await exchange(PEER + '/whep', pc);
        return { pc, sound: await came.next('audio'), picture: await came.next('video') };
    }));
    await Promise.all(viewers.map(async ({ sound, picture }) => { await see(picture); await hear(sound, 1000); }));
    for (const { pc } of viewers) pc.close();
    equal((await fetch(resource, { method: 'DELETE' })).ok, true, 'DELETE');
    await until('the publisher to be closed', () => publisher.connectionState !== 'connected');
    ",
);

const FIREFOX_ECHO: Case = Case::Recorded(
    r"
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    const { pc, made: came } = await call(PEER, pc => {
        const came = tracks(pc);
        for (const track of stream.getTracks()) pc.addTrack(track, stream);
        return came;
    });
    const video = await play(await came.next('video'));
    await until('a picture', () => video.videoWidth);
    const first = look(video).all;
    await until('the picture to change', () => !sameOctets(first, look(video).all));
    // Its AudioContext has no device here; the decoder's own figures must do.
    await until('sound', async () => {
        const sound = await find(pc, 'inbound-rtp', 'audio');
        return sound?.totalSamplesReceived > 48000 && sound.totalAudioEnergy > 0;
    });
    await sleep(1500);
    pc.close();
    ",
    |verdicts| {
        has_frames(the_one(verdicts, "vp8")?, 20)?;
        lasts(the_one(verdicts, "opus")?, 1.5)
    },
);

const FIREFOX_PATTERN: Case = Case::Echo(
    r"
    const { pc, made: came } = await call(PEER, pc => {
        const came = tracks(pc);
        pc.addTransceiver('audio', { direction: 'recvonly' });
        pc.addTransceiver('video', { direction: 'recvonly' });
        return came;
    });
    const video = await play(await came.next('video'));
    await until('a picture', () => video.videoWidth);
    const first = look(video).all;
    await until('the clock to move', () => !sameOctets(first, look(video).all));
    await until('sound', async () => (await find(pc, 'inbound-rtp', 'audio'))?.totalAudioEnergy > 0);
    pc.close();
    ",
);
