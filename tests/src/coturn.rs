//! coturn, the TURN server most others are measured by, as a child process that ends when dropped.
//!
//! It listens on one port for UDP and TCP (and TLS too), and on another for TLS. With two addresses it also answers from the
//! other one when asked to (RFC 5780). Its certificate is signed by an authority made on the spot,
//! which programs trust whose `SSL_CERT_FILE` names [`Coturn::authority`].

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// How long a loaded machine may take to start it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far behind the port of UDP and TCP that of TLS lies. The one between is RFC 5780's other port.
pub const TLS_PORT_OFFSET: u16 = 2;

/// The user that a server knows.
pub const USER: &str = "alice";
/// Her password.
pub const PASSWORD: &str = "wonderland";
/// Its realm.
pub const REALM: &str = "lab.example";

/// A running server.
#[derive(Debug)]
pub struct Coturn {
    child: Child,
    options: Options,
    directory: TempDir,
}

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program and what stands before its own arguments: `turnserver`, or a command that starts
    /// it somewhere else.
    pub command: Vec<String>,
    /// Where it listens, and where it relays.
    pub addresses: Vec<IpAddr>,
    /// The port for UDP and TCP; that for TLS is [`TLS_PORT_OFFSET`] behind it.
    pub port: u16,
    /// More arguments, such as `--stale-nonce=5`.
    pub arguments: Vec<String>,
}

impl Coturn {
    /// Starts it, and waits until it answers. `probe` is a socket from which its first address can
    /// be reached.
    ///
    /// # Errors
    /// It is not installed, or does not come up; the end of its log says why.
    pub fn start(options: Options, probe: &UdpSocket) -> Result<Self, String> {
        let directory = TempDir::with_prefix("coturn-").map_err(|error| error.to_string())?;
        make_certificates(directory.path(), &options.addresses)
            .map_err(|error| format!("no certificate for coturn: {error}"))?;
        let child = spawn(&options, directory.path())?;
        let mut server = Self { child, options, directory };
        server.wait_until_it_answers(probe)?;
        Ok(server)
    }

    /// Starts it on free ports of loopback, where it may relay to itself.
    ///
    /// # Errors
    /// As [`Coturn::start`].
    pub fn on_loopback(arguments: &[&str]) -> Result<Self, String> {
        const PORTS: u16 = 4;
        const TRIES: usize = 100;
        let is_free = |port: &u16| {
            UdpSocket::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
                && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
        };
        let probe = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string());
        let mut port = None;
        for _ in 0..TRIES {
            let address = probe()?.local_addr().map_err(|error| error.to_string())?;
            let first = address.port().saturating_sub(PORTS);
            if (first..first.saturating_add(PORTS)).all(|port| is_free(&port)) {
                port = Some(first);
                break;
            }
        }
        let always = ["--allow-loopback-peers", "--no-rfc5780", "--verbose"];
        let arguments = always.iter().chain(arguments);
        let options = Options {
            command: vec!["turnserver".into()],
            addresses: vec![IpAddr::from(Ipv4Addr::LOCALHOST)],
            port: port.ok_or("no free ports for coturn")?,
            arguments: arguments.map(|argument| (*argument).to_owned()).collect(),
        };
        Self::start(options, &probe()?)
    }

    /// Kills it, which loses all allocations, and starts it again.
    ///
    /// # Errors
    /// As [`Coturn::start`].
    pub fn restart(&mut self, probe: &UdpSocket) -> Result<(), String> {
        self.kill();
        self.child = spawn(&self.options, self.directory.path())?;
        self.wait_until_it_answers(probe)
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The certificate of the authority that signed the server's, as PEM.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// What it has written to its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Where it listens first.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let ip = self.options.addresses.first().copied();
        SocketAddr::new(ip.unwrap_or(IpAddr::from([127, 0, 0, 1])), self.options.port)
    }

    /// Asks with Binding requests (RFC 8489 §5) until one is answered.
    fn wait_until_it_answers(&mut self, probe: &UdpSocket) -> Result<(), String> {
        const INTERVAL: Duration = Duration::from_millis(100);
        /// A Binding request without attributes: type, length, magic cookie, transaction id.
        const REQUEST: &[u8] = b"\x00\x01\x00\x00\x21\x12\xa4\x42is it there?";
        let end = Instant::now() + PATIENCE;
        probe.set_read_timeout(Some(INTERVAL)).map_err(|error| error.to_string())?;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("coturn ended with {status}: {}", tail(&self.log())));
            }
            if Instant::now() > end {
                return Err(format!("coturn does not answer: {}", tail(&self.log())));
            }
            // A port that is still closed answers with an ICMP error.
            let _ = probe.send_to(REQUEST, self.address());
            match probe.recv(&mut [0; 1500]) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => std::thread::sleep(INTERVAL),
            }
        }
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    const LINES: usize = 5;
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("; ")
}

fn spawn(options: &Options, directory: &Path) -> Result<Child, String> {
    let (program, before) = options.command.split_first().ok_or("no command for coturn")?;
    let file = |name: &str| directory.join(name);
    let mut command = Command::new(program);
    command.args(before).arg("-n").args([
        "--lt-cred-mech",
        "--no-cli",
        "--no-dtls",
        "--simple-log",
    ]);
    for address in &options.addresses {
        command.arg("--listening-ip").arg(address.to_string());
        command.arg("--relay-ip").arg(address.to_string());
    }
    command.arg("--listening-port").arg(options.port.to_string());
    let tls_port = options.port.saturating_add(TLS_PORT_OFFSET);
    command.arg("--tls-listening-port").arg(tls_port.to_string());
    command.arg("--realm").arg(REALM).arg("--user").arg(format!("{USER}:{PASSWORD}"));
    command.arg("--cert").arg(file("server.pem")).arg("--pkey").arg(file("server.key"));
    command.arg("--log-file").arg(file("log")).arg("--pidfile").arg(file("pid"));
    command.arg("--userdb").arg(file("users")).args(&options.arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("{program} is missing; install it with: apt-get install coturn")
        }
        _ => format!("{program} cannot be started: {error}"),
    })
}

/// An authority, and a certificate of the server signed by it, as files of the directory.
fn make_certificates(
    directory: &Path,
    addresses: &[IpAddr],
) -> Result<(), Box<dyn std::error::Error>> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "authority of the laboratory");
    let certificate = authority.self_signed(&authority_key)?;
    fs::write(directory.join("authority.pem"), certificate.pem())?;
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let mut names: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    names.push("localhost".into());
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, "coturn of the laboratory");
    let certificate = server.signed_by(&key, &issuer)?;
    fs::write(directory.join("server.pem"), certificate.pem())?;
    fs::write(directory.join("server.key"), key.serialize_pem())?;
    Ok(())
}
