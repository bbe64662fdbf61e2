//! A 3 x 3 window with stride 2 on fewer products. In one dimension the outer taps meet every second pixel,
//! u, the middle tap those between, m, and never each other:
//!
//! ```text
//! y[i] = (w0·u[i] + w2·u[i + 1]) + w1·m[i]
//! ```
//!
//! The bracket is a window of two taps with stride 1, of which Winograd's way makes three results with four
//! products instead of six (two with three instead of four; Winograd 1980, Lavin, Gray 2016):
//!
//! ```text
//! p0 = (u0 - u2)·w0    p1 = (u1 + u2)·(w0 + w2)/2    p2 = (u2 - u1)·(w0 - w2)/2    p3 = (u1 - u3)·w2
//! y0 = p0 + p1 + p2    y1 = p1 - p2                  y2 = p1 + p2 - p3
//! ```
//!
//! So nine products become seven, in two dimensions 81 become 49. Every axis is cut into stretches of three, two
//! and one results that need the fewest in all; at the image's edge a stretch of one needs two, because one tap
//! meets nothing: 7 = 1 + 3 + 3 takes 16 instead of 20.
//!
//! A *slot* is one product in each dimension: a sum of up to 2 x 2 pixels, one of five *nodes* of the window in
//! each dimension, and the results that it is part of. What slots of one node need is one matrix product of
//! [slots x channels]; the input side is the same turned round (slots read results and give to pixels), and the
//! weight side sums over the slots of a node. All around the products are sums of a few rows, written as tables.
//! Rounding errors are those of `winograd.rs`; a NaN reaches the results of its stretch.

use super::super::isa::Isa;
use super::super::simd::{Lanes, dispatch};
use super::winograd::{Left, products};
use super::{Fast, Side};
use std::ops::Range;

/// Slots of the images that go together: 2 x 330 KB of 64 channels.
const SLOTS: usize = 1400;
/// What the window is multiplied with in one dimension: w0, (w0 + w2)/2, (w0 - w2)/2, w2 and w1.
const NODES: [&[Term]; 5] =
    [&[(0, 1.0)], &[(0, 0.5), (2, 0.5)], &[(0, 0.5), (2, -0.5)], &[(2, 1.0)], &[(1, 1.0)]];
const W0: usize = 0;
const SUM: usize = 1;
const DIFFERENCE: usize = 2;
const W2: usize = 3;
const W1: usize = 4;

/// A row, and what it is multiplied with.
type Term = (usize, f32);

/// One product in one dimension: its node, the pixels it reads and the results it is part of.
#[derive(Clone, Debug)]
struct Slot {
    node: usize,
    from: Vec<Term>,
    to: Vec<Term>,
}

/// One axis: size of the image and of the result, zeros before the image.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub image: usize,
    pub result: usize,
    pub before: usize,
}

impl Axis {
    /// The products of results `i .. i + count`.
    fn stretch(self, i: usize, count: usize) -> Vec<Slot> {
        let pixels = |terms: &[Term]| -> Vec<Term> {
            let inside = |&(at, by): &Term| Some(((2 * i + at).checked_sub(self.before)?, by));
            terms.iter().filter_map(inside).filter(|&(at, _)| at < self.image).collect()
        };
        let results = |terms: &[Term]| terms.iter().map(|&(k, by)| (i + k, by)).collect();
        let slot = |node: usize, from: &[Term], to: &[Term]| Slot {
            node,
            from: pixels(from),
            to: results(to),
        };
        // u[k] stands at pixel 2k, m[k] at 2k + 1.
        let mut slots = match count {
            1 => vec![slot(W0, &[(0, 1.0)], &[(0, 1.0)]), slot(W2, &[(2, 1.0)], &[(0, 1.0)])],
            2 => vec![
                slot(W0, &[(0, 1.0), (2, -1.0)], &[(0, 1.0)]),
                slot(SUM, &[(2, 2.0)], &[(0, 1.0), (1, 1.0)]),
                slot(W2, &[(2, 1.0), (4, -1.0)], &[(1, -1.0)]),
            ],
            _ => vec![
                slot(W0, &[(0, 1.0), (4, -1.0)], &[(0, 1.0)]),
                slot(SUM, &[(2, 1.0), (4, 1.0)], &[(0, 1.0), (1, 1.0), (2, 1.0)]),
                slot(DIFFERENCE, &[(4, 1.0), (2, -1.0)], &[(0, 1.0), (1, -1.0), (2, 1.0)]),
                slot(W2, &[(2, 1.0), (6, -1.0)], &[(2, -1.0)]),
            ],
        };
        slots.extend((0..count).map(|k| slot(W1, &[(2 * k + 1, 1.0)], &[(k, 1.0)])));
        slots.retain(|slot| !slot.from.is_empty());
        slots
    }

    /// The fewest products for all results: from the last one backwards, the best stretch to begin with.
    fn slots(self) -> Vec<Slot> {
        let mut best: Vec<Vec<Slot>> = vec![vec![]];
        for left in 1..=self.result {
            let begun = |count: usize| {
                let mut all = self.stretch(self.result - left, count);
                all.extend_from_slice(&best[left - count]);
                all
            };
            let found = (1..=left.min(3)).map(begun).min_by_key(Vec::len);
            best.push(found.expect("a stretch of one fits"));
        }
        best.pop().expect("one for each number of results")
    }
}

/// Sums of a few rows each.
#[derive(Clone, Debug, Default)]
struct Sums {
    terms: Vec<Term>,
    ends: Vec<usize>,
}

impl Sums {
    fn push(&mut self, terms: impl Iterator<Item = Term>) {
        self.terms.extend(terms);
        self.ends.push(self.terms.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, row: usize) -> &[Term] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.terms[start..self.ends[row]]
    }

    /// The same numbers by the row that is read: `rows` of them.
    fn turned(&self, rows: usize) -> Sums {
        let mut by_row = vec![vec![]; rows];
        for row in 0..self.len() {
            self.get(row).iter().for_each(|&(from, by)| by_row[from].push((row, by)));
        }
        let mut turned = Sums::default();
        by_row.into_iter().for_each(|terms| turned.push(terms.into_iter()));
        turned
    }
}

/// Terms of two dimensions, the second `width` places wide.
fn crossed(rows: &[Term], cols: &[Term], width: usize) -> impl Iterator<Item = Term> {
    rows.iter().flat_map(move |&(y, a)| cols.iter().map(move |&(x, b)| (y * width + x, a * b)))
}

/// One side of such a convolution.
#[derive(Clone, Debug)]
pub struct Strided {
    isa: Isa,
    /// Channels and floats of an image: of what is read, and of the result (weight side: of g).
    channels: [usize; 2],
    image_len: [usize; 2],
    /// The slots of each of 5 x 5 nodes.
    nodes: Vec<Range<usize>>,
    /// Slots from pixels that are read; results from slots (weight side: slots from g).
    read: Sums,
    write: Sums,
    /// Nodes from the window's taps, and back.
    window: Sums,
    back: Sums,
    /// Images that go together.
    together: usize,
}

impl Strided {
    /// `axes`: rows and columns; `channels` of the source and of the result.
    pub fn new(isa: Isa, side: Side, axes: [Axis; 2], channels: [usize; 2]) -> Self {
        let [rows, cols] = axes.map(Axis::slots);
        let [image, result] = [axes.map(|axis| axis.image), axes.map(|axis| axis.result)];
        let (mut nodes, mut from, mut to) = (vec![], Sums::default(), Sums::default());
        let mut window = Sums::default();
        for (i, y) in NODES.into_iter().enumerate() {
            for (j, x) in NODES.into_iter().enumerate() {
                let start = from.len();
                for row in rows.iter().filter(|row| row.node == i) {
                    for col in cols.iter().filter(|col| col.node == j) {
                        from.push(crossed(&row.from, &col.from, image[1]));
                        to.push(crossed(&row.to, &col.to, result[1]));
                    }
                }
                nodes.push(start..from.len());
                window.push(crossed(y, x, 3));
            }
        }
        let [image, result] = [image, result].map(|size| size[0] * size[1]);
        let together = (SLOTS / from.len()).max(1);
        let (pixels, read, write) = match side {
            Side::Output => ([image, result], from, to.turned(result)),
            Side::Input => ([result, image], to, from.turned(image)),
            Side::Weight => ([image, result], from, to),
        };
        let image_len = [pixels[0] * channels[0], pixels[1] * channels[1]];
        let back = window.turned(9);
        Self { isa, channels, image_len, nodes, read, write, window, back, together }
    }

    fn slots(&self) -> usize {
        self.nodes.last().map_or(0, |node| node.end)
    }

    /// Chunks of images.
    fn chunks(&self, images: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let (end, together) = (images.end, self.together);
        images.step_by(together).map(move |start| start..end.min(start + together))
    }
}

impl Fast for Strided {
    fn window_len(&self) -> usize {
        self.nodes.len() * self.channels[0] * self.channels[1]
    }

    fn scratch_len(&self) -> usize {
        self.together * self.slots() * (self.channels[0] + self.channels[1])
    }

    fn images_a_part(&self) -> usize {
        8
    }

    unsafe fn window(&self, w: *const f32, to: *mut f32) {
        let len = self.channels[0] * self.channels[1];
        let (from, to) = (matrices(w, len), matrices(to, len));
        unsafe { sum_rows(self.isa, &self.window, from, to, 1, len, false) }
    }

    unsafe fn run(
        &self,
        source: *const f32,
        window: *const f32,
        result: *mut f32,
        scratch: *mut f32,
        images: Range<usize>,
        accumulate: bool,
    ) {
        let ([c, o], image) = (self.channels, self.image_len);
        for chunk in self.chunks(images) {
            let count = chunk.len();
            unsafe {
                // Slot after slot, the images of each next to each other.
                let sums = scratch.add(self.slots() * count * c);
                let from =
                    Rows { start: source.add(chunk.start * image[0]), pitch: c, image: image[0] };
                let to = Rows { start: scratch, pitch: count * c, image: c };
                sum_rows(self.isa, &self.read, from, to, count, c, false);
                for (k, node) in self.nodes.iter().enumerate() {
                    let at = scratch.add(node.start * count * c);
                    let slots = Left { at, rows: node.len() * count, inner: c, row: c, step: 1 };
                    let (w, to) = (window.add(k * c * o), sums.add(node.start * count * o));
                    products(self.isa, slots, w, o, to, false);
                }
                let start = result.add(chunk.start * image[1]);
                let from = Rows { start: sums.cast_const(), pitch: count * o, image: o };
                let to = Rows { start, pitch: o, image: image[1] };
                sum_rows(self.isa, &self.write, from, to, count, o, accumulate);
            }
        }
    }

    unsafe fn sums(
        &self,
        source: *const f32,
        g: *const f32,
        sums: *mut f32,
        scratch: *mut f32,
        images: Range<usize>,
    ) {
        let ([c, o], image) = (self.channels, self.image_len);
        let begin = images.start;
        for chunk in self.chunks(images) {
            let (count, add) = (chunk.len(), chunk.start > begin);
            unsafe {
                let turned = scratch.add(self.slots() * count * c);
                let from =
                    Rows { start: source.add(chunk.start * image[0]), pitch: c, image: image[0] };
                let to = Rows { start: scratch, pitch: count * c, image: c };
                sum_rows(self.isa, &self.read, from, to, count, c, false);
                let from = Rows { start: g.add(chunk.start * image[1]), pitch: o, image: image[1] };
                let to = Rows { start: turned, pitch: count * o, image: o };
                sum_rows(self.isa, &self.write, from, to, count, o, false);
                for (k, node) in self.nodes.iter().enumerate() {
                    let at = scratch.add(node.start * count * c);
                    let slots = Left { at, rows: c, inner: node.len() * count, row: 1, step: c };
                    let (g, to) = (turned.add(node.start * count * o), sums.add(k * c * o));
                    products(self.isa, slots, g, o, to, add);
                }
            }
        }
    }

    unsafe fn finish(&self, sums: *const f32, parts: usize, dw: *mut f32, accumulate: bool) {
        let len = self.channels[0] * self.channels[1];
        for part in 0..parts {
            let add = accumulate || part > 0;
            unsafe {
                let from = matrices(sums.add(part * self.window_len()), len);
                sum_rows(self.isa, &self.back, from, matrices(dw, len), 1, len, add);
            }
        }
    }
}

/// Rows of several images: the first one, from one row to the next, and from one image to the next.
#[derive(Clone, Copy)]
struct Rows<P> {
    start: P,
    pitch: usize,
    image: usize,
}

/// One matrix of `len` floats after the other as rows.
fn matrices<P>(start: P, len: usize) -> Rows<P> {
    Rows { start, pitch: len, image: 0 }
}

#[inline(always)]
unsafe fn all_rows<L: Lanes>(
    sums: &Sums,
    from: Rows<*const f32>,
    to: Rows<*mut f32>,
    images: usize,
    lanes: usize,
    add: bool,
) {
    for row in 0..sums.len() {
        let terms = sums.get(row);
        // Images inside: so many terms, again and again, is a loop that the processor foresees.
        for image in 0..images {
            unsafe {
                let to = to.start.add(row * to.pitch + image * to.image);
                let (from, pitch) = (from.start.add(image * from.image), from.pitch);
                let mut at = 0;
                while at + 4 * L::N <= lanes {
                    one_row::<L, 4>(terms, from.add(at), pitch, to.add(at), add);
                    at += 4 * L::N;
                }
                while at < lanes {
                    one_row::<L, 1>(terms, from.add(at), pitch, to.add(at), add);
                    at += L::N;
                }
            }
        }
    }
}

/// `V` vectors of one row.
#[inline(always)]
unsafe fn one_row<L: Lanes, const V: usize>(
    terms: &[Term],
    from: *const f32,
    pitch: usize,
    to: *mut f32,
    add: bool,
) {
    unsafe {
        let mut sums = [L::splat(0.0); V];
        for &(row, by) in terms {
            let (from, by) = (from.add(row * pitch), L::splat(by));
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = L::load(from.add(v * L::N)).fma(by, *sum);
            }
        }
        for (v, sum) in sums.into_iter().enumerate() {
            let to = to.add(v * L::N);
            let sum = if add { L::load(to) + sum } else { sum };
            sum.store(to);
        }
    }
}

dispatch! {
    /// Row k of `to` (+)= the k-th of `sums` of rows of `from`, in each image; `lanes` a multiple of a vector's.
    fn sum_rows(sums: &Sums, from: Rows<*const f32>, to: Rows<*mut f32>, images: usize, lanes: usize, add: bool) = all_rows;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_takes_the_fewest_products() {
        let products = |image, result, before| Axis { image, result, before }.slots().len();
        assert_eq!(products(14, 7, 1), 16); // 20 direct
        assert_eq!(products(12, 6, 1), 14); // 17
        assert_eq!(products(7, 4, 1), 9); // 10
        assert_eq!(products(13, 6, 0), 14); // 18
    }
}
