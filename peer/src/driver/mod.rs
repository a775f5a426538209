//! The driver: where the sans-IO [`Connection`](crate::Connection) meets tokio, a socket and the
//! clock.
//!
//! ```text
//!                 one per endpoint               one per connection
//!  network ► Socket ► receive task ► Router ═lane═► Task (owns Connection) ◄═lines═► handles
//!  network ◄ Socket ◄──────────── bursts ◄──────────┘  ▲ │
//!                                                 news │ ▼ packets from relayed addresses
//!  servers ◄► Socket, streams ◄► Router ═lane═► gathering: Task (owns Gatherer), one per set of servers
//! ```
//!
//! [`Endpoint`] is all that an application sees. Nothing here knows a protocol: the
//! router reads one attribute of STUN to find the connection, and that is all.
//!
//! Invariants: a connection is owned by its task and by nothing else; no lock is held across an
//! `await`; what strangers send leaves no state behind; every queue is bounded.
//!
//! Book: "The pump".

mod alarm;
mod burst;
mod channels;
mod endpoint;
mod framing;
mod gathering;
mod hosts;
mod interfaces;
mod lane;
mod media;
mod names;
mod router;
mod socket;
mod task;
mod tcp;

pub use endpoint::{Endpoint, EndpointOptions};
pub(crate) use task::{Request, Task};
