//! The pages as somebody with a browser meets them: over HTTPS, with cookies and forms, and with all that can be typed.
//!
//! | file | what it holds |
//! |---|---|
//! | `signing_in` | who gets a session, its cookies, its end, and what it is not good for |
//! | `own` | the page of one's own tokens |
//! | `admin` | the administrator's pages |
//! | `everywhere` | what is true of every page: no markup from outside, every link below the base path, no store no page |

mod admin;
mod everywhere;
mod own;
mod signing_in;
