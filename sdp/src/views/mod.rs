//! Typed views of what WebRTC's layers need from a description, one file per group of RFCs.
//!
//! Each file has the grammar of its attributes, which the parser applies to every description, and
//! the methods that read them. A view of a parsed description cannot fail; in a description built by
//! hand, a value that breaks its grammar reads as absent.
//! Book: the chapter on SDP.

pub mod bundle;
pub mod dtls;
pub mod ice;
pub mod media;
pub mod sctp;
pub mod section;
