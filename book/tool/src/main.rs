//! Builds and checks the book: `cargo run -p book` (or `cargo run -p book -- check` for the checks alone).
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
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mdbook_driver::MDBook;

use crate::expand::Expander;
use crate::source::Sources;

fn main() -> ExitCode {
    let check_only = match std::env::args().nth(1).as_deref() {
        None | Some("build") => false,
        Some("check") => true,
        Some(other) => {
            eprintln!("book: unknown command {other:?}; use `build` (the default) or `check`");
            return ExitCode::FAILURE;
        }
    };
    match run(check_only) {
        Ok(summary) => {
            eprintln!("{summary}");
            ExitCode::SUCCESS
        }
        Err(findings) => {
            for finding in &findings {
                eprintln!("book: {finding}");
            }
            eprintln!("book: {} finding(s); nothing was published", findings.len());
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
fn repository_root() -> PathBuf {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR"));
    tool.ancestors().nth(2).unwrap_or(tool).to_path_buf()
}
