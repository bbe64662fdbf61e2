//! Which sums over a first layer's map follow from sums that others need as well?
//!
//! A convolution is one form F(x, w, g), linear in picture, window and cotangent; its gradient by the window W(x, g)
//! is what it leaves for each number of w. So where a thin map (`thin.rs`) is visited anyway,
//!
//! ```text
//! W(x, g·a + h·b + c) = W(x, g)·a + W(x, h)·b + W(x, 1)·c       a, b, c the same for all pixels
//! Σ (conv(x, w) + c)·g = Σ w·W(x, g) + c·Σ g                    the first sum over pixels, the second over the window
//! Σ (g·a + h·b) = a·Σ g + b·Σ h                                 Σ (h - mean h) = 0
//! W(x, conv(x, w)) = W(x, conv(x, I))·w                          I has each place of the window in a channel of its own
//! ```
//!
//! A normalisation's gradient is a cotangent from behind, times a factor, and the map itself, times another, and a mean: with
//! the first line only that cotangent is still to be visited, and not after its sums but together with them; with the
//! others, sums of maps and of their products become dots of nine numbers. What a map leaves for its own window is a
//! matrix of the pictures times that window: where several maps are made of a picture, as in an inner loop, the matrix is
//! made once. Against any other cotangent the map stays one map: of conv(x, w) and minus its mean apart little would be
//! left. What rounding costs: W(x, g) is as much larger than what it is without its mean as the pictures' mean is larger
//! than their spread (`tests/offsets.rs`).

use super::simplify::{ADD, DEEP, MUL, Rules};
use super::thin::{self, CHANNELS};
use crate::op::{ConvGeometry, Literal, Op, Side};
use crate::shape::{Axes, MAX_RANK, Shape};
use crate::tape::Node;
use std::collections::HashMap;

/// Sums within sums that are looked through for terms.
const TERMS: usize = 8;
/// Places of a thin window.
const TAPS: usize = 9;
/// A map's pixels: pictures, rows, columns.
const PIXELS: Axes = Axes(0b1110);

/// What a graph holds of thin windows.
pub(super) struct Windows {
    /// Gradients by one: picture, cotangent and how they meet.
    known: Vec<(usize, usize, ConvGeometry)>,
    /// By the later one of its two operands in the graph that is rewritten.
    coming: HashMap<usize, Vec<(usize, usize, ConvGeometry)>>,
    /// Maps of each picture, there and in the graph that is rewritten.
    maps: HashMap<usize, usize>,
    maps_coming: HashMap<usize, usize>,
}

impl Windows {
    /// What the graph that is going to be rewritten holds.
    pub fn of(nodes: &[Node]) -> Self {
        let mut coming: HashMap<usize, Vec<_>> = HashMap::new();
        let mut maps_coming = HashMap::new();
        for node in nodes {
            let (Op::Conv { side, geometry }, &[x, other]) = (&node.op, &node.inputs[..]) else {
                continue;
            };
            let thin = |map: Shape| is_thin(geometry, nodes[x].shape, map);
            match side {
                Side::Weight if thin(nodes[other].shape) => {
                    coming.entry(x.max(other)).or_default().push((x, other, *geometry));
                }
                Side::Output if thin(node.shape) => *maps_coming.entry(x).or_default() += 1,
                _ => {}
            }
        }
        Self { known: vec![], coming, maps: HashMap::new(), maps_coming }
    }

    /// Old node `id` has been made: `to` says what all until then became.
    pub fn made(&mut self, id: usize, to: &[usize]) {
        let coming = self.coming.remove(&id).unwrap_or_default();
        self.known.extend(coming.into_iter().map(|(x, g, how)| (to[x], to[g], how)));
        if let Some(maps) = self.maps_coming.remove(&id) {
            *self.maps.entry(to[id]).or_default() += maps;
        }
    }
}

fn is_thin(geometry: &ConvGeometry, picture: Shape, map: Shape) -> bool {
    thin::is_thin(geometry, [picture[4], map[4]])
}

/// The shape of a sum over all pixels of a map.
pub(super) fn without_pixels(map: Shape) -> Shape {
    PIXELS.iter().fold(map, |sum, axis| sum.with(axis, 1))
}

/// The gradient by the window.
fn by_window(geometry: ConvGeometry) -> Op {
    Op::Conv { side: Side::Weight, geometry }
}

/// A thin map with what is added to it, the same for all pixels.
pub(super) struct Map {
    pub picture: usize,
    pub window: usize,
    pub geometry: ConvGeometry,
    /// As small as they are.
    pub added: Vec<usize>,
}

/// A term of a cotangent: factors that do not vary over pixels, in the shape of a sum, and a map; none where that is 1.
pub(super) struct Term {
    pub factors: Vec<usize>,
    pub map: Option<usize>,
}

impl Rules {
    /// W(x, g) where `g` is a sum: term by term, if that leaves one map at most that nobody's window sums are known of.
    pub(super) fn window_rule(
        &mut self,
        x: usize,
        g: usize,
        geometry: ConvGeometry,
        shape: Shape,
    ) -> Option<usize> {
        let map = self.made.shape(g);
        if self.windows.is_none() || !is_thin(&geometry, self.made.shape(x), map) {
            return None;
        }
        let terms = self.terms(g);
        if let [Term { factors, map: Some(map) }] = &terms[..]
            && factors.is_empty()
            && !self.is_seen_by(*map, x, &geometry)
        {
            return None;
        }
        let side = by_window(geometry);
        let mut left: Vec<usize> = terms.iter().filter_map(|term| term.map).collect();
        left.retain(|&g| {
            let of_picture = self.thin_map(g).is_some_and(|map| map.picture == x);
            !of_picture && self.made.find(side.clone(), vec![x, g], shape).is_none()
        });
        left.sort_unstable();
        left.dedup();
        // What a sweep makes as it goes, or puts back.
        let rides = |id: usize| matches!(self.op(id), Op::Pointwise(_) | Op::Put(_));
        let visited = terms.iter().filter_map(|term| term.map);
        let mut visited = visited.filter(|&g| !self.is_seen_by(g, x, &geometry));
        if left.len() > 1 || !visited.all(rides) {
            return None;
        }
        let parts: Vec<usize> = terms
            .into_iter()
            .map(|Term { factors, map: g }| {
                let sums = match g {
                    Some(g) if self.is_seen_by(g, x, &geometry) => self.by_own_window(g, shape),
                    Some(g) => self.make(side.clone(), vec![x, g], shape),
                    None => self.seen(x, geometry, map, shape),
                };
                self.times(sums, factors, shape)
            })
            .collect();
        self.added(parts, shape)
    }

    /// Whether `g` is a thin map of picture `x` by such a window, which is not one of known numbers, and not the only one.
    fn is_seen_by(&self, g: usize, x: usize, geometry: &ConvGeometry) -> bool {
        self.thin_map(g).is_some_and(|map| {
            let window = self.small(map.window).map_or(map.window, |(source, _)| source);
            let known = matches!(self.op(window), Op::Data(_));
            let maps = self.windows.as_ref().and_then(|windows| windows.maps.get(&x));
            let often = maps.is_some_and(|&maps| maps > 1);
            map.picture == x && map.geometry == *geometry && !known && often
        })
    }

    /// W(x, conv(x, w) + c) = W(x, conv(x, I))·w + c·W(x, 1): what each two taps see together, over all pixels, is a matrix of
    /// the pictures alone.
    fn by_own_window(&mut self, g: usize, shape: Shape) -> usize {
        let Map { picture, window, geometry, added } = self.thin_map(g).expect("asked before");
        let (map, tasks) = (self.made.shape(g), shape.tasks());
        // Each tap alone, in a channel of its own; as many channels as make a thin map.
        let numbers = (0..TAPS * CHANNELS).map(|i| f64::from(i / CHANNELS == i % CHANNELS));
        let each = shape.with(4, CHANNELS);
        let alone = Op::Data(Literal(numbers.collect()));
        let alone = self.make(alone, vec![], each.with(0, 1));
        let alone = self.expanded(alone, each);
        let seen = Op::Conv { side: Side::Output, geometry };
        let seen = self.make(seen, vec![picture, alone], map.with(4, CHANNELS));
        let both = self.make(by_window(geometry), vec![picture, seen], each);
        let both = self.make(Op::Reshape, vec![both], Shape::new(&[tasks, TAPS, CHANNELS]));
        let first = Op::Slice { start: [0; MAX_RANK] };
        let both = self.make(first, vec![both], Shape::new(&[tasks, TAPS, TAPS]));
        let flat = Shape::new(&[tasks, TAPS, shape[4]]);
        let window = self.make(Op::Reshape, vec![window], flat);
        let product = Op::MatMul { ta: false, tb: false };
        let product = self.make(product, vec![both, window], flat);
        let mut parts = vec![self.make(Op::Reshape, vec![product], shape)];
        for added in added {
            let seen = self.seen(picture, geometry, map, shape);
            let added = self.expanded(added, without_pixels(map));
            parts.push(self.times(seen, vec![added], shape));
        }
        self.added(parts, shape).expect("one at least")
    }

    /// Whether a thin map, or a sum of terms with one, is added to its mean over all pixels with a minus: that sums to 0.
    pub(super) fn is_less_its_mean(
        &mut self,
        x: usize,
        minus: usize,
        axes: Axes,
        sum: Shape,
    ) -> bool {
        let Some((mean, _)) = self.small(minus) else { return false };
        let may = self.windows.is_some() && self.are_pixels(x, axes);
        if !may || *self.op(mean) != MUL || self.made.shape(mean) != sum {
            return false;
        }
        let maps = self.terms(x).into_iter().filter_map(|term| term.map);
        if !maps.into_iter().any(|map| self.thin_map(map).is_some()) {
            return false;
        }
        let (of, factor) = (self.input(mean, 0), self.input(mean, 1));
        let count = (self.made.shape(x).len() / sum.len()) as f64;
        let is_count = self.made.number(factor).is_some_and(|f| (f * count + 1.0).abs() < 1e-12);
        is_count && self.make(Op::Sum(axes), vec![x], sum) == of
    }

    /// Σ over all pixels of terms that are maps, a thin one among them: term by term, so that no visit makes that one for it.
    pub(super) fn sum_of_terms(&mut self, x: usize, axes: Axes, shape: Shape) -> Option<usize> {
        if self.windows.is_none() || !self.are_pixels(x, axes) {
            return None;
        }
        let terms = self.terms(x);
        let maps: Vec<usize> = terms.iter().map(|term| term.map).collect::<Option<_>>()?;
        if maps.len() == 1 || !maps.iter().any(|&map| self.thin_map(map).is_some()) {
            return None;
        }
        let parts: Vec<usize> = maps
            .into_iter()
            .zip(terms)
            .map(|(map, Term { factors, .. })| {
                let sum = self.make(Op::Sum(axes), vec![map], shape);
                self.times(sum, factors, shape)
            })
            .collect();
        self.added(parts, shape)
    }

    /// Σ p·q over all pixels, one of them a thin map whose picture's window sums of the other are needed as well.
    pub(super) fn dot_rule(
        &mut self,
        p: usize,
        q: usize,
        axes: Axes,
        shape: Shape,
    ) -> Option<usize> {
        // A variance stays: it is never negative, and its rounding does not grow where the window sees little.
        if p == q || !self.are_pixels(p, axes) {
            return None;
        }
        let known = &self.windows.as_ref()?.known;
        let dots = [(p, q), (q, p)].into_iter().filter_map(|(map, g)| {
            let map = self.thin_map(map)?;
            let known = known.contains(&(map.picture, g, map.geometry));
            (known || self.is_seen_by(g, map.picture, &map.geometry)).then_some((map, g))
        });
        // Sums that were there first do not wait for the map that is visited last.
        let (map, g) = dots.min_by_key(|&(_, g)| g)?;
        let window = self.made.shape(map.window);
        let sums = self.make(by_window(map.geometry), vec![map.picture, g], window);
        let product = self.make(MUL, vec![map.window, sums], window);
        let dot = self.make(Op::Sum(PIXELS), vec![product], shape);
        let whole = self.make(Op::Sum(axes), vec![g], shape);
        if self.made.number(whole) == Some(0.0) {
            return Some(dot); // a mean was taken off g
        }
        let added: Vec<usize> = map.added.iter().map(|&c| self.expanded(c, shape)).collect();
        let Some(added) = self.added(added, shape) else { return Some(dot) };
        let product = self.make(MUL, vec![whole, added], shape);
        Some(self.make(ADD, vec![dot, product], shape))
    }

    /// What a window sees in all, at each of its places, for each of a map's channels: W(x, 1).
    pub(super) fn seen(
        &mut self,
        x: usize,
        geometry: ConvGeometry,
        map: Shape,
        window: Shape,
    ) -> usize {
        let picture = self.made.shape(x);
        let images = self.make(Op::Sum(Axes::new(&[1])), vec![x], picture.with(1, 1));
        let ones = self.constant(1.0, map.with(1, 1).with(4, 1));
        let seen = self.make(by_window(geometry), vec![images, ones], window.with(4, 1));
        self.expanded(seen, window)
    }

    /// Whether a sum over `axes` goes over all pixels of a map and leaves its channels.
    pub(super) fn are_pixels(&self, map: usize, axes: Axes) -> bool {
        let shape = self.made.shape(map);
        let all = || (1..4).all(|axis| axes.has(axis) || shape[axis] == 1);
        shape.rank() == 5 && all() && !axes.has(0) && !axes.has(4)
    }

    /// All of them added, if there is one.
    pub(super) fn added(&mut self, parts: Vec<usize>, shape: Shape) -> Option<usize> {
        parts.into_iter().reduce(|a, b| self.make(ADD, vec![a, b], shape))
    }

    /// `id` times factors, which are made as large.
    pub(super) fn times(&mut self, id: usize, factors: Vec<usize>, shape: Shape) -> usize {
        factors.into_iter().fold(id, |id, factor| {
            let factor = self.expanded(factor, shape);
            self.make(MUL, vec![id, factor], shape)
        })
    }

    /// A sum over pixels taken apart.
    pub(super) fn terms(&mut self, id: usize) -> Vec<Term> {
        let mut terms = vec![];
        self.add_terms(id, &mut vec![], TERMS, &mut terms);
        terms
    }

    fn add_terms(
        &mut self,
        id: usize,
        factors: &mut Vec<usize>,
        depth: usize,
        terms: &mut Vec<Term>,
    ) {
        let shape = self.made.shape(id);
        let sum = without_pixels(shape);
        let before = factors.len();
        if let Some(source) = self.constant_over(id, PIXELS) {
            factors.push(self.expanded(source, sum));
            terms.push(Term { factors: factors.clone(), map: None });
        } else {
            let rest = self.constants_out(id, PIXELS, sum, DEEP, factors);
            if *self.op(rest) == ADD && depth > 0 && self.thin_map(rest).is_none() {
                for term in [self.input(rest, 0), self.input(rest, 1)] {
                    self.add_terms(term, factors, depth - 1, terms);
                }
            } else {
                terms.push(Term { factors: factors.clone(), map: Some(rest) });
            }
        }
        factors.truncate(before);
    }

    /// Node `id` as a thin map with something added.
    pub(super) fn thin_map(&self, id: usize) -> Option<Map> {
        let mut added = vec![];
        let mut at = id;
        while *self.op(at) == ADD {
            added.push(self.constant_over(self.input(at, 1), PIXELS)?);
            at = self.input(at, 0);
        }
        let Op::Conv { side: Side::Output, geometry } = *self.op(at) else { return None };
        let (picture, window) = (self.input(at, 0), self.input(at, 1));
        let thin = is_thin(&geometry, self.made.shape(picture), self.made.shape(id));
        thin.then_some(Map { picture, window, geometry, added })
    }
}
