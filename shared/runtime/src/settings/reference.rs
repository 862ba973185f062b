//! What each setting means, for the reference that is generated from it
//! (`docs/src/reference/configuration.md`). No function uses this table, so that none carries it.

/// A variable of the environment.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// The value that an absent variable stands for; empty if there is none.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning }
}

/// Every variable that the functions read.
pub const SETTINGS: [Setting; 57] = [
    setting("HALLPASS_USERS_TABLE", "", "The table of users."),
    setting("HALLPASS_TOKENS_TABLE", "", "The table of tokens."),
    setting("HALLPASS_ATTEMPTS_TABLE", "", "The table of log-in attempts."),
    setting("HALLPASS_KEYS_SECRET", "", "The ARN of the secret that holds the keyring."),
    setting(
        "HALLPASS_KEYS",
        "",
        "The keyring itself, `[{\"id\",\"key\",\"signs_from\"}]`, for local use.",
    ),
    setting(
        "HALLPASS_KEY_REFRESH",
        "300s",
        "How often the keyring is fetched. The development stack uses `5s`.",
    ),
    setting("HALLPASS_REALM", "hallpass", "The realm of challenges, and `iss` of JWTs."),
    setting(
        "HALLPASS_PREFIX",
        "",
        "The prefix of signed and developer tokens, for secret scanners.",
    ),
    setting(
        "HALLPASS_TOKEN_CHECKSUM",
        "off",
        "`on`: new signed and developer tokens end in a checksum of six characters, by which a \
         secret scanner recognizes them without a key. It needs a prefix. Tokens with and without \
         it are accepted in any case.",
    ),
    setting("HALLPASS_ADMIN_PERMISSION", "ROLE_ADMIN", "The permission of administrators."),
    setting(
        "HALLPASS_TOKENS_PERMISSION",
        "tokens",
        "A token with this permission in its scopes manages every token of its user and creates \
         tokens that outlive it.",
    ),
    setting(
        "HALLPASS_LIFETIME",
        "30d",
        "The lifetime of a token that is requested without an expiry.",
    ),
    setting("HALLPASS_MAX_LIFETIME", "366d", "The longest lifetime of a token."),
    setting(
        "HALLPASS_MAX_AUTHENTICATION_AGE",
        "366d",
        "How long after a log-in the tokens that go back to it expire at the latest, however often \
         they are renewed.",
    ),
    setting(
        "HALLPASS_DEVELOPER_LIFETIME",
        "",
        "The lifetime of a developer token; without it, `HALLPASS_MAX_AUTHENTICATION_AGE` is the \
         only limit.",
    ),
    setting(
        "HALLPASS_ROTATION_WINDOW",
        "1h",
        "How long a rotated token stays valid while its successor has not been used.",
    ),
    setting(
        "HALLPASS_GENERATE_PASSWORD",
        "on",
        "`off`: no route accepts a password. Routes that create tokens accept live tokens only, \
         and the implicit flow and signing in to the pages end.",
    ),
    setting(
        "HALLPASS_PASSWORD_SIGN_IN",
        "on",
        "`off`: people sign in to the pages at the identity provider alone.",
    ),
    setting(
        "HALLPASS_OIDC_ISSUER",
        "",
        "The issuer of the identity provider at which people sign in to the pages, exactly as its \
         metadata names it. See [sign-in](../guides/sign-in.md).",
    ),
    setting("HALLPASS_OIDC_CLIENT_ID", "", "The ID of Hallpass as a client of that provider."),
    setting(
        "HALLPASS_OIDC_SECRET",
        "",
        "The ARN of the secret that is the client secret, as a text; without it, Hallpass is a \
         public client with PKCE.",
    ),
    setting(
        "HALLPASS_OIDC_REDIRECT_URI",
        "",
        "The redirect URI that is registered there: the URL of the API, then \
         `/sign-in/oidc/callback`.",
    ),
    setting("HALLPASS_OIDC_SCOPES", "openid", "The scopes that are requested."),
    setting(
        "HALLPASS_OIDC_LINK_BY",
        "",
        "A claim that holds a user name. At the first sign-in, the user of this name is linked if \
         there is no password, no other link and not the administrators' permission.",
    ),
    setting(
        "HALLPASS_OIDC_PROVISION",
        "off",
        "`on`: a person who signs in at the provider and is not linked becomes a new user.",
    ),
    setting(
        "HALLPASS_OIDC_PERMISSIONS",
        "",
        "The permissions of these new users, reconciled at each sign-in: the name of a claim, then \
         `,VALUE=PERMISSION` for each of its values. Without these, the values are the permissions.",
    ),
    setting(
        "HALLPASS_OIDC_REVALIDATE",
        "30d",
        "How long after a sign-in at the provider the user's tokens are accepted; `off`: without \
         limit. It takes effect at the user's next sign-in.",
    ),
    setting(
        "HALLPASS_PORTAL_RETURN_TO",
        "",
        "The URLs of your applications to which portal sessions can lead back, separated by commas \
         or spaces: https, or http to this machine. See [portal sessions](../guides/portal.md).",
    ),
    setting(
        "HALLPASS_GENERATE_PERMISSION",
        "",
        "The permission that every route which accepts passwords requires, of passwords and tokens \
         alike; creating a token on the pages requires it too.",
    ),
    setting(
        "HALLPASS_BASIC_CHALLENGE",
        "on",
        "Challenges offer Basic after Bearer, for clients that wait for a challenge. `off`: Bearer \
         alone.",
    ),
    setting(
        "HALLPASS_APP_USER",
        "",
        "The ID of the application account that app tokens belong to. The development stack uses \
         `4`.",
    ),
    setting(
        "HALLPASS_CORS_ALLOWED_ORIGINS",
        "",
        "The origins whose scripts can call the API, separated by commas: \
         `https://app.example.com`, with a port unless it is the default one; an international \
         host as `xn--…`.",
    ),
    setting(
        "HALLPASS_SUNSET",
        "2028-01-01T00:00:00Z",
        "When the deprecated routes will end (RFC 8594).",
    ),
    setting("HALLPASS_MAX_TOKENS", "100", "Live named tokens per user."),
    setting(
        "HALLPASS_MAX_TOKENS_TOTAL",
        "1000",
        "Live tokens per user, with and without a name. A disabled token counts; a rotation is \
         never rejected for it.",
    ),
    setting(
        "HALLPASS_LOGIN_NAME_BUDGET",
        "60",
        "Failed log-ins per minute at one user name, from all networks that have not logged in for \
         it in the last 30 days; at most 1000.",
    ),
    setting(
        "HALLPASS_LOGIN_NETWORK_BUDGET",
        "60",
        "Failed log-ins per minute at one user name, from one network (/24, /56) that has; at most \
         1000.",
    ),
    setting(
        "HALLPASS_LOGIN_SOURCE_BUDGET",
        "300",
        "Log-ins per minute from one address (IPv6: one /64), at all user names together, \
         successful ones included; at most 1000.",
    ),
    setting(
        "HALLPASS_RECORD_RETENTION",
        "1d",
        "How long the record of a token is kept after the token ended, so that its holder learns \
         why. That of a replaced token is kept for 30 days at least.",
    ),
    setting(
        "HALLPASS_INVALIDATE_ON",
        "username,password_hash,status",
        "The attributes of a user whose change invalidates the user's tokens; `none` for none. A \
         name that is close to a known one is rejected as a misspelling.",
    ),
    setting(
        "HALLPASS_INVALIDATE_ON_SIGNED",
        "",
        "The same for signed tokens; without it, `HALLPASS_INVALIDATE_ON`.",
    ),
    setting("HALLPASS_INVALIDATE_ON_DEVELOPER", "", "The same for developer tokens."),
    setting("HALLPASS_INVALIDATE_ON_JWT", "", "The same for JWTs."),
    setting(
        "HALLPASS_AUTHORIZER_CACHE_TTL",
        "0",
        "The longest time that any attached API caches the authorizer's response.",
    ),
    setting(
        "HALLPASS_AUTHORIZER_RESPONSE",
        "auto",
        "`policy`: HTTP APIs with payload 2.0 get a policy instead of `isAuthorized`.",
    ),
    setting(
        "HALLPASS_ROUTES",
        "",
        "Which permission which routes require: `[{\"method\",\"path\",\"permission\"}]`. See \
         [route rules](../guides/protect.md#route-rules).",
    ),
    setting("HALLPASS_DYNAMODB_ENDPOINT", "", "Another endpoint than the region's."),
    setting("HALLPASS_SECRETS_ENDPOINT", "", "Another endpoint than the region's."),
    setting("HALLPASS_S3_ENDPOINT", "", "Another endpoint than the region's."),
    setting("HALLPASS_KMS_ENDPOINT", "", "Another endpoint than the region's."),
    setting("HALLPASS_EVENTS_ENDPOINT", "", "Another endpoint than the region's."),
    setting(
        "HALLPASS_AUDIT_BUCKET",
        "",
        "The bucket of the [audit log](../guides/audit.md). Empty keeps none.",
    ),
    setting("HALLPASS_AUDIT_KEY", "", "The ARN of the key that signs its digests."),
    setting(
        "HALLPASS_EVENT_BUS",
        "",
        "The bus of EventBridge to which [events](events.md) are published. Empty publishes none.",
    ),
    setting(
        "HALLPASS_EXPIRY_NOTICES",
        "14d,3d",
        "How long before a token expires `token.expiring` is published, once for each duration; \
         `off` for never.",
    ),
    setting(
        "HALLPASS_LEAK_KEYS_URL",
        "",
        "Where the keys are published that sign [reports of leaked tokens](../guides/leak.md); \
         empty for GitHub's.",
    ),
    setting(
        "HALLPASS_ON_REUSE",
        "alarm",
        "What the use of a token leads to that another has replaced: `alarm`, or `revoke_family`, \
         which also revokes the family of the token and everything that it issued.",
    ),
];

/// Variables of the AWS SDKs that the functions read too.
pub const AWS_SETTINGS: [Setting; 3] = [
    setting(
        "AWS_CA_BUNDLE",
        "",
        "A PEM file with the certificate authorities to trust, for an endpoint or a proxy of your \
         own, instead of Amazon's, which are compiled in.",
    ),
    setting(
        "AWS_USE_FIPS_ENDPOINT",
        "false",
        "`true`: AWS's endpoints with FIPS 140 cryptography.",
    ),
    setting("AWS_USE_DUALSTACK_ENDPOINT", "false", "`true`: AWS's endpoints with IPv6."),
];
