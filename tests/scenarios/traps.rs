//! Known failures of other stacks that need every layer at once: one test a trap. Those of a single
//! layer are tests of its crate.

use std::time::Duration;

use peer::{ChannelId, Connection, ConnectionState, Message};
use tests::sim::{Link, Pair, seeds};

use crate::peer::{Echo, closed, negotiate, pair};

/// A pair whose channel is open; the right side sends back what it gets.
struct Call {
    pair: Pair<Connection, Connection>,
    channel: ChannelId,
    echo: Echo,
}

impl Call {
    fn connected(seed: u64) -> Self {
        let (pair, channel) = pair(seed, &Link::default().delay(20));
        let mut call = Self { pair, channel, echo: Echo::default() };
        call.pair.run_until(Duration::from_secs(10), |now, left, _| {
            left.send(now, channel, Message::text("hello")).is_ok()
        });
        call.comes_back("hello");
        call
    }

    /// Nothing gets through for a while; this is said at its beginning.
    fn outage(&mut self, text: &str, duration: Duration) {
        self.pair.set_down(true);
        let now = self.pair.now();
        self.pair.left.send(now, self.channel, Message::text(text)).unwrap();
        self.pair.run_for(duration);
        self.pair.set_down(false);
    }

    /// Waits for what was said; how long it took.
    fn comes_back(&mut self, text: &str) -> Duration {
        let start = self.pair.elapsed();
        let Self { pair, channel, echo } = self;
        pair.run_until(Duration::from_secs(10), |now, left, right| {
            echo.drive(now, right);
            left.recv(now, *channel) == Some(Message::text(text))
        });
        pair.elapsed() - start
    }
}

/// Stacks that count retransmissions end an association that ICE still believes in.
#[test]
fn trap_an_outage_that_consent_survives_kills_nothing() {
    seeds(5, |seed| {
        let mut call = Call::connected(seed);
        call.outage("into the dark", Duration::from_secs(20));
        let waited = call.comes_back("into the dark");
        assert!(waited < Duration::from_secs(4), "SCTP waits 3 s at most, not {waited:?}");
        assert_eq!((closed(&call.pair.left), closed(&call.pair.right)), (None, None));
    });
}

/// Minutes without a network: ICE fails, is restarted, and the same association goes on with what
/// was on its way.
#[test]
fn trap_an_outage_of_minutes_is_healed_by_an_ice_restart() {
    let mut call = Call::connected(1);
    call.outage("into the dark", Duration::from_secs(300));
    for side in [&call.pair.left, &call.pair.right] {
        assert_eq!(side.connection_state(), ConnectionState::Failed);
        assert_eq!(closed(side), None);
    }
    let now = call.pair.now();
    call.pair.left.restart_ice(now);
    negotiate(now, &mut call.pair.left, &mut call.pair.right);
    call.comes_back("into the dark");
}
