//! Programs with known answers: JAX in f64 (`tests/cases`) and ONNX's own (`tests/cases/onnx`).

use metatape::check::verify::verify;
use metatape::error::{Error, Result};
use metatape::exec::{Device, Options};
use std::path::{Path, PathBuf};

fn options(device: Device, plain: bool) -> Options {
    Options { device, plain, ..Options::default() }
}

fn run(paths: &[PathBuf], options: &Options) -> (Result<()>, String) {
    let mut out = vec![];
    let result = verify(paths, options, &mut out);
    (result, String::from_utf8(out).unwrap())
}

fn all_pass(device: Device, plain: bool) {
    let folder = PathBuf::from("tests/cases");
    let (result, text) = run(&[folder], &options(device, plain));
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
