//! A plan's matrix product made ready: what batches there are, and of a product that is one block ([`Small`]) which tiles
//! run and which operand is copied first. The products of a small network's step are as long as that arithmetic on their
//! sizes.

use super::isa::Isa;
use super::kernels::{Compiled, ROWS, Run, Tile, Walk, compiled, row_block};
use super::matmul::{DEPTH, HEIGHT, Side, copies, matmul, pack, scratch_len, whole};
use super::table::{At, Table};
use crate::plan::kernel::{MatMul, View};

/// One product a batch, with the strides of one task.
pub struct Product {
    batch: Vec<(usize, [isize; 3])>,
    m: usize,
    n: usize,
    k: usize,
    a: (At, isize, isize),
    b: (At, isize, isize),
    c: (At, isize),
    accumulate: bool,
    /// Set where all of it is one block.
    small: Option<Small>,
}

impl Product {
    pub fn new(isa: Isa, p: &MatMul, table: &Table) -> Self {
        let lead = p.batch.len();
        let axes = |view: &View| (view.strides[lead], view.strides[lead + 1]);
        let batch: Vec<(usize, [isize; 3])> = (0..lead)
            .map(|k| (p.batch[k], [p.a.strides[k], p.b.strides[k], p.c.strides[k]]))
            .filter(|&(size, _)| size > 1)
            .collect();
        let ((ra, ca), (rb, cb), (rc, _)) = (axes(&p.a), axes(&p.b), axes(&p.c));
        // A single column has ways of its own.
        let small = (batch.is_empty() && p.n > 1).then(|| {
            let (a, b) = ((ra as usize, ca as usize), (rb as usize, cb as usize));
            Small::new(isa, [p.m, p.n, p.k], a, b, rc as usize, p.accumulate)
        });
        Self {
            batch,
            m: p.m,
            n: p.n,
            k: p.k,
            a: (table.at(&p.a), ra, ca),
            b: (table.at(&p.b), rb, cb),
            c: (table.at(&p.c), rc),
            accumulate: p.accumulate,
            small: small.flatten(),
        }
    }

    /// What can be shared out: batches, or the rows of the only one.
    pub fn units(&self) -> usize {
        if self.batch.is_empty() { self.m } else { self.batch.iter().map(|b| b.0).product() }
    }

    /// Floats that [`Product::run`] may use.
    pub fn scratch_len(&self, isa: Isa) -> usize {
        scratch_len(isa, self.m, self.n, self.k)
    }

    /// Units `from..to`.
    ///
    /// # Safety
    /// `table` is of the plan that the product was made with, `scratch` writable for [`Product::scratch_len`] floats;
    /// nobody else touches what these units write.
    pub unsafe fn run(
        &self,
        isa: Isa,
        table: &Table,
        task: usize,
        (from, to): (usize, usize),
        scratch: *mut f32,
    ) {
        unsafe {
            let (a, b) = (table.pointer(&self.a.0, task), table.pointer(&self.b.0, task));
            let c = table.pointer(&self.c.0, task);
            if let (Some(small), true) = (&self.small, to - from == self.m) {
                return small.run(a, b, c, scratch);
            }
            let units = (from, to);
            let (batches, (from, to)) = match self.batch.is_empty() {
                true => ((0, 1), units),
                false => (units, (0, self.m)),
            };
            for flat in batches.0..batches.1 {
                let (mut left, mut offset) = (flat, [0isize; 3]);
                for (size, strides) in self.batch.iter().rev() {
                    let at = (left % size) as isize;
                    left /= size;
                    for k in 0..3 {
                        offset[k] += at * strides[k];
                    }
                }
                matmul(
                    isa,
                    to - from,
                    self.n,
                    self.k,
                    a.offset(offset[0] + from as isize * self.a.1),
                    (self.a.1 as usize, self.a.2 as usize),
                    b.offset(offset[1]),
                    (self.b.1 as usize, self.b.2 as usize),
                    c.offset(offset[2] + from as isize * self.c.1),
                    self.c.1 as usize,
                    self.accumulate,
                    scratch,
                );
            }
        }
    }
}

/// A product that is one block, with all worked out that does not depend on its numbers.
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
        let all = [Run { a: 0, b: 0, len: k }];
        let [tile, last] = [height, left].map(|rows| compiled(isa, rows, n, Walk::Runs(&all, a.1)));
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
