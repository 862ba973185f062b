//! The pages as somebody with a browser meets them: over HTTPS, with cookies and forms, and with all that can be typed.
//!
//! | file | what it holds |
//! |---|---|
//! | `signing_in` | who gets a session, its cookies, its end, and what it is not good for |
//! | `cookies` | which of many cookies count |
//! | `forms` | forms that are sent twice, and forms of old tabs |
//! | `sessions` | sessions end with their user's tokens, for good |
//! | `notices` | what a page says after a form ended tokens |
//! | `own` | the page of one's own tokens |
//! | `stolen` | what a stolen session issued ends with it |
//! | `admin` | the administrator's pages |
//! | `everywhere` | what is true of every page: no markup from outside, every link below the base path, no store no page |

mod admin;
mod cookies;
mod everywhere;
mod forms;
mod notices;
mod own;
mod sessions;
mod signing_in;
mod stolen;
