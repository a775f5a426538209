//! A peer that is who it says it is, and hostile: ICE and DTLS as they should be, SCTP and media by
//! hand.

use std::collections::VecDeque;
use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use dtls::{Authenticated, HashAlgorithm};
use ice::{Agent, Candidate, Credentials};
use peer::{Config, Connection, ConnectionState, SessionDescription};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sctp::wire::{
    Body, ChannelType, Chunk, ChunkType, CommonHeader, CookieAck, Data, DcepMessage, Init, InitAck,
    Open, Packet, PacketWriter, Parameter, Port, Ppid, Priority, Sack, Ssn, StreamId, Tsn,
    VerificationTag,
};
use tests::sim::{Link, Pair};
use tests::{Datagram, Endpoint};

use crate::peer::{Echo, LEFT, RIGHT, address, config};

/// The rogue's tag and first TSN.
pub(super) const TAG: VerificationTag = VerificationTag(0x5eed_cafe);
pub(super) const TSN: Tsn = Tsn(u32::MAX - 2);

/// The largest SCTP packet that a DTLS record carries (RFC 6347 §4.1.1).
pub(super) const MAX_PACKET: usize = 1 << 14;

/// Datagrams remembered, to be abused.
const MAX_OVERHEARD: usize = 24;

/// The hostile peer. It answers what an association must answer to live, and keeps everything else
/// for the test to look at.
pub(super) struct Rogue {
    pub(super) agent: Agent,
    pub(super) dtls: dtls::Connection,
    pub(super) proof: Option<Authenticated>,
    /// Whether it answers and sends checks.
    pub(super) answers_checks: bool,
    /// Whether it takes part in DTLS.
    pub(super) speaks_dtls: bool,
    /// Whether it acknowledges DATA.
    pub(super) acknowledges: bool,
    /// The window it tells.
    pub(super) window: u32,
    /// The other side's tag, once its INIT has come.
    pub(super) tag: VerificationTag,
    /// What the association at the other end said, but for INIT and COOKIE ECHO.
    pub(super) heard: Vec<Chunk>,
    /// SCTP packets that came.
    pub(super) packets: usize,
    /// The last datagrams in both directions.
    pub(super) overheard: VecDeque<Bytes>,
    /// Media that came, as it came.
    pub(super) media: Vec<Bytes>,
    cumulative: Tsn,
    next_tsn: Tsn,
    local: SocketAddr,
    remote: SocketAddr,
    outbox: VecDeque<Datagram>,
}

/// An offer as the rogue writes it.
pub(super) fn offer(credentials: &Credentials, fingerprint: &str, setup: &str) -> String {
    let Credentials { ufrag, pwd } = credentials;
    format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=fingerprint:{fingerprint}\r\n\
         a=setup:{setup}\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"
    )
}

impl Rogue {
    /// A rogue in a call with `victim`, which has answered its offer. `role` is the rogue's, and
    /// `media` are sections behind that of data, 1 and so on, which the victim sends in, too.
    pub(super) fn call(
        now: Instant,
        seed: u64,
        role: dtls::Role,
        [local, remote]: [SocketAddr; 2],
        victim: &mut Connection,
        media: &[&str],
    ) -> Self {
        let mut rogue = Self::alone(now, seed, role, [local, remote]);
        let setup = if role == dtls::Role::Client { "active" } else { "passive" };
        victim.set_remote_description(now, rogue.offer(setup, media)).unwrap();
        let transceivers: Vec<_> = victim.transceivers().map(|info| info.id).collect();
        for id in transceivers {
            victim.set_direction(now, id, peer::Direction::SendRecv).unwrap();
        }
        let answer = victim.create_answer(now).unwrap();
        victim.set_local_description(now, answer).unwrap();
        rogue.take_answer(now, role, &victim.local_description().unwrap().sdp);
        rogue
    }

    /// The rogue's offer, with its first candidate.
    pub(super) fn offer(&self, setup: &str, media: &[&str]) -> SessionDescription {
        let fingerprint = config(0).certificate.unwrap().fingerprint(HashAlgorithm::Sha256);
        let credentials = self.agent.local_credentials();
        let candidate = self.agent.local_candidates().next().unwrap();
        let data = offer(credentials, &fingerprint.to_string(), setup);
        let mut sdp = format!("{data}a={candidate}\r\n");
        let mut bundle = "BUNDLE 0".to_owned();
        // What belongs to the transport is that of the first section.
        let transport = ["a=ice-", "a=fingerprint:", "a=setup:"];
        let is_transport = |line: &&str| transport.iter().any(|name| line.starts_with(name));
        let transport: String = data.split_inclusive("\r\n").filter(is_transport).collect();
        for (index, section) in media.iter().enumerate() {
            let mid = index + 1;
            bundle += &format!(" {mid}");
            sdp += &format!("{section}a=mid:{mid}\r\n{transport}");
        }
        SessionDescription::offer(sdp.replace("BUNDLE 0", &bundle))
    }

    /// A rogue that has called nobody.
    pub(super) fn alone(
        now: Instant,
        seed: u64,
        role: dtls::Role,
        [local, remote]: [SocketAddr; 2],
    ) -> Self {
        let rng = StdRng::seed_from_u64(1000 + seed);
        let mut agent = Agent::new(ice::Config::new(ice::Role::Controlling), rng);
        agent.add_local_candidate(now, local).unwrap();
        let placeholder = dtls::Config::new(role, config(0).certificate.unwrap(), Vec::new());
        Self {
            agent,
            dtls: dtls::Connection::new(now, placeholder, StdRng::seed_from_u64(seed)),
            proof: None,
            answers_checks: true,
            speaks_dtls: true,
            acknowledges: true,
            window: 1 << 20,
            tag: VerificationTag::NONE,
            heard: Vec::new(),
            packets: 0,
            overheard: VecDeque::new(),
            media: Vec::new(),
            cumulative: Tsn(0),
            next_tsn: TSN,
            local,
            remote,
            outbox: VecDeque::new(),
        }
    }

    /// The victim's answer: now ICE and DTLS can begin.
    pub(super) fn take_answer(&mut self, now: Instant, role: dtls::Role, answer: &str) {
        let value = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.expect("an answer has it").to_owned()
        };
        let credentials = Credentials { ufrag: value("a=ice-ufrag:"), pwd: value("a=ice-pwd:") };
        self.agent.set_remote_credentials(now, credentials).unwrap();
        for line in answer.lines().filter(|line| line.starts_with("a=candidate:")) {
            let _ = self.agent.add_remote_candidate(now, Candidate::parse(line).unwrap());
        }
        let fingerprints = vec![value("a=fingerprint:").parse().unwrap()];
        let config = dtls::Config::new(role, config(0).certificate.unwrap(), fingerprints);
        self.dtls = dtls::Connection::new(now, config, StdRng::seed_from_u64(77));
    }

    /// Whether the association is up.
    pub(super) fn is_established(&self) -> bool {
        self.cumulative != Tsn(0)
    }

    /// One SCTP packet with these chunks, with the right tag.
    pub(super) fn say(&mut self, now: Instant, chunks: &[&dyn Body]) {
        self.say_packet(now, &packet(self.tag, chunks));
    }

    /// Octets where an SCTP packet should be.
    pub(super) fn say_packet(&mut self, now: Instant, packet: &[u8]) {
        self.dtls.send(now, packet).unwrap();
        self.flush(now);
    }

    /// The datagram that would carry this packet, without sending it.
    pub(super) fn seal(&mut self, now: Instant, packet: &[u8]) -> Bytes {
        self.dtls.send(now, packet).unwrap();
        self.dtls.poll_transmit(now).unwrap()
    }

    /// A datagram as it is.
    pub(super) fn say_raw(&mut self, payload: impl Into<Bytes>) {
        let (source, destination) = (self.local, self.remote);
        self.outbox.push_back(Datagram::udp(source, destination, payload.into()));
    }

    /// The next TSN, which is then spent.
    pub(super) fn tsn(&mut self) -> Tsn {
        let tsn = self.next_tsn;
        self.next_tsn = tsn.next();
        tsn
    }

    /// A whole ordered message with the next TSN.
    pub(super) fn data(
        &mut self,
        stream: u16,
        ssn: u16,
        ppid: Ppid,
        payload: impl Into<Bytes>,
    ) -> Data {
        let tsn = self.tsn();
        Data { ppid, payload: payload.into(), ..whole(tsn, stream, ssn) }
    }

    /// The last TSN of the other side that it has.
    pub(super) fn cumulative(&self) -> Tsn {
        self.cumulative
    }

    fn flush(&mut self, now: Instant) {
        while let Some(payload) = self.dtls.poll_transmit(now).filter(|_| self.speaks_dtls) {
            self.overhear(&payload);
            self.say_raw(payload);
        }
    }

    fn overhear(&mut self, payload: &Bytes) {
        self.overheard.push_back(payload.clone());
        if self.overheard.len() > MAX_OVERHEARD {
            self.overheard.pop_front();
        }
    }

    fn handle_packet(&mut self, now: Instant, packet: &Bytes) {
        self.packets += 1;
        for chunk in Packet::parse(packet).expect("a good packet").chunks {
            match chunk {
                Chunk::Init(theirs) => {
                    self.tag = theirs.initiate_tag;
                    self.cumulative = theirs.initial_tsn.previous();
                    let cookie = Parameter::StateCookie(Bytes::from_static(b"cookie"));
                    self.say(now, &[&InitAck(init(&[cookie]))]);
                }
                Chunk::CookieEcho(_) => self.say(now, &[&CookieAck]),
                Chunk::Data(data) => {
                    if data.tsn == self.cumulative.next() {
                        self.cumulative = data.tsn;
                    }
                    if self.acknowledges {
                        self.say(now, &[&self.sack()]);
                    }
                    self.heard.push(Chunk::Data(data));
                }
                other => self.heard.push(other),
            }
        }
    }

    /// What it has of the other side.
    pub(super) fn sack(&self) -> Sack {
        Sack {
            cumulative_tsn: self.cumulative,
            a_rwnd: self.window,
            gaps: Vec::new(),
            duplicates: Vec::new(),
        }
    }
}

impl Endpoint for Rogue {
    type Event = ();

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        self.overhear(&datagram.payload);
        if stun::is_stun(&datagram.payload) {
            let Datagram { source, destination, payload, .. } = &datagram;
            let datagram = ice::Datagram::udp(*destination, *source, payload);
            if self.answers_checks {
                self.agent.handle_datagram(now, datagram)?;
            }
            return Ok(());
        }
        if matches!(datagram.payload[..], [128..=191, ..]) {
            self.media.push(datagram.payload);
            return Ok(());
        }
        if !self.speaks_dtls {
            return Ok(());
        }
        self.dtls.handle_datagram(now, BytesMut::from(datagram.payload))?;
        while let Some(event) = self.dtls.poll_event() {
            if let dtls::Event::Connected(proof) = event {
                self.proof = Some(proof);
            }
        }
        self.flush(now);
        while let Some(packet) = self.dtls.recv() {
            self.handle_packet(now, &packet);
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        self.dtls.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        while self.agent.poll_event().is_some() {}
        if let Some(ice::Transmit { local, remote, payload, .. }) = self.agent.poll_transmit(now) {
            self.overhear(&payload);
            let datagram = Datagram::udp(local, remote, payload);
            if self.answers_checks {
                return Some(datagram);
            }
        }
        self.flush(now);
        self.outbox.pop_front()
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.agent.poll_timeout().into_iter().chain(self.dtls.poll_timeout()).min()
    }
}

/// A call between a rogue at the left and an echoing connection at the right.
pub(super) struct Call {
    pub(super) pair: Pair<Rogue, Connection>,
    echo: Echo,
    role: dtls::Role,
    pings: u16,
}

impl Call {
    /// Offer and answer are exchanged; nothing has been sent.
    pub(super) fn new(role: dtls::Role, config: Config, link: &Link) -> Self {
        Self::with_media(role, config, link, &[])
    }

    /// The same, with sections of media.
    pub(super) fn with_media(
        role: dtls::Role,
        config: Config,
        link: &Link,
        media: &[&str],
    ) -> Self {
        let now = Instant::now();
        let mut victim = Connection::new(now, config, StdRng::seed_from_u64(5)).unwrap();
        victim.add_local_candidate(now, address(RIGHT));
        let addresses = [address(LEFT), address(RIGHT)];
        let rogue = Rogue::call(now, 5, role, addresses, &mut victim, media);
        let pair = Pair::new(now, 5, link, rogue, victim);
        Self { pair, echo: Echo::default(), role, pings: 0 }
    }

    /// A call with an association: the rogue is DTLS server, so its streams are the odd ones.
    pub(super) fn established() -> Self {
        Self::established_with(config(1))
    }

    pub(super) fn established_with(config: Config) -> Self {
        let mut call = Self::new(dtls::Role::Server, config, &Link::default());
        call.wait_established();
        call
    }

    pub(super) fn wait_established(&mut self) {
        self.pair.run_until(Duration::from_secs(10), |_, rogue, victim| {
            rogue.is_established() && victim.connection_state() == ConnectionState::Connected
        });
        self.pass(100);
        self.pair.left.heard.clear();
    }

    pub(super) fn rogue(&mut self) -> &mut Rogue {
        &mut self.pair.left
    }

    pub(super) fn victim(&mut self) -> &mut Connection {
        &mut self.pair.right
    }

    /// Lets time pass; the application at the victim echoes.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        let echo = &mut self.echo;
        self.pair.run_for_with(Duration::from_millis(milliseconds), |now, _, victim| {
            echo.drive(now, victim);
        });
    }

    /// Lets time pass; the application at the victim does nothing.
    pub(super) fn pass_unread(&mut self, milliseconds: u64) {
        self.pair.run_for(Duration::from_millis(milliseconds));
    }

    /// One SCTP packet to the victim. It arrives at once.
    pub(super) fn say(&mut self, chunks: &[&dyn Body]) {
        let now = self.pair.now();
        self.pair.left.say(now, chunks);
        self.pass_unread(0);
    }

    pub(super) fn say_packet(&mut self, packet: &[u8]) {
        let now = self.pair.now();
        self.pair.left.say_packet(now, packet);
        self.pass_unread(0);
    }

    /// A datagram to the victim from an address; whether it was taken.
    pub(super) fn inject(&mut self, source: &str, payload: impl Into<Bytes>) -> bool {
        let (source, destination) = (address(source), address(RIGHT));
        self.pair.inject(Datagram::udp(source, destination, payload.into()))
    }

    /// What the victim's association said since the last call, after a moment for delayed SACKs.
    pub(super) fn heard(&mut self) -> Vec<Chunk> {
        self.pass(60);
        std::mem::take(&mut self.pair.left.heard)
    }

    /// The n-th stream of those that are the rogue's to open (RFC 8832 §6).
    pub(super) fn stream(&self, number: u16) -> u16 {
        2 * number + u16::from(self.role == dtls::Role::Server)
    }

    /// The connection is unharmed: it echoes on a channel of its own.
    pub(super) fn must_echo(&mut self) {
        let stream = self.stream(25_000 + self.pings);
        self.pings += 1;
        let rogue = self.rogue();
        let dcep = rogue.data(stream, 0, Ppid::DCEP, open("ping"));
        let ping = rogue.data(stream, 1, Ppid::STRING, "ping");
        self.rogue().heard.clear();
        self.say(&[&dcep, &ping]);
        for _ in 0..100 {
            self.pass(50);
            let is_pong = |chunk: &Chunk| {
                matches!(chunk, Chunk::Data(data)
                    if data.stream == StreamId(stream) && data.payload == "ping")
            };
            if self.rogue().heard.iter().any(is_pong) {
                assert_eq!(self.victim().connection_state(), ConnectionState::Connected);
                return;
            }
        }
        self.pair.fail("no echo");
    }
}

/// What the rogue's INIT ACK says.
pub(super) fn init(parameters: &[Parameter]) -> Init {
    let mut all = vec![
        Parameter::ForwardTsnSupported,
        Parameter::SupportedExtensions(vec![ChunkType::RE_CONFIG, ChunkType::FORWARD_TSN]),
    ];
    all.extend_from_slice(parameters);
    Init {
        initiate_tag: TAG,
        a_rwnd: 1 << 20,
        outbound_streams: 65_535,
        inbound_streams: 65_535,
        initial_tsn: TSN,
        parameters: all,
    }
}

/// A packet to the victim.
pub(super) fn packet(tag: VerificationTag, chunks: &[&dyn Body]) -> Bytes {
    let header = CommonHeader {
        source_port: Port(5000),
        destination_port: Port(5000),
        verification_tag: tag,
    };
    let mut writer = PacketWriter::new(&header, MAX_PACKET);
    for chunk in chunks {
        assert!(writer.push(&Dyn(*chunk)));
    }
    writer.finish()
}

/// The writer takes sized bodies.
struct Dyn<'a>(&'a dyn Body);

impl Body for Dyn<'_> {
    fn chunk_type(&self) -> ChunkType {
        self.0.chunk_type()
    }

    fn flags(&self) -> u8 {
        self.0.flags()
    }

    fn write(&self, out: &mut BytesMut) {
        self.0.write(out);
    }
}

/// A DATA chunk that is a whole message of one octet.
pub(super) fn whole(tsn: Tsn, stream: u16, ssn: u16) -> Data {
    Data {
        immediate: false,
        unordered: false,
        beginning: true,
        ending: true,
        tsn,
        stream: StreamId(stream),
        ssn: Ssn(ssn),
        ppid: Ppid::BINARY,
        payload: Bytes::from_static(b"x"),
    }
}

/// A DATA_CHANNEL_OPEN message.
pub(super) fn open(label: impl Into<Bytes>) -> Bytes {
    DcepMessage::Open(Open {
        channel_type: ChannelType::RELIABLE,
        priority: Priority::NORMAL,
        reliability_parameter: 0,
        label: label.into(),
        protocol: Bytes::new(),
        surplus: Bytes::new(),
    })
    .to_octets()
}
