//! Checks that the functions can start with their settings, and that the settings have no
//! surprising effects.

use hallpass_runtime::Settings;
use hallpass_service::service;
use hallpass_token::{
    Format,
    user::attribute::{PASSWORD_HASH, STATUS},
};

use super::{Finding, Verdict};
use crate::{stack::Stack, trust};

const OF: &str = "settings";

pub(super) fn check(stack: &Stack) -> Vec<Finding> {
    let lookup = stack.lookup();
    let bad = |bad| {
        Finding::new(
            OF,
            Verdict::Error,
            bad,
            "set the variable in template.yaml as docs/src/reference/configuration.md describes",
        )
    };
    let mut findings = Vec::new();
    findings.extend(service::store(&lookup).err().map(bad));
    findings.extend(service::keys(&lookup, trust::connection).err().map(bad));
    match Settings::read(&lookup) {
        Err(error) => findings.push(bad(error)),
        Ok(settings) => findings.extend(unbound_attributes(&settings)),
    }
    if findings.iter().all(|finding| finding.verdict != Verdict::Error) {
        findings.insert(0, Finding::ok(OF, "the functions start with these settings"));
    }
    findings
}

/// Warns if a change of the password or the status does not invalidate tokens, which few operators
/// expect.
fn unbound_attributes(settings: &Settings) -> Vec<Finding> {
    const ADVICE: &str = "if this is not intended, add the attribute to HALLPASS_INVALIDATE_ON";
    let mut findings = Vec::new();
    for format in Format::ALL {
        let names = settings.binding(format).names();
        for attribute in [PASSWORD_HASH, STATUS]
            .into_iter()
            .filter(|attribute| !names.iter().any(|name| name == attribute))
        {
            let detail =
                format!("tokens of the format {format} stay valid after a change of {attribute}");
            findings.push(Finding::new(OF, Verdict::Warning, detail, ADVICE));
        }
    }
    findings
}
