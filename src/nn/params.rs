//! Named parameters on a tape, in a fixed order.
//!
//! Names are paths, `block1/conv/weight`. One list of names serves all copies of the same parameters (shared
//! weights, fast weights after each inner step, gradients), so copying one costs a few words a tensor.

use std::rc::Rc;

use crate::tape::{Tape, Var};

use super::{Spec, Weights};

/// Parameters by name: shared ones `[1, ...]`, per-task ones `[tasks, ...]`.
#[derive(Clone, Debug)]
pub struct Params<'t> {
    names: Rc<[String]>,
    /// Whether an inner loop changes it.
    adapts: Rc<[bool]>,
    vars: Vec<Var<'t>>,
}

impl<'t> Params<'t> {
    /// Panics unless there is one name for each value and no name twice.
    #[track_caller]
    pub fn new(names: &[&str], vars: Vec<Var<'t>>) -> Self {
        assert_eq!(names.len(), vars.len(), "names and values");
        for (i, name) in names.iter().enumerate() {
            assert!(!names[..i].contains(name), "the name {name} stands twice");
        }
        let names = names.iter().map(|name| name.to_string()).collect();
        Self { names, adapts: vec![true; vars.len()].into(), vars }
    }

    /// An input slot for each parameter of a model, in its order.
    pub fn inputs(tape: &'t Tape, spec: &[Spec]) -> Self {
        let vars = spec.iter().map(|s| tape.input(s.shape)).collect();
        let names: Vec<&str> = spec.iter().map(|s| &s.name[..]).collect();
        let adapts = spec.iter().map(|s| s.adapts).collect();
        Self { adapts, ..Self::new(&names, vars) }
    }

    /// Constants with the values of `weights`.
    pub fn constants(tape: &'t Tape, weights: &Weights) -> Self {
        let constant = |w: &super::Weight| {
            tape.data(w.shape, &w.values.iter().map(|&v| v as f64).collect::<Vec<_>>())
        };
        let names: Vec<&str> = weights.iter().map(|w| &w.name[..]).collect();
        Self::new(&names, weights.iter().map(constant).collect())
    }

    /// The same names with other values.
    #[track_caller]
    pub fn with(&self, vars: Vec<Var<'t>>) -> Self {
        assert_eq!(vars.len(), self.vars.len(), "values for {:?}", self.names);
        Self { vars, ..self.clone() }
    }

    /// The same parameters, of which an inner loop changes those whose name `which` picks.
    pub fn adapting(&self, which: impl Fn(&str) -> bool) -> Self {
        Self { adapts: self.names.iter().map(|name| which(name)).collect(), ..self.clone() }
    }

    /// The parameter of this name. Panics where there is none: a mistake in the model.
    #[track_caller]
    pub fn get(&self, name: &str) -> Var<'t> {
        match self.names.iter().position(|n| n == name) {
            Some(at) => self.vars[at],
            None => panic!("no parameter {name}; there are {:?}", self.names),
        }
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn vars(&self) -> &[Var<'t>] {
        &self.vars
    }

    /// The positions of the parameters that an inner loop changes.
    pub fn adapting_positions(&self) -> Vec<usize> {
        (0..self.vars.len()).filter(|&i| self.adapts[i]).collect()
    }

    /// The parameters that an inner loop changes.
    pub fn adapting_vars(&self) -> Vec<Var<'t>> {
        self.adapting_positions().into_iter().map(|i| self.vars[i]).collect()
    }

    /// A copy of each parameter for each of `tasks` tasks: its derivative is the sum over tasks.
    pub fn per_task(&self, tasks: usize) -> Self {
        self.with(self.vars.iter().map(|w| w.per_task(tasks)).collect())
    }
}
