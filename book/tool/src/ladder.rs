//! `{{#ladder …}}`: the datagrams of a capture between two lifelines, as SVG and as a table.
//!
//! What each arrow says comes from our own parsers; the times are the capture's.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::explain;
use crate::html::escape;

const WIDTH: usize = 720;
const LEFT: usize = 120;
const RIGHT: usize = 600;
const ROW: usize = 30;
const TOP: usize = 50;

struct Step {
    number: usize,
    time: Duration,
    from_left: bool,
    summary: String,
    length: usize,
}

/// Expands `arguments`: `capture [from=a] [to=b]`.
pub(crate) fn figure(root: &Path, arguments: &str) -> Result<String, String> {
    let mut words = arguments.split_whitespace();
    let capture = words.next().ok_or("ladder: which capture?")?;
    let (mut from, mut to) = (1, usize::MAX);
    for word in words {
        let (name, value) = word.split_once('=').ok_or_else(|| format!("ladder: {word}?"))?;
        let value = value.parse().map_err(|_| format!("ladder: {word} is not a number"))?;
        match name {
            "from" => from = value,
            "to" => to = value,
            _ => return Err(format!("ladder: unknown option {name}")),
        }
    }
    let (left, right) = lanes(capture);
    let datagrams = explain::capture(root, capture)?;
    let offerer = explain::offerer_port(root, capture)?;
    let mut steps = Vec::new();
    for (number, datagram) in datagrams.iter().enumerate().map(|(index, d)| (index + 1, d)) {
        if number < from || number > to {
            continue;
        }
        let explained = explain::datagram(&datagram.payload)
            .map_err(|error| format!("{capture} datagram {number}: {error}"))?;
        steps.push(Step {
            number,
            time: datagram.time,
            from_left: datagram.source.port() == offerer,
            summary: explained.summary,
            length: datagram.payload.len(),
        });
    }
    if steps.is_empty() {
        return Err(format!("{capture} has no datagram between {from} and {to}"));
    }
    Ok(format!("<figure class=\"ladder\">{}{}</figure>\n", svg(&left, &right, &steps), table(&left, &right, &steps)))
}

/// The names of the two ends: captures are named `OFFERER-ANSWERER-scenario`.
fn lanes(capture: &str) -> (String, String) {
    let mut names = capture.split('-').map(|name| {
        let mut letters = name.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    let left = names.next().unwrap_or_default();
    let right = names.next().unwrap_or_default();
    (format!("{left} (offers)"), format!("{right} (answers)"))
}

fn svg(left: &str, right: &str, steps: &[Step]) -> String {
    let height = TOP + steps.len() * ROW + 20;
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>{} and {}: {} datagrams</title>",
        escape(left), escape(right), steps.len()
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
        let (tail, head, tip) =
            if step.from_left { (LEFT, RIGHT, RIGHT - 8) } else { (RIGHT, LEFT, LEFT + 8) };
        let _ = write!(
            out,
            "<line x1=\"{tail}\" y1=\"{y}\" x2=\"{head}\" y2=\"{y}\" class=\"arrow\"/>\
             <path d=\"M{tip} {} L{head} {y} L{tip} {}\" class=\"arrow\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\" class=\"time\">{}</text>",
            y - 4, y + 4, (LEFT + RIGHT) / 2, y - 5, escape(&step.summary), LEFT - 10, y + 4, milliseconds(step.time)
        );
    }
    out.push_str("</svg>");
    out
}

fn table(left: &str, right: &str, steps: &[Step]) -> String {
    let mut rows = String::new();
    for step in steps {
        let (from, to) = if step.from_left { (left, right) } else { (right, left) };
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{} → {}</td><td>{}</td><td>{}</td></tr>",
            step.number,
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
