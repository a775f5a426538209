//! How many packets a second: parse, protect, unprotect.
#![allow(missing_docs, reason = "a benchmark")]

fn main() {
    divan::main();
}
