//! What a process has besides its input: clock, random bytes, environment, log, and files of this
//! machine.
//!
//! Ambient state is read in this crate only, and passed to the other crates as arguments.
//!
//! | module | contents |
//! |---|---|
//! | [`clock`], [`entropy`] | reading the clock and the random number generator |
//! | [`settings`] | the settings, read once from the environment |
//! | [`event`], [`log`] | what happens; one JSON line for each event |
//! | [`files`], [`local`] | private files; the development stack that runs on this machine |

pub mod clock;
pub mod entropy;
pub mod event;
pub mod files;
pub mod local;
pub mod log;
pub mod settings;

pub use event::Event;
pub use settings::Settings;
