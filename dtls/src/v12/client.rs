//! The client's handshake: RFC 5246 §7.3 and RFC 6347 §4.2.4, ECDHE with certificates on both sides.
//!
//! ```text
//! flight 1   ClientHello                 ────►
//!                                        ◄────   HelloVerifyRequest            flight 2, optional
//! flight 3   ClientHello (with cookie)   ────►
//!                                        ◄────   ServerHello                   flight 4
//!                                                 Certificate
//!                                                 ServerKeyExchange
//!                                                 CertificateRequest            optional
//!                                                 ServerHelloDone
//! flight 5   Certificate                 ────►
//!            ClientKeyExchange
//!            CertificateVerify
//!            [ChangeCipherSpec] Finished
//!                                        ◄────   [ChangeCipherSpec] Finished   flight 6
//!
//! AwaitServerHello ─► AwaitCertificate ─► AwaitServerKeyExchange ─► AwaitCertificateRequest
//!      └─┘ HelloVerifyRequest                                          │        │
//!                            AwaitFinished ◄─ AwaitServerHelloDone ◄───┘        │
//!                                  ▲───────────── ServerHelloDone ──────────────┘
//! ```
//!
//! ChangeCipherSpec is no input: the record's epoch says the same and cannot be lost separately.
//! A server that sends no CertificateRequest does not learn who we are; we know all the same who it is.
//!
//! Invariants: a state holds what was checked on the way to it, so no state can be reached with a
//! check left out. Book: "The handshake and keys".

use rand::Rng;

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
    EcPointFormat, EcPointFormats, ExtendedMasterSecret, RenegotiationInfo, SignatureAlgorithms,
    SupportedGroups, UseSrtp,
};
use crate::wire::handshake::{
    Certificate, CertificateRequest, CertificateVerify, ClientHello, ClientKeyExchange, Cookie,
    DigitallySigned, Finished, HelloVerifyRequest, Random, ServerHello, ServerKeyExchange,
    SessionId,
};
use crate::wire::{
    CompressionMethod, Epoch, Extension, Extensions, Handshake, HandshakeMessage, HandshakeType,
    NamedGroup, ProtocolVersion, SignatureScheme,
};
use crate::{Authenticated, Config, Error, Role, SrtpProfile};

/// Cookies answered before the rest is ignored: a server needs one, one more if its secret changes;
/// a flood of forged requests must not make us send for ever.
const MAX_HELLO_VERIFY_REQUESTS: u8 = 3;

/// The states of RFC 5246 §7.3, seen from the client; each is named after what it awaits.
#[derive(Debug)]
pub(crate) enum Client {
    ServerHello(AwaitServerHello),
    Certificate(AwaitCertificate),
    ServerKeyExchange(AwaitServerKeyExchange),
    /// ServerHelloDone may come instead.
    CertificateRequest(AwaitServerHelloDone),
    ServerHelloDone(AwaitServerHelloDone, SignatureScheme),
    Finished(AwaitFinished),
    /// Nothing more: the connection takes over.
    Done,
}

impl Client {
    /// Flight 1.
    pub(crate) fn start(context: &mut Context<'_>) -> Result<Step<Self>, Error> {
        let mut random = [0; 32];
        context.rng.fill_bytes(&mut random);
        let hello = client_hello(context.config, random);
        let mut transcript = Transcript::default();
        let item = transcript.send(Epoch(0), &Handshake::ClientHello(hello.clone()))?;
        let state = AwaitServerHello { hello, transcript, verify_requests: 0 };
        Ok(Step { state: Self::ServerHello(state), actions: vec![Action::Send(vec![item])] })
    }

    /// Whether the next message may be of this type.
    pub(crate) fn expects(&self, msg_type: HandshakeType) -> bool {
        let expected: &[HandshakeType] = match self {
            Self::ServerHello(_) => {
                &[HandshakeType::HELLO_VERIFY_REQUEST, HandshakeType::SERVER_HELLO]
            }
            Self::Certificate(_) => &[HandshakeType::CERTIFICATE],
            Self::ServerKeyExchange(_) => &[HandshakeType::SERVER_KEY_EXCHANGE],
            Self::CertificateRequest(_) => {
                &[HandshakeType::CERTIFICATE_REQUEST, HandshakeType::SERVER_HELLO_DONE]
            }
            Self::ServerHelloDone(..) => &[HandshakeType::SERVER_HELLO_DONE],
            Self::Finished(_) => &[HandshakeType::FINISHED],
            Self::Done => &[],
        };
        expected.contains(&msg_type)
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
            (Self::ServerHello(state), Handshake::HelloVerifyRequest(request)) => {
                state.hello_verify_request(request)
            }
            (Self::ServerHello(state), Handshake::ServerHello(hello)) => {
                Ok(Step::to(Self::Certificate(state.server_hello(config, message, &hello)?)))
            }
            (Self::Certificate(state), Handshake::Certificate(chain)) => {
                Ok(Step::to(Self::ServerKeyExchange(state.certificate(config, message, chain)?)))
            }
            (Self::ServerKeyExchange(state), Handshake::ServerKeyExchange(exchange)) => {
                let next = state.server_key_exchange(config, message, &exchange)?;
                Ok(Step::to(Self::CertificateRequest(next)))
            }
            (Self::CertificateRequest(state), Handshake::CertificateRequest(request)) => {
                let (next, scheme) = state.certificate_request(config, message, &request)?;
                Ok(Step::to(Self::ServerHelloDone(next, scheme)))
            }
            (Self::CertificateRequest(state), Handshake::ServerHelloDone(_)) => {
                Ok(state.server_hello_done(config, message, None)?)
            }
            (Self::ServerHelloDone(state, scheme), Handshake::ServerHelloDone(_)) => {
                Ok(state.server_hello_done(config, message, Some(scheme))?)
            }
            (Self::Finished(state), Handshake::Finished(finished)) => Ok(Step {
                state: Self::Done,
                actions: vec![Action::Connected(Box::new(state.finished(&finished)?))],
            }),
            (_, _) => Err(Refusal::Fatal(Error::UnexpectedMessage)),
        }
    }

    /// The state's name, for the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::ServerHello(_) => "awaiting ServerHello",
            Self::Certificate(_) => "awaiting Certificate",
            Self::ServerKeyExchange(_) => "awaiting ServerKeyExchange",
            Self::CertificateRequest(_) => "awaiting CertificateRequest",
            Self::ServerHelloDone(..) => "awaiting ServerHelloDone",
            Self::Finished(_) => "awaiting Finished",
            Self::Done => "done",
        }
    }
}

/// What we offer: RFC 5246 §7.4.1.2, RFC 8422 §5.1, RFC 7627 §5.1, RFC 5746 §3.4, RFC 5764 §4.1.1.
fn client_hello(config: &Config, random: [u8; 32]) -> ClientHello {
    let mut extensions = vec![
        Extension::SupportedGroups(SupportedGroups(config.known_groups().collect())),
        Extension::EcPointFormats(EcPointFormats(vec![EcPointFormat::UNCOMPRESSED])),
        Extension::SignatureAlgorithms(SignatureAlgorithms(SCHEMES.to_vec())),
        Extension::ExtendedMasterSecret(ExtendedMasterSecret),
        Extension::RenegotiationInfo(RenegotiationInfo::default()),
    ];
    if !config.srtp_profiles.is_empty() {
        let profiles = config.srtp_profiles.clone();
        extensions.push(Extension::UseSrtp(UseSrtp { profiles, srtp_mki: Vec::new() }));
    }
    ClientHello {
        client_version: ProtocolVersion::DTLS_1_2,
        random: Random(random),
        session_id: SessionId::default(),
        cookie: Cookie::default(),
        cipher_suites: config.suites().map(Suite::number).collect(),
        compression_methods: vec![CompressionMethod::NULL],
        extensions: Extensions(extensions),
    }
}

/// Flight 1 or 3 is out.
#[derive(Debug)]
pub(crate) struct AwaitServerHello {
    hello: ClientHello,
    transcript: Transcript,
    verify_requests: u8,
}

impl AwaitServerHello {
    /// Flight 3: the same hello with the cookie. The first hello and the request leave the
    /// transcript: RFC 6347 §4.2.1.
    fn hello_verify_request(
        mut self,
        request: HelloVerifyRequest,
    ) -> Result<Step<Client>, Refusal<Client>> {
        if self.verify_requests == MAX_HELLO_VERIFY_REQUESTS {
            let state = Box::new(Client::ServerHello(self));
            return Err(Refusal::Ignored(state, Error::HelloVerifyRequestsTooMany));
        }
        self.verify_requests += 1;
        self.hello.cookie = request.cookie;
        self.transcript = Transcript::starting_at(self.transcript.next_seq());
        let hello = Handshake::ClientHello(self.hello.clone());
        let item = self.transcript.send(Epoch(0), &hello)?;
        Ok(Step { state: Client::ServerHello(self), actions: vec![Action::Send(vec![item])] })
    }

    /// The server has chosen; it may choose only what we offered: RFC 5246 §7.4.1.3.
    fn server_hello(
        mut self,
        config: &Config,
        message: &HandshakeMessage,
        hello: &ServerHello,
    ) -> Result<AwaitCertificate, Error> {
        if hello.server_version != ProtocolVersion::DTLS_1_2 {
            return Err(Error::VersionUnsupported);
        }
        let suite = config
            .suites()
            .find(|suite| suite.number() == hello.cipher_suite)
            .ok_or(Error::CipherSuiteNotOffered)?;
        if hello.compression_method != CompressionMethod::NULL {
            return Err(Error::CompressionUnsupported);
        }
        let srtp_profile = self.server_extensions(config, &hello.extensions)?;
        self.transcript.push(message)?;
        let randoms = Randoms { client: self.hello.random.0, server: hello.random.0 };
        Ok(AwaitCertificate { transcript: self.transcript, suite, randoms, srtp_profile })
    }

    /// RFC 5246 §7.4.1.4: each at most once, none that we did not send.
    fn server_extensions(
        &self,
        config: &Config,
        extensions: &Extensions,
    ) -> Result<Option<SrtpProfile>, Error> {
        if extensions.duplicate().is_some() {
            return Err(Error::ExtensionDuplicate);
        }
        let offered = |ty| self.hello.extensions.types().any(|offered| offered == ty);
        if !extensions.types().all(offered) {
            return Err(Error::ExtensionNotOffered);
        }
        check_extensions_of_a_first_hello(extensions)?;
        // RFC 5764 §4.1.1 and §4.1.3: exactly one of our profiles, and our MKI, which is empty.
        match extensions.use_srtp() {
            None => Ok(None),
            Some(UseSrtp { srtp_mki, .. }) if !srtp_mki.is_empty() => Err(Error::ExtensionInvalid),
            Some(UseSrtp { profiles, .. }) => match profiles.as_slice() {
                [profile] if config.srtp_profiles.contains(profile) => Ok(Some(*profile)),
                _ => Err(Error::SrtpProfileNotOffered),
            },
        }
    }
}

/// Suite and randoms are fixed.
#[derive(Debug)]
pub(crate) struct AwaitCertificate {
    transcript: Transcript,
    suite: Suite,
    randoms: Randoms,
    srtp_profile: Option<SrtpProfile>,
}

impl AwaitCertificate {
    /// The server's certificate: the fingerprint decides, the suite names the kind of key.
    fn certificate(
        mut self,
        config: &Config,
        message: &HandshakeMessage,
        chain: Certificate,
    ) -> Result<AwaitServerKeyExchange, Error> {
        let remote = RemoteCertificate::check(config, chain)?;
        if remote.key.kind() != self.suite.certificate() {
            return Err(Error::CertificateMismatch);
        }
        self.transcript.push(message)?;
        Ok(AwaitServerKeyExchange { hello: self, remote })
    }
}

/// The certificate is the right one; does the peer have its key?
#[derive(Debug)]
pub(crate) struct AwaitServerKeyExchange {
    hello: AwaitCertificate,
    remote: RemoteCertificate,
}

impl AwaitServerKeyExchange {
    /// The server's share, signed: RFC 8422 §5.4.
    fn server_key_exchange(
        mut self,
        config: &Config,
        message: &HandshakeMessage,
        exchange: &ServerKeyExchange,
    ) -> Result<AwaitServerHelloDone, Error> {
        let group = exchange.params.named_curve;
        if !config.known_groups().any(|offered| offered == group) {
            return Err(Error::GroupNotOffered);
        }
        let signed = signed_params(&self.hello.randoms, &exchange.params);
        let DigitallySigned { algorithm, signature } = &exchange.signed_params;
        let possession = self.remote.key.verify(*algorithm, &signed, signature)?;
        self.hello.transcript.push(message)?;
        let share = KeyShare::generate(group)?;
        let remote_public = exchange.params.public.clone();
        Ok(AwaitServerHelloDone { keys: self, possession, share, remote_public })
    }
}

/// The server has proved its identity; it may still ask for ours.
#[derive(Debug)]
pub(crate) struct AwaitServerHelloDone {
    keys: AwaitServerKeyExchange,
    possession: PossessionProven,
    share: KeyShare,
    remote_public: Vec<u8>,
}

impl AwaitServerHelloDone {
    /// The server wants our certificate: RFC 5246 §7.4.4. It must verify one of our algorithms; its
    /// list of certificate types says the same less exactly and is not looked at.
    fn certificate_request(
        mut self,
        config: &Config,
        message: &HandshakeMessage,
        request: &CertificateRequest,
    ) -> Result<(Self, SignatureScheme), Error> {
        let theirs = &request.supported_signature_algorithms;
        let ours = config.certificate.schemes().iter();
        let scheme = ours.copied().find(|scheme| theirs.contains(scheme));
        let scheme = scheme.ok_or(Error::NoCommonSignatureScheme)?;
        self.keys.hello.transcript.push(message)?;
        Ok((self, scheme))
    }

    /// The server's flight ends: flight 5 follows. `scheme`: it asked for our certificate.
    fn server_hello_done(
        self,
        config: &Config,
        message: &HandshakeMessage,
        scheme: Option<SignatureScheme>,
    ) -> Result<Step<Client>, Error> {
        let AwaitServerHelloDone { keys, possession, share, remote_public } = self;
        let AwaitServerKeyExchange { hello, remote } = keys;
        let AwaitCertificate { mut transcript, suite, randoms, srtp_profile } = hello;
        transcript.push(message)?;
        let mut flight = Vec::new();

        if scheme.is_some() {
            let certificate_list = vec![config.certificate.der().to_vec()];
            let certificate = Handshake::Certificate(Certificate { certificate_list });
            flight.push(transcript.send(Epoch(0), &certificate)?);
        }
        let exchange = ClientKeyExchange { public: share.public().to_vec() };
        flight.push(transcript.send(Epoch(0), &Handshake::ClientKeyExchange(exchange))?);
        // RFC 7627 §3: the session hash ends with ClientKeyExchange.
        let session_hash = suite.hash().hash(transcript.messages());
        let group = share.group();
        let master = share.agree(&remote_public, |secret| {
            MasterSecret::derive(suite, secret, session_hash.as_ref(), randoms)
        })?;
        if let Some(algorithm) = scheme {
            let signature = config.certificate.sign(algorithm, transcript.messages())?;
            let signed = DigitallySigned { algorithm, signature };
            let verify = Handshake::CertificateVerify(CertificateVerify { signed });
            flight.push(transcript.send(Epoch(0), &verify)?);
        }
        flight.push(FlightItem::ChangeCipherSpec(Epoch(0)));
        let verify_data = master.verify_data(Role::Client, transcript.messages());
        flight.push(transcript.send(Epoch(1), &Handshake::Finished(Finished { verify_data }))?);

        let keys = RecordKeys::new(&master, Role::Client)?;
        let state = AwaitFinished { transcript, remote, possession, master, group, srtp_profile };
        let actions = vec![Action::Protect(Box::new(keys)), Action::Send(flight)];
        Ok(Step { state: Client::Finished(state), actions })
    }
}

/// Flight 5 is out.
#[derive(Debug)]
pub(crate) struct AwaitFinished {
    transcript: Transcript,
    remote: RemoteCertificate,
    possession: PossessionProven,
    master: MasterSecret,
    group: NamedGroup,
    srtp_profile: Option<SrtpProfile>,
}

impl AwaitFinished {
    /// The last check: both sides saw the same messages.
    fn finished(self, finished: &Finished) -> Result<Established, Error> {
        let messages = self.transcript.messages();
        let verified =
            self.master.verify_finished(Role::Server, messages, &finished.verify_data)?;
        Ok(Established {
            proof: Authenticated::new(self.remote.matched, self.possession, verified),
            master: self.master,
            group: self.group,
            srtp_profile: self.srtp_profile,
            remote_certificate: self.remote.der,
        })
    }
}
