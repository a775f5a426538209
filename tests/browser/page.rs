//! The page itself: its buttons pressed in Chromium, by WebDriver, with none of WebRTC's flags.

use std::future::Future;
use std::process::Stdio;
use std::time::{Duration, Instant};

use fantoccini::wd::TimeoutConfiguration;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::harness::{Group, PeerProgram, chromium_flags};

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
    let page = Page::open(&peer.url).await;
    match case {
        Case::Buttons => buttons(&page).await,
        Case::SecondTab => second_tab(&page, &peer.url).await,
        Case::CtrlC => return ctrl_c(&page, peer).await,
    }
    page.close().await;
    Ok(())
}

/// Chromium with the page, and the driver between.
struct Page {
    client: Client,
    _driver: Group,
    _profile: tempfile::TempDir,
}

impl Page {
    async fn open(url: &str) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = Group::start(&mut command);
        let mut lines = BufReader::new(driver.stdout()).lines();
        let port: u16 = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver names its port");
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        // What it still prints must go somewhere, or it would stop at a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = tempfile::tempdir().unwrap();
        let mut flags: Vec<String> = chromium_flags(false).into_iter().map(str::to_owned).collect();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromedriver starts chromium");
        let timeouts = TimeoutConfiguration::new(None, None, Some(Duration::from_secs(5)));
        client.update_timeouts(timeouts).await.unwrap();
        client.goto(url).await.unwrap();
        Self { client, _driver: driver, _profile: profile }
    }

    async fn click(&self, selector: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    async fn text(&self, selector: &str) -> String {
        self.client.find(Locator::Css(selector)).await.unwrap().text().await.unwrap()
    }

    async fn type_into(&self, selector: &str, text: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().send_keys(text).await.unwrap();
    }

    /// Waits until the text of `selector` satisfies `wanted`, and returns it.
    async fn until(&self, selector: &str, wanted: impl Fn(&str) -> bool) -> String {
        eventually(selector, async || {
            let text = self.text(selector).await;
            wanted(&text).then_some(text)
        })
        .await
    }

    async fn connect(&self) {
        self.click("#connect").await;
        self.until("#state", |state| state == "connected").await;
    }

    async fn chat(&self, line: &str) {
        self.type_into("#chat-input", line).await;
        self.click("#chat-send").await;
        // Once as sent, once as it came back.
        self.until("#chat-log", |log| log.matches(line).count() == 2).await;
    }

    async fn close(self) {
        self.client.close().await.unwrap();
    }
}

/// Asks again and again until there is an answer; a minute is longer than anything here takes.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn buttons(page: &Page) {
    page.connect().await;
    let time = page.until("#time-to-open", |time| time.contains("ms")).await;
    assert!(time.starts_with(|c: char| c.is_ascii_digit()), "time to open: {time}");
    page.until("#pair", |pair| pair.contains(':')).await;
    page.chat("hello from the page").await;

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
    page.connect().await;
    page.chat("hello again").await;
}

async fn second_tab(page: &Page, url: &str) {
    page.connect().await;
    let first = page.client.window().await.unwrap();
    let second = page.client.new_window(true).await.unwrap().handle;
    page.client.switch_to_window(second).await.unwrap();
    page.client.goto(url).await.unwrap();
    page.connect().await;
    page.chat("from the second tab").await;
    page.client.switch_to_window(first).await.unwrap();
    page.chat("from the first tab").await;
}

async fn ctrl_c(page: &Page, peer: PeerProgram) -> Result<(), String> {
    page.connect().await;
    page.chat("before the end").await;
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

fn sha256(octets: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, octets);
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}
