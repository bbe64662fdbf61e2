//! Matrix product C (+)= A·B with any strides, so transposes and slices cost no copy of their own. Small
//! products run straight on the register tile of [`super::kernels`]; where an operand lies badly (the
//! vectors of B not contiguous, large products whose rows share cache sets) it is first copied, block by block.
//!
//! Each number is summed in chains of at most `DEPTH` along k, and then the chains in order: how rows
//! are shared out among calls changes no bit.

use super::copy::gather;
use super::isa::Isa;
use super::kernels::{self, ROWS, Run, Tile, Walk, column_block, row_block};
use super::product::Small;
use super::simd::{Lanes, dispatch};

/// Longest chain along k: 256 x 64 numbers of B are 64 KB, read from the second cache without loss.
pub(super) const DEPTH: usize = 256;
/// Rows of A that are copied together: 512 x 256 numbers, a quarter of the second cache.
pub(super) const HEIGHT: usize = 512;
/// Columns of B that are copied together, row by row, so that each page of B is opened once.
const WIDTH: usize = 512;
/// Rows further apart than this share too few cache sets, and each lies on its own page: a large product copies them.
const FAR: usize = 512;

/// Fewer rows of A than this read B too few times to pay for a copy.
const FEW: usize = 6;
/// At most so few columns, summed over at least so much, are taken one by one, lanes along the sum: a Gram matrix of a few
/// long gradients (3 x 3 over 36,864: .11 ms as tiles, which copy B turned, under .03 ms so).
const NARROW: usize = 4;
const LONG: usize = 1024;

/// Floats of scratch that [`matmul`] may use for these sizes, whatever the strides.
pub fn scratch_len(isa: Isa, m: usize, n: usize, k: usize) -> usize {
    let depth = k.min(DEPTH);
    // A panel is at least one tile wide. A single column may be computed as a row, with m columns.
    let columns = if n == 1 { m } else { n }.min(WIDTH.max(isa.tile_width()));
    m.min(HEIGHT) * depth + depth * whole(isa, columns) + if n == 1 { k } else { 0 }
}

/// `c[i·ldc + j] (+)= sum over l of a[i·rsa + l·csa] · b[l·rsb + j·csb]`, i < m, j < n, l < k.
///
/// # Safety
/// The operands reach as far as sizes and strides say, `scratch` is writable for [`scratch_len`] floats,
/// and c overlaps nothing else.
pub unsafe fn matmul(
    isa: Isa,
    m: usize,
    n: usize,
    k: usize,
    a: *const f32,
    (rsa, csa): (usize, usize),
    b: *const f32,
    (rsb, csb): (usize, usize),
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
    scratch: *mut f32,
) {
    unsafe {
        if n == 1 && csa == 1 {
            let mut b = b;
            if rsb != 1 {
                gather(isa, scratch, k, b, 0, rsb as isize, 1, k);
                b = scratch;
            }
            return dots(isa, m, k, a, rsa, b, c, ldc, accumulate);
        }
        if n == 1 && rsa == 1 && ldc == 1 {
            // Cᵀ = Bᵀ·Aᵀ: the columns of A are the vectors.
            let operands = [Side { p: b, row: csb, step: rsb }, Side { p: a, row: csa, step: 1 }];
            return blocks(isa, [1, m, k], operands, c, m, accumulate, scratch);
        }
        if n <= NARROW && k >= LONG && csa == 1 && rsb == 1 {
            for j in 0..n {
                for start in (0..k).step_by(8 * DEPTH) {
                    let (a, b, c) = (a.add(start), b.add(j * csb + start), c.add(j));
                    let (long, add) = ((8 * DEPTH).min(k - start), accumulate || start > 0);
                    dots(isa, m, long, a, rsa, b, c, ldc, add);
                }
            }
            return;
        }
        let operands = [Side { p: a, row: rsa, step: csa }, Side { p: b, row: rsb, step: csb }];
        blocks(isa, [m, n, k], operands, c, ldc, accumulate, scratch)
    }
}

/// An operand: element (r, s) at `p[r * row + s * step]`.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) p: *const f32,
    pub(super) row: usize,
    pub(super) step: usize,
}

impl Side {
    #[inline(always)]
    unsafe fn at(self, r: usize, s: usize) -> *const f32 {
        unsafe { self.p.add(r * self.row + s * self.step) }
    }
}

/// Whether B, of this distance of rows and of columns, is worth a copy.
#[inline(always)]
pub(super) fn copies((row, step): (usize, usize), m: usize) -> bool {
    step != 1 || (row >= FAR && m >= 4 * FEW)
}

/// The product in blocks of rows, depth and columns, operands copied where that pays.
unsafe fn blocks(
    isa: Isa,
    [m, n, k]: [usize; 3],
    [a, b]: [Side; 2],
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
    scratch: *mut f32,
) {
    let (rows_a, rows_b) = ((a.row, a.step), (b.row, b.step));
    if let Some(small) = Small::new(isa, [m, n, k], rows_a, rows_b, ldc, accumulate) {
        return unsafe { small.run(a.p, b.p, c, scratch) };
    }
    let width = column_block(isa, n);
    let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
    // A transposed A is read number by number from as many cache lines, once per column of tiles.
    let copy_a = n > width && m >= FEW && (a.step != 1 || a.row >= FAR);
    let copy_b = copies(rows_b, m);
    let group = (WIDTH / width).max(1) * width;
    let mut add = accumulate;
    for top in (0..m).step_by(HEIGHT) {
        let rows = HEIGHT.min(m - top);
        let packed = unsafe { scratch.add(if copy_a { rows * depth } else { 0 }) };
        add = accumulate;
        for start in (0..k).step_by(depth) {
            let long = depth.min(k - start);
            unsafe {
                let mut a = Side { p: a.at(top, start), ..a };
                if copy_a {
                    gather(isa, scratch, long, a.p, a.row as isize, a.step as isize, rows, long);
                    a = Side { p: scratch, row: long, step: 1 };
                }
                for first in (0..n).step_by(group) {
                    let columns = group.min(n - first);
                    let b = Side { p: b.at(start, first), ..b };
                    if copy_b {
                        pack(isa, packed, b, long, columns, width);
                    }
                    for left in (0..columns).step_by(width) {
                        let wide = width.min(columns - left);
                        let b = if copy_b {
                            Side { p: packed.add(left * long), row: whole(isa, wide), step: 1 }
                        } else {
                            Side { p: b.at(0, left), ..b }
                        };
                        let c = c.add(top * ldc + first + left);
                        tiles(isa, [rows, wide, long], a, b, c, ldc, add);
                    }
                }
            }
            add = true;
        }
    }
    if k == 0 && !add {
        for i in 0..m {
            unsafe { std::ptr::write_bytes(c.add(i * ldc), 0, n) };
        }
    }
}

/// Floats from one row of a panel to the next: whole vectors, so that none lies across two lines of the cache.
#[inline(always)]
pub(super) fn whole(isa: Isa, columns: usize) -> usize {
    columns.next_multiple_of(isa.lanes())
}

/// B in panels of `width` columns, whole vectors. Row by row where rows are contiguous.
pub(super) unsafe fn pack(
    isa: Isa,
    packed: *mut f32,
    b: Side,
    long: usize,
    columns: usize,
    width: usize,
) {
    let (row, step) = (b.row as isize, b.step as isize);
    // Sixteen rows at a time: as many as a transpose takes, few enough pages.
    let height = if b.step == 1 { 1 } else { 16 };
    for r in (0..long).step_by(height) {
        let rows = height.min(long - r);
        for left in (0..columns).step_by(width) {
            let wide = width.min(columns - left);
            unsafe {
                let pitch = whole(isa, wide);
                let to = packed.add(left * long + r * pitch);
                gather(isa, to, pitch, b.at(r, left), row, step, rows, wide);
            }
        }
    }
}

/// One block: tiles of rows under each other. The rows of `b` are contiguous.
#[inline(always)]
unsafe fn tiles(
    isa: Isa,
    [m, n, k]: [usize; 3],
    a: Side,
    b: Side,
    c: *mut f32,
    ldc: usize,
    add: bool,
) {
    let height = row_block(m, isa.tile_height(n));
    let whole = [Run { a: 0, b: 0, len: k }];
    let mut tile = Tile {
        a: [a.p; ROWS],
        b: b.p,
        b_pitch: b.row,
        out: [c; ROWS],
        n,
        add,
        walk: Walk::Runs(&whole, a.step),
    };
    let mut i = 0;
    while i < m {
        let rows = height.min(m - i);
        unsafe {
            for r in 0..rows {
                tile.a[r] = a.at(i + r, 0);
                tile.out[r] = c.add((i + r) * ldc);
            }
            kernels::run(isa, rows, &tile);
        }
        i += rows;
    }
}

/// Rows of A times one vector: the lanes go along k, four rows share the loads of the vector.
#[inline(always)]
unsafe fn rows_times_vector<L: Lanes>(
    m: usize,
    k: usize,
    a: *const f32,
    rsa: usize,
    b: *const f32,
    c: *mut f32,
    ldc: usize,
    add: bool,
) {
    let mut i = 0;
    unsafe {
        while i < m {
            // A row past the end repeats the last one; its sum is not stored.
            let mut row = [a; 4];
            for (r, row) in row.iter_mut().enumerate() {
                *row = a.add((i + r).min(m - 1) * rsa);
            }
            let mut sums = [L::splat(0.0); 4];
            let mut l = 0;
            while l + L::N <= k {
                let x = L::load(b.add(l));
                for (sum, row) in sums.iter_mut().zip(&row) {
                    *sum = L::load(row.add(l)).fma(x, *sum);
                }
                l += L::N;
            }
            if l < k {
                let x = L::load_n(b.add(l), k - l);
                for (sum, row) in sums.iter_mut().zip(&row) {
                    *sum = L::load_n(row.add(l), k - l).fma(x, *sum);
                }
            }
            for (r, sum) in sums.iter().enumerate().take(m - i) {
                let c = c.add((i + r) * ldc);
                *c = if add { *c + sum.sum() } else { sum.sum() };
            }
            i += 4;
        }
    }
}

dispatch! {
    fn dots(m: usize, k: usize, a: *const f32, rsa: usize, b: *const f32, c: *mut f32, ldc: usize, add: bool) = rows_times_vector;
}
