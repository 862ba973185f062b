//! Captures the log for a test.

use std::{
    io,
    sync::{Arc, Mutex},
};

/// The lines written so far. A line must be written in one call, or lines of two threads would mix.
#[derive(Clone, Debug, Default)]
pub struct Lines(pub Arc<Mutex<Vec<String>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
