//! What a plan needs before it can run: its kernels made ready, and how much memory they take.

use super::code::Code;
use super::isa::Isa;
use super::sweep::BLOCK;
use super::table::Table;
use super::tree::CHUNKS;
use crate::exec::Cost;
use crate::plan::Plan;
use std::collections::HashMap;

/// A plan's kernels made ready, and what running them takes, in floats: nothing is allocated yet.
pub(super) struct Ready {
    pub codes: Vec<Code>,
    /// Of each segment: chunks of tasks, and the length of one chunk's sums.
    pub sums: Vec<(usize, usize)>,
    /// Of each worker.
    pub floats: usize,
    pub registers: usize,
    pub partial: usize,
    /// Of all together.
    pub meeting: usize,
}

impl Ready {
    pub fn new(plan: &Plan, isa: Isa) -> Self {
        // Kernels remember numbers of buffers, not where they stand, and ask only whether two views begin at the same
        // place: any addresses serve that lie far enough apart.
        let apart = |i: usize| std::ptr::without_provenance_mut::<f32>((i + 1) << 36);
        let own: Vec<*mut f32> = (2..plan.buffers.len() + 2).map(apart).collect();
        let table = Table::new(plan, &own, apart(0), apart(1));
        let mut codes = Vec::with_capacity(plan.kernels.len());
        let (mut sums, mut shapes) = (Vec::new(), HashMap::new());
        for segment in &plan.segments {
            for kernel in &plan.kernels[segment.kernels.clone()] {
                let at_once = if segment.tasks == 1 { kernel.tasks } else { 1 };
                codes.push(Code::new(isa, kernel, &table, at_once, &mut shapes));
            }
            let sums_len = segment.task_sums.iter().map(|sum| plan.buffers[sum.to].len).sum();
            sums.push((CHUNKS.min(segment.tasks), sums_len));
        }
        let most = |all: &mut dyn Iterator<Item = usize>| all.max().unwrap_or(0);
        let floats = most(&mut codes.iter().map(|code| code.scratch(isa).0));
        let registers = most(&mut codes.iter().map(|code| code.scratch(isa).1));
        let partial = most(&mut codes.iter().map(|code| code.partial_len));
        let packed = most(&mut codes.iter().map(|code| code.packed_len));
        Self { codes, sums, floats, registers, partial, meeting: partial.max(packed) }
    }

    pub fn cost(&self, plan: &Plan, threads: usize) -> Cost {
        let (fixed, arena) = plan.bytes();
        let sums: usize = self.sums.iter().map(|(chunks, len)| chunks * len).sum();
        let fixed = fixed + 4 * (sums + self.meeting) as u64;
        let worker = arena + 4 * (self.floats + self.registers * BLOCK + self.partial) as u64;
        Cost {
            flops: plan.flops(),
            peak_bytes: fixed + worker * threads as u64,
            worker_bytes: worker,
            kernels: plan.kernels.len(),
        }
    }
}
