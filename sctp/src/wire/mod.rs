//! The octets of SCTP and of the data channel protocol: codecs without clock, state or policy.
//!
//! One chunk, one file, named in the RFC's word; `parse` stands above `write` under the figure.
//! [`Packet::parse`] checks the checksum and the framing of all chunks before it answers, so a
//! packet is understood whole or not at all. [`PacketWriter`] fills one buffer per packet.
//! Payloads are slices of the packet ([`bytes::Bytes`]), never copies. Unknown chunk, parameter
//! and cause types survive a round trip; what to do about them is the association's decision.
//!
//! Book: the chapters on octets and on the association.

mod abort;
mod cause;
mod chunk;
mod cookie_ack;
mod cookie_echo;
mod data;
mod dcep;
mod field;
mod forward_tsn;
mod heartbeat;
mod heartbeat_ack;
mod identifier;
mod init;
mod init_ack;
mod operation_error;
mod packet;
mod parameter;
mod re_config;
mod sack;
mod serial;
mod shutdown;
mod shutdown_ack;
mod shutdown_complete;
#[cfg(test)]
mod testing;
mod unknown;

pub use abort::Abort;
pub use cause::{Cause, CauseCode};
pub use chunk::{Body, Chunk, ChunkType, OnUnknown};
pub use cookie_ack::CookieAck;
pub use cookie_echo::CookieEcho;
pub use data::Data;
pub use dcep::{Ack, ChannelType, DcepMessage, MessageType, Open, Priority};
pub use field::ParseError;
pub use forward_tsn::{ForwardTsn, SkippedStream};
pub use heartbeat::Heartbeat;
pub use heartbeat_ack::HeartbeatAck;
pub use identifier::{Port, Ppid, StreamId, VerificationTag};
pub use init::Init;
pub use init_ack::InitAck;
pub use operation_error::OperationError;
pub use packet::{CommonHeader, Packet, PacketWriter};
pub use parameter::{Parameter, ParameterType};
pub use re_config::{NextTsns, ReConfig, ReConfigParameter, ReConfigResult};
pub use sack::{GapBlock, Sack};
pub use serial::{RequestNumber, Ssn, Tsn};
pub use shutdown::Shutdown;
pub use shutdown_ack::ShutdownAck;
pub use shutdown_complete::ShutdownComplete;
pub use unknown::UnknownChunk;
