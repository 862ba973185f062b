//! Submitted forms. Values are wiped when dropped, because one of them may be a password.

use hallpass_http::{Problem, body, members};
use lambda_http::Request;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The media type of forms.
pub const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The fields of a form, in order.
pub struct Form(Vec<(String, Zeroizing<String>)>);

/// The only field that a form repeats: one check box for each permission.
const SCOPE: &str = "scope";

/// The maximum number of fields of a form. The largest form has one field for each permission of a
/// user.
const MAX_FIELDS: usize = 1_000;

impl Form {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// Returns 415 if the body is not a form, and 400 if the form has too many fields or a repeated
    /// one.
    pub fn read(request: &Request) -> Result<Self, Problem> {
        body::expect_media_type(request.headers(), MEDIA_TYPE)?;
        let fields = body::form(request.body(), MAX_FIELDS)?;
        let single = fields.iter().map(|(name, _)| name).filter(|name| *name != SCOPE);
        if let Some(name) = body::first_repeated(single) {
            return Err(body::repeated(&name));
        }
        Ok(Self(fields))
    }

    /// Returns the value of a field, or an empty string if the field is absent or repeated.
    pub fn field(&self, name: &str) -> &str {
        let mut values = self.fields(name);
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            _ => "",
        }
    }

    /// Reads a field as a type. An absent field is an empty text.
    ///
    /// # Errors
    /// Returns 400 that names the field.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Result<T, Problem> {
        members::read_text(name, self.field(name))
    }

    /// Returns all values of a field that can be repeated.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Form")
    }
}
