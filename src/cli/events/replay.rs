//! `imper-bridge events replay`: these events, or all that pass a filter.
//!
//! Many are replayed in steps, so that it is seen how far that is: each step is what was received
//! between two times, the oldest first, which keeps the order and takes no event twice.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::super::api::{Api, Place};
use super::super::json_lines;
use super::Filter;

/// How many events are replayed in a step.
const STEP: usize = 200;

pub(super) struct How {
    pub(super) dry_run: bool,
    pub(super) force: bool,
    pub(super) json: bool,
}

impl How {
    fn query(&self) -> [(&'static str, &'static str); 2] {
        let text = |flag| if flag { "true" } else { "false" };
        [("force", text(self.force)), ("dry_run", text(self.dry_run))]
    }

    /// Prints what became of it, as it was answered or in a sentence.
    fn tell(&self, counts: &Value) -> io::Result<()> {
        if self.json {
            return json_lines(std::slice::from_ref(counts));
        }
        let count = |name: &str| counts[name].as_u64().unwrap_or(0);
        let replayed = count("replayed");
        let events = if replayed == 1 { "event" } else { "events" };
        let will = if self.dry_run { "would" } else { "will" };
        let mut said = format!("{replayed} {events} {will} be delivered anew.");
        if count("superseded") > 0 && !self.force {
            let _ = write!(
                said,
                " {} superseded by a later event of their application: --force takes them as well.",
                count("superseded")
            );
        }
        writeln!(io::stdout().lock(), "{said}")
    }
}

/// Replays these.
pub(super) async fn each(ids: &[String], how: &How, place: &Place) -> anyhow::Result<()> {
    let (api, [force, _]) = (Api::of(place)?, how.query());
    for id in ids {
        how.tell(&api.call(Method::POST, &["events", id, "replay"], &[force], None).await?)?;
    }
    Ok(())
}

/// Replays all that pass the filter, or counts them.
pub(super) async fn all(filter: &Filter, how: &How, place: &Place) -> anyhow::Result<()> {
    let api = Api::of(place)?;
    let counted = step(&api, &body(filter), &How { dry_run: true, ..*how }).await?;
    if how.dry_run {
        return Ok(how.tell(&counted)?);
    }
    let total = counted["replayed"].as_u64().unwrap_or(0);
    if total <= STEP as u64 {
        return Ok(how.tell(&step(&api, &body(filter), how).await?)?);
    }
    // It is seen on a terminal only.
    let style = ProgressStyle::with_template("replaying {bar:40} {pos}/{len}, {eta} left")?;
    let bar = ProgressBar::new(total).with_style(style);
    let mut done = Map::new();
    for (since, until) in windows(&api, filter).await? {
        let mut body = body(filter);
        body.extend(since.map(|since| ("since".to_owned(), since)));
        body.extend(until.map(|until| ("until".to_owned(), until)));
        for (name, count) in step(&api, &body, how).await?.as_object().into_iter().flatten() {
            let before = done.get(name).and_then(Value::as_u64).unwrap_or(0);
            done.insert(name.clone(), json!(before + count.as_u64().unwrap_or(0)));
        }
        bar.set_position(done.get("replayed").and_then(Value::as_u64).unwrap_or(0).min(total));
    }
    bar.finish();
    Ok(how.tell(&Value::Object(done))?)
}

async fn step(api: &Api, body: &Map<String, Value>, how: &How) -> anyhow::Result<Value> {
    api.call(Method::POST, &["replay"], &how.query(), Some(&Value::Object(body.clone()))).await
}

fn body(filter: &Filter) -> Map<String, Value> {
    filter.keys().into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()
}

/// Spans of time with so many events each, the oldest first; together they are the filter's own.
async fn windows(api: &Api, filter: &Filter) -> anyhow::Result<Vec<(Option<Value>, Option<Value>)>> {
    let (size, mut bounds, mut cursor) = (STEP.to_string(), Vec::new(), None::<String>);
    loop {
        let mut query = filter.keys();
        if filter.state.is_none() {
            query.push(("state", "dead"));
        }
        query.push(("limit", &size));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = api.call(Method::GET, &["events"], &query, None).await?;
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
        // The oldest of a page parts it from the next one.
        bounds.extend(
            page["events"].as_array().and_then(|events| events.last()).map(|event| event["received_at"].clone()),
        );
    }
    bounds.dedup();
    bounds.reverse();
    let begins = std::iter::once(None).chain(bounds.iter().cloned().map(Some));
    let ends = bounds.iter().cloned().map(Some).chain([None]);
    Ok(begins.zip(ends).collect())
}
