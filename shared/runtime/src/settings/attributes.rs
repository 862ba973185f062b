//! Lists of attributes of a user (`HALLPASS_INVALIDATE_ON`).

use hallpass_token::{Binding, user::attribute};

use super::{ConfigError, Lookup, nearest::nearest, text};

/// The attributes that Hallpass knows. An application may have any others.
const KNOWN: [&str; 10] = [
    attribute::USER_ID,
    attribute::USERNAME,
    attribute::USERNAME_KEY,
    attribute::FULL_NAME,
    attribute::KIND,
    attribute::PASSWORD_HASH,
    attribute::STATUS,
    attribute::PERMISSIONS,
    attribute::TOKEN_GENERATION,
    attribute::OIDC_IDENTITY,
];

/// A name that differs from a known one by so many characters is taken for a misspelling of it.
const MISSPELT: usize = 2;

/// The longest names of attributes together, in bytes. Every record repeats them.
const MAX_LENGTH: usize = 255;

/// A list of attribute names, separated by commas; `none` is the empty one.
pub(super) fn binding(
    lookup: Lookup<'_>,
    name: &'static str,
) -> Result<Option<Binding>, ConfigError> {
    let Some(listed) = text(lookup, name) else {
        return Ok(None);
    };
    if listed.trim() == "none" {
        return Ok(Some(Binding::new([])));
    }
    let names: Vec<&str> = listed.split(',').map(str::trim).collect();
    if names.iter().map(|name| name.len()).sum::<usize>() > MAX_LENGTH {
        return Err(ConfigError::new(
            name,
            format!("the names have more than {MAX_LENGTH} bytes together"),
        ));
    }
    for (place, named) in (1..).zip(&names) {
        let is_bad = named.is_empty() || named.chars().any(char::is_control);
        if is_bad || *named == "none" {
            return Err(ConfigError::new(
                name,
                "must be names of attributes, separated by commas, or none",
            ));
        }
        if *named == attribute::USER_ID {
            return Err(ConfigError::new(
                name,
                "user_id never changes: name attributes that do, or none",
            ));
        }
        if let Some(known) = misspelt(named) {
            return Err(ConfigError::new(
                name,
                format!("the name at place {place} is probably meant to be {known}"),
            ));
        }
    }
    Ok(Some(Binding::new(names.into_iter().map(str::to_owned))))
}

/// The known name that this one is a misspelling of: the nearest.
fn misspelt(name: &str) -> Option<&'static str> {
    if KNOWN.contains(&name) {
        return None;
    }
    let found = nearest(&name.to_lowercase(), KNOWN)?;
    (found.distance <= MISSPELT).then_some(found.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_attribute_is_rejected_and_one_of_the_application_is_not() {
        let check = |listed: &str, names: Option<&[&str]>| {
            let lookup = |_: &str| Some(listed.to_owned());
            let got = binding(&lookup, "X").ok().map(|binding| binding.unwrap().names().to_vec());
            assert_eq!(
                got,
                names.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
                "{listed}"
            );
        };
        check("status, plan", Some(&["plan", "status"]));
        check("none", Some(&[]));
        check("department", Some(&["department"]));
        let misspelt = [
            "passwrod_hash",
            "password-hash",
            "passwordHash",
            "Status",
            "STATUS",
            "statuss",
            "usrname",
        ];
        for listed in misspelt.into_iter().chain([
            "permission",
            "user-id",
            "token-generation",
            "fullname",
            "knid",
        ]) {
            check(listed, None);
        }
        let long = "a".repeat(MAX_LENGTH);
        check(&long, Some(&[&long]));
        check(&format!("{long}a"), None);
        for listed in [
            "user_id",
            "status,user_id",
            "status,",
            ",status",
            "status,,kind",
            "none,status",
            " ",
            ",",
            "a\tb",
            "status,sta\u{0}tus",
        ] {
            check(listed, None);
        }
    }
}
