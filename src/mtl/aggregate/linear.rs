//! The little dense algebra that solvers on a K×K matrix need: a linear system, and eigenvectors.

/// A solution of A x = b, both overwritten: elimination with the largest pivot of all that is left. Where columns
/// depend on each other to rounding, those found last get 0; where nothing solves it, x solves as
/// many equations as there are independent ones.
pub fn solve(a: &mut [Vec<f64>], b: &mut [f64]) -> Vec<f64> {
    let n = b.len();
    let mut order: Vec<usize> = (0..n).collect();
    let (mut rank, mut first) = (0, 0.0);
    while rank < n {
        let left = (rank..n).flat_map(|i| (rank..n).map(move |j| (i, j)));
        let larger = |x: &(usize, usize), y: &(usize, usize)| {
            a[x.0][x.1].abs().total_cmp(&a[y.0][y.1].abs())
        };
        let (row, column) = left.max_by(larger).expect("something is left");
        let pivot = a[row][column].abs();
        first = f64::max(first, pivot);
        if pivot <= n as f64 * f64::EPSILON * first {
            break;
        }
        a.swap(rank, row);
        b.swap(rank, row);
        order.swap(rank, column);
        a.iter_mut().for_each(|row| row.swap(rank, column));
        let (above, below) = a.split_at_mut(rank + 1);
        let upper = &above[rank];
        for (i, row) in below.iter_mut().enumerate() {
            let factor = row[rank] / upper[rank];
            row.iter_mut().zip(upper).skip(rank).for_each(|(x, u)| *x -= factor * u);
            b[rank + 1 + i] -= factor * b[rank];
        }
        rank += 1;
    }
    let mut x = vec![0.0; n];
    for i in (0..rank).rev() {
        let known: f64 = (i + 1..rank).map(|k| a[i][k] * x[order[k]]).sum();
        x[order[i]] = (b[i] - known) / a[i][i];
    }
    x
}

/// Eigenvalues of a symmetric matrix, the vectors beside them, and what is left to do.
pub struct Eigen {
    pub values: Vec<f64>,
    pub vectors: Vec<Vec<f64>>,
    /// Largest entry off the diagonal, relative to the largest on it.
    pub residual: f64,
    pub sweeps: usize,
}

/// Jacobi's method: each rotation makes one pair of entries 0; a sweep visits all pairs, and a few sweeps
/// suffice because the rest shrinks quadratically. Small eigenvalues come out as exact as large ones.
pub fn eigen(matrix: &[Vec<f64>], sweeps: usize, tolerance: f64) -> Eigen {
    let n = matrix.len();
    let mut a = matrix.to_vec();
    let mut vectors: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect();
    let left = |a: &[Vec<f64>]| {
        let off = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
        let off = off.map(|(i, j)| a[i][j].abs()).fold(0.0, f64::max);
        let on = (0..n).map(|i| a[i][i].abs()).fold(0.0, f64::max);
        if off == 0.0 { 0.0 } else { off / on.max(f64::MIN_POSITIVE) }
    };
    let mut done = 0;
    while done < sweeps && left(&a) > tolerance {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] == 0.0 {
                    continue;
                }
                // Golub and Van Loan, section 8.5.2: the smaller of the two angles.
                let tau = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                let s = t * c;
                let turn = |x: &mut f64, y: &mut f64| (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                for row in a.iter_mut() {
                    let (low, high) = row.split_at_mut(q);
                    turn(&mut low[p], &mut high[0]);
                }
                for matrix in [&mut a, &mut vectors] {
                    let (low, high) = matrix.split_at_mut(q);
                    low[p].iter_mut().zip(&mut high[0]).for_each(|(x, y)| turn(x, y));
                }
                (a[p][q], a[q][p]) = (0.0, 0.0);
            }
        }
        done += 1;
    }
    let residual = left(&a);
    Eigen { values: (0..n).map(|i| a[i][i]).collect(), vectors, residual, sweeps: done }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Hilbert matrix: condition 5e5, so a solution keeps ten digits.
    #[test]
    fn systems_and_eigenpairs_satisfy_their_equations() {
        let h: Vec<Vec<f64>> =
            (0..5).map(|i| (0..5).map(|j| 1.0 / (1 + i + j) as f64).collect()).collect();
        let times = |x: &[f64]| -> Vec<f64> {
            h.iter().map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
        };
        let b = [1.0, -2.0, 0.5, 3.0, 0.0];
        let x = solve(&mut h.clone(), &mut b.clone());
        assert!(times(&x).iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-10));
        let e = eigen(&h, 20, 1e-15);
        for (value, v) in e.values.iter().zip(&e.vectors) {
            assert!(times(v).iter().zip(v).all(|(a, v)| (a - value * v).abs() < 1e-14));
        }
        assert!(e.residual < 1e-15 && e.sweeps < 10, "{} after {}", e.residual, e.sweeps);
        // Dependent and consistent: x + 2y = 3.
        let x = solve(&mut [vec![1.0, 2.0], vec![2.0, 4.0]], &mut [3.0, 6.0]);
        assert_eq!(x, [0.0, 1.5]);
    }
}
