//! `{{#ladder …}}`: the datagrams of a capture between two lifelines, as SVG, as a table and as text.
//!
//! What each arrow says comes from our own parsers; the times are the capture's.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::explain::{self, Capture, Explained, Run};
use crate::html::escape;

const WIDTH: usize = 720;
const LEFT: usize = 120;
const RIGHT: usize = 600;
const ROW: usize = 30;
const TOP: usize = 50;
/// Characters that fit between the lifelines.
const LONGEST_LABEL: usize = 66;

struct Step {
    number: usize,
    /// The number of the last datagram, if the step is several.
    last: usize,
    time: Duration,
    /// Whether the end that sent the capture's first datagram sent this one; in a figure, the left end.
    from_first: bool,
    summary: String,
    length: usize,
    run: Option<Run>,
}

impl Step {
    /// The protocol, as `only=` names it.
    fn protocol(&self) -> String {
        self.summary.split(' ').next().unwrap_or_default().to_lowercase()
    }
}

/// Expands `arguments`: `capture [first=NAME] [from=a] [to=b] [only=dtls,srtcp]`. Consecutive packets
/// of one stream of media are one arrow.
pub(crate) fn figure(root: &Path, arguments: &str) -> Result<String, String> {
    let mut words = arguments.split_whitespace();
    let capture = words.next().ok_or("ladder: which capture?")?;
    let (mut first, mut from, mut to, mut only) = (None, 1, usize::MAX, None);
    for word in words {
        let (name, value) = word.split_once('=').ok_or_else(|| format!("ladder: {word}?"))?;
        let number = || value.parse().map_err(|_| format!("ladder: {word} is not a number"));
        match name {
            "first" => first = Some(value),
            "from" => from = number()?,
            "to" => to = number()?,
            "only" => only = Some(value.split(',').collect::<Vec<_>>()),
            _ => return Err(format!("ladder: unknown option {name}")),
        }
    }
    let (offerer, answerer) = lanes(capture);
    let first_is_left = match first {
        None => true,
        Some(name) if offerer.to_lowercase().starts_with(name) => true,
        Some(name) if answerer.to_lowercase().starts_with(name) => false,
        Some(name) => return Err(format!("ladder: {name} is neither {offerer} nor {answerer}")),
    };
    let steps: Vec<Step> = steps(root, capture)?
        .into_iter()
        .filter(|step| (from..=to).contains(&step.number))
        .filter(|step| only.as_ref().is_none_or(|only| only.contains(&step.protocol().as_str())))
        .map(|step| Step { from_first: step.from_first == first_is_left, ..step })
        .collect();
    if steps.is_empty() {
        return Err(format!("{capture} has no such datagram between {from} and {to}"));
    }
    let steps = merged(steps);
    Ok(format!(
        "<figure class=\"ladder\">{}{}</figure>\n",
        svg(&offerer, &answerer, &steps),
        table(&offerer, &answerer, &steps)
    ))
}

/// The same as lines of text: number, time, direction, what it is, octets.
pub(crate) fn text(root: &Path, capture: &str) -> Result<String, String> {
    let mut out = String::new();
    for step in steps(root, capture)? {
        let _ = writeln!(
            out,
            "{:>4} {:>12} {} {:>5} octets  {}",
            step.number,
            milliseconds(step.time),
            if step.from_first { "──►" } else { "◄──" },
            step.length,
            step.summary
        );
    }
    Ok(out)
}

fn steps(root: &Path, capture: &str) -> Result<Vec<Step>, String> {
    let capture = Capture::read(root, capture)?;
    let directions = explain::directions(capture.datagrams());
    let steps = capture.datagrams().iter().zip(directions).enumerate().map(
        |(index, (datagram, from_first))| {
            let number = index + 1;
            let Explained { summary, run, .. } = capture.explain(number, false)?;
            Ok(Step {
                number,
                last: number,
                time: datagram.time,
                from_first,
                summary,
                length: datagram.payload.len(),
                run,
            })
        },
    );
    steps.collect()
}

/// Makes one step of consecutive packets of one stream of media.
fn merged(steps: Vec<Step>) -> Vec<Step> {
    let mut merged: Vec<Step> = Vec::new();
    for step in steps {
        let joined = merged.last().filter(|last| last.from_first == step.from_first);
        let joined = joined.and_then(|last| last.run?.joined(&step.run?));
        match (joined, merged.last_mut()) {
            (Some(run), Some(last)) => {
                last.last = step.number;
                last.length += step.length;
                last.summary = run.in_words();
                last.run = Some(run);
            }
            _ => merged.push(step),
        }
    }
    merged
}

/// Programs that a peer asks and that have no call of their own.
const SERVERS: [&str; 1] = ["coturn"];

/// The names of the two ends: captures are named `OFFERER-ANSWERER-scenario`, or `PEER-SERVER-scenario`.
fn lanes(capture: &str) -> (String, String) {
    let mut names = capture.split('-').map(|name| {
        let mut letters = name.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    let left = names.next().unwrap_or_default();
    let right = names.next().unwrap_or_default();
    match SERVERS.contains(&right.to_lowercase().as_str()) {
        true => (left, right),
        false => (format!("{left} (offers)"), format!("{right} (answers)")),
    }
}

fn svg(left: &str, right: &str, steps: &[Step]) -> String {
    let height = TOP + steps.len() * ROW + 20;
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>{} and {}: {} datagrams</title>",
        escape(left),
        escape(right),
        steps.len()
    );
    for (x, name) in [(LEFT, left), (RIGHT, right)] {
        let _ = write!(
            out,
            "<text x=\"{x}\" y=\"22\" text-anchor=\"middle\" class=\"lane\">{}</text><line x1=\"{x}\" y1=\"32\" x2=\"{x}\" y2=\"{height}\" class=\"life\"/>",
            escape(name)
        );
    }
    for (row, step) in steps.iter().enumerate() {
        let y = TOP + row * ROW + 12;
        // A long label is squeezed between the lifelines.
        let squeeze = if step.summary.len() > LONGEST_LABEL {
            format!(" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"", RIGHT - LEFT - 16)
        } else {
            String::new()
        };
        let (tail, head, tip) =
            if step.from_first { (LEFT, RIGHT, RIGHT - 8) } else { (RIGHT, LEFT, LEFT + 8) };
        let _ = write!(
            out,
            "<line x1=\"{tail}\" y1=\"{y}\" x2=\"{head}\" y2=\"{y}\" class=\"arrow\"/>\
             <path d=\"M{tip} {} L{head} {y} L{tip} {}\" class=\"arrow\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\"{squeeze}>{}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\" class=\"time\">{}</text>",
            y - 4,
            y + 4,
            (LEFT + RIGHT) / 2,
            y - 5,
            escape(&step.summary),
            LEFT - 10,
            y + 4,
            milliseconds(step.time)
        );
    }
    out.push_str("</svg>");
    out
}

fn table(left: &str, right: &str, steps: &[Step]) -> String {
    let mut rows = String::new();
    for step in steps {
        let (from, to) = if step.from_first { (left, right) } else { (right, left) };
        let number = match step.last == step.number {
            true => step.number.to_string(),
            false => format!("{}–{}", step.number, step.last),
        };
        let _ = write!(
            rows,
            "<tr><td>{number}</td><td>{}</td><td>{} → {}</td><td>{}</td><td>{}</td></tr>",
            milliseconds(step.time),
            escape(from.split(' ').next().unwrap_or(from)),
            escape(to.split(' ').next().unwrap_or(to)),
            escape(&step.summary),
            step.length
        );
    }
    format!(
        "<details><summary>The same as a table</summary><div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>#</th><th>time</th><th>direction</th>\
         <th>datagram</th><th>octets</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
