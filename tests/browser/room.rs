//! A room: two tabs of Chromium that find each other through our server, and then talk without it.
//!
//! Microphone and camera are files of ours, so that a test knows what has to be heard and seen.

use std::time::Duration;

use fantoccini::wd::WindowHandle;
use serde_json::json;

use crate::devices::TONE_HZ;
use crate::driven::{Page, eventually};
use crate::harness::{PeerProgram, Setup};
use crate::nat;

#[derive(Clone, Copy)]
pub(crate) enum Case {
    Chat,
    File,
    Voice,
    Video,
    Glare,
    Rejoin,
    Third,
    ServerGone,
    RelayOnly,
}

pub(crate) const CASES: &[(&str, Case)] = &[
    ("chat_goes_both_ways", Case::Chat),
    ("a_file_arrives_whole_if_it_is_accepted", Case::File),
    ("a_voice_call_is_heard_on_both_sides", Case::Voice),
    ("a_video_call_is_seen_and_the_camera_goes_off_and_on", Case::Video),
    ("both_press_video_at_once", Case::Glare),
    ("who_leaves_can_come_back", Case::Rejoin),
    ("a_third_gets_a_clear_sentence", Case::Third),
    ("the_call_is_found_again_when_the_server_comes_back", Case::ServerGone),
    ("with_relay_1_in_the_address_a_relay_is_all_that_is_used", Case::RelayOnly),
];

pub(crate) async fn run(case: Case) -> Result<(), String> {
    if let Case::RelayOnly = case {
        let (_relay, peer) = nat::serving().await;
        let room = Room::open(&format!("{}/room/tea?relay=1", peer.url)).await;
        relay_only(&room).await;
        return room.end().await;
    }
    let peer = PeerProgram::start(&[]).await;
    let room = format!("{}/room/tea", peer.url);
    let room = Room::open(&room).await;
    match case {
        Case::Chat => chat(&room).await,
        Case::File => file(&room).await,
        Case::Voice => voice(&room).await,
        Case::Video => video(&room).await,
        Case::Glare => glare(&room).await,
        Case::Rejoin => rejoin(&room).await,
        Case::Third => third(&room, &peer.url).await,
        Case::RelayOnly => {}
        Case::ServerGone => {
            server_gone(&room, peer).await;
            return room.end().await;
        }
    }
    room.end().await
}

/// Two tabs in one room.
struct Room {
    page: Page,
    tabs: [WindowHandle; 2],
}

const FIRST: usize = 0;
const SECOND: usize = 1;

impl Room {
    async fn open(url: &str) -> Room {
        let page = Page::open(url, Setup::Filmed).await;
        page.until("#state", |state| state == "waiting").await;
        let first = page.client.window().await.unwrap();
        let second = page.tab(url).await;
        let room = Room { page, tabs: [first, second] };
        room.connected().await;
        room
    }

    /// The page of one tab.
    async fn at(&self, tab: usize) -> &Page {
        self.page.client.switch_to_window(self.tabs[tab].clone()).await.unwrap();
        &self.page
    }

    async fn connected(&self) {
        for tab in [FIRST, SECOND] {
            self.at(tab).await.until("#state", |state| state == "connected").await;
        }
    }

    /// Waits until a tab receives exactly this: `nothing`, `audio`, `audio video`.
    async fn receives(&self, tab: usize, kinds: &str) {
        let page = self.at(tab).await;
        eventually(&format!("tab {tab} receives {kinds}"), async || {
            let receiving =
                page.run("return document.body.querySelector('#screen').dataset.receiving").await;
            (receiving == kinds).then_some(())
        })
        .await;
    }

    /// Waits until the picture of our camera is seen in a tab: red on the left, blue on the right,
    /// and not the same frame all the time.
    async fn sees(&self, tab: usize) {
        let page = self.at(tab).await;
        eventually(&format!("tab {tab} sees the picture"), async || {
            let pixels = page.run(PIXELS).await;
            let colour = |at: usize| [0, 1, 2].map(|c: usize| pixels[at][c].as_i64().unwrap_or(0));
            let ([r0, _, b0], [r1, _, b1]) = (colour(0), colour(1));
            (r0 > 150 && b0 < 100 && r1 < 100 && b1 > 150).then_some(())
        })
        .await;
        let frames = async || -> Option<u64> { page.text("#stat-video-frames").await.parse().ok() };
        let seen = eventually("frames are counted", frames).await;
        eventually("the picture moves", async || {
            frames().await.filter(|&now| now > seen + 5).map(drop)
        })
        .await;
    }

    /// Waits until the tone of our microphone is heard in a tab.
    async fn hears(&self, tab: usize) {
        let page = self.at(tab).await;
        page.run(LISTEN).await;
        eventually(&format!("tab {tab} hears the tone"), async || {
            let heard = page.run("return window.loudest()").await.as_f64().unwrap_or(0.0);
            ((heard - f64::from(TONE_HZ)).abs() < 30.0).then_some(())
        })
        .await;
    }

    async fn end(self) -> Result<(), String> {
        for tab in [FIRST, SECOND] {
            let error = self.at(tab).await.text("#error").await;
            if !error.is_empty() && !error.contains("trying again") {
                return Err(format!("tab {tab} says: {error}"));
            }
        }
        self.page.close().await;
        Ok(())
    }
}

/// The colour at the left and the right of what is seen.
const PIXELS: &str = "
    const video = document.querySelector('#remote-video');
    if (!video.videoWidth) return [[0, 0, 0], [0, 0, 0]];
    const canvas = Object.assign(document.createElement('canvas'), { width: 40, height: 30 });
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 40, 30);
    return [5, 35].map(x => [...context.getImageData(x, 15, 1, 1).data]);";

/// Makes `loudest()`, the frequency of the loudest tone that is received, in Hz.
const LISTEN: &str = "
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 8192 });
    context.createMediaStreamSource(document.querySelector('#remote-video').srcObject).connect(analyser);
    const levels = new Float32Array(analyser.frequencyBinCount);
    window.loudest = () => {
      context.resume();
      analyser.getFloatFrequencyData(levels);
      const best = levels.indexOf(Math.max(...levels));
      return levels[best] < -60 ? 0 : best * context.sampleRate / analyser.fftSize;
    };";

async fn relay_only(room: &Room) {
    chat(room).await;
    for tab in [FIRST, SECOND] {
        let relays = |pair: &str| pair.matches("(relay)").count() == 2;
        room.at(tab).await.until("#pair", relays).await;
    }
}

async fn chat(room: &Room) {
    for (from, to, line) in [(FIRST, SECOND, "hello over there"), (SECOND, FIRST, "größer 🎈")]
    {
        let page = room.at(from).await;
        page.type_into("#chat-input", line).await;
        page.click("#chat-send").await;
        for tab in [from, to] {
            room.at(tab).await.until("#chat-log", |log| log.matches(line).count() == 1).await;
        }
    }
}

async fn file(room: &Room) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("picture <b>.bin");
    let octets: Vec<u8> =
        (0..3_000_000u32).map(|i| (i.wrapping_mul(i) >> 7).to_le_bytes()[0]).collect();
    std::fs::write(&path, &octets).unwrap();

    room.at(SECOND).await.type_into("#file-input", path.to_str().unwrap()).await;
    let page = room.at(FIRST).await;
    let offer = page.until("#file-offered", |text| !text.is_empty()).await;
    assert!(offer.contains("“picture <b>.bin” (3.0 MB)"), "{offer}");
    page.click("#file-decline").await;
    page.until("#file-result", |text| text.contains("Declined")).await;
    room.at(SECOND).await.until("#file-result", |text| text.contains("does not want it")).await;

    room.at(SECOND).await.type_into("#file-input", path.to_str().unwrap()).await;
    let page = room.at(FIRST).await;
    eventually("the file is offered again", async || {
        let shown = page.run("return !document.querySelector('#file-offer').hidden").await;
        (shown == true).then_some(())
    })
    .await;
    page.click("#file-accept").await;
    for tab in [FIRST, SECOND] {
        let page = room.at(tab).await;
        page.until("#file-result", |text| text.contains("identical")).await;
        for side in ["#checksum-ours", "#checksum-theirs"] {
            assert_eq!(page.text(side).await, crate::page::sha256(&octets));
        }
    }
    // And it can be saved under its name.
    let page = room.at(FIRST).await;
    let saved = "const a = document.querySelector('#file-save'); return [a.hidden, a.download]";
    assert_eq!(page.run(saved).await, json!([false, "picture <b>.bin"]));
}

async fn voice(room: &Room) {
    for tab in [FIRST, SECOND] {
        room.at(tab).await.click("#voice").await;
    }
    for tab in [FIRST, SECOND] {
        room.receives(tab, "audio").await;
        room.hears(tab).await;
        let page = room.at(tab).await;
        page.until("#stat-audio-codec", |codec| codec == "opus").await;
        page.until("#stat-audio-rate-in", |rate| rate.contains("bit/s")).await;
    }
    room.at(FIRST).await.click("#hangup").await;
    room.receives(SECOND, "nothing").await;
    room.receives(FIRST, "audio").await;
}

async fn video(room: &Room) {
    room.at(FIRST).await.click("#video").await;
    room.receives(SECOND, "audio video").await;
    room.sees(SECOND).await;
    // Now the other one, too.
    room.at(SECOND).await.click("#video").await;
    room.receives(FIRST, "audio video").await;
    room.sees(FIRST).await;
    room.hears(FIRST).await;
    // The camera off, the voice stays; and on again.
    for _ in 0..2 {
        room.at(FIRST).await.click("#video").await;
        room.receives(SECOND, "audio").await;
        room.at(FIRST).await.click("#video").await;
        room.receives(SECOND, "audio video").await;
        room.sees(SECOND).await;
    }
    room.at(FIRST).await.until("#stat-video-size", |size| size.contains('×')).await;
    room.at(FIRST).await.until("#stat-video-rtt", |rtt| rtt.ends_with("ms")).await;
    // Nothing of it disturbs the chat.
    chat(room).await;
    for tab in [FIRST, SECOND] {
        room.at(tab).await.click("#hangup").await;
    }
    for tab in [FIRST, SECOND] {
        room.receives(tab, "nothing").await;
    }
}

async fn glare(room: &Room) {
    let button = |id: &str, at: u64| {
        format!("setTimeout(() => document.querySelector('#{id}').click(), {at} - Date.now())")
    };
    for (id, kinds) in [("video", "audio video"), ("hangup", "nothing")].repeat(3) {
        let now = room.page.run("return Date.now()").await.as_u64().unwrap();
        for tab in [FIRST, SECOND] {
            // Both at the same moment, a little later.
            room.at(tab).await.run(&button(id, now + 500)).await;
        }
        for tab in [FIRST, SECOND] {
            room.receives(tab, kinds).await;
            if kinds != "nothing" {
                room.sees(tab).await;
            }
        }
    }
    chat(room).await;
}

async fn rejoin(room: &Room) {
    room.at(FIRST).await.click("#video").await;
    room.sees(SECOND).await;
    // Who was called leaves: the camera of who stays is not touched.
    room.at(SECOND).await.click("#leave").await;
    room.at(FIRST).await.until("#state", |state| state == "waiting").await;
    room.at(SECOND).await.click("#join").await;
    room.connected().await;
    room.sees(SECOND).await;
    // And once more by reloading the page.
    room.at(FIRST).await.client.refresh().await.unwrap();
    room.connected().await;
    room.receives(SECOND, "nothing").await;
    chat(room).await;
}

async fn third(room: &Room, url: &str) {
    let page = &room.page;
    page.tab(&format!("{url}/room/tea")).await;
    let sentence = page.until("#error", |text| !text.is_empty()).await;
    assert_eq!(sentence, "This room is full: two people are in it already.");
    assert_eq!(page.text("#state").await, "failed");
    // The two do not notice.
    chat(room).await;
    // There are other rooms.
    page.tab(&format!("{url}/room/coffee")).await;
    page.until("#state", |state| state == "waiting").await;
}

async fn server_gone(room: &Room, peer: PeerProgram) {
    let address = peer.url.trim_start_matches("http://").to_owned();
    assert!(peer.interrupt().await.success());
    for tab in [FIRST, SECOND] {
        let page = room.at(tab).await;
        page.until("#error", |text| text.contains("trying again")).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let _again = PeerProgram::start_at(&address, &[]).await;
    room.connected().await;
    chat(room).await;
}
