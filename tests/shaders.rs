//! Every shader, with every program and constant it may get, is valid WGSL and translates to the
//! languages of the other drivers. Needs no GPU.
#![cfg(feature = "gpu")]

use metatape::exec::gpu::assemble::{FILES, SHARED, over_banks, shader};
use metatape::exec::gpu::launch::{Launch, MAX_TRIPS, Site, UNIFORM_BYTES};
use metatape::exec::gpu::{contract, sweep};
use metatape::op::{ConvGeometry, Pointwise, Side};
use metatape::plan::View;
use metatape::plan::kernel::{Arg, Conv, Instruction, MatMul, Sink, Sweep};
use metatape::shape::Axes;
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Valid under all of naga's rules, and written as SPIR-V, MSL and HLSL: a fault in a text shows here
/// and not first on somebody's Mac.
#[track_caller]
fn check(name: &str, text: &str) {
    let module = match naga::front::wgsl::parse_str(text) {
        Ok(module) => module,
        Err(error) => panic!("{name}: {}", error.emit_to_string(text)),
    };
    let info =
        match Validator::new(ValidationFlags::all(), Capabilities::default()).validate(&module) {
            Ok(info) => info,
            Err(error) => panic!("{name}: {}", error.emit_to_string(text)),
        };
    for entry in &module.entry_points {
        let size = entry.workgroup_size;
        assert!(
            size[0] * size[1] * size[2] <= 256,
            "{name}: WebGPU promises 256 lanes, not {size:?}"
        );
    }
    let bytes: u32 = module
        .global_variables
        .iter()
        .filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup)
        .map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx()))
        .sum();
    assert!(bytes <= 16_384, "{name}: WebGPU promises 16 KiB of workgroup memory, not {bytes}");

    let spv = naga::back::spv::Options::default();
    naga::back::spv::write_vec(&module, &info, &spv, None)
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let msl = naga::back::msl::Options { fake_missing_bindings: true, ..Default::default() };
    naga::back::msl::write_string(&module, &info, &msl, &Default::default())
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let hlsl = naga::back::hlsl::Options { fake_missing_bindings: true, ..Default::default() };
    let mut out = String::new();
    naga::back::hlsl::Writer::new(&mut out, &hlsl, &Default::default())
        .write(&module, &info, None)
        .unwrap_or_else(|e| panic!("{name}: {e}"));
}

#[test]
fn every_file_is_valid_as_committed() {
    for (name, _) in FILES {
        let text = shader(name, &[], None);
        check(name, &text);
        check(&format!("{name} over banks"), &over_banks(&text, 7, 25));
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (name, text) in FILES.iter().chain(SHARED) {
        let header: String = text.lines().take_while(|line| line.starts_with("//")).collect();
        let short = name.rsplit('/').next().expect("a name");
        assert!(header.starts_with(&format!("// {short}: ")), "{name} begins with its name");
        for field in ["Idea", "Tasks", "Layout", "Dispatch", "Twin", "Tolerance"] {
            assert!(header.contains(&format!("// {field} ")), "{name} lacks `{field}`");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{name} has long lines");
    }
}

#[test]
fn every_file_of_the_folder_is_listed() {
    for (folder, list) in [("shaders", FILES), ("shaders/shared", SHARED)] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(path).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            if let Some(name) = file.strip_suffix(".wgsl") {
                let listed = list.iter().any(|(n, _)| n.rsplit('/').next() == Some(name));
                assert!(listed, "{folder}/{file} is not in assemble.rs");
            }
        }
    }
}

fn view(strides: &[isize]) -> View {
    View { buffer: 0, offset: 3, task_stride: 1000, strides: strides.to_vec() }
}

fn site(hardware: bool) -> Site<'static> {
    Site { starts: &|buffer| 100 * buffer, scratch: 5000, hardware }
}

/// A sweep of `op` over a space of `rank` axes that do not merge, stored or summed over its last axis.
fn sweep_of(op: Pointwise, rank: usize, size: usize, sum: bool) -> Sweep {
    let strides: Vec<isize> = (0..rank as isize).map(|k| 7 * k - 11).collect();
    let mut args: Vec<Arg> = (0..op.arity()).map(Arg::Load).collect();
    if let Some(arg) = args.get_mut(1) {
        *arg = Arg::Number(f64::NAN);
    }
    let to = View { strides: (0..rank as isize).map(|k| 1 + k * k).collect(), ..view(&[]) };
    let axes = if sum { Axes::new(&[rank - 1]) } else { Axes(0) };
    let sink = |value| Sink { value, to: to.clone(), sum: axes };
    Sweep {
        space: (0..rank).map(|k| if k + 1 == rank { size } else { 3 }).collect(),
        loads: (0..op.arity()).map(|_| view(&strides)).collect(),
        program: vec![
            Instruction { op, args },
            Instruction { op: Pointwise::Add, args: vec![Arg::Value(0), Arg::Number(2.0)] },
        ],
        sinks: vec![sink(Arg::Value(1)), sink(Arg::Load(0)), sink(Arg::Number(1.0))],
        ..Sweep::default()
    }
}

fn all_good(what: &str, launches: &[Launch]) {
    for launch in launches {
        assert!(launch.trips <= MAX_TRIPS, "{what}: {} trips", launch.trips);
        assert!(4 * launch.params.len() <= UNIFORM_BYTES);
        check(&format!("{what}: {}", launch.file), &launch.text);
    }
}

#[test]
fn every_operation_is_valid_in_every_frame() {
    for &op in Pointwise::ALL {
        for rank in [1, 2, 5, 7] {
            let map = sweep_of(op, rank, 9, false);
            all_good(&format!("{op:?}, {rank} axes"), &sweep::sweep(&map, 3, &site(true)).0);
        }
        // Short sums, sums that take whole workgroups, sums in parts.
        for size in [5, 300, 3_000, 2_000_000] {
            let sum = sweep_of(op, 3, size, true);
            let (launches, scratch) = sweep::sweep(&sum, 3, &site(true));
            all_good(&format!("sum of {size} {op:?}"), &launches);
            assert_eq!(launches.len() > 1, scratch > 0, "parts are added up from scratch");
        }
    }
}

#[test]
fn a_program_without_loads_and_one_with_many_sinks_are_valid() {
    let number = |sum: bool| Sweep {
        space: vec![700],
        sinks: vec![Sink {
            value: Arg::Number(f64::INFINITY),
            to: view(&[!sum as isize]),
            sum: Axes(sum as u8),
        }],
        ..Sweep::default()
    };
    for sum in [false, true] {
        all_good("a number", &sweep::sweep(&number(sum), 1, &site(true)).0);
    }
    let mut many = sweep_of(Pointwise::Add, 2, 100, true);
    let sink = many.sinks[0].clone();
    many.sinks = vec![sink; 70];
    let (launches, _) = sweep::sweep(&many, 2, &site(true));
    assert!(launches.len() > 1, "workgroup memory holds 64 sums of 64 lanes");
    all_good("many sums", &launches);
}

#[test]
fn no_lane_of_a_contraction_makes_too_many_trips() {
    for k in [1, 300, 40_000, 5_000_000] {
        for (m, n) in [(1, 7), (5, 1), (9, 9), (40, 50), (200, 300)] {
            for hardware in [false, true] {
                let (a, b) = (view(&[k as isize, 1]), view(&[n as isize, 1]));
                let (c, batch) = (view(&[n as isize, 1]), vec![]);
                let product = MatMul { batch, m, n, k, a, b, c, accumulate: true };
                let (launches, _) = contract::matmul(&product, 2, &site(hardware)).unwrap();
                all_good(&format!("matmul {m} {n} {k}"), &launches);
            }
        }
    }
    let geometry = ConvGeometry {
        stride: [2, 1],
        pad: [1, 0, 2, 1],
        dilation: [1, 2],
        groups: 2,
        image: [300, 200],
        kernel: [3, 5],
    };
    for side in [Side::Output, Side::Input, Side::Weight] {
        for channels in [[2, 2], [6, 10], [6000, 8000]] {
            let (a, b, to) = (view(&[]), view(&[]), view(&[]));
            let conv = Conv { side, geometry, images: 70, channels, a, b, to, accumulate: false };
            all_good(&format!("{side:?} {channels:?}"), &contract::conv(&conv, 1, &site(true)).0);
        }
    }
}
