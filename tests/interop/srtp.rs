//! SRTP and SRTCP against libsrtp2, in both directions and every profile (RFC 3711, RFC 7714).
//!
//! ```text
//!   srtp::Outbound ── packets ──► libsrtp.c: srtp_unprotect ── packets ──► compared
//!   srtp::Inbound ◄── packets ─── libsrtp.c: srtp_protect ◄─── packets ─── random
//! ```
//!
//! libsrtp.c is compiled by the test and serves requests on its standard input and output.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use bytes::{BufMut, BytesMut};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use srtp::{Error, Inbound, MasterKey, Outbound, Profile};

// ---------------------------------------------------------------------------------------- libsrtp

/// The program's path, once it is compiled.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("libsrtp");
        let compiler = Command::new("cc")
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&program)
            .args([concat!(env!("CARGO_MANIFEST_DIR"), "/interop/libsrtp.c"), "-lsrtp2"])
            .output()
            .expect("these tests need a C compiler: apt-get install gcc libc6-dev");
        assert!(
            compiler.status.success(),
            "these tests need libsrtp2: apt-get install libsrtp2-dev\n{}",
            String::from_utf8_lossy(&compiler.stderr)
        );
        program
    })
}

/// libsrtp2 with one key for both directions; ended by its handle when dropped.
struct Libsrtp {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

/// What is asked of it, as libsrtp.c writes it.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Request {
    ProtectRtp = b'p',
    UnprotectRtp = b'u',
    ProtectRtcp = b'P',
    UnprotectRtcp = b'U',
}

/// Why libsrtp2 refused: `srtp_err_status_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refused(u8);

impl Refused {
    const AUTHENTICATION: Self = Self(7);
    const REPLAY: Self = Self(9);
}

impl Libsrtp {
    fn start(profile: Profile) -> Self {
        let (key, salt) = key(profile);
        let digits: String =
            [key, salt].concat().iter().map(|octet| format!("{octet:02x}")).collect();
        let mut child = Command::new(program())
            .args([profile.id().to_string(), digits])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    fn ask(&mut self, request: Request, packet: &[u8]) -> Result<BytesMut, Refused> {
        let [high, low] = u16::try_from(packet.len()).unwrap().to_be_bytes();
        self.stdin.write_all(&[&[request as u8, high, low], packet].concat()).unwrap();
        let mut head = [0; 3];
        self.stdout.read_exact(&mut head).expect("libsrtp.c ended");
        let mut answer = BytesMut::zeroed(usize::from(u16::from_be_bytes([head[1], head[2]])));
        self.stdout.read_exact(&mut answer).unwrap();
        if head[0] == 0 { Ok(answer) } else { Err(Refused(head[0])) }
    }
}

impl Drop for Libsrtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---------------------------------------------------------------------------------------- packets

fn key(profile: Profile) -> (Vec<u8>, Vec<u8>) {
    let mut rng = StdRng::seed_from_u64(profile.id().into());
    let mut octets = |length| {
        let mut octets = vec![0; length];
        rng.fill_bytes(&mut octets);
        octets
    };
    (octets(profile.key_length()), octets(profile.salt_length()))
}

fn ours(profile: Profile) -> (Outbound, Inbound) {
    let (key, salt) = key(profile);
    let key = MasterKey::new(profile, &key, &salt).unwrap();
    (Outbound::new(&key), Inbound::new(&key))
}

/// An RTP packet with some contributing sources, extensions of either form, and padding.
fn rtp(rng: &mut StdRng, ssrc: u32, sequence_number: u16) -> BytesMut {
    let (csrcs, extended, padded) = (rng.random_range(0..16_u8), rng.random(), rng.random());
    let mut packet = BytesMut::new();
    packet.put_u8(0x80 | u8::from(padded) << 5 | u8::from(extended) << 4 | csrcs);
    packet.put_u8(rng.random());
    packet.put_u16(sequence_number);
    packet.put_u32(rng.random());
    packet.put_u32(ssrc);
    (0..csrcs).for_each(|_| packet.put_u32(rng.random()));
    if extended {
        let words = rng.random_range(0..10);
        packet.put_u16(if rng.random() { 0xbede } else { 0x1000 });
        packet.put_u16(words);
        (0..words).for_each(|_| packet.put_u32(rng.random()));
    }
    let payload = packet.len();
    packet.resize(payload + rng.random_range(0..1_300), 0);
    rng.fill_bytes(&mut packet[payload..]);
    if padded {
        let count = rng.random_range(1..=20);
        (1..count).for_each(|_| packet.put_u8(0));
        packet.put_u8(count);
    }
    packet
}

/// A compound RTCP packet: a receiver report and, as far as encryption cares, anything.
fn rtcp(rng: &mut StdRng, ssrc: u32) -> BytesMut {
    let mut packet = BytesMut::from([0x80, 201, 0, 1].as_slice());
    packet.put_u32(ssrc);
    (0..rng.random_range(0..100)).for_each(|_| packet.put_u32(rng.random()));
    packet
}

/// Three sources' packets in the order of sending. The first wraps twice, the others go gently.
fn rtp_session(rng: &mut StdRng) -> Vec<BytesMut> {
    let mut sequence_numbers = [32_000_u16, 7, 30_000];
    let mut packets = Vec::new();
    for _ in 0..2_400 {
        let source = rng.random_range(0..3_usize);
        packets.push(rtp(rng, 1 + u32::try_from(source).unwrap(), sequence_numbers[source]));
        // Gaps, as loss before encryption would leave them.
        let gap = rng.random_range(if source == 0 { 100..190 } else { 1..5 });
        sequence_numbers[source] = sequence_numbers[source].wrapping_add(gap);
    }
    packets
}

/// Disorder, by less than 1,024 sequence numbers.
fn disordered<T: Clone>(rng: &mut StdRng, items: &[T]) -> Vec<T> {
    let mut items = items.to_vec();
    items.chunks_mut(6).for_each(|some| some.shuffle(rng));
    items
}

// ------------------------------------------------------------------------------------------ tests

#[test]
fn libsrtp_opens_our_rtp() {
    for profile in Profile::ALL {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut outbound, _) = ours(profile);
        let mut libsrtp = Libsrtp::start(profile);
        let sent: Vec<_> = rtp_session(&mut rng)
            .into_iter()
            .map(|packet| {
                let mut sealed = packet.clone();
                outbound.protect_rtp(&mut sealed).unwrap();
                (packet, sealed)
            })
            .collect();
        for (packet, sealed) in disordered(&mut rng, &sent) {
            assert_eq!(libsrtp.ask(Request::UnprotectRtp, &sealed), Ok(packet), "{profile}");
        }
    }
}

#[test]
fn we_open_the_rtp_of_libsrtp() {
    for profile in Profile::ALL {
        let mut rng = StdRng::seed_from_u64(2);
        let (_, mut inbound) = ours(profile);
        let mut libsrtp = Libsrtp::start(profile);
        let sent: Vec<_> = rtp_session(&mut rng)
            .into_iter()
            .map(|packet| {
                let sealed = libsrtp.ask(Request::ProtectRtp, &packet).unwrap();
                (packet, sealed)
            })
            .collect();
        for (packet, mut sealed) in disordered(&mut rng, &sent) {
            inbound.unprotect_rtp(&mut sealed).unwrap();
            assert_eq!(sealed, packet, "{profile}");
        }
    }
}

#[test]
fn both_write_the_same_octets() {
    for profile in Profile::ALL {
        let mut rng = StdRng::seed_from_u64(3);
        let (mut outbound, _) = ours(profile);
        let mut libsrtp = Libsrtp::start(profile);
        for mut packet in rtp_session(&mut rng) {
            let theirs = libsrtp.ask(Request::ProtectRtp, &packet).unwrap();
            outbound.protect_rtp(&mut packet).unwrap();
            assert_eq!(packet, theirs, "{profile}");
        }
    }
}

#[test]
fn rtcp_in_both_directions() {
    for profile in Profile::ALL {
        let mut rng = StdRng::seed_from_u64(4);
        let (mut outbound, mut inbound) = ours(profile);
        let mut libsrtp = Libsrtp::start(profile);
        let (mut from_us, mut from_them) = (Vec::new(), Vec::new());
        for _ in 0..500 {
            let ssrc = rng.random_range(1..4);
            let packet = rtcp(&mut rng, ssrc);
            let mut sealed = packet.clone();
            outbound.protect_rtcp(&mut sealed).unwrap();
            from_us.push((packet.clone(), sealed));
            let sealed = libsrtp.ask(Request::ProtectRtcp, &packet).unwrap();
            from_them.push((packet, sealed));
        }
        for (packet, sealed) in disordered(&mut rng, &from_us) {
            assert_eq!(libsrtp.ask(Request::UnprotectRtcp, &sealed), Ok(packet), "{profile}");
        }
        for (packet, mut sealed) in disordered(&mut rng, &from_them) {
            inbound.unprotect_rtcp(&mut sealed).unwrap();
            assert_eq!(sealed, packet, "{profile}");
        }
    }
}

#[test]
fn both_refuse_what_is_damaged_or_replayed() {
    for profile in Profile::ALL {
        let mut rng = StdRng::seed_from_u64(5);
        let (mut outbound, mut inbound) = ours(profile);
        let mut libsrtp = Libsrtp::start(profile);
        for seq in 0..200 {
            let mut sealed = rtp(&mut rng, 1, seq);
            let payload = sealed.clone();
            outbound.protect_rtp(&mut sealed).unwrap();
            let mut damaged = sealed.clone();
            // Behind the fixed header, of which a change may be taken for a replay or a lie.
            let at = rng.random_range(payload.len()..sealed.len());
            damaged[at] ^= 1 << rng.random_range(0..8);
            assert_eq!(libsrtp.ask(Request::UnprotectRtp, &damaged), Err(Refused::AUTHENTICATION));
            assert_eq!(inbound.unprotect_rtp(&mut damaged), Err(Error::Unauthentic));

            assert_eq!(libsrtp.ask(Request::UnprotectRtp, &sealed), Ok(payload));
            assert_eq!(inbound.unprotect_rtp(&mut sealed.clone()), Ok(()));
            assert_eq!(libsrtp.ask(Request::UnprotectRtp, &sealed), Err(Refused::REPLAY));
            assert_eq!(inbound.unprotect_rtp(&mut sealed), Err(Error::Replayed));
        }
    }
}
