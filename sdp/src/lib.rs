//! SDP, the Session Description Protocol (RFC 8866), as WebRTC uses it.
//!
//! An offer or an answer is a few dozen lines of text, `<letter>=<value>`: first the session, then
//! one section per `m=` line. This crate reads such a text into a [`Session`] without losing
//! anything, prints it again, and gives typed views of what the layers of WebRTC need from it.
//!
//! ```text
//!   Session::parse ──► Session { origin, name, lines, media: [Media { …, lines }] } ──► to_string
//!                         │
//!                         └─ views, one file per RFC, each reads the lines:
//!                            bundle (9143, 5888)   ice (8839, 8840)   dtls (8122, 8842)
//!                            sctp (8841)           media (8866 §6.7, 5761)
//!                            codec (8866, 4585)    extension (8285)
//!                            stream (8830, 5576)   simulcast (8851, 8853)
//! ```
//!
//! - The model is the lines, in order. A line or an attribute nobody here knows is kept; what a
//!   peer answers is *built* from the views, so an unknown attribute can never be echoed.
//! - The attributes the transport needs are checked when they are parsed, so that a bad value is one
//!   [`Error`] with its line and its reason. A bad line about media costs what it is about, and not
//!   the description. The views themselves cannot fail.
//! - LF is tolerated as the end of a line, CRLF is written (RFC 8866 §5).
//! - Bounded: [`MAX_OCTETS`], [`MAX_LINES`], [`MAX_LINE_OCTETS`], [`MAX_MEDIA`]. The lines of a
//!   section are one string, so memory stays in proportion to the text.
//!
//! ```
//! let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
//!              m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
//!              a=mid:data\r\na=setup:actpass\r\na=x-new:thing\r\n";
//! let session = sdp::Session::parse(offer)?;
//! let section = session.sections().next().ok_or("no m= line")?;
//! assert_eq!(section.mid(), Some("data"));
//! assert_eq!(section.setup(), Some(sdp::Setup::ActPass));
//! assert_eq!(session.to_string(), offer);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Book: the chapter on SDP.

mod attribute;
mod error;
mod fragment;
mod line;
mod media;
mod origin;
mod session;
pub mod views;

pub use attribute::Attribute;
pub use error::{Error, Reason};
pub use fragment::Fragment;
pub use line::{Line, Lines, MAX_LINE_OCTETS, MAX_LINES, MAX_OCTETS};
pub use media::{MAX_MEDIA, Media};
pub use origin::Origin;
pub use session::Session;
pub use views::bundle::Group;
pub use views::codec::{FormatParameters, RtcpFeedback, RtpMap};
pub use views::dtls::Setup;
pub use views::extension::ExtensionMap;
pub use views::media::Direction;
pub use views::sctp::MaxMessageSize;
pub use views::section::Section;
pub use views::simulcast::{RidDirection, RidLine, Simulcast, SimulcastStream};
pub use views::stream::{MediaStreamId, SourceAttribute, SourceGroup};
