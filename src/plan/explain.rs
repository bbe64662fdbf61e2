//! The plan as a table for people: kernel, shape, flops, bytes, segment, buffers; and as a picture.

use super::kernel::*;
use super::{Place, Plan};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The whole plan as text.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    let (fixed, worker) = plan.bytes();
    let _ = writeln!(
        out,
        "{} kernels in {} segments, {}, {} fixed + {} a worker",
        plan.kernels.len(),
        plan.segments.len(),
        flops(plan.flops()),
        bytes(fixed),
        bytes(worker),
    );
    let _ = writeln!(out, "\nby kind            kernels      flops      moved");
    for (name, (count, work, moved)) in by_kind(plan) {
        let _ = writeln!(out, "  {name:<16} {count:>7} {:>10} {:>10}", flops(work), bytes(moved));
    }
    for (number, segment) in plan.segments.iter().enumerate() {
        let who = match segment.tasks {
            1 => "once, shared by the workers".to_string(),
            tasks => format!("for each of {tasks} tasks, a worker a task"),
        };
        let _ = writeln!(out, "\nsegment {number}: {} kernels, {who}", segment.kernels.len());
        for k in segment.kernels.clone() {
            let _ = writeln!(out, "  {k:>5}  {}", line(plan, &plan.kernels[k]));
        }
        for sum in &segment.task_sums {
            let len = plan.buffers[sum.to].len;
            let from: Vec<String> = sum.from.iter().map(|term| format!("b{term}")).collect();
            let from = from.join(" + ");
            let _ = writeln!(out, "         task sum     {len} values: {from} -> b{}", sum.to);
        }
    }
    out
}

/// Count, flops and bytes moved of each kind of kernel.
pub fn by_kind(plan: &Plan) -> BTreeMap<String, (usize, u64, u64)> {
    let mut kinds: BTreeMap<String, (usize, u64, u64)> = BTreeMap::new();
    for kernel in &plan.kernels {
        let entry = kinds.entry(kernel.name()).or_default();
        *entry = (entry.0 + 1, entry.1 + kernel.flops(), entry.2 + moved(plan, kernel));
    }
    kinds
}

/// Bytes a kernel reads and writes, each element of a buffer counted once.
pub fn moved(plan: &Plan, kernel: &Kernel) -> u64 {
    let one = |view: &View| {
        let buffer = &plan.buffers[view.buffer];
        let tasks = if view.task_stride > 0 { kernel.tasks } else { 1 };
        (buffer.element_bytes * buffer.len * tasks) as u64
    };
    kernel.reads().into_iter().chain(kernel.writes()).map(one).sum()
}

fn line(plan: &Plan, kernel: &Kernel) -> String {
    let shape = match &kernel.kind {
        Kind::Sweep(s) => format!("{:?} {} instructions", s.space, s.program.len()),
        Kind::MatMul(m) => format!("{}×{}×{} batch {:?}", m.m, m.k, m.n, m.batch),
        Kind::Conv(c) => {
            let ([h, w], [kh, kw]) = (c.geometry.image, c.geometry.kernel);
            let [ci, co] = c.channels;
            let add = if c.accumulate { ", adds" } else { "" };
            format!("{}×{h}×{w} {kh}×{kw} {ci}→{co} stride {:?}{add}", c.images, c.geometry.stride)
        }
        Kind::Choose(c) => match &c.places {
            Places::Window { images, h, w, c, window } => {
                format!("{images}×{h}×{w}×{c} windows {:?}", window.size)
            }
            Places::Axis { space, size, .. } => format!("{space:?} of {size}"),
        },
        Kind::Random(r) => format!("{} numbers, stream {}", r.len, r.stream),
    };
    let names = |views: Vec<&View>| {
        let place = |v: &View| match plan.buffers[v.buffer].place {
            Place::Own => format!("own{}", v.buffer),
            Place::Part { whole, offset } => format!("own{whole}+{offset}"),
            Place::Shared { .. } => format!("b{}", v.buffer),
            Place::Worker { .. } => format!("w{}", v.buffer),
        };
        views.into_iter().map(place).collect::<Vec<_>>().join(" ")
    };
    format!(
        "{:<12} {shape:<44} {:>9} {:>9}  {} -> {}",
        kernel.name(),
        flops(kernel.flops()),
        bytes(moved(plan, kernel)),
        names(kernel.reads()),
        names(kernel.writes()),
    )
}

pub fn flops(n: u64) -> String {
    scaled(n as f64, 1000.0, &["flop", "kflop", "Mflop", "Gflop", "Tflop"])
}

pub fn bytes(n: u64) -> String {
    scaled(n as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    if unit == 0 { format!("{value} {}", units[0]) } else { format!("{value:.1} {}", units[unit]) }
}

/// The plan as SVG: a column a segment, a bar a kernel, as long as its flops are large (square root),
/// coloured by kind. One file, nothing from outside.
pub fn svg(plan: &Plan) -> String {
    const ROW: usize = 5;
    const WIDTH: usize = 260;
    let kinds = by_kind(plan);
    let names: Vec<&String> = kinds.keys().collect();
    let color = |name: &str| {
        let k = names.iter().position(|n| *n == name).unwrap_or(0);
        format!("hsl({},55%,55%)", k * 360 / names.len().max(1))
    };
    let most = plan.kernels.iter().map(Kernel::flops).max().unwrap_or(1).max(1) as f64;
    let tall = plan.segments.iter().map(|s| s.kernels.len()).max().unwrap_or(0);
    let (w, h) = (plan.segments.len() * (WIDTH + 40) + 180, tall * ROW + 80);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" \
         font-family=\"sans-serif\" font-size=\"12\"><rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>"
    );
    for (number, segment) in plan.segments.iter().enumerate() {
        let x = 20 + number * (WIDTH + 40);
        let title = match segment.tasks {
            1 => format!("segment {number}: once"),
            tasks => format!("segment {number}: {tasks} tasks"),
        };
        let _ = write!(out, "<text x=\"{x}\" y=\"24\">{title}</text>");
        for (row, k) in segment.kernels.clone().enumerate() {
            let kernel = &plan.kernels[k];
            let length = 3.0 + (kernel.flops() as f64 / most).sqrt() * (WIDTH as f64 - 3.0);
            let _ = write!(
                out,
                "<rect x=\"{x}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" fill=\"{}\">\
                 <title>{k} {} {}</title></rect>",
                40 + row * ROW,
                ROW - 1,
                color(&kernel.name()),
                kernel.name(),
                flops(kernel.flops()),
            );
        }
    }
    let x = plan.segments.len() * (WIDTH + 40) + 20;
    for (k, name) in names.iter().enumerate() {
        let y = 40 + 18 * k;
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"{}\">{name}</text>",
            color(name),
            x + 18,
            y + 11
        );
    }
    out + "</svg>\n"
}
