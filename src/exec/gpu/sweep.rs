//! Sweeps: a register program becomes WGSL, pasted into the frame for maps or the one for sums.
//!
//! A text depends on the program's form and the number of axes alone; sizes, strides and numbers are
//! parameters. So all sweeps of one form share a pipeline.

use super::assemble::shader;
use super::launch::{
    Launch, MAX_TRIPS, Site, Strided, UNIFORM_BYTES, WORKGROUP_BYTES, contiguous, merge, word,
};
use crate::plan::kernel::{Arg, Instruction, Sweep};
use std::fmt::Write;

/// Lanes of a map's workgroup times the places each visits, as in sweep_map.wgsl.
const MAP_PLACES: usize = 256;

/// Sums of one program over the same axes. Operands have strides over the kept axes, then the summed.
pub struct Sums<'a> {
    pub kept: Vec<usize>,
    pub summed: Vec<usize>,
    pub loads: Vec<Strided>,
    pub program: &'a [Instruction],
    pub sinks: Vec<(Arg, Strided)>,
    /// Adds to what stands there.
    pub accumulate: bool,
}

/// The launches of a sweep for all its tasks, and the scratch elements they need.
///
/// Panics at a sweep that holds maps and sums, or sums over different axes: plans for all tasks have none.
pub fn sweep(sweep: &Sweep, tasks: usize, site: &Site) -> (Vec<Launch>, usize) {
    let sum = sweep.sinks[0].sum;
    assert!(
        sweep.sinks.iter().all(|s| s.sum == sum),
        "gpu sweeps hold maps, or sums over the same axes"
    );
    let sizes: Vec<usize> = std::iter::once(tasks).chain(sweep.space.iter().copied()).collect();
    let loads: Vec<Strided> = sweep.loads.iter().map(|view| site.strided(view)).collect();
    let sinks: Vec<(Arg, Strided)> =
        sweep.sinks.iter().map(|sink| (sink.value, site.strided(&sink.to))).collect();
    if sum.0 == 0 {
        return (vec![map(&sizes, &loads, &sweep.program, &sinks)], 0);
    }
    let all = 0..sizes.len();
    // Axis 0 is the task axis, which is never summed within a kernel.
    let (summed, kept): (Vec<usize>, Vec<usize>) = all.partition(|&k| k > 0 && sum.has(k - 1));
    let reorder = |x: &Strided| Strided {
        start: x.start,
        strides: kept.iter().chain(&summed).map(|&k| x.strides[k]).collect(),
    };
    let mut launches = vec![];
    let mut scratch = 0;
    // More results than lanes' workgroup memory holds are made in several visits.
    for sinks in sinks.chunks(WORKGROUP_BYTES / 4 / 64) {
        let sums = Sums {
            kept: kept.iter().map(|&k| sizes[k]).collect(),
            summed: summed.iter().map(|&k| sizes[k]).collect(),
            loads: loads.iter().map(reorder).collect(),
            program: &sweep.program,
            sinks: sinks.iter().map(|(value, to)| (*value, reorder(to))).collect(),
            accumulate: false,
        };
        scratch = scratch.max(sums.launch(site.scratch, &mut launches));
    }
    (launches, scratch)
}

fn map(
    sizes: &[usize],
    loads: &[Strided],
    program: &[Instruction],
    sinks: &[(Arg, Strided)],
) -> Launch {
    let operands: Vec<&Strided> = loads.iter().chain(sinks.iter().map(|(_, to)| to)).collect();
    let axes: Vec<usize> = (0..sizes.len()).collect();
    let (sizes, strides) = merge(sizes, &axes, &operands);
    let mut text = Text::new(&sizes, &operands, strides);

    let mut body = "fn visit(i: u32) {\n".to_string();
    text.index(&mut body, "c", "i", 0..sizes.len());
    for k in 0..loads.len() {
        let at = text.place(k, "c", 0..sizes.len());
        let _ = writeln!(body, "    let x{k} = load({at});");
    }
    text.program(&mut body, program);
    for (k, (value, _)) in sinks.iter().enumerate() {
        let at = text.place(loads.len() + k, "c", 0..sizes.len());
        let value = text.arg(*value);
        let _ = writeln!(body, "    store({at}, {value});");
    }
    body.push_str("}\n");

    let places: usize = sizes.iter().product();
    let params = text.params(vec![places as u32, 0, 0, 0]);
    let wgsl = shader("sweep_map", &text.constants(), Some(&body));
    Launch::new("sweep_map", "main", wgsl, params, places.div_ceil(MAP_PLACES), 4)
}

impl Sums<'_> {
    /// Appends the launches; returns the scratch elements they use from `scratch` on.
    pub fn launch(&self, scratch: usize, launches: &mut Vec<Launch>) -> usize {
        let operands: Vec<&Strided> =
            self.loads.iter().chain(self.sinks.iter().map(|(_, to)| to)).collect();
        let sizes = [&self.kept[..], &self.summed[..]].concat();
        let first: Vec<usize> = (0..self.kept.len()).collect();
        let last: Vec<usize> = (self.kept.len()..sizes.len()).collect();
        let (kept, kept_strides) = merge(&sizes, &first, &operands);
        let (summed, summed_strides) = merge(&sizes, &last, &operands);
        let (results, terms): (usize, usize) = (kept.iter().product(), summed.iter().product());

        // Neighbouring lanes should read neighbours: along whichever axis the loads are densest on.
        let dense = |strides: &[Vec<isize>]| {
            let loads = strides[..self.loads.len()].iter().filter_map(|s| s.last().copied());
            loads.filter(|&s| s != 0).map(isize::unsigned_abs).min().unwrap_or(usize::MAX)
        };
        let by_columns = dense(&kept_strides) < dense(&summed_strides);
        let few = self.sinks.len() <= WORKGROUP_BYTES / 4 / 256;
        let (outputs, depth) = match () {
            _ if terms <= 32 => (64, 1),
            _ if by_columns && results >= 16 => (if few { 32 } else { 8 }, 8),
            _ => (1, if few && terms > 1024 { 256 } else { 64 }),
        };
        // A lane adds at most 1,024 terms (rounding grows with them); few workgroups get more parts.
        let groups = results.div_ceil(outputs);
        let (chunk, parts) = {
            let per_lane = terms.div_ceil(depth);
            let spread = if depth > 1 { (128 / groups).min(per_lane / 64) } else { 0 };
            let parts = spread.max(per_lane.div_ceil(1024)).max(1);
            let chunk = terms.div_ceil(parts).next_multiple_of(depth);
            (chunk, terms.div_ceil(chunk))
        };

        // With several parts, sinks are scratch: [parts, sinks, results].
        let part_stride = if parts > 1 { self.sinks.len() * results } else { 0 };
        let strides: Vec<Vec<isize>> = kept_strides
            .iter()
            .zip(summed_strides)
            .map(|(a, b)| [&a[..], &b[..]].concat())
            .collect();
        let mut text = Text::new(&[&kept[..], &summed[..]].concat(), &operands, strides);
        if parts > 1 {
            for k in 0..self.sinks.len() {
                let words = &mut text.views[self.loads.len() + k];
                words[0] = (scratch + k * results) as u32;
                for (word, stride) in words[1..].iter_mut().zip(contiguous(&kept)) {
                    *word = stride as u32;
                }
            }
        }

        let body = self.body(&mut text, kept.len());
        let head = [results, terms, chunk, groups, part_stride, 0, 0, 0].map(|n| n as u32);
        let params = text.params(head.to_vec());
        let mut constants = text.constants();
        constants.push(("OUTPUTS", format!("{outputs}u")));
        constants.push(("DEPTH", format!("{depth}u")));
        constants.push(("ACCUMULATE", (self.accumulate && parts == 1).to_string()));
        let wgsl = shader("sweep_sum", &constants, Some(&body));
        let trips = chunk / depth + 16;
        debug_assert!(trips <= MAX_TRIPS);
        launches.push(Launch::new("sweep_sum", "main", wgsl, params, groups * parts, trips));
        if parts == 1 {
            return 0;
        }

        let used = parts * part_stride;
        let mut more = 0;
        for (k, (_, to)) in self.sinks.iter().enumerate() {
            let mut from = contiguous(&self.kept);
            from.push(part_stride as isize);
            let mut strides = to.strides[..self.kept.len()].to_vec();
            strides.push(0);
            let sum = Sums {
                kept: self.kept.clone(),
                summed: vec![parts],
                loads: vec![Strided { start: scratch + k * results, strides: from }],
                program: &[],
                sinks: vec![(Arg::Load(0), Strided { start: to.start, strides })],
                accumulate: self.accumulate,
            };
            more = more.max(sum.launch(scratch + used, launches));
        }
        used + more
    }

    fn body(&self, text: &mut Text, kept: usize) -> String {
        let (loads, sinks, rank) = (self.loads.len(), self.sinks.len(), text.sizes.len());
        let list = |n: usize, item: &dyn Fn(usize) -> String| {
            (0..n).map(item).collect::<Vec<_>>().join(", ")
        };
        // A struct needs a member: `unused` where the program loads nothing.
        let mut body = String::from("struct Start { unused: u32");
        (0..loads).for_each(|k| body.push_str(&format!(", x{k}: u32")));
        let fields = list(sinks, &|k| format!("s{k}: f32"));
        let _ = writeln!(body, " }}\nstruct Sums {{ {fields} }}\n\nfn begin(i: u32) -> Start {{");
        text.index(&mut body, "c", "i", 0..kept);
        let places = list(loads, &|k| text.place(k, "c", 0..kept));
        let comma = if loads > 0 { ", " } else { "" };
        let _ = writeln!(body, "    return Start(0u{comma}{places});\n}}\n");

        body.push_str("fn visit(start: Start, q: u32, sums: Sums) -> Sums {\n");
        text.index(&mut body, "d", "q", kept..rank);
        for k in 0..loads {
            let steps = text.steps(k, "d", kept..rank);
            let _ = writeln!(body, "    let x{k} = load(start.x{k}{steps});");
        }
        text.program(&mut body, self.program);
        let values: Vec<String> = self.sinks.iter().map(|(value, _)| text.arg(*value)).collect();
        let sum = list(sinks, &|k| format!("sums.s{k} + {}", values[k]));
        let _ = writeln!(body, "    return Sums({sum});\n}}\n");

        let sum = list(sinks, &|k| format!("a.s{k} + b.s{k}"));
        let _ =
            writeln!(body, "fn add(a: Sums, b: Sums) -> Sums {{\n    return Sums({sum});\n}}\n");

        body.push_str("fn keep(i: u32, part: u32, sums: Sums) {\n");
        text.index(&mut body, "c", "i", 0..kept);
        for k in 0..sinks {
            let at = text.place(loads + k, "c", 0..kept);
            let _ = writeln!(body, "    let y{k} = {at} + part * params.part_stride;");
            let _ =
                writeln!(body, "    store(y{k}, sums.s{k} + select(0.0, load(y{k}), ACCUMULATE));");
        }
        body.push_str("}\n");
        body
    }
}

/// Names and parameters of one sweep while its text is written.
struct Text {
    sizes: Vec<usize>,
    /// For each operand its start, then its strides.
    views: Vec<Vec<u32>>,
    numbers: Vec<f32>,
}

impl Text {
    fn new(sizes: &[usize], operands: &[&Strided], strides: Vec<Vec<isize>>) -> Self {
        let views = operands.iter().zip(strides).map(|(x, strides)| {
            std::iter::once(x.start as u32).chain(strides.into_iter().map(word)).collect()
        });
        Self { sizes: sizes.to_vec(), views: views.collect(), numbers: vec![] }
    }

    /// 16-byte rows that one view takes.
    fn rows(&self) -> usize {
        (self.sizes.len() + 1).div_ceil(4)
    }

    fn view_word(&self, view: usize, k: usize) -> String {
        format!("params.views[{}].{}", view * self.rows() + k / 4, lane(k))
    }

    /// Lines that take the flat `from` apart: an index for each axis of `axes`.
    fn index(&self, body: &mut String, name: &str, from: &str, axes: std::ops::Range<usize>) {
        let mut rest = from.to_string();
        for (k, axis) in axes.clone().enumerate().rev() {
            if k == 0 {
                let _ = writeln!(body, "    let {name}0 = {rest};");
            } else {
                let size = format!("params.sizes[{}].{}", axis / 4, lane(axis));
                let next = format!("{name}_rest{k}");
                let _ = writeln!(body, "    let {name}{k} = {rest} % {size};");
                let _ = writeln!(body, "    let {next} = {rest} / {size};");
                rest = next;
            }
        }
    }

    /// What the indices of `axes` add to an operand's start.
    fn steps(&self, view: usize, name: &str, axes: std::ops::Range<usize>) -> String {
        axes.enumerate().fold(String::new(), |mut steps, (k, axis)| {
            let _ = write!(steps, " + {name}{k} * {}", self.view_word(view, axis + 1));
            steps
        })
    }

    fn place(&self, view: usize, name: &str, axes: std::ops::Range<usize>) -> String {
        self.view_word(view, 0) + &self.steps(view, name, axes)
    }

    fn arg(&mut self, arg: Arg) -> String {
        match arg {
            Arg::Load(k) => format!("x{k}"),
            Arg::Value(k) => format!("v{k}"),
            Arg::Put(_) | Arg::Thin(_) => {
                unreachable!("plans for all tasks have nothing that rides")
            }
            // A parameter: texts are shared, and WGSL has no literal for infinity and NaN.
            Arg::Number(number) => {
                self.numbers.push(number as f32);
                let k = self.numbers.len() - 1;
                format!("params.numbers[{}].{}", k / 4, lane(k))
            }
        }
    }

    fn program(&mut self, body: &mut String, program: &[Instruction]) {
        for (k, instruction) in program.iter().enumerate() {
            let args: Vec<String> = instruction.args.iter().map(|&arg| self.arg(arg)).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let _ = writeln!(body, "    let v{k} = {};", instruction.op.wgsl(&args));
        }
    }

    fn constants(&self) -> Vec<(&'static str, String)> {
        vec![
            ("NUMBERS", format!("{}u", self.numbers.len().div_ceil(4).max(1))),
            ("SIZES", format!("{}u", self.sizes.len().div_ceil(4).max(1))),
            ("VIEWS", format!("{}u", self.views.len() * self.rows())),
        ]
    }

    /// The words of `Params`, after its first ones. Call when the whole text is written.
    fn params(&self, mut words: Vec<u32>) -> Vec<u32> {
        let mut rows = |items: Vec<u32>| {
            words.extend(items);
            words.resize(words.len().next_multiple_of(4), 0);
        };
        let mut sizes: Vec<u32> = self.sizes.iter().map(|&n| n as u32).collect();
        let mut numbers: Vec<u32> = self.numbers.iter().map(|n| n.to_bits()).collect();
        sizes.resize(sizes.len().max(1), 1);
        numbers.resize(numbers.len().max(1), 0);
        rows(sizes);
        rows(numbers);
        for view in &self.views {
            let mut view = view.clone();
            view.resize(4 * self.rows(), 0);
            rows(view);
        }
        assert!(4 * words.len() <= UNIFORM_BYTES, "a sweep of {} operands", self.views.len());
        words
    }
}

fn lane(k: usize) -> char {
    ['x', 'y', 'z', 'w'][k % 4]
}
