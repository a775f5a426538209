//! Real browsers against our peer: `tests/run browser`, or `cargo test -p tests --test browser [FILTER]`.
//!
//! One Chromium and one Firefox are started, headless; each case is a piece of JavaScript that runs in
//! a page of theirs and answers with JSON, and every case runs in both. [`harness`] starts and ends
//! processes; [`answering`] holds the cases where the browser offers and the `peer` program answers,
//! [`offering`] those where we offer, in this process; [`media`] those with sound and pictures; [`page`]
//! presses the buttons of the page itself, and [`room`] those of two tabs in a room.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails must say where"
)]

mod answering;
mod devices;
mod driven;
mod harness;
mod media;
mod nat;
mod offering;
mod page;
mod relay;
mod room;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use crate::harness::{Browser, Kind, PeerProgram, Setup};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The cases share browsers, and two cores.
    arguments.test_threads = Some(1);
    let runtime = Arc::new(
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    );
    let mut trials = Vec::new();
    for kind in [Kind::Chromium, Kind::Firefox] {
        let plain = Arc::new(Lab::new(kind, Setup::Plain));
        let lab = Arc::new(Lab::new(kind, Setup::Granted));
        let filmed = Arc::new(Lab::new(kind, Setup::Filmed));
        let without_permissions =
            answering::CASES.iter().filter(|(name, _)| answering::PLAIN.contains(name));
        let answered = without_permissions
            .map(|case| ("plain", &plain, case))
            .chain(answering::CASES.iter().map(|case| ("answering", &lab, case)));
        for (group, lab, (name, case)) in answered {
            let (lab, runtime) = (Arc::clone(lab), Arc::clone(&runtime));
            trials.push(Trial::test(format!("{kind}::{group}::{name}"), move || {
                runtime.block_on(async {
                    let peer = lab.peer().await;
                    case.run(lab.browser().await, &peer).await.map_err(Into::into)
                })
            }));
        }
        for (name, case) in offering::CASES {
            let (lab, runtime) = (Arc::clone(&lab), Arc::clone(&runtime));
            trials.push(Trial::test(format!("{kind}::offering::{name}"), move || {
                runtime.block_on(async {
                    offering::run(*case, lab.browser().await).await.map_err(Into::into)
                })
            }));
        }
        for (name, case) in nat::cases() {
            let (lab, runtime) = (Arc::clone(&lab), Arc::clone(&runtime));
            trials.push(Trial::test(format!("{kind}::nat::{name}"), move || {
                runtime.block_on(async { nat::run(case, &lab).await.map_err(Into::into) })
            }));
        }
        for (name, case) in media::cases(kind) {
            let (lab, runtime) = (Arc::clone(&filmed), Arc::clone(&runtime));
            trials.push(Trial::test(format!("{kind}::media::{name}"), move || {
                runtime.block_on(async {
                    media::run(*case, lab.browser().await).await.map_err(Into::into)
                })
            }));
        }
    }
    for (name, case) in page::CASES {
        let runtime = Arc::clone(&runtime);
        trials.push(Trial::test(format!("page::{name}"), move || {
            runtime.block_on(page::run(*case)).map_err(Into::into)
        }));
    }
    for (name, case) in room::CASES {
        let runtime = Arc::clone(&runtime);
        trials.push(Trial::test(format!("room::{name}"), move || {
            runtime.block_on(room::run(*case)).map_err(Into::into)
        }));
    }
    // Every trial holds a share of its lab; the last one to go ends the browser.
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A browser and a peer program, started when first needed.
struct Lab {
    kind: Kind,
    setup: Setup,
    browser: tokio::sync::OnceCell<Browser>,
    peer: tokio::sync::OnceCell<PeerProgram>,
}

impl Lab {
    fn new(kind: Kind, setup: Setup) -> Self {
        Self {
            kind,
            setup,
            browser: tokio::sync::OnceCell::new(),
            peer: tokio::sync::OnceCell::new(),
        }
    }

    async fn browser(&self) -> &Browser {
        self.browser.get_or_init(|| Browser::start(self.kind, self.setup)).await
    }

    async fn peer(&self) -> String {
        self.peer.get_or_init(|| PeerProgram::start(&["--cors"])).await.url.clone()
    }
}
