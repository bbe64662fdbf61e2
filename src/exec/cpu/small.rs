//! A product that is one block, with all worked out that does not depend on its numbers: which tiles run, which operand
//! is copied first. The products of a small network's step are as long as that arithmetic on their sizes.

use super::isa::Isa;
use super::kernels::{Compiled, ROWS, Run, Tile, Walk, compiled, row_block};
use super::matmul::{DEPTH, HEIGHT, Side, copies, pack, whole};

#[derive(Clone, Copy, Debug)]
pub struct Small {
    isa: Isa,
    m: usize,
    n: usize,
    k: usize,
    /// Distance of rows and of columns.
    a: (usize, usize),
    b: (usize, usize),
    ldc: usize,
    accumulate: bool,
    copies_b: bool,
    /// Rows of the tiles above each other, and what runs them: all but the last, and that one.
    height: usize,
    tile: Compiled,
    last: Compiled,
}

impl Small {
    /// C (+)= A·B as [`super::matmul::matmul`] says it; none where it is more than one block.
    #[inline(always)]
    pub fn new(
        isa: Isa,
        [m, n, k]: [usize; 3],
        a: (usize, usize),
        b: (usize, usize),
        ldc: usize,
        accumulate: bool,
    ) -> Option<Self> {
        let one = (1..=isa.tile_width()).contains(&n) && (1..=HEIGHT).contains(&m);
        if !one || !(1..=DEPTH).contains(&k) {
            return None;
        }
        let height = row_block(m, isa.tile_height(n));
        let left = m - (m - 1) / height * height;
        let (tile, last) = (compiled(isa, height, n), compiled(isa, left, n));
        let copies_b = copies(b, m);
        Some(Self { isa, m, n, k, a, b, ldc, accumulate, copies_b, height, tile, last })
    }

    /// # Safety
    /// As [`super::matmul::matmul`].
    #[inline(always)]
    pub unsafe fn run(&self, a: *const f32, b: *const f32, c: *mut f32, scratch: *mut f32) {
        let &Self { isa, m, n, k, ldc, height, .. } = self;
        unsafe {
            let (mut b, mut b_pitch) = (b, self.b.0);
            if self.copies_b {
                pack(isa, scratch, Side { p: b, row: self.b.0, step: self.b.1 }, k, n, n);
                (b, b_pitch) = (scratch, whole(isa, n));
            }
            let all = [Run { a: 0, b: 0, len: k }];
            let (a, out) = ([a; ROWS], [c; ROWS]);
            let walk = Walk::Runs(&all, self.a.1);
            let mut tile = Tile { a, b, b_pitch, out, n, add: self.accumulate, walk };
            let mut i = 0;
            while i < m {
                let rows = height.min(m - i);
                for r in 0..rows {
                    tile.a[r] = a[0].add((i + r) * self.a.0);
                    tile.out[r] = c.add((i + r) * ldc);
                }
                (if rows == height { self.tile } else { self.last })(&tile);
                i += rows;
            }
        }
    }
}
