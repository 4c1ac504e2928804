//! A bare actix-web handler that takes a body and stores nothing: what `benches/run` holds the
//! bridge against. `cargo run --release --example bare [ADDRESS]`

use actix_web::{App, HttpResponse, HttpServer, web};

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

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    actix_rt::System::new().block_on(async {
        let server = HttpServer::new(|| App::new().default_service(web::to(answer))).bind(address)?;
        println!("public http://{}/", server.addrs()[0]);
        server.run().await
    })
}
