//! What a form sent. Its values are wiped when they are dropped: one of them may be a password.

use edge::{Problem, body};
use lambda_http::Request;
use zeroize::Zeroizing;

/// The media type of forms.
pub const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The fields of a form, in their order.
pub struct Form(Vec<(String, Zeroizing<String>)>);

/// The one field that a form repeats: a check box for each permission.
const SCOPE: &str = "scope";

/// The most fields of a form. The largest of ours has one for each permission of a user.
const MAX_FIELDS: usize = 1_000;

impl Form {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// 415 if it is not a form, 400 if it is an endless one, or a field is there twice.
    pub fn read(request: &Request) -> Result<Self, Problem> {
        body::expect_media_type(request.headers(), MEDIA_TYPE)?;
        let fields = form_urlencoded::parse(body::bytes(request.body())).take(MAX_FIELDS.saturating_add(1));
        let fields: Vec<_> =
            fields.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned()))).collect();
        if fields.len() > MAX_FIELDS {
            return Err(Problem::invalid_request("The form has too many fields"));
        }
        let single = fields.iter().map(|(name, _)| name).filter(|name| *name != SCOPE);
        if let Some(name) = body::first_repeated(single) {
            return Err(body::repeated(&name));
        }
        Ok(Self(fields))
    }

    /// A field that is there once; empty if it is not, or if it is there twice.
    pub fn field(&self, name: &str) -> &str {
        let mut values = self.fields(name);
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            _ => "",
        }
    }

    /// Every value of a field that may be there several times.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(its, _)| its == name).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Form")
    }
}
