//! What all tasks share is done once: weights turned, pictures normalised.

use super::check;
use metatape::op::Window;
use metatape::plan::{Kind, Memory, Passes, Plan};
use metatape::shape::Shape;
use metatape::tape::{Conv2d, Tape, Var, grad};

/// A matrix that all tasks share, read across its rows by two derivatives of each task.
#[test]
fn what_tasks_share_is_turned_once() {
    fn products<'t>(v: &[Var<'t>]) -> Vec<Var<'t>> {
        let w = v[0].per_task(3);
        let back = |x: Var<'t>| grad(x.matmul(w).sin().sum_all(), &[x])[0];
        vec![back(v[1]), back(v[2])]
    }
    let shapes: &[&[usize]] = &[&[1, 7, 19], &[3, 5, 7], &[3, 4, 7]];
    check("turned", shapes, products);
    let tape = Tape::new();
    let v: Vec<Var> = shapes.iter().map(|&s| tape.input(Shape::new(s))).collect();
    let plan = Plan::with(&tape, &products(&v), &[], Memory::PerWorker, Passes::FAST);
    let [once, each] = &plan.segments[..] else { panic!("two segments") };
    assert_eq!((once.tasks, once.kernels.len(), each.tasks), (1, 1, 3));
    for kernel in &plan.kernels {
        if let Kind::MatMul(product) = &kernel.kind {
            assert_eq!(product.b.strides[1], 1, "{product:?}");
        }
    }
}

/// Three tasks that differ in what they weigh, not in what they see: `[3]` losses of a picture, a window, a scale
/// and the tasks' weights.
fn three_readings<'t>(v: &[Var<'t>]) -> ([Var<'t>; 2], Var<'t>) {
    let copies = [v[1].per_task(3), v[2].per_task(3)];
    let y = v[0].per_task(3).conv2d(copies[0], Conv2d::new(1, 1));
    let y = y.normalize(&[1, 2, 3], 0.1) * copies[1];
    let z = y.max_pool(Window::tiles(2)).tanh();
    (copies, (z * z * v[3]).sum(&[1, 2, 3, 4]))
}

/// A normalisation of what the tasks share is made once, though its sums stand between copies for each task;
/// and every gradient of the copies is still each task's own, also once more differentiated.
#[test]
fn what_tasks_share_is_normalised_once() {
    let shapes: [&[usize]; 4] =
        [&[1, 4, 6, 6, 2], &[1, 3, 3, 2, 5], &[1, 1, 1, 1, 5], &[3, 4, 3, 3, 5]];
    check("shared forward", &shapes, |v| {
        let (copies, losses) = three_readings(v);
        let first = grad(losses.sum_all(), &copies);
        let second = grad((first[0] * first[0]).sum_all() + first[1].sin().sum_all(), v);
        [vec![losses], first, second].concat()
    });
    let tape = Tape::new();
    let inputs: Vec<Var> = shapes.iter().map(|&s| tape.input(Shape::new(s))).collect();
    let plan = Plan::fast(&tape, &[three_readings(&inputs).1], &[], Memory::PerWorker);
    let tasks: Vec<usize> = plan
        .kernels
        .iter()
        .filter(|kernel| match &kernel.kind {
            Kind::Sweep(sweep) => sweep.space.iter().product::<usize>() == 4 * 6 * 6 * 5,
            _ => false,
        })
        .map(|kernel| kernel.tasks)
        .collect();
    assert!(!tasks.is_empty() && tasks.iter().all(|&tasks| tasks == 1), "{tasks:?}");
}
