//! A plan, run in f64 by loops that follow the kernel descriptions word for word.
//!
//! It separates two questions: whether a plan means what its tape means (asked here, to f64's digits),
//! and whether an executor's kernels do what the plan says. Only checks use it.

use super::kernel::*;
use super::{Place, Plan};
use crate::op::conv::reference;
use crate::op::{Along, Side, Window, choice};
use crate::random::uniform24;
use crate::shape::Shape;

/// The outputs for the values of all input slots. Memory is laid out as the plan says, so a wrong
/// lifetime shows as a wrong number.
pub fn interpret(plan: &Plan, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut machine = Machine {
        plan,
        own: plan.buffers.iter().map(|b| vec![f64::NAN; b.len * b.tasks]).collect(),
        shared: vec![f64::NAN; 4 * plan.shared_len],
        worker: vec![f64::NAN; 4 * plan.worker_len],
    };
    for (slot, buffer) in plan.inputs.iter().enumerate() {
        if let Some(buffer) = buffer {
            for (i, &value) in inputs[slot].iter().enumerate() {
                machine.set(*buffer, i, value);
            }
        }
    }
    for (buffer, values) in &plan.constants {
        machine.own[*buffer] = values.clone();
    }
    for segment in &plan.segments {
        for sum in &segment.task_sums {
            for i in 0..plan.buffers[sum.to].len {
                machine.set(sum.to, i, 0.0);
            }
        }
        for task in 0..segment.tasks {
            for kernel in &plan.kernels[segment.kernels.clone()] {
                match segment.tasks {
                    1 => (0..kernel.tasks).for_each(|task| machine.kernel(kernel, task)),
                    _ => machine.kernel(kernel, task),
                }
            }
            for sum in &segment.task_sums {
                let len = plan.buffers[sum.to].len;
                for i in 0..len {
                    let term = |&term: &BufferId| machine.get(term, task * len + i, task);
                    let from: f64 = sum.from.iter().map(term).sum();
                    let to = machine.get(sum.to, i, 0);
                    machine.set(sum.to, i, to + from);
                }
            }
        }
    }
    let mut result = |output: BufferId| {
        let len = plan.buffers[output].len * plan.buffers[output].tasks;
        (0..len).map(|i| machine.get(output, i, 0)).collect()
    };
    plan.outputs.iter().map(|&output| result(output)).collect()
}

struct Machine<'p> {
    plan: &'p Plan,
    own: Vec<Vec<f64>>,
    /// The arenas byte by byte: a number stands at its first.
    shared: Vec<f64>,
    worker: Vec<f64>,
}

impl Machine<'_> {
    /// The element `at` of a buffer; in a worker's arena the task's own copy stands at 0.
    fn cell(&mut self, buffer: BufferId, at: usize, task: usize) -> &mut f64 {
        let b = &self.plan.buffers[buffer];
        match b.place {
            Place::Own => &mut self.own[buffer][at],
            Place::Part { whole, offset } => {
                assert!(at < b.len);
                &mut self.own[whole][offset + at]
            }
            Place::Shared { offset } => {
                assert!(at < b.len * b.tasks);
                &mut self.shared[4 * offset + b.element_bytes * at]
            }
            Place::Worker { offset } => {
                let at = at - task * b.len;
                assert!(at < b.len);
                &mut self.worker[4 * offset + b.element_bytes * at]
            }
        }
    }

    fn get(&mut self, buffer: BufferId, at: usize, task: usize) -> f64 {
        *self.cell(buffer, at, task)
    }

    fn set(&mut self, buffer: BufferId, at: usize, value: f64) {
        *self.cell(buffer, at, 0) = value;
    }

    fn at(&mut self, view: &View, task: usize, index: &[usize]) -> &mut f64 {
        let inner: isize = view.strides.iter().zip(index).map(|(s, &i)| s * i as isize).sum();
        // A worker's buffer is addressed by its own task length, whatever stride a view has.
        let task_part = match self.plan.buffers[view.buffer].place {
            Place::Worker { .. } => task * self.plan.buffers[view.buffer].len,
            _ => task * view.task_stride,
        };
        let at = (view.offset + task_part) as isize + inner;
        self.cell(view.buffer, at as usize, task)
    }

    /// Contiguous elements of one task.
    fn block(&mut self, view: &View, task: usize, len: usize) -> Vec<f64> {
        let flat = View { strides: vec![1], ..view.clone() };
        (0..len).map(|i| *self.at(&flat, task, &[i])).collect()
    }

    fn store(&mut self, view: &View, task: usize, values: &[f64], accumulate: bool) {
        let flat = View { strides: vec![1], ..view.clone() };
        for (i, value) in values.iter().enumerate() {
            let cell = self.at(&flat, task, &[i]);
            *cell = if accumulate { *cell + value } else { *value };
        }
    }

    fn kernel(&mut self, kernel: &Kernel, task: usize) {
        match &kernel.kind {
            Kind::Sweep(sweep) => self.sweep(sweep, task),
            Kind::MatMul(product) => self.matmul(product, task),
            Kind::Conv(conv) => self.conv(conv, task),
            Kind::Choose(choose) => self.choose(choose, task),
            Kind::Random(r) => {
                let step = self.block(&r.step, 0, 1)[0] as u32;
                let one = |i| uniform24(r.seed, r.stream, i as u32, step, task as u32) as f64;
                let values: Vec<f64> = (0..r.len).map(one).collect();
                self.store(&r.to, task, &values, false);
            }
        }
    }

    fn sweep(&mut self, sweep: &Sweep, task: usize) {
        for sink in sweep.sinks.iter().filter(|sink| sink.sum.0 != 0) {
            each(&sweep.space, |index| *self.at(&sink.to, task, index) = 0.0);
        }
        let tiles = Tiles::of(sweep);
        // What is taken is kept aside until the whole index is found.
        let mut maps: Vec<Vec<f64>> = vec![vec![]; tiles.maps(sweep).len()];
        let puts: Vec<Vec<f64>> = sweep
            .puts
            .iter()
            .map(|put| {
                tiles.put(
                    self.block(&put.data, task, tiles.len()),
                    self.block(&put.index, task, tiles.len()),
                )
            })
            .collect();
        let thins: Vec<Vec<f64>> =
            sweep.thins.iter().map(|thin| self.thin(thin, sweep, task)).collect();
        let mut cotangents: Vec<Vec<f64>> = vec![vec![]; sweep.window_sums.len()];
        let mut flat = 0;
        each(&sweep.space, |index| {
            let here = |maps: &[Vec<f64>]| maps.iter().map(|map| map[flat]).collect::<Vec<f64>>();
            let (put, thin) = (here(&puts), here(&thins));
            flat += 1;
            let loads: Vec<f64> =
                sweep.loads.iter().map(|view| *self.at(view, task, index)).collect();
            let mut values: Vec<f64> = Vec::with_capacity(sweep.program.len());
            let arg = |values: &[f64], arg: Arg| match arg {
                Arg::Load(k) => loads[k],
                Arg::Value(k) => values[k],
                Arg::Put(k) => put[k],
                Arg::Thin(k) => thin[k],
                Arg::Number(n) => n,
            };
            for instruction in &sweep.program {
                let args: Vec<f64> = instruction.args.iter().map(|&a| arg(&values, a)).collect();
                values.push(instruction.op.value(&args));
            }
            for sink in &sweep.sinks {
                let value = arg(&values, sink.value);
                let cell = self.at(&sink.to, task, index);
                *cell = if sink.sum.0 != 0 { *cell + value } else { value };
            }
            for (map, value) in maps.iter_mut().zip(tiles.maps(sweep)) {
                map.push(arg(&values, value));
            }
            for (map, sum) in cotangents.iter_mut().zip(&sweep.window_sums) {
                map.push(arg(&values, sum.value));
            }
        });
        for (sum, cotangent) in sweep.window_sums.iter().zip(cotangents) {
            self.window_sum(sum, sweep, cotangent, task);
        }
        let mut maps = maps.into_iter();
        for pick in &sweep.picks {
            let index = match pick.largest {
                Some(_) => {
                    let index = tiles.largest(maps.next().expect("a map each"));
                    self.store(&pick.index, task, &index, false);
                    index
                }
                None => self.block(&pick.index, task, tiles.len()),
            };
            for (_, to) in &pick.taken {
                let taken = tiles.take(maps.next().expect("a map each"), &index);
                self.store(to, task, &taken, false);
            }
        }
    }

    /// Shapes of the pictures, the window and the map of a thin convolution.
    fn thin_shapes(seen: &Seen, sweep: &Sweep) -> [Shape; 3] {
        let ([n, h, w, c], [ih, iw]) = (sweep.pixels(), seen.geometry.image);
        [[1, n, ih, iw, 1], [1, 3, 3, 1, c], [1, n, h, w, c]].map(Shape::from)
    }

    /// The whole map.
    fn thin(&mut self, thin: &Thin, sweep: &Sweep, task: usize) -> Vec<f64> {
        let [x, w, y] = Self::thin_shapes(&thin.seen, sweep);
        let picture = self.block(&thin.seen.picture, task, x.len());
        let window = self.block(&thin.window, task, w.len());
        let mut map = vec![0.0; y.len()];
        let (a, b) = ((&picture[..], x), (&window[..], w));
        reference(Side::Output, &thin.seen.geometry, a, b, &mut map, y);
        map
    }

    fn window_sum(&mut self, sum: &WindowSum, sweep: &Sweep, cotangent: Vec<f64>, task: usize) {
        let [x, w, y] = Self::thin_shapes(&sum.seen, sweep);
        let picture = self.block(&sum.seen.picture, task, x.len());
        let mut window = vec![0.0; w.len()];
        let (a, b) = ((&picture[..], x), (&cotangent[..], y));
        reference(Side::Weight, &sum.seen.geometry, a, b, &mut window, w);
        self.store(&sum.to, task, &window, false);
    }

    fn matmul(&mut self, p: &MatMul, task: usize) {
        let mut space = p.batch.clone();
        space.extend([p.m, p.n]);
        each(&space, |index| {
            let (batch, ij) = index.split_at(p.batch.len());
            let mut sum = 0.0;
            for q in 0..p.k {
                let a = *self.at(&p.a, task, &[batch, &[ij[0], q]].concat());
                let b = *self.at(&p.b, task, &[batch, &[q, ij[1]]].concat());
                sum += a * b;
            }
            let cell = self.at(&p.c, task, index);
            *cell = if p.accumulate { *cell + sum } else { sum };
        });
    }

    fn conv(&mut self, c: &Conv, task: usize) {
        let ([h, w], [kh, kw]) = (c.geometry.image, c.geometry.kernel);
        let [oh, ow] = c.geometry.output().expect("checked on the tape");
        let x = Shape::from([1, c.images, h, w, c.channels[0]]);
        let k = Shape::from([1, kh, kw, c.channels[0] / c.geometry.groups, c.channels[1]]);
        let g = Shape::from([1, c.images, oh, ow, c.channels[1]]);
        let (sa, sb, to) = match c.side {
            Side::Output => (x, k, g),
            Side::Input => (k, g, x),
            Side::Weight => (x, g, k),
        };
        let (a, b) = (self.block(&c.a, task, sa.len()), self.block(&c.b, task, sb.len()));
        let mut out = vec![0.0; to.len()];
        reference(c.side, &c.geometry, (&a, sa), (&b, sb), &mut out, to);
        self.store(&c.to, task, &out, c.accumulate);
    }

    fn choose(&mut self, c: &Choose, task: usize) {
        match &c.places {
            Places::Window { images, h, w, c: channels, window } => {
                let [oh, ow] = window.output(*h, *w).expect("checked on the tape");
                let image = Shape::from([1, *images, *h, *w, *channels]);
                let small = Shape::from([1, *images, oh, ow, *channels]);
                let along = Along::Window(*window);
                let (from, to) = match c.choice {
                    Choice::Put => (small, image),
                    _ => (image, small),
                };
                let data = self.block(&c.data, task, from.len());
                let index = c.index.as_ref().map(|index| self.block(index, task, small.len()));
                let mut out = vec![0.0; to.len()];
                let index = index.as_deref().unwrap_or(&[]);
                match c.choice {
                    Choice::ArgMax => choice::argmax_reference((&data, from), &along, &mut out, to),
                    Choice::Take => {
                        choice::take_reference((&data, from), (index, small), &along, &mut out, to)
                    }
                    Choice::Put => {
                        choice::put_reference((&data, from), (index, small), &along, &mut out, to)
                    }
                }
                self.store(&c.to, task, &out, false);
            }
            Places::Axis { space, axis, size, step } => {
                // The indexed side with its axis made visible.
                let indexed = |view: &View| {
                    let mut view = view.clone();
                    view.strides[*axis] = *step;
                    view
                };
                let named = |index: f64| (index.max(0.0) as usize).min(size - 1);
                if c.choice == Choice::Put {
                    let to = indexed(&c.to);
                    let mut all = space.clone();
                    all[*axis] = *size;
                    each(&all, |at| *self.at(&to, task, at) = 0.0);
                }
                each(space, |index| {
                    let mut place = index.to_vec();
                    match c.choice {
                        Choice::ArgMax => {
                            let data = indexed(&c.data);
                            let mut best = (f64::NAN, 0);
                            for k in 0..*size {
                                place[*axis] = k;
                                let v = *self.at(&data, task, &place);
                                if k == 0 || v > best.0 || v.is_nan() && !best.0.is_nan() {
                                    best = (v, k);
                                }
                            }
                            *self.at(&c.to, task, index) = best.1 as f64;
                        }
                        Choice::Take => {
                            let i = *self.at(c.index.as_ref().expect("an index"), task, index);
                            place[*axis] = named(i);
                            let v = *self.at(&indexed(&c.data), task, &place);
                            *self.at(&c.to, task, index) = v;
                        }
                        Choice::Put => {
                            let i = *self.at(c.index.as_ref().expect("an index"), task, index);
                            place[*axis] = named(i);
                            let v = *self.at(&c.data, task, index);
                            *self.at(&indexed(&c.to), task, &place) += v;
                        }
                    }
                });
            }
        }
    }
}

/// The tiles of a sweep with a pool, by the definitions of `op::choice`.
struct Tiles {
    image: Shape,
    small: Shape,
}

impl Tiles {
    const ALONG: Along = Along::Window(Window { size: [2, 2], stride: [2, 2], pad: [0; 4] });

    fn of(sweep: &Sweep) -> Self {
        let size = |k| if sweep.has_tiles() { sweep.space[k] } else { 2 };
        let (n, h, w, c) = (size(0), size(1), size(2), size(3));
        Self { image: Shape::from([1, n, h, w, c]), small: Shape::from([1, n, h / 2, w / 2, c]) }
    }

    fn len(&self) -> usize {
        self.small.len()
    }

    /// Everything that picks look at, in their order.
    fn maps(&self, sweep: &Sweep) -> Vec<Arg> {
        let of = |pick: &Pick| {
            pick.largest.into_iter().chain(pick.taken.iter().map(|&(value, _)| value)).collect()
        };
        sweep.picks.iter().flat_map::<Vec<Arg>, _>(of).collect()
    }

    fn put(&self, data: Vec<f64>, index: Vec<f64>) -> Vec<f64> {
        let mut out = vec![0.0; self.image.len()];
        let index = (&index[..], self.small);
        choice::put_reference((&data, self.small), index, &Self::ALONG, &mut out, self.image);
        out
    }

    fn largest(&self, map: Vec<f64>) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        choice::argmax_reference((&map, self.image), &Self::ALONG, &mut out, self.small);
        out
    }

    fn take(&self, map: Vec<f64>, index: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        let index = (index, self.small);
        choice::take_reference((&map, self.image), index, &Self::ALONG, &mut out, self.small);
        out
    }
}

/// Calls `f` for every index of a space, row-major.
fn each(space: &[usize], mut f: impl FnMut(&[usize])) {
    let mut index = vec![0; space.len()];
    for _ in 0..space.iter().product() {
        f(&index);
        for k in (0..space.len()).rev() {
            index[k] += 1;
            if index[k] < space[k] {
                break;
            }
            index[k] = 0;
        }
    }
}
