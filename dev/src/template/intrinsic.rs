//! The [intrinsic
//! functions](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html)
//! of AWS templates, resolved for one machine.
//!
//! A parameter resolves to its default, a resource and each of its attributes to its logical ID,
//! and a condition to its value with the defaults. `Ref`, `GetAtt`, `Sub`, `FindInMap`, `If`,
//! `Equals`, `Not`, `And` and `Or` are supported, in the short form and in the long one; any other
//! function is an error.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use yaml_serde::{Mapping, Value as Yaml};

use super::TemplateError;

/// The supported pseudo parameters and their values.
const PSEUDO: [(&str, &str); 5] = [
    ("AWS::AccountId", "000000000000"),
    ("AWS::Partition", "aws"),
    ("AWS::Region", "local"),
    ("AWS::StackName", "hallpass"),
    ("AWS::URLSuffix", "localhost"),
];

/// The pseudo parameter that removes a property or a list entry.
const NO_VALUE: &str = "AWS::NoValue";

/// The names that a reference can resolve to.
struct Names {
    defaults: BTreeMap<String, Json>,
    conditions: BTreeMap<String, bool>,
    resources: BTreeSet<String>,
    mappings: Json,
}

/// Resolves the resources, outputs and globals, and removes those whose condition is false. `given`
/// are parameters that override their defaults.
pub(super) fn resolve(document: &Yaml, given: &[(&str, &str)]) -> Result<Json, TemplateError> {
    let mut names = Names {
        defaults: BTreeMap::new(),
        conditions: BTreeMap::new(),
        resources: BTreeSet::new(),
        mappings: Json::Null,
    };
    if let Some(mappings) = document.get("Mappings") {
        names.mappings = names.plain(mappings, "Mappings")?;
    }
    for (name, parameter) in section(document, "Parameters") {
        if let Some(default) = parameter.get("Default") {
            let default = names.plain(default, &format!("Parameters.{name}.Default"))?;
            names.defaults.insert(name, default);
        }
    }
    names.defaults.extend(
        given.iter().map(|(name, value)| ((*name).to_owned(), Json::String((*value).to_owned()))),
    );
    // A condition can refer to the conditions above it.
    for (name, condition) in section(document, "Conditions") {
        let place = format!("Conditions.{name}");
        let holds = names.truth(condition, &place)?;
        names.conditions.insert(name, holds);
    }
    names.resources = section(document, "Resources").map(|(name, _)| name).collect();
    let mut plain = serde_json::Map::new();
    for name in ["Globals", "Resources", "Outputs"] {
        let mut entries = serde_json::Map::new();
        for (id, entry) in section(document, name) {
            let place = format!("{name}.{id}");
            if names.is_wanted(entry, &place)? {
                entries.insert(id, names.plain(entry, &place)?);
            }
        }
        plain.insert(name.to_owned(), Json::Object(entries));
    }
    Ok(Json::Object(plain))
}

fn section<'a>(document: &'a Yaml, name: &str) -> impl Iterator<Item = (String, &'a Yaml)> {
    let entries = document.get(name).and_then(Yaml::as_mapping).into_iter().flat_map(Mapping::iter);
    entries.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value)))
}

impl Names {
    fn plain(&self, value: &Yaml, place: &str) -> Result<Json, TemplateError> {
        match value {
            Yaml::Null => Ok(Json::Null),
            Yaml::Bool(value) => Ok(Json::Bool(*value)),
            Yaml::String(text) => Ok(Json::String(text.clone())),
            Yaml::Number(_) => serde_json::to_value(value)
                .map_err(|error| TemplateError::shape(place, error.to_string())),
            Yaml::Sequence(items) => {
                let items = items.iter().zip(0_u32..);
                let items = items.map(|(item, at)| self.value(item, &format!("{place}[{at}]")));
                items.filter_map(Result::transpose).collect()
            }
            Yaml::Mapping(_) | Yaml::Tagged(_) => Ok(self.value(value, place)?.unwrap_or_default()),
        }
    }

    /// Resolves a value. Returns `None` for [`NO_VALUE`].
    fn value(&self, value: &Yaml, place: &str) -> Result<Option<Json>, TemplateError> {
        match value {
            Yaml::Mapping(entries) => match function(entries) {
                Some((name, argument)) => self.call(name, argument, place),
                None => self.mapping(entries, place).map(Some),
            },
            Yaml::Tagged(tagged) => {
                self.call(tagged.tag.to_string().trim_start_matches('!'), &tagged.value, place)
            }
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::String(_) | Yaml::Sequence(_) => {
                self.plain(value, place).map(Some)
            }
        }
    }

    fn mapping(&self, entries: &Mapping, place: &str) -> Result<Json, TemplateError> {
        let mut plain = serde_json::Map::new();
        for (key, value) in entries {
            let key = match key {
                Yaml::String(key) => key.clone(),
                Yaml::Bool(_) | Yaml::Number(_) => self.plain(key, place)?.to_string(),
                Yaml::Null | Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => {
                    return Err(TemplateError::shape(place, "a key must be a string"));
                }
            };
            let within = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            if let Some(value) = self.value(value, &within)? {
                plain.insert(key, value);
            }
        }
        Ok(Json::Object(plain))
    }

    fn call(
        &self,
        function: &str,
        argument: &Yaml,
        place: &str,
    ) -> Result<Option<Json>, TemplateError> {
        match function {
            "Ref" if argument.as_str() == Some(NO_VALUE) => Ok(None),
            // SAM names what it adds to a resource by a point: `Users.Alias`.
            "Ref" => self.named(resource_of(text(argument, place)?), place).map(Some),
            "Sub" => self.substitution(argument, place).map(|text| Some(Json::String(text))),
            "GetAtt" => {
                let name = match argument.as_sequence().and_then(|parts| parts.first()) {
                    Some(first) => text(first, place)?,
                    None => text(argument, place)?,
                };
                self.named(resource_of(name), place).map(Some)
            }
            "FindInMap" => {
                let mut found = &self.mappings;
                for key in list(argument, place)? {
                    let key = text_of(&self.plain(key, place)?);
                    let unknown = || TemplateError::UnknownName {
                        name: key.clone(),
                        place: place.to_owned(),
                    };
                    found = found.get(&key).ok_or_else(unknown)?;
                }
                Ok(Some(found.clone()))
            }
            "If" => match list(argument, place)? {
                [condition, yes, no] => self.value(
                    if self.holds(text(condition, place)?, place)? { yes } else { no },
                    place,
                ),
                _ => Err(TemplateError::shape(place, "If takes a condition and two values")),
            },
            unknown => Err(TemplateError::UnknownFunction {
                function: unknown.to_owned(),
                place: place.to_owned(),
            }),
        }
    }

    /// Returns whether the condition of a resource or an output is true.
    fn is_wanted(&self, entry: &Yaml, place: &str) -> Result<bool, TemplateError> {
        match entry.get("Condition") {
            Some(condition) => self.holds(text(condition, place)?, place),
            None => Ok(true),
        }
    }

    fn holds(&self, condition: &str, place: &str) -> Result<bool, TemplateError> {
        let unknown =
            || TemplateError::UnknownName { name: condition.to_owned(), place: place.to_owned() };
        self.conditions.get(condition).copied().ok_or_else(unknown)
    }

    /// Evaluates a condition function.
    fn truth(&self, condition: &Yaml, place: &str) -> Result<bool, TemplateError> {
        let tag = if let Yaml::Tagged(tagged) = condition {
            tagged.tag.to_string()
        } else {
            String::new()
        };
        let called = match condition {
            Yaml::Tagged(tagged) => Some((tag.trim_start_matches('!'), &tagged.value)),
            Yaml::Mapping(entries) => function(entries),
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::String(_) | Yaml::Sequence(_) => {
                None
            }
        };
        let (name, argument) =
            called.ok_or_else(|| TemplateError::shape(place, "a condition must be a function"))?;
        match name {
            "Condition" => self.holds(text(argument, place)?, place),
            "Equals" => match list(argument, place)? {
                // CloudFormation compares strings, also for parameters of type Number.
                [one, two] => {
                    Ok(text_of(&self.plain(one, place)?) == text_of(&self.plain(two, place)?))
                }
                _ => Err(TemplateError::shape(place, "Equals takes two values")),
            },
            "Not" => match list(argument, place)? {
                [one] => Ok(!self.truth(one, place)?),
                _ => Err(TemplateError::shape(place, "Not takes one condition")),
            },
            "And" => list(argument, place)?
                .iter()
                .try_fold(true, |all, one| Ok(all & self.truth(one, place)?)),
            "Or" => list(argument, place)?
                .iter()
                .try_fold(false, |any, one| Ok(any | self.truth(one, place)?)),
            unknown => Err(TemplateError::UnknownFunction {
                function: unknown.to_owned(),
                place: place.to_owned(),
            }),
        }
    }

    fn named(&self, name: &str, place: &str) -> Result<Json, TemplateError> {
        if let Some(default) = self.defaults.get(name) {
            return Ok(default.clone());
        }
        if self.resources.contains(name) {
            return Ok(Json::String(name.to_owned()));
        }
        match PSEUDO.iter().find(|(pseudo, _)| *pseudo == name) {
            Some((_, value)) => Ok(Json::String((*value).to_owned())),
            None => {
                Err(TemplateError::UnknownName { name: name.to_owned(), place: place.to_owned() })
            }
        }
    }

    fn substitution(&self, argument: &Yaml, place: &str) -> Result<String, TemplateError> {
        match argument.as_sequence().map(Vec::as_slice) {
            Some([template, own]) => {
                let own = self.plain(own, place)?;
                self.substituted(text(template, place)?, &own, place)
            }
            _ => self.substituted(text(argument, place)?, &Json::Null, place),
        }
    }

    /// Replaces the references in a text. `own` has the names that are defined for this text alone.
    fn substituted(&self, text: &str, own: &Json, place: &str) -> Result<String, TemplateError> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after
                .split_once('}')
                .ok_or_else(|| TemplateError::shape(place, "a `${` is not closed"))?;
            whole.push_str(before);
            if let Some(literal) = name.strip_prefix('!') {
                whole.push_str("${");
                whole.push_str(literal);
                whole.push('}');
            } else {
                let value = match own.get(name) {
                    Some(value) => value.clone(),
                    None => self.named(resource_of(name), place)?,
                };
                whole.push_str(&text_of(&value));
            }
            rest = tail;
        }
        whole.push_str(rest);
        Ok(whole)
    }
}

/// Returns the name and the argument of a function in the long form: `Ref`, `Condition` or `Fn::…`.
fn function(entries: &Mapping) -> Option<(&str, &Yaml)> {
    let (name, argument) = entries.iter().next().filter(|_| entries.len() == 1)?;
    let name = name.as_str()?;
    match name.strip_prefix("Fn::") {
        Some(name) => Some((name, argument)),
        None => Some((name, argument)).filter(|_| name == "Ref" || name == "Condition"),
    }
}

fn list<'a>(value: &'a Yaml, place: &str) -> Result<&'a [Yaml], TemplateError> {
    let list = value.as_sequence().map(Vec::as_slice);
    list.ok_or_else(|| TemplateError::shape(place, "the function takes a list here"))
}

/// Returns a value as text, without the quotes of a string.
fn text_of(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the resource of a name: `Users` for `Users.Arn`.
fn resource_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(resource, _)| resource)
}

fn text<'a>(value: &'a Yaml, place: &str) -> Result<&'a str, TemplateError> {
    value.as_str().ok_or_else(|| TemplateError::shape(place, "the function takes a string here"))
}
