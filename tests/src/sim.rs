//! The simulator: two endpoints ([`Pair`]) or several hosts, servers and NATs ([`Network`]), one
//! virtual clock, seeded links between them.
//!
//! ```text
//!   left ──poll_transmit──► nat ──► link ──handle_datagram──► right
//!   left ◄─handle_datagram─ nat ◄── link ◄──poll_transmit──── right
//!                  clock: jumps to the next arrival or timer
//! ```
//!
//! Nothing sleeps and nothing is random but the seed, so a failure is one line to repeat: [`seeds`]
//! prints it. (Keys made by the system's generator are the exception: lengths of signatures and what
//! a flipped bit hits may differ from run to run, the fate of the n-th datagram does not.)
//! Book: "Testing".

mod link;
mod log;
mod nat;
mod network;
mod pair;
mod side;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use link::Link;
pub use nat::Nat;
pub use network::{INTERNET, Network, Node, Place, Server};
pub use pair::Pair;
pub use side::Side;

/// Runs `scenario` with the seeds 0 to `count`; when one fails, prints the line that repeats it.
///
/// `SIM_SEED=7` runs only that seed, `SIM_SEEDS=1000` runs that many.
///
/// # Panics
/// As `scenario` does.
pub fn seeds(count: u64, mut scenario: impl FnMut(u64)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let range = match number("SIM_SEED") {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..number("SIM_SEEDS").unwrap_or(count),
    };
    for seed in range {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("");
            eprintln!("repeat: SIM_SEED={seed} cargo test -p tests --test scenarios {test}");
            resume_unwind(panic);
        }
    }
}
