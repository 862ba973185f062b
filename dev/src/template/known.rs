//! The members that a template can have at each place: those that `hallpass dev` uses, and those
//! that have no effect on one machine. Any other member is an error that names it, so that nothing
//! is ignored silently.

use serde_json::Value;

use super::TemplateError;

/// A place in a template.
pub(super) struct Place {
    /// The members that are used.
    acted: &'static [&'static str],
    /// The members that have no effect on one machine.
    idle: &'static [&'static str],
}

/// The members of every resource.
pub(super) const RESOURCE: Place = Place {
    acted: &["Type", "Properties", "Condition"],
    idle: &["DeletionPolicy", "UpdateReplacePolicy", "Metadata", "DependsOn"],
};

/// The properties of `AWS::Serverless::Function` and of `Globals.Function`.
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
        "InlineCode",
        "Layers",
        "LoggingConfig",
        "MemorySize",
        "ReservedConcurrentExecutions",
        "Role",
        "Runtime",
        "Tags",
        "Timeout",
        "Tracing",
        "VersionDescription",
    ],
};

/// The properties of an event of type `DynamoDB`.
pub(super) const STREAM: Place = Place {
    acted: &["Stream", "BatchSize", "FilterCriteria"],
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

/// The properties of an event of type `Schedule` or `ScheduleV2`.
pub(super) const SCHEDULE: Place = Place {
    acted: &["Schedule", "ScheduleExpression"],
    idle: &["DeadLetterConfig", "Description", "OmitName", "PermissionsBoundary", "RetryPolicy"],
};

/// The properties of `AWS::DynamoDB::Table`.
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
    idle: &[
        "DeletionProtectionEnabled",
        "OnDemandThroughput",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "Tags",
    ],
};

/// The resource types that have no effect on one machine.
const IDLE: [&str; 19] = [
    "AWS::ApiGateway::BasePathMapping",
    "AWS::ApiGateway::DomainName",
    "AWS::AppConfig::Application",
    "AWS::AppConfig::ConfigurationProfile",
    "AWS::AppConfig::HostedConfigurationVersion",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::WAFv2::WebACLAssociation",
];

impl Place {
    /// Checks that every member of this value is known here.
    pub(super) fn check(&self, value: &Value, at: &str) -> Result<(), TemplateError> {
        let known = |name: &&String| {
            self.acted.contains(&name.as_str()) || self.idle.contains(&name.as_str())
        };
        match value
            .as_object()
            .into_iter()
            .flat_map(|members| members.keys())
            .find(|name| !known(name))
        {
            Some(name) => Err(TemplateError::shape(at, format!("{name} is not supported"))),
            None => Ok(()),
        }
    }
}

/// Checks that resources of this type have no effect on one machine.
pub(super) fn idle_type(kind: &str, at: &str) -> Result<(), TemplateError> {
    if IDLE.contains(&kind) {
        return Ok(());
    }
    Err(TemplateError::shape(at, format!("the resource type {kind} is not supported")))
}
