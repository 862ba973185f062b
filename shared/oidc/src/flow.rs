//! What binds a sign-in to the browser that began it.

use hallpass_token::{Text, secret::Digest};

/// The secret of one sign-in, which only a cookie of the browser holds. The provider gets values
/// that are derived from it and do not reveal it, so that nothing needs to be stored between the
/// two requests of a sign-in.
pub struct Flow(Text);

impl Flow {
    /// Creates a flow from 32 random bytes.
    pub fn new(random: &[u8; 32]) -> Self {
        Self(Text::new(Digest::of(random).text()))
    }

    /// Parses the text of a flow. Returns `None` if it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).map(|_| Self(Text::new(text)))
    }

    /// The text, for the cookie.
    pub fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }

    /// The parameter `state`, which the provider returns (RFC 6749 section 4.1.1).
    pub fn state(&self) -> String {
        self.derive("state")
    }

    /// Whether a response belongs to this flow. Takes constant time.
    pub fn is_of_state(&self, state: &str) -> bool {
        Digest::of(self.state().as_bytes()).is_of(state.as_bytes())
    }

    /// The claim `nonce` of the ID token (OpenID Connect Core 1.0 section 3.1.2.1).
    pub(crate) fn nonce(&self) -> String {
        self.derive("nonce")
    }

    /// The code verifier of PKCE (RFC 7636 section 4.1), with 256 bits.
    pub(crate) fn verifier(&self) -> Text {
        Text::new(self.derive("verifier"))
    }

    /// The code challenge, `S256` (RFC 7636 section 4.2).
    pub(crate) fn challenge(&self) -> String {
        Digest::of(self.verifier().expose_secret().as_bytes()).text()
    }

    fn derive(&self, what: &str) -> String {
        Digest::of(["hallpass sign-in 1", what, self.expose_secret()].join("\0").as_bytes()).text()
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flow")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_differs_and_returns_with_the_cookie() {
        let flow = Flow::new(&[7; 32]);
        let again = Flow::parse(flow.expose_secret()).unwrap();
        let values = |flow: &Flow| {
            let verifier = flow.verifier().expose_secret().to_owned();
            [flow.state(), flow.nonce(), verifier, flow.challenge()]
        };
        assert_eq!(values(&flow), values(&again));
        let mut all = values(&flow).to_vec();
        all.extend(values(&Flow::new(&[8; 32])));
        all.push(flow.expose_secret().to_owned());
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 9);
        assert!(flow.is_of_state(&flow.state()));
        assert!(!flow.is_of_state("") && !flow.is_of_state(&flow.nonce()));
        assert!(Flow::parse("").is_none() && Flow::parse("short").is_none());
    }

    #[test]
    fn the_challenge_is_the_digest_of_the_verifier_in_base64url() {
        // The example of RFC 7636 appendix B.
        assert_eq!(
            Digest::of(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").text(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
