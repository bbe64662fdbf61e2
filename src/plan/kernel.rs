//! What an executor implements: about ten kernel kinds, with all shapes and strides worked out.
//!
//! A kernel works for `tasks` tasks; everything else in it describes one task. A view's `task_stride`
//! says where the next task's elements stand (0: shared by all). So `cpu` runs a kernel for one task
//! after the other, `gpu` for all of them in one dispatch, from the same description.

use crate::op::{ConvGeometry, Pointwise, Side, Window};
use crate::shape::Axes;

/// Index into `Plan::buffers`.
pub type BufferId = usize;

/// Strided elements of a buffer: place (task t, index i) is element
/// `offset + t·task_stride + Σ i[k]·strides[k]`. A stride may be 0 (broadcast) or negative (`Flip`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    pub buffer: BufferId,
    pub offset: usize,
    pub task_stride: usize,
    /// One for each axis of the kernel's space.
    pub strides: Vec<isize>,
}

/// Where an instruction of a sweep finds an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    /// The element of `Sweep::loads[k]` at this place.
    Load(usize),
    /// The result of `Sweep::program[k]`, an earlier instruction.
    Value(usize),
    /// `Sweep::puts[k]` at this place.
    Put(usize),
    /// `Sweep::thins[k]` at this place.
    Thin(usize),
    /// The same number everywhere; executors round it to their element type.
    Number(f64),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    pub op: Pointwise,
    /// As many as `op.arity()`.
    pub args: Vec<Arg>,
}

/// A result of a sweep: a map stored at every place, or a sum over some axes of the space.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    pub value: Arg,
    /// Over the sweep's space; stride 0 on summed axes.
    pub to: View,
    /// The summed axes of the space; none: a stored map.
    pub sum: Axes,
}

/// Zeros, but for the elements of `data` at the places in their 2×2 tiles that `index` names: an operand
/// made where it is read, never stored. Both are [images, h/2, w/2, c], contiguous within a task (views
/// without strides).
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    pub data: View,
    pub index: View,
}

/// What a pool of 2×2 tiles takes out of a visit. Index and results as in [`Put`].
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    /// The map whose largest elements are looked for; none: `index` is read.
    pub largest: Option<Arg>,
    pub index: View,
    /// Maps, and where their elements at the places named go.
    pub taken: Vec<(Arg, View)>,
}

/// Pictures of one channel, [images, h, w], seen through a 3×3 window that moves by one pixel. The view is contiguous
/// within a task (no strides).
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub picture: View,
    pub geometry: ConvGeometry,
}

/// What is seen at a place times the window's weights, summed: an operand made where it is read, never stored.
/// `window` is [3, 3, c], contiguous within a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Thin {
    pub seen: Seen,
    pub window: View,
}

/// Σ over all places of `value` times what is seen there: [3, 3, c], contiguous within a task.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSum {
    pub value: Arg,
    pub seen: Seen,
    pub to: View,
}

/// One visit of a space: a small register program at each place, its sinks kept.
///
/// The space has at least one axis. A sweep with one stored map is the plain form `Pointwise` (or a
/// copy, with no instruction), one with one sum the plain form `Reduce`. A sweep with puts, picks,
/// thin convolutions or window sums goes over [images, h, w, c].
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Sweep {
    pub space: Vec<usize>,
    pub loads: Vec<View>,
    pub puts: Vec<Put>,
    pub thins: Vec<Thin>,
    pub program: Vec<Instruction>,
    pub sinks: Vec<Sink>,
    pub picks: Vec<Pick>,
    pub window_sums: Vec<WindowSum>,
}

/// c[b, i, j] (+)= Σ_q a[b, i, q]·b[b, q, j]. Views have strides [batch axes..., row, column].
#[derive(Clone, Debug, PartialEq)]
pub struct MatMul {
    pub batch: Vec<usize>,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: View,
    pub b: View,
    pub c: View,
    /// Adds to what `c` holds.
    pub accumulate: bool,
}

/// One side of a convolution. All operands are contiguous within a task, their views have no strides.
/// Operands in the order of `Side`: Output (x, w), Input (w, g), Weight (x, g).
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    pub side: Side,
    pub geometry: ConvGeometry,
    pub images: usize,
    /// Channels of the image and of the output.
    pub channels: [usize; 2],
    pub a: View,
    pub b: View,
    pub to: View,
    /// Adds to what `to` holds.
    pub accumulate: bool,
}

/// Which of the three choice operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// data x -> index
    ArgMax,
    /// data x, index -> the elements named
    Take,
    /// data g, index -> zeros with g added at the places named
    Put,
}

/// The two forms of a choice.
#[derive(Clone, Debug, PartialEq)]
pub enum Places {
    /// Along one axis. `space` has the index's sizes (for `ArgMax`: 1 on the axis). The *indexed* side
    /// (x of ArgMax and Take, the result of Put) has `size` places there, `step` elements apart; its
    /// view's own stride on that axis is 0.
    Axis { space: Vec<usize>, axis: usize, size: usize, step: isize },
    /// In windows over [images, h, w, c], all operands contiguous within a task (views without strides).
    Window { images: usize, h: usize, w: usize, c: usize, window: Window },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Choose {
    pub choice: Choice,
    pub places: Places,
    /// x of ArgMax and Take, g of Put.
    pub data: View,
    /// Absent for ArgMax.
    pub index: Option<View>,
    pub to: View,
}

/// Uniform numbers: element i of task t is `random::uniform24(seed, stream, i, step, t)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Random {
    pub seed: u32,
    pub stream: u32,
    /// One element, shared by all tasks.
    pub step: View,
    /// Elements a task, contiguous.
    pub len: usize,
    pub to: View,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Sweep(Sweep),
    MatMul(MatMul),
    Conv(Conv),
    Choose(Choose),
    Random(Random),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    pub kind: Kind,
    /// How many tasks it serves; 1 for a kernel that does not run along the task axis.
    pub tasks: usize,
}

impl Kernel {
    /// Views read, in a fixed order.
    pub fn reads(&self) -> Vec<&View> {
        match &self.kind {
            Kind::Sweep(s) => {
                let puts = s.puts.iter().flat_map(|put| [&put.data, &put.index]);
                let given = s.picks.iter().filter(|pick| pick.largest.is_none());
                let thins = s.thins.iter().flat_map(|thin| [&thin.seen.picture, &thin.window]);
                let seen = s.window_sums.iter().map(|sum| &sum.seen.picture);
                let made = puts.chain(thins).chain(seen);
                s.loads.iter().chain(made).chain(given.map(|pick| &pick.index)).collect()
            }
            Kind::MatMul(m) => {
                [&m.a, &m.b].into_iter().chain(m.accumulate.then_some(&m.c)).collect()
            }
            Kind::Conv(c) => {
                [&c.a, &c.b].into_iter().chain(c.accumulate.then_some(&c.to)).collect()
            }
            Kind::Choose(c) => std::iter::once(&c.data).chain(&c.index).collect(),
            Kind::Random(r) => vec![&r.step],
        }
    }

    /// Views written, in a fixed order.
    pub fn writes(&self) -> Vec<&View> {
        match &self.kind {
            Kind::Sweep(s) => {
                let found = s.picks.iter().filter(|pick| pick.largest.is_some());
                let taken = s.picks.iter().flat_map(|pick| pick.taken.iter().map(|(_, to)| to));
                let sinks = s.sinks.iter().map(|sink| &sink.to);
                let summed = s.window_sums.iter().map(|sum| &sum.to);
                sinks.chain(found.map(|pick| &pick.index)).chain(taken).chain(summed).collect()
            }
            Kind::MatMul(m) => vec![&m.c],
            Kind::Conv(c) => vec![&c.to],
            Kind::Choose(c) => vec![&c.to],
            Kind::Random(r) => vec![&r.to],
        }
    }

    /// Multiply-adds count 2; one pointwise instruction or one summed element counts 1. For all tasks.
    pub fn flops(&self) -> u64 {
        let one = match &self.kind {
            Kind::Sweep(s) => {
                let sums = s.sinks.iter().filter(|sink| sink.sum.0 != 0).count();
                let choices = s.puts.len() + s.picks.iter().map(Pick::choices).sum::<usize>();
                let windows = 18 * (s.thins.len() + s.window_sums.len());
                size(&s.space) * (s.program.len() + sums + choices + windows) as u64
            }
            Kind::MatMul(m) => 2 * size(&m.batch) * (m.m * m.n * m.k) as u64,
            Kind::Conv(c) => c.flops(),
            Kind::Choose(c) => match &c.places {
                Places::Axis { space, size: n, .. } if c.choice == Choice::ArgMax => {
                    size(space) * *n as u64
                }
                Places::Axis { space, .. } => size(space),
                Places::Window { images, h, w, c, .. } => (images * h * w * c) as u64,
            },
            Kind::Random(r) => r.len as u64,
        };
        one * self.tasks as u64
    }

    /// One word for tables: what kind of kernel this is.
    pub fn name(&self) -> String {
        match &self.kind {
            Kind::Sweep(s) => {
                let sums = s.sinks.iter().filter(|sink| sink.sum.0 != 0).count();
                let maps = s.sinks.len() - sums;
                match (s.program.len(), maps, sums) {
                    _ if s.has_windows() => "sweep, convolving".into(),
                    _ if s.has_tiles() => "sweep, pooling".into(),
                    (0, 1, 0) => "copy".into(),
                    (_, 1, 0) => "pointwise".into(),
                    (_, 0, 1) => "reduce".into(),
                    _ => "sweep".into(),
                }
            }
            Kind::MatMul(_) => "matmul".into(),
            Kind::Conv(c) => match c.side {
                Side::Output => "conv output".into(),
                Side::Input => "conv input".into(),
                Side::Weight => "conv weight".into(),
            },
            Kind::Choose(c) => match c.choice {
                Choice::ArgMax => "argmax".into(),
                Choice::Take => "take".into(),
                Choice::Put => "put".into(),
            },
            Kind::Random(_) => "random".into(),
        }
    }
}

impl Sweep {
    /// Whether tiles of a pool are part of it.
    pub fn has_tiles(&self) -> bool {
        !self.puts.is_empty() || !self.picks.is_empty()
    }

    /// Whether a thin convolution's map or its gradient by the window is part of it.
    pub fn has_windows(&self) -> bool {
        !self.thins.is_empty() || !self.window_sums.is_empty()
    }

    /// Whether a place's neighbours matter: the space is then [images, h, w, c].
    pub fn knows_pixels(&self) -> bool {
        self.has_tiles() || self.has_windows()
    }

    /// Its space where [`knows_pixels`](Self::knows_pixels): [images, h, w, c].
    pub fn pixels(&self) -> [usize; 4] {
        self.space[..].try_into().expect("four axes")
    }
}

impl Pick {
    fn choices(&self) -> usize {
        self.largest.is_some() as usize + self.taken.len()
    }
}

impl Conv {
    /// For one task.
    pub fn flops(&self) -> u64 {
        let [oh, ow] = self.geometry.output().expect("checked on the tape");
        let [kh, kw] = self.geometry.kernel;
        let per_pixel = kh * kw * self.channels[0] / self.geometry.groups * self.channels[1];
        2 * (self.images * oh * ow * per_pixel) as u64
    }
}

fn size(dims: &[usize]) -> u64 {
    dims.iter().product::<usize>() as u64
}
