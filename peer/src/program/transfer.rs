//! A file to the peer and back.
//!
//! ```text
//!  file ► SHA-256 ► messages ► channel ─────────► peer
//!         SHA-256 ◄ messages ◄ channel ◄───────── echo
//! ```
//!
//! Nothing of the peer is assumed but that it sends every message back. Both directions run at
//! once; sending waits for room in the channel, so memory stays small whatever the file's size.
//!
//! Book: "Channels".

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use peer::{ChannelError, DataChannel, Message};
use ring::digest::{Context, Digest, SHA256};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::failure::{Explain, Failure};

/// Octets in a message. Some implementations of WebRTC lose messages of 64 KiB or more.
const MESSAGE: usize = 60 << 10;

/// Octets read from the file at once.
const READ: usize = 16 * MESSAGE;

/// A file that can be read.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Source {
    /// Opens a file.
    pub(super) async fn open(path: &Path) -> Result<Source, Failure> {
        let cannot_read = || format!("cannot read {}", path.display());
        let file = File::open(path).await.explain(cannot_read)?;
        let metadata = file.metadata().await.explain(cannot_read)?;
        if metadata.is_dir() {
            return Err(Failure::new(format!("{} is a directory", path.display())));
        }
        Ok(Source { path: path.to_owned(), file, length: metadata.len() })
    }
}

/// What went in one direction.
struct Passed {
    octets: u64,
    checksum: Digest,
}

/// Sends the file, receives it back, compares and reports. Nothing may stand still for longer
/// than `patience`.
pub(super) async fn run(
    channel: &DataChannel,
    source: Source,
    patience: Duration,
) -> Result<(), Failure> {
    let bars = MultiProgress::new();
    let there = bars.add(bar("there", source.length)?);
    let back = bars.add(bar("back", source.length)?);
    let (sent_all, total) = tokio::sync::watch::channel(None);
    let start = Instant::now();
    let sending = async {
        let passed = send(channel, source, &there, patience).await?;
        sent_all.send_replace(Some(passed.octets));
        Ok(passed)
    };
    let (sent, returned) = tokio::try_join!(sending, receive(channel, &back, total, patience))?;
    let elapsed = start.elapsed().as_secs_f64();
    there.finish();
    back.finish();

    if sent.checksum.as_ref() != returned.checksum.as_ref() {
        return Err(Failure::new(format!(
            "the copy that came back differs: SHA-256 {} was sent and {} returned",
            hex(&sent.checksum),
            hex(&returned.checksum)
        )));
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let rate = sent.octets as f64 / 1e6 / elapsed;
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "{} octets there and back in {elapsed:.2} s: {rate:.1} MB/s each way",
        sent.octets
    )
    .and_then(|()| writeln!(stdout, "SHA-256 {}: identical", hex(&sent.checksum)))
    .explain(|| "cannot write to stdout".into())
}

async fn send(
    channel: &DataChannel,
    mut source: Source,
    bar: &ProgressBar,
    patience: Duration,
) -> Result<Passed, Failure> {
    let mut checksum = Context::new(&SHA256);
    let mut octets = 0;
    let size = MESSAGE.min(channel.max_message_size()).max(1);
    loop {
        let mut piece = read(&mut source).await?;
        if piece.is_empty() && octets > 0 {
            return Ok(Passed { octets, checksum: checksum.finish() });
        }
        checksum.update(&piece);
        // An empty file is one empty message.
        loop {
            let message = piece.split_to(size.min(piece.len()));
            let length = message.len() as u64;
            let sent = channel.send(Message::Binary(message));
            match tokio::time::timeout(patience, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(ChannelError::Closed)) => return Err(closed()),
                Ok(Err(error)) => return Err(Failure::new(error.to_string())),
                Err(_) => return Err(stalled(patience)),
            }
            octets += length;
            bar.set_position(octets);
            if piece.is_empty() {
                break;
            }
        }
        if octets == 0 {
            return Ok(Passed { octets, checksum: checksum.finish() });
        }
    }
}

/// The next octets of the file; none at its end.
async fn read(source: &mut Source) -> Result<Bytes, Failure> {
    let mut piece = BytesMut::with_capacity(READ);
    while piece.len() < READ {
        let count = source
            .file
            .read_buf(&mut piece)
            .await
            .explain(|| format!("cannot read {}", source.path.display()))?;
        if count == 0 {
            break;
        }
    }
    Ok(piece.freeze())
}

/// Receives until as much has come back as was sent, which is known only at the end of sending.
async fn receive(
    channel: &DataChannel,
    bar: &ProgressBar,
    mut total: tokio::sync::watch::Receiver<Option<u64>>,
    patience: Duration,
) -> Result<Passed, Failure> {
    let mut checksum = Context::new(&SHA256);
    let (mut octets, mut messages) = (0, 0_u64);
    loop {
        let known = *total.borrow_and_update();
        if messages > 0 && known.is_some_and(|known| octets >= known) {
            return Ok(Passed { octets, checksum: checksum.finish() });
        }
        tokio::select! {
            message = channel.recv() => match message {
                Some(Message::Binary(message)) => {
                    checksum.update(&message);
                    octets += message.len() as u64;
                    messages += 1;
                    bar.set_position(octets);
                }
                Some(Message::Text(_)) => {
                    return Err(Failure::new("the peer is no echo: binary came back as text"));
                }
                None => return Err(closed()),
            },
            Ok(()) = total.changed() => {}
            () = tokio::time::sleep(patience) => return Err(stalled(patience)),
        }
    }
}

fn closed() -> Failure {
    Failure::new("the connection was closed before the file was back")
}

fn stalled(patience: Duration) -> Failure {
    Failure::new(format!("nothing moved for {} seconds", patience.as_secs()))
}

fn bar(name: &'static str, length: u64) -> Result<ProgressBar, Failure> {
    const TEMPLATE: &str = "{prefix:>5} {wide_bar} {decimal_bytes:>9}/{decimal_total_bytes} {decimal_bytes_per_sec:>11}";
    let style = ProgressStyle::with_template(TEMPLATE).explain(|| "no progress bar".into())?;
    Ok(ProgressBar::new(length).with_style(style).with_prefix(name))
}

fn hex(digest: &Digest) -> String {
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}
