//! State: after a run some outputs are inputs of the next, in place.

use super::any_program::{
    Family, for_programs, pictures, shapes,
    state::{Stateful, stateful},
};
use super::*;

/// Of `cpu`: rounding goes into the next run, and where a tanh saturates, 1 − tanh² is little more than that.
const RUNS: Tolerance = (1e-3, 1e-1);

/// Three runs, each from what the one before left, with all passes and with none.
fn runs(
    name: &str,
    shapes: &[&[usize]],
    program: impl for<'t> Fn(&'t Tape, &[Var<'t>]) -> Stateful<'t>,
) {
    let tape = Tape::new();
    let leaves: Vec<Var> = shapes.iter().map(|&s| tape.input(Shape::new(s))).collect();
    let (outputs, state) = program(&tape, &leaves);
    let mut now = values(&tape);
    let kinds = [Passes::PLAIN, Passes::FAST];
    let plans = kinds.map(|passes| {
        [Memory::AllTasks, Memory::PerWorker]
            .map(|memory| Plan::with(&tape, &outputs, &state, memory, passes))
    });
    let mut programs: Vec<(String, Cpu)> = vec![];
    for [_, plan] in &plans {
        for isa in Isa::supported() {
            for threads in [1, 3] {
                let what = format!("{name}, cpu {isa:?} {threads} threads");
                programs.push((what, written(plan, isa, threads, &now)));
            }
        }
    }
    for run in 1..=3 {
        let want = evaluate(&tape, &now, &outputs);
        for plan in plans.iter().flatten() {
            close(&format!("{name}, run {run}"), &interpret(plan, &now), &want, EXACT);
        }
        for &(output, slot) in &state {
            now[slot].clone_from(&want[output]);
        }
        for (what, cpu) in &mut programs {
            let what = format!("{what}, run {run}");
            cpu.run().unwrap();
            close(&what, &read(cpu, &want), &want, RUNS);
            let slots: Vec<Vec<f64>> =
                now.iter().enumerate().map(|(slot, now)| held(cpu, slot, now.len())).collect();
            close(&format!("{what}, slots"), &slots, &now, RUNS);
        }
    }
}

/// What a slot holds.
fn held(program: &mut dyn Program, slot: usize, len: usize) -> Vec<f64> {
    let mut values = vec![0.0; len];
    program.read_slot(slot, &mut values).unwrap();
    values.into_iter().map(f64::from).collect()
}

fn of_family(name: &str, family: Family, count: u32) {
    for_programs(family, count, |shapes, program| {
        runs(name, shapes, |tape, leaves| stateful(tape, leaves, program(leaves)))
    });
}

#[test]
fn pictures_with_state_that_nobody_thought_of() {
    of_family("pictures", pictures::family(), 100);
}

#[test]
fn shapes_with_state_that_nobody_thought_of() {
    of_family("shapes", shapes::family(), 200);
}

/// Exchanged, handed round, kept, taken by two, and read as outputs that are no state as well.
#[test]
fn values_that_change_places() {
    let shapes: &[&[usize]] = &[&[2, 5], &[2, 5], &[2, 5]];
    let pairs: [&[(usize, usize)]; 6] = [
        &[(0, 1), (1, 0)],
        &[(0, 1), (1, 2), (2, 0)],
        &[(0, 0), (1, 2)],
        &[(3, 0), (3, 1)],
        &[(3, 0), (4, 1), (0, 2)],
        &[(0, 1), (0, 2), (3, 0)],
    ];
    for state in pairs {
        let what = format!("{state:?}");
        runs(&what, shapes, |_, v| {
            let outputs = vec![v[0], v[1], v[2], v[0] * 0.5 + v[1], v[0] - v[2]];
            (outputs, state.to_vec())
        });
    }
}

#[test]
#[should_panic(expected = "state: input slot 0 would become two outputs")]
fn a_slot_becomes_one_output() {
    let tape = Tape::new();
    let x = tape.input([2]);
    Plan::fast(&tape, &[x * 2.0, x * 3.0], &[(0, 0), (1, 0)], Memory::PerWorker);
}
