//! What the documents refer to is there: files, and headings within them; and so is each document
//! that something else in the repository refers to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders in which a document may be referred to by its path from the root.
const MENTIONING: [&str; 5] = ["src", "tests/it", "deploy", "benches", "examples"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All documents, by their paths from the root.
fn documents() -> Vec<PathBuf> {
    let names = crate::readme::documents().into_iter().map(|(name, _)| name);
    let inside = |name: String| if name == "README.md" { name.into() } else { Path::new("docs").join(name) };
    names.map(inside).chain(["fixtures/README.md".into(), "tests/soap12-w3c/README.md".into()]).collect()
}

/// The document without what stands in its fences.
fn prose(text: &str) -> Vec<&str> {
    let mut inside = false;
    let outside = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        inside ^= is_fence;
        !inside && !is_fence
    };
    text.lines().filter(outside).collect()
}

/// What the links of a document lead to.
fn links(text: &str) -> Vec<&str> {
    prose(text)
        .into_iter()
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

/// The anchors that a heading gets where the documents are shown.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter_map(|line| line.strip_prefix('#'));
    headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || ['-', '_'].contains(c)).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for document in documents() {
        let text = fs::read_to_string(root().join(&document)).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            count += 1;
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let path = match file {
                "" => root().join(&document),
                _ => root().join(document.parent().unwrap()).join(file),
            };
            let is_there = match heading {
                None => path.exists(),
                Some(heading) => fs::read_to_string(&path).is_ok_and(|text| anchors(&text).contains(heading)),
            };
            if !is_there {
                wrong.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these lead nowhere: {wrong:#?}");
    assert!(count >= 40, "the links were not found: {count}");
}

#[test]
fn every_document_that_is_mentioned_is_there() {
    let mentioning = crate::readme::sources(&MENTIONING);
    let names = mentioning.split("docs/").skip(1).filter_map(|rest| {
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && !"-._".contains(c)).next()?;
        name.strip_suffix(".md").map(|_| name)
    });
    let names: BTreeSet<_> = names.collect();
    assert!(names.len() >= 3, "the mentions were not found: {names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !root().join("docs").join(name).exists()).collect();
    assert!(missing.is_empty(), "mentioned, but not there: {missing:?}");
}

#[test]
fn each_document_is_found_from_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let linked: BTreeSet<_> = links(&readme).into_iter().map(|link| link.split('#').next().unwrap()).collect();
    for (name, _) in crate::readme::documents().into_iter().filter(|(name, _)| name != "README.md") {
        assert!(linked.contains(format!("docs/{name}").as_str()), "the README does not lead to docs/{name}");
    }
}

#[test]
fn an_anchor_is_what_a_heading_is_shown_with() {
    assert_eq!(anchor("By Studio: `ImperListener`"), "by-studio-imperlistener");
    assert_eq!(anchor("The WSDL, and who has read it"), "the-wsdl-and-who-has-read-it");
    assert_eq!(links("See [a](b.md#c) and\n```sh\nnot [this](one)\n```\n[d](e)"), ["b.md#c", "e"]);
}
