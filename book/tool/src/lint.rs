//! Rules for the prose: nothing unfinished, nothing obsolete, no Rust that is not compiled source.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::Sources;

/// Obsolete RFCs and what replaced them. `history` on the line excuses a mention.
const OBSOLETE: [(&str, &str); 9] = [
    ("5389", "8489"),
    ("5245", "8445"),
    ("5766", "8656"),
    ("4960", "9260"),
    ("4566", "8866"),
    ("8829", "9429"),
    ("8843", "9143"),
    ("5285", "8285"),
    ("1889", "3550"),
];

/// What every chapter of a layer has, in this order: code, and these sections.
const SHAPE: [&str; 4] = ["{{#code ", "## Run it", "## What browsers send", "## Traps"];

/// Every Markdown file below `directory`, sorted.
pub(crate) fn chapters(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(directory)
        .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
        .unwrap_or_default();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    found.sort();
    found
}

/// What is wrong with the prose below `directory`, each with file and line.
pub(crate) fn prose(directory: &Path, sources: &Sources) -> Vec<String> {
    let mut findings = Vec::new();
    let summary = fs::read_to_string(directory.join("SUMMARY.md")).unwrap_or_default();
    for path in chapters(directory) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let text = fs::read_to_string(&path).unwrap_or_default();
        if name != "SUMMARY.md" && !summary.contains(&format!("({name})")) {
            findings.push(format!("{name}: not in SUMMARY.md"));
        }
        for (line, finding) in page(name, &text, sources) {
            findings.push(format!("{name}:{line}: {finding}"));
        }
    }
    findings
}

fn page(name: &str, text: &str, sources: &Sources) -> Vec<(usize, String)> {
    let mut findings = Vec::new();
    let mut fenced = false;
    let mut heading: Option<(usize, usize)> = None;
    for (number, line) in text.lines().enumerate().map(|(number, line)| (number + 1, line)) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            if !fenced && language.trim_start().starts_with("rust") {
                findings.push((number, "inline Rust; show an anchor of a compiled file".into()));
            }
            fenced = !fenced;
        }
        if !fenced && let Some(level) = heading_level(line) {
            if let Some((at, previous)) = heading
                && level <= previous
            {
                findings.push((at, "an empty heading".into()));
            }
            heading = Some((number, level));
        } else if !line.trim().is_empty() {
            heading = None;
        }
        for (old, new) in OBSOLETE {
            let cited = line.contains(&format!("RFC {old}")) || line.contains(&format!("RFC{old}"));
            if cited && !line.contains("history") {
                findings.push((number, format!("RFC {old} is obsolete: RFC {new}")));
            }
        }
        for word in ["TODO", "FIXME", "XXX", "coming soon"] {
            if line.contains(word) {
                findings.push((number, format!("unfinished: {word}")));
            }
        }
        for path in code_spans(line).filter(|span| span.ends_with(".rs") && span.contains('/')) {
            if sources.file(path).is_err() {
                findings.push((number, format!("{path} is not a source file that cargo compiles")));
            }
        }
    }
    if let Some((at, _)) = heading {
        findings.push((at, "an empty heading".into()));
    }
    let of_a_layer = name.starts_with(|c: char| c.is_ascii_digit());
    let mut from = 0;
    for wanted in SHAPE.iter().filter(|_| of_a_layer) {
        match text.get(from..).and_then(|rest| rest.find(wanted)) {
            Some(at) => from += at,
            None => findings.push((1, format!("{wanted:?} is missing or out of order"))),
        }
    }
    findings
}

fn heading_level(line: &str) -> Option<usize> {
    let level = line.chars().take_while(|c| *c == '#').count();
    (level > 0 && line.get(level..)?.starts_with(' ')).then_some(level)
}

fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}
