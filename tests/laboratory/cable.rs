//! The cable is pulled: a call loses its path in the middle of a file, and finds another.
//!
//! ```text
//!               ┌─lan──── router, ei-apd ───┐
//!   peer call ──┤                           ├── Internet ── router, ei-apd ── peer serve
//!               └─mobile─ router, ei-apd ───┘
//! ```
//!
//! Both ends filter by address and port, so nothing gets through from a new address until the other end
//! has been told of it: that takes an ICE restart (RFC 8445 §9).
//!
//! Book: "Restart".

use std::net::Ipv4Addr;
use std::time::Instant;

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::Lab;
use crate::call::{self, INTERVAL, PATIENCE};
use crate::network::{Network, Place};
use crate::servers::Servers;
use crate::signalling::Tunnel;
use tests::matrix::Site;

/// What the NAT's address becomes.
const NEW_ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 200);

/// The ways to lose a path, in the order they are tried: the first leaves the network as it was, but
/// for an address.
#[derive(Debug, Clone, Copy)]
enum Accident {
    /// The NAT of the caller forgets everything and has another address.
    NewAddress,
    /// The caller's better interface is gone.
    NoInterface,
}

/// Adds the places: a caller with two ways out, and somebody to be called.
pub(crate) fn build(network: &mut Network) -> Result<(), String> {
    let site = Site::named("ei-apd").ok_or("there is no ei-apd")?;
    let caller = network.add("cable", site)?;
    network.add_way_out(caller, "mobile", site)?;
    network.add("far", site).map(|_| ())
}

/// Lets the accidents happen, one after the other.
pub(crate) async fn pull(lab: &Lab) -> Result<(), String> {
    for accident in [Accident::NewAddress, Accident::NoInterface] {
        let start = Instant::now();
        happen(lab, accident).await.map_err(|error| format!("{accident}: {error}"))?;
        println!("{accident}: the file arrived whole ({:.1} s)", start.elapsed().as_secs_f64());
    }
    Ok(())
}

async fn happen(lab: &Lab, accident: Accident) -> Result<(), String> {
    let caller = lab.network.place_named("cable", "ei-apd")?;
    let callee = lab.network.place_named("far", "ei-apd")?.host(0)?;
    let flags = Servers::Stun.flags(false);
    let (serving, port) = call::serve(lab, callee, &flags).await?;
    let tunnel = Tunnel::new(caller.host(0)?, callee, port)?;
    let outcome = tokio::select! {
        outcome = transfer(lab, caller, &tunnel, &flags, accident) => outcome,
        Err(error) = tunnel.run() => Err(format!("the signalling broke: {error}")),
    };
    outcome.map_err(|error| format!("{error}\n{}", serving.said()))
}

/// One half of the file before the accident, the other after it.
async fn transfer(
    lab: &Lab,
    caller: &Place,
    tunnel: &Tunnel<'_>,
    flags: &[String],
    accident: Accident,
) -> Result<(), String> {
    let mut calling = call::call(lab, caller.host(0)?, flags, tunnel, "/dev/stdin", PATIENCE)?;
    calling.says("peer: open", PATIENCE).await?;
    let mut stdin = calling.child.stdin.take().ok_or("peer has no stdin")?;
    let (first, second) = lab.payload.split_at(lab.payload.len() / 2);
    let unwritten = |error| format!("peer's stdin: {error}");
    stdin.write_all(first).await.map_err(unwritten)?;
    let new = accident.strike(lab, caller)?;
    let feeding = async {
        stdin.write_all(second).await.map_err(unwritten)?;
        // The end of the file waits for the new path.
        arrives_from(tunnel, new).await?;
        drop(stdin);
        Ok::<_, String>(())
    };
    tokio::select! {
        fed = feeding => fed?,
        // It ends only if something is wrong: the file is not over.
        ended = calling.child.wait() => {
            let status = ended.map_err(|error| error.to_string())?;
            return Err(format!("peer call ended with {status}: {}", calling.said().trim()));
        }
    }
    let told = calling.finish(PATIENCE).await?;
    if told.contains("identical") { Ok(()) } else { Err(format!("peer call says: {told}")) }
}

/// Waits until the callee hears the caller from there.
async fn arrives_from(tunnel: &Tunnel<'_>, address: Ipv4Addr) -> Result<(), String> {
    let wanted = format!("{address}:");
    let end = Instant::now() + PATIENCE;
    let mut seen = None;
    while Instant::now() < end {
        let told = tunnel.statistics().await;
        let pair = told.as_ref().and_then(|told| told.get("selectedCandidatePair"));
        seen = pair.and_then(|pair| pair.get("remote")).and_then(Value::as_str).map(str::to_owned);
        if seen.as_ref().is_some_and(|seen| seen.starts_with(&wanted)) {
            return Ok(());
        }
        tokio::time::sleep(INTERVAL).await;
    }
    Err(format!("the caller is not heard from {address}; its peer talks to {seen:?}"))
}

impl Accident {
    /// Lets it happen, and tells which address the caller then has on the Internet.
    fn strike(self, lab: &Lab, caller: &Place) -> Result<Ipv4Addr, String> {
        match self {
            Self::NewAddress => {
                let router = caller.router.as_ref().ok_or("it has no router")?;
                // The kernel's NAT forgets what it did for an address when that is gone.
                router.ip(&format!(
                    "address delete {}/24 dev wan\naddress add {NEW_ADDRESS}/24 dev wan\n",
                    caller.outer
                ))?;
                Ok(NEW_ADDRESS)
            }
            Self::NoInterface => {
                caller.host(0)?.ip("link delete lan\n")?;
                Ok(lab.network.place_named("mobile", "ei-apd")?.outer)
            }
        }
    }
}

impl std::fmt::Display for Accident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NewAddress => "the NAT forgets its mappings and has a new address",
            Self::NoInterface => "the interface of the caller is gone",
        })
    }
}
