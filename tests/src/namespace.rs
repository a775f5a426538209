//! Network namespaces: networks of their own inside one kernel (`man 7 network_namespaces`).
//!
//! They are named, so that `ip netns exec NAME …` works beside the lab, and the names begin with the
//! process id of the lab that made them: two labs do not meet, and what a killed one has left is known
//! by its dead process.
//!
//! Book: "NATs".

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal};
use rustix::thread::LinkNameSpaceType;

/// Where `ip netns` keeps the names.
const NAMES: &str = "/run/netns";
/// How all names begin.
const PREFIX: &str = "lab";

/// A network namespace. Dropped, it ends the processes inside and is gone.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// A new one, with loopback up.
    ///
    /// # Errors
    /// This machine does not let us.
    pub fn add(name: &str) -> Result<Self, String> {
        let name = format!("{PREFIX}{}-{name}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]), "")?;
        let file = File::open(Path::new(NAMES).join(&name))
            .map_err(|error| format!("the namespace {name} cannot be opened: {error}"))?;
        let namespace = Self { name, file };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name, for `ip netns exec`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does something inside. Sockets made there stay there, wherever they are used.
    ///
    /// It is done on a thread of its own, because a thread that has entered cannot lend itself to
    /// others any more.
    ///
    /// # Errors
    /// Whatever comes of `work`.
    pub fn enter<T: Send>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send,
    ) -> Result<T, String> {
        let inside = || {
            let network = Some(LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(self.file.as_fd(), network)?;
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join())
            .map_err(|_| format!("work in {} has panicked", self.name))?
            .map_err(|error| format!("in the namespace {}: {error}", self.name))
    }

    /// The words that start a program inside.
    #[must_use]
    pub fn command(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// Commands of `ip`, one on each line.
    ///
    /// # Errors
    /// What the system says.
    pub fn ip(&self, lines: &str) -> Result<(), String> {
        run(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), lines)
    }

    /// Rules of nftables.
    ///
    /// # Errors
    /// What the system says.
    pub fn nft(&self, rules: &str) -> Result<(), String> {
        let [ip, words @ ..] = self.command();
        run(Command::new(ip).args(words).args(["nft", "-f", "-"]), rules)
    }

    /// Sets what a file below `/proc/sys/net` tells.
    ///
    /// # Errors
    /// What the system says.
    pub fn set(&self, key: &str, value: &str) -> Result<(), String> {
        let path = Path::new("/proc/sys/net").join(key);
        self.enter(|| std::fs::write(path, value))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Runs a command that has nothing to say unless it fails.
fn run(command: &mut Command, input: &str) -> Result<(), String> {
    let failed = |what: &dyn std::fmt::Display| Err(format!("{command:?}: {what}\n{input}"));
    let started = Command::new(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return failed(&error),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not listen says why on stderr.
        let _ = stdin.write_all(input.as_bytes());
    }
    match child.wait_with_output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => failed(&String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => failed(&error),
    }
}

/// Ends the processes in a namespace, and removes it.
fn remove(name: &str) {
    let inside = Command::new("ip").args(["netns", "pids", name]).output();
    let inside = inside.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    for pid in inside.unwrap_or_default().lines().filter_map(|line| line.trim().parse().ok()) {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
    let _ = Command::new("ip").args(["netns", "delete", name]).stderr(Stdio::null()).status();
}

/// Whether this machine lets us make them, and has these programs, each of a Debian package.
///
/// # Errors
/// Why not.
pub fn possible(programs: &[(&str, &str)]) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("it takes root".into());
    }
    for (program, package) in [("ip", "iproute2")].iter().chain(programs) {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err(format!(
                "{program} is missing; install it with: apt-get install {package}"
            ));
        }
    }
    Namespace::add("possible").map(|_| ())
}

/// Removes what labs have left that were killed, or were told to keep it.
pub fn remove_orphans() {
    let Ok(names) = std::fs::read_dir(NAMES) else { return };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
        let pid = pid.and_then(|(pid, _)| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            remove(&name);
        }
    }
}
