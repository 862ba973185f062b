//! The files of a data directory.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use hallpass_runtime::{
    files::{make_private, remove},
    local::STACK,
};

use super::{
    StartError,
    aws::{EVENTS, OBJECTS, SIGNING_KEY},
};

/// The engine's database.
pub const DATABASE: &str = "dynamodb.sqlite";
/// The keyring.
pub const RING: &str = "keys.json";
/// The position up to which the user stream was delivered.
pub const POSITION: &str = "stream-position";
/// The position up to which the token stream was delivered.
pub const POSITION_OF_TOKENS: &str = "token-stream-position";
const LOCK: &str = "lock";
/// The files that a start without earlier data deletes.
const FILES: [&str; 7] = [DATABASE, RING, POSITION, POSITION_OF_TOKENS, EVENTS, SIGNING_KEY, STACK];
/// The files that the engine keeps next to the database while it is open.
const DATABASE_FILES: [&str; 2] = ["dynamodb.sqlite-wal", "dynamodb.sqlite-shm"];

/// A locked data directory.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// The operating system releases the lock when the process exits, even after a crash.
    _lock: File,
}

impl DataDir {
    /// Opens a data directory, and creates it if it does not exist. `fresh` first deletes its
    /// files, except the certificates, which clients may trust.
    ///
    /// # Errors
    /// Returns a [`StartError`] if the directory cannot be read or written, or another stack uses
    /// it.
    pub fn open(path: &Path, fresh: bool) -> Result<Self, StartError> {
        let failed = |error: io::Error| {
            StartError::new(format!("cannot use {}", path.display()), error.to_string())
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        // Keep the mode of a directory with other content, such as a home directory.
        if path.join(LOCK).exists() || fs::read_dir(path).map_err(failed)?.next().is_none() {
            fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK));
        let lock = lock.map_err(failed)?;
        if lock.try_lock().is_err() {
            return Err(StartError::new(
                format!("cannot use {}", path.display()),
                "another `hallpass dev` uses it",
            ));
        }
        if fresh {
            for file in FILES.iter().chain(&DATABASE_FILES) {
                remove(&path.join(file)).map_err(failed)?;
            }
            match fs::remove_dir_all(path.join(OBJECTS)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        // SQLite creates files that every user can read, but gives its other files the mode of the
        // database file.
        let created = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join(DATABASE));
        created.map_err(failed)?;
        for file in FILES.iter().chain(&DATABASE_FILES) {
            make_private(&path.join(file)).map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Returns the path of a file in the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
