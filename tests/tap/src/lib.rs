//! Listens to the parsers' `wire` events and turns them into octet ranges.
//!
//! Every codec of this workspace parses each field through its crate's `field("name", parser)`,
//! which emits a `tracing` event (level trace, target `wire`) with the field's name, the address of
//! its first octet, its length and its value. [`explain`] subscribes while a closure runs and
//! translates addresses into offsets in one buffer. The book's byte figures, the inspector and the
//! `fields_tile_the_input` properties all stand on this one function, so a figure can only show what
//! the production parser really read. [`capture`] reads the packets that browsers sent.

pub mod capture;
pub mod keylog;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field as TracingField, Visit};
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

/// One field of a parsed packet: its name, the octets it covers and its value in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The RFC's name of the field.
    pub name: String,
    /// The octets covered, as offsets into the buffer given to [`explain`].
    pub range: Range<usize>,
    /// The value as the parser understood it (`Debug` output).
    pub value: String,
    /// How many enclosing fields contain this one.
    pub depth: usize,
}

/// A second dispatcher that lives for ever. With a single one alive, tracing asks only the thread
/// that meets an event first, which may be one that does not listen, and remembers its "never".
static COMPANION: OnceLock<tracing::Dispatch> = OnceLock::new();

/// Runs `parse` and returns its result with every field it read from `buffer`, in order of offset,
/// enclosing fields before enclosed ones.
pub fn explain<T>(buffer: &[u8], parse: impl FnOnce() -> T) -> (T, Vec<Field>) {
    explain_owned(buffer, |_| parse())
}

/// The same for a parser that takes its buffer by value. The octets must stay in their place when
/// the buffer moves, as those of a `Vec`, `Bytes` or `BytesMut` do.
pub fn explain_owned<B: AsRef<[u8]>, T>(buffer: B, parse: impl FnOnce(B) -> T) -> (T, Vec<Field>) {
    COMPANION.get_or_init(|| tracing::Dispatch::new(Tap { seen: Arc::default() }));
    let start = buffer.as_ref().as_ptr().addr();
    let length = buffer.as_ref().len();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tap = Tap { seen: Arc::clone(&seen) };
    let result = tracing::subscriber::with_default(tap, || parse(buffer));
    let mut fields: Vec<Field> = std::mem::take(&mut *lock(&seen))
        .into_iter()
        .filter_map(|raw| {
            let from = raw.address.checked_sub(start)?;
            let to = from.checked_add(raw.length)?;
            (to <= length).then_some(Field {
                name: raw.name,
                range: from..to,
                value: raw.value,
                depth: 0,
            })
        })
        .collect();
    let order = |field: &Field| (field.range.start, std::cmp::Reverse(field.range.end));
    let (empty, full): (Vec<_>, Vec<_>) =
        fields.drain(..).enumerate().partition(|(_, field)| field.range.is_empty());
    let mut fields: Vec<(usize, Field)> = full;
    fields.sort_by_key(|(_, field)| order(field));
    let mut open: Vec<Range<usize>> = Vec::new();
    for (_, field) in &mut fields {
        while open
            .last()
            .is_some_and(|outer| outer.end <= field.range.start || *outer == field.range)
        {
            open.pop();
        }
        field.depth = open.len();
        open.push(field.range.clone());
    }
    // A field without octets has no place of its own: it stands behind the one reported before it.
    for (reported, mut field) in empty {
        let before = fields.iter().rposition(|(other, _)| *other + 1 == reported);
        field.depth = before.and_then(|at| fields.get(at)).map_or(0, |(_, before)| before.depth);
        fields.insert(before.map_or(0, |at| at + 1), (reported, field));
    }
    let fields = fields.into_iter().map(|(_, field)| field).collect();
    (result, fields)
}

/// The fields that enclose no other field: the leaves, which must tile the input.
#[must_use]
pub fn leaves(fields: &[Field]) -> Vec<&Field> {
    fields
        .iter()
        .enumerate()
        .filter(|(index, field)| {
            !fields.iter().enumerate().any(|(other, inner)| {
                other > *index
                    && inner.range.start >= field.range.start
                    && inner.range.end <= field.range.end
                    && inner.range != field.range
                    && !inner.range.is_empty()
            })
        })
        .map(|(_, field)| field)
        .collect()
}

/// Checks that the leaves of `fields` name every octet of a buffer of `length` octets exactly once;
/// bit-fields may share a range. Returns the first gap or overlap in words.
///
/// # Errors
/// A sentence that names the offset and the fields concerned.
pub fn tile(fields: &[Field], length: usize) -> Result<(), String> {
    let mut position = 0;
    let mut previous: Option<&Field> = None;
    for field in leaves(fields) {
        if field.range.is_empty() || previous.is_some_and(|p| p.range == field.range) {
            continue;
        }
        if field.range.start != position {
            return Err(format!(
                "octets {}..{} between {:?} and {:?}: gap or overlap",
                position.min(field.range.start),
                position.max(field.range.start),
                previous.map(|p| &p.name),
                field.name
            ));
        }
        position = field.range.end;
        previous = Some(field);
    }
    if position == length {
        Ok(())
    } else {
        Err(format!("octets {position}..{length} at the end are not named by any field"))
    }
}

struct Raw {
    name: String,
    address: usize,
    length: usize,
    value: String,
}

struct Tap {
    seen: Arc<Mutex<Vec<Raw>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Subscriber for Tap {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "wire"
    }

    fn event(&self, event: &Event<'_>) {
        let mut raw = Raw { name: String::new(), address: 0, length: 0, value: String::new() };
        event.record(&mut raw);
        lock(&self.seen).push(raw);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Visit for Raw {
    fn record_u64(&mut self, field: &TracingField, value: u64) {
        let value = usize::try_from(value).unwrap_or(usize::MAX);
        match field.name() {
            "address" => self.address = value,
            "length" => self.length = value,
            _ => {}
        }
    }

    fn record_str(&mut self, field: &TracingField, value: &str) {
        if field.name() == "name" {
            value.clone_into(&mut self.name);
        }
    }

    fn record_debug(&mut self, field: &TracingField, value: &dyn fmt::Debug) {
        match field.name() {
            "name" => self.name = format!("{value:?}"),
            "value" => self.value = format!("{value:?}"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &'static str, octets: &[u8]) {
        tracing::event!(
            target: "wire",
            tracing::Level::TRACE,
            name,
            address = octets.as_ptr().addr() as u64,
            length = octets.len() as u64,
            value = ?octets,
        );
    }

    #[test]
    fn nested_fields_have_depth_and_leaves_tile() {
        let buffer = [1, 2, 3, 4];
        let ((), fields) = explain(&buffer, || {
            report("a", &buffer[..1]);
            report("b", &buffer[1..3]);
            report("whole", &buffer[..3]);
            report("c", &buffer[3..]);
        });
        let names: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.depth)).collect();
        assert_eq!(names, [("whole", 0), ("a", 1), ("b", 1), ("c", 0)]);
        assert_eq!(tile(&fields, 4), Ok(()));
    }

    #[test]
    fn a_gap_is_named() {
        let buffer = [1, 2, 3, 4];
        let ((), fields) = explain(&buffer, || {
            report("a", &buffer[..1]);
            report("c", &buffer[2..]);
        });
        assert!(tile(&fields, 4).unwrap_err().contains("1..2"));
    }
}
