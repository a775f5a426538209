//! Every kind of place with every other, and how two peers there meet: the same table for the
//! laboratory's real NATs (`tests/lab`) and for the simulator ([`sim`](crate::sim)).
//!
//! ```text
//!   Site × Site ──Way::expected──► what RFC 8445 and RFC 8656 promise ─┐
//!              ──a call──────────► Way::of_types: what came of it ─────┴─► Matrix, printed
//! ```
//!
//! Book: "NATs".

mod site;
mod way;

use std::fmt;

pub use site::{Nat, SITES, Site, TWINS};
pub use way::{Means, Way};

/// The width of a column.
const WIDTH: usize = 10;

/// How the peers of every two kinds of places met. Who calls does not matter, so it is a triangle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matrix {
    /// Row by row, in the order of [`SITES`]: each with those before it, and with itself. `None`: it
    /// went wrong.
    cells: Vec<Option<Way>>,
}

impl Matrix {
    /// Every two kinds of places in the order of the cells.
    pub fn pairs() -> impl Iterator<Item = (&'static Site, &'static Site)> {
        let rows = SITES.iter().enumerate();
        rows.flat_map(|(row, one)| SITES.iter().take(row + 1).map(move |other| (one, other)))
    }

    /// What must come out.
    #[must_use]
    pub fn expected(means: Means) -> Self {
        Self::pairs().map(|(one, other)| Some(Way::expected(one, other, means))).collect()
    }

    /// The pairs for which the two matrices differ: what the first says, what the second.
    pub fn differences<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'static str, &'static str, Option<Way>, Option<Way>)> + 'a {
        let both = self.cells.iter().zip(&other.cells);
        Self::pairs()
            .zip(both)
            .filter(|(_, (ours, theirs))| ours != theirs)
            .map(|((one, other), (ours, theirs))| (one.name, other.name, *ours, *theirs))
    }
}

impl FromIterator<Option<Way>> for Matrix {
    /// From the cells in the order of [`Matrix::pairs`].
    fn from_iter<I: IntoIterator<Item = Option<Way>>>(cells: I) -> Self {
        Self { cells: cells.into_iter().collect() }
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |words: &[String]| {
            let padded: Vec<String> = words.iter().map(|word| format!("{word:WIDTH$}")).collect();
            padded.join(" ").trim_end().to_owned()
        };
        let names = SITES.iter().map(|site| site.name.to_owned());
        let head: Vec<String> = std::iter::once(String::new()).chain(names).collect();
        writeln!(f, "{}", line(&head))?;
        let mut cells = self.cells.iter();
        for (row, site) in SITES.iter().enumerate() {
            let ways = cells.by_ref().take(row + 1);
            let ways = ways.map(|way| way.map_or_else(|| "?".to_owned(), |way| way.to_string()));
            let words: Vec<String> = std::iter::once(site.name.to_owned()).chain(ways).collect();
            writeln!(f, "{}", line(&words))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_reads_as_a_triangle() {
        let matrix = Matrix::expected(Means { relays: false, tcp: true });
        let text = matrix.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), SITES.len() + 1);
        assert_eq!(lines[1], "public     host");
        assert_eq!(lines[4], "ei-apd     srflx      srflx      srflx      srflx");
        assert_eq!(lines[6], "apd-apd    prflx      prflx      prflx      -          -          -");
        assert_eq!(lines[7].split_whitespace().nth(1), Some("tcp"));
        let with_relays = Matrix::expected(Means { relays: true, tcp: true });
        assert!(!with_relays.cells.contains(&Some(Way::None)));
        assert!(
            matrix.differences(&with_relays).all(|(.., ours, theirs)| {
                (ours, theirs) == (Some(Way::None), Some(Way::Relay))
            })
        );
    }

    /// What `tests/lab --write tests/fixtures/lab` measured last, and the book shows.
    #[test]
    fn the_tables_that_were_measured_are_what_the_rule_says() {
        let stun = Matrix::expected(Means { relays: false, tcp: true });
        assert_eq!(stun.to_string(), include_str!("../fixtures/lab/stun.txt"));
        let turn = Matrix::expected(Means { relays: true, tcp: true });
        assert_eq!(turn.to_string(), include_str!("../fixtures/lab/turn.txt"));
    }
}
