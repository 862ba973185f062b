//! What a template may say at each of its places: what `hallpass dev` acts on, and what means nothing on one machine.
//! Anything else is an error that names it, so that nothing is ignored in silence.

use serde_json::Value;

use super::TemplateError;

/// A place of a template.
pub(super) struct Place {
    /// What is acted on.
    acted: &'static [&'static str],
    /// What has no counterpart on one machine.
    idle: &'static [&'static str],
}

/// Next to the properties of any resource.
pub(super) const RESOURCE: Place = Place {
    acted: &["Type", "Properties", "Condition"],
    idle: &["DeletionPolicy", "UpdateReplacePolicy", "Metadata", "DependsOn"],
};

/// `AWS::Serverless::Function`, and what `Globals` says of all of them.
pub(super) const FUNCTION: Place = Place {
    acted: &["Environment", "Events"],
    idle: &[
        "Architectures",
        "AutoPublishAlias",
        "AutoPublishAliasAllProperties",
        "CodeUri",
        "DeploymentPreference",
        "Description",
        "Handler",
        "LoggingConfig",
        "MemorySize",
        "ReservedConcurrentExecutions",
        "Role",
        "Runtime",
        "Tags",
        "Timeout",
        "Tracing",
    ],
};

/// An event of type `DynamoDB`.
pub(super) const STREAM: Place = Place {
    acted: &["Stream", "BatchSize"],
    idle: &[
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "FunctionResponseTypes",
        "MaximumBatchingWindowInSeconds",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "ParallelizationFactor",
        "StartingPosition",
    ],
};

/// An event of type `Schedule` or `ScheduleV2`.
pub(super) const SCHEDULE: Place = Place {
    acted: &["Schedule", "ScheduleExpression"],
    idle: &["DeadLetterConfig", "Description", "OmitName", "RetryPolicy"],
};

/// `AWS::DynamoDB::Table`.
pub(super) const TABLE: Place = Place {
    acted: &[
        "AttributeDefinitions",
        "BillingMode",
        "GlobalSecondaryIndexes",
        "KeySchema",
        "LocalSecondaryIndexes",
        "ProvisionedThroughput",
        "StreamSpecification",
        "TimeToLiveSpecification",
    ],
    idle: &["DeletionProtectionEnabled", "PointInTimeRecoverySpecification", "SSESpecification", "Tags"],
};

/// Types of resources without a counterpart on one machine.
const IDLE: [&str; 9] = [
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
];

impl Place {
    /// Checks that every member of this value is known here.
    pub(super) fn check(&self, value: &Value, at: &str) -> Result<(), TemplateError> {
        let known = |name: &&String| self.acted.contains(&name.as_str()) || self.idle.contains(&name.as_str());
        match value.as_object().into_iter().flat_map(|members| members.keys()).find(|name| !known(name)) {
            Some(name) => Err(TemplateError::shape(at, format!("{name} is not understood"))),
            None => Ok(()),
        }
    }
}

/// Checks that a resource of this type may be left out.
pub(super) fn idle_type(kind: &str, at: &str) -> Result<(), TemplateError> {
    if IDLE.contains(&kind) {
        return Ok(());
    }
    Err(TemplateError::shape(at, format!("the resource type {kind} is not understood")))
}
