//! Programs that a test starts, and ends whatever happens.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A process, ended when dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run tests/run")))
    }

    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        line
    }

    /// Asks it to end, as Ctrl-C does, and waits for that.
    pub(crate) fn interrupt(mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.0.wait().unwrap()
    }

    /// Waits for its end, not for ever.
    pub(crate) fn ends_within(mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "{:?} is still running after {limit:?}", self.0);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// `target/`, where this test program lies in `target/PROFILE/deps/`.
pub(crate) fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_path_buf()
}

/// The `peer` program of this build.
pub(crate) fn peer() -> Command {
    let profile = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_path_buf();
    let binary = profile.join("peer");
    assert!(binary.is_file(), "{} is missing; run: cargo build -p peer", binary.display());
    Command::new(binary)
}

/// A serving peer on a free port, and its address.
pub(crate) fn serving_peer(flags: &[&str]) -> (Running, String) {
    let mut command = peer();
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags).stdout(Stdio::piped());
    let mut serving = Running::start(&mut command);
    let line = serving.first_line();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let url = url.trim_end_matches('/').to_owned();
    (serving, url)
}
