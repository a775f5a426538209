//! Chromium with a page of the `peer` program, driven by WebDriver: its buttons are pressed as a
//! person would press them.

use std::future::Future;
use std::process::Stdio;
use std::time::{Duration, Instant};

use fantoccini::wd::{TimeoutConfiguration, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::devices;
use crate::harness::{Group, Setup, chromium_flags};

/// Chromium with the page, and the driver between.
pub(crate) struct Page {
    pub(crate) client: Client,
    _driver: Group,
    _profile: tempfile::TempDir,
}

impl Page {
    pub(crate) async fn open(url: &str, setup: Setup) -> Self {
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
        let mut flags: Vec<String> =
            chromium_flags(setup != Setup::Plain).into_iter().map(str::to_owned).collect();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        if setup == Setup::Filmed {
            let (sound, picture) =
                (devices::microphone(profile.path()), devices::camera(profile.path()));
            flags.push(format!("--use-file-for-fake-audio-capture={}", sound.display()));
            flags.push(format!("--use-file-for-fake-video-capture={}", picture.display()));
        }
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

    pub(crate) async fn click(&self, selector: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        self.client.find(Locator::Css(selector)).await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().send_keys(text).await.unwrap();
    }

    /// Waits until the text of `selector` satisfies `wanted`, and returns it.
    pub(crate) async fn until(&self, selector: &str, wanted: impl Fn(&str) -> bool) -> String {
        eventually(selector, async || {
            let text = self.text(selector).await;
            wanted(&text).then_some(text)
        })
        .await
    }

    /// The body of a function, run in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// Opens another tab with `url`, and stays there.
    pub(crate) async fn tab(&self, url: &str) -> WindowHandle {
        let tab = self.client.new_window(true).await.unwrap().handle;
        self.client.switch_to_window(tab.clone()).await.unwrap();
        self.client.goto(url).await.unwrap();
        tab
    }

    pub(crate) async fn close(self) {
        self.client.close().await.unwrap();
    }
}

/// Asks again and again until there is an answer; a minute is longer than anything here takes.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
