//! A timer that is set again for every datagram without costing much.
//!
//! Deadlines mostly move into the future, and waking early is harmless (every state machine here
//! says so), so a later deadline leaves the timer as it is and an earlier one alone sets it.
//!
//! Book: "The pump".

use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// The timer of one task.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` ends; `None` when nobody waits for that.
    armed: Option<Instant>,
}

impl Alarm {
    /// Not set.
    pub(super) fn new() -> Alarm {
        Alarm { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), armed: None }
    }

    /// Rings at the deadline, or earlier if it was set so before.
    pub(super) fn set(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if self.armed.is_none_or(|armed| deadline < armed) {
            self.sleep.as_mut().reset(deadline.into());
            self.armed = Some(deadline);
        }
    }

    /// Completes at the deadline or earlier; never, without one.
    pub(super) async fn rings(&mut self) {
        if self.armed.is_none() {
            std::future::pending::<()>().await;
        }
        self.sleep.as_mut().await;
        self.armed = None;
    }
}
