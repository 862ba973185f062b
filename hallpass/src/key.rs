//! `hallpass key`: manages the signing keys of a stack in its Secrets Manager.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_sdk_secretsmanager::Client;
use clap::Subcommand;
use hallpass_runtime::{Event, entropy, files, settings};
use hallpass_store::{
    Failure, Store,
    keys::{self, Versioned},
    sweep::Kind,
};
use hallpass_token::{
    Cause, Keyring, Record, Timestamp, UserId,
    keyring::{Key, KeyringError},
    lifecycle,
};
use serde_json::json;

use crate::{
    clock,
    confirm::Confirmation,
    error::CommandError,
    pasted,
    stack::{NoStack, Stack},
    terminal::{Terminal, excerpt},
    trust,
};

/// The subcommands of `hallpass key`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a new keyring to a file, for a first secret or local use; its one key signs at once
    New {
        /// File to create, readable only by its owner; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// List the keys of the keyring, without their secret values
    List,
    /// Add a key that verifies at once and signs when every function has fetched it
    Rotate,
    /// Print the derived key with which other software can verify JWTs; it can also sign them, so
    /// prefer introspection
    Export {
        /// Export the derived key of the JWT format, the only one that other software can use
        #[arg(long, required = true)]
        jwt: bool,
        /// Key ID [default: the key that signs]
        #[arg(value_parser = pasted::name)]
        id: Option<String>,
    },
    /// Remove a key from the keyring and print how many live tokens that invalidates
    Retire {
        /// Key ID
        #[arg(value_parser = pasted::name)]
        id: String,
        /// Remove the key even if that invalidates live tokens
        #[arg(long)]
        end_tokens: bool,
        /// Whether a person is asked first.
        #[command(flatten)]
        confirmation: Confirmation,
    },
}

/// Runs a subcommand.
///
/// # Errors
/// Returns a [`CommandError`] if the subcommand fails or rejects its arguments.
pub async fn run(command: Command, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    match command {
        Command::New { out } => new(&out, terminal),
        Command::List => {
            list(&Secret::of(stack)?, clock::now(stack, terminal).await?, terminal).await
        }
        Command::Rotate => {
            let cause = stack.cause(clock::now(stack, terminal).await?).await;
            rotate(&Secret::of(stack)?, &cause, terminal).await
        }
        Command::Export { jwt: _, id } => {
            let now = clock::now(stack, terminal).await?;
            export(&Secret::of(stack)?, id.as_deref(), now, terminal).await
        }
        Command::Retire { id, end_tokens, confirmation } => {
            let cache = stack.settings()?.authorizer_cache;
            let cause = stack.cause(clock::now(stack, terminal).await?).await;
            let retirement = Retirement { id: &id, end_tokens, confirmation, cause, cache };
            retire(&Secret::of(stack)?, &stack.store()?, retirement, terminal).await
        }
    }
}

/// The secret of a stack, and the interval at which its functions fetch it.
pub(crate) struct Secret {
    client: Client,
    arn: String,
    refresh: Duration,
}

impl Secret {
    pub(crate) fn of(stack: &Stack) -> Result<Self, NoStack> {
        let lookup = stack.lookup();
        let bad = NoStack::ConfigError;
        Ok(Self {
            client: trust::connection(&lookup).map_err(bad)?.secrets(),
            arn: settings::required(&lookup, "HALLPASS_KEYS_SECRET").map_err(bad)?,
            refresh: settings::key_refresh(&lookup).map_err(bad)?,
        })
    }

    pub(crate) async fn keyring(&self) -> Result<Keyring, Failure> {
        Ok(self.version().await?.keyring)
    }

    async fn version(&self) -> Result<Versioned, Failure> {
        keys::fetch(&self.client, &self.arn).await
    }

    async fn replace(&self, version_id: &str, keyring: &Keyring) -> Result<(), CommandError> {
        if keys::replace(&self.client, &self.arn, version_id, keyring).await? {
            return Ok(());
        }
        Err(CommandError::rejected(
            "the keyring was changed at the same time; nothing was written, run the command again",
        ))
    }
}

/// `key new`: writes a new keyring to a file. Needs no stack.
///
/// # Errors
/// Returns [`CommandError::Rejected`] if the file exists, or [`CommandError::Io`] if it cannot be
/// written.
pub fn new(out: &Path, terminal: Terminal) -> Result<(), CommandError> {
    let keyring =
        new_key(Timestamp::EPOCH).and_then(|key| Keyring::new(vec![key]).map_err(bad_keyring))?;
    match files::create_private(out, keyring.to_json().expose_secret()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(CommandError::rejected(format!("{} already exists", out.display())));
        }
        written => written.map_err(|error| {
            CommandError::rejected(format!("--out: {}: {error}", out.display()))
        })?,
    }
    let text = format!("wrote {}; keep it secret", out.display());
    Ok(terminal.say(&text, &json!({"wrote": out.display().to_string()}))?)
}

async fn list(secret: &Secret, now: Timestamp, terminal: Terminal) -> Result<(), CommandError> {
    let keyring = secret.keyring().await?;
    let row = |key: &Key| {
        [key.id().to_owned(), state(&keyring, key, now).to_owned(), key.signs_from().to_string()]
    };
    let rows: Vec<[String; 3]> = keyring.keys().iter().map(row).collect();
    let view = |[id, state, signs_from]: &[String; 3]| {
        json!({
            "id": id, "state": state, "signs_from": signs_from,
        })
    };
    let json = rows.iter().map(view).collect();
    Ok(terminal.table(["ID", "STATE", "SIGNS FROM"], &rows, &json)?)
}

fn state(keyring: &Keyring, key: &Key, now: Timestamp) -> &'static str {
    let signs = keyring.signing(now).is_some_and(|signing| signing.id() == key.id());
    match (signs, key.signs_from().has_passed(now)) {
        (true, _) => "signs",
        (false, true) => "verifies",
        (false, false) => "verifies, will sign",
    }
}

/// `key rotate`: adds a key. It verifies for two refresh periods before it signs, so that no
/// function receives a token that is signed with a key it has not fetched.
async fn rotate(
    secret: &Secret,
    cause: &Cause<'_>,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let Versioned { keyring, version_id } = secret.version().await?;
    if keyring.keys().len() >= Keyring::MAX_KEYS {
        return Err(CommandError::rejected("the keyring is full; retire a key first"));
    }
    let signs_from = cause.at.after(secret.refresh.saturating_mul(2));
    let key = new_key(signs_from)?;
    let id = key.id().to_owned();
    secret.replace(&version_id, &keyring.with(key).map_err(bad_keyring)?).await?;
    Event::SigningKeyAdded(&id).log(cause);
    let json = json!({"done": "added", "id": id, "signs_from": signs_from.to_string()});
    Ok(terminal.say(&format!("added {id}; it verifies now and signs from {signs_from}"), &json)?)
}

/// `key export`: prints 32 bytes in base64url to standard output, for a pipe.
async fn export(
    secret: &Secret,
    id: Option<&str>,
    now: Timestamp,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let keyring = secret.keyring().await?;
    let key = match id {
        Some(id) => keyring.keys().iter().find(|key| key.id() == id),
        None => keyring.signing(now),
    };
    let key = key.ok_or_else(|| CommandError::rejected("the keyring has no such key"))?;
    let exported = key.export_jwt();
    let written = terminal.say_secret(
        exported.expose_secret(),
        &json!({"id": key.id(), "jwt_key": exported.expose_secret()}),
    );
    written.map_err(|error| {
        CommandError::Undelivered(format!("the key could not be written: {error}"))
    })
}

/// The arguments of `key retire`.
struct Retirement<'a> {
    id: &'a str,
    end_tokens: bool,
    confirmation: Confirmation,
    cause: Cause<'a>,
    /// How long a gateway caches a response of the authorizer.
    cache: Duration,
}

async fn retire(
    secret: &Secret,
    store: &Store,
    Retirement { id, end_tokens, confirmation, cause, cache }: Retirement<'_>,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let now = cause.at;
    let Versioned { keyring, version_id } = secret.version().await?;
    if !keyring.keys().iter().any(|key| key.id() == id) {
        return Err(CommandError::rejected(format!("the keyring has no key {}", excerpt(id))));
    }
    if keyring.signing(now).is_some_and(|key| key.id() == id) {
        return Err(CommandError::rejected(format!(
            "{id} is the signing key; rotate first, and wait until another key signs"
        )));
    }
    let live = live_tokens(store, now).await?.remove(id).unwrap_or_default();
    if live > 0 && !end_tokens {
        let why =
            format!("retiring {id} invalidates {live} live tokens; pass --end-tokens to do so");
        return Err(CommandError::rejected(why));
    }
    if live > 0 {
        confirmation.ask(&format!("retire {id} and invalidate {live} live tokens?"), terminal)?;
    }
    secret.replace(&version_id, &keyring.without(id).map_err(bad_keyring)?).await?;
    Event::SigningKeyRetired(id).log(&cause);
    // Each function uses the keyring that it fetched last until it fetches the next one.
    let effective_at = now.after(secret.refresh).after(cache).to_string();
    let json = json!({"done": "retired", "id": id, "ended": live, "effective_at": effective_at});
    Ok(terminal.say(
        &format!("retired {id}; {live} live tokens become invalid, everywhere by {effective_at}"),
        &json,
    )?)
}

/// Returns, for each key, the number of its tokens that are accepted or can be accepted again.
async fn live_tokens(store: &Store, now: Timestamp) -> Result<BTreeMap<String, u64>, CommandError> {
    let (mut counts, mut place) = (BTreeMap::<String, u64>::new(), None);
    loop {
        let part = store.part(place.as_ref()).await?;
        let record = |kind| if let Kind::Record(record) = kind { Some(*record) } else { None };
        let records: Vec<Record> =
            part.entries.into_iter().filter_map(|entry| record(entry.kind)).collect();
        let ids: BTreeSet<UserId> = records.iter().map(|record| record.id.user_id).collect();
        let users = store.users(&ids.into_iter().collect::<Vec<_>>()).await?;
        for record in records {
            let user = users.get(&record.id.user_id);
            // A token of an unreadable user is rejected now, and accepted again once the user is
            // repaired.
            let is_unreadable = matches!(user, Some(None));
            if is_unreadable
                || lifecycle::state(&record, user.and_then(Option::as_ref), now).counts()
            {
                let count = counts.entry(record.key_id).or_default();
                *count = count.saturating_add(1);
            }
        }
        place = part.next;
        if place.is_none() {
            return Ok(counts);
        }
    }
}

fn new_key(signs_from: Timestamp) -> Result<Key, CommandError> {
    let id = format!("k{:08x}", u32::from_be_bytes(entropy::bytes()?));
    Key::new(id, signs_from, entropy::bytes::<32>()?.to_vec().into()).map_err(bad_keyring)
}

#[expect(clippy::needless_pass_by_value, reason = "used in `map_err`")]
fn bad_keyring(bad: KeyringError) -> CommandError {
    CommandError::Rejected(bad.to_string())
}
