//! Telling open pages that there is something new (server-sent events).
//!
//! A page is told only that something changed. It then asks for itself again and takes over what
//! is different, so that there is one way of rendering and nothing personal in the stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{Answer, answer, sign_in, visitor};
use crate::admin::routes::Routes;
use crate::admin::{Admin, Problem, Token};
use crate::journal::{Pulse, RefusedFilter};

/// How often it is looked whether anything changed.
const LOOK: Duration = Duration::from_secs(1);

/// After how many looks a page brings itself up to date in any case: ages grow without a change.
const ANYWAY: u32 = 15;

/// How many pages are told at once; further ones are read without it.
const MOST: usize = 64;

/// The pages that are told.
pub(super) struct Watchers(Arc<Semaphore>);

impl Default for Watchers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

pub(super) fn routes() -> Routes {
    Routes::default().get("/live", stream)
}

/// Whether a page asks by itself, to bring itself up to date.
pub(super) fn asked_by_itself(request: &HttpRequest) -> bool {
    request.headers().contains_key("x-live") || request.path() == "/live"
}

async fn stream(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let permit = Arc::clone(&admin.console.watchers.0).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::conflict("Too many pages are told of changes already."))?;
    let (sender, receiver) = mpsc::channel(1);
    let session = sign_in::session_of(&request).unwrap_or_default();
    actix_web::rt::spawn(watch(admin, visitor.token, session, sender));
    let stream: HttpResponse = answer(StatusCode::OK)
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .body(Stream { receiver, _permit: permit });
    Ok(stream)
}

/// Tells until the reader has gone, the session ends or the bridge stops.
async fn watch(admin: Data<Admin>, token: Token, session: String, sender: mpsc::Sender<Bytes>) {
    let mut stopping = admin.stopping.clone();
    let mut known = state(&admin, &token).await;
    if sender.send(Bytes::from_static(b"retry: 2000\n\n")).await.is_err() {
        return;
    }
    for round in 1_u32.. {
        tokio::select! {
            _ = stopping.changed() => return,
            () = sender.closed() => return,
            () = admin.clock.sleep(LOOK) => {}
        }
        if admin.console.sessions.visitor(&session, &admin.tokens.load(), false).is_none() {
            return;
        }
        let now = state(&admin, &token).await;
        let changed = now != known;
        if changed || round % ANYWAY == 0 {
            let event = if changed { "event: changed\ndata: 1\n\n" } else { "event: aged\ndata: 1\n\n" };
            if sender.send(Bytes::from_static(event.as_bytes())).await.is_err() {
                return;
            }
        }
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

/// The body of the stream; the permit is given back with it.
struct Stream {
    receiver: mpsc::Receiver<Bytes>,
    _permit: OwnedSemaphorePermit,
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
