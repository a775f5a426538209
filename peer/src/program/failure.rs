//! Why the program ends without having done what it was asked to.

use std::fmt;

/// One sentence for the person at the terminal, without a full stop.
#[derive(Debug)]
pub(crate) struct Failure {
    sentence: String,
    code: u8,
}

impl Failure {
    /// The usual failure.
    pub(crate) fn new(sentence: impl Into<String>) -> Failure {
        Failure { sentence: sentence.into(), code: 1 }
    }

    /// The user pressed Ctrl-C; shells know it by 128 plus the number of SIGINT.
    pub(crate) fn interrupted() -> Failure {
        Failure { sentence: "interrupted".into(), code: 130 }
    }

    /// The exit code of the program.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Says what was being done when an error came.
pub(crate) trait Explain<T> {
    /// A failure with this beginning of a sentence and the error as its end.
    fn explain(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Explain<T> for Result<T, E> {
    fn explain(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{}: {error}", what())))
    }
}
