//! Why is a task not ahead of its control (b), a network of its own pretrained on the same labels? How the two stood on
//! source pictures before any target was seen, and what the other tasks' steps were worth to it.

use super::figures::points;
use super::watch::{ALONE, TOGETHER, curve_name, looks};
use crate::doctor::Measurements;
use crate::eval::Interval;
use crate::run::Line;

/// A task together with the others and alone, on source pictures that no batch holds; differences over seeds.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// Steps of both trainings.
    together: u64,
    alone: u64,
    /// Together minus alone where both end.
    ends: Interval,
    /// The same with the network alone after no more steps than together: before its step size fell, where it takes more.
    as_many: Interval,
}

impl Standing {
    fn of(lines: &[Line], study: &str, task: &str, seeds: &[u64]) -> Option<Self> {
        let curve = |method: &str, seed: u64| {
            let curve = looks(lines, &curve_name(study, task, method), seed);
            Some(curve).filter(|curve| !curve.is_empty())
        };
        let (mut steps, mut scores) = ((0, 0), [vec![], vec![], vec![]]);
        for &seed in seeds {
            let (joint, single) = (curve(TOGETHER, seed)?, curve(ALONE, seed)?);
            let (together, alone) = (joint.last()?, single.last()?);
            let early = single.iter().rev().find(|(step, _)| *step <= together.0)?;
            steps = (together.0, alone.0);
            for (all, score) in scores.iter_mut().zip([together.1, alone.1, early.1]) {
                all.push(score);
            }
        }
        let [joint, single, early] = scores;
        let (ends, as_many) = (Interval::paired(&joint, &single), Interval::paired(&joint, &early));
        Some(Self { together: steps.0, alone: steps.1, ends, as_many })
    }

    fn said(&self) -> String {
        let Self { together, alone, ends, as_many } = self;
        let both = format!(
            "{} points on fresh source pictures after {together} steps, where the network alone took {alone}",
            points(ends)
        );
        let early = format!(
            "against that network after no more than {together} steps, {}",
            points(as_many)
        );
        match (ends.below_zero(), ends.above_zero()) {
            (true, _) if as_many.below_zero() => format!(
                "it was behind a network of its own before any target was seen, {both}; {early}: the shared trunk learns it more slowly"
            ),
            (true, _) => format!(
                "it was behind a network of its own before any target was seen, {both}; {early}, which chance would explain: it lacks steps"
            ),
            (_, true) => format!(
                "it was ahead of a network of its own before any target was seen, {both}, and that does not carry over"
            ),
            _ => format!(
                "before any target was seen it could not be told from a network of its own, {both}"
            ),
        }
    }
}

/// A sentence or two on `task`. None without the curves of a study.
pub fn why(
    measured: &Measurements,
    lines: &[Line],
    study: &str,
    task: usize,
    seeds: &[u64],
) -> Option<String> {
    let name = &measured.names[task];
    let standing = Standing::of(lines, study, name, seeds)?;
    let worths: Vec<_> = (0..measured.tasks())
        .filter(|&other| other != task)
        .map(|other| (&measured.names[other], measured.worth(other, task)))
        .collect();
    let said = |(other, worth): &(&String, crate::doctor::Interval)| match worth.mean.is_finite() {
        true => format!("{other} {worth}"),
        false => format!("{other} unknown, as its own do not help it on fresh pictures"),
    };
    let all: Vec<String> = worths.iter().map(said).collect();
    let known = worths.iter().any(|(_, worth)| worth.mean.is_finite());
    let helped = worths.iter().any(|(_, worth)| worth.low() > 0.0);
    let sum = if known && !helped { ": no help that chance would not explain" } else { "" };
    Some(format!(
        "Why {name} is not ahead of (b): {}. What another task's step was worth to it, in steps of its own: {}{sum}.",
        standing.said(),
        all.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Curves of three seeds: together 100 steps; alone 100, and 200.
    fn lines(together: f64, early: f64, late: f64) -> Vec<Line> {
        let mut lines = vec![];
        for seed in 1..=3 {
            let tilt = seed as f64 * 1e-3;
            for (method, step, score) in
                [("joint", 100, together + tilt), ("single", 100, early), ("single", 200, late)]
            {
                let name = format!("s/road/source-{method}");
                lines.push(Line::evaluate(seed, step, &name, score, f64::NAN, 1));
            }
        }
        lines
    }

    fn said(together: f64, early: f64, late: f64) -> String {
        let measured = Measurements::new(&["road", "signal"]);
        why(&measured, &lines(together, early, late), "s", 0, &[1, 2, 3]).expect("curves")
    }

    #[test]
    fn a_task_that_yields_is_told_from_one_that_lacks_steps_and_from_one_that_is_level() {
        let yields = said(0.5, 0.6, 0.7);
        assert!(
            yields.contains("-19.8 ± .2 points") || yields.contains("-19.8 ± 0.2 points"),
            "{yields}"
        );
        assert!(yields.contains("learns it more slowly"), "{yields}");
        let lacks = said(0.5, 0.502, 0.7);
        assert!(lacks.contains("it lacks steps"), "{lacks}");
        let level = said(0.5, 0.4, 0.502);
        assert!(level.contains("could not be told from a network of its own"), "{level}");
        assert!(said(0.9, 0.4, 0.5).contains("it was ahead"));
        assert!(why(&Measurements::new(&["road"]), &[], "s", 0, &[1]).is_none());
    }
}
