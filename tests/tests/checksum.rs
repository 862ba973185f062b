//! Tokens with and without a checksum, in deployments that add one and in those that do not.

use hallpass_token::{
    Issuer,
    codec::{
        checksum::{Checksum, LENGTH},
        inspect::inspect,
    },
};
use serde_json::Value;
use tests::{Request, World, api::bearer};

/// A signed and a developer token of this deployment.
async fn both(world: &World) -> [String; 2] {
    let signed = world.token().await;
    let request = Request::new("POST", "/profile/developer").header("Accept", "application/json");
    let response = world.send("Generate", request.authorization(&bearer(&signed))).await;
    let body: Value = serde_json::from_str(&response.body).unwrap();
    [signed, body["token"].as_str().unwrap().to_owned()]
}

#[tokio::test]
async fn a_switch_of_the_checksum_ends_no_token_and_neither_form_becomes_the_other() {
    let off = World::with(&[("HALLPASS_PREFIX", "acme_")]).await;
    let on = off.another_with(&[("HALLPASS_TOKEN_CHECKSUM", "on")]);
    let issuer = Issuer::new("acme_", "hallpass").unwrap();
    let seen = |token: &str| inspect(&issuer, token).unwrap().checksum;
    for (world, form) in [(&off, Checksum::Absent), (&on, Checksum::Right)] {
        for token in both(world).await {
            assert_eq!(seen(&token), form, "{token}");
            for verifier in [&off, &on] {
                assert_eq!(verifier.verdict(&bearer(&token)).await, "allow", "{token}");
            }
            let others = if form == Checksum::Right {
                let (stripped, checksum) = token.split_at(token.len() - LENGTH);
                let wrong = checksum.chars().rev().collect::<String>();
                vec![
                    stripped.to_owned(),
                    format!("{stripped}{wrong}"),
                    format!("{token}{checksum}"),
                ]
            } else {
                vec![format!("{token}000000")]
            };
            for other in others.into_iter().filter(|other| *other != token) {
                assert_ne!(on.verdict(&bearer(&other)).await, "allow", "{other}");
            }
        }
    }
}
