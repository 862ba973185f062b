//! The [intrinsic functions](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html)
//! of AWS templates, resolved to what they mean on one machine.
//!
//! A parameter is its default, a resource and each of its attributes is its logical id. `Ref`, `GetAtt` and `Sub` are
//! known, in the short form and in the long one; any other is an error.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use yaml_serde::{Mapping, Value as Yaml};

use super::TemplateError;

/// The pseudo parameters that mean something without an account.
const PSEUDO: [(&str, &str); 5] = [
    ("AWS::AccountId", "000000000000"),
    ("AWS::Partition", "aws"),
    ("AWS::Region", "local"),
    ("AWS::StackName", "hallpass"),
    ("AWS::URLSuffix", "localhost"),
];

/// What a reference can name.
struct Names {
    defaults: BTreeMap<String, Json>,
    resources: BTreeSet<String>,
}

/// The whole document without tags.
pub(super) fn resolve(document: &Yaml) -> Result<Json, TemplateError> {
    let mut names = Names { defaults: BTreeMap::new(), resources: BTreeSet::new() };
    for (name, parameter) in section(document, "Parameters") {
        if let Some(default) = parameter.get("Default") {
            let default = names.plain(default, &format!("Parameters.{name}.Default"))?;
            names.defaults.insert(name, default);
        }
    }
    names.resources = section(document, "Resources").map(|(name, _)| name).collect();
    names.plain(document, "")
}

fn section<'a>(document: &'a Yaml, name: &str) -> impl Iterator<Item = (String, &'a Yaml)> {
    let entries = document.get(name).and_then(Yaml::as_mapping).into_iter().flat_map(Mapping::iter);
    entries.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value)))
}

impl Names {
    fn plain(&self, value: &Yaml, place: &str) -> Result<Json, TemplateError> {
        match value {
            Yaml::Null => Ok(Json::Null),
            Yaml::Bool(it) => Ok(Json::Bool(*it)),
            Yaml::String(it) => Ok(Json::String(it.clone())),
            Yaml::Number(_) => {
                serde_json::to_value(value).map_err(|error| TemplateError::shape(place, error.to_string()))
            }
            Yaml::Sequence(items) => {
                let items = items.iter().zip(0_u32..);
                items.map(|(item, at)| self.plain(item, &format!("{place}[{at}]"))).collect()
            }
            Yaml::Mapping(entries) => self.mapping(entries, place),
            Yaml::Tagged(tagged) => self.call(tagged.tag.to_string().trim_start_matches('!'), &tagged.value, place),
        }
    }

    fn mapping(&self, entries: &Mapping, place: &str) -> Result<Json, TemplateError> {
        let mut plain = serde_json::Map::new();
        for (key, value) in entries {
            let key = match key {
                Yaml::String(key) => key.clone(),
                Yaml::Bool(_) | Yaml::Number(_) => self.plain(key, place)?.to_string(),
                Yaml::Null | Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => {
                    return Err(TemplateError::shape(place, "a key is not text"));
                }
            };
            if entries.len() == 1 && (key == "Ref" || key.starts_with("Fn::")) {
                return self.call(key.trim_start_matches("Fn::"), value, place);
            }
            let within = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            plain.insert(key, self.plain(value, &within)?);
        }
        Ok(Json::Object(plain))
    }

    fn call(&self, function: &str, argument: &Yaml, place: &str) -> Result<Json, TemplateError> {
        match function {
            "Ref" => self.named(text(argument, place)?, place),
            "Sub" => self.substituted(text(argument, place)?, place).map(Json::String),
            "GetAtt" => {
                let name = match argument.as_sequence().and_then(|parts| parts.first()) {
                    Some(first) => text(first, place)?,
                    None => text(argument, place)?,
                };
                self.named(resource_of(name), place)
            }
            unknown => Err(TemplateError::UnknownFunction { function: unknown.to_owned(), place: place.to_owned() }),
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
            None => Err(TemplateError::UnknownName { name: name.to_owned(), place: place.to_owned() }),
        }
    }

    fn substituted(&self, text: &str, place: &str) -> Result<String, TemplateError> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) =
                after.split_once('}').ok_or_else(|| TemplateError::shape(place, "a `${` is never closed"))?;
            whole.push_str(before);
            if let Some(literal) = name.strip_prefix('!') {
                whole.push_str("${");
                whole.push_str(literal);
                whole.push('}');
            } else {
                let value = self.named(resource_of(name), place)?;
                whole.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
            rest = tail;
        }
        whole.push_str(rest);
        Ok(whole)
    }
}

/// `Users` of `Users.Arn`.
fn resource_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(resource, _)| resource)
}

fn text<'a>(value: &'a Yaml, place: &str) -> Result<&'a str, TemplateError> {
    value.as_str().ok_or_else(|| TemplateError::shape(place, "an intrinsic function takes text here"))
}
