//! The same bits for any number of threads, with kernels large enough to be cut into parts: a single
//! task, and tasks that do not divide by the workers, the last of which they share.

use metatape::exec::cpu::{Cpu, isa::Isa};
use metatape::exec::{Options, Program};
use metatape::op::Window;
use metatape::shape::Shape;
use metatape::tape::{Conv2d, Tape, Var, grad};

/// A gradient step of a small convolution network with one set of weights for each of `tasks` tasks, and what the
/// step changes, added over the tasks.
fn bits(tasks: usize, threads: usize) -> Vec<u32> {
    let tape = Tape::new();
    let x = tape.input(Shape::new(&[tasks, 6, 14, 14, 3]));
    let shared =
        [tape.input(Shape::new(&[1, 3, 3, 3, 32])), tape.input(Shape::new(&[1, 3, 3, 32, 16]))];
    let w = shared.map(|w| w.per_task(tasks));
    let h = x.conv2d(w[0], Conv2d::new(1, 1)).normalize(&[1, 2, 3], 1e-5);
    let h = h.max_pool(Window::tiles(2)).relu().conv2d(w[1], Conv2d::new(1, 1)).tanh();
    let rows = h.reshape([tasks, 6 * 7, 7, 16]).matmul(h.reshape([tasks, 6 * 7, 16, 7]));
    let g = grad((h * h).sum_all().reshape([1]) + rows.sin().sum_all().reshape([1]), &w);
    let moved: Vec<Var> = w.iter().zip(&g).map(|(w, g)| *w - *g * 1e-3).collect();
    let h = x.conv2d(moved[0], Conv2d::new(2, 1)).relu().conv2d(moved[1], Conv2d::new(2, 1));
    let loss = (h * h).sum_all();
    let mut outputs = vec![loss];
    outputs.extend(grad(loss, &shared));

    let options = Options { threads: Some(threads), ..Options::default() };
    let mut cpu = Cpu::new(&tape, &outputs, &[], &options).unwrap();
    for (slot, shape) in tape.input_shapes().iter().enumerate() {
        let value = |i: usize| ((i * 7919 + slot * 31) % 1009) as f32 / 504.5 - 1.0;
        cpu.write(slot, &(0..shape.len()).map(value).collect::<Vec<f32>>());
    }
    let mut found = vec![];
    for _ in 0..2 {
        cpu.run().unwrap();
        for (k, output) in outputs.iter().enumerate() {
            let mut values = vec![0.0; output.shape().len()];
            cpu.read(k, &mut values).unwrap();
            assert!(values.iter().all(|v| v.is_finite()), "output {k}");
            found.extend(values.into_iter().map(f32::to_bits));
        }
    }
    found
}

#[test]
fn the_number_of_threads_changes_no_bit_of_one_task_or_several() {
    assert!(Isa::choose().is_ok());
    for tasks in [1, 2, 3, 5, 17, 50] {
        let one = bits(tasks, 1);
        for threads in [2, 3, 4] {
            assert!(bits(tasks, threads) == one, "{tasks} tasks on {threads} threads");
        }
    }
}
