//! Storage: DynamoDB for users, tokens and attempts, Secrets Manager for the keyring.
//!
//! Only [`item`] knows the names of a token's
//! attributes. Every write is conditional, every read that a decision depends on is strongly
//! consistent, and three kinds of "no" are never mixed: an outcome that the caller branches on (an
//! enum), a rejection reason (`hallpass_token::Reason`), and a [`Failure`].
//!
//! | module | contents |
//! |---|---|
//! | [`connect`] | the AWS clients: time limits, retries, TLS |
//! | [`keys`] | the keyring, cached and refreshed |
//! | [`verify`] | decides about the text of a token, with one read |
//! | [`last_change`] | who last changed a record, for an explanation |
//! | [`list`] | lists a user's records, page by page |
//! | [`live`] | lists and counts the tokens of a user that can be accepted |
//! | [`tokens`] | creates, reads and revokes records |
//! | [`issued`] | finds the tokens that tokens have issued, for any user |
//! | [`developer`] | the developer token of a user |
//! | `batch` | reads many items by their keys |
//! | `condition` | the condition that a record is live, for transactions |
//! | [`rotation`] | replaces one token with another |
//! | [`sessions`] | browser sessions |
//! | [`size`] | the maximum size of a record |
//! | [`flows`] | log-ins that take two requests |
//! | [`forms`] | forms that can be sent once |
//! | [`marks`] | marks of changes, for the routes that issue tokens |
//! | [`users`] | finds users |
//! | [`changes`] | changes users: blocks them, revokes all their tokens, sets passwords and permissions |
//! | [`management`] | adds, renames, deletes and lists users, for applications without user management |
//! | [`names`] | keeps names unique |
//! | [`links`] | links users to their identities at an identity provider |
//! | [`notes`] | what is kept about the uses of a token, outside of its record |
//! | [`offers`] | tokens that are offered to a user and do not exist yet |
//! | [`client_secret`] | the secret of Hallpass as a client of that provider |
//! | [`scan`] | reads a whole table part by part, for lists |
//! | [`attempts`] | the rate limit of log-ins |
//! | [`presence`] | checks the tables in the init of a function |
//! | [`sweep`] | invalidates and purges, for prune |
//! | [`inspection`] | describes the tables, for `hallpass doctor` |

use aws_sdk_dynamodb::Client;

pub mod attempts;
mod batch;
pub mod changes;
pub mod client_secret;
mod condition;
pub mod connect;
pub mod developer;
mod edit;
pub mod failure;
pub mod flows;
pub mod forms;
pub mod inspection;
pub mod issued;
pub mod item;
pub mod keys;
pub mod last_change;
pub mod links;
pub mod list;
pub mod live;
pub mod maintainers;
pub mod management;
pub mod marking;
pub mod marks;
pub mod names;
mod new_user;
pub mod notes;
pub mod offers;
pub mod portal;
pub mod presence;
pub mod rotation;
pub mod scan;
pub mod sessions;
pub mod size;
pub mod sweep;
pub mod tokens;
pub mod users;
pub mod verify;

pub use failure::Failure;
pub use keys::Keys;
pub use verify::{Rejected, Verification};

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
    /// The counters of log-ins, and the position of the sweep.
    pub attempts: String,
}

impl Store {
    /// Creates a store from a client and the names of the tables.
    pub const fn new(client: Client, tables: Tables) -> Self {
        Self { client, tables }
    }
}
