//! What does a training say of its losses?
//!
//! Two slots of state: their sum since it was last asked for, and the first step at which each was not finite. Both are kept on
//! the tape, so nothing is read back in a step: it costs the same on an executor whose memory is far away,
//! and a diverged run still names its step.

use crate::error::Result;
use crate::exec::Program;
use crate::shape::Shape;
use crate::tape::{Tape, Var};

/// Losses of this size are not numbers any more. Below the largest f32, whose sum over a few steps would not be finite
/// either.
pub(super) const HUGE: f64 = 1e30;

/// The two slots as a step's inputs.
#[derive(Clone, Copy, Debug)]
pub struct Losses<'t> {
    sums: Var<'t>,
    bad: Var<'t>,
}

impl<'t> Losses<'t> {
    /// Sums of the shape `summed`; `watched` losses whose first bad step is kept.
    pub fn inputs(tape: &'t Tape, summed: impl Into<Shape>, watched: usize) -> Self {
        Self { sums: tape.input(summed), bad: tape.input([watched]) }
    }

    /// What the slots hold after step `number`, `[1]`, with these losses; `watched` is `[watched]`.
    pub fn after(&self, losses: Var<'t>, watched: Var<'t>, number: Var<'t>) -> Vec<Var<'t>> {
        // Less is 0 for NaN and for infinity, so this is the step's number for both.
        let fine = watched.less(watched.like(HUGE));
        let trouble = fine.select(watched.like(0.0), number.expand(watched.shape()));
        vec![self.sums + losses, self.bad.select(self.bad, trouble)]
    }
}

/// The same slots of a compiled step.
#[derive(Clone, Copy, Debug)]
pub struct LossSlots {
    /// Slot of the sums; that of the first bad steps is behind it.
    pub sums: usize,
    /// How many numbers each of the two holds.
    pub summed: usize,
    pub watched: usize,
}

impl LossSlots {
    /// The sums since the last call; begins them anew.
    pub fn take_sums(&self, program: &mut dyn Program) -> Result<Vec<f32>> {
        let mut sums = vec![0.0; self.summed];
        program.read_slot(self.sums, &mut sums)?;
        program.write(self.sums, &vec![0.0; self.summed]);
        Ok(sums)
    }

    /// The first step (from 1) at which a loss was not finite, and which it was.
    pub fn first_bad(&self, program: &mut dyn Program) -> Result<Option<(u64, usize)>> {
        let mut steps = vec![0.0; self.watched];
        program.read_slot(self.sums + 1, &mut steps)?;
        let bad = steps.iter().enumerate().filter(|(_, step)| **step != 0.0);
        Ok(bad.map(|(which, &step)| (step as u64, which)).min())
    }
}
