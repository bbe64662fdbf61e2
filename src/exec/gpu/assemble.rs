//! A shader's text: its file, the files it imports, its constants, its program.
//!
//! The files in shaders/ are plain WGSL. Three things may happen to one: a line `//#import "shared/x"`
//! becomes that file, a named `const` gets another value (tile sizes must be text: override constants
//! cannot size local arrays), and the lines between `//#begin program` and `//#end program` are
//! replaced. Without any of it a file is still valid, with the values it was committed with.

use std::cell::Cell;

/// Every shader, by the name messages and imports use.
pub const FILES: &[(&str, &str)] = &[
    ("argmax_axis", include_str!("../../../shaders/argmax_axis.wgsl")),
    ("choose_window", include_str!("../../../shaders/choose_window.wgsl")),
    ("conv_input", include_str!("../../../shaders/conv_input.wgsl")),
    ("conv_output", include_str!("../../../shaders/conv_output.wgsl")),
    ("conv_weight", include_str!("../../../shaders/conv_weight.wgsl")),
    ("copy_ranges", include_str!("../../../shaders/copy_ranges.wgsl")),
    ("matmul_registers", include_str!("../../../shaders/matmul_registers.wgsl")),
    ("matmul_tiles", include_str!("../../../shaders/matmul_tiles.wgsl")),
    ("random", include_str!("../../../shaders/random.wgsl")),
    ("sweep_map", include_str!("../../../shaders/sweep_map.wgsl")),
    ("sweep_sum", include_str!("../../../shaders/sweep_sum.wgsl")),
    ("take_put", include_str!("../../../shaders/take_put.wgsl")),
];

/// What files import.
pub const SHARED: &[(&str, &str)] = &[
    ("shared/arena", ARENA),
    ("shared/conv", include_str!("../../../shaders/shared/conv.wgsl")),
    ("shared/math", include_str!("../../../shaders/shared/math.wgsl")),
    ("shared/matmul", include_str!("../../../shaders/shared/matmul.wgsl")),
    ("shared/philox", include_str!("../../../shaders/shared/philox.wgsl")),
];

const ARENA: &str = include_str!("../../../shaders/shared/arena.wgsl");

const BEGIN: &str = "//#begin program\n";
const END: &str = "//#end program\n";

/// The text of shader `name` with constants replaced and, where given, its program.
///
/// Panics at a name, a constant or a mark that is not there: both sides are ours.
pub fn shader(name: &str, constants: &[(&str, String)], program: Option<&str>) -> String {
    let (_, file) = FILES.iter().find(|(file, _)| *file == name).expect("a shader of this crate");
    let mut text = String::with_capacity(2 * file.len());
    for line in file.lines() {
        match line.strip_prefix("//#import \"").and_then(|rest| rest.strip_suffix('"')) {
            Some(wanted) => {
                let (_, shared) = SHARED.iter().find(|(n, _)| *n == wanted).expect("an import");
                text.push_str(shared);
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    for (constant, value) in constants {
        let start = text.find(&format!("const {constant} = ")).expect("a constant of the shader");
        let from = start + "const  = ".len() + constant.len();
        let to = from + text[from..].find(';').expect("the constant's end");
        text.replace_range(from..to, value);
    }
    if let Some(program) = program {
        let from = text.find(BEGIN).expect("the program's begin") + BEGIN.len();
        let to = text.find(END).expect("the program's end");
        text.replace_range(from..to, program);
    }
    match planted() {
        Some(fault) if fault.file == name => {
            assert!(text.contains(fault.find), "{name} has no `{}` to break", fault.find);
            text.replace(fault.find, fault.replace)
        }
        _ => text,
    }
}

/// The same shader for an arena of several bindings, `1 << bits` elements each but the last: one
/// binding may be too short for it (WebGPU promises 128 MiB).
pub fn over_banks(text: &str, banks: usize, bits: u32) -> String {
    let mut arena = String::new();
    for k in 0..banks {
        let binding = k + 1;
        arena += &format!(
            "@group(0) @binding({binding}) var<storage, read_write> bank{k}: array<f32>;\n"
        );
    }
    let place = format!("at & {}u", (1u32 << bits) - 1);
    let mut function = |head: &str, body: &dyn Fn(usize) -> String| {
        arena += &format!("\n{head} {{\n    switch at >> {bits}u {{\n");
        for k in 0..banks {
            let case = if k + 1 == banks { "default".into() } else { format!("case {k}u") };
            arena += &format!("        {case}: {{ {} }}\n", body(k));
        }
        arena += "    }\n}\n";
    };
    function("fn load(at: u32) -> f32", &|k| format!("return bank{k}[{place}];"));
    function("fn store(at: u32, value: f32)", &|k| format!("bank{k}[{place}] = value;"));
    assert!(text.contains(ARENA), "every shader imports the arena");
    text.replace(ARENA, &arena)
}

/// A shader broken on purpose, to see the tests that should notice go red.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub file: &'static str,
    pub find: &'static str,
    pub replace: &'static str,
    /// Whether kernels still prove themselves before they are used.
    pub self_test: bool,
}

thread_local! {
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Runs `f` with a shader broken, for programs compiled on this thread meanwhile.
pub fn with_fault<R>(fault: Fault, f: impl FnOnce() -> R) -> R {
    struct Mend;
    impl Drop for Mend {
        fn drop(&mut self) {
            FAULT.set(None); // also when `f` panics: the thread may run another test
        }
    }
    FAULT.set(Some(fault));
    let _mend = Mend;
    f()
}

fn planted() -> Option<Fault> {
    // The one that `check::fault` asks for, found by comparing results alone: 1% in each first row.
    let asked = crate::check::fault::active(crate::check::fault::Fault::GpuShader);
    let product = Fault {
        file: "matmul_registers",
        find: "sum0 += load(a_at.x) * b",
        replace: "sum0 += 1.01 * load(a_at.x) * b",
        self_test: false,
    };
    FAULT.get().or(asked.then_some(product))
}

pub(super) fn self_tests_are_on() -> bool {
    planted().is_none_or(|fault| fault.self_test)
}
