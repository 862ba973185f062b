//! What is kept, and where: DynamoDB for users, tokens and attempts, Secrets Manager for the keyring.
//!
//! This is the only crate that talks to a network. The names of a token's attributes are known in [`item`] alone. Every
//! write is conditional, every read that decides something is strongly consistent, and three kinds of "no" are never
//! mixed: an outcome the caller branches on (an enum), a reason (`token::Reason`), and a [`Failure`].
//!
//! | file | what it holds |
//! |---|---|
//! | [`connect`] | the clients: time limits, retries, TLS |
//! | [`keys`] | the keyring, cached and refreshed |
//! | [`verify`] | from the text of a token to a decision, with one read |
//! | [`list`] | a user's records, page by page |
//! | [`live`] | the tokens of a user that may be accepted, and how many they are |
//! | [`tokens`] | making, listing and taking back records |
//! | [`issued`] | what tokens issued, for any user |
//! | [`developer`] | the one developer token of a user |
//! | `condition` | the one condition that a record is live, for transactions |
//! | [`rotation`] | one token takes the place of another |
//! | [`sessions`] | who signed in with a browser |
//! | [`size`] | how long a record may become |
//! | [`flows`] | log-ins of two requests |
//! | [`forms`] | forms that are good for one time |
//! | [`marks`] | marks of changes, for the routes that issue tokens |
//! | [`users`] | finding users |
//! | [`changes`] | changes of users: blocking, revoking all their tokens, passwords, permissions |
//! | [`management`] | adding, renaming, removing and listing users, for applications that have no user management |
//! | [`names`] | one user per name |
//! | [`attempts`] | the limiter of log-ins |
//! | [`presence`] | whether the tables are there, for the init of a function |
//! | [`sweep`] | invalidating and purging, for prune |
//! | [`inspection`] | what the engine says of the tables, for `hallpass doctor` |

use aws_sdk_dynamodb::Client;

pub mod attempts;
pub mod changes;
mod condition;
pub mod connect;
pub mod developer;
pub mod failure;
pub mod flows;
pub mod forms;
pub mod inspection;
pub mod issued;
pub mod item;
pub mod keys;
pub mod list;
pub mod live;
pub mod management;
pub mod marking;
pub mod marks;
pub mod names;
pub mod presence;
pub mod rotation;
pub mod sessions;
pub mod size;
pub mod sweep;
pub mod tokens;
pub mod users;
pub mod verify;

pub use failure::Failure;
pub use keys::Keys;
pub use verify::Rejected;

/// The tables, and the client that reaches them.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    tables: Tables,
}

/// The names of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The application's users.
    pub users: String,
    /// The records of tokens.
    pub tokens: String,
    /// The counters of log-ins, and the place of the sweep.
    pub attempts: String,
}

impl Store {
    /// The store behind this client.
    pub const fn new(client: Client, tables: Tables) -> Self {
        Self { client, tables }
    }
}
