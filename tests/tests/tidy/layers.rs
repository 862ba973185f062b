//! The layers of the workspace: what each crate may depend on.

/// The workspace crates that each of them may depend on. All others are forbidden.
pub(super) const ARROWS: [(&str, &str, &[&str]); 26] = [
    ("hallpass-token", "shared/token", &[]),
    ("hallpass-password", "shared/password", &[]),
    ("hallpass-audit", "shared/audit", &["hallpass-token"]),
    ("hallpass-leaks", "shared/leaks", &["hallpass-token"]),
    ("hallpass-store", "shared/store", &["hallpass-token", "hallpass-password"]),
    ("hallpass-runtime", "shared/runtime", &["hallpass-token", "hallpass-store"]),
    ("hallpass-sinks", "shared/sinks", upto(6)),
    ("hallpass-http", "shared/http", &["hallpass-token", "hallpass-store", "hallpass-runtime"]),
    ("hallpass-service", "shared/service", upto(8)),
    ("hallpass-web", "shared/web", upto(9)),
    ("hallpass-verify-authorizer", "functions/verify-authorizer", upto(9)),
    ("hallpass-revoke", "functions/revoke", upto(10)),
    ("hallpass-console", "functions/console", upto(10)),
    ("hallpass-prune", "functions/prune", upto(9)),
    ("hallpass-notify", "functions/notify", upto(9)),
    // Only the function that signs users in speaks to their identity provider.
    ("hallpass-oidc", "shared/oidc", upto(6)),
    ("hallpass-generate", "functions/generate", upto(11)),
    ("hallpass-dev", "dev", upto(17)),
    ("hallpass", "hallpass", upto(18)),
    ("tests", "tests", &ALL),
    // It measures the binaries of the functions from outside, so it must not link them.
    (
        "bench",
        "bench",
        &[
            "hallpass-runtime",
            "hallpass-service",
            "hallpass-dev",
            "hallpass-password",
            "hallpass",
            "hallpass-store",
            "hallpass-token",
        ],
    ),
    ("opening", "bench/opening", &["hallpass-token"]),
    // An example of a protected API, which needs nothing of Hallpass.
    ("hello", "examples/rust", &[]),
    ("empty", "bench/peers/empty", &[]),
    (
        "lazy",
        "bench/peers/lazy",
        &["hallpass-runtime", "hallpass-service", "hallpass-verify-authorizer"],
    ),
    (
        "fuzz",
        "fuzz",
        &["hallpass-prune", "hallpass-store", "hallpass-token", "hallpass-verify-authorizer"],
    ),
];

/// The crates from the bottom to the top.
pub(super) const ALL: [&str; 19] = [
    "hallpass-token",
    "hallpass-password",
    "hallpass-audit",
    "hallpass-leaks",
    "hallpass-store",
    "hallpass-runtime",
    "hallpass-sinks",
    "hallpass-http",
    "hallpass-service",
    "hallpass-web",
    "hallpass-oidc",
    "hallpass-verify-authorizer",
    "hallpass-generate",
    "hallpass-revoke",
    "hallpass-console",
    "hallpass-prune",
    "hallpass-notify",
    "hallpass-dev",
    "hallpass",
];

/// Returns the lowest crates.
pub(super) const fn upto(count: usize) -> &'static [&'static str] {
    ALL.split_at(count).0
}

/// Packages that must not be reachable from a crate, however indirectly: the beginning of a name
/// and version.
pub(super) const UNREACHABLE: [(&str, &[&str]); 8] = [
    ("hallpass-token", &["tokio", "aws-", "lambda", "http", "hyper", "tracing"]),
    ("hallpass-password", &["tokio", "aws-", "lambda", "http", "hyper", "tracing"]),
    ("hallpass-audit", &["tokio", "aws-", "lambda", "http", "hyper", "tracing"]),
    ("hallpass-leaks", &["tokio", "aws-", "lambda", "hyper", "tracing"]),
    ("hallpass-verify-authorizer", &["aws-config", "openssl ", "openssl-sys", "aws-lc"]),
    ("hallpass-generate", &["aws-config", "openssl ", "openssl-sys", "aws-lc"]),
    ("hallpass-prune", &["aws-config", "jsonwebtoken", "openssl ", "openssl-sys", "aws-lc"]),
    ("hallpass-notify", &["aws-config", "jsonwebtoken", "openssl ", "openssl-sys", "aws-lc"]),
];
