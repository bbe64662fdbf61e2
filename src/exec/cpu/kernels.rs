//! The register tile: up to six rows times up to four vectors of sums stay in registers while one
//! operand is broadcast number by number and the other is read vector by vector. Convolution (all three
//! sides) and matrix product are loops around it; they differ in where the numbers to broadcast stand.
//!
//! With 6 x 4 vectors AVX-512 does 24 multiply-adds for 10 loads: the arithmetic is the limit, not the
//! memory (measured: 97 % of the peak). AVX2 has half the registers and keeps 6 x 2, arrays 6 x 1.

// Indices name registers here; iterators over arrays of arrays would hide which.
#![allow(clippy::needless_range_loop)]

use super::isa::Isa;
use super::simd::Lanes;

/// Rows of the largest tile.
pub const ROWS: usize = 6;

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
    /// At these places, and `b` row by row.
    Places(&'a [u32]),
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
}

/// Cuts `total` columns into blocks that a tile can take, as equal as whole vectors allow: 80 columns of
/// AVX-512 are 48 + 32 rather than 64 + 16, which would leave the second tile waiting for its additions.
pub fn column_block(isa: Isa, total: usize) -> usize {
    let vectors = total.div_ceil(isa.lanes());
    let blocks = total.div_ceil(isa.tile_width());
    vectors.div_ceil(blocks.max(1)).max(1) * isa.lanes()
}

/// Cuts `total` rows into tiles of nearly equal height: 10 are 5 + 5.
pub fn row_block(total: usize) -> usize {
    total.div_ceil(total.div_ceil(ROWS).max(1)).max(1)
}

/// Runs one tile of `rows` rows.
///
/// # Safety
/// All places named by the tile lie in memory; the processor has `isa`; `1 <= rows <= 6`,
/// `1 <= n <= tile_width`.
#[inline(always)]
pub unsafe fn run(isa: Isa, rows: usize, tile: &Tile) {
    debug_assert!((1..=ROWS).contains(&rows) && (1..=isa.tile_width()).contains(&tile.n));
    let vectors = tile.n.div_ceil(isa.lanes());
    let cut = usize::from(!tile.n.is_multiple_of(isa.lanes()));
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => WIDE[rows - 1][vectors - 1][cut](tile),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => NARROW[rows - 1][vectors - 1][cut](tile),
            _ => PORTABLE[rows - 1][vectors - 1][cut](tile),
        }
    }
}

type Compiled = unsafe fn(&Tile);

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
            Walk::Places(places) => {
                a.copy_from_slice(&t.a[..R]);
                let mut b = t.b;
                for &at in places {
                    step_once::<L, R, V, CUT>(&mut acc, &a, at as usize, b, last);
                    b = b.add(t.b_pitch);
                }
            }
        }
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

/// All sizes of one instruction set's tile.
macro_rules! sizes {
    ($f:ident, $($v:literal),+) => { [
        sizes!(@row $f, 1, $($v),+), sizes!(@row $f, 2, $($v),+), sizes!(@row $f, 3, $($v),+),
        sizes!(@row $f, 4, $($v),+), sizes!(@row $f, 5, $($v),+), sizes!(@row $f, 6, $($v),+),
    ] };
    (@row $f:ident, $r:literal, $($v:literal),+) => {
        [$([$f::<$r, $v, false>, $f::<$r, $v, true>]),+]
    };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn wide<const R: usize, const V: usize, const CUT: bool>(t: &Tile) {
    unsafe { tile::<super::avx512::F32x16, R, V, CUT>(t) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn narrow<const R: usize, const V: usize, const CUT: bool>(t: &Tile) {
    unsafe { tile::<super::avx2::F32x8, R, V, CUT>(t) }
}

unsafe fn portable<const R: usize, const V: usize, const CUT: bool>(t: &Tile) {
    unsafe { tile::<super::portable::P8, R, V, CUT>(t) }
}

#[cfg(target_arch = "x86_64")]
static WIDE: [[[Compiled; 2]; 4]; ROWS] = sizes!(wide, 1, 2, 3, 4);
#[cfg(target_arch = "x86_64")]
static NARROW: [[[Compiled; 2]; 2]; ROWS] = sizes!(narrow, 1, 2);
static PORTABLE: [[[Compiled; 2]; 1]; ROWS] = sizes!(portable, 1);
