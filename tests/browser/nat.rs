//! The ways to a peer: relays, names in place of addresses, ICE over TCP, ICE-lite, restarts, and many
//! peers at one port.

mod hidden;
mod pages;
mod restart;
mod turn;

pub(crate) use turn::serving;

use std::sync::Arc;
use std::time::Duration;

use peer::{Config, DataChannel, Endpoint, Message, PeerConnection, PeerEvent, SessionDescription};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::Lab;
use crate::harness::Browser;

/// Far more than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
pub(crate) enum Case {
    Relayed(turn::Relayed),
    WrongPassword(Side),
    Restart(Side),
    Hidden(Side),
    Page(&'static pages::Case),
}

/// Who does it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Browser,
    We,
}

/// All cases, which both browsers can do.
pub(crate) fn cases() -> Vec<(String, Case)> {
    let named = [
        (
            "a_wrong_password_of_the_browser_costs_the_relay_alone",
            Case::WrongPassword(Side::Browser),
        ),
        ("a_wrong_password_of_ours_costs_the_relay_alone", Case::WrongPassword(Side::We)),
        ("names_of_the_browser_are_looked_up", Case::Hidden(Side::Browser)),
        ("names_of_ours_are_looked_up", Case::Hidden(Side::We)),
        ("the_browser_restarts_ice_in_a_transfer", Case::Restart(Side::Browser)),
        ("we_restart_ice_in_a_transfer", Case::Restart(Side::We)),
    ];
    let relayed = turn::cases().map(|relayed| (relayed.to_string(), Case::Relayed(relayed)));
    let named = named.into_iter().map(|(name, case)| (name.to_owned(), case));
    let pages = pages::CASES.iter().map(|case| (case.name.to_owned(), Case::Page(case)));
    relayed.chain(named).chain(pages).collect()
}

pub(crate) async fn run(case: Case, lab: &Lab) -> Result<(), String> {
    match case {
        Case::Relayed(relayed) => turn::is_relayed(relayed, lab.browser().await).await,
        Case::WrongPassword(side) => turn::wrong_password(side, lab.browser().await).await,
        Case::Restart(Side::Browser) => {
            restart::by_the_browser(lab.browser().await, &lab.peer().await).await
        }
        Case::Restart(Side::We) => restart::by_us(lab.browser().await).await,
        Case::Hidden(side) => hidden::is_found(side, lab.kind).await,
        Case::Page(case) => pages::run(case, lab.browser().await).await,
    }
}

/// A connection of ours to one in the page, `globalThis.pc`, with a channel that the offerer opened.
struct Meeting<'a> {
    browser: &'a Browser,
    endpoint: Endpoint,
    ours: Arc<PeerConnection>,
    /// What echoes, or our channel.
    end: End,
}

enum End {
    Echo(JoinHandle<()>),
    Channel(DataChannel),
}

/// JavaScript that makes `globalThis.pc` with `CONFIGURATION`, and echoes what comes.
const PC: &str = r"
    const pc = globalThis.pc = new RTCPeerConnection(CONFIGURATION);
    pc.ondatachannel = ({ channel }) => {
        channel.binaryType = 'arraybuffer';
        channel.onmessage = e => channel.send(e.data);
    };
";

impl<'a> Meeting<'a> {
    /// They meet, and messages go there and back.
    async fn of(
        offerer: Side,
        browser: &'a Browser,
        theirs: &Value,
        ours: Config,
    ) -> Result<Meeting<'a>, String> {
        let endpoint = Endpoint::bind(0).await.unwrap();
        let ours = Arc::new(endpoint.connection(ours).unwrap());
        let make = format!("const CONFIGURATION = {theirs};\n{PC}");
        let end = match offerer {
            Side::We => End::Channel(we_offer(browser, &ours, &make).await?),
            Side::Browser => End::Echo(browser_offers(browser, &ours, &make).await?),
        };
        let meeting = Meeting { browser, endpoint, ours, end };
        meeting.talk().await?;
        Ok(meeting)
    }

    /// Messages of several sizes, there and back.
    async fn talk(&self) -> Result<(), String> {
        match &self.end {
            End::Channel(channel) => {
                for length in [1, 1200, 100_000] {
                    let message = Message::binary(vec![7; length]);
                    channel.send(message.clone()).await.unwrap();
                    let back = soon("the echo", channel.recv()).await?;
                    assert!(back == Some(message), "{length} octets have changed");
                }
                Ok(())
            }
            End::Echo(_) => self
                .browser
                .run(
                    "for (const length of [1, 1200, 100000]) {
                        channel.send(pattern(length));
                        const back = new Uint8Array(await messages.next(60000));
                        if (!sameOctets(back, pattern(length))) throw new Error(`${length} octets have changed`);
                    }"
                    .to_owned(),
                )
                .await
                .map(drop),
        }
    }

    /// The pairs in use as kinds of candidates, local and remote: the browser's, and ours.
    async fn pairs(&self) -> Result<([String; 2], [String; 2]), String> {
        let theirs = "return until('a selected pair', () => selectedPair(pc))".to_owned();
        let theirs = self.browser.run(theirs).await?;
        let theirs = ["local", "remote"].map(|side| theirs[side].as_str().unwrap().to_owned());
        let ours = self.ours.get_stats().await.unwrap().selected_candidate_pair.unwrap();
        Ok((theirs, [ours.local_candidate_type.into(), ours.remote_candidate_type.into()]))
    }

    async fn end(self) -> Result<(), String> {
        if let End::Echo(echo) = &self.end {
            echo.abort();
        }
        self.ours.close().await;
        self.endpoint.close().await;
        self.browser.run("pc.close()".to_owned()).await.map(drop)
    }
}

async fn we_offer(
    browser: &Browser,
    ours: &PeerConnection,
    make: &str,
) -> Result<DataChannel, String> {
    let channel = ours.create_data_channel("ours", Default::default()).await.unwrap();
    offer_to(browser, ours, make).await?;
    soon("the channel opens", channel.opened()).await?.unwrap();
    Ok(channel)
}

/// Offers to `pc` after `make`, and takes its answer, both with all candidates.
async fn offer_to(browser: &Browser, ours: &PeerConnection, make: &str) -> Result<(), String> {
    let offer = ours.create_offer().await.unwrap();
    ours.set_local_description(offer).await.unwrap();
    soon("our candidates", ours.gathering_complete()).await?;
    let offer = ours.local_description().await.unwrap().unwrap();
    let answer = format!(
        "{make}
        await pc.setRemoteDescription({{ type: 'offer', sdp: {} }});
        await pc.setLocalDescription();
        return gathered(pc);",
        json!(offer.sdp)
    );
    let answer = browser.run(answer).await?;
    let answer = SessionDescription::answer(answer.as_str().unwrap());
    ours.set_remote_description(answer).await.unwrap();
    Ok(())
}

async fn browser_offers(
    browser: &Browser,
    ours: &Arc<PeerConnection>,
    make: &str,
) -> Result<JoinHandle<()>, String> {
    let offer = format!(
        "{make}
        const channel = globalThis.channel = pc.createDataChannel('theirs');
        globalThis.messages = inbox(channel);
        await pc.setLocalDescription();
        return gathered(pc);"
    );
    let offer = browser.run(offer).await?;
    let offer = SessionDescription::offer(offer.as_str().unwrap());
    ours.set_remote_description(offer).await.unwrap();
    let answer = ours.create_answer().await.unwrap();
    ours.set_local_description(answer).await.unwrap();
    soon("our candidates", ours.gathering_complete()).await?;
    let answer = ours.local_description().await.unwrap().unwrap();
    let echo = tokio::spawn(echo(Arc::clone(ours)));
    let take = format!(
        "await pc.setRemoteDescription({{ type: 'answer', sdp: {} }});
        await until('the channel opens', () => channel.readyState === 'open', 60000);",
        json!(answer.sdp)
    );
    browser.run(take).await?;
    Ok(echo)
}

/// Echoes on each channel of the peer's, one after the other.
async fn echo(ours: Arc<PeerConnection>) {
    while let Some(event) = ours.next_event().await {
        if let PeerEvent::DataChannel(channel) = event {
            while let Some(message) = channel.recv().await {
                if channel.send(message).await.is_err() {
                    break;
                }
            }
        }
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, future).await.map_err(|_| format!("not in time: {what}"))
}
