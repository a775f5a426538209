//! Builds and checks the book.
fn main() {}
