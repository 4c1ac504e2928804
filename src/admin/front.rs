//! The page at `/`: what needs a look in each organisation, as counts. It asks for no token, as
//! `/metrics` does not either, and says no more than that.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::Admin;
use crate::domain::OrgId;
use crate::journal::OrganisationStats;

/// How long the page waits for the journal.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows the page.
pub(super) async fn page(admin: Data<Admin>) -> HttpResponse {
    let stats = tokio::time::timeout(PATIENCE, admin.journal.stats(admin.ages())).await;
    let figures = match stats {
        Ok(Ok(stats)) => table(&admin.with_unheard(stats), &admin.silent()),
        _ => "<p>The journal does not answer at the moment; see readyz.</p>".into(),
    };
    let page = include_str!("front.html").replace("{figures}", &figures);
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page)
}

fn table(organisations: &[OrganisationStats], silent: &[(OrgId, bool)]) -> String {
    let heads = ["Organisation", "Accepted", "Delivered", "Waiting", "Dead letters", "What needs a look"];
    let heads = heads.map(|head| format!("<th scope=\"col\">{head}</th>")).concat();
    let rows: String = organisations
        .iter()
        .map(|stats| {
            let OrganisationStats { org, accepted, delivered, pending, dead, .. } = stats;
            let is_silent = silent.contains(&(org.clone(), true));
            let look = remarks(stats, is_silent).join("<br>");
            // An organisation's id needs no escaping; nothing else here was written by others.
            format!(
                "<tr><th scope=\"row\">{org}</th><td>{accepted}</td><td>{delivered}</td><td>{pending}</td>\
                 <td>{dead}</td><td>{look}</td></tr>\n"
            )
        })
        .collect();
    format!("<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>")
}

/// What somebody should look at, in sentences.
fn remarks(stats: &OrganisationStats, silent: bool) -> Vec<String> {
    let paused = stats.paused.as_ref().map(|paused| {
        let by = match paused.cause {
            crate::journal::PauseCause::Operator => "an operator paused the deliveries",
            crate::journal::PauseCause::SetUp => "the relay calls the set-up wrong: deliveries are paused and probed",
        };
        format!("{by}, since {}", paused.since)
    });
    let counted = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let remarks = [
        paused,
        counted(stats.late, "starts of interviews were not delivered while that was of use"),
        counted(stats.open_too_long, "interviews are open for longer than open_interview_alert_days"),
        silent.then(|| "no message came for longer than expected".into()),
    ];
    remarks.into_iter().flatten().collect()
}
