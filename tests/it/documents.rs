//! What the README and the documents show for a shell is run, by the real programs, against a bridge
//! with something in its journal.
//!
//! Before each block stands what is to become of it:
//!
//! - `<!-- run -->`: it is run in a folder where a bridge runs, and every command must succeed. After a
//!   comma may stand what else holds, see [`CONDITIONS`].
//! - `<!-- run by NAME -->`: a test or a script below `tests/` of that name runs it.
//! - `<!-- not run: WHY -->`: it cannot be run here.
//!
//! What stands there as an address, a place or an id is replaced by the scene's own.

use std::path::Path;
use std::process::{Command, Output};

use crate::bridge::{Bridge, Home, TOKEN, bare};
use crate::cluster::{self, Database};
use crate::relay::Relay;
use crate::restoring;
use crate::workday::{Applied, Workday};

/// What may be said of a block that is run.
const CONDITIONS: [&str; 5] = [
    "in an empty folder",
    "on PostgreSQL",
    "with the bridge stopped",
    "once the interview is over",
    "one command ends with 1",
];

const SEED: &str = include_str!("../../fixtures/seed.xml");
const LEAVING: &str = include_str!("../../fixtures/seed-leaving.xml");

/// Stands in the place of the program: what runs until it is stopped is stopped once it has said
/// something, and what follows events is given some to follow.
const WRAPPER: &str = r#"#!/bin/bash
case "$1 $2" in
    serve\ * | sandbox* | events\ tail) ;;
    *) exec "$BRIDGE" "$@" ;;
esac
[ "$1" != sandbox ] || set -- "$@" --listen 127.0.0.1:0
said=$(mktemp -p .)
"$BRIDGE" "$@" >"$said" &
number=0
while [ ! -s "$said" ] && kill -0 $! 2>/dev/null; do
    number=$((number + 1))
    [ "$2" != tail ] || sed "s/NUMBER/$number/" message.xml |
        curl -sS -o answer -H 'Content-Type: application/xml' --data-binary @- "$PUBLIC/soap/globex"
    sleep 0.05
done
kill $! && [ -s "$said" ]
"#;

/// What is wrong must show: by itself curl is content with any status.
const CURL: &str = "#!/bin/sh\nexec /usr/bin/curl --fail-with-body --max-time 60 \"$@\"\n";

/// Counts what ended with 1; anything else that failed is told.
const HEAD: &str = "ones=0 others=\ntrap '[ $? = 1 ] && ones=$((ones + 1)) || others=\"$others $BASH_COMMAND;\"' ERR\n";
const FOOT: &str = "\ntrap - ERR\n[ -z \"$others\" ] || { echo \"failed:$others\" >&2; exit 99; }\nexit $ones\n";

/// A shell block and what stands before it.
struct Block {
    place: String,
    marker: String,
    text: String,
}

impl Block {
    /// All of a document.
    fn all(name: &str, text: &str) -> Vec<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let fences = lines.iter().enumerate().filter(|(_, line)| line.trim() == "```sh").map(|(at, _)| at);
        let block = |at: usize| {
            let inside: Vec<&str> = lines[at + 1..].iter().copied().take_while(|line| line.trim() != "```").collect();
            Self { place: format!("{name}:{}", at + 1), marker: lines[at - 1].trim().into(), text: inside.join("\n") }
        };
        fences.map(block).collect()
    }

    /// What stands in the marker after `opening`.
    fn said(&self, opening: &str) -> Option<&str> {
        self.marker.strip_prefix(&format!("<!-- {opening}"))?.strip_suffix(" -->")
    }

    /// What holds when it is run; `None`: it is not run here.
    fn conditions(&self) -> Option<Vec<&str>> {
        if self.said("not run: ").is_some() || self.said("run by ").is_some() {
            return None;
        }
        let said = self.said("run").unwrap_or_else(|| {
            let Self { place, marker, .. } = self;
            panic!("{place}: nothing says what is to become of this block, but {marker:?} stands before it")
        });
        let conditions: Vec<_> = said.split(", ").filter(|condition| !condition.is_empty()).collect();
        for condition in &conditions {
            assert!(CONDITIONS.contains(condition), "{}: what is {condition:?}?", self.place);
        }
        Some(conditions)
    }
}

/// A folder with a configuration, a journal in which something stands, a copy of it, and a bridge.
struct Scene {
    home: Home,
    bridge: Option<Bridge>,
    _relay: Relay,
    _workday: Workday,
    event: String,
    /// Where the journal is, or may be moved to.
    database: Option<Database>,
    /// An empty one.
    other: Option<Database>,
}

fn sections(relay: &Relay, workday: &Workday) -> String {
    format!(
        "[org.acme]\nauth.basic = {{ username = \"imper\", password = \"try-me\" }}\n\
         relay = {{ url = \"{}/acme\", api_key = \"k\" }}\n\
         [org.globex]\nauth.none = true\nhandler = \"in_process\"\n{}",
        relay.url(),
        workday.section("globex")
    )
}

impl Scene {
    /// An interview whose start is a dead letter; with globex one whose end Workday has dropped.
    async fn new(conditions: &[&str]) -> Self {
        let (relay, workday) = (Relay::start(), Workday::start());
        let mut home = Home::new(&sections(&relay, &workday));
        furnish(&home);
        let in_database = conditions.contains(&"on PostgreSQL").then(|| cluster::shared().database(None));
        if let Some(database) = &in_database {
            home.set("IMPER_BRIDGE_STORE__URL", database.url());
        }
        let bridge = home.start();
        relay.answer("400");
        let post = async |xml: &'static str| {
            let post = bridge.post("acme", "text/xml", xml).basic_auth("imper", Some("try-me"));
            assert_eq!(post.send().await.unwrap().status(), 200);
        };
        post(SEED).await;
        bridge.delivered().await;
        relay.answer("200");
        let event = bridge.events("").await[0]["event_id"].as_str().unwrap().to_owned();
        if conditions.contains(&"once the interview is over") {
            post(LEAVING).await;
        }
        bridge.change("globex", "A1", "Interview").await;
        let at = (jiff::Timestamp::now() + std::time::Duration::from_secs(1)).to_string();
        workday.applied("C-A1", Applied { application: "A1".into(), stage: "Offer".into(), disposition: None, at });
        bridge.delivered().await;
        if conditions.contains(&"with the bridge stopped") {
            match &in_database {
                None => drop(std::fs::copy(vacuumed(&home), home.path("backups/imper-bridge.db")).unwrap()),
                Some(database) => restoring::dump(database, &home.path("backups/imper-bridge.dump")),
            }
        }
        let is_empty = conditions.contains(&"in an empty folder");
        let other = in_database.as_ref().map(|_| cluster::shared().database(None));
        let mut scene =
            Self { home, bridge: Some(bridge), _relay: relay, _workday: workday, event, database: in_database, other };
        if is_empty || conditions.contains(&"with the bridge stopped") {
            assert!(scene.bridge.take().unwrap().terminate().success());
            scene.database.get_or_insert_with(|| cluster::shared().database(None));
        }
        if is_empty {
            std::fs::remove_file(scene.home.path("bridge.toml")).unwrap();
        }
        scene
    }

    /// The block as it is run here.
    fn here(&self, text: &str) -> String {
        let folder = self.home.path("");
        let folder = folder.to_str().unwrap();
        let mut text = text
            .replace("/var/lib/imper-bridge/", folder)
            .replace("/var/backups/", &format!("{folder}backups/"))
            .replace("EVENT_ID", &self.event);
        if let Some(bridge) = &self.bridge {
            text = text.replace("http://127.0.0.1:8080", &bridge.public);
            text = text.replace("http://127.0.0.1:8081", &bridge.admin);
        }
        if let Some(database) = &self.database {
            text = text.replace("postgres://bridge@db1.example.com/bridge", &database.url());
        }
        if let Some(other) = &self.other {
            text = text.replace("postgres://bridge@db2.example.com/bridge", &other.url());
        }
        text
    }

    fn run(&self, text: &str) -> Output {
        let folder = self.home.path("");
        let address = |of: fn(&Bridge) -> &String| {
            let url = self.bridge.as_ref().map_or("http://127.0.0.1:0", |bridge| of(bridge));
            url.trim_start_matches("http://").to_owned()
        };
        let (public, admin) = (address(|bridge| &bridge.public), address(|bridge| &bridge.admin));
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(format!("{HEAD}{}{FOOT}", self.here(text))).current_dir(&folder).env_clear();
        shell.env("PATH", format!("{}:/usr/bin:/bin", folder.join("bin").display()));
        shell.env("BRIDGE", env!("CARGO_BIN_EXE_imper-bridge")).env("PUBLIC", format!("http://{public}"));
        shell.env("IMPER_BRIDGE_LISTEN", public).env("IMPER_BRIDGE_ADMIN__LISTEN", admin);
        for (name, value) in [("CONFIG", "bridge.toml"), ("TOKEN", TOKEN), ("IMPER_BRIDGE_ADMIN_TOKEN", TOKEN)] {
            shell.env(name, value);
        }
        if !self.home.path("bridge.toml").exists() {
            // The variables of a new configuration, whose relay must not be called by a test.
            shell.env("ACME_SOAP_PASSWORD", "p").env("ACME_RELAY_API_KEY", "k");
            shell.env("IMPER_BRIDGE_ORG__ACME__RELAY__URL", format!("{}/acme", self._relay.url()));
        }
        shell.output().unwrap()
    }
}

/// Puts into the folder what the documents take to be there.
fn furnish(home: &Home) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["bin", "backups"] {
        std::fs::create_dir(home.path(folder)).unwrap();
    }
    for (name, text) in [("imper-bridge", WRAPPER), ("curl", CURL)] {
        let path = home.path("bin").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(root.join("fixtures"), home.path("fixtures")).unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let tried = crate::readme::blocks(&readme, "toml").into_iter().find(|text| text.contains("try-me"));
    std::fs::write(home.path("try.toml"), tried.expect("the tester's configuration")).unwrap();
    std::fs::write(home.path("message.xml"), bare("NUMBER", "Interview")).unwrap();
}

/// A copy of the journal that is complete.
fn vacuumed(home: &Home) -> std::path::PathBuf {
    let copy = home.path("vacuumed.db");
    let mut sqlite3 = Command::new("sqlite3");
    let vacuum = sqlite3.arg(home.path("journal.db")).arg(format!("VACUUM INTO '{}'", copy.display()));
    assert!(vacuum.status().unwrap().success());
    copy
}

/// Runs all blocks of one document, and gives how many these were.
async fn run_all(name: &str) -> usize {
    let (_, text) = crate::readme::documents().into_iter().find(|(each, _)| each == name).expect("the document");
    let mut count = 0;
    for block in Block::all(name, &text) {
        let Some(conditions) = block.conditions() else { continue };
        let expected = i32::from(conditions.contains(&"one command ends with 1"));
        let output = Scene::new(&conditions).await.run(&block.text);
        assert_eq!(output.status.code(), Some(expected), "{}: {output:?}\n{}", block.place, block.text);
        count += 1;
    }
    count
}

#[tokio::test]
async fn what_the_readme_shows_for_a_shell_works() {
    assert_eq!(run_all("README.md").await, 4);
}

#[tokio::test]
async fn what_the_runbook_shows_for_a_shell_works() {
    assert_eq!(run_all("operations.md").await, 11);
}

#[tokio::test]
async fn what_the_api_document_shows_for_a_shell_works() {
    assert_eq!(run_all("api.md").await, 2);
}

#[tokio::test]
async fn what_the_other_documents_show_for_a_shell_works() {
    let mut count = 0;
    for (name, _) in crate::readme::documents() {
        if !["README.md", "operations.md", "api.md"].contains(&name.as_str()) {
            count += run_all(&name).await;
        }
    }
    assert_eq!(count, 7);
}

#[test]
fn who_is_said_to_run_a_block_is_there() {
    let tests = crate::readme::sources(&["tests"]);
    for (name, text) in crate::readme::documents() {
        for block in Block::all(&name, &text) {
            let Some(by) = block.said("run by ") else { continue };
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(by);
            assert!(script.is_file() || tests.contains(&format!("fn {by}(")), "{}: {by}", block.place);
        }
    }
}

#[test]
#[should_panic(expected = "nothing says what is to become of this block")]
fn a_block_of_which_nothing_is_said_is_noticed() {
    let blocks = Block::all("new.md", "Do this:\n\n```sh\nrm -rf /tmp/x\n```\n");
    blocks[0].conditions();
}
