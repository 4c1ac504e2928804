//! The bridge within another service, as `examples/embed.rs` builds it.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use imper_bridge::delivery::{Handled, Handler, Handling};
use imper_bridge::journal::Claimed;
use tokio::sync::{mpsc, oneshot};

use crate::bridge::{PATIENCE, bare};

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

#[tokio::test]
async fn another_service_handles_the_events_itself() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = folder.path().join("bridge.toml");
    let journal = folder.path().join("journal.db");
    let text = format!(
        "[store]\nurl = \"sqlite:{}\"\nmin_free_mb = 0\n[org.acme]\nauth.none = true\nhandler = \"in_process\"\n",
        journal.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (told, mut hears) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let service = std::thread::spawn(move || {
        let until_stopped = async { drop(stopped.await) };
        let served = example::serve(&configuration, listener, Arc::new(Told(told)), until_stopped);
        actix_rt::System::new().block_on(served).map_err(|error| error.to_string())
    });
    let client = imper_bridge::delivery::relay::client(None, None).unwrap();
    for stage in ["Interview", "Offer"] {
        let post = client.post(format!("{url}/recruiting/soap/acme")).header("Content-Type", "application/xml");
        let answer = post.body(bare("A1", stage)).timeout(PATIENCE).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
    for expected in ["interview_started", "interview_ended"] {
        let heard = tokio::time::timeout(PATIENCE, hears.recv()).await.unwrap().unwrap();
        assert_eq!(heard, (expected.to_owned(), "A1".to_owned()));
    }
    let own = client.get(&url).timeout(PATIENCE).send().await.unwrap().text().await.unwrap();
    assert_eq!(own, "our own page");
    let wsdl = client.get(format!("{url}/recruiting/soap/acme?wsdl")).timeout(PATIENCE).send().await.unwrap();
    assert!(wsdl.text().await.unwrap().contains(&format!("location=\"{url}/recruiting/soap/acme\"")));
    stop.send(()).unwrap();
    assert_eq!(service.join().unwrap(), Ok(()));
}
