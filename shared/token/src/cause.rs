//! Who changes a record or a user: when, from where and why. Every lifecycle write carries a
//! [`Cause`] into its item, and every line of the log that follows from a request names its
//! [`Origin`].

use std::fmt;

use crate::{
    id::{TokenId, UserId},
    network,
    redact::redact,
    timestamp::Timestamp,
};

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor<'a> {
    /// The holder of this token. Its text is the token's ID.
    Token(TokenId),
    /// A user who has logged in with this request.
    User(UserId),
    /// A user in a browser session.
    Session(UserId),
    /// A person or a program with access to the stack: the ARN of the caller, or a user of the
    /// operating system.
    Operator(&'a str),
    /// Hallpass itself.
    System,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The source address, as API Gateway reports it.
    pub source_ip: Option<&'a str>,
    /// The ID of the request, as API Gateway or Lambda gives it.
    pub request_id: Option<&'a str>,
    /// The name of the first product in the header `User-Agent`, such as `curl`.
    pub agent: Option<&'a str>,
}

/// The cause of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause<'a> {
    /// When the change is made.
    pub at: Timestamp,
    /// Who makes it.
    pub actor: Actor<'a>,
    /// Where the request comes from.
    pub origin: Origin<'a>,
    /// Why, in the words of the actor.
    pub reason: Option<&'a Note>,
}

/// The words in which an actor says why. They hold nothing that looks like a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(String);

/// The text is not a valid [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {} characters without control characters", Note::MAX_LENGTH)]
pub struct ParseNoteError;

impl Cause<'_> {
    /// The cause of what Hallpass does on its own.
    pub fn system(at: Timestamp) -> Self {
        Self { at, actor: Actor::System, origin: Origin::default(), reason: None }
    }
}

impl Actor<'_> {
    /// The maximum length of the text of an actor, in bytes. A longer name of an operator is cut.
    pub const MAX_LENGTH: usize = 128;

    const OPERATOR: &'static str = "operator:";
}

impl<'a> Origin<'a> {
    /// The maximum length of an address, and of the ID of a request, in bytes: a UUID has 36, an
    /// IPv6 address 39.
    pub const MAX_LENGTH: usize = 40;

    /// Creates an origin. A value that is longer than any that AWS gives is left out.
    pub fn new(source_ip: Option<&'a str>, request_id: Option<&'a str>) -> Self {
        let known = |text: &&str| !text.is_empty() && text.len() <= Self::MAX_LENGTH;
        let (source_ip, request_id) = (source_ip.filter(known), request_id.filter(known));
        Self { source_ip, request_id, agent: None }
    }

    /// Returns the origin with the first product of this `User-Agent` (RFC 9110 section 10.1.5).
    #[must_use]
    pub fn with_user_agent(self, header: Option<&'a str>) -> Self {
        Self { agent: header.and_then(network::agent), ..self }
    }

    /// The [network](network::network) of the source address.
    pub fn network(&self) -> Option<String> {
        network::network(self.source_ip?)
    }
}

impl fmt::Display for Actor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(id) => write!(f, "{id}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Session(id) => write!(f, "session:{id}"),
            Self::Operator(name) => {
                let most = Self::MAX_LENGTH.saturating_sub(Self::OPERATOR.len());
                let end = name.floor_char_boundary(most);
                write!(f, "{}{}", Self::OPERATOR, name.get(..end).unwrap_or_default())
            }
            Self::System => f.write_str("system"),
        }
    }
}

impl Note {
    /// The maximum length of a note, in characters.
    pub const MAX_LENGTH: usize = 200;

    /// The note of a token that has leaked.
    const LEAKED: &'static str = crate::Reason::Leaked.as_str();

    /// The note of a token that has leaked: the token is then rejected as
    /// [`crate::Reason::Leaked`].
    pub fn leaked() -> Self {
        Self(Self::LEAKED.to_owned())
    }

    /// Whether the token has leaked.
    pub fn is_leaked(&self) -> bool {
        self.0 == Self::LEAKED
    }

    /// Reads a note. What looks like a secret is replaced by `…`.
    ///
    /// # Errors
    /// Returns [`ParseNoteError`] if the text is blank, too long, or has control characters.
    pub fn parse(text: &str) -> Result<Self, ParseNoteError> {
        let text = text.trim();
        let is_valid = !text.is_empty()
            && text.chars().count() <= Self::MAX_LENGTH
            && !text.chars().any(char::is_control);
        if is_valid { Ok(Self(redact(text))) } else { Err(ParseNoteError) }
    }

    /// The text of the note.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_have_one_text_each() {
        let user: UserId = "7".parse().unwrap();
        let token: TokenId = "7.AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        let long = "ä".repeat(200);
        for (actor, text) in [
            (Actor::Token(token), "7.AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
            (Actor::User(user), "user:7".to_owned()),
            (Actor::Session(user), "session:7".to_owned()),
            (Actor::Operator("ada"), "operator:ada".to_owned()),
            (Actor::Operator(&long), format!("operator:{}", "ä".repeat(59))),
            (Actor::System, "system".to_owned()),
        ] {
            assert_eq!(actor.to_string(), text);
        }
    }

    #[test]
    fn a_note_is_short_printable_and_without_secrets() {
        let check = |text: &str, expected: Result<&str, ParseNoteError>| {
            let note = Note::parse(text);
            assert_eq!(note.as_ref().map(Note::as_str).map_err(|error| *error), expected, "{text}");
        };
        check("lost laptop", Ok("lost laptop"));
        check("  lost\u{a0}laptop ", Ok("lost\u{a0}laptop"));
        check(&"ä".repeat(200), Ok(&"ä".repeat(200)));
        check(&"ä".repeat(201), Err(ParseNoteError));
        check("", Err(ParseNoteError));
        check("  ", Err(ParseNoteError));
        check("a\nb", Err(ParseNoteError));
        check("a\u{7f}b", Err(ParseNoteError));
        check(
            "posted 1.5665e083.vhZ2k9Q1xX0pTgq3bM7LrJ8sYwCdEfUaNoKiHtRuPlV in chat",
            Ok("posted 1.5665e083.… in chat"),
        );
    }

    #[test]
    fn an_origin_leaves_out_what_aws_does_not_give() {
        let long = "x".repeat(41);
        assert_eq!(Origin::new(Some(""), Some(&long)), Origin::default());
        let given = Origin::new(Some("192.0.2.1"), Some("id"));
        let expected = Origin { source_ip: Some("192.0.2.1"), request_id: Some("id"), agent: None };
        assert_eq!(given, expected);
    }
}
