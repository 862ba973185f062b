//! The environment of the functions: emulators of DynamoDB and Secrets Manager behind TLS on
//! loopback, users, and tokens with their records.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use dynoxide::Database;
use hallpass_dev::{ca, demo, engine::Engine, secrets::Secrets, template::Template};
use hallpass_password::password;
use hallpass_runtime::clock;
use hallpass_service::service;
use hallpass_store::Store;
use hallpass_token::{
    Binding, Cause, Entropy, Family, Format, Issuer, Keyring, Record, Snapshot, Text, Timestamp,
    User, UserId,
    codec::{IssuedText, jwt, signed},
    keyring::Key,
};
use serde_json::{Value, json};

use crate::{Outcome, front::Front};

/// The AWS region.
pub const REGION: &str = "local";

/// The table that the peers read, with one item per token.
pub const PEERS_TABLE: &str = "Sessions";

/// The name of the secret.
pub const SECRET_NAME: &str = "KeyRing";

/// The environment of the functions.
pub struct Cloud {
    /// The DynamoDB emulator behind TLS.
    pub dynamodb: Front,
    /// The Secrets Manager emulator behind TLS.
    pub secrets: Front,
    /// The path of the certificate of the authority that signed the certificates of both.
    pub ca: String,
    /// The tables, accessed without a network.
    pub database: Database,
    /// The keyring, of one key, as JSON.
    pub keyring: Text,
    /// The exported key with which the peers verify JWTs.
    pub jwt_secret: Text,
    /// The tokens.
    pub tokens: Tokens,
    keys: Keyring,
    store: Store,
    user: User,
    _engine: Engine,
    _vault: Secrets,
}

/// The texts of the tokens that the functions receive.
#[derive(Debug)]
pub struct Tokens {
    /// A valid signed token.
    pub signed: Text,
    /// A valid JWT, which the peers can verify as well.
    pub jwt: Text,
    /// A signed token from another keyring.
    pub signed_forged: Text,
    /// A JWT from another keyring.
    pub jwt_forged: Text,
    /// An expired signed token.
    pub signed_expired: Text,
    /// An expired JWT.
    pub jwt_expired: Text,
}

const LIFETIME: Duration = Duration::from_secs(86_400);

impl Cloud {
    /// Starts the emulators, with certificates in this folder.
    pub async fn start(folder: &Path) -> Outcome<Self> {
        let now = clock::now();
        let database = Database::memory()?;
        let template = Template::parse(include_str!("../../template.yaml"))?;
        let engine = Engine::start(database.clone(), &template.tables)?;
        let (keyring, other) =
            (Keyring::new(vec![key(SIGNING, FIRST)?])?, Keyring::new(vec![key("other", 101)?])?);
        let vault = Secrets::start("local".to_owned(), &keyring, None).await?;
        let tls = ca::server_config(folder, now.unix())?;
        let dynamodb = Front::start(Arc::clone(&tls), &engine.endpoint())?;
        let secrets = Front::start(tls, &vault.endpoint())?;

        let environment: BTreeMap<&str, String> = [
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("HALLPASS_DYNAMODB_ENDPOINT", engine.endpoint()),
        ]
        .into_iter()
        .chain(tables().map(|(name, table)| (name, table.to_owned())))
        .collect();
        let store = service::store(&|name| environment.get(name).cloned())?;
        demo::add(&store, |text| password::hash(text, [7; 16]), 5)
            .await
            .map_err(|failure| failure.report())?;
        let user_id: UserId = "1".parse().map_err(|_| "the user id of the demo")?;
        let user = store
            .user(&user_id)
            .await
            .map_err(|failure| failure.report())?
            .ok_or("no demo user")?;

        let tokens = issue(&store, &user, &keyring, &other, now).await?;
        peers_table(&database, tokens.jwt.expose_secret())?;
        let jwt_secret = keyring.keys().first().ok_or("the keyring is empty")?.export_jwt();
        let ca = folder
            .join(ca::CA)
            .to_str()
            .ok_or("the path of the certificate is not text")?
            .to_owned();
        let (keys, keyring) = (keyring.to_json(), keyring);
        Ok(Self {
            keys: keyring,
            store,
            user,
            keyring: keys,
            dynamodb,
            secrets,
            ca,
            database,
            jwt_secret,
            tokens,
            _engine: engine,
            _vault: vault,
        })
    }
}

/// Issues the tokens, and stores the records of the valid ones.
async fn issue(
    store: &Store,
    user: &User,
    keyring: &Keyring,
    other: &Keyring,
    now: Timestamp,
) -> Outcome<Tokens> {
    let earlier = Timestamp::from_unix(now.unix() - 7_200).ok_or("the clock")?;
    let later = now.after(LIFETIME);
    let expired = Timestamp::from_unix(now.unix() - 3_600).ok_or("the clock")?;
    let good =
        [sign(keyring, Format::Signed, now, later, 1)?, sign(keyring, Format::Jwt, now, later, 2)?];
    for (signed, format) in good.iter().zip([Format::Signed, Format::Jwt]) {
        let record = record(signed, format, user, now, later, Some(now));
        store.insert(&record, &Cause::system(now)).await.map_err(|failure| failure.report())?;
    }
    let [signed, jwt] = good;
    Ok(Tokens {
        signed: signed.text,
        jwt: jwt.text,
        signed_forged: sign(other, Format::Signed, now, later, 3)?.text,
        jwt_forged: sign(other, Format::Jwt, now, later, 4)?.text,
        signed_expired: sign(keyring, Format::Signed, earlier, expired, 5)?.text,
        jwt_expired: sign(keyring, Format::Jwt, earlier, expired, 6)?.text,
    })
}

/// Returns a keyring of this many keys as JSON. The newest key is that of [`Cloud::keyring`].
pub fn keyring_of(keys: u8) -> Outcome<Text> {
    let mut all = Vec::new();
    for older in 1..keys {
        all.push(key(&format!("older-{older}"), older)?);
    }
    all.push(key(SIGNING, FIRST)?);
    Ok(Keyring::new(all)?.to_json())
}

/// Returns the variables that name the tables, with the names of the development stack.
pub fn tables() -> [(&'static str, &'static str); 3] {
    [
        ("HALLPASS_USERS_TABLE", "Users"),
        ("HALLPASS_TOKENS_TABLE", "Tokens"),
        ("HALLPASS_ATTEMPTS_TABLE", "Attempts"),
    ]
}

impl Cloud {
    /// Issues this many tokens without a recorded use.
    pub async fn unused(&self, count: u32) -> Outcome<Vec<Text>> {
        let now = clock::now();
        let mut texts = Vec::new();
        for number in 0..count {
            let mut secret = [9; 16];
            secret[..4].copy_from_slice(&number.to_be_bytes());
            let signed = sign_with(
                &self.keys,
                Format::Signed,
                now,
                now.after(LIFETIME),
                &Entropy::new(secret),
            )?;
            let record =
                record(&signed, Format::Signed, &self.user, now, now.after(LIFETIME), None);
            self.store
                .insert(&record, &Cause::system(now))
                .await
                .map_err(|failure| failure.report())?;
            texts.push(signed.text);
        }
        Ok(texts)
    }
}

/// The ID of the key that signs every valid token.
const SIGNING: &str = "bench";

/// The first byte and the start time of the signing key. Older keys of [`keyring_of`] have smaller
/// values.
const FIRST: u8 = 10;

fn key(id: &str, first: u8) -> Outcome<Key> {
    let bytes: Vec<u8> = (0..32)
        .map(|byte: u8| byte.wrapping_mul(byte).wrapping_mul(7).wrapping_add(first))
        .collect();
    let signs_from = Timestamp::from_unix(first.into()).ok_or("the epoch")?;
    Ok(Key::new(id.to_owned(), signs_from, bytes.into())?)
}

fn sign(
    keyring: &Keyring,
    format: Format,
    now: Timestamp,
    until: Timestamp,
    seed: u8,
) -> Outcome<IssuedText> {
    sign_with(keyring, format, now, until, &Entropy::new([seed; 16]))
}

fn sign_with(
    keyring: &Keyring,
    format: Format,
    now: Timestamp,
    until: Timestamp,
    secret: &Entropy,
) -> Outcome<IssuedText> {
    let issuer = Issuer::new("", "hallpass")?;
    let user_id: UserId = "1".parse().map_err(|_| "the user id of the demo")?;
    if format == Format::Signed {
        return Ok(signed::sign(keyring, &issuer, now, user_id, until, secret)?);
    }
    let contents = jwt::Contents {
        user_id,
        audience: jwt::Audience::User,
        expires_at: until,
        name: "my_username",
    };
    Ok(jwt::sign(keyring, &issuer, now, contents, secret)?)
}

/// Returns the record as generate writes it. With a use within the last hour, a call does not
/// write.
fn record(
    signed: &IssuedText,
    format: Format,
    user: &User,
    now: Timestamp,
    until: Timestamp,
    last_used_at: Option<Timestamp>,
) -> Record {
    let binding = Binding::new(["username", "password_hash", "status"].map(str::to_owned));
    Record {
        id: signed.id,
        format,
        name: None,
        description: None,
        scope: None,
        issued_at: now,
        issued_by: user.id.to_string(),
        expires_at: Some(until),
        disabled_at: None,
        revoked: None,
        fingerprint: binding.fingerprint(user),
        snapshot: Snapshot::new(&signed.id.hash, &binding, user),
        binding,
        key_id: signed.key_id.clone(),
        family: Family::new(signed.id),
        payload_digest: signed.payload_digest,
        authenticated_at: now,
        expiry_cap: None,
        replaces: None,
        replaced_by: None,
        replaced_at: None,
        last_used_at,
        expiry_notified: None,
        reused_at: None,
        purge_at: Some(until),
    }
}

/// Creates the peers' table with one item, the token by its `jti`.
fn peers_table(database: &Database, jwt: &str) -> Outcome<()> {
    let claims = jwt.split('.').nth(1).ok_or("the JWT has no claims")?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?;
    let table = json!({
        "TableName": PEERS_TABLE,
        "KeySchema": [{"AttributeName": "jti", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "jti", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    database.create_table(serde_json::from_value(table)?)?;
    let item = json!({
        "TableName": PEERS_TABLE,
        "Item": {
            "jti": {"S": claims["jti"]}, "user_id": {"S": claims["sub"]},
            "revoked": {"BOOL": false},
            "scope": {"SS": ["ROLE_USER"]}, "expires_at": {"N": claims["exp"].to_string()},
        },
    });
    database.put_item(serde_json::from_value(item)?)?;
    Ok(())
}
