//! The page itself: its buttons pressed in Chromium, by WebDriver; where no camera is needed with none
//! of WebRTC's flags.

use std::time::{Duration, Instant};

use crate::driven::{Page, eventually};
use crate::harness::{PeerProgram, Setup};
use crate::nat;

#[derive(Clone, Copy)]
pub(crate) enum Case {
    Buttons,
    SecondTab,
    CtrlC,
    VoiceAndVideo,
    Watch,
    Live,
    RelayOnly,
}

pub(crate) const CASES: &[(&str, Case)] = &[
    ("connect_chat_file_and_disconnect", Case::Buttons),
    ("a_second_tab_works_at_the_same_time", Case::SecondTab),
    ("ctrl_c_closes_the_connection_in_the_page", Case::CtrlC),
    ("voice_and_video_are_heard_and_seen_again", Case::VoiceAndVideo),
    ("watch_shows_the_clock_and_sounds_the_tone", Case::Watch),
    ("one_tab_publishes_and_another_watches", Case::Live),
    ("with_relay_1_in_its_address_it_uses_the_relay_alone", Case::RelayOnly),
];

pub(crate) async fn run(case: Case) -> Result<(), String> {
    if let Case::RelayOnly = case {
        return relay_only().await;
    }
    let peer = PeerProgram::start(&[]).await;
    let setup = match case {
        Case::VoiceAndVideo | Case::Live => Setup::Filmed,
        _ => Setup::Plain,
    };
    let page = Page::open(&peer.url, setup).await;
    match case {
        Case::Buttons => buttons(&page).await,
        Case::SecondTab => second_tab(&page, &peer.url).await,
        Case::CtrlC => return ctrl_c(&page, peer).await,
        Case::VoiceAndVideo => voice_and_video(&page).await,
        Case::Watch => watch(&page).await,
        Case::Live => live(&page, &peer.url).await,
        Case::RelayOnly => {}
    }
    page.close().await;
    Ok(())
}

async fn connect(page: &Page) {
    page.click("#connect").await;
    page.until("#state", |state| state == "connected").await;
}

async fn chat(page: &Page, line: &str) {
    page.type_into("#chat-input", line).await;
    page.click("#chat-send").await;
    // Once as sent, once as it came back.
    page.until("#chat-log", |log| log.matches(line).count() == 2).await;
}

async fn buttons(page: &Page) {
    connect(page).await;
    let time = page.until("#time-to-open", |time| time.contains("ms")).await;
    assert!(time.starts_with(|c: char| c.is_ascii_digit()), "time to open: {time}");
    page.until("#pair", |pair| pair.contains(':')).await;
    chat(page, "hello from the page").await;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("picture.bin");
    let octets: Vec<u8> =
        (0..5_000_000u32).map(|i| (i.wrapping_mul(i) >> 7).to_le_bytes()[0]).collect();
    std::fs::write(&path, &octets).unwrap();
    page.type_into("#file-input", path.to_str().unwrap()).await;
    let result = page.until("#file-result", |text| !text.is_empty()).await;
    let sent = page.text("#checksum-sent").await;
    assert_eq!(sent, page.text("#checksum-returned").await, "{result}");
    assert_eq!(sent, sha256(&octets));

    page.click("#disconnect").await;
    page.until("#state", |state| state != "connected").await;
    // And once more: a page is not used up by its first connection.
    connect(page).await;
    chat(page, "hello again").await;
}

async fn second_tab(page: &Page, url: &str) {
    connect(page).await;
    let first = page.client.window().await.unwrap();
    page.tab(url).await;
    connect(page).await;
    chat(page, "from the second tab").await;
    page.client.switch_to_window(first).await.unwrap();
    chat(page, "from the first tab").await;
}

async fn ctrl_c(page: &Page, peer: PeerProgram) -> Result<(), String> {
    connect(page).await;
    chat(page, "before the end").await;
    let begun = Instant::now();
    let status = peer.interrupt().await;
    if !status.success() {
        return Err(format!("peer ended with {status}"));
    }
    page.until("#state", |state| state != "connected").await;
    let took = begun.elapsed();
    if took > Duration::from_secs(3) {
        return Err(format!("the page saw the end after {took:?}"));
    }
    Ok(())
}

async fn relay_only() -> Result<(), String> {
    let (_relay, peer) = nat::serving().await;
    let page = Page::open(&format!("{}/?relay=1", peer.url), Setup::Plain).await;
    connect(&page).await;
    chat(&page, "hello through the relay").await;
    page.until("#pair", |pair| pair.contains("(relay) ↔")).await;
    // Without that, the servers are there and the shorter way is taken.
    page.client.goto(&peer.url).await.unwrap();
    connect(&page).await;
    chat(&page, "hello, straight").await;
    let pair = page.until("#pair", |pair| pair.contains('↔')).await;
    assert!(!pair.contains("(relay)"), "{pair}");
    page.close().await;
    Ok(())
}

pub(crate) fn sha256(octets: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, octets);
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What the camera of these tests films: red on the left, blue on the right.
async fn sees_red_and_blue(page: &Page) {
    eventually("red and blue", async || {
        let seen = page.run(SEEN).await;
        let channel = |side: usize, channel: usize| seen[side][channel].as_u64().unwrap_or(0);
        (channel(0, 0) > 180 && channel(0, 2) < 80 && channel(1, 2) > 180 && channel(1, 0) < 80)
            .then_some(())
    })
    .await;
}

async fn hears(page: &Page, hertz: u32) {
    eventually("the tone", async || {
        let heard = page.run(HEARD).await.as_f64().unwrap_or(0.0);
        ((heard - f64::from(hertz)).abs() < 15.0).then_some(())
    })
    .await;
}

/// The middle of the left and of the right half of the picture, red, green and blue.
const SEEN: &str = "
    const video = document.querySelector('#remote-video');
    if (!video.videoWidth) return null;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [64, 48];
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 64, 48);
    return [16, 48].map(x => Array.from(context.getImageData(x, 24, 1, 1).data).slice(0, 3));
";

/// The strongest frequency in the sound, Hz.
const HEARD: &str = "
    const stream = document.querySelector('#remote-video').srcObject;
    const track = stream?.getAudioTracks()[0];
    if (!track) return 0;
    if (window.heardTrack !== track) {
        const context = new AudioContext();
        window.heardTrack = track;
        window.analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
        context.createMediaStreamSource(new MediaStream([track])).connect(window.analyser);
    }
    const bins = new Float32Array(window.analyser.frequencyBinCount);
    window.analyser.getFloatFrequencyData(bins);
    let peak = 5;
    bins.forEach((level, bin) => { if (bin > 5 && level > bins[peak]) peak = bin; });
    return bins[peak] > -60 ? peak * window.analyser.context.sampleRate / 8192 : 0;
";

async fn voice_and_video(page: &Page) {
    page.click("#voice").await;
    page.until("#state", |state| state == "connected").await;
    hears(page, 1000).await;
    page.until("#stat-audio-codec", |codec| codec.to_lowercase().contains("opus")).await;
    page.until("#stat-audio-rate-in", |rate| rate.starts_with(|c: char| c.is_ascii_digit())).await;

    page.click("#video").await;
    sees_red_and_blue(page).await;
    hears(page, 1000).await;
    page.until("#stat-video-codec", |codec| codec.to_lowercase().contains("vp8")).await;
    page.until("#stat-video-fps", |rate| rate.starts_with(|c: char| c.is_ascii_digit())).await;

    page.click("#hangup").await;
    eventually("the picture to go", async || page.run(SEEN).await.is_null().then_some(())).await;
    // The rest of the connection is untouched.
    chat(page, "still here").await;
}

async fn watch(page: &Page) {
    page.click("#watch").await;
    let first =
        eventually("a picture", async || Some(page.run(SEEN).await).filter(|seen| !seen.is_null()))
            .await;
    assert!(first[0].as_array().is_some_and(|colour| !colour.is_empty()), "{first}");
    hears(page, 440).await;
    let frames = page.until("#stat-video-frames", |frames| !frames.is_empty()).await;
    page.until("#stat-video-frames", |now| *now != *frames).await;
}

async fn live(page: &Page, url: &str) {
    let live = format!("{url}/live");
    page.client.goto(&live).await.unwrap();
    page.click("#publish").await;
    page.until("#state", |state| state == "connected").await;
    page.tab(&live).await;
    page.click("#watch").await;
    sees_red_and_blue(page).await;
    hears(page, 1000).await;
}
