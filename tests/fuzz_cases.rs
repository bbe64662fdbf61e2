//! Whatever stands in a case file, reading, building and running it ends with an answer or one line:
//! no panic, and no more memory than the file can ask for. Damage is made from fixed seeds.

mod support;

use metatape::check::case_file::{Refusal, parse};
use metatape::check::verify::{Verdict, judge};
use metatape::exec::{Device, Options};
use metatape::random::{Stream, stream};
use serde_json::{Value, json};
use support::Parts;

const FILES: &[&str] = &[
    "op_gather",
    "op_take_along",
    "op_pad",
    "op_slice",
    "op_permute",
    "op_sources",
    "op_powi",
    "op_concat",
    "op_scatter_add",
    "conv2d_all",
    "conv2d_transpose_all",
    "max_pool_overhang",
    "avg_pool_inside_pad",
    "losses_tasks",
    "grad_chain",
    "normalize_batch",
    "op_max_drop",
];

/// Parses and, if that works, runs. A panic inside an executor counts as one here. True if a step, or
/// what it computed, was where it ended.
fn survive(bytes: &[u8], what: &str) -> bool {
    let Ok(case) = parse(bytes) else { return false };
    let options = Options { device: Device::Reference, ..Options::default() };
    match judge(&case, &options).unwrap() {
        Verdict::Failed(why) => {
            assert!(!why.contains("panicked"), "{what}: {why}");
            true
        }
        Verdict::Passed => true,
        Verdict::Refused(_) => true,
    }
}

#[test]
fn every_prefix_of_a_file_is_refused() {
    let bytes = std::fs::read("tests/cases/op_gather.safetensors").unwrap();
    for len in 0..bytes.len() {
        assert!(matches!(parse(&bytes[..len]), Err(Refusal::Damaged(_))), "{len} bytes");
    }
    assert!(parse(&bytes).is_ok());
}

#[test]
fn flipped_bytes_never_panic() {
    for (number, name) in FILES.iter().enumerate() {
        let bytes = std::fs::read(format!("tests/cases/{name}.safetensors")).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for round in 0..400 {
            let mut random = Stream::new(3, stream::FREE, number as u32, round);
            let mut bytes = bytes.clone();
            // Mostly in the header: the numbers behind it have little to say.
            let end = if round % 8 == 0 { bytes.len() } else { header };
            for _ in 0..=random.below(3) {
                let at = random.below(end);
                match random.below(3) {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes[at] = b"0123456789-.[]{},:\"e"[random.below(20)],
                    _ => bytes[at] = random.word() as u8,
                }
            }
            survive(&bytes, &format!("{name}, round {round}"));
        }
    }
}

/// Numbers, lists and names of the program replaced by others, so that the file itself stays in order
/// and the step is what has to refuse.
#[test]
fn changed_programs_never_panic() {
    let mut reached = 0;
    for (number, name) in FILES.iter().enumerate() {
        let parts = Parts::read(name);
        for round in 0..400 {
            let mut random = Stream::new(4, stream::FREE, number as u32, round);
            let mut parts = parts.clone();
            for _ in 0..=random.below(2) {
                let count = count(&parts.program);
                change(&mut parts.program, &mut random.below(count), &mut random);
            }
            reached += usize::from(survive(&parts.bytes(), &format!("{name}, round {round}")));
        }
    }
    // If few got there, the changes would be too coarse to say anything about the steps.
    assert!(reached > 500, "{reached} changed programs reached a step");
}

/// How many values there are in a JSON value, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(all) => all.iter().map(count).sum(),
        Value::Object(all) => all.values().map(count).sum(),
        _ => 0,
    }
}

/// Replaces the value that `left` counts down to.
fn change(value: &mut Value, left: &mut usize, random: &mut Stream) {
    if *left == 0 {
        let hostile = [
            json!(0),
            json!(1),
            json!(2),
            json!(3),
            json!(7),
            json!(-1),
            json!(1 << 23),
            json!(u64::MAX),
            json!(0.5),
            json!(1e300),
            json!(true),
            json!(null),
            json!([]),
            json!([1, 1]),
            json!([0, 1, 2]),
            json!({}),
            json!(""),
            json!("x1"),
            json!("i1"),
            json!("grad"),
            json!("sum"),
            json!("matmul"),
            json!("conv2d"),
            json!("one_hot"),
            json!("resize_bilinear"),
        ];
        *value = hostile[random.below(hostile.len())].clone();
        *left = usize::MAX; // done
        return;
    }
    *left -= 1;
    let below: Vec<&mut Value> = match value {
        Value::Array(all) => all.iter_mut().collect(),
        Value::Object(all) => all.values_mut().collect(),
        _ => return,
    };
    for value in below {
        if *left == usize::MAX {
            return;
        }
        change(value, left, random);
    }
}
