//! Sums over a block of `rows` x `lanes`: over its rows (one sum per lane: batch norm's statistics), over
//! its lanes (one per row: softmax), over both. Each adds products a·b; with `b = Arg::Scalar(1.0)` it is
//! a plain sum. Several chains run side by side because one addition must wait for the one before it.
//! The order of additions depends on rows and lanes alone, so the bits do as well. And the sums of what is
//! left by the parts of a piece of work ([`add_parts`]) and by a task ([`add_terms`]).

use super::block::{Arg, part, whole};
use super::simd::{Lanes, dispatch, load, store};

/// A factor of the products.
trait Factor: Copy {
    /// Row `r` from `lane` on: a whole vector, or the first `n` lanes if `n < N`.
    unsafe fn get<L: Lanes>(self, r: usize, lane: usize, n: usize) -> L;
}

/// Goes along the lanes: start of row 0, distance of rows ([`Arg::Map`]; 0: [`Arg::Lane`]).
#[derive(Clone, Copy)]
struct Along(*const f32, usize);

impl Factor for Along {
    #[inline(always)]
    unsafe fn get<L: Lanes>(self, r: usize, lane: usize, n: usize) -> L {
        let row = unsafe { (self.0.add(r * self.1), true) };
        unsafe { if n >= L::N { whole::<L>(row, lane) } else { part::<L>(row, lane, n) } }
    }
}

/// One number per row: place of the first, distance of the next ([`Arg::Row`]; 0: [`Arg::Scalar`]).
#[derive(Clone, Copy)]
struct Each(*const f32, usize);

impl Factor for Each {
    #[inline(always)]
    unsafe fn get<L: Lanes>(self, r: usize, _: usize, _: usize) -> L {
        unsafe { L::splat(*self.0.add(r * self.1)) }
    }
}

/// The factor 1; the compiler leaves it out.
#[derive(Clone, Copy)]
struct One;

impl Factor for One {
    #[inline(always)]
    unsafe fn get<L: Lanes>(self, _: usize, _: usize, _: usize) -> L {
        unsafe { L::splat(1.0) }
    }
}

/// `$body` compiled for the kinds of `$a` and `$b`.
macro_rules! with_factors {
    ($a:ident, $b:ident, $body:expr) => {
        match &$a {
            Arg::Map(p, step) => with_factors!(@second Along(*p, *step), $a, $b, $body),
            Arg::Lane(p) => with_factors!(@second Along(*p, 0), $a, $b, $body),
            Arg::Row(p, step) => with_factors!(@second Each(*p, *step), $a, $b, $body),
            Arg::Scalar(x) => with_factors!(@second Each(x, 0), $a, $b, $body),
        }
    };
    (@second $first:expr, $a:ident, $b:ident, $body:expr) => {{
        let $a = $first;
        match &$b {
            Arg::Scalar(1.0) => { let $b = One; $body }
            Arg::Map(p, step) => { let $b = Along(*p, *step); $body }
            Arg::Lane(p) => { let $b = Along(*p, 0); $body }
            Arg::Row(p, step) => { let $b = Each(*p, *step); $body }
            Arg::Scalar(x) => { let $b = Each(x, 0); $body }
        }
    }};
}

/// Sums over rows of `V` vectors from `lane` on, rows dealt to `CHAINS` chains in turn.
#[inline(always)]
unsafe fn down<L: Lanes, A: Factor, B: Factor, const V: usize, const CHAINS: usize>(
    a: A,
    b: B,
    rows: usize,
    lane: usize,
    n: usize,
) -> [L; V] {
    unsafe {
        let mut chain = [[L::splat(0.0); V]; CHAINS];
        let mut r = 0;
        while r + CHAINS <= rows {
            for (k, chain) in chain.iter_mut().enumerate() {
                for (v, chain) in chain.iter_mut().enumerate() {
                    let at = lane + v * L::N;
                    *chain = a.get::<L>(r + k, at, n).fma(b.get::<L>(r + k, at, n), *chain);
                }
            }
            r += CHAINS;
        }
        for r in r..rows {
            for (v, chain) in chain[0].iter_mut().enumerate() {
                let at = lane + v * L::N;
                *chain = a.get::<L>(r, at, n).fma(b.get::<L>(r, at, n), *chain);
            }
        }
        let mut total = chain[0];
        for v in 0..V {
            for other in &chain[1..] {
                total[v] = total[v] + other[v];
            }
        }
        total
    }
}

/// Adds `part` to the sum `total` whose lost digits are kept in `lost` (Kahan 1965).
#[inline(always)]
fn add_compensated<L: Lanes>(total: L, lost: L, part: L) -> (L, L) {
    let part = part - lost;
    let sum = total + part;
    (sum, (sum - total) - part)
}

#[inline(always)]
unsafe fn finish<L: Lanes>(acc: *mut f32, lost: *mut f32, part: L, n: usize) {
    unsafe {
        let old = L::load_n(acc, n);
        if lost.is_null() {
            return (old + part).store_n(acc, n);
        }
        let (sum, rest) = add_compensated(old, L::load_n(lost, n), part);
        sum.store_n(acc, n);
        rest.store_n(lost, n);
    }
}

#[inline(always)]
unsafe fn over_rows<L: Lanes, A: Factor, B: Factor>(
    acc: *mut f32,
    lost: *mut f32,
    (a, b): (A, B),
    rows: usize,
    lanes: usize,
) {
    // A null pointer stays one however far it is moved.
    let moved = |lane: usize| if lost.is_null() { lost } else { lost.wrapping_add(lane) };
    let mut lane = 0;
    unsafe {
        while lane + 4 * L::N <= lanes {
            let sums = down::<L, A, B, 4, 2>(a, b, rows, lane, L::N);
            for (v, sum) in sums.into_iter().enumerate() {
                let at = lane + v * L::N;
                finish(acc.add(at), moved(at), sum, L::N);
            }
            lane += 4 * L::N;
        }
        while lane + L::N <= lanes {
            let [sum] = down::<L, A, B, 1, 4>(a, b, rows, lane, L::N);
            finish(acc.add(lane), moved(lane), sum, L::N);
            lane += L::N;
        }
        if lane < lanes {
            let n = lanes - lane;
            let [sum] = down::<L, A, B, 1, 4>(a, b, rows, lane, n);
            finish(acc.add(lane), moved(lane), sum, n);
        }
    }
}

#[inline(always)]
unsafe fn rows_plain<L: Lanes>(acc: *mut f32, a: Arg, b: Arg, rows: usize, lanes: usize) {
    let lost = std::ptr::null_mut();
    unsafe { with_factors!(a, b, over_rows::<L, _, _>(acc, lost, (a, b), rows, lanes)) }
}

#[inline(always)]
unsafe fn rows_exact<L: Lanes>(
    acc: *mut f32,
    lost: *mut f32,
    a: Arg,
    b: Arg,
    rows: usize,
    lanes: usize,
) {
    unsafe { with_factors!(a, b, over_rows::<L, _, _>(acc, lost, (a, b), rows, lanes)) }
}

/// The sum of one row: four chains of vectors, then the rest of the row, then chains and lanes in order.
#[inline(always)]
unsafe fn along<L: Lanes, A: Factor, B: Factor>(a: A, b: B, r: usize, lanes: usize) -> f32 {
    unsafe {
        let mut chain = [L::splat(0.0); 4];
        let mut lane = 0;
        while lane + 4 * L::N <= lanes {
            for (v, chain) in chain.iter_mut().enumerate() {
                let at = lane + v * L::N;
                *chain = a.get::<L>(r, at, L::N).fma(b.get::<L>(r, at, L::N), *chain);
            }
            lane += 4 * L::N;
        }
        while lane < lanes {
            let n = (lanes - lane).min(L::N);
            let mut product = a.get::<L>(r, lane, n) * b.get::<L>(r, lane, n);
            if n < L::N {
                // A factor that is one number for the row fills all lanes, also those behind the end.
                let mut kept = [0.0f32; 16];
                product.store_n(kept.as_mut_ptr(), n);
                product = L::load(kept.as_ptr());
            }
            chain[0] = chain[0] + product;
            lane += L::N;
        }
        ((chain[0] + chain[1]) + (chain[2] + chain[3])).sum()
    }
}

#[inline(always)]
unsafe fn over_lanes<L: Lanes, A: Factor, B: Factor>(
    out: *mut f32,
    out_stride: usize,
    (a, b): (A, B),
    rows: usize,
    lanes: usize,
) {
    for r in 0..rows {
        unsafe { *out.add(r * out_stride) += along::<L, A, B>(a, b, r, lanes) };
    }
}

#[inline(always)]
unsafe fn lanes_plain<L: Lanes>(
    out: *mut f32,
    out_stride: usize,
    a: Arg,
    b: Arg,
    rows: usize,
    lanes: usize,
) {
    unsafe { with_factors!(a, b, over_lanes::<L, _, _>(out, out_stride, (a, b), rows, lanes)) }
}

#[inline(always)]
unsafe fn over_both<L: Lanes, A: Factor, B: Factor>(
    (a, b): (A, B),
    rows: usize,
    lanes: usize,
) -> f32 {
    let (mut sum, mut lost) = (0.0, 0.0);
    for r in 0..rows {
        (sum, lost) = add_compensated(sum, lost, unsafe { along::<L, A, B>(a, b, r, lanes) });
    }
    sum
}

#[inline(always)]
unsafe fn everything<L: Lanes>(a: Arg, b: Arg, rows: usize, lanes: usize) -> f32 {
    // Maps without gaps are one long row.
    let flat = a.is_flat(lanes) && b.is_flat(lanes);
    let (rows, lanes) = if flat { (1, rows * lanes) } else { (rows, lanes) };
    unsafe { with_factors!(a, b, over_both::<L, _, _>((a, b), rows, lanes)) }
}

/// Vectors of a sum that are in registers at once, so that the parts, which lie far apart, are read some lines at a time.
const OPEN: usize = 4;

#[inline(always)]
unsafe fn all_parts<L: Lanes>(
    to: *mut f32,
    from: *const f32,
    pitch: usize,
    parts: usize,
    len: usize,
    add: bool,
) {
    let mut at = 0;
    while at < len {
        if len - at >= OPEN * L::N {
            let mut sums = [unsafe { L::splat(0.0) }; OPEN];
            let first = if add { to.wrapping_add(at) } else { from.wrapping_add(at).cast_mut() };
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum = unsafe { L::load(first.add(k * L::N)) };
            }
            for part in !add as usize..parts {
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum = *sum + unsafe { L::load(from.add(part * pitch + at + k * L::N)) };
                }
            }
            for (k, sum) in sums.into_iter().enumerate() {
                unsafe { sum.store(to.add(at + k * L::N)) };
            }
            at += OPEN * L::N;
        } else {
            unsafe {
                let n = (len - at).min(L::N);
                let first = if add { to.add(at).cast_const() } else { from.add(at) };
                let sum = (!add as usize..parts).fold(load::<L>(first, n), |sum, part| {
                    sum + load::<L>(from.add(part * pitch + at), n)
                });
                store(sum, to.add(at), n);
            }
            at += L::N;
        }
    }
}

#[inline(always)]
unsafe fn one_or_two<L: Lanes>(to: *mut f32, a: *const f32, b: *const f32, len: usize, add: bool) {
    let mut at = 0;
    unsafe {
        while at + L::N <= len {
            terms::<L>(to, a, b, at, L::N, add);
            at += L::N;
        }
        if at < len {
            terms::<L>(to, a, b, at, len - at, add);
        }
    }
}

#[inline(always)]
unsafe fn terms<L: Lanes>(
    to: *mut f32,
    a: *const f32,
    b: *const f32,
    at: usize,
    n: usize,
    add: bool,
) {
    unsafe {
        let mut sum: L = load(a.add(at), n);
        if !b.is_null() {
            sum = sum + load::<L>(b.add(at), n);
        }
        if add {
            sum = load::<L>(to.add(at), n) + sum;
        }
        store(sum, to.add(at), n);
    }
}

dispatch! {
    /// `to[len]` (+)= a + b, or a alone where b is null.
    pub fn add_terms(to: *mut f32, a: *const f32, b: *const f32, len: usize, add: bool) = one_or_two;
    /// `to[len]` (+)= Σ of `from[part * pitch..][..len]`, part after part.
    pub fn add_parts(to: *mut f32, from: *const f32, pitch: usize, parts: usize, len: usize, add: bool) = all_parts;
    /// `acc[l] += sum over rows of a * b`, for every lane.
    pub fn sum_rows(acc: *mut f32, a: Arg, b: Arg, rows: usize, lanes: usize) = rows_plain;
    /// As [`sum_rows`], with `lost[l]` (0 at the start) carrying what rounding took from `acc[l]`: for a
    /// sum over many blocks (gradients of an exact meta-step: error 4.2e-6 without, 2.4e-6 with).
    pub fn sum_rows_compensated(acc: *mut f32, lost: *mut f32, a: Arg, b: Arg, rows: usize, lanes: usize) = rows_exact;
    /// `out[r * out_stride] += sum over lanes of a * b`, for every row.
    pub fn sum_lanes(out: *mut f32, out_stride: usize, a: Arg, b: Arg, rows: usize, lanes: usize) = lanes_plain;
    /// The sum of a * b over all rows and lanes.
    pub fn sum_all(a: Arg, b: Arg, rows: usize, lanes: usize) -> f32 = everything;
}
