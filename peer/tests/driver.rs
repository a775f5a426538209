//! Connections between real sockets on loopback, through the async handles.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails must say where"
)]

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use peer::{
    ChannelError, ChannelState, Config, ConnectionState, DataChannel, Endpoint, Message,
    PeerConnection, PeerEvent,
};

/// Far more than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Offer and answer, by word of mouth.
async fn negotiate(offerer: &PeerConnection, answerer: &PeerConnection) {
    let offer = offerer.create_offer().await.unwrap();
    offerer.set_local_description(offer).await.unwrap();
    let offer = offerer.local_description().await.unwrap().unwrap();
    answerer.set_remote_description(offer).await.unwrap();
    let answer = answerer.create_answer().await.unwrap();
    answerer.set_local_description(answer).await.unwrap();
    let answer = answerer.local_description().await.unwrap().unwrap();
    offerer.set_remote_description(answer).await.unwrap();
}

/// The next channel the peer opens.
async fn incoming(connection: &PeerConnection) -> DataChannel {
    loop {
        match soon("a channel", connection.next_event()).await.expect("the connection lives") {
            PeerEvent::DataChannel(channel) => return channel,
            _ => continue,
        }
    }
}

struct Pair {
    ours: PeerConnection,
    theirs: PeerConnection,
    channel: DataChannel,
    remote: DataChannel,
}

/// Two connections on two sockets, with an open channel between them.
async fn connected() -> Pair {
    connected_with(Config::default()).await
}

async fn connected_with(config: Config) -> Pair {
    let ours = PeerConnection::new(config).await.unwrap();
    let theirs = PeerConnection::new(Default::default()).await.unwrap();
    let channel = ours.create_data_channel("first", Default::default()).await.unwrap();
    negotiate(&ours, &theirs).await;
    soon("open", channel.opened()).await.unwrap();
    let remote = incoming(&theirs).await;
    Pair { ours, theirs, channel, remote }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_every_kind_arrive_unchanged() {
    let pair = connected().await;
    assert_eq!((pair.remote.label(), pair.remote.ordered()), ("first", true));
    let messages = [
        Message::text("hello"),
        Message::text(""),
        Message::binary(Bytes::new()),
        Message::binary(vec![7; 1]),
        Message::binary(vec![7; 65_536]),
        Message::binary(vec![7; 262_144]),
    ];
    for message in &messages {
        pair.channel.send(message.clone()).await.unwrap();
    }
    for message in &messages {
        let received = soon("a message", pair.remote.recv()).await;
        assert!(received.as_ref() == Some(message), "{} octets changed", message.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_know_that_they_are_connected() {
    let pair = connected().await;
    soon("connected", pair.ours.connected()).await.unwrap();
    soon("connected", pair.theirs.connected()).await.unwrap();
    assert_eq!(pair.ours.connection_state(), ConnectionState::Connected);
    pair.ours.get_stats().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_a_message_is_refused() {
    let pair = connected().await;
    let error = pair.channel.send(Message::binary(vec![0; 262_145])).await.unwrap_err();
    assert!(
        matches!(error, ChannelError::TooLarge { length: 262_145, limit: 262_144 }),
        "{error:?}"
    );
    pair.channel.send(Message::text("the channel lives")).await.unwrap();
    assert!(soon("a message", pair.remote.recv()).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_makes_the_writer_wait_and_nothing_is_dropped() {
    let mut config = Config::default();
    config.data.association.send_buffer = 1 << 20;
    let pair = connected_with(config).await;
    let total = 1200; // of 16 KiB: more than all buffers on the way
    let writer = tokio::spawn({
        let channel = pair.channel.clone();
        async move {
            for i in 0..total {
                let number = u32::to_be_bytes(i).repeat(4096);
                channel.send(Message::binary(number)).await.unwrap();
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!writer.is_finished(), "the writer should wait for the reader");
    assert!(matches!(
        (0..100).find_map(|_| pair.channel.try_send(Message::binary(vec![0; 65_536])).err()),
        Some(ChannelError::Full(_))
    ));
    for i in 0..total {
        let message = soon("a message", pair.remote.recv()).await.unwrap();
        let Message::Binary(octets) = message else { panic!("{message:?}") };
        let number = u32::from_be_bytes(octets[..4].try_into().unwrap());
        // What `try_send` got in stands between the writer's.
        if octets.len() == 16_384 {
            assert_eq!(number, i);
        }
    }
    soon("the writer", writer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unread_channel_does_not_stop_another() {
    let pair = connected().await;
    let second = pair.ours.create_data_channel("second", Default::default()).await.unwrap();
    let remote = incoming(&pair.theirs).await;
    // Nobody reads the first channel; less than the window waits there.
    for _ in 0..20 {
        pair.channel.send(Message::binary(vec![0; 16_384])).await.unwrap();
    }
    for i in 0..50 {
        second.send(Message::text(i.to_string())).await.unwrap();
        assert_eq!(soon("a message", remote.recv()).await, Some(Message::text(i.to_string())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_buffered_amount_falls_to_zero() {
    let pair = connected().await;
    for _ in 0..10 {
        pair.channel.send(Message::binary(vec![1; 10_000])).await.unwrap();
    }
    let reader = async {
        for _ in 0..10 {
            pair.remote.recv().await.unwrap();
        }
    };
    soon("reading", reader).await;
    soon("all acknowledged", pair.channel.buffered_amount_low()).await;
    assert_eq!(pair.channel.buffered_amount(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_channel_delivers_what_was_sent_and_then_ends() {
    let pair = connected().await;
    for i in 0..100 {
        pair.channel.send(Message::text(i.to_string())).await.unwrap();
    }
    pair.channel.close();
    assert!(matches!(pair.channel.send(Message::text("late")).await, Err(ChannelError::Closed)));
    for i in 0..100 {
        assert_eq!(soon("a message", pair.remote.recv()).await, Some(Message::text(i.to_string())));
    }
    assert_eq!(soon("the end", pair.remote.recv()).await, None);
    soon("closed", pair.channel.closed()).await;
    assert_eq!(pair.remote.state(), ChannelState::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_peer_closes_nothing_can_be_sent_and_all_that_came_is_read() {
    let Pair { ours: _ours, theirs: _theirs, channel, remote } = connected().await;
    // More than the handle of a reader that is behind holds.
    const MESSAGES: u32 = 40;
    for number in 0..MESSAGES {
        let mut octets = vec![0; 10_000];
        octets[..4].copy_from_slice(&number.to_be_bytes());
        soon("sending", remote.send(Message::binary(octets))).await.unwrap();
    }
    remote.close();
    let refused = async {
        while channel.send(Message::text("into the void")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon("the refusal", refused).await;
    assert_eq!(channel.state(), ChannelState::Closing);
    for number in 0..MESSAGES {
        let Some(Message::Binary(octets)) = soon("reading", channel.recv()).await else {
            panic!("message {number} is missing");
        };
        assert_eq!(octets[..4], number.to_be_bytes());
    }
    assert_eq!(soon("the end", channel.recv()).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_handle_closes_the_channel() {
    let Pair { ours, theirs, channel, remote } = connected().await;
    let clone = channel.clone();
    drop(channel);
    clone.send(Message::text("still here")).await.unwrap();
    assert_eq!(soon("a message", remote.recv()).await, Some(Message::text("still here")));
    drop(clone);
    assert_eq!(soon("the end", remote.recv()).await, None);
    drop((ours, theirs));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_connection_is_seen_by_the_peer_at_once() {
    let Pair { ours, theirs, channel, remote } = connected().await;
    let start = Instant::now();
    ours.close().await;
    assert_eq!(soon("the end", remote.recv()).await, None);
    while soon("the end of events", theirs.next_event()).await.is_some() {}
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(theirs.connection_state(), ConnectionState::Closed);
    assert_eq!(channel.recv().await, None);
    assert!(channel.send(Message::text("late")).await.is_err());
    assert!(ours.create_offer().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_handle_closes_the_connection() {
    let Pair { ours, theirs, channel, remote } = connected().await;
    drop((ours, channel));
    assert_eq!(soon("the end", remote.recv()).await, None);
    while soon("the end of events", theirs.next_event()).await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_an_endpoint_closes_all_its_connections() {
    let endpoint = Endpoint::bind(0).await.unwrap();
    let mut peers = Vec::new();
    for _ in 0..5 {
        let theirs = endpoint.connection(Default::default()).unwrap();
        let ours = PeerConnection::new(Default::default()).await.unwrap();
        let channel = ours.create_data_channel("one of five", Default::default()).await.unwrap();
        negotiate(&ours, &theirs).await;
        soon("open", channel.opened()).await.unwrap();
        peers.push((ours, theirs, channel));
    }
    soon("closing", endpoint.close()).await;
    for (ours, theirs, channel) in peers {
        assert_eq!(soon("the end", channel.recv()).await, None);
        assert_eq!(theirs.connection_state(), ConnectionState::Closed);
        while soon("the end of events", ours.next_event()).await.is_some() {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_endpoint_makes_no_connections() {
    let endpoint = Endpoint::bind(0).await.unwrap();
    soon("closing", endpoint.close()).await;
    assert!(endpoint.connection(Config::default()).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_channels_on_one_connection() {
    let pair = connected().await;
    let mut channels = Vec::new();
    for i in 0..1000 {
        let label = format!("channel {i}");
        channels.push(pair.ours.create_data_channel(&label, Default::default()).await.unwrap());
    }
    for channel in &channels {
        soon("open", channel.opened()).await.unwrap();
        channel.send(Message::text(channel.label())).await.unwrap();
    }
    for _ in &channels {
        let channel = incoming(&pair.theirs).await;
        let label = Message::text(channel.label());
        assert_eq!(soon("a message", channel.recv()).await, Some(label.clone()));
        channel.send(label).await.unwrap();
        // Dropped here, and so closed, after its message.
    }
    for channel in &channels {
        let message = soon("a message", channel.recv()).await;
        assert_eq!(message, Some(Message::text(channel.label())));
        assert_eq!(soon("the end", channel.recv()).await, None);
    }
    pair.channel.send(Message::text("still here")).await.unwrap();
    assert!(soon("a message", pair.remote.recv()).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_56_a_connection_nobody_answers_costs_nothing_once_dropped() {
    let endpoint = Endpoint::bind(0).await.unwrap();
    for _ in 0..50 {
        let connection = endpoint.connection(Default::default()).unwrap();
        let offer = connection.create_offer().await.unwrap();
        connection.set_local_description(offer).await.unwrap();
        drop(connection);
    }
    // Completes when the last task has ended.
    soon("the tasks end", endpoint.close()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_7_datagrams_of_strangers_do_not_disturb() {
    let endpoint = Endpoint::bind(0).await.unwrap();
    let theirs = endpoint.connection(Default::default()).unwrap();
    let ours = PeerConnection::new(Default::default()).await.unwrap();
    let channel = ours.create_data_channel("quiet", Default::default()).await.unwrap();
    negotiate(&ours, &theirs).await;
    soon("open", channel.opened()).await.unwrap();
    let remote = incoming(&theirs).await;
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    for first in 0..=255 {
        let mut datagram = vec![first; 300];
        for length in [1, 2, 20, 300] {
            datagram.resize(length, first);
            stranger.send_to(&datagram, ("127.0.0.1", endpoint.port())).unwrap();
        }
    }
    channel.send(Message::text("still here")).await.unwrap();
    assert_eq!(soon("a message", remote.recv()).await, Some(Message::text("still here")));
    assert!(stranger.recv_from(&mut [0; 2000]).is_err(), "a stranger got an answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transceiver_that_the_peer_stops_ends_for_its_reader() {
    use peer::media::{MediaKind, ReceiveMode, TransceiverInit};
    let Pair { ours, theirs, .. } = connected().await;
    let sent = ours.add_transceiver(MediaKind::Audio, TransceiverInit::default()).await.unwrap();
    negotiate(&ours, &theirs).await;
    let received = loop {
        match soon("a track", theirs.next_event()).await.expect("the connection lives") {
            PeerEvent::Track(transceiver) => break transceiver,
            _ => continue,
        }
    };
    received.set_receive_mode(ReceiveMode::Frames).await.unwrap();
    sent.stop().await.unwrap();
    assert_eq!(soon("the end here", sent.recv()).await, None);
    negotiate(&ours, &theirs).await;
    assert_eq!(soon("the end there", received.recv()).await, None);
}
