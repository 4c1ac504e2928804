//! What `benches/run` holds the bridge against: a bare actix-web handler that takes a body and stores
//! nothing, at `/soap`, and one that reads it as strictly as the bridge and stores nothing either, at
//! `/parse`. `cargo run --release --example bare [ADDRESS]`

use actix_web::{App, HttpResponse, HttpServer, web};
use imper_bridge::domain::{EventId, EventType, Outcome};
use imper_bridge::soap::{self, Head, Profile, Success, Version};
use imper_bridge::xml::Limits;

/// As long as the bridge's own answer.
const ANSWER: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    "<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"><env:Body>",
    "<TriggerCandidateStateChange_Response xmlns=\"http://your-company.com/workday/webhooks\">",
    "<Event_ID>01a20aee-2c4a-76af-a4c9-000000000001</Event_ID><Event_Type>interview_started</Event_Type>",
    "<Outcome>Accepted</Outcome></TriggerCandidateStateChange_Response></env:Body></env:Envelope>",
);

async fn answer(_body: web::Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("text/xml; charset=utf-8").body(ANSWER)
}

async fn parse(body: web::Bytes, profile: web::Data<Profile>) -> HttpResponse {
    let head = Head { content_type: Some("text/xml; charset=utf-8"), ..Head::default() };
    match soap::read(&body, &head, &profile, Limits::default()) {
        Ok(request) => {
            let success = Success {
                event_id: Some(EventId::compose(1, 1, request.change.application.as_str().len() as u64)),
                event_type: EventType::InterviewStarted,
                outcome: Outcome::Accepted,
            };
            let answer = soap::success(Version::Soap11, None, &profile.namespace, &success);
            HttpResponse::Ok().content_type(answer.content_type).body(answer.body)
        }
        Err(rejected) => HttpResponse::BadRequest().body(rejected.refusal.message.to_string()),
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    actix_rt::System::new().block_on(async {
        let profile = web::Data::new(Profile::default());
        let app = move || {
            let parse = web::resource("/parse").to(parse);
            App::new().app_data(profile.clone()).service(parse).default_service(web::to(answer))
        };
        let server = HttpServer::new(app).bind(address)?;
        println!("public http://{}/", server.addrs()[0]);
        server.run().await
    })
}
