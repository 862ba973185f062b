//! OpenID Connect: users sign in at an identity provider, with the authorization code flow and PKCE
//! (OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207).
//!
//! | module | contents |
//! |---|---|
//! | `flow` | what binds a sign-in to the browser that began it |
//! | `metadata` | the provider's metadata (OpenID Connect Discovery 1.0) |
//! | `jwks` | the provider's signing keys (RFC 7517) |
//! | `id_token` | the checks of an ID token |
//! | `provider` | a sign-in from its beginning to the user's identity |
//! | `https` | bounded HTTPS requests |

mod flow;
mod https;
mod id_token;
mod jwks;
mod metadata;
mod provider;

pub use flow::Flow;
pub use provider::{Declined, Error, Provider, Response, SignedIn};
