//! The operations on objects. `s3s-fs` writes and reads the files; this module adds what it lacks:
//! conditional writes that hold for concurrent requests, limits, and the errors that S3 has.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use hallpass_runtime::files::remove;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Bytes;
use s3s::{
    Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result,
    dto::{
        DeleteObjectInput, DeleteObjectOutput, GetObjectInput, GetObjectOutput, HeadObjectInput,
        HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput,
        StreamingBlob,
    },
    s3_error,
};
use s3s_fs::FileSystem;
use tokio::sync::Mutex;

/// The maximum length of a key, in bytes. S3 accepts 1024, but `s3s-fs` keeps the metadata of an
/// object in a file whose name contains the key in Base64, and names of files have 255 bytes.
pub const MAX_KEY_LENGTH: usize = 154;

/// The maximum length of an object, in bytes.
pub(super) const MAX_OBJECT_LENGTH: usize = 16_777_216;

/// The maximum number of objects in a page of a list.
const MAX_PAGE: i32 = 1_000;

/// The objects of a directory.
pub(super) struct Objects {
    files: FileSystem,
    directory: PathBuf,
    /// Held while an object is written or deleted, so that a precondition still holds when the
    /// object is written. `s3s-fs` checks it and writes afterwards.
    writing: Mutex<()>,
}

impl Objects {
    /// The objects of a directory that was given to the file system too.
    pub(super) fn new(files: FileSystem, directory: &Path) -> Self {
        Self { files, directory: directory.to_owned(), writing: Mutex::new(()) }
    }

    /// Returns the path of an object that may exist.
    fn path(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let directory = self.directory.join(bucket);
        if !directory.is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        if key.len() > MAX_KEY_LENGTH {
            return Err(s3_error!(KeyTooLongError));
        }
        let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        if !key.split('/').all(is_name) {
            return Err(s3_error!(InvalidArgument, "the key is not a path of a file"));
        }
        Ok(directory.join(key))
    }
}

#[async_trait]
impl s3s::S3 for Objects {
    /// Writes an object. With `If-None-Match: *` (RFC 9110 section 13.1.2) it is written only if it
    /// does not exist:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>.
    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let path = self.path(&request.input.bucket, &request.input.key)?;
        if request.input.if_none_match.as_ref().is_some_and(|condition| !condition.is_any()) {
            return Err(s3_error!(NotImplemented, "If-None-Match must be *"));
        }
        // A slow client must not hold up others.
        let body = read(request.input.body.take()).await?;
        request.input.body = Some(StreamingBlob::from(Body::from(body)));

        let _writing = self.writing.lock().await;
        if path.is_dir() {
            return Err(s3_error!(InvalidArgument, "the key is the directory of other keys"));
        }
        let existed = path.exists();
        let outcome = self.files.put_object(request).await;
        if outcome.is_err() && !existed {
            // `s3s-fs` compares the checksum after it has written the object.
            let _ = remove(&path);
        }
        outcome
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        if !self.path(&request.input.bucket, &request.input.key)?.is_file() {
            return Err(s3_error!(NoSuchKey));
        }
        self.files.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        if !self.path(&request.input.bucket, &request.input.key)?.is_file() {
            return Err(s3_error!(NoSuchKey));
        }
        self.files.head_object(request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let path = self.path(&request.input.bucket, &request.input.key)?;
        let _writing = self.writing.lock().await;
        if !path.is_file() {
            return Ok(S3Response::new(DeleteObjectOutput::default()));
        }
        self.files.delete_object(request).await
    }

    async fn list_objects_v2(
        &self,
        mut request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let length = request.input.max_keys.unwrap_or(MAX_PAGE);
        if length < 0 {
            return Err(s3_error!(InvalidArgument, "max-keys must not be negative"));
        }
        request.input.max_keys = Some(length.min(MAX_PAGE));
        // A file that is deleted while it is listed would be an error.
        let _writing = self.writing.lock().await;
        self.files.list_objects_v2(request).await
    }
}

/// Reads a body completely.
async fn read(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let body = Body::from(body.ok_or_else(|| s3_error!(IncompleteBody))?);
    match Limited::new(body, MAX_OBJECT_LENGTH).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(s3_error!(EntityTooLarge)),
        Err(error) => Err(S3Error::with_source(S3ErrorCode::IncompleteBody, error)),
    }
}
