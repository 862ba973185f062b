//! Handles Ctrl-C during long work: the work stops between two steps, so that no step is left half
//! done.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::signal::unix::{SignalKind, signal};

/// A flag that is set once the process receives SIGINT or SIGTERM.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

/// The exit status of an interrupted process, by the convention of shells: 128 plus the number of
/// the signal.
const STATUS: i32 = 130;

impl Interrupt {
    /// Starts to catch SIGINT and SIGTERM. The second signal exits the process at once.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if the signal handlers cannot be installed.
    pub fn watch() -> io::Result<Self> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let received = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&received);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if flag.swap(true, Ordering::SeqCst) {
                    std::process::exit(STATUS);
                }
            }
        });
        Ok(Self(received))
    }

    /// Returns whether a signal was received.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
