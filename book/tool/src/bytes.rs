//! `{{#bytes …}}`: one captured datagram, every octet named by the parser that runs in production.
//!
//! The figure is a block of hex whose octets link to the rows of a table: range, field, value. It is
//! complete without a script; `theme/figures.js` only adds highlighting on hover.

use std::fmt::Write as _;
use std::path::Path;

use tap::Field;

use crate::explain::{self, Explained};
use crate::html::escape;

/// Octets of one field shown in hex before it is cut short.
const LONGEST_FIELD: usize = 40;

/// How many colours `theme/figures.css` has.
const HUES: usize = 6;

/// Expands `arguments`: `capture n [only=FIELD]`. `number` tells figures of one page apart.
pub(crate) fn figure(root: &Path, arguments: &str, number: usize) -> Result<String, String> {
    let mut words = arguments.split_whitespace();
    let capture = words.next().ok_or("bytes: which capture?")?;
    let index: usize = words
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| format!("bytes {arguments}: which datagram? (counted from 1)"))?;
    let only = words.next().map(|word| word.strip_prefix("only=").unwrap_or(word).replace('_', " "));
    let datagrams = explain::capture(root, capture)?;
    let datagram = datagrams
        .get(index.wrapping_sub(1))
        .ok_or_else(|| format!("{capture} has {} datagrams, not {index}", datagrams.len()))?;
    let explained = explain::datagram(&datagram.payload)
        .map_err(|error| format!("{capture} datagram {index}: {error}"))?;
    tap::tile(&explained.fields, datagram.payload.len())
        .map_err(|error| format!("{capture} datagram {index}: {error}"))?;
    let fields = match &only {
        None => explained.fields.clone(),
        Some(name) => part(&explained, name)
            .ok_or_else(|| format!("{capture} datagram {index} has no field {name:?}"))?,
    };
    let caption = format!(
        "{}, {} octets: datagram {index} of {capture}{}",
        explained.summary,
        datagram.payload.len(),
        only.map(|name| format!(", only {name}")).unwrap_or_default()
    );
    Ok(render(&datagram.payload, &fields, &caption, number))
}

/// The first field called `name` and all it encloses.
fn part(explained: &Explained, name: &str) -> Option<Vec<Field>> {
    let outer = explained.fields.iter().find(|field| field.name == name)?;
    let inside = |field: &&Field| {
        field.range.start >= outer.range.start && field.range.end <= outer.range.end
    };
    Some(explained.fields.iter().filter(inside).filter(|f| f.depth >= outer.depth).cloned().collect())
}

fn render(payload: &[u8], fields: &[Field], caption: &str, number: usize) -> String {
    let mut hex = String::new();
    let mut rows = String::new();
    let base = fields.iter().map(|field| field.depth).min().unwrap_or(0);
    let leaves = tap::leaves(fields);
    let mut hue = 0;
    let mut drawn = 0..0;
    for (row, field) in fields.iter().enumerate() {
        let id = format!("f{number}-{row}");
        let leaf = leaves.iter().any(|leaf| std::ptr::eq(*leaf, field));
        let mut class = "group".to_owned();
        if leaf && !field.range.is_empty() {
            if field.range != drawn {
                hue = (hue + 1) % HUES;
                let octets = payload.get(field.range.clone()).unwrap_or_default();
                let shown: Vec<String> =
                    octets.iter().take(LONGEST_FIELD).map(|octet| format!("{octet:02x}")).collect();
                let more = if octets.len() > LONGEST_FIELD {
                    format!(" … {} more", octets.len() - LONGEST_FIELD)
                } else {
                    String::new()
                };
                let _ = write!(
                    hex,
                    "<a class=\"h{hue}\" href=\"#{id}\" title=\"{}\">{}{more}</a> ",
                    escape(&field.name),
                    shown.join(" ")
                );
                drawn = field.range.clone();
            }
            class = format!("h{hue}");
        }
        let _ = write!(
            rows,
            "<tr id=\"{id}\" class=\"{class}\"><td>{}</td><td style=\"padding-left:{}em\">{}</td><td>{}</td></tr>",
            range(field),
            0.5 + (field.depth - base) as f32,
            escape(&field.name),
            if leaf { escape(&shorten(&field.value)) } else { String::new() }
        );
    }
    format!(
        "<figure class=\"bytes\"><div class=\"hex\" tabindex=\"0\">{hex}</div><details open><summary>{}</summary>\
         <div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>octets</th><th>field</th><th>value</th></tr></thead>\
         <tbody>{rows}</tbody></table></div></details></figure>\n",
        escape(caption)
    )
}

fn range(field: &Field) -> String {
    match field.range.len() {
        0 => format!("{}", field.range.start),
        1 => format!("{}", field.range.start),
        _ => format!("{}–{}", field.range.start, field.range.end - 1),
    }
}

fn shorten(value: &str) -> String {
    const LONGEST: usize = 72;
    if value.chars().count() <= LONGEST {
        return value.to_owned();
    }
    value.chars().take(LONGEST).chain(['…']).collect()
}
