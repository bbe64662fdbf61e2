//! Where the time of one run goes: every kernel timed on one thread, gathered by kind. The thread's own
//! time counts, so that what else the machine does shows less.

use super::run::Cpu;
use std::collections::BTreeMap;

/// What the kernels of one kind took in one run on one thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The kernel's kind, `conv output`, and the sizes that matter, `14×14 of 64`.
    pub kind: String,
    pub sizes: String,
    /// Calls: kernels times tasks.
    pub calls: usize,
    pub seconds: f64,
    pub flops: u64,
}

impl Cpu {
    /// Runs every kernel once for every task on the calling thread, timing each; the slowest kind first.
    /// Sums over tasks and state stay as the last run left them.
    pub fn profile(&mut self) -> Vec<Share> {
        let mut shares: BTreeMap<(String, String), Share> = BTreeMap::new();
        for segment in self.plan().segments.clone() {
            for task in 0..segment.tasks {
                for k in segment.kernels.clone() {
                    let kernel = &self.plan().kernels[k];
                    let (kind, sizes, tasks) = (kernel.name(), sizes(kernel), kernel.tasks);
                    let one_run = if segment.tasks > 1 { tasks } else { 1 };
                    let flops = kernel.flops() / one_run as u64;
                    let begun = thread_seconds();
                    if segment.tasks > 1 {
                        self.run_kernel(k, task);
                    } else {
                        (0..tasks).for_each(|task| self.run_kernel(k, task));
                    }
                    let seconds = thread_seconds() - begun;
                    let key = (kind.clone(), sizes.clone());
                    let empty = Share { kind, sizes, calls: 0, seconds: 0.0, flops: 0 };
                    let share = shares.entry(key).or_insert(empty);
                    share.calls += 1;
                    share.seconds += seconds;
                    share.flops += flops;
                }
            }
        }
        let mut all: Vec<Share> = shares.into_values().collect();
        all.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        all
    }
}

/// Seconds that this thread has run.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn thread_seconds() -> f64 {
    const THREAD_CPUTIME: i32 = 3;
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
    }
    let mut time = [0i64; 2];
    // Safety: on 64-bit Linux a timespec is two 64-bit integers.
    let failed = unsafe { clock_gettime(THREAD_CPUTIME, &mut time) } != 0;
    assert!(!failed, "Linux has a clock for each thread");
    time[0] as f64 + time[1] as f64 * 1e-9
}

/// Seconds by the clock on the wall, elsewhere.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn thread_seconds() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

fn sizes(kernel: &crate::plan::Kernel) -> String {
    use crate::plan::Kind;
    use crate::plan::kernel::Places;
    match &kernel.kind {
        Kind::Sweep(s) => format!("{:?}", s.space),
        Kind::MatMul(m) => format!("{}×{}×{}", m.m, m.k, m.n),
        Kind::Conv(c) => {
            format!("{}×{} of {}", c.geometry.image[0], c.geometry.image[1], c.channels[0])
        }
        Kind::Choose(c) => match &c.places {
            Places::Window { h, w, c, .. } => format!("{h}×{w}×{c}"),
            Places::Axis { space, .. } => format!("{space:?}"),
        },
        Kind::Random(r) => format!("{}", r.len),
    }
}
