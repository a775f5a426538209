//! The `peer` program at a place: started, listened to, and ended with the lab.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::Lab;
use crate::servers;
use tests::namespace::Namespace;

/// The `peer` program of the same build.
pub(crate) fn program() -> Result<PathBuf, String> {
    let lab = std::env::current_exe().map_err(|error| error.to_string())?;
    let peer = lab.with_file_name("peer");
    if peer.is_file() { Ok(peer) } else { Err("peer is missing; run: cargo build -p peer".into()) }
}

/// How often it is looked whether a peer has said something.
const INTERVAL: Duration = Duration::from_millis(20);

/// A running program, which is killed when dropped. What it writes to stderr goes to a file.
pub(crate) struct Peer {
    pub(crate) child: Child,
    stderr: PathBuf,
}

impl Peer {
    /// Starts it.
    pub(crate) fn start<I: AsRef<OsStr>>(
        lab: &Lab,
        at: &Namespace,
        arguments: impl IntoIterator<Item = I>,
    ) -> Result<Self, String> {
        let stderr = lab.new_log(at.name());
        let log = File::create(&stderr)
            .map_err(|error| format!("{} cannot be made: {error}", stderr.display()))?;
        let (variable, authority) = servers::trust(&lab.coturn);
        let [program, words @ ..] = at.command();
        let mut command = Command::new(program);
        command.args(words).arg(&lab.peer).args(arguments).env(variable, authority);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        command.env("NO_COLOR", "1");
        let child = command.spawn().map_err(|error| format!("peer: {error}"))?;
        Ok(Self { child, stderr })
    }

    /// What it has said on stderr.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Waits until it has written a line that begins so.
    pub(crate) async fn says(
        &mut self,
        beginning: &str,
        patience: Duration,
    ) -> Result<String, String> {
        let end = Instant::now() + patience;
        loop {
            // First this: what it says before it ends is in the file then.
            let ended = self.child.try_wait().map_err(|error| error.to_string())?;
            let said = self.said();
            if let Some(line) = said.lines().find(|line| line.starts_with(beginning)) {
                return Ok(line.to_owned());
            }
            if ended.is_some() || Instant::now() > end {
                return Err(said.lines().last().unwrap_or("it says nothing").to_owned());
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Waits for its end, and tells what it has written to stdout.
    pub(crate) async fn finish(&mut self, patience: Duration) -> Result<String, String> {
        let mut output = String::new();
        let ending = async {
            if let Some(stdout) = &mut self.child.stdout {
                stdout.read_to_string(&mut output).await?;
            }
            self.child.wait().await
        };
        match tokio::time::timeout(patience, ending).await {
            Ok(Ok(status)) if status.success() => Ok(output),
            Ok(Ok(_)) => Err(self.said().lines().last().unwrap_or("it failed silently").to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("it does not end within {} seconds", patience.as_secs())),
        }
    }
}
