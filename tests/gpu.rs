//! The `gpu` executor against `reference`: every kind of kernel, odd sizes, shared and per-task operands.
//!
//! Needs a GPU adapter; a software one will do (Debian: libvulkan1 mesa-vulkan-drivers), and
//! METATAPE_NO_GPU=1 says that there is none.
#![cfg(feature = "gpu")]

use metatape::check::verify::verify;
use metatape::exec::gpu::{self, Fault, GpuProgram};
use metatape::exec::{Device, Options, Program, compile, reference};
use metatape::op::{Along, ConvGeometry, Op, Pointwise, Side, Window};
use metatape::plan::{Memory, Plan};
use metatape::random::uniform24;
use metatape::tape::{Tape, Var, grad};

/// The adapter the tests run on; `None`, aloud, where METATAPE_NO_GPU says that there is none.
fn adapter() -> Option<usize> {
    if std::env::var_os("METATAPE_NO_GPU").is_some() {
        eprintln!("skipped: no GPU (METATAPE_NO_GPU is set)");
        return None;
    }
    match gpu::choose_adapter(None) {
        Ok(number) => Some(number),
        Err(why) => panic!("{why} (METATAPE_NO_GPU=1 skips these tests)"),
    }
}

fn inputs(tape: &Tape) -> Vec<Vec<f64>> {
    let uniform = |i, slot| uniform24(3, 1, i, 0, slot as u32) as f64 * 2.0 - 1.0;
    let shapes = tape.input_shapes();
    let fill = |(slot, shape): (usize, &metatape::shape::Shape)| {
        (0..shape.len() as u32).map(|i| uniform(i, slot)).collect()
    };
    shapes.iter().enumerate().map(fill).collect()
}

fn run(program: &mut dyn Program, inputs: &[Vec<f64>], outputs: &[Var]) -> Vec<Vec<f64>> {
    for (slot, values) in inputs.iter().enumerate() {
        program.write_f64(slot, values);
    }
    program.run().unwrap();
    outputs
        .iter()
        .enumerate()
        .map(|(k, output)| program.read_f64(k, output.shape().len()).unwrap())
        .collect()
}

/// |got − wanted| ≤ tolerance · largest |wanted| of the output, at least 1 as the inputs are: a sum
/// that cancels keeps the rounding of its terms. NaN and infinity where wanted has them.
#[track_caller]
fn close(what: &str, got: &[Vec<f64>], wanted: &[Vec<f64>], tolerance: f64) {
    for (k, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        assert_eq!(got.len(), wanted.len());
        let finite = wanted.iter().filter(|v| v.is_finite());
        let scale = finite.fold(1.0f64, |scale, v| scale.max(v.abs()));
        for (i, (a, b)) in got.iter().zip(wanted).enumerate() {
            let same = if b.is_finite() {
                (a - b).abs() <= tolerance * scale
            } else {
                a == b || a.is_nan() && b.is_nan()
            };
            assert!(same, "{what}, output {k}, element {i}: {a}, expected {b} (scale {scale})");
        }
    }
}

/// Plain and fast plans on the GPU against the reference. 2e-5 of the largest value: sums here have up to some thousand
/// terms of order 1, whose rounding grows with the root of their number (6e-8 · √1e4 = 6e-6).
#[track_caller]
fn agrees(what: &str, build: impl for<'t> Fn(&'t Tape) -> Vec<Var<'t>>) {
    agrees_for(what, build, inputs);
}

#[track_caller]
fn agrees_for(
    what: &str,
    build: impl for<'t> Fn(&'t Tape) -> Vec<Var<'t>>,
    inputs: impl Fn(&Tape) -> Vec<Vec<f64>>,
) {
    let Some(number) = adapter() else { return };
    let tape = Tape::new();
    let outputs = build(&tape);
    let inputs = inputs(&tape);
    let wanted = reference::evaluate(&tape, &inputs, &outputs);
    for plain in [true, false] {
        let options = Options { plain, ..Default::default() };
        let mut program = GpuProgram::compile(&tape, &outputs, &[], &options, number).unwrap();
        let got = run(&mut program, &inputs, &outputs);
        close(&format!("{what}, plain: {plain}"), &got, &wanted, 2e-5);
    }
}

const SIZES: [usize; 6] = [1, 3, 5, 7, 63, 65];

#[test]
fn every_pointwise_operation_agrees() {
    for tasks in [1, 3] {
        agrees(&format!("{tasks} tasks"), |tape| {
            let (a, b, c) =
                (tape.input([tasks, 7, 9]), tape.input([tasks, 7, 9]), tape.input([tasks, 7, 9]));
            let one = |&op: &Pointwise| {
                let (low, high) = op.domain();
                let x = a * ((high - low) / 2.0) + (high + low) / 2.0;
                tape.push(Op::Pointwise(op), &[x, b * 2.0, c][..op.arity()], None)
            };
            Pointwise::ALL.iter().map(one).collect()
        });
    }
}

#[test]
fn shared_and_per_task_operands_meet_in_views() {
    agrees("views", |tape| {
        let (w, x) = (tape.input([1, 5, 6]), tape.input([3, 6, 5]));
        let y = x.permute(&[0, 2, 1]) + w.expand([3, 5, 6]);
        let z = y.narrow(1, 1, 3).flip(metatape::shape::Axes::new(&[2])) * 2.0;
        let joined = tape.concat(&[y, z], 1);
        let padded = z.pad_to([3, 5, 8], &[0, 1, 1], 0.5);
        vec![y, z, joined, padded, joined.reshape([3, 2, 24]).tanh(), padded.sum(&[0]), y.sum_all()]
    });
}

#[test]
fn sums_over_any_axes_agree() {
    for n in SIZES {
        agrees(&format!("sums of {n}"), |tape| {
            let x = tape.input([3, n, 5, 7]);
            let sums =
                [&[1][..], &[2], &[3], &[1, 2], &[1, 3], &[2, 3], &[1, 2, 3], &[0], &[0, 1, 2, 3]];
            sums.iter().map(|axes| (x * 1.0).sum(axes)).collect()
        });
    }
}

#[test]
fn long_sums_are_not_cut_short() {
    // Longer than the 65,535 trips at which llvmpipe leaves a loop without an error.
    agrees("long sums", |tape| {
        let (row, column) = (tape.input([1, 200_001]), tape.input([1, 70_001, 3]));
        vec![row.sum(&[1]), (row * row).sum(&[1]), column.sum(&[1]), (column + 1.0).sum(&[1, 2])]
    });
}

#[test]
fn products_agree() {
    for m in SIZES {
        for n in SIZES {
            agrees(&format!("products {m} {n}"), |tape| {
                let (a, b) = (tape.input([3, m, 9]), tape.input([3, 9, n]));
                let (w, v) = (tape.input([1, n, m]), tape.input([3, 2, n, 4]));
                let vt =
                    v.reshape([3, 1, 2, n, 4]).matmul_t(v.reshape([3, 1, 2, n, 4]), true, false);
                vec![a.matmul(b), b.matmul_t(a, true, true), w.expand([3, n, m]).matmul(a), vt]
            });
        }
    }
}

#[test]
fn long_products_are_not_cut_short() {
    agrees("long products", |tape| {
        let (a, b) = (tape.input([1, 3, 200_001]), tape.input([1, 200_001, 2]));
        let (c, d) = (tape.input([1, 30, 150_001]), tape.input([1, 150_001, 9]));
        vec![a.matmul(b), c.matmul(d)]
    });
}

fn geometries() -> Vec<(ConvGeometry, usize, usize)> {
    let plain = ConvGeometry {
        stride: [1, 1],
        pad: [1, 1, 1, 1],
        dilation: [1, 1],
        groups: 1,
        image: [7, 6],
        kernel: [3, 3],
    };
    vec![
        (plain, 3, 5),
        (ConvGeometry { pad: [0; 4], kernel: [1, 1], ..plain }, 7, 1),
        (ConvGeometry { stride: [2, 3], pad: [1, 0, 2, 1], ..plain }, 4, 6),
        (ConvGeometry { dilation: [2, 1], pad: [2, 1, 0, 3], kernel: [2, 4], ..plain }, 1, 9),
        (ConvGeometry { groups: 2, stride: [2, 2], ..plain }, 6, 10),
        (ConvGeometry { groups: 5, ..plain }, 5, 5),
        (ConvGeometry { image: [1, 1], kernel: [2, 2], pad: [1, 0, 0, 1], ..plain }, 2, 3),
        (ConvGeometry { image: [40, 41], ..plain }, 2, 3), // long sums of the weight side
    ]
}

#[test]
fn all_sides_of_a_convolution_agree() {
    for (geo, c, o) in geometries() {
        for tasks in [1, 3] {
            agrees(&format!("{geo:?}, {tasks} tasks"), |tape| {
                let ([h, w], [kh, kw], [oh, ow]) = (geo.image, geo.kernel, geo.output().unwrap());
                let x = tape.input([tasks, 2, h, w, c]);
                let k = tape.input([1, kh, kw, c / geo.groups, o]);
                let g = tape.input([tasks, 2, oh, ow, o]);
                let k = k.expand([tasks, kh, kw, c / geo.groups, o]);
                let y = x.conv_side(k, Side::Output, geo);
                let dx = k.conv_side(g, Side::Input, geo);
                let dw = x.conv_side(g, Side::Weight, geo);
                // Twins: the second adds to the first.
                vec![y, dx, dw, y + (x * 2.0).conv_side(k * 0.5, Side::Output, geo)]
            });
        }
    }
}

#[test]
fn choices_agree() {
    for n in SIZES {
        agrees(&format!("choices among {n}"), |tape| {
            let (x, at) = (tape.input([3, n, 5]), tape.input([3, 4, 5]));
            let index = (at + 0.5) * (n as f64); // some below 0 and above n - 1: clamped
            let (last, first) = (x.argmax(Along::Axis(2)), x.argmax(Along::Axis(1)));
            let taken = x.take(index, Along::Axis(1));
            let put = taken.put(index, Along::Axis(1), [3, n, 5]);
            vec![last, first, taken, put, x.take(first, Along::Axis(1))]
        });
    }
    for (size, stride, pad) in
        [([2, 2], [2, 2], [0; 4]), ([3, 2], [1, 3], [1, 2, 0, 1]), ([3, 3], [2, 1], [2, 0, 1, 1])]
    {
        agrees(&format!("windows {size:?}"), |tape| {
            let x = tape.input([3, 2, 7, 5, 3]);
            let along = Along::Window(Window { size, stride, pad });
            let index = x.argmax(along);
            let taken = x.take(index, along);
            vec![index, taken, taken.put(index, along, x.shape())]
        });
    }
    agrees("a long axis", |tape| {
        let x = tape.input([1, 100_001, 2]);
        vec![x.argmax(Along::Axis(1)), (x * 0.0).argmax(Along::Axis(1))]
    });
}

#[test]
fn random_numbers_are_the_same_bits() {
    let Some(number) = adapter() else { return };
    let tape = Tape::new();
    let step = tape.input([1, 1]);
    let outputs = [tape.random(7, 9, step, [3, 5, 1001]), tape.random(8, 9, step, [1, 3])];
    let mut program =
        GpuProgram::compile(&tape, &outputs, &[], &Options::default(), number).unwrap();
    let steps = [0.0, 1.0, 16_777_215.0];
    for step in steps {
        let got = run(&mut program, &[vec![step]], &outputs);
        assert_eq!(got, reference::evaluate(&tape, &[vec![step]], &outputs));
    }
}

#[test]
fn nan_and_infinity_go_where_they_go_in_the_reference() {
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -2.5];
    let n = special.len();
    let pairs = |tape: &Tape| {
        let a = (0..n * n).map(|i| special[i / n]).collect();
        let b = (0..n * n).map(|i| special[i % n]).collect();
        assert_eq!(tape.input_shapes().len(), 2);
        vec![a, b]
    };
    agrees_for(
        "special numbers",
        |tape| {
            let (a, b) = (tape.input([1, n, n]), tape.input([1, n, n]));
            let mut all = vec![a.max(b), a.less(b), a.select(b, b * 0.5), a + b, a * b, a.relu()];
            all.extend([a.exp(), a.ln(), a.sqrt(), a.tanh(), a.erf(), a.sin(), a.recip()]);
            all.extend([b.argmax(Along::Axis(2)), b.argmax(Along::Axis(1)), b.max_over(&[1])]);
            all.extend([b.sum(&[2]), a.pad_to([1, n, n + 2], &[0, 0, 1], f64::NAN)]);
            all.extend([tape.filled(f64::INFINITY, [1, 2]) * 1.0]);
            all
        },
        pairs,
    );
    // A NaN weight at the kernel's rim does not reach pixels it has no part in.
    let geometry = ConvGeometry {
        stride: [1, 1],
        pad: [1, 1, 1, 1],
        dilation: [1, 1],
        groups: 1,
        image: [3, 3],
        kernel: [3, 3],
    };
    let rim = |_: &Tape| {
        let mut w = vec![1.0; 9];
        w[0] = f64::NAN;
        let mut x = vec![1.0; 9];
        x[8] = f64::INFINITY;
        vec![x, w]
    };
    agrees_for(
        "a NaN at the rim",
        |tape| {
            let (x, w) = (tape.input([1, 1, 3, 3, 1]), tape.input([1, 3, 3, 1, 1]));
            let y = x.conv_side(w, Side::Output, geometry);
            let dw = x.conv_side(x * 1.0, Side::Weight, geometry);
            vec![y, w.conv_side(x * 1.0, Side::Input, geometry), dw]
        },
        rim,
    );
}

/// A learner of two layers with batch statistics, an inner step and an outer gradient: second order,
/// shared and per-task values, sums over tasks, state.
fn maml(tape: &Tape, tasks: usize) -> (Vec<Var<'_>>, Vec<(usize, usize)>) {
    let (w, v) = (tape.input([1, 3, 3, 1, 4]), tape.input([1, 100, 5]));
    let (x, t) = (tape.input([tasks, 6, 5, 5, 1]), tape.input([tasks, 6, 5]));
    let loss = |w: Var, v: Var, x: Var, t: Var| -> usize {
        let y = x.conv2d(w, metatape::tape::Conv2d::new(1, 1)).normalize(&[1, 2, 3], 1e-3).relu();
        let logits = y.reshape([tasks, 6, 100]).matmul(v);
        ((logits - t).square().mean(&[1, 2])).id
    };
    let var = |id| Var { tape, id };
    let (wt, vt) = (w.per_task(tasks), v.per_task(tasks));
    let inner = var(loss(wt, vt, x, t)).sum_all();
    let g = grad(inner, &[wt, vt]);
    let outer = var(loss(wt - g[0] * 0.1, vt - g[1] * 0.1, x * 0.5, t)).sum_all();
    let g = grad(outer, &[w, v]);
    (vec![w - g[0] * 0.01, v - g[1] * 0.01, outer], vec![(0, 0), (1, 1)])
}

#[test]
fn a_second_order_step_with_state_agrees_and_repeats_bit_for_bit() {
    let Some(number) = adapter() else { return };
    let tape = Tape::new();
    let (outputs, state) = maml(&tape, 3);
    let inputs = inputs(&tape);
    let mut expected = reference::Reference::new(&tape, &outputs, &state);
    run(&mut expected, &inputs, &outputs);
    expected.run().unwrap();
    let lengths: Vec<usize> = outputs.iter().map(|output| output.shape().len()).collect();
    let wanted: Vec<Vec<f64>> = (0..3).map(|k| expected.read_f64(k, lengths[k]).unwrap()).collect();
    for plain in [true, false] {
        let mut bits: Vec<Vec<Vec<f64>>> = vec![];
        for _ in 0..2 {
            let options =
                Options { plain, device: Device::Gpu(Some(number)), ..Default::default() };
            let mut program = compile(&tape, &outputs, &state, &options).unwrap();
            run(&mut *program, &inputs, &outputs);
            program.run().unwrap(); // a second step, from the first one's weights
            bits.push((0..3).map(|k| program.read_f64(k, lengths[k]).unwrap()).collect());
            let mut held = vec![0.0; lengths[1]];
            program.read_slot(1, &mut held).unwrap();
            let held: Vec<f64> = held.into_iter().map(f64::from).collect();
            assert_eq!(held, bits.last().unwrap()[1], "the slot holds the new state");
        }
        assert_eq!(bits[0], bits[1], "the same bits");
        // 1e-4: two steps, through normalisation, whose divisions by small deviations amplify rounding.
        close(&format!("maml, plain: {plain}"), &bits[0], &wanted, 1e-4);
    }
}

#[test]
fn the_number_of_dispatches_does_not_grow_with_tasks() {
    let Some(number) = adapter() else { return };
    let kernels = |tasks| {
        let tape = Tape::new();
        let (outputs, state) = maml(&tape, tasks);
        let program =
            GpuProgram::compile(&tape, &outputs, &state, &Options::default(), number).unwrap();
        program.cost().kernels
    };
    let (few, many) = (kernels(2), kernels(16));
    // A few sums need fewer parts when more tasks share the lanes.
    assert!(many <= few, "2 tasks: {few}, 16 tasks: {many}");
}

#[test]
fn an_arena_of_several_bindings_gives_the_same_bits() {
    let Some(number) = adapter() else { return };
    let tape = Tape::new();
    let (outputs, state) = maml(&tape, 3);
    let inputs = inputs(&tape);
    let plan = Plan::fast(&tape, &outputs, &state, Memory::AllTasks);
    let slots: Vec<usize> = inputs.iter().map(Vec::len).collect();
    let opened = gpu::open(number).unwrap();
    let with = |binding: u64| {
        let (launches, len) = gpu::program::launches(&plan, false).unwrap();
        let binding = if binding == 1 { u64::MAX } else { 4 * len as u64 / binding };
        let mut program =
            GpuProgram::ready(opened.clone(), &plan, &slots, launches, len, binding).unwrap();
        run(&mut program, &inputs, &outputs)
    };
    // Half and a quarter, rounded down to powers of two: 2 to 8 bindings.
    assert_eq!(with(1), with(2));
    assert_eq!(with(1), with(4));
}

#[test]
fn state_may_be_exchanged_between_slots() {
    let Some(number) = adapter() else { return };
    let tape = Tape::new();
    let (a, b) = (tape.input([1, 9000]), tape.input([1, 9000]));
    let (outputs, state) = ([b, a, a + b], [(0, 0), (1, 1)]);
    let mut program =
        GpuProgram::compile(&tape, &outputs, &state, &Options::default(), number).unwrap();
    let inputs = inputs(&tape);
    run(&mut program, &inputs, &outputs);
    let mut held = vec![0.0f32; 9000];
    for (slot, from) in [(0, 1), (1, 0)] {
        program.read_slot(slot, &mut held).unwrap();
        let wanted: Vec<f32> = inputs[from].iter().map(|&v| v as f32).collect();
        assert_eq!(held, wanted);
    }
}

#[test]
fn a_broken_shader_is_refused_by_name_and_wrong_without_its_test() {
    let Some(number) = adapter() else { return };
    let faults = [
        (
            "sweep_map",
            "    return select(select(b, a, a > b), a, is_nan_(a));",
            "    return max(a, 0.0);",
        ),
        ("sweep_sum", "q += DEPTH", "q += DEPTH + 1u"),
        ("matmul_registers", "sum2 += load(a_at.z) * b", "sum2 += load(a_at.y) * b"),
        ("conv_output", "select(none, a.y * b, now.inside.y)", "a.y * b"),
        ("conv_input", "(y * stride_y == row)", "(y == y)"),
        ("conv_weight", "let row0 = i32((tap / params.kw)", "let row0 = i32((tap % params.kw)"),
        ("argmax_axis", "b.place < a.place", "b.place > a.place"),
        ("take_put", "sum += load", "sum = load"),
        ("choose_window", "value > best", "value >= best"),
        ("random", "u32(max(load(params.step_at), 0.0))", "0u"),
        ("copy_ranges", "k += LANES", "k += LANES + LANES"),
    ];
    for (file, find, replace) in faults {
        let fault = Fault { file, find, replace, self_test: true };
        let worst = gpu::with_fault(fault, || {
            let opened = gpu::open(number).unwrap();
            gpu::selftest::test(&opened, file).unwrap()
        });
        assert!(worst > 1.0, "the self-test of {file} sees the fault");
    }
    // The same fault through the front door: refused by name, and wrong where nobody looks first.
    let tape = Tape::new();
    let geometry = geometries()[2].0;
    let x = tape.input([2, 2, 7, 6, 4]);
    let g = tape.input([2, 2, 3, 3, 6]);
    let outputs = [x.conv_side(g, Side::Weight, geometry)];
    let inputs = inputs(&tape);
    let (file, find, replace) = faults[5];
    let compile = |self_test| {
        gpu::with_fault(Fault { file, find, replace, self_test }, || {
            GpuProgram::compile(&tape, &outputs, &[], &Options::default(), number)
        })
    };
    let why = compile(true).err().expect("refused").to_string();
    assert!(why.contains("shader conv_weight gives wrong numbers on"), "{why}");
    let got = run(&mut compile(false).unwrap(), &inputs, &outputs);
    let wanted = reference::evaluate(&tape, &inputs, &outputs);
    assert!(got[0].iter().zip(&wanted[0]).any(|(a, b)| (a - b).abs() > 1e-3));
}

#[test]
fn a_program_that_does_not_fit_says_what_would() {
    let Some(number) = adapter() else { return };
    let tape = Tape::new();
    let outputs = [tape.input([64, 1000, 1000]).tanh()];
    let refuse = |memory| {
        let options = Options { memory, ..Default::default() };
        let refused = GpuProgram::compile(&tape, &outputs, &[], &options, number);
        let why = refused.err().expect("too large");
        assert_eq!(why.exit_code(), 2);
        why.to_string()
    };
    let why = refuse(Some(1 << 26));
    for part in
        ["needs 488.3 MiB", "`memory` allows 64.0 MiB", "244.1 MiB (64 tasks", "about 8 of 64"]
    {
        assert!(why.contains(part), "{part}: {why}");
    }
}

/// Runs the named test of this file again where no driver can be found.
#[test]
fn without_a_driver_the_error_says_what_to_do() {
    const INSIDE: &str = "METATAPE_TEST_WITHOUT_DRIVER";
    if std::env::var_os(INSIDE).is_some() {
        let tape = Tape::new();
        let outputs = [tape.input([1, 2]).tanh()];
        let options = Options { device: Device::Gpu(None), ..Default::default() };
        let why = compile(&tape, &outputs, &[], &options).err().expect("no driver");
        assert_eq!(why.exit_code(), 2);
        assert!(
            why.to_string().starts_with("no GPU adapter found (asked for Vulkan, Metal, DX12)")
        );
        let options = Options::default(); // `auto` takes `cpu`
        assert!(compile(&tape, &outputs, &[], &options).unwrap().device().starts_with("cpu"));
        return;
    }
    if cfg!(not(target_os = "linux")) {
        return; // only Vulkan's drivers can be hidden by a variable
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "without_a_driver_the_error_says_what_to_do"])
        .env(INSIDE, "1")
        .env("VK_DRIVER_FILES", "/nowhere.json")
        .env("VK_ICD_FILENAMES", "/nowhere.json")
        .status();
    assert!(status.unwrap().success());
}

/// 425 programs with answers from elsewhere: `tests/cases`.
#[test]
fn every_case_passes() {
    let Some(number) = adapter() else { return };
    for plain in [false, true] {
        let options = Options { device: Device::Gpu(Some(number)), plain, ..Default::default() };
        let mut out = vec![];
        let verdict = verify(&["tests/cases".into()], &options, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(verdict.is_ok() && text.ends_with(" 0 failed, 0 unsupported\n"), "{text}");
    }
}
