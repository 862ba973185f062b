//! OpenID Connect: users sign in at an identity provider, with the authorization code flow and PKCE
//! (OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207).
//!
//! | module | contents |
//! |---|---|
//! | `flow` | what binds a sign-in to the browser that began it |
//! | `metadata` | the provider's metadata (OpenID Connect Discovery 1.0) |
//! | `jwks` | the provider's signing keys (RFC 7517) |
//! | `jws` | the checks that all tokens of the provider have in common |
//! | `id_token` | the checks of an ID token |
//! | `logout` | the checks of a logout token |
//! | `claims` | the claims of a user |
//! | `provider` | a sign-in from its beginning to the user's identity |
//! | `token_endpoint` | the client authentication and the errors of the token endpoint |

mod claims;
mod flow;
mod id_token;
mod jwks;
mod jws;
mod logout;
mod metadata;
mod provider;
#[cfg(test)]
mod signer;
mod token_endpoint;

pub use claims::Claims;
pub use flow::Flow;
pub use provider::{Declined, Error, Provider, Response, SignedIn, SignedOut};
