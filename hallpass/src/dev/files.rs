//! The files of a data directory. Those with a secret are for their owner alone, and are written whole or not at all.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::StartError;

/// The engine's database.
pub const DATABASE: &str = "dynamodb.sqlite";
/// The keyring.
pub const RING: &str = "keys.json";
/// How far the user stream has been dealt with.
pub const POSITION: &str = "stream-position";
/// How a command finds the running stack.
pub const STACK: &str = "stack.json";
const LOCK: &str = "lock";
/// The files that the engine keeps next to its database while it runs.
const BESIDE: [&str; 2] = ["dynamodb.sqlite-wal", "dynamodb.sqlite-shm"];

/// A data directory that no other stack uses.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// The lock goes with the process, however it ends.
    _lock: File,
}

impl DataDir {
    /// Opens a data directory, which is made if it is not there. `fresh` empties it first, but for the certificates,
    /// which clients may have been told about.
    ///
    /// # Errors
    /// When it cannot be read or written, or another stack uses it.
    pub fn open(path: &Path, fresh: bool) -> Result<Self, StartError> {
        let failed = |error: io::Error| StartError::new(format!("cannot use {}", path.display()), error.to_string());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        // A directory that holds something else, such as a home, is left as it is.
        if path.join(LOCK).exists() || fs::read_dir(path).map_err(failed)?.next().is_none() {
            fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
        }
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join(LOCK));
        let lock = lock.map_err(failed)?;
        if lock.try_lock().is_err() {
            return Err(StartError::new(format!("cannot use {}", path.display()), "another `hallpass dev` uses it"));
        }
        if fresh {
            for file in [DATABASE, RING, POSITION, STACK].iter().chain(&BESIDE) {
                remove(&path.join(file)).map_err(failed)?;
            }
        }
        // SQLite makes its files readable for every user, but gives those next to the database the mode of the
        // database.
        let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join(DATABASE));
        made.map_err(failed)?;
        for file in [DATABASE, RING, POSITION, STACK].iter().chain(&BESIDE) {
            make_private(&path.join(file)).map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes a file that is there away from everybody but its owner.
fn make_private(path: &Path) -> io::Result<()> {
    match fs::set_permissions(path, Permissions::from_mode(0o600)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads a file, if it is there.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file for its owner alone, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let part = path.with_extension("part");
    remove(&part)?;
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)
}

/// Removes a file, if it is there.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
