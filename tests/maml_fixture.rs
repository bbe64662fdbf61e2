//! The meta-gradient of a convolutional network, against PyTorch and JAX: `tests/fixtures/README.md`.

use std::path::Path;

use metatape::exec::{Device, Options, compile};
use metatape::loss::cross_entropy;
use metatape::meta::{Episode, Judged, Maml};
use metatape::nn::Params;
use metatape::op::Window;
use metatape::shape::Shape;
use metatape::tape::{Conv2d, Tape, Var, grad};
use safetensors::{Dtype, SafeTensors};

/// The file's numbers, with pictures and windows turned channels-last.
struct Fixture {
    bytes: Vec<u8>,
}

impl Fixture {
    fn load() -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/maml_conv4.safetensors");
        Self { bytes: std::fs::read(path).expect("the fixture lies beside this test") }
    }

    /// Shape and numbers; five axes are [T, N, C, H, W] and four are [O, I, kh, kw].
    fn get(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        let file = SafeTensors::deserialize(&self.bytes).expect("a safetensors file");
        let tensor = file.tensor(name).expect(name);
        let words = tensor.data().chunks_exact(8).map(|b| b.try_into().expect("eight bytes"));
        let values: Vec<f64> = match tensor.dtype() {
            Dtype::F64 => words.map(f64::from_le_bytes).collect(),
            Dtype::I64 => words.map(|b| i64::from_le_bytes(b) as f64).collect(),
            other => panic!("{name} holds {other:?}"),
        };
        let shape = tensor.shape().to_vec();
        match shape.len() {
            5 => permuted(&shape, &values, &[0, 1, 3, 4, 2]),
            4 => permuted(&shape, &values, &[2, 3, 1, 0]),
            2 if name.ends_with("hw") => permuted(&shape, &values, &[1, 0]),
            _ => (shape, values),
        }
    }

    /// A parameter's numbers and its shape here: `[1, ...]`, ready to broadcast.
    fn parameter(&self, group: &str, name: &str) -> (Shape, Vec<f64>) {
        let (dims, values) = self.get(&format!("{group}.{name}"));
        let dims = match (dims.len(), name) {
            (1, "hb") => vec![1, 1, dims[0]],
            (1, _) => vec![1, 1, 1, 1, dims[0]],
            _ => [&[1], &dims[..]].concat(),
        };
        (Shape::new(&dims), values)
    }
}

fn permuted(shape: &[usize], values: &[f64], order: &[usize]) -> (Vec<usize>, Vec<f64>) {
    let tape = Tape::new();
    let out = tape.data(shape, values).permute(order);
    let result = metatape::exec::reference::evaluate(&tape, &[], &[out]).remove(0);
    (out.shape().dims().to_vec(), result)
}

const NAMES: [&str; 18] = [
    "w0", "b0", "g0", "s0", "w1", "b1", "g1", "s1", "w2", "b2", "g2", "s2", "w3", "b3", "g3", "s3",
    "hw", "hb",
];

/// Four blocks of convolution, bias, batch norm, ReLU; the first `pools` end in a pool; a linear head.
fn network<'t>(weights: &Params<'t>, x: Var<'t>, eps: f64, pools: usize) -> Var<'t> {
    let h = (0..4).fold(x, |x, i| {
        let w = |kind: &str| weights.get(&format!("{kind}{i}"));
        let y = x.conv2d(w("w"), Conv2d::new(1, 1)) + w("b");
        let y = y.normalize(&[1, 2, 3], eps) * w("g") + w("s");
        if i < pools { y.max_pool(Window::tiles(2)).relu() } else { y.relu() }
    });
    let s = h.shape();
    h.reshape([s[0], s[1], s[2] * s[3] * s[4]]).matmul(weights.get("hw")) + weights.get("hb")
}

/// What a device makes of the fixture's tasks `tasks`: meta loss, task losses, inner losses by step, and the
/// gradient of each parameter.
fn answers(options: Options, first_order: bool, tasks: std::ops::Range<usize>) -> Vec<Vec<f64>> {
    let fixture = Fixture::load();
    let hyper = fixture.get("hyper").1;
    let (lr, eps, steps, pools) = (hyper[0], hyper[1], hyper[2] as usize, hyper[3] as usize);
    let tape = Tape::new();
    let mut slots = vec![];
    let vars = NAMES.iter().map(|name| {
        let (shape, values) = fixture.parameter("param", name);
        slots.push(values);
        tape.input(shape)
    });
    let theta = Params::new(&NAMES, vars.collect());
    let mut part = |name| {
        let (mut dims, values) = fixture.get(name);
        let each = values.len() / dims[0];
        dims[0] = tasks.len();
        slots.push(values[tasks.start * each..tasks.end * each].to_vec());
        tape.input(&dims[..])
    };
    let episode = Episode { support: (part("xs"), part("ys")), query: (part("xq"), part("yq")) };
    let maml = Maml { first_order, ..Maml::new(lr, steps) };
    let result = maml.run(&theta, &episode, |weights, part| {
        let output = network(weights, part.given.x, eps, pools);
        Judged { loss: cross_entropy(output, part.y), output }
    });
    let mut outputs = vec![result.meta_loss, result.query.loss];
    outputs.extend(&result.support_losses);
    outputs.extend(grad(result.meta_loss, theta.vars()));
    let mut program = compile(&tape, &outputs, &[], &options).expect("compiles");
    for (slot, values) in slots.iter().enumerate() {
        program.write_f64(slot, values);
    }
    program.run().expect("runs");
    let read = |(i, v): (usize, &Var)| program.read_f64(i, v.shape().len()).expect("reads");
    outputs.iter().enumerate().map(read).collect()
}

fn on(device: Device) -> Options {
    Options { device, ..Default::default() }
}

/// |a − b| / |b| over all numbers together.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

/// Against the file: losses and the whole gradient, norm against norm.
fn agrees(device: Device, tolerance: f64) {
    let fixture = Fixture::load();
    let steps = fixture.get("hyper").1[2] as usize;
    for (first_order, group) in [(false, "exact"), (true, "first")] {
        let found = answers(on(device), first_order, 0..4);
        assert!(distance(&found[0], &fixture.get("loss").1) < tolerance, "{group} loss");
        assert!(
            distance(&found[1], &fixture.get("task_loss").1) < tolerance,
            "{group} task losses"
        );
        let inner = fixture.get("inner_loss").1; // [tasks, steps]
        for step in 0..steps {
            let expected: Vec<f64> = inner.iter().skip(step).step_by(steps).copied().collect();
            assert!(distance(&found[2 + step], &expected) < tolerance, "inner loss at step {step}");
        }
        let gradient = found[2 + steps..].concat();
        let expected: Vec<f64> =
            NAMES.iter().flat_map(|name| fixture.parameter(group, name).1).collect();
        let off = distance(&gradient, &expected);
        assert!(off < tolerance, "{group} meta-gradient on {device:?}: relative {off:e}");
        println!("{group} on {device:?}: relative {off:.1e}");
    }
}

/// 1e-9: two other engines agree to 1e-13 on it, and f64 sums in another order differ by no more than that.
#[test]
fn the_reference_gives_the_meta_gradients_of_two_other_engines() {
    agrees(Device::Reference, 1e-9);
}

/// 1e-4: f32 against f64, through two inner steps and their derivatives; measured 3e-6 on `cpu`.
#[test]
fn the_cpu_gives_them_in_single_precision() {
    agrees(Device::Cpu, 1e-4);
}

/// Fails where there is no adapter, software included, and says so: it is never skipped.
#[cfg(feature = "gpu")]
#[test]
fn the_gpu_gives_them_in_single_precision() {
    agrees(Device::Gpu(None), 1e-4);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let with = |threads| {
        let options = Options { threads: Some(threads), ..on(Device::Cpu) };
        let found = answers(options, false, 0..4).concat();
        found.into_iter().map(f64::to_bits).collect::<Vec<_>>()
    };
    let one = with(1);
    assert!([2, 3, 5].into_iter().all(|threads| with(threads) == one));
}

#[test]
fn all_tasks_at_once_are_a_loop_over_tasks() {
    let together = answers(on(Device::Reference), false, 0..4);
    let alone: Vec<_> = (0..4).map(|t| answers(on(Device::Reference), false, t..t + 1)).collect();
    for (i, all) in together.iter().enumerate() {
        let each: Vec<&Vec<f64>> = alone.iter().map(|one| &one[i]).collect();
        let expected: Vec<f64> = if (1..4).contains(&i) {
            each.iter().flat_map(|one| one.iter().copied()).collect() // one number a task
        } else {
            (0..all.len()).map(|k| each.iter().map(|one| one[k]).sum::<f64>() / 4.0).collect()
        };
        // A bias before a batch norm has gradient 0 up to rounding: an absolute bound beside the relative.
        let off = all.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let size = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(off <= 1e-11 * size + 1e-14, "output {i}: {off:e} of {size:e}");
    }
}
