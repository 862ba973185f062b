//! The names of all `HALLPASS_*` variables, in one list for every binary.

use std::fmt;

use super::{ConfigError, Lookup, nearest, reference, text};

/// What the name of every variable begins with.
pub const PREFIX: &str = "HALLPASS_";

/// Every variable that some binary of Hallpass reads.
#[expect(clippy::indexing_slicing, reason = "a panic here is an error of the compiler")]
pub const SETTINGS: [&str; reference::SETTINGS.len()] = {
    let mut names = [""; reference::SETTINGS.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = reference::SETTINGS[place].name;
        place += 1;
    }
    names
};

/// What the command reads in place of options.
pub const OF_COMMAND: [&str; 3] = ["HALLPASS_DATA", "HALLPASS_PROFILE", "HALLPASS_STACK"];

/// What the tests of Hallpass read, which is no reason for a warning.
pub const OF_TESTS: [&str; 7] = [
    "HALLPASS_LONG",
    "HALLPASS_MUTANT",
    "HALLPASS_MUTANTS_REACHED",
    "HALLPASS_TEST_BROWSER",
    "HALLPASS_TEST_ENDPOINT",
    "HALLPASS_TEST_SHOTS",
    "HALLPASS_WRITE_DOCS",
];

/// Variables that have another name now, each with its new name.
const RENAMED: [(&str, &str); 5] = [
    ("HALLPASS_ALLOW_ORIGINS", "HALLPASS_CORS_ALLOWED_ORIGINS"),
    ("HALLPASS_AUTHORIZER_ANSWER", "HALLPASS_AUTHORIZER_RESPONSE"),
    ("HALLPASS_AUTHORIZER_CACHE", "HALLPASS_AUTHORIZER_CACHE_TTL"),
    ("HALLPASS_GRACE", "HALLPASS_RECORD_RETENTION"),
    ("HALLPASS_MAX_RENEWAL", "HALLPASS_MAX_AUTHENTICATION_AGE"),
];

/// A variable that is set and that no binary reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable {
    /// The name that is set.
    pub name: String,
    /// The known name that is closest to it.
    pub nearest: &'static str,
}

/// Looks for variables under a former name. A limit that its operator set must not be ignored
/// silently.
///
/// # Errors
/// Names the first variable that is set under its former name, and the new name.
pub fn reject_former(lookup: Lookup<'_>) -> Result<(), ConfigError> {
    match RENAMED.into_iter().find(|(former, _)| text(lookup, former).is_some()) {
        Some((former, new)) => {
            Err(ConfigError::new(former, format!("is now {new}; set that instead")))
        }
        None => Ok(()),
    }
}

/// The variables among these that no binary reads, each with the closest known name. An empty
/// variable counts as absent.
pub fn unknown<'n>(
    set: impl IntoIterator<Item = (&'n String, &'n String)>,
) -> Vec<UnknownVariable> {
    let is_unknown = |name: &str| {
        let is_former = RENAMED.iter().any(|(former, _)| *former == name);
        name.starts_with(PREFIX)
            && !SETTINGS.contains(&name)
            && !OF_COMMAND.contains(&name)
            && !OF_TESTS.contains(&name)
            && !is_former
    };
    set.into_iter()
        .filter(|(name, value)| !value.is_empty() && is_unknown(name))
        .filter_map(|(name, _)| {
            Some(UnknownVariable {
                name: name.clone(),
                nearest: nearest::nearest(
                    &name.to_uppercase(),
                    SETTINGS.into_iter().chain(OF_COMMAND),
                )?
                .name,
            })
        })
        .collect()
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a setting of Hallpass; did you mean {}?", self.name, self.nearest)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::settings::Settings;

    #[test]
    fn a_former_name_is_rejected_with_the_new_one_unless_it_is_empty() {
        for (former, new) in RENAMED {
            let check =
                |value: &str| Settings::read(&|name| (name == former).then(|| value.to_owned()));
            assert_eq!(
                check("x").unwrap_err().to_string(),
                format!("{former}: is now {new}; set that instead")
            );
            assert!(check("").is_ok());
            assert!(SETTINGS.contains(&new), "{new}");
        }
    }

    #[test]
    fn an_unknown_variable_is_named_with_the_closest_known_one() {
        let check = |name: &str, value: &str, expected: Option<&str>| {
            let set = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let found = unknown(&set);
            assert_eq!(found.first().map(|unknown| unknown.nearest), expected, "{name}");
        };
        let unknown_one = UnknownVariable { name: "HALLPASS_X".to_owned(), nearest: "HALLPASS_Y" };
        assert_eq!(
            unknown_one.to_string(),
            "HALLPASS_X is not a setting of Hallpass; did you mean HALLPASS_Y?"
        );
        check("HALLPASS_LIFETIMES", "1d", Some("HALLPASS_LIFETIME"));
        check("HALLPASS_CORS_ORIGINS", "x", Some("HALLPASS_CORS_ALLOWED_ORIGINS"));
        check("HALLPASS_MAXTOKENS", "1", Some("HALLPASS_MAX_TOKENS"));
        check("HALLPASS_lifetime", "1", Some("HALLPASS_LIFETIME"));
        check("HALLPASS_LIFETIMES", "", None);
        check("HALLPASS_LIFETIME", "1d", None);
        check("HALLPASS_GRACE", "1d", None);
        check("LIFETIME", "1d", None);
        check("HALLPASS_STACKS", "x", Some("HALLPASS_STACK"));
        for name in SETTINGS.into_iter().chain(OF_COMMAND).chain(OF_TESTS) {
            check(name, "x", None);
        }
    }
}
