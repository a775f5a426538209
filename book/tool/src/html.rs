//! Reads the built pages and proves that every internal link and fragment leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// `text` with the characters that HTML reserves replaced.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Checks every page below `output`; returns how many there are.
pub(crate) fn check(output: &Path) -> Result<usize, Vec<String>> {
    let pages: BTreeMap<PathBuf, String> = pages(output)
        .into_iter()
        .filter_map(|path| fs::read_to_string(&path).ok().map(|text| (path, text)))
        .collect();
    let ids: BTreeMap<&PathBuf, BTreeSet<&str>> =
        pages.iter().map(|(path, text)| (path, values(text, "id").collect())).collect();
    let mut findings = Vec::new();
    for (path, text) in &pages {
        let name = path.strip_prefix(output).unwrap_or(path).display();
        for link in values(text, "href").chain(values(text, "src")) {
            if link.starts_with("http:") || link.starts_with("https:") {
                if link_is_asset(text, link) {
                    findings.push(format!("{name}: {link} would be fetched from the network"));
                }
                continue;
            }
            if link.starts_with("data:") || link.starts_with("mailto:") || link == "#" {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let file = file.split('?').next().unwrap_or(file);
            let target = if file.is_empty() {
                path.clone()
            } else {
                normal(&path.parent().unwrap_or(output).join(file))
            };
            if !target.exists() {
                findings.push(format!("{name}: the link {link} leads nowhere"));
            } else if !fragment.is_empty()
                && ids.get(&target).is_some_and(|ids| !ids.contains(fragment))
            {
                findings.push(format!("{name}: the link {link} names no anchor of that page"));
            }
        }
        if text.contains("{{#") {
            findings.push(format!("{name}: a directive was left as it is"));
        }
    }
    if findings.is_empty() { Ok(pages.len()) } else { Err(findings) }
}

fn link_is_asset(page: &str, link: &str) -> bool {
    page.contains(&format!("src=\"{link}\""))
}

fn pages(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .flat_map(|path| if path.is_dir() { pages(&path) } else { vec![path] })
        // 404.html is served from any depth, print.html and toc.html repeat the other pages.
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "html")
                && !["404.html", "print.html", "toc.html"].iter().any(|name| path.ends_with(name))
        })
        .collect()
}

/// The values of the attribute `name` in `text`.
fn values<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let pattern = format!(" {name}=\"");
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = rest.find(&pattern)?;
        let after = rest.get(at + pattern.len()..)?;
        let end = after.find('"')?;
        rest = after.get(end..)?;
        after.get(..end)
    })
}

fn normal(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                result.pop();
            }
            Component::CurDir => {}
            other => result.push(other),
        }
    }
    result
}
