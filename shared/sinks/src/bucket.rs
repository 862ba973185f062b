//! The objects of the audit log in their bucket.

use aws_sdk_s3::{
    Client,
    config::{RequestChecksumCalculation, ResponseChecksumValidation},
    error::ProvideErrorMetadata,
    operation::get_object::GetObjectError,
    primitives::ByteStream,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use hallpass_audit::Sum;
use hallpass_store::{Failure, connect::Connection};
use hallpass_token::Timestamp;

/// The bucket of the audit log.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
}

/// An object, as a listing has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The key.
    pub key: String,
    /// The time at which it was written.
    pub written_at: Timestamp,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The objects, in the order of their keys.
    pub objects: Vec<Stored>,
    /// Whether there are more after the last of them.
    pub has_more: bool,
}

/// The outcome of writing an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object was written.
    Now,
    /// An object with this key exists.
    Before,
}

/// The error code of a write whose key is taken
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
const TAKEN: &str = "PreconditionFailed";

const WRITING: &str = "writing to the audit log";
const READING: &str = "reading the audit log";

impl Bucket {
    /// Reaches a bucket. `endpoint` takes the place of the region's.
    pub fn new(connection: &Connection, name: String, endpoint: Option<String>) -> Self {
        let is_at_own_endpoint = endpoint.is_some();
        let config = aws_sdk_s3::config::Builder::from(&connection.patient(endpoint))
            // The digests have checksums of their own.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // An endpoint of its own has no host for each bucket.
            .force_path_style(is_at_own_endpoint)
            .build();
        Self { client: Client::from_conf(config), name }
    }

    /// Writes an object that must not exist. Its SHA-256 goes with it, because a bucket with Object
    /// Lock takes no object without one
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>).
    ///
    /// # Errors
    /// Returns a [`Failure`] if S3 cannot be written.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<Put, Failure> {
        let sum = BASE64_STANDARD.encode(Sum::of(&bytes).bytes());
        let call = self.client.put_object().bucket(&self.name).key(key).if_none_match("*");
        let call = call.checksum_sha256(sum);
        match call.body(ByteStream::from(bytes)).send().await {
            Ok(_) => Ok(Put::Now),
            Err(error) if error.code() == Some(TAKEN) => Ok(Put::Before),
            Err(error) => Err(Failure::of(WRITING)(error)),
        }
    }

    /// Reads an object. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// Returns a [`Failure`] if S3 cannot be read.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self.client.get_object().bucket(&self.name).key(key).send().await {
            Ok(object) => {
                let body = object.body.collect().await;
                let body = body.map_err(|error| Failure::new(READING, error))?;
                Ok(Some(body.into_bytes().to_vec()))
            }
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
                Ok(None)
            }
            Err(error) => Err(Failure::of(READING)(error)),
        }
    }

    /// Lists the objects whose keys begin with `prefix` and come after `after`, at most a thousand.
    ///
    /// # Errors
    /// Returns a [`Failure`] if S3 cannot be read.
    pub async fn list(&self, prefix: &str, after: &str) -> Result<Listed, Failure> {
        let call = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
        let page = call.start_after(after).send().await.map_err(Failure::of(READING))?;
        let has_more = page.is_truncated.unwrap_or_default();
        let stored = |object: aws_sdk_s3::types::Object| {
            let at = object.last_modified.and_then(|at| u64::try_from(at.secs()).ok());
            let written_at = at.and_then(Timestamp::from_unix).unwrap_or(Timestamp::EPOCH);
            Some(Stored { key: object.key?, written_at })
        };
        let objects = page.contents.unwrap_or_default().into_iter().filter_map(stored);
        Ok(Listed { objects: objects.collect(), has_more })
    }

    /// Lists what follows `prefix` in keys up to the next `/`, with both, at most a thousand.
    ///
    /// # Errors
    /// Returns a [`Failure`] if S3 cannot be read.
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let call = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).delimiter("/");
        let page = call.send().await.map_err(Failure::of(READING))?;
        let folders = page.common_prefixes.unwrap_or_default().into_iter();
        Ok(folders.filter_map(|folder| folder.prefix).collect())
    }

    /// Lists all keys that begin with `prefix` and come after `after`.
    ///
    /// # Errors
    /// Returns a [`Failure`] if S3 cannot be read.
    pub async fn all_keys(&self, prefix: &str, after: &str) -> Result<Vec<String>, Failure> {
        let (mut all, mut after) = (Vec::new(), after.to_owned());
        loop {
            let page = self.list(prefix, &after).await?;
            let last = page.objects.last().map(|object| object.key.clone());
            all.extend(page.objects.into_iter().map(|object| object.key));
            match last.filter(|_| page.has_more) {
                Some(last) => after = last,
                None => return Ok(all),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_smithy_runtime_api::client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::HttpRequest,
        result::ConnectorError,
    };
    use hallpass_store::connect::SharedHttpClient;
    use hallpass_token::Text;

    use super::*;

    /// Notes the checksum of each request, and reaches no network.
    #[derive(Clone, Debug, Default)]
    struct Checksums(Arc<Mutex<Vec<Option<String>>>>);

    impl HttpConnector for Checksums {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let sum = request.headers().get("x-amz-checksum-sha256").map(str::to_owned);
            self.0.lock().unwrap().push(sum);
            HttpConnectorFuture::ready(Err(ConnectorError::user("no network".into())))
        }
    }

    #[tokio::test]
    async fn an_object_is_sent_with_its_sum() {
        let checksums = Checksums::default();
        let connector = SharedHttpConnector::new(checksums.clone());
        let connection = Connection {
            region: "eu-west-1".to_owned(),
            dynamodb_endpoint: None,
            secrets_endpoint: None,
            use_fips: false,
            use_dual_stack: false,
            access_key_id: "a".to_owned(),
            secret_access_key: Text::new("b".to_owned()),
            session_token: None,
            http: SharedHttpClient::new(http_client_fn(move |_, _| connector.clone())),
        };
        let bucket = Bucket::new(&connection, "audit".to_owned(), None);
        bucket.put("a", b"abc".to_vec()).await.unwrap_err();
        // NIST's example for SHA-256.
        let expected = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=".to_owned();
        assert_eq!(*checksums.0.lock().unwrap(), [Some(expected)]);
    }
}
