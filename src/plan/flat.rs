//! Flat: the update of all parameters is one visit of one buffer.
//!
//! An optimiser does the same to every parameter: as many visits as there are parameters, most of them
//! short, and on `gpu` as many dispatches. Here what those visits read and write place by place
//! (parameters, gradients, moments, results) is laid out side by side, each buffer a *part* of a whole
//! ([`Place::Part`]), and one visit goes over the wholes. Between two parts it computes what nobody reads.
//!
//! ```text
//! w' = f(w, g), b' = f(b, g_b)        W  [ w      | b ]
//!                              →      G  [ g      | g_b ]    W' = f(W, G)
//! ```
//!
//! Only visits that make new state are joined: state outlives a run anyway, so nothing loses a place
//! that it could have shared. Parameters of one shape and level already share a visit (`sweep.rs`), so visits are
//! first taken apart into *pieces* that have no map in common.

use super::kernel::{Arg, Instruction, Kernel, Kind, Sweep, View};
use super::memory::ALIGN;
use super::{Buffer, BufferId, Place, Segment};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Joins the updates of state that are alike. `state` gains the pairs of the wholes; `constants` are
/// buffers that are filled before the first run.
pub fn flatten(
    buffers: &mut Vec<Buffer>,
    kernels: &mut Vec<Kernel>,
    segments: &mut [Segment],
    state: &mut Vec<(BufferId, BufferId)>,
    constants: &HashSet<BufferId>,
) {
    let results: HashSet<BufferId> = state.iter().map(|&(result, _)| result).collect();
    let once = segments.iter().filter(|segment| segment.tasks == 1);
    let groups: Vec<Vec<Piece>> =
        once.flat_map(|segment| groups(kernels, segment, buffers, &results, constants)).collect();
    // Visits that give a piece away. What has no partner stays what it was.
    let several = groups.iter().filter(|group| group.len() > 1);
    let apart: HashSet<usize> = several.flatten().map(|piece| piece.kernel).collect();
    if apart.is_empty() {
        return;
    }
    let mut flat = buffers.clone();
    let mut made: HashMap<usize, Vec<Kernel>> = HashMap::new();
    for group in groups.iter().filter(|group| apart.contains(&group[0].kernel)) {
        let sweep = if group.len() > 1 { join(&mut flat, group) } else { group[0].sweep.clone() };
        let kernel = Kernel { kind: Kind::Sweep(sweep), tasks: 1 };
        made.entry(group[0].kernel).or_default().push(kernel);
    }
    // Where state goes from a part to anything but the same part of another whole, nothing is joined.
    let Some(pairs) = whole_pairs(&flat, state) else { return };
    *buffers = flat;
    state.extend(pairs);
    let mut all = Vec::with_capacity(kernels.len());
    for segment in segments {
        let first = all.len();
        for k in segment.kernels.clone() {
            match apart.contains(&k) {
                true => all.extend(made.remove(&k).unwrap_or_default()),
                false => all.push(kernels[k].clone()),
            }
        }
        segment.kernels = first..all.len();
    }
    *kernels = all;
}

/// A part of a visit that shares no map with the rest of it.
struct Piece {
    /// Where it comes from.
    kernel: usize,
    sweep: Sweep,
    /// The buffers it goes over place by place, loads before sinks.
    parts: Vec<BufferId>,
}

/// The updates of one segment, each with those that it can be one with, in order.
fn groups(
    kernels: &[Kernel],
    segment: &Segment,
    buffers: &[Buffer],
    results: &HashSet<BufferId>,
    constants: &HashSet<BufferId>,
) -> Vec<Vec<Piece>> {
    let mut groups: Vec<Vec<Piece>> = vec![];
    let mut taken = constants.clone();
    for k in segment.kernels.clone() {
        let Some(pieces) = pieces(k, &kernels[k], buffers, results) else { continue };
        // No buffer is part of two wholes, or twice of one.
        let parts: Vec<BufferId> = pieces.iter().flat_map(|piece| piece.parts.clone()).collect();
        let mut seen = taken.clone();
        if !parts.iter().all(|&part| seen.insert(part)) {
            continue;
        }
        taken = seen;
        for piece in pieces {
            let joins = |group: &&mut Vec<Piece>| {
                // It moves to the first one's place: what it reads must be there by then.
                let between = kernels[group[0].kernel..k].iter().flat_map(Kernel::writes);
                let made: HashSet<BufferId> = between.map(|view| view.buffer).collect();
                let ready = piece.sweep.loads.iter().all(|load| !made.contains(&load.buffer));
                ready && alike(&group[0].sweep, &piece.sweep)
            };
            match groups.iter_mut().find(joins) {
                Some(group) => group.push(piece),
                None => groups.push(vec![piece]),
            }
        }
    }
    groups
}

/// The pieces of a visit of one axis that stores whole maps alone, new state in each piece.
fn pieces(
    number: usize,
    kernel: &Kernel,
    buffers: &[Buffer],
    results: &HashSet<BufferId>,
) -> Option<Vec<Piece>> {
    let Kind::Sweep(sweep) = &kernel.kind else { return None };
    let maps = sweep.sinks.iter().all(|sink| sink.sum.0 == 0) && !sweep.knows_pixels();
    if kernel.tasks > 1 || sweep.space.len() > 1 || !maps {
        return None;
    }
    let piece = |sinks: Vec<usize>| {
        let sweep = Extract::of(sweep, &sinks);
        let new_state = sweep.sinks.iter().any(|sink| results.contains(&sink.to.buffer));
        let loads = sweep.loads.iter().filter(|load| !is_one(load));
        let views = loads.chain(sweep.sinks.iter().map(|sink| &sink.to));
        let whole = |view: &View| {
            let buffer = &buffers[view.buffer];
            let all = buffer.len == sweep.space[0] && buffer.tasks == 1;
            let plain = buffer.element_bytes == 4 && view.offset == 0 && view.strides[0] == 1;
            (all && plain).then_some(view.buffer)
        };
        let parts: Option<Vec<BufferId>> = views.map(whole).collect();
        parts.filter(|_| new_state).map(|parts| Piece { kernel: number, sweep, parts })
    };
    with_common_maps(sweep).into_iter().map(piece).collect()
}

/// The sinks of a sweep, in sets whose values are made from the same maps.
fn with_common_maps(sweep: &Sweep) -> Vec<Vec<usize>> {
    // The loads of maps that each value is made from.
    let mut maps: Vec<HashSet<usize>> = vec![];
    let of = |arg: &Arg, maps: &[HashSet<usize>]| match *arg {
        Arg::Load(k) if !is_one(&sweep.loads[k]) => HashSet::from([k]),
        Arg::Value(k) => maps[k].clone(),
        _ => HashSet::new(),
    };
    for instruction in &sweep.program {
        maps.push(instruction.args.iter().flat_map(|arg| of(arg, &maps)).collect());
    }
    let mut sets: Vec<(HashSet<usize>, Vec<usize>)> = vec![];
    for (i, sink) in sweep.sinks.iter().enumerate() {
        let mut one = (of(&sink.value, &maps), vec![i]);
        for (from, sinks) in std::mem::take(&mut sets) {
            if from.is_disjoint(&one.0) {
                sets.push((from, sinks));
            } else {
                one.0.extend(from);
                one.1.extend(sinks);
            }
        }
        sets.push(one);
    }
    let in_order = |(_, mut sinks): (_, Vec<usize>)| {
        sinks.sort_unstable();
        sinks
    };
    sets.into_iter().map(in_order).collect()
}

/// Copies what some sinks of a sweep need, operands before results: visits that do the same come out the same.
struct Extract<'s> {
    from: &'s Sweep,
    to: Sweep,
    loads: HashMap<usize, usize>,
    values: HashMap<usize, usize>,
}

impl<'s> Extract<'s> {
    fn of(from: &'s Sweep, sinks: &[usize]) -> Sweep {
        let to = Sweep { space: from.space.clone(), ..Default::default() };
        let mut extract = Self { from, to, loads: HashMap::new(), values: HashMap::new() };
        for &i in sinks {
            let mut sink = from.sinks[i].clone();
            sink.value = extract.arg(sink.value);
            extract.to.sinks.push(sink);
        }
        extract.to
    }

    fn arg(&mut self, arg: Arg) -> Arg {
        match arg {
            Arg::Load(k) => {
                let next = self.to.loads.len();
                let new = *self.loads.entry(k).or_insert(next);
                if new == next {
                    self.to.loads.push(self.from.loads[k].clone());
                }
                Arg::Load(new)
            }
            Arg::Value(k) if self.values.contains_key(&k) => Arg::Value(self.values[&k]),
            Arg::Value(k) => {
                let Instruction { op, args } = &self.from.program[k];
                let args = args.iter().map(|&arg| self.arg(arg)).collect();
                self.to.program.push(Instruction { op: *op, args });
                self.values.insert(k, self.to.program.len() - 1);
                Arg::Value(self.to.program.len() - 1)
            }
            same => same,
        }
    }
}

/// Whether two visits do the same, and read the same where they read one number for all places.
fn alike(a: &Sweep, b: &Sweep) -> bool {
    let values = |sweep: &Sweep| sweep.sinks.iter().map(|sink| sink.value).collect::<Vec<_>>();
    let one_number = |a: &View, b: &View| match (is_one(a), is_one(b)) {
        (true, true) => a == b,
        (one, other) => one == other,
    };
    a.program == b.program
        && values(a) == values(b)
        && a.loads.len() == b.loads.len()
        && a.loads.iter().zip(&b.loads).all(|(a, b)| one_number(a, b))
}

/// Whether a view of one axis is the same number everywhere.
fn is_one(view: &View) -> bool {
    view.strides[0] == 0
}

/// A group's visit of wholes; its buffers become parts of them.
fn join(buffers: &mut Vec<Buffer>, group: &[Piece]) -> Sweep {
    let (mut starts, mut end) = (vec![], 0usize);
    for piece in group {
        let start = end.next_multiple_of(ALIGN);
        starts.push(start);
        end = start + piece.sweep.space[0];
    }
    let mut whole_of = |views: Vec<&View>| {
        let whole = buffers.len();
        let like = buffers[views[0].buffer].clone();
        buffers.push(Buffer { len: end, place: Place::Own, node: usize::MAX, ..like });
        for (view, &offset) in views.iter().zip(&starts) {
            buffers[view.buffer].place = Place::Part { whole, offset };
        }
        View { buffer: whole, ..views[0].clone() }
    };
    let mut one = group[0].sweep.clone();
    one.space = vec![end];
    for (i, load) in one.loads.iter_mut().enumerate().filter(|(_, load)| !is_one(load)) {
        *load = whole_of(group.iter().map(|piece| &piece.sweep.loads[i]).collect());
    }
    for (i, sink) in one.sinks.iter_mut().enumerate() {
        sink.to = whole_of(group.iter().map(|piece| &piece.sweep.sinks[i].to).collect());
    }
    one
}

/// The pairs of wholes that follow from the pairs of parts; none where some part's state does not go to the same part
/// of one whole.
fn whole_pairs(
    buffers: &[Buffer],
    state: &[(BufferId, BufferId)],
) -> Option<Vec<(BufferId, BufferId)>> {
    let mut parts: BTreeMap<BufferId, usize> = BTreeMap::new();
    for buffer in buffers {
        if let Place::Part { whole, .. } = buffer.place {
            *parts.entry(whole).or_default() += 1;
        }
    }
    let mut pairs: BTreeMap<(BufferId, BufferId), usize> = BTreeMap::new();
    for &(from, to) in state {
        match (buffers[from].place, buffers[to].place) {
            (Place::Part { whole: a, offset: i }, Place::Part { whole: b, offset: j }) => {
                (i == j).then_some(())?;
                *pairs.entry((a, b)).or_default() += 1;
            }
            (Place::Part { .. }, _) | (_, Place::Part { .. }) => return None,
            _ => {}
        }
    }
    let complete = pairs.iter().all(|((a, b), &n)| parts[a] == n && parts[b] == n);
    complete.then(|| pairs.into_keys().collect())
}
