//! Reading the `[org.NAME]` sections.

use super::super::section::{Reader, Section, Wrong};
use super::super::tree::Item;
use super::super::value::{boolean, certificates, some_texts, text, texts, time, word};
use super::super::{address, secret};
use super::credentials::{auth, intake, workday};
use super::{FaultStatus, Handler, IdTypes, Listener, OrganisationSettings, Relay};
use crate::domain::payload::{EventNames, Shape};
use crate::domain::{OrgId, StagePolicy};

/// Reads all organisations, whose messages come in through `listener`.
pub(in super::super) fn read_all(root: &mut Section<'_, '_>, listener: Listener) -> Vec<OrganisationSettings> {
    let written = root.has("org");
    let Some(mut section) = root.section("org") else {
        if !written {
            no_organisation(root, "org");
        }
        return Vec::new();
    };
    let named = section.named_sections();
    if named.is_empty() {
        no_organisation(&section, "");
    }
    named.into_iter().map(|(name, section)| read(&name, section, listener)).collect()
}

fn no_organisation(section: &Section<'_, '_>, key: &str) {
    let advice = "Add a section [org.NAME]; `imper-bridge init` writes a starter.";
    section.fault(key, "no organisation", "at least one section [org.NAME]", advice);
}

/// Reads one. Where something is faulty, a stand-in takes its place, so that reading goes on; what
/// comes back is then thrown away.
fn read(name: &str, mut section: Section<'_, '_>, listener: Listener) -> OrganisationSettings {
    let hours = time("hours", 3_600.0, 0.0..=87_600.0);
    let minutes = time("minutes", 60.0, 0.0..=525_600.0);
    let has_workday = section.has("workday");
    let settings = OrganisationSettings {
        id: id(name, &section),
        auth: auth(&mut section, listener),
        namespace: section.value("namespace", namespace).unwrap_or_else(|| DEFAULT_NAMESPACE.into()),
        policy: policy(&mut section),
        handler: handler(&mut section).unwrap_or(Handler::InProcess),
        fault_status: section.value("fault_status", word(&FAULT_STATUS)).unwrap_or_default(),
        strict_soap_action: section.value("strict_soap_action", boolean).unwrap_or(false),
        expect_tenant: section.value("expect_tenant", header_text),
        expect_message_every: section.value("expect_message_every_hours", hours).filter(|every| !every.is_zero()),
        reconcile_every: section.value("reconcile_every_minutes", minutes).filter(|every| !every.is_zero()),
        id_types: id_types(section.section_or_empty("id_types")),
        intake: section.section("intake").and_then(intake),
        workday: section.section("workday").and_then(workday),
    };
    if settings.reconcile_every.is_some() && !has_workday {
        let advice = "Add its soap_url and credentials, or set this to 0.";
        section.fault("reconcile_every_minutes", "an interval", "a [workday] section to compare with", advice);
    }
    section.finish();
    settings
}

const DEFAULT_NAMESPACE: &str = "http://your-company.com/workday/webhooks";

static FAULT_STATUS: [(&str, FaultStatus); 3] =
    [("standard", FaultStatus::Standard), ("400", FaultStatus::Always400), ("500", FaultStatus::Always500)];

fn id(name: &str, section: &Section<'_, '_>) -> OrgId {
    name.parse().unwrap_or_else(|_| {
        section.fault(
            "",
            format!("the name {name:?}"),
            "an organisation id: a-z, 0-9, '_' and '-', 63 characters at most, starting with a letter or digit",
            "It is part of the endpoint's path; rename the section.",
        );
        "faulty".parse().expect("the stand-in is an id")
    })
}

fn namespace(item: &Item, reader: &Reader<'_>) -> Result<String, Wrong> {
    let expected = || Wrong::new("a namespace name, such as \"http://your-company.com/workday/webhooks\"");
    let name = text(item, reader).map_err(|_| expected())?;
    if name.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c)) {
        return Err(expected().advice("A namespace name is a URI: no spaces, quotes or angle brackets."));
    }
    const TAKEN: [&str; 4] = [
        "http://schemas.xmlsoap.org/soap/envelope/",
        "http://www.w3.org/2003/05/soap-envelope",
        "http://www.w3.org/XML/1998/namespace",
        "http://www.w3.org/2000/xmlns/",
    ];
    if TAKEN.contains(&name.as_str()) {
        return Err(expected().advice("This one belongs to XML or SOAP itself."));
    }
    Ok(name)
}

fn header_text(item: &Item, reader: &Reader<'_>) -> Result<String, Wrong> {
    let expected = || Wrong::new("a tenant name of visible ASCII characters");
    let text = text(item, reader).map_err(|_| expected())?;
    if text.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(text) } else { Err(expected()) }
}

fn policy(section: &mut Section<'_, '_>) -> StagePolicy {
    let default = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let stages = section.value("interview_stages", texts).unwrap_or_else(|| default(&["Interview"]));
    let closed = section.value("closed_statuses", texts);
    let closed = closed.unwrap_or_else(|| default(&["Rejected", "Declined", "Withdrawn", "Hired"]));
    StagePolicy::new(&stages, &closed)
}

fn id_types(mut section: Section<'_, '_>) -> IdTypes {
    let default = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let types = IdTypes {
        candidate: section.value("candidate", some_texts).unwrap_or_else(|| default(&["Candidate_ID", "WID"])),
        job_application: section
            .value("job_application", some_texts)
            .unwrap_or_else(|| default(&["Job_Application_ID", "WID"])),
        job_requisition: section
            .value("job_requisition", some_texts)
            .unwrap_or_else(|| default(&["Job_Requisition_ID", "Requisition_ID", "WID"])),
    };
    section.finish();
    types
}

fn handler(section: &mut Section<'_, '_>) -> Option<Handler> {
    let written = section.has("handler");
    let to_relay = section.value("handler", word(&[("relay", true), ("in_process", false)]));
    let has_relay = section.has("relay");
    let relay = section.section("relay").and_then(relay);
    match to_relay.or((!written).then_some(true))? {
        false => {
            if has_relay {
                let path = section.path_of("relay");
                section.reader().warn(format!("{path} is not used, as handler is \"in_process\""));
            }
            Some(Handler::InProcess)
        }
        true if !has_relay => {
            let advice = "Add url and api_key of the relay, or set handler = \"in_process\".";
            section.fault("relay", "nothing", "a [relay] section, as handler is \"relay\"", advice);
            None
        }
        true => relay.map(Handler::Relay),
    }
}

fn relay(mut section: Section<'_, '_>) -> Option<Relay> {
    let url = section.required("url", "the relay's URL", address::called);
    let api_key = section.required("api_key", "the relay's API key, a secret", secret::token);
    let api_key_next = section.value("api_key_next", secret::token);
    let shapes = word(&[("webhook", Shape::Webhook), ("state_change", Shape::StateChange)]);
    let payload = section.value("payload", shapes).unwrap_or_default();
    let names = word(&[("short", EventNames::Short), ("stage", EventNames::Stage)]);
    let event_names = section.value("event_names", names).unwrap_or_default();
    let ca = section.value("ca", certificates);
    section.finish();
    Some(Relay { url: url?, api_key: api_key?, api_key_next, payload, event_names, ca })
}
