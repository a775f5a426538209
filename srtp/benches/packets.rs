//! How many packets of 1,200 octets a second one core parses, protects and opens, beside libsrtp2.
//!
//! `cargo bench -p srtp` (in a busy house: several times, the best counts). libsrtp2's numbers come
//! from `tests/interop/libsrtp.c`, compiled here and run right after ours, profile by profile; without
//! a C compiler or libsrtp2 (Debian: `apt-get install libsrtp2-dev`) its columns stay empty.
//!
//! Both sides work alike: rounds of 512 packets, each protected and then opened in place; the fastest
//! round counts.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark that fails panics"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use srtp::{Inbound, MasterKey, Outbound, Profile, rtp};

/// Octets of a packet before it is protected.
const LENGTH: usize = 1_200;
/// Packets of a round.
const BATCH: usize = 512;
const ROUNDS: usize = 200;

/// Packets a second, as many as in the fastest round.
fn rate(fastest: Duration) -> f64 {
    BATCH as f64 / fastest.as_secs_f64()
}

fn main() {
    println!("packets of {LENGTH} octets, millions a second on one core\n");
    println!("{:<34}{:>9}{:>11}{:>8}", "", "here", "libsrtp2", "ratio");
    println!("{:<34}{:>9.2}", "parse", parse() / 1e6);
    let libsrtp = Libsrtp::compile();
    for profile in Profile::ALL {
        let key: Vec<u8> = (0..48).collect();
        let (key, rest) = key.split_at(profile.key_length());
        let salt = &rest[..profile.salt_length()];
        let ours = measure(&MasterKey::new(profile, key, salt).unwrap());
        let theirs = libsrtp.as_ref().and_then(|program| program.measure(profile, key, salt));
        for (index, verb) in ["protect", "unprotect"].into_iter().enumerate() {
            let (here, there) = (ours[index] / 1e6, theirs.map(|theirs| theirs[index] / 1e6));
            let name = profile.name().trim_start_matches("SRTP_");
            print!("{:<34}{here:>9.2}", format!("{verb:<10}{name}"));
            match there {
                Some(there) => println!("{there:>11.2}{:>8.1}", here / there),
                None => println!("{:>11}{:>8}", "-", "-"),
            }
        }
    }
}

/// A packet as video has them: three header extensions.
fn packet(sequence_number: u16) -> BytesMut {
    let mut packet = BytesMut::with_capacity(LENGTH + 32);
    packet.extend_from_slice(&[0x90, 96]);
    packet.extend_from_slice(&sequence_number.to_be_bytes());
    packet.extend_from_slice(&[1, 2, 3, 4, 0, 0, 0, 1]);
    packet.extend_from_slice(&[0xbe, 0xde, 0, 3, 0x10, b'0', 0x22, 1, 2, 3, 0x31, 7, 7, 0, 0, 0]);
    packet.resize(LENGTH, 0xa5);
    packet
}

fn parse() -> f64 {
    let packets: Vec<_> = (0..BATCH).map(|_| packet(1).freeze()).collect();
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for packet in &packets {
            black_box(rtp::Packet::parse(black_box(packet)).unwrap());
        }
        fastest = fastest.min(start.elapsed());
    }
    rate(fastest)
}

/// Protect, unprotect.
fn measure(key: &MasterKey) -> [f64; 2] {
    let (mut outbound, mut inbound) = (Outbound::new(key), Inbound::new(key));
    let mut packets: Vec<_> = (0..BATCH).map(|_| packet(0)).collect();
    let mut fastest = [Duration::MAX; 2];
    let mut sequence_number = 0_u16;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for packet in &mut packets {
            packet[2..4].copy_from_slice(&sequence_number.to_be_bytes());
            sequence_number = sequence_number.wrapping_add(1);
            outbound.protect_rtp(packet).unwrap();
        }
        let middle = Instant::now();
        for packet in &mut packets {
            inbound.unprotect_rtp(packet).unwrap();
        }
        fastest[0] = fastest[0].min(middle - start);
        fastest[1] = fastest[1].min(middle.elapsed());
    }
    assert_eq!(packets[0][4..], packet(0)[4..]);
    fastest.map(rate)
}

/// The C program.
struct Libsrtp(PathBuf);

impl Libsrtp {
    fn compile() -> Option<Self> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/libsrtp.c");
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("libsrtp");
        let compiler = Command::new("cc")
            .args(["-O2", "-o"])
            .arg(&program)
            .args([source, "-lsrtp2"])
            .output()
            .ok()?;
        compiler.status.success().then_some(Self(program))
    }

    fn measure(&self, profile: Profile, key: &[u8], salt: &[u8]) -> Option<[f64; 2]> {
        let mut digits = String::new();
        for octet in key.iter().chain(salt) {
            write!(digits, "{octet:02x}").unwrap();
        }
        let arguments = [profile.id().to_string(), digits, LENGTH.to_string()];
        let output = Command::new(&self.0).args(arguments).output().ok()?;
        let rates = String::from_utf8(output.stdout).ok()?;
        let mut rates = rates.split_whitespace().map(str::parse);
        Some([rates.next()?.ok()?, rates.next()?.ok()?])
    }
}
