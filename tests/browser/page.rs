//! The page itself: its buttons pressed in Chromium, by WebDriver, with none of WebRTC's flags.

use std::time::{Duration, Instant};

use crate::driven::Page;
use crate::harness::{PeerProgram, Setup};

#[derive(Clone, Copy)]
pub(crate) enum Case {
    Buttons,
    SecondTab,
    CtrlC,
}

pub(crate) const CASES: &[(&str, Case)] = &[
    ("connect_chat_file_and_disconnect", Case::Buttons),
    ("a_second_tab_works_at_the_same_time", Case::SecondTab),
    ("ctrl_c_closes_the_connection_in_the_page", Case::CtrlC),
];

pub(crate) async fn run(case: Case) -> Result<(), String> {
    let peer = PeerProgram::start(&[]).await;
    let page = Page::open(&peer.url, Setup::Plain).await;
    match case {
        Case::Buttons => buttons(&page).await,
        Case::SecondTab => second_tab(&page, &peer.url).await,
        Case::CtrlC => return ctrl_c(&page, peer).await,
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
    let octets: Vec<u8> = (0..5_000_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
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

pub(crate) fn sha256(octets: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, octets);
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}
