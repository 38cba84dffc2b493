//! Waiting for a future on the calling thread, whatever that thread is.
//!
//! A runtime's own `block_on` panics on threads of an async runtime, and the courier writes recordings from one.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::Runtime;
use tokio::task::coop::unconstrained;

/// Waits for a future whose connections and timers are those of `runtime`, which has threads of its own.
pub(super) fn block_on<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let _context = runtime.enter();
    // On a thread of another runtime, tokio limits how many events one poll may handle. This is one poll of that runtime, however
    // long it waits: beyond the limit it would never see an event again.
    let mut future = pin!(unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        thread::park();
    }
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn own_runtime() -> Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    }

    #[test]
    fn a_thread_of_another_runtime_can_wait_for_many_events() {
        let (own, other) = (own_runtime(), own_runtime());
        let (sender, ended) = std::sync::mpsc::channel();
        // A thread that waits for ever does not keep the test from failing.
        thread::spawn(move || {
            other.block_on(async {
                block_on(&own, async {
                    // More than tokio lets one poll handle.
                    for _ in 0..1000 {
                        tokio::task::coop::consume_budget().await;
                    }
                });
            });
            sender.send(()).unwrap();
        });
        ended.recv_timeout(Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn a_thread_of_another_runtime_can_wait() {
        let own = own_runtime();
        let other = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let value = other.block_on(async {
            block_on(&own, async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                tokio::spawn(async { 7 }).await.unwrap()
            })
        });
        assert_eq!(value, 7);
    }
}
