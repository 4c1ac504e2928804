//! The README and the documents say what is true: configurations load, commands are taken by the
//! command line's own parser and shell blocks by a shell's, messages are accepted by a bridge, tests are
//! there, statuses mean what a table says, and each alert is explained.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use imper_bridge::config::{Environment, Settings};
use imper_bridge::delivery::Outcome;
use imper_bridge::delivery::verdict::of_status;

use crate::bridge::{Home, PATIENCE, command, element};

const README: &str = include_str!("../../README.md");
const ENDPOINT: &str = include_str!("../../docs/soap.md");
const GUARANTEES: &str = include_str!("../../docs/guarantees.md");
const RUNBOOK: &str = include_str!("../../docs/operations.md");
const ALERTS: &str = include_str!("../../deploy/prometheus/alerts.yml");

/// All documents, by their names.
pub(crate) fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut documents: Vec<_> = folder
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()))
        .collect();
    documents.push(("README.md".into(), README.into()));
    assert!(documents.len() >= 5, "the documents were not found: {}", documents.len());
    documents
}

/// Every key that the configuration's reader asks for stands in the document of the configuration.
#[test]
fn every_key_is_documented() {
    let document = include_str!("../../docs/configuration.md");
    let (mut folders, mut keys) = (vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config")], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]").next().unwrap();
            for asked in [".value(", ".required(", ".secret(", ".section(", ".list("] {
                let keys_of = source.split(asked).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                keys.extend(keys_of.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
    }
    assert!(keys.len() > 40, "the keys were not found: {keys:?}");
    let words: BTreeSet<_> = document.split(|each: char| !each.is_ascii_alphanumeric() && each != '_').collect();
    keys.retain(|key| !words.contains(key.as_str()));
    assert!(keys.is_empty(), "no word of {keys:?}");
}

#[test]
fn the_oldest_rust_is_the_one_of_the_package() {
    let said = format!("With Rust {} or later", env!("CARGO_PKG_RUST_VERSION"));
    assert!(README.contains(&said), "{said:?} stands nowhere in the README");
}

/// The blocks of one language in all documents, each with its document's name.
fn all_blocks(language: &str) -> Vec<(String, String)> {
    let of =
        |(name, text): (String, String)| blocks(&text, language).into_iter().map(move |block| (name.clone(), block));
    documents().into_iter().flat_map(of).collect()
}

/// The fenced blocks of one language, without their fences.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}");
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == opening {
            let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// The texts in quotes that directly follow `before`.
fn quoted<'t>(text: &'t str, before: &str) -> Vec<&'t str> {
    let before = format!("{before} = \"");
    text.split(before.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_configuration_loads() {
    let configurations = all_blocks("toml");
    assert!(configurations.len() >= 4, "the fences were not found");
    for (name, text) in configurations {
        let folder = tempfile::tempdir().unwrap();
        for name in quoted(&text, "file") {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "a-secret\n").unwrap();
        }
        let environment = Environment::from_iter(quoted(&text, "env").into_iter().map(|name| (name, "a-secret")));
        let loaded = Settings::from_toml(&name, &text, folder.path(), &environment);
        let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        assert!(loaded.warnings.is_empty(), "{:?}\n{text}", loaded.warnings);
    }
}

/// What stands between single backquotes.
fn spans(text: &str) -> Vec<String> {
    let in_line = |line: &str| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    text.lines().filter(|line| !line.starts_with("```")).flat_map(in_line).collect()
}

/// What follows the program's name wherever a shell block or a sentence calls it, up to the end of
/// that command.
fn invocations(text: &str) -> Vec<Vec<String>> {
    let mut invocations = Vec::new();
    let said = spans(text).into_iter().filter(|span| span.starts_with("imper-bridge "));
    for block in blocks(text, "sh").into_iter().chain(said) {
        for line in block.replace("\\\n", " ").lines() {
            let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
            let call = match words.first() {
                Some(&"imper-bridge") => Some(&words[1..]),
                Some(&"cargo") => words.iter().position(|word| *word == "--").map(|at| &words[at + 1..]),
                _ => None,
            };
            invocations.extend(call.map(|words| words.iter().map(|word| (*word).to_owned()).collect()));
        }
    }
    invocations
}

#[test]
fn every_command_and_option_exists() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<_> = documents().iter().flat_map(|(_, text)| invocations(text)).collect();
    assert!(all.len() >= 20, "the commands were not found: {all:?}");
    for words in all {
        // A command may have commands of its own.
        let depth = if words[0] == "events" { 2 } else { 1 };
        let (path, arguments) = words.split_at(depth);
        let subcommand = path.join(" ");
        let output = command(folder.path()).arg("help").args(path).output().unwrap();
        assert!(output.status.success(), "{subcommand}: {}", String::from_utf8_lossy(&output.stderr));
        let help = String::from_utf8(output.stdout).unwrap();
        for option in arguments.iter().filter(|word| word.starts_with("--")) {
            let known = help.split_whitespace().any(|word| word.trim_end_matches(',') == option.as_str());
            assert!(known, "{subcommand} does not take {option}:\n{help}");
        }
    }
}

/// What stands in a shell block is taken by the program's own parser, values and all.
#[test]
fn every_command_of_a_shell_block_is_taken_by_the_command_line() {
    let mut taken = 0;
    for (name, block) in all_blocks("sh") {
        for words in invocations(&format!("```sh\n{block}\n```\n")) {
            let words = words.iter().map(|word| word.trim_matches(['"', '\'']));
            let parsed =
                imper_bridge::cli::command_line().try_get_matches_from(["imper-bridge"].into_iter().chain(words));
            assert!(parsed.is_ok(), "{name}: {}", parsed.unwrap_err());
            taken += 1;
        }
    }
    assert!(taken >= 12, "the commands were not found: {taken}");
}

#[test]
fn every_shell_block_is_taken_by_a_shell() {
    let blocks = all_blocks("sh");
    assert!(blocks.len() >= 8, "the fences were not found");
    for (name, block) in blocks {
        let output = std::process::Command::new("sh").args(["-n", "-c", &block]).output().unwrap();
        assert!(output.status.success(), "{name}: {}\n{block}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Each message that is shown to be copied is accepted as it stands.
#[tokio::test]
async fn every_message_is_accepted() {
    let home = Home::new(
        "[org.acme]\nauth.none = true\nhandler = \"in_process\"\n[org.acme.intake]\nkey = \"an-intake-key\"\n",
    );
    let bridge = home.start();
    let envelopes = all_blocks("xml");
    assert!(envelopes.len() >= 2, "the fences were not found");
    for (name, envelope) in envelopes {
        let answer = bridge.post("acme", "text/xml", envelope).send().await.unwrap().text().await.unwrap();
        assert!(answer.contains("Outcome>"), "{name}: {answer}");
        assert_eq!(element(&answer, "Outcome"), "Accepted", "{name}: {answer}");
    }
    let client = imper_bridge::delivery::relay::client(None, None).unwrap();
    let shown = all_blocks("json").into_iter().filter(|(_, json)| json.contains("\"candidate_id\""));
    let mut taken = 0;
    for (name, json) in shown.filter(|(_, json)| !json.contains("event_id")) {
        let post = client.post(format!("{}/webhooks/acme/workday", bridge.public)).bearer_auth("an-intake-key");
        let post = post.header("Content-Type", "application/json").body(json).timeout(PATIENCE);
        let answer = post.send().await.unwrap();
        let (status, told) = (answer.status(), answer.text().await.unwrap());
        assert!(status == 200 && told.contains("outcome"), "{name}: {told}");
        taken += 1;
    }
    assert!(taken >= 4, "the fences were not found");
}

/// The rows of the tables of one section of `docs/guarantees.md`, cell by cell and without their heads.
fn rows(section: &str) -> Vec<Vec<&'static str>> {
    let text = GUARANTEES.split(&format!("\n## {section}\n")).nth(1).expect("the section");
    let lines = text.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| ")).skip(1);
    lines.map(|line| line.trim_matches(['|', ' ']).split('|').map(str::trim).collect()).collect()
}

/// The sources in these folders.
pub(crate) fn sources(folders: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut sources = String::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                sources.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

#[test]
fn every_guarantee_names_a_test_that_exists() {
    let tests = sources(&["src", "tests/it"]);
    let there = |name: &str| tests.contains(&format!("fn {name}()")) || tests.contains(&format!("fn {name}<"));
    let sections = [
        "What a 200 to Workday means",
        "How events reach the relay",
        "When the store or the process is in trouble",
        "Who is let in",
        "What an operator may do",
    ];
    for section in sections {
        let rows = rows(section);
        assert!(rows.len() >= 3, "the table was not found: {rows:?}");
        for row in rows {
            let names: Vec<&str> = row.last().unwrap().split('`').skip(1).step_by(2).collect();
            assert!(!names.is_empty(), "no test proves this: {row:?}");
            for name in names {
                assert!(there(name), "there is no test {name}");
            }
        }
    }
    let commands = GUARANTEES.split("cargo test ").skip(1).filter_map(|rest| rest.split_whitespace().next());
    for begins in commands.filter(|begins| !begins.starts_with("NAME")) {
        assert!(tests.contains(&format!("fn {begins}")), "cargo test {begins} runs nothing");
    }
}

#[test]
fn every_status_means_what_the_table_says() {
    let rows = rows("What an answer of the relay means");
    let covers = |cell: &str, status: u16| {
        let hundred = format!("{}xx", status / 100);
        cell.split(", ").any(|each| each == hundred || each == status.to_string())
    };
    for status in 200..=599 {
        let means = match of_status(status, None) {
            Outcome::Delivered => "delivered",
            Outcome::Retry { .. } => "retry",
            Outcome::SetUp => "set-up",
            Outcome::Refused => "refused",
        };
        let named = rows.iter().find(|row| covers(row[0], status));
        let row = named.or_else(|| rows.iter().find(|row| row[0] == "any other 4xx")).unwrap();
        assert_eq!(row[1], means, "{status} stands in {row:?}");
    }
}

#[test]
fn every_fault_code_is_explained() {
    let section =
        ENDPOINT.split("\n## What the answer says\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    for code in imper_bridge::refusal::Code::ALL {
        let word = format!("`{}`", code.as_str());
        assert!(section.contains(&word), "the table of faults leaves {word} out");
    }
}

/// What follows `opening` on the lines that begin with it.
fn following<'t>(text: &'t str, opening: &str) -> BTreeSet<&'t str> {
    text.lines().filter_map(|line| line.trim_start().strip_prefix(opening)).collect()
}

#[test]
fn the_runbook_explains_each_alert_and_no_other() {
    let alerts = following(ALERTS, "- alert: ");
    assert!(alerts.len() >= 10, "the alerts were not found: {alerts:?}");
    assert_eq!(following(RUNBOOK, "### "), alerts);
    let anchors: BTreeSet<_> =
        alerts.iter().map(|alert| format!("docs/operations.md#{}", alert.to_lowercase())).collect();
    assert_eq!(following(ALERTS, "runbook: "), anchors.iter().map(String::as_str).collect());
}

#[test]
fn every_log_line_of_the_runbook_is_logged() {
    let table = RUNBOOK.split("\n## Logs\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let lines = following(table, "| `");
    assert!(lines.len() >= 8, "the table was not found: {lines:?}");
    let sources = sources(&["src"]);
    for line in lines {
        let said = line.split('`').next().unwrap();
        assert!(sources.contains(&format!("\"{said}\"")), "nothing logs {said:?}");
    }
}
