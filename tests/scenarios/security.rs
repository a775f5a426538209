//! The security checklist against whole connections: each test is named after its row.
//!
//! ```text
//!   strangers      no credentials: from another address, or from the peer's own
//!   checks         who knows the ICE credentials and uses them badly
//!   records        DTLS records at every phase, and from a peer that is authenticated
//!   association    an authenticated peer that writes its own SCTP packets
//!   channels       … and its own DCEP
//!   media          RTP and RTCP, forged or lying
//!   feedback       … and feedback that asks for too much
//!   cost           what one datagram may cost
//!   memory         what a peer may make us hold; media_memory: by media
//!   descriptions   SDP and secrets
//!   running        the driver with real sockets on loopback
//! ```
//!
//! The hostile peer is [`rogue::Rogue`]: honest ICE and DTLS, and SCTP by hand. In a
//! [`talk::Talk`] it has the keys of media, too.

mod association;
mod channels;
mod checks;
mod cost;
mod descriptions;
mod feedback;
mod media;
mod media_memory;
mod memory;
mod records;
mod rogue;
mod running;
mod strangers;
mod talk;
