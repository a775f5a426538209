//! DTLS 1.2 against OpenSSL's `s_server` and `s_client`, in both roles (RFC 6347, RFC 5246, RFC 8422).
//!
//! ```text
//!   dtls::Connection ── Wire (UDP on 127.0.0.1, may lose datagrams) ── openssl s_server | s_client
//!         │ recv, send                                                      │ stdout, stdin
//!         └───────────────────────── compared ──────────────────────────────┘
//! ```

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use dtls::{
    Authenticated, Certificate, CloseReason, Config, Connection, Event, Fingerprint, HashAlgorithm,
    Role, SrtpProfile,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

/// Longer than any of these takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);

const LABEL: &str = "EXTRACTOR-dtls_srtp";

// ---------------------------------------------------------------------------------------- openssl

/// A running `openssl` program; killed by its handle when dropped.
struct Openssl {
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Mutex<String>>,
}

impl Openssl {
    fn start(arguments: &[String]) -> Self {
        let mut child = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests need the program `openssl`: apt-get install openssl");
        let output = Arc::new(Mutex::new(String::new()));
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        collect(stdout, Arc::clone(&output));
        collect(stderr, Arc::clone(&output));
        Self { stdin: child.stdin.take(), child, output }
    }

    fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Types a line, which the program sends as application data.
    fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// The exported keying material that the program printed.
    fn keying_material(&self) -> Option<String> {
        let output = self.output();
        let (_, after) = output.split_once("Keying material: ")?;
        after.lines().next().map(|line| line.trim().to_lowercase())
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("openssl said:\n{}", self.output());
        }
    }
}

fn collect(mut stream: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..length]));
        }
    });
}

/// Runs `openssl` to its end.
fn openssl(arguments: &[&str]) {
    let done = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("these tests need the program `openssl`: apt-get install openssl");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// What a certificate's key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    P256,
    P384,
    Rsa,
}

/// A key and a self-signed certificate, made by OpenSSL.
struct Identity {
    folder: TempDir,
}

impl Identity {
    fn new(key: Key) -> Self {
        let folder = TempDir::new().unwrap();
        let this = Self { folder };
        let (pem_key, pem) = (this.path("key.pem"), this.path("certificate.pem"));
        let kind: &[&str] = match key {
            Key::P256 => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Key::P384 => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Key::Rsa => &["-newkey", "rsa:2048"],
        };
        let rest = ["-nodes", "-subj", "/CN=peer", "-days", "30"];
        let files = ["-keyout", text(&pem_key), "-out", text(&pem)];
        openssl(&[&["req", "-x509"], kind, &rest, &files].concat());
        let der = this.path("certificate.der");
        openssl(&["x509", "-in", text(&pem), "-outform", "DER", "-out", text(&der)]);
        let pkcs8 = this.path("key.der");
        let form = ["-topk8", "-nocrypt", "-outform", "DER"];
        let files = ["-in", text(&pem_key), "-out", text(&pkcs8)];
        openssl(&[&["pkcs8"], &form[..], &files].concat());
        this
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn der(&self) -> Vec<u8> {
        std::fs::read(self.path("certificate.der")).unwrap()
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(HashAlgorithm::Sha256, &self.der())
    }

    fn certificate(&self) -> Arc<Certificate> {
        let key = std::fs::read(self.path("key.der")).unwrap();
        Arc::new(Certificate::from_pkcs8(&self.der(), &key).unwrap())
    }

    fn arguments(&self) -> Vec<String> {
        let (certificate, key) = (self.path("certificate.pem"), self.path("key.pem"));
        ["-cert", text(&certificate), "-key", text(&key)].map(String::from).to_vec()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

// ------------------------------------------------------------------------------------------- ours

/// A UDP socket that loses datagrams, in both directions.
struct Wire {
    socket: UdpSocket,
    /// Where OpenSSL is; as server we learn it from its first datagram.
    peer: Option<SocketAddr>,
    loss: f64,
    rng: StdRng,
}

impl Wire {
    fn new(peer: Option<SocketAddr>, loss: f64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { socket, peer, loss, rng: StdRng::seed_from_u64(57) }
    }

    fn is_lost(&mut self) -> bool {
        self.loss > 0.0 && self.rng.random_bool(self.loss)
    }

    fn send(&mut self, datagram: &[u8]) {
        if let Some(peer) = self.peer
            && !self.is_lost()
        {
            // Refused while s_server is still starting: the flight is repeated.
            let _ = self.socket.send_to(datagram, peer);
        }
    }

    fn receive(&mut self, patience: Duration) -> Option<BytesMut> {
        self.socket.set_read_timeout(Some(patience.max(Duration::from_millis(1)))).unwrap();
        let mut datagram = vec![0; 1 << 16];
        match self.socket.recv_from(&mut datagram) {
            Ok((length, from)) => {
                self.peer.get_or_insert(from);
                (!self.is_lost()).then(|| BytesMut::from(&datagram[..length]))
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                None
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Our end of a connection with OpenSSL.
struct Call {
    connection: Connection,
    wire: Wire,
    openssl: Openssl,
    proof: Option<Authenticated>,
    closed: Option<CloseReason>,
    received: String,
}

impl Call {
    /// We are the client of `openssl s_server`.
    fn to_server(config: Config, arguments: &[&str], identity: &Identity, loss: f64) -> Self {
        // A free port: bound and let go again, since s_server wants a number.
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let address = format!("127.0.0.1:{}", port.port());
        let mut all =
            ["s_server", "-dtls1_2", "-timeout", "-accept", &address].map(String::from).to_vec();
        all.extend(identity.arguments());
        // Ask for a certificate, accept a self-signed one.
        all.extend(["-Verify", "1"].map(String::from));
        all.extend(arguments.iter().map(|argument| argument.to_string()));
        let openssl = Openssl::start(&all);
        Self::new(config, Wire::new(Some(port), loss), openssl)
    }

    /// We are the server of `openssl s_client`.
    fn from_client(
        config: Config,
        arguments: &[&str],
        identity: Option<&Identity>,
        loss: f64,
    ) -> Self {
        let wire = Wire::new(None, loss);
        let address = wire.socket.local_addr().unwrap().to_string();
        let mut all =
            ["s_client", "-dtls1_2", "-timeout", "-connect", &address].map(String::from).to_vec();
        all.extend(identity.into_iter().flat_map(Identity::arguments));
        all.extend(arguments.iter().map(|argument| argument.to_string()));
        let openssl = Openssl::start(&all);
        Self::new(config, wire, openssl)
    }

    fn new(config: Config, wire: Wire, openssl: Openssl) -> Self {
        let connection = Connection::new(Instant::now(), config, StdRng::seed_from_u64(1));
        Self { connection, wire, openssl, proof: None, closed: None, received: String::new() }
    }

    /// Sends what is to be sent, waits a moment for a datagram, takes news.
    fn turn(&mut self) {
        while let Some(datagram) = self.connection.poll_transmit(Instant::now()) {
            self.wire.send(&datagram);
        }
        let moment = Duration::from_millis(20);
        let wait = self.connection.poll_timeout().map_or(moment, |timeout| {
            timeout.saturating_duration_since(Instant::now()).min(moment)
        });
        if let Some(datagram) = self.wire.receive(wait) {
            let _ = self.connection.handle_datagram(Instant::now(), datagram);
        }
        self.connection.handle_timeout(Instant::now());
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Connected(proof) => self.proof = Some(proof),
                Event::Closed(reason) => self.closed = Some(reason),
            }
        }
        while let Some(data) = self.connection.recv() {
            assert!(self.proof.is_some());
            self.received.push_str(&String::from_utf8_lossy(&data));
        }
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: not after {PATIENCE:?}; {:?}",
                self.closed
            );
            self.turn();
        }
    }

    fn connect(&mut self) {
        self.until("connected", |call| call.proof.is_some() || call.closed.is_some());
        assert_eq!(self.closed, None);
    }

    /// The reason of our death.
    fn refused(&mut self) -> CloseReason {
        self.until("closed", |call| call.closed.is_some());
        assert!(self.proof.is_none(), "must not connect");
        self.closed.unwrap()
    }

    /// A line in each direction, again and again where datagrams get lost. Elsewhere once: openssl
    /// takes a command only at the beginning of what it reads, so no line may wait before it.
    fn talk(&mut self) {
        let is_due = |turns: u32, call: &Self| match call.wire.loss > 0.0 {
            true => turns.is_multiple_of(10),
            false => turns == 0,
        };
        let mut turns = 0;
        self.until("our line at openssl's", |call| {
            if is_due(turns, call) {
                call.connection.send(Instant::now(), b"hello from ours\n").unwrap();
            }
            turns += 1;
            call.openssl.output().contains("hello from ours")
        });
        let mut turns = 0;
        self.until("openssl's line at ours", |call| {
            if is_due(turns, call) {
                call.openssl.type_line("hello from openssl");
            }
            turns += 1;
            call.received.contains("hello from openssl")
        });
    }

    fn suite(&self) -> &'static str {
        self.connection.info().unwrap().cipher_suite
    }

    /// Both ends export the same key material.
    fn exports_agree(&mut self) {
        let proof = self.proof.unwrap();
        let ours = self.connection.export_keying_material(&proof, LABEL.as_bytes(), 60).unwrap();
        let ours: String = ours.iter().map(|octet| format!("{octet:02x}")).collect();
        self.until("openssl's key material", |call| call.openssl.keying_material().is_some());
        assert_eq!(self.openssl.keying_material(), Some(ours));
    }
}

/// Our certificate, made once.
fn ours() -> Arc<Certificate> {
    static OURS: OnceLock<Arc<Certificate>> = OnceLock::new();
    Arc::clone(OURS.get_or_init(|| Arc::new(Certificate::generate().unwrap())))
}

/// OpenSSL's identity of each kind, made once.
fn theirs(key: Key) -> &'static Identity {
    static ALL: [OnceLock<Identity>; 3] = [const { OnceLock::new() }; 3];
    let place = match key {
        Key::P256 => &ALL[0],
        Key::P384 => &ALL[1],
        Key::Rsa => &ALL[2],
    };
    place.get_or_init(|| Identity::new(key))
}

fn config(role: Role, expected: &Identity) -> Config {
    Config::new(role, ours(), vec![expected.fingerprint()])
}

const EXPORT: [&str; 4] = ["-keymatexport", LABEL, "-keymatexportlen", "60"];

/// Each suite: OpenSSL's name, IANA's name, the key of the server's certificate.
const SUITES: [(&str, &str, Key); 6] = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Key::P256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Key::P384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", Key::P256),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Key::Rsa),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", Key::Rsa),
    ("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Key::Rsa),
];

#[test]
fn we_call_s_server_with_every_suite() {
    for (theirs_name, name, key) in SUITES {
        let arguments = [&["-cipher", theirs_name][..], &EXPORT].concat();
        let identity = theirs(key);
        let mut call = Call::to_server(config(Role::Client, identity), &arguments, identity, 0.0);
        call.connect();
        assert_eq!(call.suite(), name);
        call.exports_agree();
        call.talk();
    }
}

#[test]
fn s_client_calls_us_with_every_suite() {
    for (theirs_name, name, key) in SUITES {
        let arguments = [&["-cipher", theirs_name][..], &EXPORT].concat();
        // Our certificate decides the kind of suite; theirs is of the same kind.
        let identity = theirs(key);
        let mut config = config(Role::Server, identity);
        config.certificate = identity.certificate();
        let mut call = Call::from_client(config, &arguments, Some(identity), 0.0);
        call.connect();
        assert_eq!(call.suite(), name);
        call.exports_agree();
        call.talk();
    }
}

#[test]
fn every_group_in_both_roles() {
    let identity = theirs(Key::P256);
    for group in ["x25519", "secp256r1", "secp384r1"] {
        for role in [Role::Client, Role::Server] {
            let mut config = config(role, identity);
            // Both lists must hold the certificates' curve too (RFC 8422 §5.1); the client's first counts.
            config.groups.sort_by_key(|known| known.name() != Some(group));
            let arguments = ["-groups", "X25519:P-256:P-384"];
            let mut call = match role {
                Role::Client => Call::to_server(config, &arguments, identity, 0.0),
                Role::Server => Call::from_client(config, &arguments, Some(identity), 0.0),
            };
            call.connect();
            assert_eq!(call.connection.info().unwrap().group, group);
        }
    }
}

#[test]
fn row_57_a_quarter_of_the_datagrams_is_lost_in_both_roles() {
    let identity = theirs(Key::P256);
    let mut call = Call::to_server(config(Role::Client, identity), &[], identity, 0.25);
    call.connect();
    call.talk();
    let mut call = Call::from_client(config(Role::Server, identity), &[], Some(identity), 0.25);
    call.connect();
    call.talk();
}

#[test]
fn fragments_of_a_small_mtu_in_both_roles() {
    let identity = theirs(Key::Rsa);
    let arguments = ["-mtu", "300"];
    let mut small = config(Role::Client, identity);
    small.mtu = 200;
    let mut call = Call::to_server(small.clone(), &arguments, identity, 0.0);
    call.connect();
    call.talk();
    small.role = Role::Server;
    let mut call = Call::from_client(small, &arguments, Some(identity), 0.0);
    call.connect();
    call.talk();
}

#[test]
fn row_40_hello_verify_request_in_both_roles() {
    let identity = theirs(Key::P256);
    let mut call = Call::to_server(config(Role::Client, identity), &["-listen"], identity, 0.0);
    call.connect();
    call.talk();
    let mut verifying = config(Role::Server, identity);
    verifying.hello_verify = true;
    let mut call = Call::from_client(verifying, &[], Some(identity), 0.0);
    call.connect();
    call.talk();
}

#[test]
fn use_srtp_is_negotiated_in_both_roles() {
    let (identity, profile) = (theirs(Key::P256), SrtpProfile::SRTP_AEAD_AES_128_GCM);
    let arguments = ["-use_srtp", "SRTP_AEAD_AES_128_GCM"];
    let mut call = Call::to_server(config(Role::Client, identity), &arguments, identity, 0.0);
    call.connect();
    assert_eq!(call.connection.info().unwrap().srtp_profile, Some(profile));
    let mut call =
        Call::from_client(config(Role::Server, identity), &arguments, Some(identity), 0.0);
    call.connect();
    assert_eq!(call.connection.info().unwrap().srtp_profile, Some(profile));
    call.until("openssl's profile", |call| {
        call.openssl.output().contains("SRTP Extension negotiated, profile=SRTP_AEAD_AES_128_GCM")
    });
}

#[test]
fn close_is_seen_by_the_other_end() {
    let identity = theirs(Key::P256);
    // Ours closes: s_client ends.
    let mut call = Call::from_client(config(Role::Server, identity), &[], Some(identity), 0.0);
    call.connect();
    call.connection.close(Instant::now());
    call.until("the end of s_client", |call| call.openssl.has_ended());
    assert_eq!(call.closed, Some(CloseReason::Local));
    // Theirs closes: ours says so.
    let mut call = Call::from_client(config(Role::Server, identity), &[], Some(identity), 0.0);
    call.connect();
    call.openssl.type_line("Q");
    call.until("our end", |call| call.closed.is_some());
    assert_eq!(call.closed, Some(CloseReason::Remote));
}

#[test]
fn row_47_a_certificate_with_another_fingerprint_is_refused_in_both_roles() {
    let (identity, other) = (theirs(Key::P256), theirs(Key::P384));
    let refused = CloseReason::Refused(dtls::Error::FingerprintMismatch);
    let mut call = Call::to_server(config(Role::Client, other), &[], identity, 0.0);
    assert_eq!(call.refused(), refused);
    call.until("the alert at s_server", |call| call.openssl.output().contains("bad certificate"));
    let mut call = Call::from_client(config(Role::Server, other), &[], Some(identity), 0.0);
    assert_eq!(call.refused(), refused);
    call.until("the alert at s_client", |call| call.openssl.output().contains("bad certificate"));
}

#[test]
fn row_48_a_client_without_certificate_is_refused() {
    let identity = theirs(Key::P256);
    let mut call = Call::from_client(config(Role::Server, identity), &[], None, 0.0);
    assert_eq!(call.refused(), CloseReason::Refused(dtls::Error::CertificateMissing));
}

#[test]
fn row_54_renegotiation_asked_for_by_s_client_is_refused() {
    let identity = theirs(Key::P256);
    let mut call = Call::from_client(config(Role::Server, identity), &[], Some(identity), 0.0);
    call.connect();
    call.talk();
    call.openssl.type_line("R");
    // OpenSSL takes the refusal for an error and goes; until it does so, ours lives.
    call.until("the refusal", |call| call.openssl.output().contains("no renegotiation"));
    assert!(matches!(call.closed, None | Some(CloseReason::Remote | CloseReason::RemoteAlert(_))));
}
