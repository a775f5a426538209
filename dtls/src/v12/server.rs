//! The server's handshake: RFC 5246 §7.3 and RFC 6347 §4.2.4, ECDHE with certificates on both sides.
//!
//! ```text
//! AwaitClientHello ─► AwaitCertificate ─► AwaitClientKeyExchange ─► AwaitCertificateVerify ─► AwaitFinished
//!   └─┘ without cookie:      flight 4 out        record keys known ──┘                            flight 6 out
//!       HelloVerifyRequest
//! ```
//!
//! (The flights are drawn in `client.rs`.) The server decides: version, suite, group, signature and
//! SRTP profile, each in its own order of preference among what the client offers. Extensions and
//! values it does not know are passed over, so a ClientHello that also offers DTLS 1.3, ML-KEM key
//! shares or GREASE gets 1.2 (RFC 8446 §4.2.1: a server without 1.3 ignores supported_versions).
//! A certificate is always asked for and must come (RFC 8827 §6.5). No session is ever resumed.
//!
//! Invariants: as for the client, each state holds what was checked on the way to it. A ClientHello
//! that cannot be served leaves the state as it was. Book: "The handshake and keys".

use rand::Rng;

use super::cookie::CookieSecret;
use super::handshake::{
    Action, Context, Established, RecordKeys, Refusal, RemoteCertificate, Step,
    check_extensions_of_a_first_hello, signed_params,
};
use super::key_exchange::KeyShare;
use super::schedule::{MasterSecret, Randoms};
use super::signature::{PossessionProven, SCHEMES};
use super::suite::Suite;
use super::transcript::Transcript;
use crate::flight::FlightItem;
use crate::wire::extension::{
    EcPointFormat, EcPointFormats, ExtendedMasterSecret, RenegotiationInfo, SupportedVersions,
    UseSrtp,
};
use crate::wire::handshake::{
    Certificate, CertificateRequest, CertificateVerify, ClientCertificateType, ClientHello,
    ClientKeyExchange, DigitallySigned, Finished, HelloVerifyRequest, Random, ServerEcdhParams,
    ServerHello, ServerHelloDone, ServerKeyExchange, SessionId,
};
use crate::wire::{
    CipherSuite, CompressionMethod, Epoch, Extension, Extensions, Handshake, HandshakeMessage,
    HandshakeType, NamedGroup, ProtocolVersion, SignatureScheme,
};
use crate::{Authenticated, Config, Error, Role, SrtpProfile};

/// The states of RFC 5246 §7.3, seen from the server; each is named after what it awaits.
#[derive(Debug)]
pub(crate) enum Server {
    ClientHello(AwaitClientHello),
    Certificate(AwaitCertificate),
    ClientKeyExchange(AwaitClientKeyExchange),
    CertificateVerify(AwaitCertificateVerify),
    Finished(AwaitFinished),
    /// Nothing more: the connection takes over.
    Done,
}

impl Server {
    /// Nothing to send yet.
    pub(crate) fn start(context: &mut Context<'_>) -> Self {
        let cookies = context.config.hello_verify.then(|| CookieSecret::generate(context.rng));
        Self::ClientHello(AwaitClientHello { cookies })
    }

    /// Whether the next message may be of this type.
    pub(crate) fn expects(&self, msg_type: HandshakeType) -> bool {
        match self {
            Self::ClientHello(_) => msg_type == HandshakeType::CLIENT_HELLO,
            Self::Certificate(_) => msg_type == HandshakeType::CERTIFICATE,
            Self::ClientKeyExchange(_) => msg_type == HandshakeType::CLIENT_KEY_EXCHANGE,
            Self::CertificateVerify(_) => msg_type == HandshakeType::CERTIFICATE_VERIFY,
            Self::Finished(_) => msg_type == HandshakeType::FINISHED,
            Self::Done => false,
        }
    }

    /// Takes the next message.
    pub(crate) fn handle(
        self,
        context: &mut Context<'_>,
        message: &HandshakeMessage,
        parsed: Handshake,
    ) -> Result<Step<Self>, Refusal<Self>> {
        let config = context.config;
        match (self, parsed) {
            (Self::ClientHello(state), Handshake::ClientHello(hello)) => {
                state.client_hello(context, message, &hello)
            }
            (Self::Certificate(state), Handshake::Certificate(chain)) => {
                Ok(Step::to(Self::ClientKeyExchange(state.certificate(config, message, chain)?)))
            }
            (Self::ClientKeyExchange(state), Handshake::ClientKeyExchange(exchange)) => {
                let (next, keys) = state.client_key_exchange(message, &exchange)?;
                let actions = vec![Action::Protect(Box::new(keys))];
                Ok(Step { state: Self::CertificateVerify(next), actions })
            }
            (Self::CertificateVerify(state), Handshake::CertificateVerify(verify)) => {
                Ok(Step::to(Self::Finished(state.certificate_verify(message, &verify)?)))
            }
            (Self::Finished(state), Handshake::Finished(finished)) => {
                let (established, flight) = state.finished(message, &finished)?;
                let connected = Action::Connected(Box::new(established));
                Ok(Step { state: Self::Done, actions: vec![Action::SendLast(flight), connected] })
            }
            (_, _) => Err(Refusal::Fatal(Error::UnexpectedMessage)),
        }
    }

    /// The state's name, for the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::ClientHello(_) => "awaiting ClientHello",
            Self::Certificate(_) => "awaiting Certificate",
            Self::ClientKeyExchange(_) => "awaiting ClientKeyExchange",
            Self::CertificateVerify(_) => "awaiting CertificateVerify",
            Self::Finished(_) => "awaiting Finished",
            Self::Done => "done",
        }
    }
}

/// No client chosen yet.
#[derive(Debug)]
pub(crate) struct AwaitClientHello {
    cookies: Option<CookieSecret>,
}

impl AwaitClientHello {
    /// Flight 2 to a client without cookie, flight 4 to one we can serve, an alert to the others.
    fn client_hello(
        self,
        context: &mut Context<'_>,
        message: &HandshakeMessage,
        hello: &ClientHello,
    ) -> Result<Step<Server>, Refusal<Server>> {
        if let Some(secret) = self.cookies.as_ref().filter(|secret| !secret.verify(hello)) {
            // Not in the transcript, numbered like the hello it answers: RFC 6347 §4.2.1, §4.2.2.
            let request = HelloVerifyRequest {
                server_version: ProtocolVersion::DTLS_1_0,
                cookie: secret.cookie(hello),
            };
            let request = Handshake::HelloVerifyRequest(request);
            let message = HandshakeMessage::new(message.message_seq(), &request);
            let flight = vec![FlightItem::Message { epoch: Epoch(0), message }];
            let actions = vec![Action::SendLast(flight)];
            return Ok(Step { state: Server::ClientHello(self), actions });
        }
        match Choice::negotiate(context.config, hello) {
            Ok(choice) => Ok(choice.answer(context, message, hello)?),
            Err(error) => Err(Refusal::Declined(Box::new(Server::ClientHello(self)), error)),
        }
    }
}

/// What we choose of a ClientHello.
struct Choice {
    suite: Suite,
    group: NamedGroup,
    scheme: SignatureScheme,
    srtp_profile: Option<SrtpProfile>,
}

impl Choice {
    fn negotiate(config: &Config, hello: &ClientHello) -> Result<Self, Error> {
        check_version(hello)?;
        if !hello.compression_methods.contains(&CompressionMethod::NULL) {
            return Err(Error::CompressionUnsupported);
        }
        let extensions = &hello.extensions;
        if extensions.duplicate().is_some() {
            return Err(Error::ExtensionDuplicate);
        }
        check_extensions_of_a_first_hello(extensions)?;
        let kind = config.certificate.kind();
        let suite = config
            .suites()
            .filter(|suite| suite.certificate() == kind)
            .find(|suite| hello.cipher_suites.contains(&suite.number()))
            .ok_or(Error::NoCommonCipherSuite)?;
        let group = choose_group(config, extensions)?;
        let schemes = extensions.signature_algorithms().ok_or(Error::NoCommonSignatureScheme)?;
        let ours = config.certificate.schemes().iter().copied();
        let mut common = ours.filter(|scheme| schemes.0.contains(scheme));
        let scheme = common.next().ok_or(Error::NoCommonSignatureScheme)?;
        // RFC 5764 §4.1.1: without a common profile the handshake goes on without SRTP.
        let srtp_profile = extensions.use_srtp().and_then(|offer| {
            config.srtp_profiles.iter().copied().find(|ours| offer.profiles.contains(ours))
        });
        Ok(Self { suite, group, scheme, srtp_profile })
    }

    /// Flight 4.
    fn answer(
        self,
        context: &mut Context<'_>,
        message: &HandshakeMessage,
        hello: &ClientHello,
    ) -> Result<Step<Server>, Error> {
        let mut random = [0; 32];
        context.rng.fill_bytes(&mut random);
        let config = context.config;
        let randoms = Randoms { client: hello.random.0, server: random };
        let share = KeyShare::generate(self.group)?;
        let params = ServerEcdhParams { named_curve: self.group, public: share.public().to_vec() };
        let signature = config.certificate.sign(self.scheme, &signed_params(&randoms, &params))?;
        let signed_params = DigitallySigned { algorithm: self.scheme, signature };

        let mut transcript = Transcript::starting_at(message.message_seq());
        transcript.push(message)?;
        let messages = [
            Handshake::ServerHello(self.server_hello(random, hello)),
            Handshake::Certificate(Certificate {
                certificate_list: vec![config.certificate.der().to_vec()],
            }),
            Handshake::ServerKeyExchange(ServerKeyExchange { params, signed_params }),
            Handshake::CertificateRequest(CertificateRequest {
                certificate_types: vec![
                    ClientCertificateType::ECDSA_SIGN,
                    ClientCertificateType::RSA_SIGN,
                ],
                supported_signature_algorithms: SCHEMES.to_vec(),
                certificate_authorities: Vec::new(),
            }),
            Handshake::ServerHelloDone(ServerHelloDone),
        ];
        let flight = messages
            .iter()
            .map(|message| transcript.send(Epoch(0), message))
            .collect::<Result<Vec<_>, _>>()?;
        let state = AwaitCertificate { transcript, choice: self, randoms, share };
        let actions = vec![Action::Send(flight)];
        Ok(Step { state: Server::Certificate(state), actions })
    }

    /// Answers only extensions that the client sent: RFC 5246 §7.4.1.4.
    fn server_hello(&self, random: [u8; 32], hello: &ClientHello) -> ServerHello {
        let mut extensions = vec![Extension::ExtendedMasterSecret(ExtendedMasterSecret)];
        let scsv = CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV;
        // RFC 5746 §3.6: the SCSV is answered with the extension.
        if hello.extensions.renegotiation_info().is_some() || hello.cipher_suites.contains(&scsv) {
            extensions.push(Extension::RenegotiationInfo(RenegotiationInfo::default()));
        }
        if hello.extensions.ec_point_formats().is_some() {
            let formats = EcPointFormats(vec![EcPointFormat::UNCOMPRESSED]);
            extensions.push(Extension::EcPointFormats(formats));
        }
        if let Some(profile) = self.srtp_profile {
            let use_srtp = UseSrtp { profiles: vec![profile], srtp_mki: Vec::new() };
            extensions.push(Extension::UseSrtp(use_srtp));
        }
        ServerHello {
            server_version: ProtocolVersion::DTLS_1_2,
            random: Random(random),
            session_id: SessionId::default(),
            cipher_suite: self.suite.number(),
            compression_method: CompressionMethod::NULL,
            extensions: Extensions(extensions),
        }
    }
}

/// The client can speak 1.2: RFC 6347 §4.2.1, RFC 8446 §4.2.1. A later version is a smaller number.
fn check_version(hello: &ClientHello) -> Result<(), Error> {
    let ProtocolVersion(version) = hello.client_version;
    let dtls_1_2_or_later = (0xfe00..=ProtocolVersion::DTLS_1_2.0).contains(&version);
    let listed = match hello.extensions.supported_versions() {
        None => true,
        Some(SupportedVersions::Offered(versions)) => versions.contains(&ProtocolVersion::DTLS_1_2),
        Some(SupportedVersions::Selected(_)) => false,
    };
    (dtls_1_2_or_later && listed).then_some(()).ok_or(Error::VersionUnsupported)
}

/// Our first group that the client has; one that lists none has P-256: RFC 8422 §4 leaves the choice
/// to the server, and P-256 is what everybody has.
fn choose_group(config: &Config, extensions: &Extensions) -> Result<NamedGroup, Error> {
    let offered = |group: &NamedGroup| match extensions.supported_groups() {
        Some(groups) => groups.0.contains(group),
        None => *group == NamedGroup::SECP256R1,
    };
    config.known_groups().find(offered).ok_or(Error::NoCommonGroup)
}

/// Flight 4 is out.
pub(crate) struct AwaitCertificate {
    transcript: Transcript,
    choice: Choice,
    randoms: Randoms,
    share: KeyShare,
}

impl AwaitCertificate {
    /// The client's certificate: the fingerprint decides.
    fn certificate(
        mut self,
        config: &Config,
        message: &HandshakeMessage,
        chain: Certificate,
    ) -> Result<AwaitClientKeyExchange, Error> {
        let remote = RemoteCertificate::check(config, chain)?;
        self.transcript.push(message)?;
        Ok(AwaitClientKeyExchange { hello: self, remote })
    }
}

impl std::fmt::Debug for AwaitCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { transcript, choice, .. } = self;
        write!(f, "AwaitCertificate({}, {}, {transcript:?})", choice.suite.name(), choice.group)
    }
}

/// The certificate is the right one; does the peer have its key?
#[derive(Debug)]
pub(crate) struct AwaitClientKeyExchange {
    hello: AwaitCertificate,
    remote: RemoteCertificate,
}

impl AwaitClientKeyExchange {
    /// The client's share: now the record keys are known, which its Finished needs.
    fn client_key_exchange(
        self,
        message: &HandshakeMessage,
        exchange: &ClientKeyExchange,
    ) -> Result<(AwaitCertificateVerify, RecordKeys), Error> {
        let AwaitCertificate { mut transcript, choice, randoms, share } = self.hello;
        transcript.push(message)?;
        // RFC 7627 §3: the session hash ends with ClientKeyExchange.
        let session_hash = choice.suite.hash().hash(transcript.messages());
        let master = share.agree(&exchange.public, |secret| {
            MasterSecret::derive(choice.suite, secret, session_hash.as_ref(), randoms)
        })?;
        let keys = RecordKeys::new(&master, Role::Server)?;
        let Choice { group, srtp_profile, .. } = choice;
        let secrets = Secrets { transcript, remote: self.remote, master, group, srtp_profile };
        Ok((AwaitCertificateVerify(secrets), keys))
    }
}

/// The keys, in the hands of whoever sent the ClientKeyExchange.
#[derive(Debug)]
struct Secrets {
    transcript: Transcript,
    remote: RemoteCertificate,
    master: MasterSecret,
    group: NamedGroup,
    srtp_profile: Option<SrtpProfile>,
}

/// Has the client its certificate's key?
#[derive(Debug)]
pub(crate) struct AwaitCertificateVerify(Secrets);

impl AwaitCertificateVerify {
    /// The signature over all messages before this one: RFC 5246 §7.4.8.
    fn certificate_verify(
        mut self,
        message: &HandshakeMessage,
        verify: &CertificateVerify,
    ) -> Result<AwaitFinished, Error> {
        let DigitallySigned { algorithm, signature } = &verify.signed;
        let messages = self.0.transcript.messages();
        let possession = self.0.remote.key.verify(*algorithm, messages, signature)?;
        self.0.transcript.push(message)?;
        Ok(AwaitFinished { secrets: self.0, possession })
    }
}

/// The client has proved its identity.
#[derive(Debug)]
pub(crate) struct AwaitFinished {
    secrets: Secrets,
    possession: PossessionProven,
}

impl AwaitFinished {
    /// The last check, then flight 6.
    fn finished(
        self,
        message: &HandshakeMessage,
        finished: &Finished,
    ) -> Result<(Established, Vec<FlightItem>), Error> {
        let Secrets { mut transcript, remote, master, group, srtp_profile } = self.secrets;
        let verified =
            master.verify_finished(Role::Client, transcript.messages(), &finished.verify_data)?;
        transcript.push(message)?;
        let verify_data = master.verify_data(Role::Server, transcript.messages());
        let finished = Handshake::Finished(Finished { verify_data });
        let flight =
            vec![FlightItem::ChangeCipherSpec(Epoch(0)), transcript.send(Epoch(1), &finished)?];
        let established = Established {
            proof: Authenticated::new(remote.matched, self.possession, verified),
            master,
            group,
            srtp_profile,
            remote_certificate: remote.der,
        };
        Ok((established, flight))
    }
}
