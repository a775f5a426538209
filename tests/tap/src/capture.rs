//! Reads the captures of `tests/fixtures/pcap`: classic pcap files, UDP over IPv4 or IPv6 on Ethernet,
//! or bare SCTP packets (link type 248).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// One captured datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Time since the first datagram of the capture.
    pub time: Duration,
    /// Sender; unspecified in captures of bare SCTP packets.
    pub source: SocketAddr,
    /// Receiver; unspecified in captures of bare SCTP packets.
    pub destination: SocketAddr,
    /// The UDP payload, or the whole SCTP packet.
    pub payload: Vec<u8>,
}

const LINK_ETHERNET: u32 = 1;
const LINK_SCTP: u32 = 248;

/// Reads every datagram of the pcap file at `path`.
///
/// # Errors
/// A sentence that names the file, when it cannot be read or is not such a capture.
pub fn read(path: &Path) -> Result<Vec<Datagram>, String> {
    let file = std::fs::read(path)
        .map_err(|error| format!("cannot read the capture {}: {error}", path.display()))?;
    parse(&file).ok_or_else(|| format!("{} is not a little-endian pcap capture", path.display()))
}

fn parse(file: &[u8]) -> Option<Vec<Datagram>> {
    let nanoseconds = match u32_at(file, 0)? {
        0xa1b2_c3d4 => false,
        0xa1b2_3c4d => true,
        _ => return None,
    };
    let link = u32_at(file, 20)?;
    let mut rest = file.get(24..)?;
    let mut first = None;
    let mut datagrams = Vec::new();
    while !rest.is_empty() {
        let seconds = Duration::from_secs(u32_at(rest, 0)?.into());
        let fraction = u32_at(rest, 4)?;
        let time = seconds
            + if nanoseconds {
                Duration::from_nanos(fraction.into())
            } else {
                Duration::from_micros(fraction.into())
            };
        let length = usize::try_from(u32_at(rest, 8)?).ok()?;
        let frame = rest.get(16..16 + length)?;
        rest = rest.get(16 + length..)?;
        let time = time - *first.get_or_insert(time);
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        match link {
            LINK_SCTP => datagrams.push(Datagram {
                time,
                source: unspecified,
                destination: unspecified,
                payload: frame.to_vec(),
            }),
            LINK_ETHERNET => datagrams.extend(udp(time, frame)),
            _ => return None,
        }
    }
    Some(datagrams)
}

/// The UDP datagram in an Ethernet frame, if it holds one.
fn udp(time: Duration, frame: &[u8]) -> Option<Datagram> {
    let packet = frame.get(14..)?;
    let (source, destination, segment): (IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 if *packet.get(9)? == 17 => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            let address = |at| Some(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?.into());
            (address(12)?, address(16)?, packet.get(header..)?)
        }
        6 if *packet.get(6)? == 17 => {
            let address = |at| Some(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?.into());
            (address(8)?, address(24)?, packet.get(40..)?)
        }
        _ => return None,
    };
    let port = |at| Some(u16::from_be_bytes(segment.get(at..at + 2)?.try_into().ok()?));
    let length = usize::from(port(4)?);
    Some(Datagram {
        time,
        source: (source, port(0)?).into(),
        destination: (destination, port(2)?).into(),
        payload: segment.get(8..length)?.to_vec(),
    })
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_capture_is_read_whole() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fixtures/pcap/firefox-chromium-dtls12-data.pcap");
        let datagrams = read(&path).unwrap();
        assert_eq!(datagrams.len(), 40);
        assert_eq!(datagrams[0].payload.len(), 100);
        assert_eq!(datagrams[0].source.port(), datagrams[1].destination.port());
    }

    #[test]
    fn a_cut_capture_is_refused() {
        assert_eq!(parse(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0]), None);
    }
}
