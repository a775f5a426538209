//! What happened last, for the message of a failure. Book: "Testing".

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::Datagram;

/// Lines that a failure shows.
const MAX_LINES: usize = 60;

/// The last lines.
#[derive(Debug, Default)]
pub(super) struct Log(VecDeque<String>);

impl Log {
    pub(super) fn note(&mut self, elapsed: Duration, line: &str) {
        if self.0.len() == MAX_LINES {
            self.0.pop_front();
        }
        self.0.push_back(format!("{elapsed:>12.3?} {line}"));
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// A datagram and what becomes of it.
pub(super) fn in_words(
    datagram: &Datagram,
    fate: &Result<Vec<(Instant, Datagram)>, &'static str>,
) -> String {
    let (octets, first) = (datagram.payload.len(), datagram.payload.first().copied());
    let fate = match fate {
        Ok(copies) if copies.len() > 1 => "twice",
        Ok(_) => "",
        Err(reason) => reason,
    };
    format!("{octets} octets, first {first:02x?} {fate}")
}
