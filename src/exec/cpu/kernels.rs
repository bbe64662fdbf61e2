//! The register tile: up to six rows times up to four vectors of sums stay in registers while one
//! operand is broadcast number by number and the other is read vector by vector. Convolution (all three
//! sides) and matrix product are loops around it; they differ in where the numbers to broadcast stand.
//!
//! With 6 x 4 vectors AVX-512 does 24 multiply-adds for 10 loads: the arithmetic is the limit, not the
//! memory (measured: 97 % of the peak). Fewer columns are met by more rows, 8 x 3 or 12 x 2, so that there
//! are always enough sums to add to while others wait. AVX2 has half the registers and keeps 6 x 2, arrays
//! 6 x 1.

// Indices name registers here; iterators over arrays of arrays would hide which.
#![allow(clippy::needless_range_loop)]

use super::isa::Isa;
use super::simd::Lanes;

/// Rows of the tallest tile.
pub const ROWS: usize = 12;

/// Steps written out one after the other: pairs in tiles of three vectors and more (a weight side of 64 channels takes 3 to
/// 8 % less time, in taller tiles a tenth more), and [`LONG`] runs.
const UNROLLED: usize = 4;
/// Runs of neighbours, the first as long as this, are written out in tiles of four vectors: a direct output side of 64
/// channels takes 1 to 10 % less time, of 128 channels 9 to 12 %. Over the shorter runs of an input side with stride 2 it takes up
/// to 5 % more. They have a compiled tile of their own, because in one with other walks the compiler makes those slower.
const LONG: usize = 192;

/// A stretch of the reduction: `len` numbers of each row from `a` on, and as many rows of `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where the numbers start, in floats from the row's pointer.
    pub a: usize,
    /// Where the vectors start, in rows of `b`.
    pub b: usize,
    pub len: usize,
}

/// `out[r][..n] (+)= sum over k of a[r][k] * b[k][..n]`: one call of a tile.
pub struct Tile<'a> {
    /// Start of each row's numbers; as many as the tile has rows.
    pub a: [*const f32; ROWS],
    pub b: *const f32,
    /// Floats from one row of `b` to the next.
    pub b_pitch: usize,
    pub out: [*mut f32; ROWS],
    /// Columns: at most [`Isa::tile_width`].
    pub n: usize,
    /// Add to `out` instead of replacing it.
    pub add: bool,
    pub walk: Walk<'a>,
}

/// Where the numbers of a row stand.
#[derive(Clone, Copy)]
pub enum Walk<'a> {
    /// In runs, `step` floats apart.
    Runs(&'a [Run], usize),
    /// Pair by pair: where the number stands, and where the vectors, in floats.
    Pairs(&'a [[u32; 2]]),
}

impl Walk<'_> {
    /// Whether its runs are of neighbours and long enough to be written out, by the first of them.
    pub fn is_long(&self) -> bool {
        matches!(self, Walk::Runs([Run { len: LONG.., .. }, ..], 1))
    }
}

impl Isa {
    /// Floats in one vector.
    pub fn lanes(self) -> usize {
        match self {
            Isa::Avx512 => 16,
            Isa::Avx2 | Isa::Portable => 8,
        }
    }

    /// Columns of the largest tile.
    pub fn tile_width(self) -> usize {
        match self {
            Isa::Avx512 => 64,
            Isa::Avx2 => 16,
            Isa::Portable => 8,
        }
    }

    /// Rows of the largest tile with so many columns.
    pub fn tile_height(self, columns: usize) -> usize {
        match (self, columns.div_ceil(self.lanes())) {
            (Isa::Avx512, ..=2) => 12,
            (Isa::Avx512, 3) => 8,
            _ => 6,
        }
    }
}

/// Cuts `total` columns into blocks that a tile can take, as equal as whole vectors allow: 80 columns of
/// AVX-512 are 48 + 32 rather than 64 + 16, which would leave the second tile waiting for its additions.
pub fn column_block(isa: Isa, total: usize) -> usize {
    let vectors = total.div_ceil(isa.lanes());
    let blocks = total.div_ceil(isa.tile_width());
    vectors.div_ceil(blocks.max(1)).max(1) * isa.lanes()
}

/// Cuts `total` rows into tiles of nearly equal height, at most `most`: 10 are 5 + 5 if that is 6.
pub fn row_block(total: usize, most: usize) -> usize {
    // Without the divisions, which a thin product would feel.
    if total <= most {
        return total.max(1);
    }
    if total <= 2 * most {
        return total.div_ceil(2);
    }
    total.div_ceil(total.div_ceil(most))
}

/// Runs one tile of `rows` rows.
///
/// # Safety
/// All places named by the tile lie in memory; the processor has `isa`; `1 <= n <= tile_width`,
/// `1 <= rows <= tile_height(n)`.
#[inline(always)]
pub unsafe fn run(isa: Isa, rows: usize, tile: &Tile) {
    unsafe { compiled(isa, rows, tile.n, tile.walk)(tile) }
}

/// A tile's body; its place in the tile says the rest.
pub type Compiled = unsafe fn(&Tile);

/// What [`run`] calls for `rows` rows, `n` columns and such a walk.
#[inline(always)]
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
pub fn compiled(isa: Isa, rows: usize, n: usize, walk: Walk) -> Compiled {
    debug_assert!((1..=isa.tile_width()).contains(&n));
    debug_assert!((1..=isa.tile_height(n)).contains(&rows));
    let vectors = n.div_ceil(isa.lanes());
    let cut = usize::from(!n.is_multiple_of(isa.lanes()));
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => match vectors {
            1 | 2 => TALL[vectors - 1][rows - 1][cut],
            3 => MIDDLE[0][rows - 1][cut],
            _ => WIDE[usize::from(walk.is_long())][rows - 1][cut],
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => NARROW[vectors - 1][rows - 1][cut],
        _ => PORTABLE[vectors - 1][rows - 1][cut],
    }
}

/// The tile's body for `R` rows and `V` vectors, the last one only partly used if `CUT`.
#[inline(always)]
unsafe fn tile<L: Lanes, const R: usize, const V: usize, const CUT: bool>(t: &Tile) {
    unsafe {
        let last = t.n - (V - 1) * L::N;
        let mut acc = [[L::splat(0.0); V]; R];
        let mut a = [std::ptr::null(); R];
        match t.walk {
            Walk::Runs(runs, step) => {
                for run in runs {
                    for r in 0..R {
                        a[r] = t.a[r].add(run.a);
                    }
                    let mut b = t.b.add(run.b * t.b_pitch);
                    let mut at = 0;
                    for _ in 0..run.len {
                        step_once::<L, R, V, CUT>(&mut acc, &a, at, b, last);
                        at += step;
                        b = b.add(t.b_pitch);
                    }
                }
            }
            Walk::Pairs(pairs) => {
                a.copy_from_slice(&t.a[..R]);
                let (whole, rest) =
                    if V >= 3 { pairs.as_chunks::<UNROLLED>() } else { (&[][..], pairs) };
                for pairs in whole {
                    for &[at, b] in pairs {
                        let b = t.b.add(b as usize);
                        step_once::<L, R, V, CUT>(&mut acc, &a, at as usize, b, last);
                    }
                }
                for &[at, b] in rest {
                    let b = t.b.add(b as usize);
                    step_once::<L, R, V, CUT>(&mut acc, &a, at as usize, b, last);
                }
            }
        }
        store::<L, R, V, CUT>(t, &acc, last);
    }
}

/// The same for [`LONG`] runs of neighbours, written out.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn long_runs<L: Lanes, const R: usize, const V: usize, const CUT: bool>(t: &Tile) {
    unsafe {
        let Walk::Runs(runs, 1) = t.walk else { unreachable!("chosen for neighbours") };
        let last = t.n - (V - 1) * L::N;
        let mut acc = [[L::splat(0.0); V]; R];
        let mut a = [std::ptr::null(); R];
        for run in runs {
            for r in 0..R {
                a[r] = t.a[r].add(run.a);
            }
            let mut b = t.b.add(run.b * t.b_pitch);
            let mut at = 0;
            while at + UNROLLED <= run.len {
                for k in 0..UNROLLED {
                    let b = b.add(k * t.b_pitch);
                    step_once::<L, R, V, CUT>(&mut acc, &a, at + k, b, last);
                }
                at += UNROLLED;
                b = b.add(UNROLLED * t.b_pitch);
            }
            for at in at..run.len {
                step_once::<L, R, V, CUT>(&mut acc, &a, at, b, last);
                b = b.add(t.b_pitch);
            }
        }
        store::<L, R, V, CUT>(t, &acc, last);
    }
}

/// The sums to where they belong; of the last vector `last` if `CUT`.
#[inline(always)]
unsafe fn store<L: Lanes, const R: usize, const V: usize, const CUT: bool>(
    t: &Tile,
    acc: &[[L; V]; R],
    last: usize,
) {
    unsafe {
        for r in 0..R {
            for v in 0..V {
                let p = t.out[r].add(v * L::N);
                let mut z = acc[r][v];
                if CUT && v == V - 1 {
                    if t.add {
                        z = L::load_n(p, last) + z;
                    }
                    z.store_n(p, last);
                } else {
                    if t.add {
                        z = L::load(p) + z;
                    }
                    z.store(p);
                }
            }
        }
    }
}

/// One number of every row times one row of `b`.
#[inline(always)]
unsafe fn step_once<L: Lanes, const R: usize, const V: usize, const CUT: bool>(
    acc: &mut [[L; V]; R],
    a: &[*const f32; R],
    at: usize,
    b: *const f32,
    last: usize,
) {
    unsafe {
        let mut y = [L::splat(0.0); V];
        for v in 0..V {
            let p = b.add(v * L::N);
            y[v] = if CUT && v == V - 1 { L::load_n(p, last) } else { L::load(p) };
        }
        for r in 0..R {
            let x = L::splat(*a[r].add(at));
            for v in 0..V {
                acc[r][v] = x.fma(y[v], acc[r][v]);
            }
        }
    }
}

/// Tiles of so many vectors and each of these heights.
macro_rules! heights {
    ($f:ident, $v:literal, $($r:literal)+) => { [$([$f::<$r, $v, false>, $f::<$r, $v, true>]),+] };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn wide<const R: usize, const V: usize, const CUT: bool>(t: &Tile) {
    unsafe { tile::<super::avx512::F32x16, R, V, CUT>(t) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn long<const R: usize, const V: usize, const CUT: bool>(t: &Tile) {
    unsafe { long_runs::<super::avx512::F32x16, R, V, CUT>(t) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn narrow<const R: usize, const V: usize, const CUT: bool>(t: &Tile) {
    unsafe { tile::<super::avx2::F32x8, R, V, CUT>(t) }
}

unsafe fn portable<const R: usize, const V: usize, const CUT: bool>(t: &Tile) {
    unsafe { tile::<super::portable::P8, R, V, CUT>(t) }
}

/// Compiled tiles by vectors (of four: by whether runs are long), rows and whether the last vector is cut.
type Tiles<const V: usize, const R: usize> = [[[Compiled; 2]; R]; V];

#[cfg(target_arch = "x86_64")]
static WIDE: Tiles<2, 6> = [heights!(wide, 4, 1 2 3 4 5 6), heights!(long, 4, 1 2 3 4 5 6)];
#[cfg(target_arch = "x86_64")]
static MIDDLE: Tiles<1, 8> = [heights!(wide, 3, 1 2 3 4 5 6 7 8)];
#[cfg(target_arch = "x86_64")]
static TALL: Tiles<2, 12> =
    [heights!(wide, 1, 1 2 3 4 5 6 7 8 9 10 11 12), heights!(wide, 2, 1 2 3 4 5 6 7 8 9 10 11 12)];
#[cfg(target_arch = "x86_64")]
static NARROW: Tiles<2, 6> = [heights!(narrow, 1, 1 2 3 4 5 6), heights!(narrow, 2, 1 2 3 4 5 6)];
static PORTABLE: Tiles<1, 6> = [heights!(portable, 1, 1 2 3 4 5 6)];
