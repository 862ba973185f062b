//! Whether the functions would start with their settings, and whether these do what people take for granted.

use edge::{Settings, service};
use token::{
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
            Verdict::Wrong,
            bad,
            "set the variable as docs/src/reference/configuration.md says, in template.yaml",
        )
    };
    let mut findings = Vec::new();
    findings.extend(service::store(&lookup).err().map(bad));
    findings.extend(service::keys(&lookup, trust::connection).err().map(bad));
    match Settings::read(&lookup) {
        Err(error) => findings.push(bad(error)),
        Ok(settings) => findings.extend(what_outlives_a_change(&settings)),
    }
    if findings.iter().all(|finding| finding.verdict != Verdict::Wrong) {
        findings.insert(0, Finding::ok(OF, "the functions start with them"));
    }
    findings
}

/// A token that is not bound to the password outlives a new one, which few expect.
fn what_outlives_a_change(settings: &Settings) -> Vec<Finding> {
    const ADVICE: &str = "name the attribute in HALLPASS_INVALIDATE_ON, if that is not meant";
    let mut findings = Vec::new();
    for format in [Format::Signed, Format::Developer, Format::Jwt] {
        let names = settings.binding(format).names();
        for attribute in [PASSWORD_HASH, STATUS].into_iter().filter(|it| !names.iter().any(|name| name == it)) {
            let detail = format!("tokens of the format {format} outlive a change of {attribute}");
            findings.push(Finding::new(OF, Verdict::Warning, detail, ADVICE));
        }
    }
    findings
}
