//! (being written)

pub mod flight;
pub mod reassembly;
pub mod replay;
pub mod wire;
