//! A service of one's own with the bridge in it: `/recruiting/soap/{orgid}` takes Workday's
//! messages, and what they mean is handled by code of the service. A candidate's erasure is the
//! service's to offer, since it knows who may ask for one: here `DELETE /candidates/{orgid}/{candidate_id}`.
//!
//! `cargo run --example embed -- bridge.toml 127.0.0.1:8080`

use std::error::Error;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use imper_bridge::app::embed::Embedded;
use imper_bridge::config::{Environment, Settings};
use imper_bridge::delivery::{Handled, Handler, Handling};
use imper_bridge::domain::{CandidateId, OrgId};
use imper_bridge::journal::{Claimed, Journal};

/// Says who enters and leaves an interview. A handler may be asked for the same event again, and
/// recognises it by its `event_id`.
struct Announcer;

impl Handler for Announcer {
    fn handle(&self, claimed: Claimed, _timeout: Duration) -> Handling {
        Box::pin(async move {
            let event = claimed.event;
            println!("{}: {} of {}", event.event_type.as_str(), event.candidate_id, event.orgid);
            Handled::delivered()
        })
    }
}

/// Has a candidate erased: the bridge does it once nothing of the candidate waits any more.
async fn erase(journal: web::Data<dyn Journal>, path: web::Path<(String, String)>) -> HttpResponse {
    let (Ok(org), Ok(candidate)) = (path.0.parse::<OrgId>(), CandidateId::new(&path.1)) else {
        return HttpResponse::NotFound().body("there is no such organisation or candidate");
    };
    match journal.erase(org, candidate, "our own service".into()).await {
        Ok(number) => HttpResponse::build(StatusCode::ACCEPTED).body(format!("erasure {number}")),
        Err(reason) => HttpResponse::ServiceUnavailable().body(reason.to_string()),
    }
}

/// Serves until `stop` completes.
pub async fn serve(
    configuration: &Path,
    listener: TcpListener,
    handler: Arc<dyn Handler>,
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    let settings = Settings::load(Some(configuration), &Environment::of_process())?.settings;
    let own_url = format!("http://{}/recruiting", listener.local_addr()?).parse()?;
    let bridge = Embedded::start(&settings, handler, own_url)?;
    let (routes, journal) = (bridge.routes(), bridge.journal());
    let app = move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&journal)))
            .route("/", web::get().to(async || "our own page"))
            .route("/candidates/{orgid}/{candidate_id}", web::delete().to(erase))
            .service(web::scope("/recruiting").configure(routes.clone()))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run();
    let handle = server.handle();
    let served = actix_web::rt::spawn(server);
    stop.await;
    handle.stop(true).await;
    served.await??;
    bridge.stop().await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let configuration = arguments.next().ok_or("the path of a configuration is missing")?;
    let listener = TcpListener::bind(arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into()))?;
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    let served = serve(Path::new(&configuration), listener, Arc::new(Announcer), interrupted);
    actix_web::rt::System::new().block_on(served)
}
