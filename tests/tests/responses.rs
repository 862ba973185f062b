//! The whole response to every request of the API, as a client sees it: status, headers and body.

use std::fmt::Write as _;

use tests::{Response, World, snapshot};

use crate::every_call::{cases::cases, state::State};

/// Returns a response as text. The body of a page is left out; `pages` tests it.
fn text(response: &Response) -> String {
    let mut text = format!("{}\n", response.status);
    for (name, value) in &response.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    match response.header("content-type") {
        _ if response.body.is_empty() => {}
        "text/html; charset=utf-8" => text += "\n<page>\n",
        _ => {
            let _ = writeln!(text, "\n{}", serde_json::to_string_pretty(&response.json()).unwrap());
        }
    }
    text
}

#[test]
fn a_secret_is_redacted_wherever_it_has_a_hyphen() {
    // The last digit of 32 bytes, and of the 16 of a hash, is never a hyphen.
    for place in 0..42 {
        let digits = |count: usize| -> String {
            (0..count).map(|at| if at == place && at + 1 < count { '-' } else { 'A' }).collect()
        };
        let (secret, hash) = (digits(43), digits(22));
        let text = format!(
            "hallpass=1.{secret}; state={secret}&next\nuser.12345678.{secret}\n{secret}\n\
             user.{hash}\n"
        );
        snapshot::check("redaction", &text);
    }
}

#[tokio::test]
async fn every_response_is_as_recorded() {
    let world = World::new().await;
    let cases = cases(&world).await;
    let beginning = State::of(&world).await;
    for case in cases {
        if matches!(case.function, "VerifyAuthorizer" | "Prune") {
            continue;
        }
        let response = Response::new(&world.invoke(case.function, case.event).await.unwrap());
        let name = case.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        snapshot::check(&format!("{}_{name}", case.function.to_lowercase()), &text(&response));
        beginning.restore(&world, &State::of(&world).await).await;
    }
}
