//! A launch: one dispatch, described without any GPU.
//!
//! Kernels become launches in `sweep.rs`, `contract.rs` and `choose.rs`: a shader's text, its parameters
//! as words, and how many workgroups. Nothing there touches a device, so shape logic is tested
//! anywhere.

use crate::plan::{BufferId, View};

/// The most trips through all loops together that one lane may make. llvmpipe stops a shader's loops
/// without an error after 65,535; half of it leaves room for what drivers add. Kept on every
/// device, so that results do not depend on the driver.
pub const MAX_TRIPS: usize = 32_768;

/// Workgroups in one dimension that WebGPU promises.
pub const MAX_GROUPS: usize = 65_535;

/// Bytes of workgroup memory that WebGPU promises.
pub const WORKGROUP_BYTES: usize = 16_384;

/// Bytes of one uniform binding that WebGPU promises.
pub const UNIFORM_BYTES: usize = 65_536;

#[derive(Clone, Debug)]
pub struct Launch {
    /// The shader's file, and its entry point.
    pub file: &'static str,
    pub entry: &'static str,
    pub text: String,
    /// The uniform `params`, whole 16-byte rows.
    pub params: Vec<u32>,
    pub groups: usize,
    /// An upper bound of one lane's trips through all loops.
    pub trips: usize,
}

impl Launch {
    /// Fills the parameters up to whole rows.
    pub fn new(
        file: &'static str,
        entry: &'static str,
        text: String,
        mut params: Vec<u32>,
        groups: usize,
        trips: usize,
    ) -> Self {
        params.resize(params.len().next_multiple_of(4), 0);
        Self { file, entry, text, params, groups, trips }
    }

    /// The grid: x alone, or x and y where one dimension is too short. The shader ignores the rest.
    pub fn grid(&self) -> [u32; 3] {
        if self.groups <= MAX_GROUPS {
            [self.groups as u32, 1, 1]
        } else {
            [MAX_GROUPS as u32, self.groups.div_ceil(MAX_GROUPS) as u32, 1]
        }
    }
}

/// Where a kernel's launches find things, and what they may assume.
pub struct Site<'a> {
    /// The first element of each buffer in the arena.
    pub starts: &'a dyn Fn(BufferId) -> usize,
    /// Where intermediate sums may stand: from here, as far as asked for.
    pub scratch: usize,
    /// A real GPU: workgroup memory pays there.
    pub hardware: bool,
}

impl Site<'_> {
    /// The view's elements in the arena, the task axis first.
    pub fn strided(&self, view: &View) -> Strided {
        let task = view.task_stride as isize;
        let strides = std::iter::once(task).chain(view.strides.iter().copied()).collect();
        Strided { start: self.start(view), strides }
    }

    pub fn start(&self, view: &View) -> usize {
        (self.starts)(view.buffer) + view.offset
    }
}

/// Elements of the arena with a stride for each axis of some space.
#[derive(Clone, Debug)]
pub struct Strided {
    pub start: usize,
    pub strides: Vec<isize>,
}

/// Strides are added modulo 2^32 in the shaders, so a negative one wraps.
pub fn word(stride: isize) -> u32 {
    stride as u32
}

/// Merges neighbouring axes that all operands cross alike and drops those of size 1: fewer divisions
/// in the shader, and fewer different texts. Returns the sizes, and each operand's strides.
pub fn merge(
    sizes: &[usize],
    axes: &[usize],
    operands: &[&Strided],
) -> (Vec<usize>, Vec<Vec<isize>>) {
    let mut merged: Vec<usize> = vec![];
    let mut strides: Vec<Vec<isize>> = vec![vec![]; operands.len()];
    for &axis in axes.iter().filter(|&&axis| sizes[axis] > 1) {
        let size = sizes[axis];
        let alike = !merged.is_empty()
            && operands
                .iter()
                .zip(&strides)
                .all(|(x, s)| s[s.len() - 1] == x.strides[axis] * size as isize);
        if alike {
            *merged.last_mut().expect("not empty") *= size;
        } else {
            merged.push(size);
        }
        for (x, s) in operands.iter().zip(&mut strides) {
            if alike {
                s.pop();
            }
            s.push(x.strides[axis]);
        }
    }
    (merged, strides)
}

/// Row-major strides of `sizes`.
pub fn contiguous(sizes: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; sizes.len()];
    for axis in (1..sizes.len()).rev() {
        strides[axis - 1] = strides[axis] * sizes[axis] as isize;
    }
    strides
}

/// Cuts `terms` into chunks so that about `wanted` lanes have work and none gets more than `most`
/// terms; chunks of under 256 would cost more in adding up than they save. (chunk, parts)
pub fn cut(terms: usize, lanes: usize, wanted: usize, most: usize) -> (usize, usize) {
    let for_lanes = (wanted / lanes.max(1)).min(terms / 256);
    let parts = for_lanes.max(terms.div_ceil(most)).max(1);
    let chunk = terms.div_ceil(parts);
    (chunk, terms.div_ceil(chunk))
}
