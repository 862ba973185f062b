//! Ctrl-C during long work: it stops between two steps, so that nothing is half done.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::signal::unix::{SignalKind, signal};

/// Whether the work is to stop.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

/// The exit status of a process that was interrupted, as shells have it: 128 and the number of the signal.
const STATUS: i32 = 130;

impl Interrupt {
    /// Waits for SIGINT or SIGTERM from now on. The second ends the process, whatever it is doing.
    ///
    /// # Errors
    /// When signals cannot be caught.
    pub fn watch() -> io::Result<Self> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let came = Arc::new(AtomicBool::new(false));
        let note = Arc::clone(&came);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if note.swap(true, Ordering::SeqCst) {
                    std::process::exit(STATUS);
                }
            }
        });
        Ok(Self(came))
    }

    /// Whether it is time to stop.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
