//! Reading the configuration again, for an operator of everything.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};

use super::openapi::{Always, OfActing, OfReload};
use super::parameters::Parameters;
use super::routes::Routes;
use super::{Admin, Problem, json};
use crate::config::Changes;

pub(super) fn routes() -> Routes {
    Routes::default().post("/api/v1/reload", reload)
}

/// What reads the configuration again and puts it in force.
pub trait Reload: Send + Sync {
    /// Reads it and puts it in force in one swap, and logs what came of it. It waits for files.
    ///
    /// # Errors
    /// All that is wrong with it, a sentence each; then nothing has changed.
    fn reload(&self) -> Result<Reloaded, Vec<String>>;
}

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// What differs from what was in force, and is in force now.
    pub changes: Changes,
    /// Keys that differ from what runs and that only a start puts in force.
    pub at_next_start: Vec<&'static str>,
    /// What is odd about the configuration but no fault, a sentence each.
    pub warnings: Vec<String>,
}

/// For an operator of all organisations: reads the configuration again and puts it in force in one swap.
///
/// SIGHUP does the same. If anything is wrong with it, nothing changes.
#[utoipa::path(
    post, path = "/api/v1/reload", tag = "configuration",
    responses(
        (status = 200, description = "It is in force.", body = json::Configuration),
        Always, OfActing, OfReload,
    ),
)]
pub(super) async fn reload(admin: Data<Admin>, request: HttpRequest) -> Result<Json<json::Configuration>, Problem> {
    let token = admin.caller(&request)?;
    Parameters::of(&request, &[])?;
    token.act_on_all()?;
    tracing::info!(token = token.name, action = "reload", "an operator acted");
    let reload = admin.reload.clone();
    let reloading = tokio::task::spawn_blocking(move || reload.reload());
    let reloaded = reloading.await.unwrap_or_else(|_| Err(vec!["The reload has failed; the log says how.".into()]));
    reloaded.map(|reloaded| Json(json::configuration(reloaded))).map_err(Problem::not_usable)
}
