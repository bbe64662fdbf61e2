//! Derivatives: every operation against finite differences, and laws with a closed form.

#[path = "support/any_program/mod.rs"]
mod any_program;

use metatape::check::fault::{Fault, inject};
use metatape::check::gradcheck::gradcheck;
use metatape::check::primitives::misuses;
use metatape::error::{Error, Result};
use metatape::exec::reference::evaluate;
use metatape::exec::{Device, Options};
use metatape::random::uniform24;
use metatape::tape::{Tape, Var, grad};

fn check(order: usize, device: Device, name: Option<&str>) -> (Result<()>, String) {
    let mut out = vec![];
    let options = Options { device, ..Options::default() };
    let result = gradcheck(order, &options, name, &mut out);
    (result, String::from_utf8(out).unwrap())
}

#[test]
fn every_derivative_matches_its_difference_to_third_order() {
    let (result, text) = check(3, Device::Reference, None);
    assert!(result.is_ok(), "{text}");
}

#[test]
fn cpu_gives_the_reference_derivatives() {
    let (result, text) = check(3, Device::Cpu, None);
    assert!(result.is_ok(), "{text}");
}

/// Each rule, 1% wrong, makes its own row fail; without the fault the same row passes.
#[test]
fn a_broken_rule_is_seen() {
    let flat = ["Input", "Const", "Data", "Random", "Detach", "ArgMaxAxis", "ArgMaxWindow", "Less"];
    for name in misuses().into_iter().map(|misuse| &*misuse.op.name().leak()) {
        if flat.contains(&name) {
            continue; // it passes no derivative on: there is nothing to break
        }
        {
            let _planted = inject(Fault::Rule(name));
            let (result, text) = check(2, Device::Reference, Some(name));
            assert!(matches!(result, Err(Error::Answer(_))), "{name} broken, and yet\n{text}");
        }
        let (result, text) = check(2, Device::Reference, Some(name));
        assert!(result.is_ok(), "{text}");
    }
}

#[test]
fn a_wrong_request_says_what_there_is() {
    let (result, _) = check(1, Device::Reference, Some("conv2"));
    let why = result.unwrap_err();
    assert_eq!(why.to_string(), "no operation is called \"conv2\"; did you mean \"conv2d\"?");
    assert_eq!(why.exit_code(), 2);
    let (result, _) = check(4, Device::Reference, None);
    assert_eq!(result.unwrap_err().to_string(), "order 4; gradcheck knows 1, 2 and 3");
}

/// With f = x², g = f' = 2x: (g·x)' = g'·x + g = 4x, and with g detached the first term is gone.
#[test]
fn detach_removes_exactly_the_second_derivative_term() {
    let tape = Tape::new();
    let x = tape.data([3], &[0.5, -1.0, 2.0]);
    let g = grad(x * x, &[x])[0];
    let exact = grad(g * x, &[x])[0];
    let first = grad(g.detach() * x, &[x])[0];
    let second_term = grad(g, &[x])[0] * x;
    let values = evaluate(&tape, &[], &[exact, first, first + second_term]);
    assert_eq!(values[0], [2.0, -4.0, 8.0]);
    assert_eq!(values[1], [1.0, -2.0, 4.0]);
    assert_eq!(values[2], values[0]);
}

/// Task t wants the number c_t; its loss is (w − c_t)²/2. A step of size α leaves (1 − α)(θ − c_t),
/// so after n steps the exact meta-gradient is the mean of (1 − α)^2n·(θ − c_t), and the first-order
/// one, which takes the steps' Jacobian for the identity, the mean of (1 − α)^n·(θ − c_t).
#[test]
fn maml_on_quadratics_matches_its_closed_form() {
    let (theta, alpha, wanted) = (0.7, 0.25f64, [1.0, -2.0, 5.0]);
    let distance = wanted.iter().map(|c| theta - c).sum::<f64>() / wanted.len() as f64;
    fn loss<'t>(w: Var<'t>, c: Var<'t>) -> Var<'t> {
        (w - c).square() * 0.5
    }
    for steps in 1..=5 {
        for first_order in [false, true] {
            let tape = Tape::new();
            let shared = tape.data([1], &[theta]);
            let c = tape.data([3], &wanted);
            let mut w = shared;
            for _ in 0..steps {
                w = w.per_task(3);
                let g = grad(loss(w, c), &[w])[0];
                w = w - if first_order { g.detach() } else { g } * alpha;
            }
            let meta = grad(loss(w, c) * (1.0 / 3.0), &[shared])[0];
            let power = if first_order { steps } else { 2 * steps };
            let expected = (1.0 - alpha).powi(power) * distance;
            let got = evaluate(&tape, &[], &[meta])[0][0];
            // 1e-12: rounding of some tens of f64 operations on numbers of the order of 1.
            assert!((got - expected).abs() < 1e-12, "{steps} steps: {got}, expected {expected}");
        }
    }
}

/// What was computed before x does not react, everything computed from it does, another variable
/// included; f itself and something unrelated are variables like any other.
#[test]
fn each_variable_is_independent_of_what_came_before_it() {
    let tape = Tape::new();
    let x = tape.data([2], &[0.3, -0.8]);
    let y = x.tanh();
    let f = x * y;
    let unrelated = x.exp();
    let g = grad(f, &[x, y, f, unrelated]);
    let values = evaluate(&tape, &[], &g);
    for (k, x) in [0.3f64, -0.8].into_iter().enumerate() {
        let slope = 1.0 - x.tanh() * x.tanh();
        assert!((values[0][k] - (x.tanh() + x * slope)).abs() < 1e-15); // through y as well
        assert_eq!(values[1][k], x);
        assert_eq!((values[2][k], values[3][k]), (1.0, 0.0));
    }
}

/// The whole answer of a check that must fail, and the row whose operation is broken.
fn sees(fault: Fault, device: Device, name: &str) {
    let _planted = inject(fault);
    let (result, text) = check(3, device, Some(name));
    assert!(matches!(result, Err(Error::Answer(_))), "{fault:?}, and yet\n{text}");
}

#[test]
fn a_broken_cpu_kernel_is_seen() {
    sees(Fault::CpuKernel, Device::Cpu, "Tanh");
}

#[cfg(feature = "gpu")]
mod gpu {
    use super::*;
    use metatape::exec::gpu::{self, with_fault};

    fn missing() -> bool {
        let missing = std::env::var_os("METATAPE_NO_GPU").is_some();
        if missing {
            eprintln!("skipped: no GPU (METATAPE_NO_GPU is set)");
        }
        missing
    }

    #[test]
    fn it_gives_the_reference_derivatives() {
        if missing() {
            return;
        }
        let (result, text) = check(3, Device::Gpu(None), None);
        assert!(result.is_ok(), "{text}");
    }

    #[test]
    fn a_broken_shader_is_seen() {
        if !missing() {
            sees(Fault::GpuShader, Device::Gpu(None), "MatMul");
        }
    }

    /// The faults of the executor's own tests, where the self-test stands in front: refused by name.
    #[test]
    fn a_shader_that_fails_its_self_test_fails_its_row() {
        if missing() {
            return;
        }
        let (find, replace) = ("let row0 = i32((tap / ", "let row0 = i32((tap % ");
        let fault = gpu::Fault { file: "conv_weight", find, replace, self_test: true };
        let (result, text) = with_fault(fault, || check(1, Device::Gpu(None), Some("ConvWeight")));
        assert!(matches!(result, Err(Error::Answer(_))), "{text}");
        let failed: Vec<&str> = text.lines().filter(|line| line.ends_with("FAILED")).collect();
        let named = |line: &&str| line.contains("shader conv_weight gives wrong numbers");
        assert!(!failed.is_empty() && failed.iter().all(named), "{text}");
    }
}

/// The slope of a random program along a random direction is what its gradients say, those of programs with gradients in them too.
/// A kink or a jump can lie within a step of one point, hardly of all three.
#[test]
fn gradients_of_programs_that_nobody_thought_of() {
    for family in [any_program::pictures::family(), any_program::shapes::family()] {
        any_program::for_programs(family.without_stops(), 3000, |shapes, program| {
            let slopes = [1, 2, 3].map(|point| slopes(shapes, program, point));
            // Beside the rounding of the losses, 1e-16 / 1e-5, what the third derivative adds: 1e-10 times as much.
            let near =
                |(moved, said, scale): (f64, f64, f64)| (moved - said).abs() <= 1e-6 * scale + 1e-9;
            assert!(slopes.into_iter().any(near), "difference, gradient, scale: {slopes:?}");
        });
    }
}

/// The slope of the mean of tanh² of a program's first output, by a difference and by its gradients, and the sum of that sum's sizes.
fn slopes(
    shapes: &[&[usize]],
    program: &dyn for<'t> Fn(&[Var<'t>]) -> Vec<Var<'t>>,
    point: u32,
) -> (f64, f64, f64) {
    let tape = Tape::new();
    let leaves: Vec<Var> = shapes.iter().map(|&shape| tape.input(shape)).collect();
    let outputs = program(&leaves);
    let dice = |slot: usize, stream: u32| -> Vec<f64> {
        let number = |i| uniform24(7, stream, i, point, slot as u32) as f64 * 2.0 - 1.0;
        (0..leaves[slot].shape().len() as u32).map(number).collect()
    };
    let along: Vec<Vec<f64>> = (0..leaves.len()).map(|slot| dice(slot, 1)).collect();
    let at = |step: f64| {
        let values: Vec<Vec<f64>> = (0..leaves.len())
            .map(|slot| dice(slot, 0).iter().zip(&along[slot]).map(|(x, d)| x + step * d).collect())
            .collect();
        evaluate(&tape, &values, &outputs)
    };
    let loss = |outputs: &[Vec<f64>]| {
        outputs[0].iter().map(|x| x.tanh().powi(2)).sum::<f64>() / outputs[0].len() as f64
    };
    let step = 1e-5;
    let moved = (loss(&at(step)) - loss(&at(-step))) / (2.0 * step);
    let gradients = &at(0.0)[outputs.len() - leaves.len()..];
    let terms = gradients.iter().flatten().zip(along.iter().flatten()).map(|(g, d)| g * d);
    (moved, terms.clone().sum(), terms.map(f64::abs).sum())
}
