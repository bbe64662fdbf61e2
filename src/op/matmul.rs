//! Batched product, C[..] = A[..] · B[..]. Leading axes are equal; `Var::matmul` expands them.

use crate::shape::Shape;
use crate::tape::Var;

/// Rows and columns of an operand as the product sees it.
fn rows_columns(x: Shape, transposed: bool) -> (usize, usize) {
    let (r, c) = (x[x.rank() - 2], x.last());
    if transposed { (c, r) } else { (r, c) }
}

pub fn shape(a: Shape, b: Shape, ta: bool, tb: bool) -> Result<Shape, String> {
    if a.rank() < 2 || a.rank() != b.rank() {
        return Err(format!("{a} and {b} need the same number of axes, at least 2"));
    }
    let lead = a.rank() - 2;
    if a.dims()[..lead] != b.dims()[..lead] {
        return Err(format!("leading axes of {a} and {b} differ"));
    }
    let ((m, k), (k2, n)) = (rows_columns(a, ta), rows_columns(b, tb));
    if k != k2 {
        return Err(format!("columns of {a} and rows of {b} differ ({k} and {k2})"));
    }
    Ok(a.with(lead, m).with(lead + 1, n))
}

/// dA = G·Bᵀ and dB = Aᵀ·G, each with the transposes of how its operand is stored.
pub fn vjp<'t>(a: Var<'t>, b: Var<'t>, g: Var<'t>, ta: bool, tb: bool) -> Vec<Option<Var<'t>>> {
    let da = if ta { b.matmul_t(g, tb, true) } else { g.matmul_t(b, false, !tb) };
    let db = if tb { g.matmul_t(a, true, ta) } else { a.matmul_t(g, !ta, false) };
    vec![Some(da), Some(db)]
}

/// Four loops.
pub fn reference(
    (a, sa): (&[f64], Shape),
    (b, sb): (&[f64], Shape),
    ta: bool,
    tb: bool,
    out: &mut [f64],
    to: Shape,
) {
    let (m, n) = (to[to.rank() - 2], to.last());
    let (k, (lda, ldb)) = (rows_columns(sa, ta).1, (sa.last(), sb.last()));
    let batches = to.len() / (m * n);
    for t in 0..batches {
        let (a, b) = (&a[t * m * k..], &b[t * k * n..]);
        for i in 0..m {
            for j in 0..n {
                out[(t * m + i) * n + j] = (0..k)
                    .map(|q| {
                        let x = if ta { a[q * lda + i] } else { a[i * lda + q] };
                        let y = if tb { b[j * ldb + q] } else { b[q * ldb + j] };
                        x * y
                    })
                    .sum();
            }
        }
    }
}
