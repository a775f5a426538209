//! Which protocol a datagram belongs to: its first octet decides.
//!
//! RFC 7983 §7 as updated by RFC 9443 §3; RFC 5761 §4 tells RTCP from RTP by the second octet.
//!
//! ```text
//!              +----------------+
//!              |        [0..3] -+--> STUN          to ICE
//!              |      [16..19] -+--> ZRTP          dropped
//!              |      [20..63] -+--> DTLS          to DTLS
//! datagram --> |      [64..79] -+--> TURN channel  dropped: no relay allocated
//!              |     [80..127] -+--> QUIC          dropped
//!              |    [128..191] -+--> RTP / RTCP    to SRTP
//!              |    [192..255] -+--> QUIC          dropped
//!              |     otherwise -+--> nothing       dropped
//!              +----------------+
//! ```
//!
//! Invariant: the table is total, and the same for every state of the connection.
//! Book: the chapter on the pump.

/// What a datagram is, by its first octet (RFC 7983 §7) and, for RTCP, its second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 8489.
    Stun,
    /// RFC 6347; DTLS 1.3's unified header (RFC 9147 §4) lies in the range, too.
    Dtls,
    /// RFC 3550.
    Rtp,
    /// RFC 3550 §6: packet types 192 to 223 (RFC 5761 §4). An RTP packet with the marker bit and
    /// payload type 64 to 95 would look the same, so those types are forbidden there.
    Rtcp,
    /// Nothing a WebRTC endpoint takes.
    Unknown,
}

impl Protocol {
    // ANCHOR: classify
    /// The protocol of a datagram.
    #[must_use]
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, ..] => Self::Rtp,
            _ => Self::Unknown,
        }
    }
    // ANCHOR_END: classify
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_07_the_table_of_rfc_7983_and_9443_for_all_first_octets() {
        for first in 0..=u8::MAX {
            let expected = match first {
                0..=3 => Protocol::Stun,
                4..=15 => Protocol::Unknown,
                16..=19 => Protocol::Unknown, // ZRTP
                20..=63 => Protocol::Dtls,
                64..=79 => Protocol::Unknown,  // TURN channel
                80..=127 => Protocol::Unknown, // QUIC
                128..=191 => Protocol::Rtp,
                192..=255 => Protocol::Unknown, // QUIC
            };
            assert_eq!(Protocol::of(&[first]), expected, "{first}");
            assert_eq!(Protocol::of(&[first, 0, 0, 0]), expected, "{first}");
        }
    }

    #[test]
    fn row_08_rtcp_is_packet_types_192_to_223_only() {
        for second in 0..=u8::MAX {
            let is_rtcp = (192..=223).contains(&second);
            let expected = if is_rtcp { Protocol::Rtcp } else { Protocol::Rtp };
            assert_eq!(Protocol::of(&[0x80, second]), expected, "{second}");
        }
        // A marker bit with payload type 63 or 96 is RTP, with 64 to 95 it would be RTCP.
        assert_eq!(Protocol::of(&[0x80, 0x80 | 63]), Protocol::Rtp);
        assert_eq!(Protocol::of(&[0x80, 0x80 | 64]), Protocol::Rtcp);
        assert_eq!(Protocol::of(&[0x80, 0x80 | 96]), Protocol::Rtp);
    }

    #[test]
    fn row_06_empty_is_nothing() {
        assert_eq!(Protocol::of(&[]), Protocol::Unknown);
    }
}
