//! Second derivatives of single operations, beside PyTorch and JAX, which agree on them to 1e-13
//! (`tests/fixtures/agreement.json`).
//!
//! For y = f(inputs) and fixed c and a: s1 = Σ(c·y + y²/2), g = ∂s1/∂inputs, s2 = Σ⟨a, g⟩,
//! h = ∂s2/∂inputs. For the max pools y is the square of the pooled value. The files hold images as
//! [N, C, H, W]; the tape permutes them, so results come back in the files' layout.

use metatape::exec::reference::evaluate;
use metatape::op::Window;
use metatape::shape::Shape;
use metatape::tape::{Conv2d, Tape, Var, grad};
use safetensors::SafeTensors;
use serde_json::Value;

fn numbers(file: &SafeTensors, name: &str) -> (Vec<usize>, Vec<f64>) {
    let tensor = file.tensor(name).unwrap_or_else(|_| panic!("no tensor {name}"));
    let values = tensor.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap()));
    (tensor.shape().to_vec(), values.collect())
}

/// A tensor of the file, one task in front.
fn input<'t>(tape: &'t Tape, file: &SafeTensors, name: &str) -> Var<'t> {
    let (shape, values) = numbers(file, name);
    tape.data(&[&[1], &shape[..]].concat()[..], &values)
}

/// [1, N, C, H, W] -> [1, N, H, W, C].
fn channels_last(x: Var) -> Var {
    x.permute(&[0, 1, 3, 4, 2])
}

fn channels_first(x: Var) -> Var {
    x.permute(&[0, 1, 4, 2, 3])
}

/// [1, C] beside images [1, N, H, W, C].
fn per_channel(x: Var) -> Var {
    x.reshape([1, 1, 1, 1, x.shape().last()])
}

fn operation<'t>(about: &Value, x: &[Var<'t>]) -> Var<'t> {
    let setting = |key: &str| about[key].as_u64().unwrap() as usize;
    match about["op"].as_str().unwrap() {
        "conv2d" => {
            let conv = Conv2d {
                stride: [setting("stride"); 2],
                pad: [setting("pad"); 4],
                dilation: [setting("dilation"); 2],
                groups: setting("groups"),
            };
            let weights = x[1].permute(&[0, 3, 4, 2, 1]); // [1, O, C/groups, kh, kw]
            channels_first(channels_last(x[0]).conv2d(weights, conv) + per_channel(x[2]))
        }
        "maxpool" => {
            let (k, stride, pad) = (setting("k"), setting("stride"), setting("pad"));
            let window = Window { size: [k; 2], stride: [stride; 2], pad: [pad; 4] };
            channels_first(channels_last(x[0]).max_pool(window)).square()
        }
        "logsoftmax" => x[0].log_softmax(2),
        "batchnorm" => {
            let eps = about["eps"].as_f64().unwrap();
            let normal = channels_last(x[0]).normalize(&[1, 2, 3], eps);
            channels_first(normal * per_channel(x[1]) + per_channel(x[2]))
        }
        other => panic!("unknown operation {other}"),
    }
}

#[test]
fn second_derivatives_match_pytorch_and_jax() {
    let bytes = std::fs::read("tests/fixtures/second.safetensors").unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let config = std::fs::read_to_string("tests/fixtures/config.json").unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    let operations = config["second"]["ops"].as_array().unwrap();
    assert_eq!(operations.len(), 6);

    for about in operations {
        let name = about["name"].as_str().unwrap();
        let inputs: &[&str] = match about["op"].as_str().unwrap() {
            "conv2d" => &["x", "w", "b"],
            "batchnorm" => &["x", "gamma", "beta"],
            _ => &["x"],
        };
        let tape = Tape::new();
        let read = |what: &str| input(&tape, &file, &format!("{name}.{what}"));
        let x: Vec<Var> = inputs.iter().map(|what| read(what)).collect();
        let y = operation(about, &x);
        let s1 = (read("c") * y + y.square() * 0.5).sum_all().reshape([1, 1]);
        let g = grad(s1, &x);
        let terms: Vec<Var> = g
            .iter()
            .zip(inputs)
            .map(|(g, what)| (*g * read(&format!("a_{what}"))).sum_all().reshape([1, 1]))
            .collect();
        let s2 = terms[1..].iter().fold(terms[0], |sum, &term| sum + term);
        let h = grad(s2, &x);

        let mut wanted = vec!["y".to_string(), "s1".into(), "s2".into()];
        wanted.extend(inputs.iter().map(|what| format!("g_{what}")));
        wanted.extend(inputs.iter().map(|what| format!("h_{what}")));
        let outputs: Vec<Var> = [&[y, s1, s2], &g[..], &h[..]].concat();
        for ((got, output), what) in
            evaluate(&tape, &[], &outputs).iter().zip(&outputs).zip(&wanted)
        {
            let (shape, want) = numbers(&file, &format!("{name}.{what}"));
            assert_eq!(output.shape(), Shape::new(&[&[1], &shape[..]].concat()), "{name}.{what}");
            let scale = want.iter().fold(1.0, |most: f64, v| most.max(v.abs()));
            for (g, w) in got.iter().zip(&want) {
                // 1e-11: f64 sums of a few hundred terms, and what the two sources differ by.
                assert!((g - w).abs() <= 1e-11 * scale, "{name}.{what}: {g}, expected {w}");
            }
        }
    }
}
