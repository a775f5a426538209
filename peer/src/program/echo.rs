//! The echo: every message comes back unchanged, on the channel it came on.
//!
//! Book: "Channels".

use peer::DataChannel;
use tokio::sync::Semaphore;
use tracing::debug;

/// Echoes on `channel` until it closes.
///
/// `turn` has one permit for all channels of a session. A message is taken out of its channel only
/// in turn, and the turn ends when the message has found room on its way back. So a client that
/// opens thousands of channels and reads none of them makes this program hold one message, and the
/// rest stays with SCTP, whose window then closes.
pub(super) async fn echo(channel: &DataChannel, turn: &Semaphore) {
    loop {
        channel.readable().await;
        let Ok(_turn) = turn.acquire().await else { return };
        match channel.try_recv() {
            Some(message) => {
                if let Err(error) = channel.send(message).await {
                    debug!(label = channel.label(), %error, "not echoed");
                    return;
                }
            }
            None if channel.state() == peer::ChannelState::Closed => return,
            // Nothing after all.
            None => {}
        }
    }
}
