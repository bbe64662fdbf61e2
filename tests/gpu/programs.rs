//! Whole programs: second order, state, memory, faults, a machine without a driver.

use super::*;
use metatape::check::fault;
use metatape::check::verify::verify;
use metatape::exec::gpu::Fault;
use metatape::exec::{Device, compile};
use metatape::plan::{Memory, Plan};
use metatape::tape::grad;

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
    let opened = gpu::open(number).unwrap();
    let with = |binding: u64| {
        let (launches, len) = gpu::lower::launches(&plan, false).unwrap();
        let binding = if binding == 1 { u64::MAX } else { 4 * len as u64 / binding };
        let mut program = GpuProgram::ready(opened.clone(), &plan, launches, len, binding).unwrap();
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
    let inner = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "programs::without_a_driver_the_error_says_what_to_do"])
        .env(INSIDE, "1")
        .env("VK_DRIVER_FILES", "/nowhere.json")
        .env("VK_ICD_FILENAMES", "/nowhere.json")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&inner.stdout);
    assert!(inner.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn the_checks_see_a_planted_shader_fault() {
    let Some(number) = adapter() else { return };
    let options = Options { device: Device::Gpu(Some(number)), ..Default::default() };
    let check =
        || verify(&["tests/cases/op_matmul_plain.safetensors".into()], &options, &mut vec![]);
    assert!(check().is_ok());
    let _planted = fault::inject(fault::Fault::GpuShader);
    assert_eq!(check().unwrap_err().exit_code(), 1, "wrong numbers, seen by comparison alone");
}

/// 425 programs with answers from elsewhere: `tests/cases`.
#[track_caller]
fn every_case_passes(plain: bool) {
    let Some(number) = adapter() else { return };
    let options = Options { device: Device::Gpu(Some(number)), plain, ..Default::default() };
    let mut out = vec![];
    let verdict = verify(&["tests/cases".into()], &options, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(verdict.is_ok() && text.ends_with(" 425 passed, 0 failed, 0 unsupported\n"), "{text}");
}

#[test]
fn every_case_passes_with_the_fast_plan() {
    every_case_passes(false);
}

#[test]
fn every_case_passes_with_the_plain_plan() {
    every_case_passes(true);
}

#[test]
fn programs_that_nobody_thought_of() {
    use any_program::{for_programs, pictures, shapes};
    for family in [pictures::family(), shapes::family()] {
        for_programs(family, 15, |shapes, program| {
            agrees("any program", |tape| {
                let leaves: Vec<Var> = shapes.iter().map(|&shape| tape.input(shape)).collect();
                program(&leaves)
            });
        });
    }
}

/// What three runs give, each from the state that the one before left, and what the slots hold then.
fn three_runs(program: &mut dyn Program, inputs: &[Vec<f64>], outputs: &[Var]) -> Vec<Vec<f64>> {
    let mut got = run(program, inputs, outputs);
    for _ in 0..2 {
        got.extend(run_again(program, outputs));
    }
    for (slot, input) in inputs.iter().enumerate() {
        let mut held = vec![0.0; input.len()];
        program.read_slot(slot, &mut held).unwrap();
        got.push(held.into_iter().map(f64::from).collect());
    }
    got
}

#[test]
fn programs_with_state_that_nobody_thought_of() {
    use any_program::{for_programs, pictures, shapes, state::stateful};
    let Some(number) = adapter() else { return };
    for family in [pictures::family(), shapes::family()] {
        for_programs(family, 8, |shapes, program| {
            let tape = Tape::new();
            let leaves: Vec<Var> = shapes.iter().map(|&shape| tape.input(shape)).collect();
            let (outputs, state) = stateful(&tape, &leaves, program(&leaves));
            let inputs = inputs(&tape);
            let mut reference = reference::Reference::new(&tape, &outputs, &state);
            let wanted = three_runs(&mut reference, &inputs, &outputs);
            for plain in [true, false] {
                let options = Options { plain, ..Default::default() };
                let mut program =
                    GpuProgram::compile(&tape, &outputs, &state, &options, number).unwrap();
                let got = three_runs(&mut program, &inputs, &outputs);
                // 1e-4: as two steps of MAML above.
                close(&format!("any program, plain: {plain}"), &got, &wanted, 1e-4);
            }
        });
    }
}

#[test]
fn views_alone_are_summed_over_tasks() {
    agrees("views of inputs", |tape| {
        let x = tape.input([3, 2, 4]);
        let each = [x.narrow(1, 0, 1), x.permute(&[0, 2, 1]), x.reshape([3, 8])];
        each.iter().map(|x| x.sum(&[0])).collect()
    });
}
