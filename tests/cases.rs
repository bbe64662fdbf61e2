//! Programs with known answers: JAX in f64 (`tests/cases`) and ONNX's own (`tests/cases/onnx`), and
//! what becomes of files that are not what they say.

mod support;

use metatape::check::verify::verify;
use metatape::error::{Error, Result};
use metatape::exec::{Device, Options};
use serde_json::{Value, json};
use std::path::PathBuf;
use support::{Parts, assemble};

fn run(paths: &[PathBuf], device: Device, plain: bool) -> (Result<()>, String) {
    let mut out = vec![];
    let result = verify(paths, &Options { device, plain, ..Options::default() }, &mut out);
    (result, String::from_utf8(out).unwrap())
}

fn all_pass(device: Device, plain: bool) {
    let (result, text) = run(&["tests/cases".into()], device, plain);
    assert!(result.is_ok(), "{text}");
    assert!(text.ends_with("425 passed, 0 failed, 0 unsupported\n"), "{text}");
}

#[test]
fn every_case_passes_on_the_reference() {
    all_pass(Device::Reference, false);
}

#[test]
fn every_case_passes_on_cpu() {
    all_pass(Device::Cpu, false);
}

#[test]
fn every_case_passes_on_cpu_with_the_plain_plan() {
    all_pass(Device::Cpu, true);
}

/// Runs one file; what it printed before the counts, and the exit code.
fn outcome(bytes: &[u8]) -> (String, u8) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.safetensors");
    std::fs::write(&file, bytes).unwrap();
    let (result, text) = run(std::slice::from_ref(&file), Device::Reference, false);
    let code = result.map_or_else(|why| why.exit_code(), |()| 0);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() <= 2, "more than one line for one file: {text}");
    (lines[0].replace(&format!("{} ", file.display()), ""), code)
}

/// `op_gather`: v1 = gather(x1, i1), some products, two gradients.
fn changed(change: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let mut parts = Parts::read("op_gather");
    change(&mut parts);
    parts.bytes()
}

fn attribute(key: &str, value: Value) -> Vec<u8> {
    changed(|parts| parts.program["steps"][0]["attrs"][key] = value)
}

/// A step put before all others, over the inputs x1 [3, 3, 5] (F32) and i1 [6] (I32).
fn first_step(op: &str, inputs: Value, attrs: Value) -> Vec<u8> {
    changed(|parts| {
        let step = json!({"out": ["new"], "op": op, "in": inputs, "attrs": attrs});
        parts.program["steps"].as_array_mut().unwrap().insert(0, step);
    })
}

#[test]
fn an_unknown_operation_attribute_or_format_is_unsupported() {
    let cases = [
        (first_step("sinh", json!(["x1"]), json!({})), "step 0 (sinh): operation is not known"),
        (attribute("mode", json!(1)), "step 0 (gather): attribute \"mode\" is not known"),
        (
            changed(|parts| parts.header["__metadata__"]["format"] = json!("metatape-case-2")),
            "format \"metatape-case-2\"; known is \"metatape-case-1\"",
        ),
    ];
    for (bytes, says) in cases {
        let (line, code) = outcome(&bytes);
        assert!(line.starts_with("unsupported ") && line.ends_with(says), "{line}");
        assert_eq!(code, 1, "{line}");
    }
}

#[test]
fn a_wrong_answer_names_the_output_and_how_wrong_it_is() {
    let mut parts = Parts::read("op_gather");
    let end = parts.data.len();
    parts.data[end - 8..].copy_from_slice(&7.5f64.to_le_bytes()); // the last element of out/v1
    let (line, code) = outcome(&parts.bytes());
    assert!(line.starts_with("FAILED op_gather: output \"v1\" is "), "{line}");
    assert!(line.contains("at element 89, expected 7.5e0: ") && line.ends_with(" times the limit"));
    assert_eq!(code, 1);

    let wrong_shape = changed(|parts| parts.program["outputs"] = json!(["v5", "g1", "g2"]));
    let (line, code) = outcome(&wrong_shape);
    assert!(line.contains("output \"v5\" has no tensor"), "{line}");
    assert_eq!(code, 2);
}

#[test]
fn a_file_that_contradicts_itself_is_one_line_and_code_2() {
    let x1 = || json!(["x1"]);
    let two = || json!(["x1", "x1"]);
    let set = |key: &'static str, field: &'static str, value: Value| {
        changed(move |parts| parts.header[key][field] = value)
    };
    let about = |key: &'static str, value: Value| {
        changed(move |parts| parts.header["__metadata__"][key] = value)
    };
    let text = Parts::read("op_gather").text();
    let data = Parts::read("op_gather").data;
    let twice = text.replacen("{\"__metadata__\"", "{\"in/x1\":{},\"__metadata__\"", 1);
    let cases = [
        // the container
        (vec![], "has 0 bytes"),
        (b"metatape".to_vec(), "does not fit"),
        (u64::MAX.to_le_bytes().repeat(4), "does not fit"),
        (assemble("[1, 2]", &[]), "no JSON object"),
        (assemble("{\"a\": ", &[]), "no JSON object"),
        (assemble(&"[".repeat(100_000), &[]), "no JSON object"),
        (assemble("{}", &[]), "no `format`"),
        (assemble(&twice, &data), "\"in/x1\" stands twice"),
        (assemble(&text, &data[..data.len() - 1]), "no safetensors file"),
        (assemble(&text, &[&data[..], &[0]].concat()), "no safetensors file"),
        (set("in/x1", "dtype", json!("I64")), "no safetensors file"),
        (set("in/x1", "dtype", json!("F99")), "no safetensors file"),
        (set("in/x1", "dtype", json!("U32")), "\"x1\" is U32"),
        (set("out/v1", "dtype", json!("I64")), "\"v1\" is I64"),
        (set("in/x1", "shape", json!([3, 3, 6])), "no safetensors file"),
        (set("in/x1", "shape", json!([u64::MAX, 3, 5])), "no safetensors file"),
        (set("in/x1", "shape", json!([-3, -3, 5])), "no safetensors file"),
        (set("in/x1", "shape", json!([1, 1, 1, 1, 1, 1, 3, 3, 5])), "9 axes"),
        (set("in/x1", "data_offsets", json!([180, 0])), "no safetensors file"),
        (set("in/x1", "data_offsets", json!([0, 1u64 << 60])), "no safetensors file"),
        // the metadata
        (about("rtol64", json!("NaN")), "`rtol64` is \"NaN\""),
        (about("atol", json!("-1")), "`atol` is \"-1\""),
        (about("rtol", json!("inf")), "`rtol` is \"inf\""),
        (about("atol64", json!("small")), "`atol64` is \"small\""),
        (about("rtol", json!(1e-5)), "no safetensors file"),
        // names
        (changed(|p| p.program["steps"][0]["in"][0] = json!("x9")), "\"x9\" is no input"),
        (changed(|p| p.program["steps"][1]["in"][0] = json!("v3")), "\"v3\" is no input"),
        (changed(|p| p.program["steps"][1]["out"][0] = json!("v1")), "\"v1\" is assigned twice"),
        (changed(|p| p.program["steps"][1]["out"][0] = json!("x1")), "\"x1\" is assigned twice"),
        (changed(|p| p.program["steps"][5]["out"] = json!([])), "has 0 results"),
        (changed(|p| p.program["outputs"] = json!(["v1", "v1", "g1"])), "is listed twice"),
        (changed(|p| p.program["outputs"] = json!(["v1", "g1"])), "\"out/g2\" is no output"),
        (changed(|p| p.program["outputs"] = json!(["zz"])), "\"zz\" is no input"),
        (changed(|p| p.program["outputs"] = json!([])), "no outputs"),
        (changed(|p| p.program["more"] = json!(1)), "does not parse"),
        (changed(|p| p.program["steps"] = json!(7)), "does not parse"),
        // attributes
        (attribute("axis", json!(-1)), "-1 is no whole number"),
        (attribute("axis", json!(1.5)), "1.5 is no whole number"),
        (attribute("axis", json!("1")), "\"1\" is no whole number"),
        (attribute("axis", json!([1])), "[1] is no whole number"),
        (attribute("axis", json!(3)), "[3, 3, 5] has no axis 3"),
        (attribute("axis", json!(u64::MAX)), "is no whole number"),
        (first_step("sum", x1(), json!({})), "\"axes\" is missing"),
        (first_step("sum", x1(), json!({"axes": [1, 1]})), "an axis twice"),
        (first_step("sum", x1(), json!({"axes": [0], "keep": false})), "task axis"),
        (first_step("sum", x1(), json!({"axes": [1], "keep": 0})), "expected true or false"),
        (first_step("powi", x1(), json!({"n": 0.5})), "expected a whole number"),
        (first_step("powi", x1(), json!({"n": 3_000_000_000u64})), "expected a whole number"),
        (first_step("leaky_relu", x1(), json!({"slope": "x"})), "expected a number"),
        (first_step("permute", x1(), json!({"order": [0, 1, 1]})), "is no order"),
        (first_step("permute", x1(), json!({"order": [0, 1]})), "2 numbers for [3, 3, 5]"),
        (first_step("reshape", x1(), json!({"shape": [3, 0, 15]})), "no whole number from 1"),
        (first_step("reshape", x1(), json!({"shape": [3, 14]})), "45 elements"),
        (first_step("reshape", x1(), json!({"shape": []})), "0 axes"),
        (first_step("expand", x1(), json!({"shape": [3, 3, 6]})), "does not grow"),
        (first_step("slice", x1(), json!({"start": [0, 2, 0], "end": [3, 2, 5]})), "is no part of"),
        (first_step("concat", x1(), json!({"axis": 9})), "has no axis 9"),
        (first_step("max", two(), json!({"axes": [1]})), "takes one argument"),
        (first_step("max", two(), json!({"keep": true})), "takes one argument"),
        (first_step("max", x1(), json!({})), "\"axes\" is missing"),
        (first_step("add", x1(), json!({})), "takes 2 arguments, got 1"),
        (first_step("tanh", two(), json!({})), "takes 1 arguments, got 2"),
        (first_step("matmul", two(), json!({})), "columns of"),
        (first_step("conv2d", two(), json!({})), "is no [tasks, images"),
        (first_step("max_pool", x1(), json!({"size": [2, 2]})), "is no [tasks, images"),
        // labels and indices
        (first_step("tanh", json!(["i1"]), json!({})), "\"i1\" is I32"),
        (first_step("gather", two(), json!({"axis": 1})), "expected one axis"),
        (first_step("take_along", two(), json!({"axis": 1})), "labels and indices are I32"),
        (
            first_step("scatter_add", json!(["x1", "i1"]), json!({"axis": 1, "size": 4})),
            "6 indices for axis 1",
        ),
        (attribute("axis", json!(0)), ""), // in range on axis 0 too; what follows does not fit
        (
            changed(|p| p.data[180..184].copy_from_slice(&(-1i32).to_le_bytes())),
            "index -1 lies outside 0..3",
        ),
        (
            changed(|p| p.data[180..184].copy_from_slice(&i32::MAX.to_le_bytes())),
            "index 2147483647 lies outside 0..3",
        ),
        (changed(|p| p.data[744..752].copy_from_slice(&f64::NAN.to_le_bytes())), "not finite"),
        // sizes
        (
            first_step("const", json!([]), json!({"shape": [1, 1 << 23, 1 << 23], "value": 0})),
            "2^40",
        ),
        (
            first_step("const", json!([]), json!({"shape": [1, 1 << 20, 1 << 20], "value": 0})),
            "more than 268435456 elements",
        ),
        (
            first_step("iota", json!([]), json!({"shape": [9, 1 << 23], "scale": 1, "offset": 0})),
            "more than 67108864 elements",
        ),
        (
            first_step("hash_uniform", json!([]), json!({"shape": [4], "seed": 1u64 << 32})),
            "0 to 2^32",
        ),
        (
            first_step("pad", x1(), json!({"before": [0, 0, 0], "after": [0, 1 << 23, 1 << 23]})),
            "2^40",
        ),
    ];
    for (bytes, says) in cases {
        let (line, code) = outcome(&bytes);
        assert!(line.starts_with("unreadable ") && line.contains(says), "{line:?}, not {says:?}");
        assert_eq!(code, 2, "{line}");
    }
}

#[test]
fn everything_given_is_run_and_the_damaged_file_outranks_the_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name).with_extension("safetensors"), bytes).unwrap();
    };
    std::fs::create_dir(folder.path().join("below")).unwrap();
    put("a", b"damaged");
    put("b", &changed(|parts| parts.data[2183] ^= 1));
    put("below/c", &Parts::read("op_pad").bytes());
    put("d", &first_step("sinh", json!(["x1"]), json!({})));
    std::fs::write(folder.path().join("notes.txt"), "no case").unwrap();
    let missing = folder.path().join("missing");
    let paths = [missing, folder.path().to_path_buf()];
    let (result, text) = run(&paths, Device::Reference, false);
    assert!(matches!(result, Err(Error::Input(_))), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].contains("missing: No such file"), "{text}");
    assert!(lines[1].contains("a.safetensors: has 7 bytes"), "{text}");
    assert!(lines[2].starts_with("FAILED op_gather"), "{text}");
    assert!(lines[3].starts_with("unsupported op_gather: step 0 (sinh)"), "{text}");
    assert_eq!(lines[4], "reference, f64: 1 passed, 1 failed, 1 unsupported, 2 unreadable");
}

/// Each `grad` multiplies the tape, so that few steps can ask for more nodes than there is memory.
#[test]
fn a_short_program_can_not_ask_for_an_endless_tape() {
    let bytes = changed(|parts| {
        let mut steps = vec![json!({"out": ["f0"], "op": "tanh", "in": ["x1"]})];
        for k in 1..60 {
            let (before, g) = (format!("f{}", k - 1), format!("h{k}"));
            steps.push(json!({"out": [g], "op": "grad", "in": [before, "x1"]}));
            steps.push(json!({"out": [format!("f{k}")], "op": "sigmoid", "in": [g]}));
        }
        steps.append(parts.program["steps"].as_array_mut().unwrap());
        parts.program["steps"] = json!(steps);
    });
    let (line, code) = outcome(&bytes);
    assert!(line.contains("the program has more than 1048576 operations"), "{line}");
    assert_eq!(code, 2);
}

/// Where METATAPE_NO_GPU says that there is no adapter, aloud; a software one will do.
#[cfg(feature = "gpu")]
fn no_gpu() -> bool {
    let none = std::env::var_os("METATAPE_NO_GPU").is_some();
    if none {
        eprintln!("skipped: no GPU (METATAPE_NO_GPU is set)");
    }
    none
}

#[cfg(feature = "gpu")]
#[test]
fn every_case_passes_on_gpu() {
    if !no_gpu() {
        all_pass(Device::Gpu(None), false);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn every_case_passes_on_gpu_with_the_plain_plan() {
    if !no_gpu() {
        all_pass(Device::Gpu(None), true);
    }
}
