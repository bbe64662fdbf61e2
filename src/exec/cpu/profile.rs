//! Where the time of one run goes: every kernel timed on one thread, gathered by kind.

use super::run::Cpu;
use std::collections::BTreeMap;
use std::time::Instant;

/// What the kernels of one kind took in one run on one thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Kind and sizes that matter, `conv output 14×14`.
    pub name: String,
    /// Calls: kernels times tasks.
    pub calls: usize,
    pub seconds: f64,
    pub flops: u64,
}

impl Cpu {
    /// Runs every kernel once for every task on the calling thread, timing each; the slowest kind first.
    /// Sums over tasks and state stay as the last run left them.
    pub fn profile(&mut self) -> Vec<Share> {
        let mut shares: BTreeMap<String, Share> = BTreeMap::new();
        for segment in self.plan().segments.clone() {
            for task in 0..segment.tasks {
                for k in segment.kernels.clone() {
                    let kernel = &self.plan().kernels[k];
                    let (name, tasks) = (label(kernel), kernel.tasks);
                    let one_run = if segment.tasks > 1 { tasks } else { 1 };
                    let flops = kernel.flops() / one_run as u64;
                    let begun = Instant::now();
                    if segment.tasks > 1 {
                        self.run_kernel(k, task);
                    } else {
                        (0..tasks).for_each(|task| self.run_kernel(k, task));
                    }
                    let seconds = begun.elapsed().as_secs_f64();
                    let empty = Share { name: name.clone(), calls: 0, seconds: 0.0, flops: 0 };
                    let share = shares.entry(name).or_insert(empty);
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

fn label(kernel: &crate::plan::Kernel) -> String {
    use crate::plan::Kind;
    use crate::plan::kernel::Places;
    let size = match &kernel.kind {
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
    };
    format!("{} {size}", kernel.name())
}
