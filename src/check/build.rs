//! Writes a case's program on a tape: every operation of the format, and what bounds it.
//!
//! The result of each step is a node of its own, because `grad` differentiates with respect to nodes:
//! where an operation has nothing to do and hands its argument back, a reshape to the same shape
//! stands for the step.

use super::attrs::Attrs;
use super::case_file::{Case, Checked, Refusal, Values, damaged, unsupported};
use super::guard::quietly;
use super::program::Step;
use crate::loss::{cross_entropy, kl_div, mse};
use crate::op::{Op, Window};
use crate::shape::{Axes, Shape};
use crate::tape::{Conv2d, Tape, Var, grad};
use std::collections::HashMap;

/// Elements of the largest tensor a program may make: 1 GiB in f32.
const MAX_ELEMENTS: usize = 1 << 28;
/// Bytes that may be needed at one time, in f64.
const MAX_BYTES: usize = 4 << 30;
/// Elements of all tables (`iota`, `hash_uniform`, resizing) together.
const MAX_TABLES: usize = 1 << 26;
/// Nodes of the tape. Each `grad` multiplies what it walks, so few steps can ask for very many.
const MAX_NODES: usize = 1 << 20;

/// Every operation of the format, how many arguments it takes (none: any number, at least one) and
/// its attributes. `grad` is one more.
pub const OPERATIONS: &[(&str, Option<usize>, &[&str])] = &[
    ("const", Some(0), &["shape", "value"]),
    ("iota", Some(0), &["shape", "scale", "offset"]),
    ("hash_uniform", Some(0), &["shape", "seed"]),
    ("neg", Some(1), &[]),
    ("recip", Some(1), &[]),
    ("exp", Some(1), &[]),
    ("ln", Some(1), &[]),
    ("sqrt", Some(1), &[]),
    ("rsqrt", Some(1), &[]),
    ("square", Some(1), &[]),
    ("abs", Some(1), &[]),
    ("sin", Some(1), &[]),
    ("cos", Some(1), &[]),
    ("tanh", Some(1), &[]),
    ("sigmoid", Some(1), &[]),
    ("relu", Some(1), &[]),
    ("softplus", Some(1), &[]),
    ("erf", Some(1), &[]),
    ("detach", Some(1), &[]),
    ("silu", Some(1), &[]),
    ("gelu", Some(1), &[]),
    ("leaky_relu", Some(1), &["slope"]),
    ("powi", Some(1), &["n"]),
    ("add", Some(2), &[]),
    ("sub", Some(2), &[]),
    ("mul", Some(2), &[]),
    ("div", Some(2), &[]),
    ("max", None, &["axes", "keep"]), // one argument and `axes`, or two
    ("min", Some(2), &[]),
    ("less", Some(2), &[]),
    ("select", Some(3), &[]),
    ("sum", Some(1), &["axes", "keep"]),
    ("mean", Some(1), &["axes", "keep"]),
    ("var", Some(1), &["axes", "keep"]),
    ("logsumexp", Some(1), &["axes", "keep"]),
    ("reshape", Some(1), &["shape"]),
    ("permute", Some(1), &["order"]),
    ("expand", Some(1), &["shape"]),
    ("slice", Some(1), &["start", "end"]),
    ("pad", Some(1), &["before", "after", "value"]),
    ("concat", None, &["axis"]),
    ("flip", Some(1), &["axes"]),
    ("gather", Some(2), &["axis"]),
    ("scatter_add", Some(2), &["axis", "size"]),
    ("take_along", Some(2), &["axis"]),
    ("one_hot", Some(1), &["classes"]),
    ("matmul", Some(2), &["ta", "tb"]),
    ("conv2d", Some(2), &["stride", "pad", "dilation", "groups"]),
    ("conv2d_transpose", Some(2), &["stride", "pad", "dilation", "groups", "output_pad"]),
    ("max_pool", Some(1), &["size", "stride", "pad"]),
    ("avg_pool", Some(1), &["size", "stride", "pad", "count_pad"]),
    ("resize_nearest", Some(1), &["factor"]),
    ("resize_bilinear", Some(1), &["size"]),
    ("normalize", Some(1), &["axes", "eps"]),
    ("softmax", Some(1), &["axis"]),
    ("log_softmax", Some(1), &["axis"]),
    ("cross_entropy", Some(2), &[]),
    ("mse", Some(2), &[]),
    ("kl_div", Some(2), &["temperature"]),
];

/// A value with a name: a node, and the numbers themselves where they are labels or indices.
#[derive(Clone, Copy)]
struct Value<'t, 'c> {
    var: Var<'t>,
    whole: Option<&'c Values>,
}

/// Writes the program of `case` on an empty tape. Input slots stand in the order of `case.inputs`;
/// the result is a node for each output.
pub fn build<'t>(tape: &'t Tape, case: &Case) -> Checked<Vec<Var<'t>>> {
    let mut known: HashMap<&str, Value> = HashMap::new();
    for input in &case.inputs {
        let whole = input.whole.then_some(input);
        known.insert(&input.name, Value { var: tape.input(input.shape), whole });
    }
    for (number, step) in case.program.steps.iter().enumerate() {
        let before = tape.len();
        let args: Vec<Value> = step.inputs.iter().map(|name| known[name.as_str()]).collect();
        let results = quietly(|| run(tape, step, &args)).unwrap_or_else(damaged);
        let results = results.and_then(|vars| bounded(tape, before).map(|()| vars));
        let results = results.map_err(|why| placed(why, number, step))?;
        let mut first = before;
        for (name, var) in step.out.iter().zip(results) {
            let var = own(var, first);
            first = first.max(var.id + 1); // two gradients may be one node
            known.insert(name, Value { var, whole: None });
        }
    }
    let outputs: Vec<Var> = case
        .program
        .outputs
        .iter()
        .map(|name| own(known[name.as_str()].var, case.inputs.len()))
        .collect();
    match needed_bytes(tape, &outputs) {
        bytes if bytes > MAX_BYTES => {
            damaged(format!("needs {} MiB at one time, at most {}", bytes >> 20, MAX_BYTES >> 20))
        }
        _ => Ok(outputs),
    }
}

fn placed(why: Refusal, number: usize, step: &Step) -> Refusal {
    let at = |text| format!("step {number} ({}): {text}", step.op);
    match why {
        Refusal::Damaged(text) => Refusal::Damaged(at(text)),
        Refusal::Unsupported(text) => Refusal::Unsupported(at(text)),
    }
}

/// `var`, or a copy if it stood on the tape before node `first`.
fn own(var: Var, first: usize) -> Var {
    if var.id >= first { var } else { var.tape.push(Op::Reshape, &[var], Some(var.shape())) }
}

/// Checks what a step has appended. The tape only grows here, nothing has been computed yet.
fn bounded(tape: &Tape, before: usize) -> Checked<()> {
    let nodes = tape.nodes();
    if nodes.len() > MAX_NODES {
        return damaged(format!("the program has more than {MAX_NODES} operations"));
    }
    if let Some(node) = nodes[before..].iter().find(|node| node.shape.len() > MAX_ELEMENTS) {
        return damaged(format!("{} has more than {MAX_ELEMENTS} elements", node.shape));
    }
    let tables = nodes.iter().filter(|node| matches!(node.op, Op::Data(_)));
    if nodes[before..].iter().any(|node| matches!(node.op, Op::Data(_)))
        && tables.map(|node| node.shape.len()).sum::<usize>() > MAX_TABLES
    {
        return damaged(format!("tables have more than {MAX_TABLES} elements"));
    }
    Ok(())
}

/// The most bytes alive at one time if each value is dropped after its last use.
fn needed_bytes(tape: &Tape, outputs: &[Var]) -> usize {
    let nodes = tape.nodes();
    let mut last_use = vec![0; nodes.len()];
    outputs.iter().for_each(|output| last_use[output.id] = usize::MAX);
    for (id, node) in nodes.iter().enumerate().rev() {
        if last_use[id] > 0 {
            node.inputs.iter().for_each(|&input| last_use[input] = last_use[input].max(id));
        }
    }
    let (mut live, mut most) = (0, 0);
    for (id, node) in nodes.iter().enumerate().filter(|&(id, _)| last_use[id] > 0) {
        live += node.shape.len() * 8;
        most = most.max(live);
        for (k, &input) in node.inputs.iter().enumerate() {
            if last_use[input] == id && !node.inputs[..k].contains(&input) {
                live -= nodes[input].shape.len() * 8;
            }
        }
    }
    most
}

fn run<'t>(tape: &'t Tape, step: &Step, args: &[Value<'t, '_>]) -> Checked<Vec<Var<'t>>> {
    if step.op == "grad" {
        Attrs::new(&step.attrs, &[])?;
        let vars = args.iter().map(|arg| real(*arg)).collect::<Checked<Vec<_>>>()?;
        return Ok(grad(vars[0], &vars[1..]));
    }
    let Some((_, arity, known)) = OPERATIONS.iter().find(|(name, ..)| *name == step.op) else {
        return unsupported("operation is not known");
    };
    if arity.is_some_and(|arity| arity != args.len()) || (arity.is_none() && args.is_empty()) {
        return damaged(format!("takes {} arguments, got {}", arity.unwrap_or(1), args.len()));
    }
    let attrs = Attrs::new(&step.attrs, known)?;
    let op = step.op.as_str();
    let result = match op {
        "const" | "iota" | "hash_uniform" => source(tape, op, &attrs),
        "gather" | "scatter_add" | "take_along" | "one_hot" | "cross_entropy" => {
            indexed(op, &attrs, args)
        }
        _ => {
            let vars = args.iter().map(|arg| real(*arg)).collect::<Checked<Vec<_>>>()?;
            match vars[..] {
                [x] => match unary(op, x, &attrs)? {
                    Some(y) => Ok(y),
                    None => shaped(op, x, &attrs),
                },
                _ => several(op, &vars, &attrs),
            }
        }
    };
    result.map(|var| vec![var])
}

/// An argument that holds real numbers.
fn real<'t>(arg: Value<'t, '_>) -> Checked<Var<'t>> {
    match arg.whole {
        None => Ok(arg.var),
        Some(values) => damaged(format!("{:?} is I32: only a label or an index", values.name)),
    }
}

/// An argument that holds indices below `size`.
fn index<'t>(arg: Value<'t, '_>, size: usize) -> Checked<Var<'t>> {
    let var = labels(arg)?;
    match arg.whole.iter().flat_map(|w| &w.numbers).find(|v| !(0.0..size as f64).contains(*v)) {
        Some(bad) => damaged(format!("index {bad} lies outside 0..{size}")),
        None => Ok(var),
    }
}

fn labels<'t>(arg: Value<'t, '_>) -> Checked<Var<'t>> {
    match arg.whole {
        Some(_) => Ok(arg.var),
        None => damaged("labels and indices are I32 inputs"),
    }
}

fn source<'t>(tape: &'t Tape, op: &str, attrs: &Attrs) -> Checked<Var<'t>> {
    let shape = attrs.shape("shape")?;
    if op == "const" {
        return Ok(tape.filled(attrs.number("value", None)?, shape));
    }
    if shape.len() > MAX_TABLES {
        return damaged(format!("{shape} has more than {MAX_TABLES} elements"));
    }
    if op == "iota" {
        return Ok(tape.iota(shape, attrs.number("scale", None)?, attrs.number("offset", None)?));
    }
    let seed = attrs.seed("seed")?;
    let values: Vec<f64> = (0..shape.len() as u32).map(|i| hash_uniform(i, seed)).collect();
    Ok(tape.data(shape, &values))
}

/// A number in [−1, 1) from a place and a seed, exact in f32.
pub(super) fn hash_uniform(place: u32, seed: u32) -> f64 {
    let mut h = place.wrapping_mul(0x9E37_79B9).wrapping_add(seed);
    h ^= h >> 16;
    h = h.wrapping_mul(0x7FEB_352D);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846C_A68B);
    h ^= h >> 16;
    f64::from(h >> 8) / f64::from(1 << 23) - 1.0
}

/// Functions of one value that keep its shape.
fn unary<'t>(op: &str, x: Var<'t>, attrs: &Attrs) -> Checked<Option<Var<'t>>> {
    Ok(Some(match op {
        "neg" => -x,
        "recip" => x.recip(),
        "exp" => x.exp(),
        "ln" => x.ln(),
        "sqrt" => x.sqrt(),
        "rsqrt" => x.rsqrt(),
        "square" => x.square(),
        "abs" => x.abs(),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tanh" => x.tanh(),
        "sigmoid" => x.sigmoid(),
        "relu" => x.relu(),
        "softplus" => x.softplus(),
        "erf" => x.erf(),
        "detach" => x.detach(),
        "silu" => x.silu(),
        "gelu" => x.gelu(),
        "leaky_relu" => x.leaky_relu(attrs.number("slope", Some(0.01))?),
        "powi" => x.powi(attrs.exponent("n")?),
        "normalize" => {
            x.normalize(&attrs.axes("axes", x.shape())?, attrs.number("eps", Some(1e-5))?)
        }
        "softmax" => x.softmax(attrs.axis("axis", x.shape())?),
        "log_softmax" => x.log_softmax(attrs.axis("axis", x.shape())?),
        _ => return Ok(None),
    }))
}

/// Functions of one value that change its shape.
fn shaped<'t>(op: &str, x: Var<'t>, attrs: &Attrs) -> Checked<Var<'t>> {
    let shape = x.shape();
    Ok(match op {
        "sum" | "mean" | "max" | "var" | "logsumexp" => {
            let (axes, keep) = (attrs.axes("axes", shape)?, attrs.flag("keep", true)?);
            if !keep && axes.contains(&0) {
                return damaged("the task axis can not vanish");
            }
            let y = match op {
                "sum" => x.sum(&axes),
                "mean" => x.mean(&axes),
                "max" => x.max_over(&axes),
                "var" => x.var(&axes),
                _ => x.logsumexp(&axes),
            };
            if keep { y } else { y.squeeze(&axes) }
        }
        "reshape" => x.reshape(attrs.shape("shape")?),
        "permute" => x.permute(&attrs.per_axis("order", shape)?),
        "expand" => x.expand(attrs.shape("shape")?),
        "slice" => {
            let (start, end) = (attrs.per_axis("start", shape)?, attrs.per_axis("end", shape)?);
            if (0..shape.rank()).any(|k| start[k] >= end[k] || end[k] > shape[k]) {
                return damaged(format!("{start:?} to {end:?} is no part of {shape}"));
            }
            let sizes: Vec<usize> = start.iter().zip(&end).map(|(s, e)| e - s).collect();
            x.slice(&start, &sizes[..])
        }
        "pad" => {
            let (before, after) =
                (attrs.per_axis("before", shape)?, attrs.per_axis("after", shape)?);
            let sizes: Vec<usize> =
                (0..shape.rank()).map(|k| before[k] + shape[k] + after[k]).collect();
            let shape = Shape::try_new(&sizes).or_else(damaged)?;
            x.pad_to(shape, &before, attrs.number("value", Some(0.0))?)
        }
        "concat" => x.tape.concat(&[x], attrs.axis("axis", shape)?),
        "flip" => x.flip(Axes::new(&attrs.axes("axes", shape)?)),
        "max_pool" => image(x)?.max_pool(window(attrs)?),
        "avg_pool" => image(x)?.avg_pool(window(attrs)?, attrs.flag("count_pad", true)?),
        "resize_nearest" => image(x)?.resize_nearest(attrs.array("factor", 1)?),
        "resize_bilinear" => {
            let size: [usize; 2] = attrs.array("size", 1)?;
            let x = image(x)?;
            if size[0] * shape[2] > MAX_TABLES || size[1] * shape[3] > MAX_TABLES {
                return damaged(format!("{shape} to {size:?} needs too large a table"));
            }
            x.resize_bilinear(size)
        }
        _ => return damaged("takes more than one argument"),
    })
}

fn image(x: Var) -> Checked<Var> {
    match x.shape().rank() {
        5 => Ok(x),
        _ => damaged(format!("{} is no [tasks, images, height, width, channels]", x.shape())),
    }
}

fn window(attrs: &Attrs) -> Checked<Window> {
    let size = attrs.array("size", 1)?;
    Ok(Window {
        size,
        stride: attrs.array_or("stride", 1, size)?,
        pad: attrs.array_or("pad", 0, [0; 4])?,
    })
}

/// Functions of several values.
fn several<'t>(op: &str, x: &[Var<'t>], attrs: &Attrs) -> Checked<Var<'t>> {
    if op == "concat" {
        return Ok(x[0].tape.concat(x, attrs.axis("axis", x[0].shape())?));
    }
    if let ("select", &[c, a, b]) = (op, x) {
        return Ok(c.select(a, b));
    }
    let &[a, b] = x else { return damaged(format!("takes other than {} arguments", x.len())) };
    Ok(match op {
        "add" => a + b,
        "sub" => a - b,
        "mul" => a * b,
        "div" => a / b,
        "max" if attrs.has("axes") || attrs.has("keep") => {
            return damaged("takes one argument where it has axes");
        }
        "max" => a.max(b),
        "min" => a.min(b),
        "less" => a.less(b),
        "matmul" => a.matmul_t(b, attrs.flag("ta", false)?, attrs.flag("tb", false)?),
        "conv2d" => image(a)?.conv2d(image(b)?, conv(attrs)?),
        "conv2d_transpose" => {
            let (conv, output_pad) = (conv(attrs)?, attrs.array_or("output_pad", 0, [0; 2])?);
            if (0..2).any(|k| output_pad[k] >= conv.stride[k]) {
                return damaged(format!("output_pad {output_pad:?} reaches the stride"));
            }
            image(a)?.conv2d_transpose(image(b)?, conv, output_pad)
        }
        "mse" => mse(a, b),
        "kl_div" => {
            let t = attrs.number("temperature", None)?;
            if a.shape().rank() != 3 || t <= 0.0 {
                return damaged(format!("{} at temperature {t}: 3 axes, above 0", a.shape()));
            }
            kl_div(a, b, t)
        }
        _ => return damaged("takes one argument"),
    })
}

fn conv(attrs: &Attrs) -> Checked<Conv2d> {
    Ok(Conv2d {
        stride: attrs.array_or("stride", 1, [1; 2])?,
        pad: attrs.array_or("pad", 0, [0; 4])?,
        dilation: attrs.array_or("dilation", 1, [1; 2])?,
        groups: attrs.whole_or("groups", 1, 1)?,
    })
}

/// Functions with an argument of labels or indices.
fn indexed<'t>(op: &str, attrs: &Attrs, args: &[Value<'t, '_>]) -> Checked<Var<'t>> {
    if op == "one_hot" {
        return Ok(labels(args[0])?.one_hot(attrs.whole("classes", 1)?));
    }
    let (x, which) = (real(args[0])?, args[1].var.shape());
    let shape = x.shape();
    Ok(match op {
        "cross_entropy" => {
            if shape.rank() != 3 || which.rank() != 2 || which[1] != shape[1] {
                return damaged(format!("logits {shape} and labels {which}"));
            }
            cross_entropy(x, index(args[1], shape[2])?)
        }
        "take_along" => {
            let axis = attrs.axis("axis", shape)?;
            x.take_along(index(args[1], shape[axis])?, axis)
        }
        _ => {
            let axis = attrs.axis("axis", shape)?;
            if which.rank() != 1 {
                return damaged(format!("the index has shape {which}, expected one axis"));
            }
            if op == "gather" {
                return Ok(x.gather(index(args[1], shape[axis])?, axis));
            }
            let size = attrs.whole("size", 1)?;
            if which.len() != shape[axis] {
                return damaged(format!("{} indices for axis {axis} of {shape}", which.len()));
            }
            x.scatter_add(index(args[1], size)?, axis, size)
        }
    })
}
