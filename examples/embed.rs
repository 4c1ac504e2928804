//! A service of one's own with the bridge in it: `/recruiting/soap/{orgid}` takes Workday's
//! messages, and what they mean is handled by code of the service.
//!
//! `cargo run --example embed -- bridge.toml 127.0.0.1:8080`

use std::error::Error;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use imper_bridge::app::embed::Embedded;
use imper_bridge::config::{Environment, Settings};
use imper_bridge::delivery::{Handled, Handler, Handling};
use imper_bridge::journal::Claimed;

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
    let routes = bridge.routes();
    let app = move || {
        App::new()
            .route("/", web::get().to(async || "our own page"))
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
