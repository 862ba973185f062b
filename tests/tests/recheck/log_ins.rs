//! The recheck of log-ins. Every route on which a password begins a browser session or a log-in
//! flow is combined with every change of the user, undone or not, at every call of the request. A
//! session or flow for a user who no longer matches the checked password is not valid.

use aws_sdk_dynamodb::types::AttributeValue;
use tests::{
    Request, Response, World,
    api::text,
    basic,
    engine::{self, Kind},
    long::long,
    tap::{ANY, Tap},
    web_client::WebClient,
};

use super::{NO_CALL, patiently};
use crate::every_call::state::State;

/// A change of the user.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Block,
    Rename,
    Password,
    Generation,
    Remove,
    /// The permission that `HALLPASS_GENERATE_PERMISSION` requires.
    Permission,
}

const CHANGES: [Change; 6] = [
    Change::Block,
    Change::Rename,
    Change::Password,
    Change::Generation,
    Change::Remove,
    Change::Permission,
];

/// The permission that the user must have.
const PERMISSION: &str = "orders:read";

/// What a password begins.
#[derive(Clone, Copy, PartialEq)]
enum Begun {
    Session,
    Flow,
}

struct Case {
    name: &'static str,
    request: Request,
    begun: Begun,
}

impl Case {
    fn is_yes(&self, response: &Response) -> bool {
        response.status == if self.begun == Begun::Session { 303 } else { 200 }
    }

    /// Returns whether the session or flow is valid.
    async fn lives(&self, world: &World, response: &Response) -> bool {
        let cookie = response.header("set-cookie").split(';').next().unwrap().to_owned();
        match self.begun {
            Begun::Session => {
                let own = Request::new("GET", "/profile/developer").header("Accept", "text/html");
                world.send("Console", own.header("Cookie", &cookie)).await.status == 200
            }
            Begun::Flow => {
                let authenticity =
                    response.json()["authenticityToken"].as_str().unwrap().to_owned();
                let decide = Request::new("GET", "/rs/authorize-implicit/decision")
                    .query("client_id", "app");
                let decide = decide
                    .query("oauthDecision", "allow")
                    .query("session_authenticity_token", &authenticity);
                world.send("Generate", decide.header("Cookie", &cookie)).await.status == 200
            }
        }
    }
}

async fn cases(world: &World) -> Vec<Case> {
    const FIELDS: [(&str, &str); 2] = [("username", "my_username"), ("password", "topsecret")];
    let sign_in = async |mut web_client: WebClient<'_>| {
        web_client.open("Console", Request::new("GET", "/sign-in")).await;
        web_client.with_form(Request::new("POST", "/sign-in"), &FIELDS)
    };
    let session = |name, request| Case { name, request, begun: Begun::Session };
    let begin = |method| {
        Request::new(method, "/rs/authorize-implicit")
            .authorization(&basic(FIELDS[0].1, FIELDS[1].1))
    };
    let by_query = begin("GET").query("client_id", "app").query("response_type", "token");
    let by_form = begin("POST").header("Content-Type", "application/x-www-form-urlencoded");
    let by_form = by_form.body("client_id=app&response_type=token");
    vec![
        session("signing in", sign_in(WebClient::arriving(world).await).await),
        session(
            "signing in again",
            sign_in(WebClient::signed_in(world, "my_username", "topsecret").await).await,
        ),
        session(
            "signing in after another",
            sign_in(WebClient::signed_in(world, "admin", "letmein").await).await,
        ),
        Case { name: "a flow", request: by_query, begun: Begun::Flow },
        Case { name: "a flow by a form", request: by_form, begun: Begun::Flow },
    ]
}

/// Changes the user, and if `is_undone` changes it back, with prune handling both.
async fn happen(world: &World, change: Change, is_undone: bool) {
    let before = world.user_item("1").await;
    let (attribute, value) = match change {
        Change::Block => ("status", Some(text("blocked"))),
        Change::Rename => ("username", Some(text("renamed"))),
        Change::Password => ("password_hash", Some(text("$argon2id$x"))),
        Change::Generation => ("token_generation", Some(AttributeValue::N("77".to_owned()))),
        Change::Permission => {
            ("permissions", Some(AttributeValue::Ss(vec!["ROLE_USER".to_owned()])))
        }
        Change::Remove => ("", None),
    };
    match value {
        Some(value) => world.set_user("1", attribute, Some(value)).await,
        None => world.remove_user("1").await,
    }
    if is_undone {
        world.put("Users", before).await;
        world.delivery.drain().await.unwrap();
    }
}

/// The calls of a request without a change.
struct Known {
    calls: usize,
    /// The last call that reads the user before the session is written.
    reads: usize,
    /// The call that writes the session.
    writes: usize,
}

async fn known(world: &World, tap: &Tap, case: &Case) -> Known {
    tap.seen();
    let response = world.send("Generate", case.request.clone()).await;
    let seen = tap.seen();
    assert!(
        case.is_yes(&response) && case.lives(world, &response).await,
        "{}: {response:?}",
        case.name
    );
    let writes = seen
        .iter()
        .rposition(|request| {
            request.operation == "PutItem" && request.body["TableName"] == "Tokens"
        })
        .unwrap();
    let is_read = |body: &str| body.contains("Users") && body.contains(r#""user_id":{"S":"1"}"#);
    let reads =
        seen[..writes].iter().rposition(|request| is_read(&request.body.to_string())).unwrap();
    assert!(seen.len() > writes + 2, "{}: marks and user are read after the write", case.name);
    Known { calls: seen.len(), reads, writes }
}

async fn check(
    world: &World,
    tap: &Tap,
    case: &Case,
    known: &Known,
    (change, is_undone): (Change, bool),
    call: usize,
) -> Result<(), String> {
    let id = "1".parse().unwrap();
    let before = world.store.sessions_of(&id).await.unwrap().len();
    let asking = Box::pin(world.send("Generate", case.request.clone()));
    let (response, was_held) =
        tap.meanwhile(ANY, call, asking, Box::pin(happen(world, change, is_undone))).await;
    let wrong = |what: &str| Err(format!("{what}: {} {}", response.status, response.body));
    if !was_held {
        return Err(NO_CALL.to_owned());
    }
    if !case.is_yes(&response) {
        let left = world.store.sessions_of(&id).await.unwrap().len();
        return match response.status {
            401 | 403 | 409 if left <= before => Ok(()),
            401 | 403 | 409 => wrong("rejected, and something was left"),
            _ => wrong("an error"),
        };
    }
    // A log-in after the change is for the changed user.
    if call <= known.reads {
        return Ok(());
    }
    // Every use of a session or a flow checks the permissions again.
    if change == Change::Permission {
        return if is_undone || call > known.writes + 1 {
            Ok(())
        } else {
            wrong("begun without the permission")
        };
    }
    if case.lives(world, &response).await { wrong("begun, and alive") } else { Ok(()) }
}

/// Checks every `every`th change.
#[expect(clippy::print_stdout, reason = "how much of how much was checked")]
async fn check_all(every: usize) {
    let (world, tap) = World::tapped(&[("HALLPASS_GENERATE_PERMISSION", PERMISSION)]).await;
    for id in ["1", "2"] {
        let permissions = ["ROLE_USER", PERMISSION].map(str::to_owned).to_vec();
        world.set_user(id, "permissions", Some(AttributeValue::Ss(permissions))).await;
    }
    world.delivery.drain().await.unwrap();
    let cases = Box::pin(cases(&world)).await;
    let beginning = State::of(&world).await;
    let (mut place, mut done, mut wrong) = (0, 0, Vec::new());
    for case in &cases {
        let known = known(&world, &tap, case).await;
        beginning.restore(&world, &State::of(&world).await).await;
        for change in CHANGES.into_iter().flat_map(|change| [(change, false), (change, true)]) {
            for call in 0..known.calls {
                place += 1;
                if place % every != 0 {
                    continue;
                }
                done += 1;
                let checking = async || check(&world, &tap, case, &known, change, call).await;
                if let Err(error) = patiently(&world, &beginning, checking).await {
                    wrong.push(format!(
                        "{}, {change:?} at {call} of {}: {error}",
                        case.name, known.calls
                    ));
                }
            }
        }
    }
    println!("{done} of {place}");
    assert!(wrong.is_empty(), "{} of {done}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn no_session_begins_for_a_user_who_changed_before_the_recheck() {
    // The calls are the same on every engine.
    if engine::kind().await == Kind::Embedded {
        Box::pin(check_all(if long() { 1 } else { 7 })).await;
    }
}

/// Changes of every kind that are undone at the calls around the write, which the short form of the
/// test above may leave out.
#[tokio::test]
async fn a_change_undone_between_the_check_of_the_password_and_the_write_begins_no_session() {
    for begun in [Begun::Session, Begun::Flow] {
        for change in CHANGES.into_iter().filter(|change| *change != Change::Permission) {
            let (world, tap) = World::tapped(&[]).await;
            let case = cases(&world).await.into_iter().find(|case| case.begun == begun).unwrap();
            let known = known(&world, &tap, &case).await;
            for call in [known.writes, known.writes + 1] {
                check(&world, &tap, &case, &known, (change, true), call).await.unwrap();
            }
        }
    }
}
