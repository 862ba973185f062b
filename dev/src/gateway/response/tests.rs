//! Rejections with one customized type.

use super::*;

fn custom(status: Option<u16>, headers: &[(&str, &str)], body: Option<&str>) -> GatewayResponse {
    let headers =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    GatewayResponse { status, headers, body: body.map(str::to_owned) }
}

/// Checks the status, the header `X` and the body of a rejection with one customized type.
fn check(
    kind: &str,
    response: GatewayResponse,
    rejection: &Rejection,
    expected: (u16, Option<&str>, &str),
) {
    let responses = Responses::new(&BTreeMap::from([(kind.to_owned(), response)])).unwrap();
    let written = responses.write(rejection, "i-d");
    let header = written.headers().get("x").map(|value| value.to_str().unwrap());
    let body = str::from_utf8(written.body()).unwrap();
    assert_eq!((written.status().as_u16(), header, body), expected, "{kind} {rejection:?}");
}

fn denied() -> Rejection {
    Rejection::denied(&BTreeMap::from([("reason".to_owned(), "expired".to_owned())]), "no")
}

#[test]
fn a_type_uses_its_own_response_or_the_default_type_s_or_aws_s() {
    let body = Some("b");
    check(
        "ACCESS_DENIED",
        custom(Some(401), &[("X", "'y'")], body),
        &denied(),
        (401, Some("y"), "b"),
    );
    check("DEFAULT_4XX", custom(None, &[("X", "'y'")], body), &denied(), (403, Some("y"), "b"));
    check("DEFAULT_4XX", custom(Some(418), &[], body), &denied(), (418, None, "b"));
    check("DEFAULT_5XX", custom(None, &[], body), &denied(), (403, None, r#"{"message":"no"}"#));
    check(
        "DEFAULT_5XX",
        custom(None, &[], body),
        &Rejection::of(Kind::BadIntegration),
        (502, None, "b"),
    );
    check(
        "DEFAULT_5XX",
        custom(None, &[], body),
        &Rejection::of(Kind::IntegrationTimeout),
        (504, None, "b"),
    );
    check(
        "UNAUTHORIZED",
        custom(None, &[], None),
        &Rejection::of(Kind::Unauthorized),
        (401, None, r#"{"message":"Unauthorized"}"#),
    );
    let too_large = (413, None, r#"{"message":"Request Too Long"}"#);
    check("DEFAULT_4XX", custom(None, &[], body), &Rejection::of(Kind::RequestTooLarge), too_large);
}

#[test]
fn headers_and_bodies_can_contain_the_authorizer_s_context() {
    let response = custom(
        None,
        &[("X", "context.authorizer.reason")],
        Some(
            "a $context.authorizer.reason. $context.requestId \
             $context.authorizer.none|$context.what $7",
        ),
    );
    check(
        "ACCESS_DENIED",
        response.clone(),
        &denied(),
        (403, Some("expired"), "a expired. i-d | $7"),
    );
    check("DEFAULT_4XX", response, &Rejection::of(Kind::Unauthorized), (401, None, "a . i-d | $7"));
    check(
        "ACCESS_DENIED",
        custom(None, &[("X", "context.requestId")], Some("")),
        &denied(),
        (403, Some("i-d"), ""),
    );
}

#[test]
fn an_unsupported_expression_is_an_error() {
    for expression in ["plain", "method.request.header.Origin", "'", "'\n'"] {
        let response =
            BTreeMap::from([("DEFAULT_4XX".to_owned(), custom(None, &[("X", expression)], None))]);
        assert!(Responses::new(&response).is_err(), "{expression}");
    }
    let response = BTreeMap::from([("DEFAULT_4XX".to_owned(), custom(Some(7), &[], None))]);
    assert!(Responses::new(&response).is_err());
}
