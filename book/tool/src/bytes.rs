//! `{{#bytes …}}`: one captured datagram, every octet named by the parser that runs in production.
//!
//! The figure is a block of hex whose octets link to the rows of a table: range, field, value. It is
//! complete without a script; `theme/figures.js` only adds highlighting on hover.

use std::fmt::Write as _;
use std::path::Path;

use tap::Field;

use crate::explain::{Capture, Explained};
use crate::html::escape;

/// Octets of one field shown in hex before it is cut short.
const LONGEST_FIELD: usize = 40;

/// How many colours `theme/figures.css` has.
const HUES: usize = 6;

/// Expands `arguments`: `capture n [only=FIELD] [sealed]`. `number` tells figures of one page apart.
pub(crate) fn figure(root: &Path, arguments: &str, number: usize) -> Result<String, String> {
    let mut words = arguments.split_whitespace();
    let capture = words.next().ok_or("bytes: which capture?")?;
    let index: usize = words
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| format!("bytes {arguments}: which datagram? (counted from 1)"))?;
    let (mut only, mut sealed) = (None, false);
    for word in words {
        match word.strip_prefix("only=") {
            Some(name) => only = Some(name.replace('_', " ")),
            None if word == "sealed" => sealed = true,
            None => return Err(format!("bytes {arguments}: {word}?")),
        }
    }
    let explained = load(root, capture, index, sealed)?;
    let fields = match &only {
        None => explained.fields.iter().filter(|field| !is_noise(field)).cloned().collect(),
        Some(name) => part(&explained, name)
            .ok_or_else(|| format!("{capture} datagram {index} has no field {name:?}"))?,
    };
    let caption = format!(
        "{}: datagram {index} of {capture}{}",
        headline(&explained),
        only.map(|name| format!(", only {name}")).unwrap_or_default()
    );
    Ok(render(&explained.payload, &fields, &caption, number))
}

/// One datagram as lines of text: octets, field, value.
pub(crate) fn text(
    root: &Path,
    capture: &str,
    number: &str,
    sealed: bool,
) -> Result<String, String> {
    let index = number.parse().map_err(|_| format!("{number} is not a datagram's number"))?;
    let explained = load(root, capture, index, sealed)?;
    let leaves = tap::leaves(&explained.fields);
    let mut out = format!("{}\n", headline(&explained));
    for field in explained.fields.iter().filter(|field| !is_noise(field)) {
        let leaf = leaves.iter().any(|leaf| std::ptr::eq(*leaf, field));
        let value = if leaf { words(field) } else { String::new() };
        let indent = "  ".repeat(field.depth);
        let name = format!("{indent}{}", field.name);
        let _ = writeln!(out, "{:>9}  {name:<40} {value}", range(field));
    }
    Ok(out)
}

fn headline(explained: &Explained) -> String {
    let note = match explained.note {
        "" => String::new(),
        note => format!(" {note}"),
    };
    format!("{}, {} octets{note}", explained.summary, explained.payload.len())
}

/// Datagram `index`, counted from 1, and what our parsers make of it. Every octet is named.
fn load(root: &Path, capture: &str, index: usize, sealed: bool) -> Result<Explained, String> {
    let explained = Capture::read(root, capture)?.explain(index, sealed)?;
    tap::tile(&explained.fields, explained.payload.len())
        .map_err(|error| format!("{capture} datagram {index}: {error}"))?;
    Ok(explained)
}

/// The first field called `name` and all it encloses.
fn part(explained: &Explained, name: &str) -> Option<Vec<Field>> {
    let outer = explained.fields.iter().find(|field| field.name == name)?;
    let inside = |field: &&Field| {
        field.range.start >= outer.range.start && field.range.end <= outer.range.end
    };
    Some(
        explained
            .fields
            .iter()
            .filter(inside)
            .filter(|f| f.depth >= outer.depth)
            .cloned()
            .collect(),
    )
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
            if leaf { escape(&words(field)) } else { String::new() }
        );
    }
    format!(
        "<figure class=\"bytes\"><div class=\"hex\" tabindex=\"0\">{hex}</div><details open><summary>{}</summary>\
         <div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>octets</th><th>field</th><th>value</th></tr></thead>\
         <tbody>{rows}</tbody></table></div></details></figure>\n",
        escape(caption)
    )
}

/// Padding of no octets: true, and of no interest.
fn is_noise(field: &Field) -> bool {
    field.range.is_empty() && ["padding", "opaque"].contains(&field.name.as_str())
}

fn range(field: &Field) -> String {
    match field.range.len() {
        0 => format!("{}", field.range.start),
        1 => format!("{}", field.range.start),
        _ => format!("{}–{}", field.range.start, field.range.end - 1),
    }
}

fn counted(octets: usize) -> String {
    format!("{octets} octet{}", if octets == 1 { "" } else { "s" })
}

/// A value as a reader wants it: without the name of its newtype, octets as a count, never long.
fn words(field: &Field) -> String {
    const LONGEST: usize = 72;
    let value = field.value.as_str();
    // Octets that are no text.
    if value.starts_with("b\"") && value.contains("\\x") {
        return counted(field.range.len());
    }
    let octets = value.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
    if octets.is_some_and(|list| list.split(", ").all(|octet| octet.parse::<u8>().is_ok())) {
        return counted(field.range.len());
    }
    let inner = value.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let plain = |inner: &&str| !inner.contains(['(', '{', '[', ',']);
    let value = inner.filter(plain).unwrap_or(value);
    if value.chars().count() <= LONGEST {
        return value.to_owned();
    }
    value.chars().take(LONGEST).chain(['…']).collect()
}
