//! `imper-bridge events tail`: events as they come, each once.
//!
//! Bridges that share a journal may show an event a little after one that is a little younger. So each
//! look goes back a while behind the youngest, and what was shown of that is remembered.

use std::collections::HashSet;
use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;

use super::super::api::Api;
use super::super::columns::cell;
use super::super::json_lines;
use super::{Filter, View, row};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);

/// How far behind the youngest event an older one may still appear.
const OVERLAP: Duration = Duration::from_secs(10);

/// How many events it takes at once.
const STEP: &str = "1000";

/// Begins with what comes from now on, unless the filter says since when.
pub(super) async fn tail(filter: &Filter, view: &View) -> anyhow::Result<()> {
    let api = Api::of(&view.place)?;
    let mut tail = Tail { since: filter.since.clone(), shown: HashSet::new() };
    if filter.since.is_none() {
        // By the bridge's clock and not by this machine's.
        tail.since = tail.newest(&api, filter).await?;
        tail.fresh(&api, filter).await?;
    }
    let mut failing = false;
    loop {
        match tail.fresh(&api, filter).await {
            Ok(fresh) => {
                failing = false;
                print(&fresh, view.json)?;
            }
            // Whoever follows has not yet seen anything that could go on.
            Err(error) if tail.shown.is_empty() => return Err(error),
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    eprintln!("imper-bridge: {error:#}; it is asked again every second");
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn print(events: &[Value], json: bool) -> io::Result<()> {
    if json {
        return json_lines(events);
    }
    let mut output = io::stdout().lock();
    events.iter().try_for_each(|event| writeln!(output, "{}", row(event).join("  ")))
}

struct Tail {
    /// From when on it looks; from the beginning where nothing is said.
    since: Option<String>,
    /// The events since then that were shown.
    shown: HashSet<String>,
}

impl Tail {
    /// A while before the youngest event there is.
    async fn newest(&self, api: &Api, filter: &Filter) -> anyhow::Result<Option<String>> {
        let mut query = filter.keys();
        query.push(("limit", "1"));
        let page = api.call(Method::GET, &["events"], &query, None).await?;
        Ok(before(&page["events"][0]))
    }

    /// What was not shown before, oldest first; it counts as shown from now on.
    async fn fresh(&mut self, api: &Api, filter: &Filter) -> anyhow::Result<Vec<Value>> {
        let events = self.events(api, filter).await?;
        let Some(youngest) = events.last() else { return Ok(events) };
        if let Some(later) = before(youngest).filter(|later| instant(Some(later)) > instant(self.since.as_deref())) {
            self.since = Some(later);
        }
        let since = instant(self.since.as_deref());
        let is_recent = |event: &&Value| instant(event["received_at"].as_str()) >= since;
        let recent = events.iter().filter(is_recent).map(|event| cell(&event["event_id"])).collect();
        let shown = std::mem::replace(&mut self.shown, recent);
        Ok(events.into_iter().filter(|event| !shown.contains(&cell(&event["event_id"]))).collect())
    }

    /// All events that pass the filter, oldest first.
    async fn events(&self, api: &Api, filter: &Filter) -> anyhow::Result<Vec<Value>> {
        let (mut events, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut query = filter.keys();
            query.retain(|(key, _)| *key != "since");
            query.push(("limit", STEP));
            query.extend(self.since.as_deref().map(|since| ("since", since)));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let mut page = api.call(Method::GET, &["events"], &query, None).await?;
            if let Some(items) = page["events"].as_array_mut() {
                events.append(items);
            }
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                events.reverse();
                return Ok(events);
            }
        }
    }
}

fn instant(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// A while before an event was received.
fn before(event: &Value) -> Option<String> {
    Some(instant(event["received_at"].as_str())?.checked_sub(OVERLAP).ok()?.to_string())
}
