//! The stand-in relay itself.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_server::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER, USER_AGENT};
use actix_web::{App, HttpRequest, HttpResponse, web};
use jiff::Timestamp;

use super::{Answers, Script};
use crate::net::{self, BodyLimits, Sender, read_body};

/// One request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// When it had arrived.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Its path, with the query.
    pub path: String,
    /// Its `Authorization` header, in full.
    pub authorization: Option<String>,
    /// Its `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// Its `Content-Type` header.
    pub content_type: Option<String>,
    /// Its `User-Agent` header.
    pub user_agent: Option<String>,
    /// Its `traceparent` header.
    pub traceparent: Option<String>,
    /// Its body, as text.
    pub body: String,
    /// The status it is answered with.
    pub answered: u16,
}

/// A stand-in relay that runs in a thread of its own until it is stopped or dropped.
pub struct Sandbox {
    address: SocketAddr,
    shared: web::Data<Shared>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    answers: Mutex<Answers>,
    received: Mutex<VecDeque<Received>>,
    arrived: Condvar,
    keep: usize,
    watch: Box<dyn Fn(&Received) + Send + Sync>,
}

impl Sandbox {
    /// Starts one on a free loopback port, which keeps all that it receives.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(script: Script) -> io::Result<Self> {
        Self::watched(SocketAddr::from(([127, 0, 0, 1], 0)), script.into(), usize::MAX, |_| {})
    }

    /// Starts one that keeps the last `keep` requests and shows each to `watch`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn watched(
        listen: SocketAddr,
        answers: Answers,
        keep: usize,
        watch: impl Fn(&Received) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let shared = web::Data::new(Shared {
            answers: Mutex::new(answers),
            received: Mutex::default(),
            arrived: Condvar::new(),
            keep,
            watch: Box::new(watch),
        });
        let (sender, started) = mpsc::channel();
        let data = shared.clone();
        let serve = move || {
            actix_rt::System::new().block_on(async move {
                let app = move || App::new().app_data(data.clone()).default_service(web::to(take));
                let limits = net::Limits::new(Duration::from_secs(60), net::connections(1, 64));
                let server = net::serve(listener, 1, limits, None, app);
                let running = server.as_ref().ok().map(actix_server::Server::handle).ok_or(());
                let _ = sender.send(running);
                if let Ok(server) = server {
                    let _ = server.await;
                }
            });
        };
        let thread = std::thread::Builder::new().name("sandbox".into()).spawn(serve)?;
        let handle = started.recv().ok().and_then(Result::ok);
        let handle = handle.ok_or_else(|| io::Error::other("the stand-in relay did not start"))?;
        Ok(Self { address, shared, handle, thread: Some(thread) })
    }

    /// The address that it listens at, with the port that it was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a path; it takes every path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it received and kept, the oldest first.
    pub fn received(&self) -> Vec<Received> {
        locked(&self.shared.received).iter().cloned().collect()
    }

    /// Waits until it has kept that many requests, or until the time is over; gives what it has then.
    pub fn wait_for(&self, count: usize, within: Duration) -> Vec<Received> {
        let until = Instant::now() + within;
        let mut received = locked(&self.shared.received);
        while received.len() < count {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            received = self.shared.arrived.wait_timeout(received, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        received.iter().cloned().collect()
    }

    /// Answers by another script from now on, from its beginning.
    pub fn set_answers(&self, script: Script) {
        *locked(&self.shared.answers) = script.into();
    }

    /// Stops it at once, requests under way included, and frees its port.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The command is sent by the call; what it returns would only wait for its end.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A panicking watcher leaves nothing half-done behind these locks.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const LARGEST: usize = 1 << 20;

async fn take(shared: web::Data<Shared>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let limits = BodyLimits { bytes: LARGEST, within: Duration::from_secs(60), sender: Sender::Known };
    let body = match read_body(&request, payload, limits).await {
        Ok(body) => String::from_utf8_lossy(&body).into_owned(),
        Err(unread) => return HttpResponse::BadRequest().body(unread.refusal.to_string()),
    };
    let answer = match locked(&shared.answers).next() {
        Ok(answer) => answer,
        Err(problem) => return HttpResponse::InternalServerError().body(problem),
    };
    shared.note(received(&request, body, answer.status));
    if !answer.delay.is_zero() {
        actix_rt::time::sleep(answer.delay).await;
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK));
    if let Some(seconds) = answer.retry_after {
        response.insert_header((RETRY_AFTER, seconds));
    }
    response.content_type("application/json").body(format!("{{\"status\":{}}}\n", answer.status))
}

impl Shared {
    fn note(&self, received: Received) {
        (self.watch)(&received);
        let mut all = locked(&self.received);
        all.push_back(received);
        if all.len() > self.keep {
            all.pop_front();
        }
        self.arrived.notify_all();
    }
}

fn received(request: &HttpRequest, body: String, answered: u16) -> Received {
    let header = |name: HeaderName| {
        request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Received {
        at: Timestamp::now(),
        method: request.method().to_string(),
        path: request.uri().to_string(),
        authorization: header(AUTHORIZATION),
        idempotency_key: header(HeaderName::from_static("idempotency-key")),
        content_type: header(CONTENT_TYPE),
        user_agent: header(USER_AGENT),
        traceparent: header(HeaderName::from_static("traceparent")),
        body,
        answered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn post(address: SocketAddr, body: &str) -> String {
        let mut client = TcpStream::connect(address).unwrap();
        let length = body.len();
        let head = format!(
            "POST /a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: k\r\nContent-Length: {length}"
        );
        client.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_keeps_what_came_and_answers_as_told() {
        let sandbox = Sandbox::start("503+7,200".parse().unwrap()).unwrap();
        let first = post(sandbox.address(), "one");
        assert!(first.starts_with("HTTP/1.1 503") && first.contains("retry-after: 7\r\n"), "{first}");
        assert!(post(sandbox.address(), "two").starts_with("HTTP/1.1 200"));
        sandbox.set_answers("404".parse().unwrap());
        assert!(post(sandbox.address(), "three").starts_with("HTTP/1.1 404"));
        let received = sandbox.wait_for(3, Duration::from_secs(20));
        let told: Vec<_> = received.iter().map(|one| (one.body.as_str(), one.answered)).collect();
        assert_eq!(told, [("one", 503), ("two", 200), ("three", 404)]);
        assert_eq!((received[0].path.as_str(), received[0].idempotency_key.as_deref()), ("/a?b", Some("k")));
    }

    #[test]
    fn its_port_is_free_once_it_is_stopped() {
        let sandbox = Sandbox::start("200".parse().unwrap()).unwrap();
        let address = sandbox.address();
        post(address, "one");
        sandbox.stop();
        assert!(TcpStream::connect(address).is_err());
        let again = Sandbox::watched(address, "200".parse::<Script>().unwrap().into(), 1, |_| {}).unwrap();
        post(address, "two");
        post(address, "three");
        assert_eq!(again.received().len(), 1, "it keeps as many as it was told");
    }
}
