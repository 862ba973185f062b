//! Checks that the users exist to whom settings refer: the application account and an
//! administrator.

use hallpass_runtime::Settings;
use hallpass_store::{Failure, Store, management::Listed};
use hallpass_token::{Status, User};

use super::{Finding, Verdict};

/// The number of users that are read before all of them are.
const SAMPLE: usize = 1_000;

pub(super) async fn check(store: &Store, settings: &Settings) -> Vec<Finding> {
    let mut findings =
        vec![administrator(store, &settings.admin_permission).await.unwrap_or_else(|failure| {
            Finding::new("administrators", Verdict::Skipped, failure.report(), super::SCAN)
        })];
    if let Some(id) = settings.app_user {
        let found =
            store.user(&id).await.map(|user| application_account(id.as_str(), user.as_ref()));
        findings.push(found.unwrap_or_else(|failure| {
            let advice = "check the permission dynamodb:GetItem";
            Finding::new("application account", Verdict::Skipped, failure.report(), advice)
        }));
    }
    findings
}

async fn administrator(store: &Store, permission: &str) -> Result<Finding, Failure> {
    const OF: &str = "administrators";
    let is_administrator =
        |user: &User| user.status == Status::Active && user.permissions.holds(permission);
    let any = |users: &[Listed]| users.iter().filter_map(Listed::user).any(is_administrator);
    let sample = store.some_users(SAMPLE).await?;
    let has_one = any(&sample.users) || (!sample.is_all && any(&store.all_users().await?));
    Ok(if has_one {
        Finding::ok(OF, format!("an active user has {permission}"))
    } else {
        let advice = "correct HALLPASS_ADMIN_PERMISSION, or run `hallpass user permission add NAME \
                      PERMISSION`";
        Finding::new(OF, Verdict::Warning, format!("no active user has {permission}"), advice)
    })
}

fn application_account(id: &str, user: Option<&User>) -> Finding {
    const OF: &str = "application account";
    let advice = "correct HALLPASS_APP_USER, or run `hallpass user add NAME --id ID --app`";
    match user {
        Some(user) if !user.is_app() => {
            Finding::new(OF, Verdict::Warning, format!("{id} is a person"), advice)
        }
        Some(user) if user.status == Status::Blocked => Finding::new(
            OF,
            Verdict::Warning,
            format!("{id} is blocked"),
            "run `hallpass user unblock`",
        ),
        Some(_) => Finding::ok(OF, id),
        None => Finding::new(OF, Verdict::Error, format!("there is no user {id}"), advice),
    }
}
