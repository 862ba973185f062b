//! Parses the SAM template, which describes the tables, routes, authorizers and schedules for AWS
//! and for `hallpass dev`.
//!
//! Nothing is ignored silently: an unsupported intrinsic function, resource type, event type or
//! property is an error that names it and its place. The `known` module lists what has no effect on
//! one machine.

mod intrinsic;
mod known;
mod sam;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::events::filter::Pattern;

/// How long API Gateway caches an authorizer's response by default, in seconds ([Lambda
/// authorizers](https://docs.aws.amazon.com/apigateway/latest/developerguide/configure-api-gateway-lambda-authorization.html)).
const DEFAULT_TTL_SECONDS: u32 = 300;

/// The stage of an API that the template does not declare.
const IMPLICIT_STAGE: &str = "Prod";

/// The properties of `AWS::DynamoDB::Table` that are copied unchanged to a `CreateTable` request.
const TABLE_PROPERTIES: [&str; 6] = [
    "AttributeDefinitions",
    "KeySchema",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "BillingMode",
    "ProvisionedThroughput",
];

/// A template, resolved for one machine: a parameter is its default, a resource is its logical ID,
/// and conditional parts are included if the defaults meet their condition.
#[derive(Debug, Clone)]
pub struct Template {
    /// Every `AWS::DynamoDB::Table`.
    pub tables: Vec<Table>,
    /// Every `Api` event of every function.
    pub routes: Vec<Route>,
    /// The authorizers of the API, by the name that routes use.
    pub authorizers: BTreeMap<String, Authorizer>,
    /// The gateway responses, by type, such as `ACCESS_DENIED` or `DEFAULT_4XX`.
    pub gateway_responses: BTreeMap<String, GatewayResponse>,
    /// The media types whose bodies are passed as base64; `*/*` is all of them.
    pub binary_media_types: Vec<String>,
    /// The name of the API's stage.
    pub stage: String,
    /// The logical ID of every function that runs on a schedule, and the interval.
    pub schedules: Vec<(String, Duration)>,
    /// Every function that reads a table's stream.
    pub streams: Vec<Stream>,
    environments: BTreeMap<String, BTreeMap<String, String>>,
    default_authorizer: Option<String>,
}

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The name of the resource, which is also the name of the table.
    pub logical_id: String,
    /// The body of a
    /// [`CreateTable`](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html)
    /// request.
    pub create: Value,
    /// The TTL attribute.
    pub ttl_attribute: Option<String>,
}

/// A method of a path, and its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// An HTTP method in capitals, or `ANY`.
    pub method: String,
    /// The path, with parameters such as `{name}` and `{name+}`.
    pub path: String,
    /// The logical id of the function.
    pub function: String,
    /// The name of the authorizer, if the route has one.
    pub authorizer: Option<String>,
}

/// A Lambda authorizer of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// The logical id of the function.
    pub function: String,
    /// The kind of authorizer, which determines its event.
    pub kind: AuthorizerKind,
    /// The headers that a request must have, by which the response is cached.
    pub identity_headers: Vec<String>,
    /// How long a response is cached; 0 turns the cache off.
    pub ttl_seconds: u32,
}

/// The two kinds of Lambda authorizer of a REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizerKind {
    /// The event contains one header.
    Token,
    /// The event contains the request without its body.
    Request,
}

/// A customized gateway response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayResponse {
    /// The status, or `None` for AWS's default of the type.
    pub status: Option<u16>,
    /// Header names, each with its mapping expression.
    pub headers: BTreeMap<String, String>,
    /// The template of the body for `application/json`.
    pub body: Option<String>,
}

/// A function that reads a table's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The logical id of the function.
    pub function: String,
    /// The logical id of the table.
    pub table: String,
    /// The maximum number of records per invocation.
    pub batch_size: u32,
    /// The patterns, one of which a record must match. None takes every record.
    pub filters: Vec<Pattern>,
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The text is not YAML.
    #[error("the template is not YAML")]
    Yaml(yaml_serde::Error),
    /// An unsupported intrinsic function.
    #[error("{place}: the function {function} is not supported")]
    UnknownFunction {
        /// Name of the function.
        function: String,
        /// Path in the template.
        place: String,
    },
    /// A reference to a name that the template does not define, or to a parameter without a
    /// default.
    #[error("{place}: {name} is not defined")]
    UnknownName {
        /// The name.
        name: String,
        /// Path in the template.
        place: String,
    },
    /// A part that is missing, has the wrong type, or is not supported.
    #[error("{place}: {why}")]
    Shape {
        /// Path in the template.
        place: String,
        /// Description of the error.
        why: String,
    },
}

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::parse_with(text, &[])
    }

    /// Parses a template with these parameters instead of their defaults.
    pub fn parse_with(text: &str, parameters: &[(&str, &str)]) -> Result<Self, TemplateError> {
        let resolved = Self::resolved(text, parameters)?;
        for (id, resource) in
            resolved.get("Resources").and_then(Value::as_object).into_iter().flatten()
        {
            known::RESOURCE.check(resource, id)?;
        }
        if let Some(function) = resolved.pointer("/Globals/Function") {
            known::FUNCTION.check(function, "Globals.Function")?;
        }
        let document: sam::Document = sam::read(resolved, "the template")?;
        let mut template = Self::of_api(sam::the_api(&document)?)?;
        for (id, resource) in &document.resources {
            match resource.kind.as_str() {
                "AWS::DynamoDB::Table" => {
                    template.tables.push(Table::read(id, &resource.properties)?);
                }
                "AWS::Serverless::Function" => {
                    known::FUNCTION.check(&resource.properties, id)?;
                    template.add_function(
                        id,
                        sam::read(resource.properties.clone(), id)?,
                        &document.globals,
                    )?;
                }
                "AWS::Serverless::Api" => {}
                other => known::idle_type(other, id)?,
            }
        }
        match template
            .routes
            .iter()
            .filter_map(|route| route.authorizer.as_ref())
            .find(|name| !template.authorizers.contains_key(*name))
        {
            Some(name) => Err(TemplateError::UnknownName {
                name: name.clone(),
                place: "Auth.Authorizer".to_owned(),
            }),
            None => Ok(template),
        }
    }

    /// Returns the resources, outputs and globals of a template as JSON, resolved for one machine,
    /// with these parameters instead of their defaults.
    pub fn resolved(text: &str, parameters: &[(&str, &str)]) -> Result<Value, TemplateError> {
        let document: yaml_serde::Value =
            yaml_serde::from_str(text).map_err(TemplateError::Yaml)?;
        intrinsic::resolve(&document, parameters)
    }

    /// Returns the environment of a function: the global variables, overridden by its own. Empty
    /// for an unknown function.
    pub fn environment(&self, function: &str) -> BTreeMap<String, String> {
        self.environments.get(function).cloned().unwrap_or_default()
    }

    fn of_api(api: Option<sam::Api>) -> Result<Self, TemplateError> {
        let api = api.unwrap_or_default();
        Ok(Self {
            tables: Vec::new(),
            routes: Vec::new(),
            authorizers: api
                .auth
                .authorizers
                .into_iter()
                .map(|(name, authorizer)| (name, authorizer.into()))
                .collect(),
            gateway_responses: api
                .gateway_responses
                .into_iter()
                .map(|(kind, response)| Ok((kind.clone(), response.plain(&kind)?)))
                .collect::<Result<_, TemplateError>>()?,
            binary_media_types: api
                .binary_media_types
                .iter()
                .map(|text| text.replace("~1", "/"))
                .collect(),
            stage: api.stage_name.unwrap_or_else(|| IMPLICIT_STAGE.to_owned()),
            schedules: Vec::new(),
            streams: Vec::new(),
            environments: BTreeMap::new(),
            default_authorizer: api.auth.default_authorizer,
        })
    }

    fn add_function(
        &mut self,
        id: &str,
        function: sam::Function,
        globals: &sam::Globals,
    ) -> Result<(), TemplateError> {
        let mut environment = globals.function.environment.plain("Globals.Function.Environment")?;
        environment.extend(function.environment.plain(&format!("{id}.Environment"))?);
        self.environments.insert(id.to_owned(), environment);
        for (name, event) in function.events {
            let place = format!("{id}.Events.{name}");
            match event.read(&place)? {
                sam::Trigger::Api(api) => self.routes.push(Route {
                    method: api.method.to_uppercase(),
                    path: api.path,
                    function: id.to_owned(),
                    authorizer: self.authorizer_of(api.auth),
                }),
                sam::Trigger::Stream(stream) => self.streams.push(Stream {
                    function: id.to_owned(),
                    table: stream.stream,
                    batch_size: stream.batch_size.unwrap_or(100),
                    filters: stream
                        .filter_criteria
                        .filters
                        .iter()
                        .map(|filter| Pattern::parse(&filter.pattern, &place))
                        .collect::<Result<_, _>>()?,
                }),
                sam::Trigger::Schedule(every) => self.schedules.push((id.to_owned(), every)),
            }
        }
        Ok(())
    }

    /// Returns the authorizer of an event, or the API's default. `NONE` turns the default off.
    fn authorizer_of(&self, auth: Option<sam::EventAuth>) -> Option<String> {
        let own = auth.and_then(|auth| auth.authorizer);
        own.or_else(|| self.default_authorizer.clone()).filter(|name| name != "NONE")
    }
}

impl Table {
    fn read(id: &str, properties: &Value) -> Result<Self, TemplateError> {
        known::TABLE.check(properties, id)?;
        let mut create = Map::from_iter([("TableName".to_owned(), json!(id))]);
        for name in TABLE_PROPERTIES {
            if let Some(value) = properties.get(name) {
                create.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(stream) = properties.get("StreamSpecification") {
            let stream: sam::StreamOfTable =
                sam::read(stream.clone(), &format!("{id}.StreamSpecification"))?;
            let stream =
                json!({ "StreamEnabled": true, "StreamViewType": stream.stream_view_type });
            create.insert("StreamSpecification".to_owned(), stream);
        }
        let ttl_attribute = match properties.get("TimeToLiveSpecification") {
            Some(ttl) => {
                sam::read::<sam::TimeToLive>(ttl.clone(), &format!("{id}.TimeToLiveSpecification"))?
                    .attribute()
            }
            None => None,
        };
        Ok(Self { logical_id: id.to_owned(), create: Value::Object(create), ttl_attribute })
    }
}

impl TemplateError {
    /// Creates an error about the part at `place`.
    pub(crate) fn shape(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Shape { place: place.into(), why: why.into() }
    }
}

#[cfg(test)]
mod tests;
