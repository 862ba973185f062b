//! The recheck of a portal session: its user or the token that began it loses a permission, or that
//! token is disabled, at every call of a request that creates a token.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::Format;
use serde_json::json;
use tests::{
    Request, World,
    engine::{self, Kind},
    tables::TestToken,
    tap::ANY,
    web_client::WebClient,
};

use super::permissions::last_write;

/// What the session is based on.
#[derive(Clone, Copy, Debug)]
enum Lost {
    PermissionOfUser,
    PermissionOfCaller,
    Administrator,
    Token,
}

const LOST: [Lost; 4] =
    [Lost::PermissionOfUser, Lost::PermissionOfCaller, Lost::Administrator, Lost::Token];

async fn permit(world: &World, id: &str, names: &[&str]) {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    world.set_user(id, "permissions", Some(AttributeValue::Ss(names))).await;
}

/// Begins a session. Returns the token that began it, and a form that creates or rotates a token.
async fn form(world: &World, rotates: bool) -> (TestToken, Request) {
    permit(world, "1", &["ROLE_USER", "orders"]).await;
    permit(world, "2", &["ROLE_USER", "ROLE_ADMIN", "orders"]).await;
    let caller = world.create_token(Format::Signed, "2", 1).await;
    let scope = ["orders".parse().unwrap()].into_iter().collect();
    let old =
        world.create_token_with(Format::Signed, "1", 2, |record| record.scope = Some(scope)).await;
    let id = old.record.id.to_string();
    let session = WebClient::from_portal(world, &caller.text, &json!({"user_id": "1"})).await;
    let create = [("do", "make"), ("name", "a"), ("limit", "some"), ("scope", "orders")];
    let rotate = [("do", "rotate"), ("id", &*id)];
    let fields = if rotates { &rotate[..] } else { &create[..] };
    (caller, session.with_form(Request::new("POST", "/profile/developer"), fields))
}

async fn lose(world: &World, caller: &TestToken, lost: Lost) {
    match lost {
        Lost::PermissionOfUser => permit(world, "1", &["ROLE_USER"]).await,
        Lost::PermissionOfCaller => permit(world, "2", &["ROLE_USER", "ROLE_ADMIN"]).await,
        Lost::Administrator => permit(world, "2", &["ROLE_USER", "orders"]).await,
        Lost::Token => {
            let now = AttributeValue::N(world.now().unix().to_string());
            world.set_record(&caller.record, "disabled_at", Some(now)).await;
        }
    }
}

#[tokio::test]
async fn no_token_is_shown_for_what_a_portal_session_lost_before_the_recheck() {
    if engine::kind().await != Kind::Embedded {
        return;
    }
    for rotates in [false, true] {
        let (world, tap) = World::tapped(&[]).await;
        let (_, sent) = form(&world, rotates).await;
        tap.seen();
        let response = world.send("Generate", sent).await;
        assert_eq!(response.status, 201, "{}", response.body);
        let writes = last_write(&tap);
        for lost in LOST {
            for call in 0..=writes + 1 {
                let (world, tap) = World::tapped(&[]).await;
                let (caller, sent) = form(&world, rotates).await;
                let sending = world.send("Generate", sent);
                let losing = lose(&world, &caller, lost);
                let (response, was_held) =
                    tap.meanwhile(ANY, call, Box::pin(sending), Box::pin(losing)).await;
                let place = format!("{rotates} {lost:?} {call}: {}", response.body);
                assert!(was_held, "{place}");
                assert!([400, 401, 403, 409].contains(&response.status), "{place}");
                assert_eq!(world.count_records("1").await, 1, "{place}");
            }
        }
    }
}
