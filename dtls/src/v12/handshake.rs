//! What client and server share: how a step is told, what a handshake leaves, and the checks both make.
//!
//! ```text
//! handle(state, message) ─┬─► Ok(Step { next state, actions })
//!                         ├─► Err(Fatal)       the message is the peer's and wrong: alert, end
//!                         ├─► Err(Declined)    a first ClientHello we cannot serve: alert, go on waiting
//!                         └─► Err(Ignored)     as if it had never come
//! ```
//!
//! Nothing before Finished is authentic, so a message can be anybody's. What is not the next message
//! by its type and syntax never gets here (see [`Machine::expects`]); what gets here and fails a
//! check ends the handshake, with one exception: a server that has not chosen a client yet goes on
//! waiting, or any stranger's hello would end a call before it begins (CVE-2023-49786).
//! Book: "The handshake and keys".

use rand::rngs::StdRng;

use super::client::Client;
use super::protection::{Opener, Sealer};
use super::schedule::{KeyBlock, MasterSecret};
use super::server::Server;
use super::signature::PeerKey;
use crate::fingerprint::{self, FingerprintMatched};
use crate::flight::FlightItem;
use crate::wire::extension::{EcPointFormat, EcPointFormats};
use crate::wire::handshake::Certificate;
use crate::wire::{Epoch, Extensions, Handshake, HandshakeMessage, HandshakeType, NamedGroup};
use crate::{Authenticated, Config, Error, Role, SrtpProfile};

/// What a step of the handshake may use.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    /// For hello randoms and cookies, which are public; keys come from ring's `SystemRandom`.
    pub(crate) rng: &'a mut StdRng,
}

/// What the connection is asked to do, in order.
#[derive(Debug)]
pub(crate) enum Action {
    /// Install the keys of epoch 1.
    Protect(Box<RecordKeys>),
    /// Send a flight and repeat it until it is answered.
    Send(Vec<FlightItem>),
    /// Send a flight that is not answered; repeat it when the peer repeats its own.
    SendLast(Vec<FlightItem>),
    /// The handshake is complete.
    Connected(Box<Established>),
}

/// The keys of epoch 1, from our side.
#[derive(Debug)]
pub(crate) struct RecordKeys {
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
}

impl RecordKeys {
    pub(crate) fn new(master: &MasterSecret, role: Role) -> Result<Self, Error> {
        let KeyBlock { client, server } = master.key_block();
        let (ours, theirs) = match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        let sealer = Sealer::new(master.suite(), &ours, Epoch(1))?;
        let opener = Opener::new(master.suite(), &theirs)?;
        Ok(Self { sealer, opener })
    }
}

/// What a complete handshake leaves.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) proof: Authenticated,
    pub(crate) master: MasterSecret,
    pub(crate) group: NamedGroup,
    pub(crate) srtp_profile: Option<SrtpProfile>,
    /// The peer's certificate in DER.
    pub(crate) remote_certificate: Vec<u8>,
}

/// One step done.
#[derive(Debug)]
pub(crate) struct Step<S> {
    pub(crate) state: S,
    pub(crate) actions: Vec<Action>,
}

impl<S> Step<S> {
    /// Goes on to `state` without doing anything.
    pub(crate) fn to(state: S) -> Self {
        Self { state, actions: Vec::new() }
    }

    pub(crate) fn map<T>(self, wrap: impl FnOnce(S) -> T) -> Step<T> {
        Step { state: wrap(self.state), actions: self.actions }
    }
}

/// A message was not taken.
#[derive(Debug)]
pub(crate) enum Refusal<S> {
    /// The handshake ends.
    Fatal(Error),
    /// The sender is told, the handshake goes on as if the message had not come.
    Declined(Box<S>, Error),
    /// The handshake goes on as if the message had not come.
    Ignored(Box<S>, Error),
}

impl<S> Refusal<S> {
    pub(crate) fn map<T>(self, wrap: impl FnOnce(S) -> T) -> Refusal<T> {
        match self {
            Self::Fatal(error) => Refusal::Fatal(error),
            Self::Declined(state, error) => Refusal::Declined(Box::new(wrap(*state)), error),
            Self::Ignored(state, error) => Refusal::Ignored(Box::new(wrap(*state)), error),
        }
    }
}

impl<S> From<Error> for Refusal<S> {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

/// The handshake of either side.
#[derive(Debug)]
pub(crate) enum Machine {
    Client(Client),
    Server(Server),
}

impl Machine {
    /// Starts; a client has something to send at once.
    pub(crate) fn start(context: &mut Context<'_>) -> Result<Step<Self>, Error> {
        match context.config.role {
            Role::Client => Client::start(context).map(|step| step.map(Self::Client)),
            Role::Server => Ok(Step::to(Self::Server(Server::start(context)))),
        }
    }

    /// Whether the next message may be of this type: RFC 5246 §7.3.
    pub(crate) fn expects(&self, msg_type: HandshakeType) -> bool {
        match self {
            Self::Client(client) => client.expects(msg_type),
            Self::Server(server) => server.expects(msg_type),
        }
    }

    /// Takes the next message: `parsed` is its body.
    pub(crate) fn handle(
        self,
        context: &mut Context<'_>,
        message: &HandshakeMessage,
        parsed: Handshake,
    ) -> Result<Step<Self>, Refusal<Self>> {
        match self {
            Self::Client(client) => client
                .handle(context, message, parsed)
                .map(|step| step.map(Self::Client))
                .map_err(|refusal| refusal.map(Self::Client)),
            Self::Server(server) => server
                .handle(context, message, parsed)
                .map(|step| step.map(Self::Server))
                .map_err(|refusal| refusal.map(Self::Server)),
        }
    }

    /// The state's name, for the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Client(client) => client.name(),
            Self::Server(server) => server.name(),
        }
    }
}

/// The peer's certificate, known to be the one of its description.
#[derive(Debug)]
pub(crate) struct RemoteCertificate {
    pub(crate) der: Vec<u8>,
    pub(crate) key: PeerKey,
    pub(crate) matched: FingerprintMatched,
}

impl RemoteCertificate {
    /// Checks the first certificate of the chain; the others vouch for nothing here.
    ///
    /// The fingerprint comes before the parser: a stranger's DER is not even looked at.
    pub(crate) fn check(config: &Config, chain: Certificate) -> Result<Self, Error> {
        let der = chain.certificate_list.into_iter().next().ok_or(Error::CertificateMissing)?;
        let matched = fingerprint::match_any(&der, &config.remote_fingerprints)?;
        let key = PeerKey::from_certificate(&der)?;
        Ok(Self { der, key, matched })
    }
}

/// What either hello must say, and must not, in a first handshake.
pub(super) fn check_extensions_of_a_first_hello(extensions: &Extensions) -> Result<(), Error> {
    // RFC 7627 §5.2: we do not go on without it.
    extensions.extended_master_secret().ok_or(Error::ExtendedMasterSecretMissing)?;
    // RFC 5746 §3.4 and §3.6: empty in a first handshake. A server without it is taken: the attack
    // is on renegotiation, which we refuse anyway.
    if extensions.renegotiation_info().is_some_and(|i| !i.renegotiated_connection.is_empty()) {
        return Err(Error::RenegotiationInfoInvalid);
    }
    // RFC 8422 §5.1.2: who sends the list must have the uncompressed form in it.
    let uncompressed = |f: &EcPointFormats| f.0.contains(&EcPointFormat::UNCOMPRESSED);
    if extensions.ec_point_formats().is_some_and(|formats| !uncompressed(formats)) {
        return Err(Error::ExtensionInvalid);
    }
    Ok(())
}

/// `client_random ‖ server_random ‖ params`, which ServerKeyExchange signs: RFC 8422 §5.4.
pub(crate) fn signed_params(
    randoms: &super::schedule::Randoms,
    params: &crate::wire::handshake::ServerEcdhParams,
) -> Vec<u8> {
    let mut octets = Vec::new();
    octets.extend_from_slice(&randoms.client);
    octets.extend_from_slice(&randoms.server);
    params.write(&mut octets);
    octets
}
