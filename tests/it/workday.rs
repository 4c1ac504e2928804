//! A stand-in for Workday: a real HTTP server that answers from recorded shapes, holds each request
//! against the published ones, and fails in each documented way.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::workday_shapes as shapes;

const OLD: &str = include_str!("../../fixtures/workday/candidate-v26.xml");
const NEW: &str = include_str!("../../fixtures/workday/candidate-v43.xml");
const NOBODY: &str = include_str!("../../fixtures/workday/candidate-nobody.xml");
const REQUISITION: &str = include_str!("../../fixtures/workday/requisition.xml");

const VALIDATION_12: &str = "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Body><e:Fault>\
    <e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>validationError</e:Value></e:Subcode></e:Code>\
    <e:Reason><e:Text xml:lang='en'>Invalid ID value</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>";

pub(crate) const USER: &str = "ISU_imper@acme";
pub(crate) const PASSWORD: &str = "pass<word>&1";
pub(crate) const CLIENT: (&str, &str) = ("client id", "secret:1%");
pub(crate) const REFRESH_TOKEN: &str = "refresh/token+1";

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fails {
    Authentication,
    /// The same, called a page.
    AuthenticationAsPage,
    Validation,
    /// By SOAP 1.2, at 400.
    Validation12,
    Processing,
    NotAuthorized,
    /// With a `Retry-After` in seconds.
    TooMany(u32),
    Status(u16),
    /// Says nothing for longer than anybody waits.
    Slow,
    /// A byte now and then.
    Drip,
    /// What is no HTTP.
    Garbage,
    /// A page to sign in, with 200.
    Page,
    /// XML that is no SOAP.
    OtherXml,
    /// XML that is nested deeper than anybody reads.
    Nested,
    /// A Fault with 200.
    FaultWithin200,
    /// More than anybody reads.
    Endless,
}

/// Where an application of a candidate stands.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) application: String,
    pub(crate) stage: String,
    pub(crate) disposition: Option<String>,
    pub(crate) at: String,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) operation: String,
    pub(crate) ids: Vec<String>,
}

#[derive(Default)]
struct State {
    fails: Mutex<Option<Fails>>,
    applied: Mutex<BTreeMap<String, Vec<Applied>>>,
    unknown: Mutex<Vec<String>>,
    asked: Mutex<Vec<Asked>>,
    wrong: Mutex<Vec<String>>,
    per_page: AtomicUsize,
    tokens: AtomicUsize,
    /// Tokens up to this one are not taken any more.
    expired: AtomicUsize,
    stopped: AtomicBool,
    holds: AtomicBool,
}

pub(crate) struct Workday {
    address: SocketAddr,
    state: Arc<State>,
}

impl Workday {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(State::default()));
        state.per_page.store(100, Ordering::Relaxed);
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // Whoever hangs up early is nobody's fault.
                std::thread::spawn(move || drop(serve(&shared, stream)));
            }
        });
        Self { address, state }
    }

    /// The Recruiting service of this version.
    pub(crate) fn url(&self, version: &str) -> String {
        format!("http://{}/ccx/service/acme/Recruiting/{version}", self.address)
    }

    pub(crate) fn token_url(&self) -> String {
        format!("http://{}/ccx/oauth2/acme/token", self.address)
    }

    /// The section of an organisation that reads back from here as an integration system user.
    pub(crate) fn section(&self, org: &str) -> String {
        format!(
            "[org.{org}.workday]\nsoap_url = \"{}\"\nusername = \"{USER}\"\npassword = \"{PASSWORD}\"\n",
            self.url("v43.0")
        )
    }

    /// Fails so from now on, or no more.
    pub(crate) fn fail(&self, fails: Option<Fails>) {
        *self.state.fails.lock().unwrap() = fails;
    }

    /// Says from now on that the candidate's application stands here.
    pub(crate) fn applied(&self, candidate: &str, applied: Applied) {
        let mut all = self.state.applied.lock().unwrap();
        let own = all.entry(candidate.to_owned()).or_default();
        own.retain(|before| before.application != applied.application);
        own.push(applied);
    }

    /// Says from now on that it stands here as well.
    pub(crate) fn also_applied(&self, candidate: &str, applied: Applied) {
        self.state.applied.lock().unwrap().entry(candidate.to_owned()).or_default().push(applied);
    }

    /// Gives its answers no more, or again; they say how it stood when they were asked for.
    pub(crate) fn hold(&self, holds: bool) {
        self.state.holds.store(holds, Ordering::Relaxed);
    }

    /// Does not know this candidate.
    pub(crate) fn forget(&self, candidate: &str) {
        self.state.unknown.lock().unwrap().push(candidate.to_owned());
    }

    pub(crate) fn per_page(&self, entries: usize) {
        self.state.per_page.store(entries, Ordering::Relaxed);
    }

    /// The access tokens given until now are not taken any more.
    pub(crate) fn expire_tokens(&self) {
        self.state.expired.store(self.tokens(), Ordering::Relaxed);
    }

    /// How many access tokens were given.
    pub(crate) fn tokens(&self) -> usize {
        self.state.tokens.load(Ordering::Relaxed)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl Drop for Workday {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let wrong = self.state.wrong.lock().unwrap();
        if !std::thread::panicking() {
            assert!(wrong.is_empty(), "requests that Workday would not take: {wrong:#?}");
        }
    }
}

/// A request's head and body.
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    fn read(stream: &TcpStream) -> std::io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let (mut line, mut headers) = (String::new(), BTreeMap::new());
        reader.read_line(&mut line)?;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 {
                // Whoever was killed in the middle of it asks for nothing.
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Self { line: line.trim_end().to_owned(), headers, body: String::from_utf8_lossy(&body).into_owned() })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

fn serve(state: &State, mut stream: TcpStream) -> std::io::Result<()> {
    let request = Request::read(&stream)?;
    let path = request.line.split(' ').nth(1).unwrap_or_default().to_owned();
    if path.ends_with("/oauth2/acme/token") {
        let (status, body) = grant(state, &request);
        return respond(&mut stream, status, "application/json", "", &body);
    }
    let version = path.rsplit('/').next().unwrap_or_default().to_owned();
    let asked = match shapes::check(&request, &version) {
        Ok(asked) => asked,
        Err(why) => {
            state.wrong.lock().unwrap().push(format!("{why}: {}", request.body));
            return respond(&mut stream, 500, "text/xml", "", &fault("validation"));
        }
    };
    let signed = signs_in(state, &request);
    let ids = asked.ids.clone();
    let page = asked.page;
    state.asked.lock().unwrap().push(Asked { operation: asked.operation.clone(), ids: asked.ids });
    let fails = *state.fails.lock().unwrap();
    if let Some(fails) = fails {
        return fail(&mut stream, fails);
    }
    if !signed {
        return respond(&mut stream, 500, "text/xml", "", &fault("authentication"));
    }
    let answer = if asked.operation == "Get_Candidates_Request" {
        candidates(state, &ids, page, &version)
    } else {
        REQUISITION.replace("R-00008", &ids[0])
    };
    while state.holds.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(2));
    }
    respond(&mut stream, 200, "text/xml; charset=utf-8", "", &answer)
}

fn signs_in(state: &State, request: &Request) -> bool {
    if let Some(token) = request.header("authorization").strip_prefix("Bearer token-") {
        let number: usize = token.parse().unwrap();
        return number > state.expired.load(Ordering::Relaxed);
    }
    let document = roxmltree::Document::parse(&request.body).unwrap();
    let text = |name: &str| document.descendants().find(|node| node.tag_name().name() == name)?.text();
    text("Username") == Some(USER) && text("Password") == Some(PASSWORD)
}

fn grant(state: &State, request: &Request) -> (u16, String) {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = format!("{}:{}", encode(CLIENT.0), encode(CLIENT.1));
    let basic = format!("Basic {}", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, basic));
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let right = request.header("authorization") == basic
        && form.get("grant_type").is_some_and(|grant| grant == "refresh_token")
        && form.get("refresh_token").is_some_and(|token| token == REFRESH_TOKEN);
    if !right {
        return (400, r#"{"error":"invalid_grant"}"#.into());
    }
    let number = state.tokens.fetch_add(1, Ordering::Relaxed) + 1;
    (200, format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":3600}}"#))
}

/// The candidates of a page: the recorded one, once for each id.
fn candidates(state: &State, ids: &[String], page: usize, version: &str) -> String {
    let unknown = state.unknown.lock().unwrap();
    let known: Vec<_> = ids.iter().filter(|id| !unknown.contains(id)).collect();
    if known.is_empty() {
        return NOBODY.to_owned();
    }
    let is_old = version == "v26.1";
    let (envelope, recorded) = if is_old { (OLD, "CAND-1182") } else { (NEW, "CAND-2001") };
    let prefix = if is_old { "wd" } else { "bsvc" };
    let (before, one, after) = cut(envelope, &format!("{prefix}:Candidate"));
    let per_page = state.per_page.load(Ordering::Relaxed);
    let pages = known.len().div_ceil(per_page);
    let applied = state.applied.lock().unwrap();
    let shown = known.iter().skip((page - 1) * per_page).take(per_page).map(|id| {
        let person = one.replace(recorded, id).replace("Ejemplo", &format!("Ejemplo-{id}"));
        let Some(own) = applied.get(*id) else { return person };
        let (start, job, end) = cut(&person, &format!("{prefix}:Job_Application_Data"));
        let jobs: String = own.iter().map(|applied| placed(job, prefix, applied)).collect();
        format!("{start}{jobs}{end}")
    });
    let total = format!("<{prefix}:Total_Pages>1<");
    let shown: String = shown.collect();
    format!("{}{shown}{after}", before.replace(&total, &format!("<{prefix}:Total_Pages>{pages}<")))
}

/// The recorded application, as it stands now.
fn placed(job: &str, prefix: &str, applied: &Applied) -> String {
    let element = |name: &str, inner: &str| format!("<{prefix}:{name}>{inner}</{prefix}:{name}>");
    let id = |kind: &str, text: &str| format!("<{prefix}:ID {prefix}:type=\"{kind}\">{text}</{prefix}:ID>");
    let disposition = applied
        .disposition
        .as_ref()
        .map(|disposition| element("Disposition_Reference", &id("Recruiting_Disposition_ID", disposition)));
    let (start, _, _) = cut(job, &format!("{prefix}:Job_Applied_To_Data"));
    let inner = [
        element("Job_Application_Reference", &id("Job_Application_ID", &applied.application)),
        element("Job_Requisition_Reference", &id("Job_Requisition_ID", "REQ678")),
        element("Stage_Reference", &id("Recruiting_Stage_ID", &applied.stage)),
        disposition.unwrap_or_default(),
        element("Status_Timestamp", &applied.at),
    ];
    let start = start.to_owned();
    format!("{start}{}</{prefix}:Job_Application_Data>", element("Job_Applied_To_Data", &inner.concat()))
}

/// What stands before an element, the element, and what stands after it.
fn cut<'t>(text: &'t str, name: &str) -> (&'t str, &'t str, &'t str) {
    let start = text.find(&format!("<{name}>")).unwrap();
    let end_tag = format!("</{name}>");
    let end = start + text[start..].find(&end_tag).unwrap() + end_tag.len();
    (&text[..start], &text[start..end], &text[end..])
}

fn fault(name: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/workday");
    std::fs::read_to_string(folder.join(format!("fault-{name}.xml"))).unwrap()
}

fn fail(stream: &mut TcpStream, fails: Fails) -> std::io::Result<()> {
    match fails {
        Fails::Authentication => respond(stream, 500, "text/xml", "", &fault("authentication")),
        Fails::AuthenticationAsPage => respond(stream, 500, "text/html", "", &fault("authentication")),
        Fails::Validation12 => respond(stream, 400, "application/soap+xml", "", VALIDATION_12),
        Fails::Nested => {
            let deep = format!("{}{}", "<a>".repeat(500_000), "</a>".repeat(500_000));
            respond(stream, 200, "text/xml", "", &deep)
        }
        Fails::Validation => respond(stream, 500, "text/xml", "", &fault("validation")),
        Fails::Processing => respond(stream, 500, "text/xml", "", &fault("processing")),
        Fails::NotAuthorized => respond(stream, 500, "text/xml", "", &fault("not-authorized")),
        Fails::FaultWithin200 => respond(stream, 200, "text/xml", "", &fault("processing")),
        Fails::TooMany(seconds) => {
            respond(stream, 429, "text/plain", &format!("Retry-After: {seconds}\r\n"), "slow down")
        }
        Fails::Status(status) => respond(stream, status, "text/html", "", "<html>no</html>"),
        Fails::Page => respond(stream, 200, "text/html", "", "<html><body>Please sign in</body></html>"),
        Fails::OtherXml => respond(stream, 200, "text/xml", "", "<?xml version=\"1.0\"?><weather>fine</weather>"),
        Fails::Garbage => stream.write_all(b"\x00\x01 this is no HTTP \xff\r\n\r\n"),
        Fails::Slow => until_gone(stream, b""),
        Fails::Drip => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 100000\r\n\r\n")?;
            until_gone(stream, b" ")
        }
        Fails::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n")?;
            let chunk = vec![b' '; 1 << 16];
            loop {
                stream.write_all(&chunk)?;
            }
        }
    }
}

/// Sends these bytes now and then until the other side hangs up.
fn until_gone(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    loop {
        stream.write_all(bytes)?;
        match stream.read(&mut [0]) {
            Ok(0) => return Ok(()),
            _ => continue,
        }
    }
}

fn respond(stream: &mut TcpStream, status: u16, content_type: &str, more: &str, body: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{more}Connection: close\r\n\r\n{body}",
        body.len()
    )
}
