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
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use dtls::{
    Authenticated, Certificate, CloseReason, Config, Connection, Event, Fingerprint, HashAlgorithm, Role,
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

    fn certificate(&self) -> Certificate {
        let key = std::fs::read(self.path("key.der")).unwrap();
        Certificate::from_der(self.der(), &key).unwrap()
    }

    fn arguments(&self) -> Vec<String> {
        let (certificate, key) = (self.path("certificate.pem"), self.path("key.pem"));
        ["-cert", text(&certificate), "-key", text(&key)].map(String::from).to_vec()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
