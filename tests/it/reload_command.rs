//! `imper-bridge reload` where the file is ahead of the bridge: another place, another admin token.

use crate::bridge::{Bridge, Home, TOKEN, command};

const ACME: &str = "[org.acme]\nauth.none = true\nhandler = \"in_process\"\n";
const OTHER: &str = "another-admin-token-of-the-tests";

/// What the command says with these arguments: its exit code, and both streams.
fn reload(home: &Home, arguments: &[&str]) -> (i32, String, String) {
    let mut reload = command(&home.path(""));
    reload.args(["reload", "--config", "bridge.toml"]).args(arguments).env("RUNNING", TOKEN);
    let output = reload.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn edit(home: &Home, from: &str, to: &str) {
    let text = std::fs::read_to_string(home.path("bridge.toml")).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    std::fs::write(home.path("bridge.toml"), text.replacen(from, to, 1)).unwrap();
}

fn refused(said: (i32, String, String), parts: &[&str]) {
    let (code, out, told) = said;
    assert_eq!((code, out.as_str()), (1, ""), "{told}");
    assert!(!told.contains(TOKEN) && !told.contains(OTHER), "{told}");
    for part in parts {
        assert!(told.contains(part), "{part}: {told}");
    }
}

fn changed(home: &Home, arguments: &[&str], expected: &str) {
    assert_eq!(reload(home, arguments), (0, expected.to_owned(), String::new()));
}

#[tokio::test]
async fn a_bridge_that_is_elsewhere_is_named_by_hand() {
    let home = Home::new(ACME);
    let bridge = home.start();
    edit(&home, "[admin]\nlisten = \"127.0.0.1:0\"", "[admin]\nlisten = \"127.0.0.1:1\"");
    let parts = ["http://127.0.0.1:1/", "by admin.listen of bridge.toml", "--admin URL", "until a restart", "SIGHUP"];
    refused(reload(&home, &[]), &parts);
    refused(reload(&home, &["--admin", "http://127.0.0.1:2"]), &["http://127.0.0.1:2/ (by --admin)"]);
    changed(&home, &["--admin", &bridge.admin], "nothing changed\nat the next start: admin.listen\n");
}

#[tokio::test]
async fn a_token_that_the_bridge_has_not_read_is_said_to_be_that() {
    let home = Home::new(ACME);
    let bridge = home.start();
    let at: [&str; 2] = ["--admin", &bridge.admin];
    let with = |more: [&'static str; 2]| [at.as_slice(), &more].concat();
    edit(&home, TOKEN, OTHER);
    let parts = ["admin.token of bridge.toml", &bridge.admin, "--token-env", "--token-file", "SIGHUP"];
    refused(reload(&home, &at), &parts);
    std::fs::write(home.path("empty"), "\n").unwrap();
    refused(reload(&home, &with(["--token-file", "empty"])), &["--token-file empty is empty"]);
    refused(reload(&home, &with(["--token-file", "none-such"])), &["--token-file none-such"]);
    changed(&home, &with(["--token-env", "RUNNING"]), "changed: admin.token\n");
    changed(&home, &at, "nothing changed\n");
    refused(reload(&home, &with(["--token-env", "RUNNING"])), &["the token in the variable RUNNING"]);

    std::fs::write(home.path("running"), format!("{OTHER}\n")).unwrap();
    edit(&home, OTHER, TOKEN);
    changed(&home, &with(["--token-file", "running"]), "changed: admin.token\n");
}

/// As the documents say: the next token is an entry beside the old one until all have changed over.
#[tokio::test]
async fn the_admin_token_is_exchanged_without_a_lock_out() {
    let home = Home::new(ACME);
    let bridge: Bridge = home.start();
    let at = ["--admin", bridge.admin.as_str()];
    home.configure(&format!(
        "{ACME}[[admin.tokens]]\nname = \"admin-next\"\nrole = \"operator\"\ntoken = \"{OTHER}\"\n"
    ));
    changed(&home, &at, "added: token admin-next\n");
    home.configure(ACME);
    edit(&home, TOKEN, OTHER);
    changed(&home, &at, "removed: token admin-next\nchanged: admin.token\n");
    changed(&home, &at, "nothing changed\n");
    let with_the_old_one = [at.as_slice(), &["--token-env", "RUNNING"]].concat();
    refused(reload(&home, &with_the_old_one), &["the token in the variable RUNNING"]);
}
