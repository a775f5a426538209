//! The browser and we borrow addresses from the same TURN server, and use nothing else.

use std::fmt;

use peer::{Config, IceServer, IceTransportPolicy, PeerEvent};
use serde_json::{Value, json};
use tests::coturn::{Coturn, PASSWORD, USER};

use super::{Meeting, Side, soon};
use crate::harness::{Browser, Group, PeerProgram, start_peer};

/// Which server lends the addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    Coturn,
    Ours,
}

/// What both are to do.
#[derive(Clone, Copy)]
pub(crate) struct Relayed {
    server: Server,
    /// How the server is reached.
    transport: &'static str,
    offerer: Side,
}

/// All that there are.
pub(super) fn cases() -> impl Iterator<Item = Relayed> {
    [Server::Coturn, Server::Ours].into_iter().flat_map(|server| {
        let offerers = move |transport| {
            let both = [Side::Browser, Side::We].into_iter();
            both.map(move |offerer| Relayed { server, transport, offerer })
        };
        ["udp", "tcp"].into_iter().flat_map(offerers)
    })
}

impl fmt::Display for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.server {
            Server::Coturn => "coturn",
            Server::Ours => "our_server",
        })?;
        write!(f, "_relays_over_{}", self.transport)?;
        f.write_str(match self.offerer {
            Side::Browser => "_when_the_browser_offers",
            Side::We => "_when_we_offer",
        })
    }
}

/// A server on loopback.
enum Running {
    Coturn(Coturn),
    Ours { url: String, _process: Group },
}

impl Running {
    async fn start(server: Server) -> Self {
        match server {
            Server::Coturn => {
                let start = || Coturn::on_loopback(&[]).unwrap();
                Self::Coturn(tokio::task::spawn_blocking(start).await.unwrap())
            }
            Server::Ours => {
                let user = format!("{USER}:{PASSWORD}");
                let words = ["turn-server", "--listen", "127.0.0.1:0", "--allow-private", "--user"];
                let words: Vec<&str> = words.into_iter().chain([user.as_str()]).collect();
                let (line, process) = start_peer(None, &words).await;
                let url = line.split_whitespace().find(|word| word.starts_with("turn:")).unwrap();
                let url = url.split('?').next().unwrap().to_owned();
                Self::Ours { url, _process: process }
            }
        }
    }

    fn url(&self, transport: &str) -> String {
        match self {
            Self::Coturn(coturn) => format!("turn:{}?transport={transport}", coturn.address()),
            Self::Ours { url, .. } => format!("{url}?transport={transport}"),
        }
    }
}

/// A `peer serve` that tells its pages of a relay, and that relay.
pub(crate) async fn serving() -> (Coturn, PeerProgram) {
    let start = || Coturn::on_loopback(&[]).unwrap();
    let coturn = tokio::task::spawn_blocking(start).await.unwrap();
    let (stun, turn) = (format!("stun:{}", coturn.address()), format!("turn:{}", coturn.address()));
    let servers = ["--stun", &stun, "--turn", &turn];
    let user = ["--turn-user", USER, "--turn-password", PASSWORD];
    let peer = PeerProgram::start(&[servers.as_slice(), &user].concat()).await;
    (coturn, peer)
}

/// What the browser is made of.
fn theirs(url: &str, password: &str, policy: &str) -> Value {
    json!({
        "iceServers": [{ "urls": url, "username": USER, "credential": password }],
        "iceTransportPolicy": policy,
    })
}

/// What we are made of.
fn ours(url: &str, password: &str, ice_transport_policy: IceTransportPolicy) -> Config {
    let user = Some(ice::User::new(USER, password));
    let server = IceServer { url: url.parse().unwrap(), user };
    Config { ice_servers: vec![server], ice_transport_policy, ..Config::default() }
}

/// Both have nothing but relays.
pub(super) async fn is_relayed(case: Relayed, browser: &Browser) -> Result<(), String> {
    let server = Running::start(case.server).await;
    let url = server.url(case.transport);
    let theirs = theirs(&url, PASSWORD, "relay");
    let ours = ours(&url, PASSWORD, IceTransportPolicy::Relay);
    let meeting = Meeting::of(case.offerer, browser, &theirs, ours).await?;
    let (theirs, ours) = meeting.pairs().await?;
    // Nothing gets through a relay before the other's address was told: no candidate is reflexive.
    let relays = ["relay", "relay"].map(str::to_owned);
    assert_eq!((&theirs, &ours), (&relays, &relays), "the browser's pair, and ours");
    let theirs = browser.run("return (await selectedPair(pc)).relayProtocol".to_owned()).await?;
    let ours = meeting.ours.get_stats().await.unwrap();
    let pair = ours.selected_candidate_pair.unwrap();
    let ours = ours.local_candidates.iter().find(|local| local.id == pair.local_candidate_id);
    let ours = ours.and_then(|candidate| candidate.relay_protocol);
    assert_eq!((theirs.as_str(), ours), (Some(case.transport), Some(case.transport)));
    meeting.end().await
}

/// One of them is told the wrong password.
pub(super) async fn wrong_password(whose: Side, browser: &Browser) -> Result<(), String> {
    const WRONG: &str = "looking-glass";
    let server = Running::start(Server::Coturn).await;
    let url = server.url("udp");
    match whose {
        Side::Browser => {
            let refused = browser.run(refused(&theirs(&url, WRONG, "relay"))).await?;
            assert_eq!(refused["code"], 401, "{refused}");
            assert!(refused["url"].as_str().unwrap().contains(&server_name(&url)), "{refused}");
            assert_eq!(refused["candidates"], 0, "{refused}");
            let theirs = theirs(&url, WRONG, "all");
            let ours = ours(&url, PASSWORD, IceTransportPolicy::All);
            let meeting = Meeting::of(Side::Browser, browser, &theirs, ours).await?;
            let ([local, _], _) = meeting.pairs().await?;
            assert_ne!(local, "relay");
            meeting.end().await
        }
        Side::We => {
            let theirs = theirs(&url, PASSWORD, "relay");
            let ours = ours(&url, WRONG, IceTransportPolicy::All);
            let meeting = Meeting::of(Side::We, browser, &theirs, ours).await?;
            let failure = loop {
                match soon("the server's refusal", meeting.ours.next_event()).await? {
                    Some(PeerEvent::IceCandidateError(failure)) => break failure,
                    Some(_) => {}
                    None => return Err("the refusal was not told".into()),
                }
            };
            assert_eq!(failure.code, 401);
            // A URL that says UDP is written without it.
            assert_eq!(failure.url.parse::<stun::Uri>().unwrap(), url.parse().unwrap());
            let ([local, _], [ours, _]) = meeting.pairs().await?;
            assert_eq!(local, "relay", "the browser has nothing else");
            assert_ne!(ours, "relay");
            meeting.end().await
        }
    }
}

/// The URL up to its port.
fn server_name(url: &str) -> String {
    url.split('?').next().unwrap().to_owned()
}

/// JavaScript that gathers, and tells what came of it.
fn refused(configuration: &Value) -> String {
    format!(
        "const pc = new RTCPeerConnection({configuration});
        const errors = [];
        pc.onicecandidateerror = e => errors.push(e);
        pc.createDataChannel('x');
        await pc.setLocalDescription();
        const sdp = await gathered(pc);
        await until('the refusal', () => errors.length, 60000);
        pc.close();
        return {{ code: errors[0].errorCode, url: errors[0].url, candidates: sdp.split('a=candidate').length - 1 }};"
    )
}
