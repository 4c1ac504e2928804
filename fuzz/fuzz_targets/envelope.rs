//! Any bytes as a message: no panic, and whatever of them a fault repeats, the fault is well-formed.

#![no_main]

use imper_bridge::soap::{FaultStatus, Head, Profile, fault, read};
use imper_bridge::xml::{self, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first byte chooses what the HTTP head says.
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let media = ["text/xml", "application/soap+xml", "application/xml", "text/xml; charset=utf-16"];
    let head = Head {
        content_type: Some(media[(choice & 3) as usize]),
        soap_action: (choice & 4 != 0).then_some("\"urn:other\""),
        event: (choice & 8 != 0).then_some("interview_started"),
    };
    let profile = Profile {
        strict_soap_action: choice & 16 != 0,
        stage_always_required: choice & 32 != 0,
        username_tokens: choice & 64 != 0,
        ..Profile::default()
    };
    match read(bytes, &head, &profile, Limits::default()) {
        Ok(request) => assert!(!request.change.application.as_str().is_empty()),
        Err(rejected) => {
            let addressing = rejected.addressing.as_ref();
            let answer =
                fault(rejected.version, addressing, &rejected.refusal, FaultStatus::Standard, &profile.namespace);
            xml::check(answer.body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
        }
    }
});
