//! The sources cargo compiles, and the anchors and tests in them.
//!
//! A file counts as compiled when it is reached by `mod` declarations from the root of a library,
//! binary, test, example or benchmark of a workspace member. Anchors are comment lines
//! `// ANCHOR: name` … `// ANCHOR_END: name`; the lines between them are what a chapter may show.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Everything a chapter can refer to.
pub(crate) struct Sources {
    root: PathBuf,
    files: BTreeMap<PathBuf, String>,
    tests: BTreeMap<String, (PathBuf, usize)>,
}

/// A piece of a source file as a chapter shows it.
pub(crate) struct Snippet {
    /// The lines, without the indentation they share and without anchor marks.
    pub(crate) text: String,
    /// Line number of the first line, counted from 1.
    pub(crate) line: usize,
}

impl Sources {
    /// Reads every compiled source file of the workspace at `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut sources =
            Self { root: root.to_path_buf(), files: BTreeMap::new(), tests: BTreeMap::new() };
        for crate_root in crate_roots(root)? {
            sources.follow(&crate_root)?;
        }
        for (path, text) in &sources.files {
            for (number, line) in text.lines().enumerate() {
                if let Some(name) = function_name(line) {
                    sources.tests.entry(name.to_owned()).or_insert((path.clone(), number + 1));
                }
            }
        }
        Ok(sources)
    }

    fn follow(&mut self, path: &Path) -> Result<(), String> {
        let relative = path.strip_prefix(&self.root).unwrap_or(path).to_path_buf();
        if self.files.contains_key(&relative) {
            return Ok(());
        }
        let text = fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", relative.display()))?;
        let modules = modules(&text);
        self.files.insert(relative, text);
        let directory = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        for (name, at) in modules {
            let candidates = match at {
                Some(at) => vec![directory.join(at)],
                None => vec![
                    // Of `connection.rs`, `connection/media.rs` comes before `media/mod.rs`.
                    directory.join(stem).join(format!("{name}.rs")),
                    directory.join(stem).join(&name).join("mod.rs"),
                    directory.join(format!("{name}.rs")),
                    directory.join(&name).join("mod.rs"),
                ],
            };
            if let Some(found) = candidates.into_iter().find(|candidate| candidate.is_file()) {
                self.follow(&found)?;
            }
        }
        Ok(())
    }

    /// The compiled file at `path` (relative to the workspace).
    pub(crate) fn file(&self, path: &str) -> Result<&str, String> {
        self.files
            .get(Path::new(path))
            .map(String::as_str)
            .ok_or_else(|| format!("{path} is not a source file that cargo compiles"))
    }

    /// The lines of `path` inside the anchor `anchor`.
    pub(crate) fn snippet(&self, path: &str, anchor: &str) -> Result<Snippet, String> {
        let text = self.file(path)?;
        let mut lines = Vec::new();
        let mut first = None;
        let mut closed = false;
        for (number, line) in text.lines().enumerate() {
            match mark(line) {
                Some(Mark::Start(name)) if name == anchor => {
                    if first.is_some() {
                        return Err(format!("{path}: anchor {anchor} opens twice"));
                    }
                    first = Some(number + 2);
                }
                Some(Mark::End(name)) if name == anchor => {
                    closed = first.is_some();
                    break;
                }
                Some(_) => {}
                None if first.is_some() => lines.push(line),
                None => {}
            }
        }
        let Some(line) = first else { return Err(format!("{path} has no anchor {anchor}")) };
        if !closed {
            return Err(format!("{path}: anchor {anchor} is never closed"));
        }
        if lines.is_empty() {
            return Err(format!("{path}: anchor {anchor} is empty"));
        }
        if lines.len() > 40 {
            return Err(format!(
                "{path}: anchor {anchor} has {} lines; a page shows at most 40",
                lines.len()
            ));
        }
        let indent = lines
            .iter()
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.len() - line.trim_start().len())
            .min()
            .unwrap_or(0);
        let dedented: Vec<&str> =
            lines.iter().map(|line| line.get(indent..).unwrap_or("")).collect();
        Ok(Snippet { text: dedented.join("\n"), line })
    }

    /// Where the test function `name` stands.
    pub(crate) fn test(&self, name: &str) -> Result<(&Path, usize), String> {
        self.tests
            .get(name)
            .map(|(path, line)| (path.as_path(), *line))
            .ok_or_else(|| format!("there is no test named {name}"))
    }

    /// Every test whose name begins with `prefix` and an underscore: the rest of the name, the file.
    pub(crate) fn tests_named<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Path)> {
        self.tests.iter().filter_map(move |(name, (path, _))| {
            Some((name.strip_prefix(prefix)?.strip_prefix('_')?, path.as_path()))
        })
    }

    /// Every anchor of every file, with findings about unpaired ones.
    pub(crate) fn anchors(&self) -> (BTreeSet<(String, String)>, Vec<String>) {
        let mut anchors = BTreeSet::new();
        let mut findings = Vec::new();
        for (path, text) in &self.files {
            let path = path.display().to_string();
            for line in text.lines() {
                if let Some(Mark::Start(name)) = mark(line) {
                    if let Err(finding) = self.snippet(&path, name) {
                        findings.push(finding);
                    }
                    anchors.insert((path.clone(), name.to_owned()));
                }
            }
        }
        (anchors, findings)
    }
}

enum Mark<'a> {
    Start(&'a str),
    End(&'a str),
}

fn mark(line: &str) -> Option<Mark<'_>> {
    let comment = line.trim().strip_prefix("//")?.trim();
    if let Some(name) = comment.strip_prefix("ANCHOR_END:") {
        return Some(Mark::End(name.trim()));
    }
    comment.strip_prefix("ANCHOR:").map(|name| Mark::Start(name.trim()))
}

/// The name of the function that `line` declares, if it declares one without arguments.
fn function_name(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix("async ").unwrap_or(line);
    let (name, rest) = line.strip_prefix("fn ")?.split_once('(')?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (plain && !rest.is_empty()).then_some(name)
}

/// The modules that `text` declares in files of their own, with their `#[path]`.
fn modules(text: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let mut path = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next().map(str::to_owned);
            continue;
        }
        let declaration = line
            .strip_prefix("pub(crate) ")
            .or_else(|| line.strip_prefix("pub(super) "))
            .or_else(|| line.strip_prefix("pub "))
            .unwrap_or(line);
        if let Some(name) = declaration.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'))
        {
            found.push((name.trim().to_owned(), path.take()));
        } else if !line.starts_with("#[") && !line.is_empty() {
            path = None;
        }
    }
    found
}

/// The root file of every target of every workspace member, as cargo itself lists them.
fn crate_roots(root: &Path) -> Result<Vec<PathBuf>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cannot read cargo metadata: {error}"))?;
    let list = |value: &serde_json::Value, name: &str| {
        value.get(name).and_then(serde_json::Value::as_array).cloned().unwrap_or_default()
    };
    let targets =
        list(&metadata, "packages").into_iter().flat_map(|package| list(&package, "targets"));
    let root_of = |target: serde_json::Value| target.get("src_path")?.as_str().map(PathBuf::from);
    Ok(targets.filter_map(root_of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Sources {
        let files = BTreeMap::from([(PathBuf::from("a.rs"), text.to_owned())]);
        Sources { root: PathBuf::new(), files, tests: BTreeMap::new() }
    }

    #[test]
    fn a_snippet_loses_shared_indentation_and_inner_marks() {
        let sources = with(
            "x\n    // ANCHOR: a\n    fn f() {\n        // ANCHOR: b\n        g();\n        // ANCHOR_END: b\n    }\n    // ANCHOR_END: a\n",
        );
        let snippet = sources.snippet("a.rs", "a").unwrap();
        assert_eq!((snippet.text.as_str(), snippet.line), ("fn f() {\n    g();\n}", 3));
    }

    #[test]
    fn misspelt_and_unclosed_anchors_are_findings() {
        let sources = with("// ANCHOR: a\nfn f() {}\n");
        assert!(sources.snippet("a.rs", "b").err().unwrap().contains("no anchor b"));
        assert!(sources.snippet("a.rs", "a").err().unwrap().contains("never closed"));
        assert!(sources.snippet("b.rs", "a").err().unwrap().contains("not a source file"));
    }

    #[test]
    fn modules_are_followed_with_their_paths() {
        let found = modules("pub mod a;\n#[path = \"x/b.rs\"]\nmod b;\nmod c { }\n");
        assert_eq!(found, [("a".to_owned(), None), ("b".to_owned(), Some("x/b.rs".to_owned()))]);
    }
}
