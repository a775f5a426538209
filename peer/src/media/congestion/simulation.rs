//! Tests of the whole: an encoder that follows the target, the pacer, a bottleneck, the recorder at
//! the other end and its reports, on a virtual clock.
//!
//! ```text
//!   encoder ─► Pacer ─► [ queue ≤ 300 ms │ rate ] ─► 50 ms + jitter, loss ─► FeedbackRecorder
//!      ▲ target                                                                │
//!      └── CongestionControl ◄────────────────── 50 ms ────────────────────────┘
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use srtp::Ssrc;
use srtp::wire::rtcp::TransportFeedback;

use super::bitrate::Bitrate;
use super::{Bitrates, Class, CongestionControl, FeedbackRecorder, Pacer};

const BITRATES: Bitrates = Bitrates { start: 300_000, min: 30_000, max: 20_000_000 };
const FRAME: Duration = Duration::from_millis(33);
const PACKET: usize = 1_200;
const PADDING: usize = 280;
/// IPv4, UDP and the tag of SRTP: the path carries them, the target does not count them.
const HEADERS: usize = 20 + 8 + 16;

/// The path, and how the application behaves.
struct Path {
    bits_per_second: u64,
    delay: Duration,
    jitter: Duration,
    loss: f64,
    queue: Duration,
    /// The encoder makes no more than this.
    encoder_max: u64,
    /// Of somebody else, through the same queue.
    competing: u64,
    feedback_is_lost: bool,
}

impl Path {
    fn of(kilobits: u64) -> Self {
        Self {
            bits_per_second: kilobits * 1_000,
            delay: Duration::from_millis(50),
            jitter: Duration::ZERO,
            loss: 0.0,
            queue: Duration::from_millis(300),
            encoder_max: u64::MAX,
            competing: 0,
            feedback_is_lost: false,
        }
    }
}

struct Simulation {
    now: Instant,
    rng: StdRng,
    path: Path,
    control: CongestionControl,
    pacer: Pacer<usize>,
    recorder: FeedbackRecorder,
    next_frame: Instant,
    /// When the bottleneck will have sent all it holds.
    busy_until: Instant,
    competing_octets: f64,
    arriving: Vec<(Instant, u16)>,
    returning: VecDeque<(Instant, TransportFeedback)>,
    dropped: usize,
    /// The target at each tick of a millisecond, and what stood in the queue then.
    course: Vec<(u64, Duration)>,
}

impl Simulation {
    fn new(seed: u64, bitrates: Bitrates, path: Path) -> Self {
        let start = Instant::now();
        let control = CongestionControl::new(start, bitrates);
        Self {
            now: start,
            rng: StdRng::seed_from_u64(seed),
            path,
            pacer: Pacer::new(start, control.pacing_rate()),
            control,
            recorder: FeedbackRecorder::new(start),
            next_frame: start,
            busy_until: start,
            competing_octets: 0.0,
            arriving: Vec::new(),
            returning: VecDeque::new(),
            dropped: 0,
            course: Vec::new(),
        }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.tick();
            self.course.push((self.control.target(), self.queue()));
            self.now += Duration::from_millis(1);
        }
    }

    fn tick(&mut self) {
        self.encode();
        self.compete();
        self.send();
        self.arriving.sort_by_key(|(at, _)| *at);
        while self.arriving.first().is_some_and(|(at, _)| *at <= self.now) {
            let (at, number) = self.arriving.remove(0);
            self.recorder.received(at, number);
        }
        while let Some(feedback) = self.recorder.poll_feedback(self.now, Ssrc(1), Ssrc(2)) {
            if !self.path.feedback_is_lost {
                self.returning.push_back((self.now + self.path.delay, feedback));
            }
        }
        while self.returning.front().is_some_and(|(at, _)| *at <= self.now) {
            if let Some((_, feedback)) = self.returning.pop_front() {
                self.control.handle_feedback(self.now, &feedback);
            }
        }
        if self.control.poll_timeout().is_some_and(|at| at <= self.now) {
            self.control.handle_timeout(self.now);
        }
        assert!(self.control.target() <= BITRATES.max);
    }

    /// Frames of the target's size, a fifth more or less.
    fn encode(&mut self) {
        if self.now < self.next_frame {
            return;
        }
        self.next_frame += FRAME;
        let target = Bitrate::bps(self.control.target().min(self.path.encoder_max));
        let mut octets = (target * self.rng.random_range(0.8..1.2)).octets_in(FRAME);
        let packets = octets.div_ceil(PACKET).max(1);
        for left in (1..=packets).rev() {
            let part = octets / left;
            octets -= part;
            self.pacer.push(self.now, Class::Video, part, part).expect("room in the pacer");
        }
    }

    /// Somebody else's packets, evenly.
    fn compete(&mut self) {
        self.competing_octets += self.path.competing as f64 / 8_000.0;
        while self.competing_octets >= PACKET as f64 {
            self.competing_octets -= PACKET as f64;
            self.enqueue(PACKET);
        }
    }

    fn send(&mut self) {
        self.pacer.set_rate(self.control.pacing_rate());
        if let Some(probe) = self.control.poll_probe(self.now) {
            self.pacer.begin_probe(self.now, probe);
        }
        while let Some(paced) = self.pacer.poll(self.now) {
            self.transmit(paced.packet, paced.is_probe);
        }
        while self.pacer.poll_padding(self.now, PADDING) {
            self.transmit(PADDING, true);
        }
    }

    fn transmit(&mut self, octets: usize, is_probe: bool) {
        let number = self.control.next_sequence_number();
        self.control.packet_sent(self.now, number, octets, is_probe);
        let Some(through) = self.enqueue(octets) else { return };
        if self.rng.random_bool(self.path.loss) {
            return;
        }
        let jitter = self.path.jitter.mul_f64(self.rng.random());
        self.arriving.push((through + self.path.delay + jitter, number));
    }

    /// When a packet has passed the bottleneck; `None`: its queue was full.
    fn enqueue(&mut self, octets: usize) -> Option<Instant> {
        if self.queue() > self.path.queue {
            self.dropped += 1;
            return None;
        }
        let octets = (octets + HEADERS) as f64;
        let time = Duration::from_secs_f64(octets * 8.0 / self.path.bits_per_second as f64);
        self.busy_until = self.busy_until.max(self.now) + time;
        Some(self.busy_until)
    }

    fn queue(&self) -> Duration {
        self.busy_until.saturating_duration_since(self.now)
    }

    /// The mean target between two points in time, in kbit/s.
    fn mean(&self, from: u64, to: u64) -> u64 {
        let part = self.part(from, to);
        part.iter().map(|(target, _)| target / 1_000).sum::<u64>() / part.len() as u64
    }

    fn range(&self, from: u64, to: u64) -> (u64, u64) {
        let targets = self.part(from, to).iter().map(|(target, _)| target / 1_000);
        (targets.clone().min().unwrap(), targets.max().unwrap())
    }

    fn longest_queue(&self, from: u64, to: u64) -> Duration {
        self.part(from, to).iter().map(|(_, queue)| *queue).max().unwrap()
    }

    /// The first second at which the target is at least so many kbit/s.
    fn reaches(&self, kilobits: u64) -> Option<u64> {
        let at = self.course.iter().position(|(target, _)| *target >= kilobits * 1_000)?;
        Some(at as u64 / 1_000)
    }

    fn part(&self, from: u64, to: u64) -> &[(u64, Duration)] {
        let milliseconds = |seconds| usize::try_from(seconds * 1_000).unwrap();
        &self.course[milliseconds(from)..milliseconds(to).min(self.course.len())]
    }

    /// For a failing test: a line for each second.
    fn story(&self) -> String {
        let seconds = self.course.len() as u64 / 1_000;
        (0..seconds)
            .map(|second| {
                let (min, max) = self.range(second, second + 1);
                let queue = self.longest_queue(second, second + 1).as_millis();
                format!("{second:>3} s  {min:>6} – {max:>6} kbit/s  queue {queue:>4} ms\n")
            })
            .collect()
    }
}

const SEEDS: u64 = 40;

fn each_seed(path: impl Fn() -> Path, test: impl Fn(&mut Simulation)) {
    for seed in 0..SEEDS {
        let mut simulation = Simulation::new(seed, BITRATES, path());
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            test(&mut simulation);
        }));
        if let Err(panic) = failed {
            eprintln!("seed {seed}\n{}", simulation.story());
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn a_megabit_is_used_between_70_and_100_per_cent() {
    each_seed(
        || Path::of(1_000),
        |simulation| {
            simulation.run(60);
            for second in 5..60 {
                let mean = simulation.mean(second, second + 1);
                assert!((700..=1_000).contains(&mean), "{mean} at {second} s");
            }
            assert!(simulation.mean(5, 60) >= 850);
            assert_eq!(simulation.dropped, 0);
        },
    );
}

#[test]
fn a_drop_to_300_kilobits_is_followed_within_3_seconds_and_recovered_from() {
    each_seed(
        || Path::of(1_000),
        |simulation| {
            simulation.run(20);
            simulation.path.bits_per_second = 300_000;
            simulation.run(20);
            let (_, max) = simulation.range(23, 40);
            assert!(max <= 330, "{max}");
            for second in (23..35).step_by(4) {
                let mean = simulation.mean(second, second + 5);
                assert!((180..=300).contains(&mean), "{mean} at {second} s");
            }
            simulation.path.bits_per_second = 1_000_000;
            simulation.run(40);
            for second in 60..80 {
                let mean = simulation.mean(second, second + 1);
                assert!((700..=1_000).contains(&mean), "{mean} at {second} s");
            }
        },
    );
}

#[test]
fn the_start_of_300_kilobits_is_left_behind_within_seconds() {
    each_seed(
        || Path::of(1_000),
        |simulation| {
            simulation.run(10);
            assert!(simulation.reaches(700).is_some_and(|second| second < 3));
        },
    );
    each_seed(
        || Path::of(10_000),
        |simulation| {
            simulation.run(20);
            assert!(simulation.reaches(5_000).is_some_and(|second| second < 10));
            assert!((5_000..=10_000).contains(&simulation.mean(10, 20)));
        },
    );
}

#[test]
fn five_per_cent_of_random_loss_is_no_congestion() {
    each_seed(
        || Path { loss: 0.05, ..Path::of(1_000) },
        |simulation| {
            simulation.run(60);
            assert!((700..=1_000).contains(&simulation.mean(5, 60)));
            assert!(simulation.range(5, 60).0 >= 500);
        },
    );
}

#[test]
fn a_quarter_lost_is_congestion_and_passes() {
    each_seed(
        || Path::of(1_000),
        |simulation| {
            simulation.run(20);
            simulation.path.loss = 0.25;
            simulation.run(20);
            assert!(simulation.mean(30, 40) <= 500);
            simulation.path.loss = 0.0;
            simulation.run(60);
            assert!(simulation.mean(90, 100) >= 700);
        },
    );
}

#[test]
fn jitter_is_no_congestion() {
    each_seed(
        || Path { jitter: Duration::from_millis(10), ..Path::of(1_000) },
        |simulation| {
            simulation.run(60);
            assert!((700..=1_000).contains(&simulation.mean(10, 60)));
        },
    );
}

#[test]
fn the_queue_drains_after_over_use() {
    each_seed(
        || Path::of(1_000),
        |simulation| {
            simulation.run(20);
            // Somebody else begins to send half of what passes.
            simulation.path.competing = 500_000;
            simulation.run(20);
            assert!(simulation.longest_queue(20, 23) > Duration::from_millis(100));
            // A probe for the rate of before may fill it again for a moment, ever more rarely.
            let long = Duration::from_millis(150);
            let filled = simulation.part(25, 40).iter().filter(|(_, queue)| *queue > long).count();
            assert!(filled < 15_000 / 2, "{filled} ms");
            // It is slow work: 15 % below the capacity, a full queue of 300 ms takes seconds.
            let shortest = simulation.part(23, 40).iter().map(|(_, queue)| *queue).min();
            assert!(shortest.is_some_and(|queue| queue < Duration::from_millis(60)));
            assert!(simulation.dropped < 20);
            assert!((200..=520).contains(&simulation.mean(25, 40)));
            simulation.path.competing = 0;
            simulation.run(40);
            assert!((700..=1_000).contains(&simulation.mean(60, 80)));
        },
    );
}

#[test]
fn the_maximum_is_never_exceeded_and_reached_on_a_wide_path() {
    for seed in 0..SEEDS {
        let bitrates = Bitrates { max: 2_000_000, ..BITRATES };
        let mut simulation = Simulation::new(seed, bitrates, Path::of(50_000));
        simulation.run(20);
        assert_eq!(simulation.range(5, 20), (2_000, 2_000));
    }
}

#[test]
fn a_sender_of_little_learns_by_probes_what_it_might_send() {
    each_seed(
        || Path { encoder_max: 200_000, ..Path::of(5_000) },
        |simulation| {
            simulation.run(30);
            assert!(simulation.mean(20, 30) >= 1_500);
            simulation.path.encoder_max = u64::MAX;
            simulation.run(10);
            assert!((3_000..=5_000).contains(&simulation.mean(33, 40)));
        },
    );
}

#[test]
fn without_feedback_the_target_falls_and_it_recovers_with_it() {
    each_seed(
        || Path::of(1_000),
        |simulation| {
            simulation.run(20);
            simulation.path.feedback_is_lost = true;
            simulation.run(15);
            assert!(simulation.control.target() <= 50_000);
            simulation.path.feedback_is_lost = false;
            simulation.run(30);
            assert!((700..=1_000).contains(&simulation.mean(55, 65)));
        },
    );
}

#[test]
fn the_receiver_can_ask_for_less() {
    each_seed(
        || Path::of(1_000),
        |simulation| {
            simulation.run(10);
            simulation.control.handle_remb(simulation.now, 400_000);
            simulation.run(10);
            assert_eq!(simulation.range(11, 20), (400, 400));
        },
    );
}
