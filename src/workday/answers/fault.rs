//! What Workday refuses with, by SOAP 1.1 and 1.2.

use yaserde::YaDeserialize;

use super::trimmed;

/// The namespace of SOAP 1.2.
pub(super) const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";

/// What Workday refuses with.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::workday) struct Fault {
    /// Its code without a prefix and as SOAP 1.1 spells it, such as `Client.validationError`.
    pub(in crate::workday) code: String,
    /// All that it says.
    pub(in crate::workday) text: String,
}

/// The Fault of a SOAP 1.2 envelope, where it holds one.
pub(super) fn of_soap12(xml: &str) -> Result<Option<Fault>, String> {
    let envelope: Envelope12 = yaserde::de::from_str(xml).map_err(|error| error.to_string())?;
    Ok(envelope.body.fault.map(Fault12::told))
}

#[derive(YaDeserialize)]
#[yaserde(prefix = "env", namespaces = {"env" = "http://schemas.xmlsoap.org/soap/envelope/"})]
pub(super) struct FaultXml {
    faultcode: Option<String>,
    faultstring: Option<String>,
    detail: Option<Detail>,
}

impl FaultXml {
    pub(super) fn told(self) -> Fault {
        let code = local(self.faultcode);
        let detail = self.detail.unwrap_or_default();
        Fault { code, text: said(vec![self.faultstring], detail.validation, detail.processing) }
    }
}

/// A name without its prefix.
fn local(name: Option<String>) -> String {
    name.unwrap_or_default().rsplit(':').next().unwrap_or_default().trim().to_owned()
}

/// Every sentence, once.
fn said(
    mut said: Vec<Option<String>>,
    validation: Option<ValidationFault>,
    processing: Option<ProcessingFault>,
) -> String {
    for error in validation.map(|fault| fault.errors).unwrap_or_default() {
        said.extend([error.message, error.detail_message, error.xpath]);
    }
    said.push(processing.and_then(|fault| fault.detail_message));
    let mut texts: Vec<String> = Vec::new();
    for text in said.into_iter().filter_map(trimmed) {
        // A fault's sentence is often that of its detail.
        if !texts.iter().any(|before| before.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join("; ")
}

#[derive(Default, YaDeserialize)]
#[yaserde(namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct Detail {
    #[yaserde(prefix = "wd", rename = "Validation_Fault")]
    validation: Option<ValidationFault>,
    #[yaserde(prefix = "wd", rename = "Processing_Fault")]
    processing: Option<ProcessingFault>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct ValidationFault {
    #[yaserde(prefix = "wd", rename = "Validation_Error")]
    errors: Vec<ValidationError>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct ValidationError {
    #[yaserde(prefix = "wd", rename = "Message")]
    message: Option<String>,
    #[yaserde(prefix = "wd", rename = "Detail_Message")]
    detail_message: Option<String>,
    #[yaserde(prefix = "wd", rename = "Xpath")]
    xpath: Option<String>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct ProcessingFault {
    #[yaserde(prefix = "wd", rename = "Detail_Message")]
    detail_message: Option<String>,
}

#[derive(YaDeserialize)]
#[yaserde(
    rename = "Envelope",
    prefix = "env",
    namespaces = {"env" = "http://www.w3.org/2003/05/soap-envelope"}
)]
struct Envelope12 {
    #[yaserde(prefix = "env", rename = "Body")]
    body: Body12,
}

#[derive(YaDeserialize)]
#[yaserde(prefix = "env", namespaces = {"env" = "http://www.w3.org/2003/05/soap-envelope"})]
struct Body12 {
    #[yaserde(prefix = "env", rename = "Fault")]
    fault: Option<Fault12>,
}

#[derive(YaDeserialize)]
#[yaserde(prefix = "env", namespaces = {"env" = "http://www.w3.org/2003/05/soap-envelope"})]
struct Fault12 {
    #[yaserde(prefix = "env", rename = "Code")]
    code: Option<Code12>,
    #[yaserde(prefix = "env", rename = "Reason")]
    reason: Option<Reason12>,
    #[yaserde(prefix = "env", rename = "Detail")]
    detail: Option<Detail>,
}

impl Fault12 {
    fn told(self) -> Fault {
        let code = self.code.unwrap_or_default().told();
        let detail = self.detail.unwrap_or_default();
        let reason = self.reason.unwrap_or_default().texts.into_iter().map(Some).collect();
        Fault { code, text: said(reason, detail.validation, detail.processing) }
    }
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "env", namespaces = {"env" = "http://www.w3.org/2003/05/soap-envelope"})]
struct Code12 {
    #[yaserde(prefix = "env", rename = "Value")]
    value: Option<String>,
    #[yaserde(prefix = "env", rename = "Subcode")]
    subcode: Option<Subcode12>,
}

impl Code12 {
    /// The code as SOAP 1.1 spells it, made more precise where the subcode names one of Workday's.
    fn told(self) -> String {
        let code = local(self.value).replacen("Sender", "Client", 1).replacen("Receiver", "Server", 1);
        let subcode = local(self.subcode.and_then(|subcode| subcode.value));
        match subcode.rsplit('.').next() {
            Some(of_workday @ ("authenticationError" | "validationError" | "processingError")) => {
                format!("{code}.{of_workday}")
            }
            _ => code,
        }
    }
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "env", namespaces = {"env" = "http://www.w3.org/2003/05/soap-envelope"})]
struct Subcode12 {
    #[yaserde(prefix = "env", rename = "Value")]
    value: Option<String>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "env", namespaces = {"env" = "http://www.w3.org/2003/05/soap-envelope"})]
struct Reason12 {
    #[yaserde(prefix = "env", rename = "Text")]
    texts: Vec<String>,
}
