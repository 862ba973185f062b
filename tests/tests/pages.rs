//! The pages as a person with a browser uses them: over HTTPS, with cookies and forms, and with any
//! input.
//!
//! | file | contents |
//! |---|---|
//! | `signing_in` | who gets a session, its cookies, its end, and what it cannot be used for |
//! | `cookies` | which of many cookies count |
//! | `forms` | forms that are sent twice, and forms of old tabs |
//! | `impact` | what an action ends is on the page before it is confirmed |
//! | `sessions` | sessions end with their user's tokens, permanently |
//! | `notices` | the message of a page after a form revoked tokens |
//! | `own` | the page of the user's own tokens |
//! | `stolen` | revoking everything that a stolen session issued |
//! | `admin` | the administrator's pages |
//! | `edit` | the forms that add and change users |
//! | `all_tokens` | the list of the tokens of all users |
//! | `users` | the list of users |
//! | `everywhere` | the rules of every page: no markup from outside, every link below the base path, no page without the database |
//! | `files` | style sheets, scripts and Swagger UI: their types, caching and compression |

mod admin;
mod all_tokens;
mod cookies;
mod edit;
mod everywhere;
mod files;
mod forms;
mod impact;
mod notices;
mod offers;
mod own;
mod sessions;
mod signing_in;
mod stolen;
mod users;
