//! The published shapes of Workday's requests (Recruiting, version 26.1), as far as the bridge sends
//! them: the order of elements, their namespaces, and qualified attributes.

use roxmltree::{Document, Node};

use crate::workday::Request;

const WD: &str = "urn:com.workday/bsvc";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const PASSWORD_TEXT: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText";

/// What a right request asks for.
pub(crate) struct Right {
    pub(crate) operation: String,
    pub(crate) ids: Vec<String>,
    pub(crate) page: usize,
}

/// Whether Workday would take it.
pub(crate) fn check(request: &Request, version: &str) -> Result<Right, String> {
    same("the request line", &request.line, &format!("POST /ccx/service/acme/Recruiting/{version} HTTP/1.1"))?;
    same("the Content-Type", request.header("content-type"), "text/xml; charset=utf-8")?;
    let document = Document::parse(&request.body).map_err(|error| error.to_string())?;
    let envelope = document.root_element();
    if !envelope.has_tag_name((SOAP, "Envelope")) {
        return Err("the root is no SOAP 1.1 Envelope".into());
    }
    let parts = children(envelope, SOAP, &["Header", "Body"])?;
    let has_token = request.header("authorization").starts_with("Bearer ");
    match parts.iter().find(|part| part.tag_name().name() == "Header") {
        Some(header) if !has_token => security(*header)?,
        None if has_token => {}
        _ => return Err("signs in neither by a UsernameToken nor by Bearer, or by both".into()),
    }
    let body = *parts.last().filter(|part| part.tag_name().name() == "Body").ok_or("no Body")?;
    let operation = body.first_element_child().ok_or("an empty Body")?;
    qualified(operation)?;
    operation_of(operation, version)
}

fn operation_of(operation: Node<'_, '_>, version: &str) -> Result<Right, String> {
    let name = operation.tag_name().name();
    let (reference, kinds, group): (_, &[&str], Vec<&str>) = match name {
        "Get_Candidates_Request" => {
            let mut group = vec!["Include_Reference"];
            if version != "v26.1" {
                // Since version 31.2.
                group.push("Exclude_All_Attachments");
            }
            ("Candidate_Reference", &["WID", "Candidate_ID"], group)
        }
        "Get_Job_Requisitions_Request" => (
            "Job_Requisition_Reference",
            &["WID", "Job_Requisition_ID"],
            vec![
                "Include_Reference",
                "Include_Job_Requisition_Definition_Data",
                "Include_Job_Requisition_Restrictions_Data",
                "Include_Qualifications",
                "Include_Job_Requisition_Attachments",
                "Include_Organizations",
                "Include_Roles",
            ],
        ),
        other => return Err(format!("the operation {other} is not asked for here")),
    };
    let (mut ids, mut page) = (Vec::new(), 1);
    for part in children(operation, WD, &["Request_References", "Response_Filter", "Response_Group"])? {
        match part.tag_name().name() {
            "Request_References" => ids = references(part, reference, kinds)?,
            "Response_Filter" => page = filter(part)?,
            _ => {
                for flag in children(part, WD, &group)? {
                    truth(flag)?;
                }
            }
        }
    }
    if ids.is_empty() {
        return Err("no references: all of the tenant would be asked for".into());
    }
    Ok(Right { operation: name.to_owned(), ids, page })
}

fn references(part: Node<'_, '_>, reference: &str, kinds: &[&str]) -> Result<Vec<String>, String> {
    let mut ids = Vec::new();
    for one in part.children().filter(Node::is_element) {
        if !one.has_tag_name((WD, reference)) {
            return Err(format!("{} in Request_References", one.tag_name().name()));
        }
        for id in one.children().filter(Node::is_element) {
            let kind = id.attribute((WD, "type")).ok_or("an ID without wd:type")?;
            if !id.has_tag_name((WD, "ID")) || !kinds.contains(&kind) {
                return Err(format!("the type {kind} of {}", id.tag_name().name()));
            }
            ids.push(id.text().unwrap_or_default().to_owned());
        }
    }
    Ok(ids)
}

fn filter(part: Node<'_, '_>) -> Result<usize, String> {
    let mut page = 1;
    for one in children(part, WD, &["As_Of_Effective_Date", "As_Of_Entry_DateTime", "Page", "Count"])? {
        let number = one.text().and_then(|text| text.parse::<usize>().ok());
        match (one.tag_name().name(), number) {
            ("Page", Some(number @ 1..)) => page = number,
            ("Count", Some(1..=999)) => {}
            (name, _) => return Err(format!("{name} is {:?}", one.text())),
        }
    }
    Ok(page)
}

fn security(header: Node<'_, '_>) -> Result<(), String> {
    let security = children(header, WSSE, &["Security"])?;
    let token = children(*security.first().ok_or("no Security")?, WSSE, &["UsernameToken"])?;
    let parts = children(*token.first().ok_or("no UsernameToken")?, WSSE, &["Username", "Password"])?;
    let [username, password] = parts[..] else { return Err("no Username or no Password".into()) };
    if !username.text().is_some_and(|name| name.contains('@')) {
        return Err("the user name is not user@tenant".into());
    }
    same("the Password's Type", password.attribute("Type").unwrap_or_default(), PASSWORD_TEXT)
}

/// Workday answers a request with unqualified attributes with a 500.
fn qualified(operation: Node<'_, '_>) -> Result<(), String> {
    for node in operation.descendants().filter(Node::is_element) {
        if node.tag_name().namespace() != Some(WD) {
            return Err(format!("{} is of another namespace", node.tag_name().name()));
        }
        if let Some(attribute) = node.attributes().find(|attribute| attribute.namespace() != Some(WD)) {
            return Err(format!("the attribute {} is not qualified", attribute.name()));
        }
    }
    Ok(())
}

/// The children, which are some of these, once each, in this order.
fn children<'a, 'i>(node: Node<'a, 'i>, namespace: &str, order: &[&str]) -> Result<Vec<Node<'a, 'i>>, String> {
    let (mut found, mut places) = (Vec::new(), order.iter());
    for child in node.children().filter(Node::is_element) {
        let name = child.tag_name().name();
        let right = child.tag_name().namespace() == Some(namespace) && places.any(|place| *place == name);
        if !right {
            return Err(format!("{name} at this place in {}", node.tag_name().name()));
        }
        found.push(child);
    }
    Ok(found)
}

fn truth(flag: Node<'_, '_>) -> Result<(), String> {
    match flag.text() {
        Some("true" | "false" | "1" | "0") => Ok(()),
        other => Err(format!("{} is {other:?}", flag.tag_name().name())),
    }
}

fn same(what: &str, found: &str, expected: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?} and not {expected:?}")) }
}
