//! The bridge within another service, as `examples/embed.rs` builds it.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use imper_bridge::clock::ManualClock;
use imper_bridge::delivery::{Handled, Handler, Handling};
use imper_bridge::journal::embedded::{Embedded, Options};
use imper_bridge::journal::{Claimed, Upkeep};
use reqwest::Client;
use tokio::sync::{mpsc, oneshot};

use crate::bridge::{PATIENCE, bare};
use crate::journal_contract::{accept, message};
use crate::workday::{Applied, Workday};

#[expect(dead_code, unreachable_pub, reason = "it is a program of its own, whose main is not run here")]
#[path = "../../examples/embed.rs"]
mod example;

/// Hands on what is to be handled.
struct Told(mpsc::UnboundedSender<(String, String)>);

impl Handler for Told {
    fn handle(&self, claimed: Claimed, _: Duration) -> Handling {
        let event = claimed.event;
        let told = (event.event_type.as_str().to_owned(), event.job_application_id.as_str().to_owned());
        let _ = self.0.send(told);
        Box::pin(async { Handled::delivered() })
    }
}

/// The service, with its journal in a folder.
struct Service {
    url: String,
    client: Client,
    hears: mpsc::UnboundedReceiver<(String, String)>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), String>>,
}

impl Service {
    fn start(folder: &tempfile::TempDir, more: &str) -> Self {
        let configuration = folder.path().join("bridge.toml");
        let text = format!(
            "[store]\nurl = \"sqlite:{}\"\nmin_free_mb = 0\n[org.acme]\nauth.none = true\nhandler = \"in_process\"\n{more}",
            folder.path().join("journal.db").display()
        );
        std::fs::write(&configuration, text).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (told, hears) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = std::thread::spawn(move || {
            let until_stopped = async { drop(stopped.await) };
            let served = example::serve(&configuration, listener, Arc::new(Told(told)), until_stopped);
            actix_rt::System::new().block_on(served).map_err(|error| error.to_string())
        });
        Self { url, client: imper_bridge::delivery::relay::client(None, None).unwrap(), hears, stop, running }
    }

    async fn change(&self, application: &str, stage: &str) {
        let post = self.client.post(format!("{}/recruiting/soap/acme", self.url));
        let post = post.header("Content-Type", "application/xml").body(bare(application, stage));
        let answer = post.timeout(PATIENCE).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    async fn hears(&mut self, event_type: &str, application: &str) {
        let heard = tokio::time::timeout(PATIENCE, self.hears.recv()).await.unwrap().unwrap();
        assert_eq!(heard, (event_type.to_owned(), application.to_owned()));
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.url)).timeout(PATIENCE).send().await.unwrap();
        answer.text().await.unwrap()
    }

    fn stop(self) {
        self.stop.send(()).unwrap();
        assert_eq!(self.running.join().unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn another_service_handles_the_events_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(&folder, "");
    service.change("A1", "Interview").await;
    service.change("A1", "Offer").await;
    service.hears("interview_started", "A1").await;
    service.hears("interview_ended", "A1").await;
    assert_eq!(service.page("/").await, "our own page");
    let wsdl = service.page("/recruiting/soap/acme?wsdl").await;
    assert!(wsdl.contains(&format!("location=\"{}/recruiting/soap/acme\"", service.url)), "{wsdl}");
    service.stop();
}

/// Makes a journal with an event of 40 days ago.
fn long_ago(path: &Path) {
    let clock = ManualClock::at(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(40 * 24));
    let journal = Embedded::open(path, Options::default(), Arc::new(clock)).unwrap();
    accept(&journal, message("long-ago", "Screen"));
    journal.close();
}

#[tokio::test]
async fn what_is_old_and_what_is_to_be_erased_goes_there_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    std::thread::scope(|scope| scope.spawn(|| long_ago(&path)).join()).unwrap();
    let mut service = Service::start(&folder, "");
    service.change("A1", "Interview").await;
    service.change("A1", "Offer").await;
    service.change("A2", "Interview").await;
    for _ in 0..3 {
        tokio::time::timeout(PATIENCE, service.hears.recv()).await.unwrap().unwrap();
    }
    let erase = service.client.delete(format!("{}/candidates/acme/C-A1", service.url)).timeout(PATIENCE);
    assert_eq!(erase.send().await.unwrap().status(), 202);
    let kept = || {
        let file = rusqlite::Connection::open(&path).unwrap();
        let mut rows = file.prepare("SELECT DISTINCT job_application_id FROM events ORDER BY 1").unwrap();
        let ids = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
        ids.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let begun = Instant::now();
    while kept() != ["A2"] {
        assert!(begun.elapsed() < PATIENCE, "{:?} is still there", kept());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    service.stop();
}

#[tokio::test]
async fn what_workday_has_dropped_is_found_there_as_well() {
    let (folder, workday) = (tempfile::tempdir().unwrap(), Workday::start());
    let more = format!("reconcile_every_minutes = 0.01\n{}", workday.section("acme"));
    let mut service = Service::start(&folder, &more);
    service.change("A1", "Interview").await;
    service.hears("interview_started", "A1").await;
    let at = (jiff::Timestamp::now() + Duration::from_secs(1)).to_string();
    workday.applied("C-A1", Applied { application: "A1".into(), stage: "Offer".into(), disposition: None, at });
    service.hears("interview_ended", "A1").await;
    service.stop();
}
