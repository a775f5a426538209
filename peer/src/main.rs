//! `peer`: a WebRTC peer for the terminal. `peer --help` explains it.

mod program;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::program::cli::{Cli, Command};
use crate::program::failure::{Explain, Failure};
use crate::program::{call, nat, serve, turn_server};

fn main() -> ExitCode {
    match run(Cli::parse().into_command()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without stderr there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "peer: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(command.log()).explain(|| "--log".into())?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Runtime::new().explain(|| "cannot start".into())?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve(arguments) => serve::serve(arguments).await,
            Command::Call(arguments) => call::call(arguments).await,
            Command::Nat(arguments) => nat::nat(arguments).await,
            Command::TurnServer(arguments) => turn_server::serve(arguments).await,
        }
    });
    // A thread may still wait for a line on stdin, which need not come.
    runtime.shutdown_background();
    outcome
}
