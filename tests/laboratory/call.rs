//! A call between two places: `peer serve` at one, `peer call --send` at the other, and how they met.
//!
//! The file is the caller's stdin, so that the lab decides when it ends: not before both ends have
//! told over which candidates they talk.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use crate::Lab;
use crate::peers::Peer;
use crate::signalling::Tunnel;
use tests::matrix::Way;
use tests::namespace::Namespace;

/// How long anything may take that must happen, on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long peers try that cannot meet.
const HOPELESS: Duration = Duration::from_secs(12);
/// How long peers that have met may still change to a better pair.
const SETTLING: Duration = Duration::from_secs(10);
/// How often they are asked meanwhile.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

/// What a caller says when two have not met.
const NO_PATH: [&str; 2] = ["no connection within", "the connection failed"];

/// A call to be made.
pub(crate) struct Call<'a> {
    /// Who calls, and its flags.
    pub(crate) caller: (&'a Namespace, Vec<String>),
    /// Who is called, and its flags.
    pub(crate) callee: (&'a Namespace, Vec<String>),
    /// What must come of it.
    pub(crate) expected: Way,
}

impl Call<'_> {
    /// Makes it, and tells how they met.
    pub(crate) async fn make(&self, lab: &Lab) -> Result<Way, String> {
        let (serving, port) = serve(lab, self.callee.0, &self.callee.1).await?;
        let tunnel = Tunnel::new(self.caller.0, self.callee.0, port)?;
        let outcome = tokio::select! {
            outcome = self.talk(lab, &tunnel) => outcome,
            Err(error) = tunnel.run() => Err(format!("the signalling broke: {error}")),
        };
        lab.show("the callee", &serving);
        outcome
    }

    async fn talk(&self, lab: &Lab, tunnel: &Tunnel<'_>) -> Result<Way, String> {
        let limit = if self.expected == Way::None { HOPELESS } else { PATIENCE };
        let mut calling = call(lab, self.caller.0, &self.caller.1, tunnel, "/dev/stdin", limit)?;
        let outcome = self.converse(lab, tunnel, &mut calling, limit).await;
        lab.show("the caller", &calling);
        outcome
    }

    async fn converse(
        &self,
        lab: &Lab,
        tunnel: &Tunnel<'_>,
        calling: &mut Peer,
        limit: Duration,
    ) -> Result<Way, String> {
        let first = match calling.says("peer: open", limit + PATIENCE).await {
            Ok(line) => line,
            Err(error) if NO_PATH.iter().any(|no| error.contains(no)) => return Ok(Way::None),
            Err(error) => return Err(error),
        };
        let mut stdin = calling.child.stdin.take().ok_or("peer has no stdin")?;
        stdin.write_all(&lab.payload).await.map_err(|error| format!("peer's stdin: {error}"))?;
        let theirs = self.told_by_callee(tunnel).await;
        drop(stdin);
        calling.finish(PATIENCE).await?;
        let said = calling.said();
        let last = said.lines().rfind(|line| line.starts_with("peer: at the end"));
        let ours = of_line(last.unwrap_or(&first));
        match (ours, theirs) {
            (Some(ours), Some(theirs)) => Ok(ours.max(theirs)),
            _ => Err(format!("the peers do not tell how they met: {first}")),
        }
    }

    /// How the callee sees it, when that is final.
    async fn told_by_callee(&self, tunnel: &Tunnel<'_>) -> Option<Way> {
        let end = Instant::now() + SETTLING;
        loop {
            let told = tunnel.statistics().await.and_then(|told| of_statistics(&told));
            if told == Some(self.expected) || Instant::now() > end {
                return told;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Starts `peer serve`, and tells the port it listens on.
pub(crate) async fn serve(
    lab: &Lab,
    at: &Namespace,
    flags: &[String],
) -> Result<(Peer, u16), String> {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--tcp-port", "0"].into_iter();
    let arguments = arguments.chain(flags.iter().map(String::as_str)).chain(lab.log_flags());
    let mut peer = Peer::start(lab, at, arguments)?;
    let stdout = peer.child.stdout.take().ok_or("peer has no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let Ok(Ok(Some(line))) = timeout(PATIENCE, lines.next_line()).await else {
        return Err(format!("peer serve does not start: {}", peer.said().trim()));
    };
    let port = line.rsplit(':').next().and_then(|rest| rest.split_whitespace().next());
    let port = port.and_then(|port| port.parse().ok());
    Ok((peer, port.ok_or_else(|| format!("peer serve says: {line}"))?))
}

/// Starts `peer call --send`.
pub(crate) fn call(
    lab: &Lab,
    at: &Namespace,
    flags: &[String],
    tunnel: &Tunnel<'_>,
    file: &str,
    limit: Duration,
) -> Result<Peer, String> {
    let (url, limit) = (tunnel.url()?, limit.as_secs().to_string());
    let arguments = ["call", &url, "--send", file, "--timeout", &limit].into_iter();
    let arguments = arguments.chain(flags.iter().map(String::as_str)).chain(lab.log_flags());
    Peer::start(lab, at, arguments)
}

/// What a serving peer's statistics tell of how they met.
fn of_statistics(statistics: &Value) -> Option<Way> {
    let pair = statistics.get("selectedCandidatePair")?;
    let word = |name| pair.get(name).and_then(Value::as_str);
    let [local, remote] = ["localCandidateType", "remoteCandidateType"].map(word);
    Way::of_types(local?, remote?, word("protocol")?)
}

/// What the line of a caller tells of it: `… ADDRESS (TYPE) to ADDRESS (TYPE) over PROTOCOL`.
fn of_line(line: &str) -> Option<Way> {
    let (ends, protocol) = line.rsplit_once(" over ")?;
    let mut types = ends.split(['(', ')']).skip(1).step_by(2);
    Way::of_types(types.next()?, types.next()?, protocol)
}
