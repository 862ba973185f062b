//! Holds a request, so that something else happens between two requests of one call.

use super::{Fault, Tap};

impl Tap {
    /// Holds the `call`th request of this operation from now on, and runs something else meanwhile.
    /// Returns `false` if `asking` finished before that request.
    pub async fn meanwhile<T>(
        &self,
        operation: &'static str,
        call: usize,
        asking: impl Future<Output = T>,
        doing: impl Future<Output = ()>,
    ) -> (T, bool) {
        self.inject(operation, call, 1, Fault::Hold);
        let held = async {
            self.state.held.notified().await;
            doing.await;
            self.state.released.notify_one();
        };
        let (mut asking, mut held) = (std::pin::pin!(asking), std::pin::pin!(held));
        let outcome = tokio::select! {
            response = &mut asking => (response, false),
            () = &mut held => (asking.await, true),
        };
        self.heal();
        outcome
    }
}
