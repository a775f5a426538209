//! Our layers against other implementations of the same RFCs, over real loopback sockets.
//!
//! Each counterpart is a program of the machine, started and ended by its test; a test whose
//! program is not installed fails with a sentence that says so.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)] // a test that cannot go on should say where

mod aiortc;
mod coturn;
mod files;
mod gstreamer;
mod openssl;
mod process;
mod srtp;
