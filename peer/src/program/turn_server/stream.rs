//! One client over TCP or TLS: octets in become messages, messages out become octets.
//!
//! Book: "Relay".

use std::io;
use std::time::Duration;

use bytes::Bytes;
use stun::turn::Deframer;
use stun::turn::server::FiveTuple;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::driver::Input;

/// How long the TLS handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may read nothing while there is something for it.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// Octets read at once.
const READ_BUFFER: usize = 16 << 10;

/// Serves a client until its stream ends, in whatever way.
pub(super) async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    client: FiveTuple,
    inputs: mpsc::Sender<Input>,
    outbound: mpsc::Receiver<Bytes>,
) {
    // Packets of a call must not wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "TCP may hold packets back");
    }
    let outcome = match tls {
        None => carry(stream, client, &inputs, outbound).await,
        Some(acceptor) => match timeout(HANDSHAKE_PATIENCE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => carry(stream, client, &inputs, outbound).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        },
    };
    if let Err(error) = outcome {
        debug!(remote = %client.remote, %error, "the stream of a client broke");
    }
}

async fn carry(
    stream: impl AsyncRead + AsyncWrite,
    client: FiveTuple,
    inputs: &mpsc::Sender<Input>,
    outbound: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        outcome = read(reader, client, inputs) => outcome,
        outcome = write(writer, outbound) => outcome,
    }
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    client: FiveTuple,
    inputs: &mpsc::Sender<Input>,
) -> io::Result<()> {
    let mut deframer = Deframer::new();
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        let length = reader.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        deframer.push(buffer.get(..length).unwrap_or_default());
        while let Some(payload) = deframer.next().map_err(io::Error::other)? {
            if inputs.send(Input::FromClient { client, payload }).await.is_err() {
                return Ok(()); // the server has ended
            }
        }
    }
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut outbound: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    while let Some(octets) = outbound.recv().await {
        let written = async {
            writer.write_all(&octets).await?;
            writer.flush().await
        };
        timeout(WRITE_PATIENCE, written).await.map_err(|_| io::ErrorKind::TimedOut)??;
    }
    Ok(())
}
