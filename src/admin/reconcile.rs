//! Comparing an organisation's applications with what Workday reports now.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::{Always, OfActing, OfConflict, OfOne};
use super::parameters::Parameters;
use super::routes::Routes;
use super::{Admin, Problem};
use crate::domain::{ApplicationId, CandidateId, EventId, EventType, OrgId, Outcome, Position, Text};
use crate::journal::Receipt;
use crate::protection::reconcile::{self, Difference, RECENT, ReconcileError, Rules};

pub(super) fn routes() -> Routes {
    Routes::default().post("/api/v1/organisations/{orgid}/reconcile", compare)
}

/// What a comparison with Workday found.
#[derive(Serialize, ToSchema)]
pub(super) struct Reconciled {
    orgid: OrgId,
    /// Applications that were compared.
    compared: usize,
    /// Those of them that Workday does not show.
    not_shown: usize,
    differences: Vec<Differs>,
}

/// An application that stands elsewhere at Workday.
#[derive(Serialize, ToSchema)]
struct Differs {
    job_application_id: ApplicationId,
    candidate_id: CandidateId,
    /// Where the candidate is known to be; null where nothing is known of the application.
    #[schema(required)]
    known: Option<Position>,
    /// Where Workday puts the candidate; null where it does not show the application, although the
    /// candidate is known to be in an interview: somebody has to look why.
    #[schema(required)]
    workday: Option<Position>,
    #[schema(required)]
    stage: Option<Text>,
    #[schema(required)]
    status: Option<Text>,
    /// Whether what is known is later than what Workday says, or something was heard of the application
    /// while Workday was asked: then nothing is journalled.
    overtaken: bool,
    /// The event that was journalled.
    #[schema(required)]
    event_id: Option<EventId>,
    #[schema(required)]
    event_type: Option<EventType>,
    #[schema(required)]
    outcome: Option<Outcome>,
}

/// For an operator: compares open interviews, and applications of the last seven days, with Workday.
///
/// With `apply` the missing events are journalled, with `reconcile` as their source.
#[utoipa::path(
    post, path = "/api/v1/organisations/{orgid}/reconcile", tag = "organisations",
    params(
        ("orgid" = inline(OrgId), Path, description = "The organisation."),
        ("apply" = Option<bool>, Query, nullable = false, description = "Journals the missing events."),
    ),
    responses(
        (status = 200, description = "The differences.", body = Reconciled),
        Always, OfOne, OfActing, OfConflict,
    ),
)]
pub(super) async fn compare(
    admin: Data<Admin>,
    request: HttpRequest,
    org: Path<String>,
) -> Result<Json<Reconciled>, Problem> {
    let token = admin.caller(&request)?;
    let apply = Parameters::of(&request, &["apply"])?.flag("apply")?;
    let org = org.parse::<OrgId>().map_err(|error| Problem::bad_parameter("orgid", format!("'{org}' {error}.")))?;
    token.act_on(&org)?;
    let organisation = admin.public.organisations.get(org.as_str());
    let organisation = organisation.ok_or_else(|| Problem::not_found(format!("There is no organisation {org}.")))?;
    let client = (admin.workday)(&org).ok_or_else(|| {
        Problem::conflict(format!("The organisation {org} has no [org.{org}.workday] section to ask Workday with."))
    })?;
    let rules = Rules { org: &org, policy: &organisation.policy, deliver: organisation.deliver() };
    let since = admin.clock.now() - RECENT;
    let comparison = reconcile::compare(&*admin.journal, &client, rules, since).await?;
    let mut differences = Vec::with_capacity(comparison.differences.len());
    for difference in comparison.differences {
        let receipt = if apply && !difference.overtaken {
            Some(reconcile::apply(&*admin.journal, rules, &difference, &token.name).await?)
        } else {
            None
        };
        differences.push(differs(difference, receipt.as_ref()));
    }
    differences.extend(comparison.lost.into_iter().map(lost));
    let found = differences.len();
    tracing::info!(token = token.name, orgid = %org, found, apply, action = "reconcile", "an operator acted");
    let (compared, not_shown) = (comparison.compared, comparison.not_shown);
    Ok(Json(Reconciled { orgid: org, compared, not_shown, differences }))
}

impl From<ReconcileError> for Problem {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Journal(reason) => reason.into(),
            ReconcileError::Workday(failure) => Self::conflict(format!("Workday does not tell: {failure}.")),
        }
    }
}

fn lost((job_application_id, candidate_id): (ApplicationId, CandidateId)) -> Differs {
    Differs {
        job_application_id,
        candidate_id,
        known: Some(Position::In),
        workday: None,
        stage: None,
        status: None,
        overtaken: false,
        event_id: None,
        event_type: None,
        outcome: None,
    }
}

fn differs(difference: Difference, receipt: Option<&Receipt>) -> Differs {
    let change = difference.change;
    let overtaken = difference.overtaken || receipt.is_some_and(Receipt::is_overtaken);
    let receipt = receipt.filter(|receipt| !receipt.is_overtaken());
    Differs {
        job_application_id: change.application,
        candidate_id: change.candidate,
        known: difference.known,
        workday: Some(difference.workday),
        stage: change.stage,
        status: change.status,
        overtaken,
        event_id: receipt.and_then(Receipt::event_id),
        event_type: receipt.map(Receipt::event_type),
        outcome: receipt.map(Receipt::outcome),
    }
}
