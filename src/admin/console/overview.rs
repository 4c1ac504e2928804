//! The first page: the verdict, what needs a person, and how each organisation stands. Whoever is
//! not signed in is shown the sign-in there.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Payload};
use askama::Template;

use super::activity::Activity;
use super::form::{Form, SHORT};
use super::show::{Moment, age, count, grouped};
use super::sight::{Sight, dead_by};
use super::troubles::{Grade, Trouble, Verdict, deliveries, troubles};
use super::{Answer, Failure, Frame, done, page, sign_in, visitor};
use crate::admin::actions::{deliver_anew, organisation, turn};
use crate::admin::routes::Routes;
use crate::admin::{Admin, Problem};
use crate::domain::OrgId;
use crate::journal::{OrganisationStats, Turn};

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/", show)
        .post("/organisations/{orgid}/pause", pause)
        .post("/organisations/{orgid}/resume", resume)
        .post("/dead/replay", replay)
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    verdict: Verdict,
    troubles: Vec<Trouble>,
    organisations: Vec<Card>,
    now: Moment,
}

/// How one organisation stands.
struct Card {
    org: OrgId,
    figures: [(&'static str, String); 4],
    activity: Activity,
    relay: String,
    relay_grade: Grade,
    /// Whether pausing its deliveries is offered.
    may_be_paused: bool,
    oldest: Option<String>,
    last_message: Option<Moment>,
}

async fn show(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let visitor = match visitor(&admin, &request) {
        Err(Failure::SignedOut(_)) => return sign_in::show(&sign_in::next(&request)),
        other => other?,
    };
    let mut sight = Sight::of(&admin, &visitor.token).await?;
    let mut activities = Vec::new();
    for stats in &sight.stats {
        activities.push(admin.console.activities.of(&admin, &stats.org, stats.accepted).await?);
    }
    sight.recent =
        sight.stats.iter().zip(&activities).map(|(stats, seen)| (stats.org.clone(), seen.recent().clone())).collect();
    let cards = sight.stats.iter().zip(activities);
    let organisations = cards.map(|(stats, activity)| Card::new(stats, activity, &sight)).collect();
    let troubles = troubles(&sight);
    let verdict = Verdict::of(&sight, &troubles);
    let frame = Frame::new(&admin, &request, &visitor, "/");
    page(&Page { frame, verdict, troubles, organisations, now: Moment::new(sight.now, sight.now) })
}

impl Card {
    fn new(stats: &OrganisationStats, activity: Activity, sight: &Sight) -> Self {
        let (relay_grade, relay) = deliveries(stats, sight);
        let configured = sight.organisation(&stats.org).is_some();
        Self {
            org: stats.org.clone(),
            figures: [
                ("Accepted", grouped(stats.accepted)),
                ("Delivered", grouped(stats.delivered)),
                ("Waiting", grouped(stats.pending)),
                ("Dead letters", grouped(stats.dead)),
            ],
            activity,
            relay,
            relay_grade,
            may_be_paused: configured && stats.paused.is_none(),
            oldest: stats.oldest_pending.map(|oldest| age(oldest, sight.now)),
            last_message: stats.last_message_at.map(|at| Moment::new(at, sight.now)),
        }
    }
}

async fn pause(admin: Data<Admin>, request: HttpRequest, org: Path<String>, payload: Payload) -> Answer {
    let visitor = visitor(&admin, &request)?;
    Form::of(&admin, &request, payload, &visitor, SHORT).await?;
    let org = organisation(&org)?;
    turn(&admin, &visitor.token, Turn::Pause(org.clone()), "pause").await?;
    Ok(done(&admin, &visitor, format!("The deliveries of {org} are paused. Messages are accepted all the same."), "/"))
}

async fn resume(admin: Data<Admin>, request: HttpRequest, org: Path<String>, payload: Payload) -> Answer {
    let visitor = visitor(&admin, &request)?;
    Form::of(&admin, &request, payload, &visitor, SHORT).await?;
    let org = organisation(&org)?;
    turn(&admin, &visitor.token, Turn::Resume(org.clone()), "resume").await?;
    Ok(done(&admin, &visitor, format!("The deliveries of {org} go on."), "/"))
}

/// Replays the dead letters of one cause, one by one, so that others which came to be meanwhile are
/// not touched.
async fn replay(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let form = Form::of(&admin, &request, payload, &visitor, SHORT).await?;
    let org = organisation(form.field("orgid"))?;
    visitor.token.act_on(&org)?;
    let (mut replayed, mut left) = (0, 0);
    // In the order of acceptance.
    for record in dead_by(&admin, &org, form.field("cause")).await?.iter().rev() {
        match deliver_anew(&admin, &visitor.token, &record.event.event_id.to_string(), false).await {
            Ok(_) => replayed += 1,
            Err(problem) if problem.is_conflict() => left += 1,
            Err(problem) => return Err(Problem::into(problem)),
        }
    }
    let left = if left == 0 { String::new() } else { format!(" {left} were left as they are.") };
    let sent = count(replayed, "event");
    Ok(done(&admin, &visitor, format!("{sent} of {org} will be delivered anew.{left}"), "/"))
}
