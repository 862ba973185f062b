//! `HALLPASS_OIDC_PERMISSIONS`: the permissions that a claim of the identity provider gives.

use hallpass_token::{Permission, Scope};

/// The permissions that a claim gives to the users who come from the identity provider.
///
/// Its text is the name of the claim, and after it, separated by commas, `VALUE=PERMISSION` for
/// each value of the claim that gives a permission. Without these, the values of the claim are the
/// permissions. No claim gives the permission of administrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPermissions {
    /// The claim.
    pub claim: String,
    rules: Vec<(String, Permission)>,
    admin: String,
}

/// Why a text is not a mapping of a claim. It is the end of a sentence that begins with the
/// setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text has another form.
    #[error("must be the name of a claim, then ,VALUE=PERMISSION for each of its values")]
    Form,
    /// A rule gives the permission of administrators.
    #[error("must not give the permission of administrators, who are linked one by one")]
    Administrators,
}

impl ClaimPermissions {
    /// Parses a mapping. `admin` is the permission of administrators.
    ///
    /// # Errors
    /// Returns a [`ParseError`].
    pub fn parse(text: &str, admin: &str) -> Result<Self, ParseError> {
        let mut parts = text.split(',').map(str::trim);
        let claim = parts.next().filter(|claim| is_claim(claim)).ok_or(ParseError::Form)?;
        let rule = |part: &str| {
            let (value, permission) = part.rsplit_once('=').ok_or(ParseError::Form)?;
            let (value, permission) = (value.trim(), permission.trim());
            if permission == admin {
                return Err(ParseError::Administrators);
            }
            let permission = permission.parse().map_err(|_| ParseError::Form)?;
            if value.is_empty() {
                Err(ParseError::Form)
            } else {
                Ok((value.to_owned(), permission))
            }
        };
        let rules = parts.map(rule).collect::<Result<_, _>>()?;
        Ok(Self { claim: claim.to_owned(), rules, admin: admin.to_owned() })
    }

    /// Returns the permissions of a user whose claim has these values.
    pub fn of(&self, values: &[String]) -> Scope {
        let is_given = |permission: &Permission| permission.as_str() != self.admin;
        if self.rules.is_empty() {
            values.iter().filter_map(|value| value.parse().ok()).filter(is_given).collect()
        } else {
            let has = |value: &String| values.contains(value);
            let rules = self.rules.iter().filter(|(value, _)| has(value));
            rules.map(|(_, permission)| permission.clone()).filter(is_given).collect()
        }
    }
}

/// Whether a text can be the name of a claim: printable ASCII without spaces, `,` and `=`.
pub(super) fn is_claim(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'=');
    !text.is_empty() && text.bytes().all(is_fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_gives_the_permissions_of_its_values_and_never_that_of_administrators() {
        let check = |text: &str, values: &[&str], expected: &str| {
            let rules = ClaimPermissions::parse(text, "ROLE_ADMIN").unwrap();
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(rules.of(&values).to_string(), expected, "{text} {values:?}");
        };
        check("groups", &[], "");
        check("groups", &["orders:read", "a\"b", "", "ROLE_ADMIN"], "orders:read");
        let rules = "groups, eng=orders:read, eng = orders:write, Domain Users=reports, a=b=c";
        check(rules, &[], "");
        check(rules, &["eng"], "orders:read,orders:write");
        check(rules, &["Domain Users", "eng"], "orders:read,orders:write,reports");
        check(rules, &["Eng", "reports", "ROLE_ADMIN"], "");
        check(rules, &["a=b"], "c");
        check("https://example.com/roles,a=b", &["a"], "b");
    }

    #[test]
    fn a_mapping_of_another_form_is_rejected() {
        let check = |text: &str, expected| {
            assert_eq!(ClaimPermissions::parse(text, "ROLE_ADMIN").err(), Some(expected), "{text}");
        };
        for text in [
            "",
            ",a=b",
            "a b",
            "a=b",
            "groups,",
            "groups,a",
            "groups,=b",
            "groups,a=",
            "groups,a=\u{e9}",
            "gr\u{fc}ppen",
        ] {
            check(text, ParseError::Form);
        }
        check("groups,a=ROLE_ADMIN", ParseError::Administrators);
    }
}
