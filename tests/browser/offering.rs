//! We offer, in this process, and the browser answers.

use std::time::Duration;

use peer::{Config, DataChannel, DataChannelInit, Message, PeerConnection, SessionDescription};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::Browser;

#[derive(Clone, Copy)]
pub(crate) enum Case {
    MessagesGoBothWays,
    HundredChannels,
    OptionsArrive,
    Negotiated,
    BrowserIsDtlsServer,
    BrowserOffersActive,
    OurCloseIsSeen,
    TheirCloseIsSeen,
    ConnectionCloseIsSeen,
}

pub(crate) const CASES: &[(&str, Case)] = &[
    ("messages_of_all_kinds_and_sizes_go_both_ways", Case::MessagesGoBothWays),
    ("a_hundred_channels_of_ours", Case::HundredChannels),
    ("labels_protocols_and_reliability_arrive", Case::OptionsArrive),
    ("a_negotiated_channel_needs_no_open_message", Case::Negotiated),
    ("the_browser_as_dtls_server", Case::BrowserIsDtlsServer),
    ("an_offer_that_says_active_makes_the_browser_dtls_client", Case::BrowserOffersActive),
    ("a_channel_we_close_is_closed_there_within_two_seconds", Case::OurCloseIsSeen),
    ("a_channel_closed_there_is_closed_here_within_two_seconds", Case::TheirCloseIsSeen),
    ("a_connection_we_close_is_closed_there_within_two_seconds", Case::ConnectionCloseIsSeen),
];

/// What "seen by the other side" may take.
const SEEN: Duration = Duration::from_secs(2);
const OPEN: Duration = Duration::from_secs(15);

pub(crate) async fn run(case: Case, browser: &Browser) -> Result<(), String> {
    match case {
        Case::MessagesGoBothWays => messages_go_both_ways(browser).await,
        Case::HundredChannels => hundred_channels(browser).await,
        Case::OptionsArrive => options_arrive(browser).await,
        Case::Negotiated => negotiated(browser).await,
        Case::BrowserIsDtlsServer => browser_is_dtls_server(browser).await,
        Case::BrowserOffersActive => browser_offers_active(browser).await,
        Case::OurCloseIsSeen => our_close_is_seen(browser).await,
        Case::TheirCloseIsSeen => their_close_is_seen(browser).await,
        Case::ConnectionCloseIsSeen => connection_close_is_seen(browser).await,
    }
}

/// JavaScript that makes `globalThis.pc`, which echoes on every channel it is given.
const ECHOING_PEER: &str = r"
    const pc = globalThis.pc = new RTCPeerConnection();
    globalThis.seen = [];
    pc.ondatachannel = ({ channel }) => {
        seen.push(channel);
        channel.binaryType = 'arraybuffer';
        channel.onmessage = e => channel.send(e.data);
    };
";

/// JavaScript that answers the offer in `OFFER` once all candidates are known.
const ANSWER: &str = r"
    await pc.setRemoteDescription({ type: 'offer', sdp: OFFER });
    await pc.setLocalDescription();
    if (pc.iceGatheringState !== 'complete')
        await Promise.race([new Promise(done => pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done()), sleep(2000)]);
    return pc.localDescription.sdp;
";

async fn new_connection() -> PeerConnection {
    PeerConnection::new(Config::default()).await.unwrap()
}

/// Offers `ours` to a peer in the page, made by `make` and answering by `ANSWER`; `edit` may change
/// the answer on its way.
async fn connect(
    browser: &Browser,
    ours: &PeerConnection,
    make: &str,
    edit: impl FnOnce(String) -> String,
) -> Result<(), String> {
    let offer = ours.create_offer().await.unwrap();
    ours.set_local_description(offer).await.unwrap();
    let offer = ours.local_description().await.unwrap().unwrap();
    let script = format!("const OFFER = {};\n{make}\n{ANSWER}", json!(offer.sdp));
    let answer = browser.run(script).await?;
    let answer = edit(answer.as_str().unwrap().to_owned());
    ours.set_remote_description(SessionDescription::answer(answer)).await.unwrap();
    Ok(())
}

async fn end(browser: &Browser, ours: PeerConnection) -> Result<(), String> {
    ours.close().await;
    browser.run("pc.close()".to_owned()).await.map(drop)
}

async fn opened(channel: &DataChannel) {
    timeout(OPEN, channel.opened()).await.expect("the channel opens in time").unwrap();
}

async fn next(channel: &DataChannel) -> Message {
    timeout(OPEN, channel.recv()).await.expect("a message in time").expect("a message")
}

async fn stats(browser: &Browser) -> Result<Value, String> {
    browser.run("return report(pc, 'transport')".to_owned()).await
}

async fn messages_go_both_ways(browser: &Browser) -> Result<(), String> {
    let ours = new_connection().await;
    let channel = ours.create_data_channel("echo", DataChannelInit::default()).await.unwrap();
    connect(browser, &ours, ECHOING_PEER, |answer| answer).await?;
    opened(&channel).await;
    let messages = [
        Message::text("hello"),
        Message::text(""),
        Message::text("größer 🎈"),
        Message::binary(Vec::new()),
        Message::binary(vec![7; 1200]),
        Message::binary(vec![8; 65_536]),
        Message::text("x".repeat(65_536)),
        Message::binary(vec![9; 262_144]),
    ];
    for message in messages {
        channel.send(message.clone()).await.unwrap();
        assert_eq!(next(&channel).await, message);
    }
    let transport = stats(browser).await?;
    assert_eq!(transport["tlsVersion"], "FEFD");
    // The answerer chose to begin: its ClientHello, in two datagrams, was ours to reassemble.
    assert_eq!(transport["dtlsRole"], "client");
    end(browser, ours).await
}

async fn hundred_channels(browser: &Browser) -> Result<(), String> {
    let ours = new_connection().await;
    let mut channels = Vec::new();
    for index in 0..100 {
        let label = format!("channel {index}");
        channels.push(ours.create_data_channel(&label, DataChannelInit::default()).await.unwrap());
    }
    connect(browser, &ours, ECHOING_PEER, |answer| answer).await?;
    for channel in &channels {
        opened(channel).await;
        channel.send(Message::text(channel.label())).await.unwrap();
    }
    for channel in &channels {
        assert_eq!(next(channel).await, Message::text(channel.label()));
    }
    end(browser, ours).await
}

async fn options_arrive(browser: &Browser) -> Result<(), String> {
    let ours = new_connection().await;
    let long = "ö".repeat(500);
    let plain = DataChannelInit::default;
    let inits = [
        (long.as_str(), plain()),
        ("unordered", DataChannelInit { ordered: false, ..plain() }),
        ("retransmits", DataChannelInit { max_retransmits: Some(3), ..plain() }),
        (
            "lifetime",
            DataChannelInit {
                ordered: false,
                max_packet_life_time: Some(250),
                protocol: "timed".into(),
                ..plain()
            },
        ),
    ];
    let mut channels = Vec::new();
    for (label, init) in inits {
        channels.push(ours.create_data_channel(label, init).await.unwrap());
    }
    connect(browser, &ours, ECHOING_PEER, |answer| answer).await?;
    for channel in &channels {
        opened(channel).await;
        channel.send(Message::text("ping")).await.unwrap();
        assert_eq!(next(channel).await, Message::text("ping"), "{}", channel.label());
    }
    let seen = browser
        .run("return Object.fromEntries(seen.map(c => [c.label, [c.protocol, c.ordered, c.maxRetransmits, c.maxPacketLifeTime]]))".to_owned())
        .await?;
    assert_eq!(
        seen,
        json!({
            long: ["", true, null, null],
            "unordered": ["", false, null, null],
            "retransmits": ["", true, 3, null],
            "lifetime": ["timed", false, null, 250],
        })
    );
    end(browser, ours).await
}

async fn negotiated(browser: &Browser) -> Result<(), String> {
    let ours = new_connection().await;
    let init = DataChannelInit { negotiated: true, id: Some(10), ..DataChannelInit::default() };
    let channel = ours.create_data_channel("agreed", init).await.unwrap();
    let make = format!(
        "{ECHOING_PEER}
        const agreed = globalThis.agreed = pc.createDataChannel('agreed', {{ negotiated: true, id: 10 }});
        agreed.binaryType = 'arraybuffer';
        agreed.onmessage = e => agreed.send(e.data);"
    );
    connect(browser, &ours, &make, |answer| answer).await?;
    opened(&channel).await;
    for message in [Message::text("first"), Message::binary(vec![3, 1, 0, 0])] {
        channel.send(message.clone()).await.unwrap();
        assert_eq!(next(&channel).await, message);
    }
    let announced = browser.run("return seen.length".to_owned()).await?;
    assert_eq!(announced, json!(0), "a negotiated channel is not announced");
    end(browser, ours).await
}

async fn browser_is_dtls_server(browser: &Browser) -> Result<(), String> {
    // The browser offers `actpass` and our answer is `active`, as always.
    let offer = offer_of(browser).await?;
    let ours = new_connection().await;
    answer_and_echo(browser, &ours, &offer).await?;
    let transport = stats(browser).await?;
    assert_eq!(
        (&transport["dtlsRole"], &transport["tlsVersion"]),
        (&json!("server"), &json!("FEFD"))
    );
    end(browser, ours).await
}

async fn browser_offers_active(browser: &Browser) -> Result<(), String> {
    let offer = offer_of(browser).await?.replace("a=setup:actpass", "a=setup:active");
    let ours = new_connection().await;
    answer_and_echo(browser, &ours, &offer).await?;
    assert_eq!(stats(browser).await?["dtlsRole"], "client");
    end(browser, ours).await
}

/// The page's offer of one channel.
async fn offer_of(browser: &Browser) -> Result<String, String> {
    let script = format!(
        "{ECHOING_PEER}
        const channel = globalThis.channel = pc.createDataChannel('theirs');
        globalThis.messages = inbox(channel);
        await pc.setLocalDescription();
        return pc.localDescription.sdp;"
    );
    Ok(browser.run(script).await?.as_str().unwrap().to_owned())
}

/// Answers the page's offer and echoes its one channel until the page is content.
async fn answer_and_echo(
    browser: &Browser,
    ours: &PeerConnection,
    offer: &str,
) -> Result<(), String> {
    ours.set_remote_description(SessionDescription::offer(offer)).await.unwrap();
    let answer = ours.create_answer().await.unwrap();
    ours.set_local_description(answer).await.unwrap();
    let answer = ours.local_description().await.unwrap().unwrap();
    let echo = async {
        while let Some(event) = ours.next_event().await {
            if let peer::PeerEvent::DataChannel(channel) = event {
                while let Some(message) = channel.recv().await {
                    channel.send(message).await.unwrap();
                }
            }
        }
    };
    let script = format!(
        "await pc.setRemoteDescription({{ type: 'answer', sdp: {} }});
        await opened(channel);
        for (const text of ['one', '', 'three']) {{ channel.send(text); equal(await messages.next(), text, 'echo'); }}",
        json!(answer.sdp)
    );
    tokio::select! {
        () = echo => Err("the connection ended early".to_owned()),
        outcome = browser.run(script) => outcome.map(drop),
    }
}

async fn our_close_is_seen(browser: &Browser) -> Result<(), String> {
    let ours = new_connection().await;
    let channel = ours.create_data_channel("closing", DataChannelInit::default()).await.unwrap();
    let staying = ours.create_data_channel("staying", DataChannelInit::default()).await.unwrap();
    connect(browser, &ours, ECHOING_PEER, |answer| answer).await?;
    opened(&channel).await;
    opened(&staying).await;
    channel.send(Message::text("last words")).await.unwrap();
    assert_eq!(next(&channel).await, Message::text("last words"));
    channel.close();
    browser
        .run(
            "await until('closed', () => seen.find(c => c.label === 'closing').readyState === 'closed', 2000)"
                .to_owned(),
        )
        .await?;
    timeout(SEEN, channel.closed()).await.expect("closed on our side too");
    staying.send(Message::text("still here")).await.unwrap();
    assert_eq!(next(&staying).await, Message::text("still here"));
    end(browser, ours).await
}

async fn their_close_is_seen(browser: &Browser) -> Result<(), String> {
    let ours = new_connection().await;
    let channel = ours.create_data_channel("closing", DataChannelInit::default()).await.unwrap();
    connect(browser, &ours, ECHOING_PEER, |answer| answer).await?;
    opened(&channel).await;
    channel.send(Message::text("here")).await.unwrap();
    assert_eq!(next(&channel).await, Message::text("here"));
    browser.run("seen[0].close()".to_owned()).await?;
    timeout(SEEN, channel.closed()).await.expect("the close is seen");
    // Its number is free again: another channel takes it.
    let again = ours.create_data_channel("again", DataChannelInit::default()).await.unwrap();
    opened(&again).await;
    again.send(Message::text("again")).await.unwrap();
    assert_eq!(next(&again).await, Message::text("again"));
    end(browser, ours).await
}

async fn connection_close_is_seen(browser: &Browser) -> Result<(), String> {
    let ours = new_connection().await;
    let channel = ours.create_data_channel("a", DataChannelInit::default()).await.unwrap();
    connect(browser, &ours, ECHOING_PEER, |answer| answer).await?;
    opened(&channel).await;
    channel.send(Message::text("here")).await.unwrap();
    next(&channel).await;
    ours.close().await;
    browser
        .run(
            "await until('closed', () => seen[0].readyState === 'closed', 2000); pc.close()"
                .to_owned(),
        )
        .await
        .map(drop)
}
