//! Typed views of what WebRTC's layers need from a description, one file per group of RFCs.
//!
//! Each file has the grammar of its attributes and the methods that read them. What the transport
//! needs is checked when a description is parsed. A view cannot fail: a value that breaks its grammar,
//! in a description built by hand or in a line about media, reads as absent.
//! Book: the chapter on SDP.

pub mod bundle;
pub mod codec;
pub mod dtls;
pub mod extension;
pub mod ice;
pub mod media;
pub mod sctp;
pub mod section;
pub mod simulcast;
pub mod stream;
