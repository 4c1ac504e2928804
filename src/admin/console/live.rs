//! Telling open pages that there is something new (server-sent events).
//!
//! A page is told only that something changed. It then asks for itself again and takes over what
//! is different, so that there is one way of rendering and nothing personal in the stream. It is
//! told as well that the bridge is still there, so that a page that hears nothing knows that what it
//! shows may be old.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use tokio::sync::mpsc;

use super::watchers::{Leave, Seat};
use super::{Answer, answer, sign_in, visitor};
use crate::admin::routes::Routes;
use crate::admin::{Admin, Problem, Token};
use crate::journal::{Pulse, RefusedFilter};

/// How often it is looked whether anything changed.
const LOOK: Duration = Duration::from_secs(1);

/// After how many looks a page is told that the bridge is still there.
const ALIVE: u32 = 4;

/// After how many looks a page brings itself up to date in any case: ages grow without a change.
const ANYWAY: u32 = 16;

pub(super) fn routes() -> Routes {
    Routes::default().get("/live", stream)
}

/// Whether a page asks by itself, to bring itself up to date.
pub(super) fn asked_by_itself(request: &HttpRequest) -> bool {
    request.headers().contains_key("x-live") || request.path() == "/live"
}

async fn stream(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let entered = admin.console.watchers.enter(visitor.session, &visitor.token.name);
    let (seat, leave) = entered.ok_or_else(|| Problem::conflict("Too many pages are told of changes already."))?;
    let (sender, receiver) = mpsc::channel(1);
    let session = sign_in::session_of(&request).unwrap_or_default();
    actix_web::rt::spawn(watch(admin, visitor.token, session, Told { sender, leave }));
    let stream: HttpResponse = answer(StatusCode::OK)
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .body(Stream { receiver, _seat: seat });
    Ok(stream)
}

/// Tells until the reader has gone or has to, the session ends or the bridge stops.
async fn watch(admin: Data<Admin>, token: Token, session: String, mut told: Told) {
    let mut stopping = admin.stopping.clone();
    let mut known = state(&admin, &token).await;
    let mut goes_on = told.tell("alive").await;
    for round in 1_u32.. {
        if !goes_on {
            return;
        }
        tokio::select! {
            _ = stopping.changed() => return,
            () = told.sender.closed() => return,
            _ = &mut told.leave => return told.send_away(),
            () = admin.clock.sleep(LOOK) => {}
        }
        if admin.console.sessions.visitor(&session, &admin.tokens.load(), false).is_none() {
            return;
        }
        let now = state(&admin, &token).await;
        goes_on = match round {
            _ if now != known => told.tell("changed").await,
            _ if round % ANYWAY == 0 => told.tell("aged").await,
            _ if round % ALIVE == 0 => told.tell("alive").await,
            _ => true,
        };
        known = now;
    }
}

/// What changes whenever there is something new to see.
async fn state(admin: &Admin, token: &Token) -> (Vec<Pulse>, Option<u64>) {
    let mut pulses = admin.journal.pulse();
    pulses.retain(|pulse| token.sees(&pulse.org));
    let filter = RefusedFilter { orgs: token.orgs.clone(), code: None };
    let refused = admin.public.refused.list(filter, None, 1).await;
    (pulses, refused.ok().and_then(|page| page.items.first().map(|record| record.id)))
}

/// The page at the other end.
struct Told {
    sender: mpsc::Sender<Bytes>,
    leave: Leave,
}

impl Told {
    /// Tells it, and says whether it is still there and may stay. One that does not listen is not
    /// waited for once its place is wanted.
    async fn tell(&mut self, event: &str) -> bool {
        let sent = tokio::select! {
            sent = self.sender.send(written(event)) => Some(sent.is_ok()),
            _ = &mut self.leave => None,
        };
        if sent.is_none() {
            self.send_away();
        }
        sent == Some(true)
    }

    /// Says that the place went to a newer page, so that it does not come back to take it in turn.
    fn send_away(&self) {
        // One that does not listen learns it from the end of the stream.
        let _ = self.sender.try_send(written("enough"));
    }
}

fn written(event: &str) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: 1\n\n"))
}

/// The body of the stream; the seat is given back with it.
struct Stream {
    receiver: mpsc::Receiver<Bytes>,
    _seat: Seat,
}

impl MessageBody for Stream {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.receiver.poll_recv(context).map(|chunk| chunk.map(Ok))
    }
}
