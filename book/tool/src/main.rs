//! Builds and checks the book: `cargo run -p book` (or `cargo run -p book -- check` for the checks
//! alone). `cargo run -p book -- explain CAPTURE [N]` prints a capture, or one datagram of it;
//! media is decrypted where the capture has a key log, unless `sealed` is asked for.
//!
//! mdBook renders a misspelt anchor as nothing and exits with 0, so nothing here is left to it:
//! [`source`] finds every file that cargo compiles and its anchors, [`expand`] replaces the book's
//! directives with code, byte figures and ladders made from them, [`lint`] reads the prose and the
//! built pages. Any finding fails the build.

mod bytes;
mod expand;
mod explain;
mod html;
mod ladder;
mod lint;
mod media;
mod source;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mdbook_driver::MDBook;

use crate::expand::Expander;
use crate::source::Sources;

const USAGE: &str = "usage: book [build | check | explain CAPTURE [DATAGRAM [sealed]]]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [] | ["build"] => run(false),
        ["check"] => run(true),
        ["explain", capture] => {
            ladder::text(&repository_root(), capture).map_err(|error| vec![error])
        }
        ["explain", capture, number] => {
            bytes::text(&repository_root(), capture, number, false).map_err(|error| vec![error])
        }
        ["explain", capture, number, "sealed"] => {
            bytes::text(&repository_root(), capture, number, true).map_err(|error| vec![error])
        }
        _ => Err(vec![USAGE.to_owned()]),
    };
    match outcome {
        Ok(text) => {
            // Not `println!`: a reader such as `head` may close the pipe early.
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(findings) => {
            for finding in &findings {
                eprintln!("book: {finding}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(check_only: bool) -> Result<String, Vec<String>> {
    let root = repository_root();
    let book = root.join("book");
    let sources = Sources::read(&root).map_err(|error| vec![error])?;
    let mut findings = lint::prose(&book.join("src"), &sources);
    let expander = Expander::new(root.clone(), sources);
    // A first pass over the raw chapters collects every finding at once, where mdBook would stop at one.
    findings.extend(expander.check(&book.join("src")));
    if !findings.is_empty() {
        return Err(findings);
    }
    let counts = expander.counts();
    if check_only {
        return Ok(format!("book: {counts}; all checks passed"));
    }
    let mut mdbook = MDBook::load(&book).map_err(|error| vec![format!("{error:#}")])?;
    mdbook.with_preprocessor(expander);
    mdbook.build().map_err(|error| vec![format!("{error:#}")])?;
    let output = mdbook.build_dir_for("html");
    let pages = html::check(&output)?;
    let index = output.join("index.html");
    let shown = index.strip_prefix(&root).unwrap_or(&index).display().to_string();
    Ok(format!("book: {counts}; {pages} pages, every link and anchor resolves; open {shown}"))
}

/// The workspace this tool was compiled in.
pub(crate) fn repository_root() -> PathBuf {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR"));
    tool.ancestors().nth(2).unwrap_or(tool).to_path_buf()
}
