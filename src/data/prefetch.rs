//! Batches built ahead: one background thread fills buffers that go round and round.
//!
//! The thread takes a spent buffer, fills it for the next step and queues it; the caller takes them in
//! order. There are never more buffers than were given, so the queue is bounded and nothing is allocated
//! once running. What is built depends on the step alone, so the result is the same as without a thread.

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Batches of type `B` for a range of steps, in order. Dropping it stops and joins the thread.
pub struct Prefetch<B> {
    ready: Option<Receiver<(u32, B)>>,
    spent: Option<SyncSender<B>>,
    current: Option<(u32, B)>,
    worker: Option<JoinHandle<()>>,
}

impl<B: Send + 'static> Prefetch<B> {
    /// Starts the thread. `fill` gets each step of `steps` and one of `buffers` (two at least: one in
    /// use, one being filled) and leaves the step's batch in it, whatever was there before.
    #[track_caller]
    pub fn new(
        steps: Range<u32>,
        buffers: Vec<B>,
        mut fill: impl FnMut(u32, &mut B) + Send + 'static,
    ) -> Self {
        assert!(buffers.len() >= 2, "{} buffers; at least 2 are needed", buffers.len());
        let (to_ready, ready) = sync_channel(buffers.len());
        let (spent, from_spent) = sync_channel(buffers.len());
        for buffer in buffers {
            spent.send(buffer).expect("the receiver is held above");
        }
        let work = move || {
            for step in steps {
                // Either channel closed means that nobody waits any more.
                let Ok(mut buffer) = from_spent.recv() else { return };
                fill(step, &mut buffer);
                if to_ready.send((step, buffer)).is_err() {
                    return;
                }
            }
        };
        let worker = std::thread::Builder::new().name("prefetch".into()).spawn(work);
        let worker = worker.expect("the system refuses another thread");
        Self { ready: Some(ready), spent: Some(spent), current: None, worker: Some(worker) }
    }

    /// The next step and its batch, `None` after the last. The batch handed out before goes back to be
    /// filled again. A panic in `fill` is continued here.
    #[allow(clippy::should_implement_trait)] // an iterator cannot lend from itself
    pub fn next(&mut self) -> Option<(u32, &B)> {
        if let Some((_, buffer)) = self.current.take() {
            // After its last step the thread is gone and wants no buffers.
            let _ = self.spent.as_ref()?.send(buffer);
        }
        match self.ready.as_ref()?.recv() {
            Ok(batch) => self.current = Some(batch),
            Err(_) => self.join(),
        }
        self.current.as_ref().map(|(step, buffer)| (*step, buffer))
    }

    fn join(&mut self) {
        if let Some(Err(panic)) = self.worker.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl<B> Drop for Prefetch<B> {
    fn drop(&mut self) {
        // Closing both channels first wakes the thread wherever it waits.
        (self.ready, self.spent) = (None, None);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join(); // a panic here would abort a program that is already unwinding
        }
    }
}
