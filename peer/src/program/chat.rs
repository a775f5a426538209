//! Chatting line by line: what is typed goes to the peer, what comes from there is printed.
//!
//! Book: "Channels".

use std::io::Write;
use std::time::Duration;

use peer::{ChannelError, DataChannel, Message};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::failure::{Explain, Failure};

/// Chats until the end of stdin, and then until every line has come back; each may take as long
/// as `patience`.
pub(super) async fn run(channel: &DataChannel, patience: Duration) -> Result<(), Failure> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut typing = true;
    let mut awaited: u64 = 0;
    while typing || awaited > 0 {
        tokio::select! {
            // What has come is printed before more is sent.
            biased;
            message = channel.recv() => {
                let message = message.ok_or_else(|| {
                    Failure::new("the peer closed the channel")
                })?;
                print(&message)?;
                awaited = awaited.saturating_sub(1);
            }
            line = lines.next_line(), if typing => {
                match line.explain(|| "cannot read from stdin".into())? {
                    Some(line) => {
                        send(channel, &line).await?;
                        awaited += 1;
                    }
                    None => typing = false,
                }
            }
            () = tokio::time::sleep(patience), if !typing => {
                return Err(Failure::new(format!(
                    "{awaited} of the lines did not come back within {} seconds",
                    patience.as_secs()
                )));
            }
        }
    }
    Ok(())
}

async fn send(channel: &DataChannel, line: &str) -> Result<(), Failure> {
    channel.send(Message::text(line)).await.map_err(|error| match error {
        ChannelError::Closed => Failure::new("the peer closed the channel"),
        error => Failure::new(error.to_string()),
    })
}

fn print(message: &Message) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    let written = match message {
        Message::Text(text) => writeln!(stdout, "{text}"),
        Message::Binary(octets) => writeln!(stdout, "({} octets of binary data)", octets.len()),
    };
    written.and_then(|()| stdout.flush()).explain(|| "cannot write to stdout".into())
}
