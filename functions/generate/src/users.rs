//! The forms with which administrators add and change users. The functions behind them are those of
//! the command.

use hallpass_http::{Problem, Response};
use hallpass_service::{
    Context, Revoker,
    password::new_hash,
    users::{self, MAX_FULL_NAME_LENGTH},
    validate,
};
use hallpass_store::{
    changes::Change,
    management::{Added, NewUser, Renamed},
    users::Written,
};
use hallpass_token::{Cause, Scope, Status, User, UserId, UserKind};
use hallpass_web::{Form, Submitted, WebSession, admin, sign_in};
use http::StatusCode;
use lambda_http::Request;
use serde::Deserialize;

use crate::pages::or_release;

/// What the form of a user does.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Action {
    Rename,
    FullName,
    Grant,
    Deny,
    Password,
}

/// The place of the form for a new user.
const NEW_USER: &str = "new user";

/// `POST /admin/users/new`.
pub(crate) async fn add(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let sent = admin::submitted_new(context, request).await?;
    let added = match sent.check_once(context, NEW_USER).await {
        Ok(()) => {
            let added = added(context, &sent.form, &context.cause(sent.session.actor())).await;
            or_release(context, &sent, NEW_USER, added).await
        }
        Err(used) if used.status() == StatusCode::CONFLICT => {
            Err(Problem::conflict("This form was sent before, and the user was added"))
        }
        Err(problem) => Err(problem),
    };
    match added {
        Ok(id) => Ok(hallpass_web::see_other(&admin::path(&sent.session.base, &id, "added"))),
        Err(problem) => Err(admin::rejected_new(&sent.session, &sent.form, problem)),
    }
}

async fn added(context: &Context<'_>, form: &Form, cause: &Cause<'_>) -> Result<UserId, Problem> {
    let Context { service, randomness, .. } = *context;
    let username = validate::username(context, form.field("username"))?;
    let full_name = Some(form.field("full_name")).filter(|name| !name.trim().is_empty());
    let full_name = full_name.map(full_name_of).transpose()?;
    let kinds = [UserKind::Person, UserKind::App];
    let kind = kinds.into_iter().find(|kind| kind.as_str() == form.field("kind"));
    let kind = kind.ok_or_else(|| Problem::invalid_member("kind", "choose one"))?;
    let names = form.field("permissions").lines().filter(|name| !name.trim().is_empty());
    let permissions = names
        .map(|name| validate::permission(context, "permissions", name))
        .collect::<Result<Scope, _>>()?;
    let password_hash = match form.field("password") {
        "" => None,
        password => Some(new_hash(context, password).await?),
    };
    let user = NewUser {
        id: randomness.user_id()?,
        username,
        full_name,
        kind,
        password_hash,
        permissions,
        token_generation: randomness.generation()?,
    };
    match users::add(&service.store, &user, Status::Active, None, cause).await? {
        Added::Now => Ok(user.id),
        Added::IdTaken => Err(Problem::conflict("The generated ID is taken. Send the form again")),
        Added::NameTaken | Added::IdentityTaken => Err(name_taken()),
    }
}

/// `POST /admin/users/{user_id}/profile`: changes the name, the full name, the password or a
/// permission of this user.
pub(crate) async fn change(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let (sent, user) = admin::submitted(context, request).await?;
    let Submitted { session, form, .. } = &sent;
    match changed(context, &sent, &user).await {
        Ok(done) => {
            // A change of the administrator's own user can end the session.
            let is_signed_out = user.id == session.user().id
                && WebSession::signed_in(context, request).await?.is_none();
            let place = if is_signed_out {
                sign_in::path(&session.base, done)
            } else {
                admin::path(&session.base, &user.id, done)
            };
            Ok(hallpass_web::see_other(&place))
        }
        Err(problem) => Err(admin::rejected(context, session, &user, form, problem).await),
    }
}

/// Makes the change, and returns the name of what was done.
async fn changed(
    context: &Context<'_>,
    sent: &Submitted,
    user: &User,
) -> Result<&'static str, Problem> {
    sent.check()?;
    let Context { service, randomness, .. } = *context;
    let revoker = Revoker::of(context, sent.session.actor());
    let (form, fresh) = (&sent.form, randomness.generation()?);
    let permission = || validate::permission(context, "permission", form.field("permission"));
    let (change, done) = match form.value("do")? {
        Action::Rename => {
            let name = validate::username(context, form.field("username"))?;
            if name == user.username {
                return Ok("unchanged");
            }
            return match users::rename(&revoker, &service.settings, &user.id, &name, fresh).await? {
                Renamed::Now => Ok("renamed"),
                Renamed::Unknown => Err(Problem::not_found()),
                Renamed::NameTaken => Err(name_taken()),
            };
        }
        Action::FullName => {
            (Change::FullName(full_name_of(form.field("full_name"))?), "full-name-set")
        }
        Action::Grant => (Change::Grant(permission()?), "permission-added"),
        Action::Deny => (Change::Deny(permission()?), "permission-removed"),
        Action::Password => {
            (Change::Password(new_hash(context, form.field("password")).await?), "password-set")
        }
    };
    if users::replaces_unreadable(&change, user) {
        return Err(Problem::conflict(
            "The permissions of this user cannot be read. Write a set of strings to the attribute \
             permissions first",
        ));
    }
    if users::is_unchanged(&change, user) {
        return Ok("unchanged");
    }
    let administers = |name: &str| name == service.settings.admin_permission;
    if let Change::Deny(name) = &change
        && user.id == sent.session.user().id
        && administers(name.as_str())
    {
        return Err(Problem::conflict("You cannot remove this permission from yourself"));
    }
    match users::change(&revoker, &service.settings, &user.id, &change, fresh).await? {
        Written::Now => Ok(done),
        Written::Unknown => Err(Problem::not_found()),
    }
}

fn full_name_of(text: &str) -> Result<String, Problem> {
    validate::visible_line("full_name", text, MAX_FULL_NAME_LENGTH)
}

fn name_taken() -> Problem {
    Problem::conflict("Another user has this name").with("member", "username")
}
