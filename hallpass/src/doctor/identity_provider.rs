//! Checks that people can sign in at the identity provider.

use hallpass_oidc::Provider;
use hallpass_runtime::{Settings, settings::oidc};
use hallpass_token::Timestamp;

use super::{Finding, Verdict};
use crate::stack::Stack;

const OF: &str = "identity provider";

pub(super) async fn check(stack: &Stack, settings: &Settings, now: Timestamp) -> Vec<Finding> {
    let provider = match oidc::read(&stack.lookup()) {
        Ok(provider) => provider,
        Err(bad) => {
            let advice = "correct the parameter, as docs/src/guides/sign-in.md describes";
            return vec![Finding::new(OF, Verdict::Error, bad, advice)];
        }
    };
    let takes_passwords = settings.password_sign_in && settings.generate_takes_passwords;
    let Some(provider) = provider else {
        let advice = "set OidcIssuer, or PasswordSignIn=on and GeneratePassword=on";
        let closed =
            || Finding::new(OF, Verdict::Warning, "no one can sign in to the pages", advice);
        return (!takes_passwords).then(closed).into_iter().collect();
    };
    let issuer = provider.issuer.clone();
    // The check needs no client secret, which only the function may read.
    let checked = match Provider::new(provider, None) {
        Ok(provider) => provider.check(now).await,
        Err(failure) => Err(failure),
    };
    vec![match checked {
        Ok(()) => Finding::ok(OF, issuer),
        Err(failure) => {
            let advice = "compare OidcIssuer with the metadata that the provider publishes";
            Finding::new(OF, Verdict::Error, format!("{issuer}: {}", failure.report()), advice)
        }
    }]
}
