//! Workers: threads that run one job together, and the barrier they meet at.
//!
//! A meta-step enters the pool once. Between steps the workers spin for a moment (a step follows a step
//! within microseconds), then sleep, so that an idle program costs nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// Rounds of spinning before a waiting thread yields. Measured: pure spinning beside foreign load
/// turned a step of 6 ms into one of 312.
const SPINS: u32 = 2_000;
/// Yields before a worker between jobs goes to sleep: about a tenth of a millisecond.
const YIELDS: u32 = 200;

/// Where all workers of one job meet.
pub struct Barrier {
    arrived: AtomicUsize,
    round: AtomicUsize,
    workers: usize,
    /// A worker panicked and will never come.
    broken: AtomicBool,
}

/// Breaks the barrier if the worker that holds this panics, so that the others do not wait for ever.
pub struct Attends<'a>(&'a Barrier);

impl Drop for Attends<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

impl Barrier {
    pub fn new(workers: usize) -> Self {
        let (arrived, round) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { arrived, round, workers, broken: AtomicBool::new(false) }
    }

    /// To be held by every worker as long as others may wait for it.
    pub fn attend(&self) -> Attends<'_> {
        Attends(self)
    }

    /// Returns once every worker has called it; what they wrote before is visible after. Panics if one of them
    /// has panicked instead.
    #[inline]
    pub fn wait(&self) {
        if self.workers == 1 {
            return;
        }
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.workers {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.round.load(Ordering::Acquire) == round {
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
            } else {
                assert!(!self.broken.load(Ordering::Acquire), "another worker panicked");
                std::thread::yield_now();
            }
        }
    }

    /// Whether at least half of the workers wait here, the caller not being one of them.
    #[inline]
    pub fn half_wait(&self) -> bool {
        2 * self.arrived.load(Ordering::Relaxed) >= self.workers
    }
}

/// The parts of one kernel after the other, each claimed once. A worker takes its own stretch first, because
/// what it wrote a kernel ago may still be in its cache, and then what the others have left.
pub struct Parts {
    /// Parts claimed of each worker's stretch; two sets in turn, so that one is cleared while the other serves.
    claimed: [Vec<Line>; 2],
}

/// A counter on a cache line of its own.
#[repr(align(64))]
#[derive(Default)]
struct Line(AtomicUsize);

impl Parts {
    pub fn new(workers: usize) -> Self {
        Self { claimed: [(); 2].map(|_| (0..workers).map(|_| Line::default()).collect()) }
    }

    /// Calls `run` with every part that falls to worker `number`. All workers call it with the same `turn`
    /// and `total`, in the same order, and meet at a barrier between two turns.
    pub fn share(&self, turn: usize, number: usize, total: usize, mut run: impl FnMut(usize)) {
        let (now, next) = (&self.claimed[turn % 2], &self.claimed[(turn + 1) % 2]);
        // The other set was used a turn ago, and since then all have met.
        next[number].0.store(0, Ordering::Relaxed);
        let workers = now.len();
        for owner in (number..workers).chain(0..number) {
            let (from, to) = (total * owner / workers, total * (owner + 1) / workers);
            loop {
                let part = from + now[owner].0.fetch_add(1, Ordering::Relaxed);
                if part >= to {
                    break;
                }
                run(part);
            }
        }
    }
}

/// A job all workers run, each with its number. The pointer lives for the call of [`Pool::run`].
type Job = *const (dyn Fn(usize) + Sync);

struct Shared {
    job: Mutex<Option<SendJob>>,
    wake: Condvar,
    /// Counts jobs; a worker runs when it moves.
    number: AtomicUsize,
    done: AtomicUsize,
    stop: AtomicBool,
    failed: AtomicBool,
}

#[derive(Clone, Copy)]
struct SendJob(Job);
// Safety: the job is `Sync`, and `Pool::run` does not return before every worker is done with it.
unsafe impl Send for SendJob {}

pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// `workers` in all, the calling thread among them.
    pub fn new(workers: usize) -> Self {
        let shared = Arc::new(Shared {
            job: Mutex::new(None),
            wake: Condvar::new(),
            number: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let threads = (1..workers.max(1))
            .map(|worker| {
                let shared = shared.clone();
                std::thread::spawn(move || serve(&shared, worker))
            })
            .collect();
        Self { shared, threads }
    }

    pub fn workers(&self) -> usize {
        self.threads.len() + 1
    }

    /// Runs `job(worker)` on every worker and returns when all have. Panics if one of them did.
    pub fn run(&self, job: &(dyn Fn(usize) + Sync)) {
        if self.threads.is_empty() {
            return job(0);
        }
        let shared = &self.shared;
        // Safety: the lifetime is dropped from the type only; see `SendJob`.
        let job_pointer: Job = unsafe { std::mem::transmute(job as *const (dyn Fn(usize) + Sync)) };
        {
            let mut slot = shared.job.lock().expect("no worker panics while it holds the job");
            *slot = Some(SendJob(job_pointer));
            shared.done.store(0, Ordering::Relaxed);
            shared.number.fetch_add(1, Ordering::Release);
        }
        shared.wake.notify_all();
        let mine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(0)));
        let mut spins = 0;
        while shared.done.load(Ordering::Acquire) < self.threads.len() {
            spins += 1;
            if spins < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        if let Err(panic) = mine {
            std::panic::resume_unwind(panic);
        }
        assert!(!shared.failed.load(Ordering::Acquire), "a worker of the cpu executor panicked");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        {
            let _slot = self.shared.job.lock();
            self.shared.number.fetch_add(1, Ordering::Release);
        }
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve(shared: &Shared, worker: usize) {
    let mut seen = 0;
    loop {
        let (mut spins, mut yields) = (0, 0);
        while shared.number.load(Ordering::Acquire) == seen {
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
            } else if yields < YIELDS {
                yields += 1;
                std::thread::yield_now();
            } else {
                let mut slot = shared.job.lock().expect("no worker panics while it holds the job");
                while shared.number.load(Ordering::Acquire) == seen {
                    slot = shared.wake.wait(slot).expect("as above");
                }
            }
        }
        seen = shared.number.load(Ordering::Acquire);
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        let job = shared.job.lock().expect("as above").expect("a job comes with its number");
        // Safety: `Pool::run` waits for `done`, so the job still lives.
        let run = std::panic::AssertUnwindSafe(|| unsafe { (*job.0)(worker) });
        if std::panic::catch_unwind(run).is_err() {
            shared.failed.store(true, Ordering::Release);
        }
        shared.done.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_runs_every_job_and_meets_at_the_barrier() {
        let pool = Pool::new(3);
        let barrier = Barrier::new(3);
        for _ in 0..200 {
            let (before, after) = (AtomicUsize::new(0), AtomicUsize::new(0));
            pool.run(&|_| {
                before.fetch_add(1, Ordering::SeqCst);
                barrier.wait();
                after.fetch_add(before.load(Ordering::SeqCst), Ordering::SeqCst);
            });
            assert_eq!(after.load(Ordering::SeqCst), 9);
        }
    }

    #[test]
    fn every_part_is_claimed_once_in_every_turn() {
        let (pool, barrier, parts) = (Pool::new(3), Barrier::new(3), Parts::new(3));
        let runs: Vec<AtomicUsize> = (0..17).map(|_| AtomicUsize::new(0)).collect();
        pool.run(&|worker| {
            for turn in 0..100 {
                let total = 1 + turn % 17;
                parts.share(turn, worker, total, |part| {
                    runs[part].fetch_add(1, Ordering::SeqCst);
                });
                barrier.wait();
            }
        });
        let expected = |part: usize| (0..100).filter(|turn| part <= turn % 17).count();
        for (part, runs) in runs.iter().enumerate() {
            assert_eq!(runs.load(Ordering::SeqCst), expected(part), "part {part}");
        }
    }

    #[test]
    fn a_panic_of_a_worker_reaches_the_caller() {
        let pool = Pool::new(2);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(&|worker| assert!(worker == 0, "planted"))
        }));
        assert!(outcome.is_err());
    }

    #[test]
    fn nobody_waits_for_a_worker_that_panicked() {
        let (pool, barrier) = (Pool::new(3), Barrier::new(3));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(&|worker| {
                let _attends = barrier.attend();
                assert!(worker != 1, "planted");
                barrier.wait();
            })
        }));
        assert!(outcome.is_err());
    }
}
