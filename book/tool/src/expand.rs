//! The book's directives, each replaced by what it names.
//!
//! | directive | becomes |
//! | --- | --- |
//! | `{{#code path#anchor}}` | the anchored lines of a compiled file, with a caption |
//! | `{{#bytes capture n [only=FIELD] [sealed]}}` | datagram `n` of a capture, explained by our own parser |
//! | `{{#ladder capture [from=a] [to=b] [only=dtls,srtcp]}}` | datagrams of a capture as a ladder diagram and a table |
//! | `{{#file path}}` | a text file of the repository, verbatim |
//! | `{{#test name}}` | the name of a test that exists, with its file and line |
//! | `{{#tests prefix}}` | a table of all tests whose names begin so: what they say, and where |
//!
//! A capture is `tests/fixtures/pcap/NAME.pcap`; datagrams are counted from 1. Media is decrypted where
//! the capture has a key log, unless the figure says `sealed`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use mdbook_preprocessor::book::Book;
use mdbook_preprocessor::errors::Error;
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};

use crate::html::escape;
use crate::source::Sources;
use crate::{bytes, ladder};

/// How many of each directive the book holds.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    code: usize,
    figures: usize,
    ladders: usize,
    tests: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, figures, ladders, tests } = self;
        write!(
            out,
            "{code} pieces of code, {figures} byte figures, {ladders} ladders, {tests} named tests"
        )
    }
}

/// Replaces directives; as an mdBook preprocessor and as a checker.
pub(crate) struct Expander {
    root: PathBuf,
    sources: Sources,
    counts: RefCell<Counts>,
    shown: RefCell<BTreeSet<(String, String)>>,
}

impl Expander {
    pub(crate) fn new(root: PathBuf, sources: Sources) -> Self {
        Self { root, sources, counts: RefCell::default(), shown: RefCell::default() }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.borrow().clone()
    }

    /// Expands every chapter below `directory` and returns what is wrong, each with its file and line.
    pub(crate) fn check(&self, directory: &Path) -> Vec<String> {
        let (anchors, mut findings) = self.sources.anchors();
        for path in crate::lint::chapters(directory) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let name = path.strip_prefix(directory).unwrap_or(&path).display().to_string();
            self.expand(&text, &mut |line, finding| {
                findings.push(format!("{name}:{line}: {finding}"));
            });
        }
        for (path, anchor) in anchors.difference(&self.shown.borrow()) {
            findings.push(format!("{path}: anchor {anchor} is shown nowhere in the book"));
        }
        findings
    }

    fn expand(&self, text: &str, report: &mut dyn FnMut(usize, String)) -> String {
        let mut output = String::with_capacity(text.len());
        for (number, line) in text.lines().enumerate() {
            let mut rest = line;
            while let Some((before, after)) = rest.split_once("{{#") {
                output.push_str(before);
                let Some((directive, after)) = after.split_once("}}") else {
                    report(number + 1, "a directive is never closed with }}".to_owned());
                    break;
                };
                match self.directive(directive) {
                    Ok(text) => output.push_str(&text),
                    Err(finding) => report(number + 1, finding),
                }
                rest = after;
            }
            output.push_str(rest);
            output.push('\n');
        }
        output
    }

    fn directive(&self, directive: &str) -> Result<String, String> {
        let (verb, arguments) = directive.split_once(' ').unwrap_or((directive, ""));
        let arguments = arguments.trim();
        let mut counts = self.counts.borrow_mut();
        match verb {
            "code" => {
                counts.code += 1;
                self.code(arguments)
            }
            "bytes" => {
                counts.figures += 1;
                bytes::figure(&self.root, arguments, counts.figures)
            }
            "ladder" => {
                counts.ladders += 1;
                ladder::figure(&self.root, arguments)
            }
            "file" => {
                let text = fs::read_to_string(self.root.join(arguments))
                    .map_err(|error| format!("cannot read {arguments}: {error}"))?;
                Ok(format!("```text\n{}\n```", text.replace('\r', "").trim_end()))
            }
            "test" => {
                counts.tests += 1;
                let (path, line) = self.sources.test(arguments)?;
                Ok(format!(
                    "<code class=\"test\" title=\"{}:{line}\">{}</code>",
                    escape(&path.display().to_string()),
                    escape(arguments)
                ))
            }
            "tests" => self.tests(arguments),
            _ => Err(format!("unknown directive {verb}")),
        }
    }

    fn tests(&self, prefix: &str) -> Result<String, String> {
        let mut table = "| | what holds | where |\n| --- | --- | --- |\n".to_owned();
        let mut rows: Vec<(&str, &Path)> = self.sources.tests_named(prefix).collect();
        rows.sort_by_key(|(name, _)| (leading_number(name), *name));
        if rows.is_empty() {
            return Err(format!("no test begins with {prefix}_"));
        }
        for (name, path) in rows {
            let number = leading_number(name);
            let (number, name) = match name.split_once('_') {
                Some((_, rest)) if number != u32::MAX => (number.to_string(), rest),
                _ => (String::new(), name),
            };
            let words = name.replace('_', " ");
            table.push_str(&format!("| {number} | {words} | `{}` |\n", path.display()));
        }
        Ok(table)
    }

    fn code(&self, arguments: &str) -> Result<String, String> {
        let (path, anchor) =
            arguments.split_once('#').ok_or_else(|| format!("{arguments}: write path#anchor"))?;
        let snippet = self.sources.snippet(path, anchor)?;
        self.shown.borrow_mut().insert((path.to_owned(), anchor.to_owned()));
        Ok(format!(
            "```rust,ignore\n{}\n```\n<div class=\"caption\">{path}, line {}</div>\n",
            snippet.text, snippet.line
        ))
    }
}

/// The number a name begins with, so that 9 comes before 10.
fn leading_number(name: &str) -> u32 {
    name.split('_').next().and_then(|word| word.parse().ok()).unwrap_or(u32::MAX)
}

impl Preprocessor for Expander {
    fn name(&self) -> &str {
        "expand"
    }

    fn run(&self, _: &PreprocessorContext, mut book: Book) -> Result<Book, Error> {
        let mut findings = Vec::new();
        book.for_each_chapter_mut(|chapter| {
            let expanded = self.expand(&chapter.content, &mut |line, finding| {
                findings.push(format!("{} line {line}: {finding}", chapter.name));
            });
            chapter.content = expanded;
        });
        if findings.is_empty() { Ok(book) } else { Err(Error::msg(findings.join("\n"))) }
    }
}
