//! The exact lines of the log: one for each decision, which CloudWatch reads as a metric too.

use hallpass_http::{Problem, gateway::conclude};
use hallpass_runtime::{Event, log};
use hallpass_store::Rejected;
use hallpass_token::{Actor, Cause, Issuer, Note, Origin, Reason, Timestamp, TokenId};
use http::StatusCode;
use serde_json::Value;
use tests::lines::Lines;

/// Returns the log lines of one call, on Lambda or elsewhere.
fn logged(function: Option<&str>, call: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = log::subscriber(move || writer.clone(), function.map(str::to_owned));
    tracing::subscriber::with_default(subscriber, call);
    let written = lines.0.lock().unwrap();
    assert_eq!(written.len(), 1, "{written:?}");
    written[0].clone()
}

/// Compares the line without its time, after checking that the two forms of the time agree.
fn check(call: impl FnOnce(), expected: &str) {
    let line = logged(Some("hallpass-Verify-1A"), call);
    let json: Value = serde_json::from_str(&line).unwrap();
    let (text, number) = (json["timestamp"].as_str().unwrap(), &json["_aws"]["Timestamp"]);
    let seconds = text.parse::<Timestamp>().unwrap().unix();
    let milliseconds: u64 = text[20..23].parse().unwrap();
    assert_eq!(number.as_u64(), Some(seconds * 1_000 + milliseconds), "{line}");
    assert!(line.ends_with("}\n") && text.len() == "2026-01-31T09:30:00.000Z".len(), "{line}");
    let line = line.trim_end().replace(text, "<time>").replace(&number.to_string(), "0");
    assert_eq!(line, expected);
}

fn id() -> TokenId {
    "1.gccdMABf29baSD_GOyOdhg".parse().unwrap()
}

fn origin() -> Origin<'static> {
    Origin::new(Some("192.0.2.1"), Some("b8f1d2c4"))
}

#[test]
fn every_decision_is_one_line_and_one_metric() {
    check(
        || Event::Accepted(&id()).log_from(origin()),
        r#"{"timestamp":"<time>","level":"INFO","message":"accepted","token.id":"1.gccdMABf29baSD_GOyOdhg","user.id":"1","source_ip":"192.0.2.1","request_id":"b8f1d2c4","target":"hallpass","accepted":1,"function":"hallpass-Verify-1A","_aws":{"Timestamp":0,"CloudWatchMetrics":[{"Namespace":"Hallpass","Dimensions":[["function"]],"Metrics":[{"Name":"accepted"}]}]}}"#,
    );
    check(
        || Event::Rejected(&Rejected::new(Reason::Forged, None)).log_from(origin()),
        r#"{"timestamp":"<time>","level":"INFO","message":"rejected","reason":"forged","source_ip":"192.0.2.1","request_id":"b8f1d2c4","target":"hallpass","rejected":1,"function":"hallpass-Verify-1A","_aws":{"Timestamp":0,"CloudWatchMetrics":[{"Namespace":"Hallpass","Dimensions":[["function"],["function","reason"]],"Metrics":[{"Name":"rejected"}]}]}}"#,
    );
    check(
        || Event::Invalidated(Reason::UserBlocked, &id()).log_from(origin()),
        r#"{"timestamp":"<time>","level":"INFO","message":"invalidated","reason":"user_blocked","token.id":"1.gccdMABf29baSD_GOyOdhg","user.id":"1","request_id":"b8f1d2c4","target":"hallpass","invalidated":1,"function":"hallpass-Verify-1A","_aws":{"Timestamp":0,"CloudWatchMetrics":[{"Namespace":"Hallpass","Dimensions":[["function"],["function","reason"]],"Metrics":[{"Name":"invalidated"}]}]}}"#,
    );
    check(
        || {
            Event::Failed(&hallpass_store::Failure::new("reading", "a \"quoted\"\nanswer"))
                .log_from(origin());
        },
        r#"{"timestamp":"<time>","level":"ERROR","message":"failed","failure":"reading: a \"quoted\"\nanswer","source_ip":"192.0.2.1","request_id":"b8f1d2c4","target":"hallpass","failed":1,"function":"hallpass-Verify-1A","_aws":{"Timestamp":0,"CloudWatchMetrics":[{"Namespace":"Hallpass","Dimensions":[["function"]],"Metrics":[{"Name":"failed"}]}]}}"#,
    );
}

#[test]
fn a_change_names_its_cause() {
    let reason = Note::parse("lost laptop").unwrap();
    let (at, actor) = (Timestamp::EPOCH, Actor::Operator("ada"));
    let cause = Cause { at, actor, origin: origin(), reason: Some(&reason) };
    let line = logged(None, || Event::Revoked(&id()).log(&cause));
    let line: Value = serde_json::from_str(&line).unwrap();
    for (member, expected) in [
        ("actor", "operator:ada"),
        ("because", "lost laptop"),
        ("source_ip", "192.0.2.1"),
        ("request_id", "b8f1d2c4"),
    ] {
        assert_eq!(line[member], expected, "{line}");
    }
}

#[test]
fn special_characters_are_escaped() {
    let check = |text: &str| {
        let line = logged(None, || tracing::info!(target: log::TARGET, text, "{text}"));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["text"], &line["message"]), (&text.into(), &text.into()), "{line}");
    };
    check("plain");
    check("\"quoted\" back\\slash\nline\ttab\u{0}\u{1f}\u{7f}");
    check("über 日本 \u{2028}");
    check("");
    check("\"");
}

#[test]
fn a_rejection_without_a_token_has_its_own_metric() {
    let issuer = Issuer::new("", "hallpass").unwrap();
    let counted = |problem: Problem, name: &str, status: StatusCode| {
        let line =
            logged(Some("F"), || assert_eq!(conclude(Err(problem), origin()).status(), status));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"], name, "{line}");
        assert_eq!((&line[name], &line["status"]), (&1.into(), &status.as_u16().into()), "{line}");
    };
    counted(Problem::invalid_credentials(&issuer), "login_failed", StatusCode::UNAUTHORIZED);
    counted(
        Problem::too_many_requests(std::time::Duration::ZERO),
        "limited",
        StatusCode::TOO_MANY_REQUESTS,
    );
    counted(Problem::unauthenticated(&issuer), "declined", StatusCode::UNAUTHORIZED);
    counted(Problem::not_found(), "declined", StatusCode::NOT_FOUND);
}

#[test]
fn a_sweep_counts_everything_that_it_purged() {
    let sweep = || {
        let (count, amount, seen) = ("purged", 7_u64, 9_u64);
        tracing::info!(target: log::TARGET, { count, amount, seen }, "swept");
    };
    check(
        sweep,
        r#"{"timestamp":"<time>","level":"INFO","message":"swept","seen":9,"target":"hallpass","purged":7,"function":"hallpass-Verify-1A","_aws":{"Timestamp":0,"CloudWatchMetrics":[{"Namespace":"Hallpass","Dimensions":[["function"]],"Metrics":[{"Name":"purged"}]}]}}"#,
    );
}

#[test]
fn outside_lambda_the_line_is_short() {
    let line = logged(None, || Event::Accepted(&id()).log_from(origin()));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["accepted"], 1);
    assert!(line["_aws"].is_null() && line["function"].is_null(), "{line}");
}
