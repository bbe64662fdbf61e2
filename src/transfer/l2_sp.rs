//! L2-SP: decay towards the source instead of towards 0.
//! Li, Grandvalet, Davoine, ICML 2018, equation 2: a/2·‖w_S − w_S⁰‖² + b/2·‖w_new‖².

use crate::nn::Params;
use crate::tape::Var;

/// The penalty, `[1]` for shared weights or `[tasks]` for each task's own. Weights that `source` names
/// are drawn to it with `a`, all others (a new head) to 0 with `b`. The paper tries a from 1e-3 to 1, b = .01.
///
/// Panics where a weight of `source` has another shape or no counterpart: give it those that were taken over.
#[track_caller]
pub fn l2_sp<'t>(weights: &Params<'t>, source: &Params<'t>, a: f64, b: f64) -> Var<'t> {
    for name in source.names() {
        assert!(weights.names().contains(name), "the source's {name} has no counterpart");
    }
    let penalty = |(name, &w): (&String, &Var<'t>)| {
        let axes: Vec<usize> = (1..w.shape().rank()).collect();
        let size = |x: Var<'t>| x.square().sum(&axes).reshape([x.shape().tasks()]);
        match source.names().contains(name) {
            true => {
                let origin = source.get(name);
                let (s, o) = (w.shape(), origin.shape());
                assert_eq!(s.dims()[1..], o.dims()[1..], "{name}: {s}, and {o} in the source");
                size(w - origin.detach()) * (a / 2.0)
            }
            false => size(w) * (b / 2.0),
        }
    };
    let all = weights.names().iter().zip(weights.vars()).map(penalty);
    all.reduce(|a, b| a + b).expect("weights to hold near their source")
}
