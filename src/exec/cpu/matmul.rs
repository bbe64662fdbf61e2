use super::isa::Isa;
pub fn scratch_len(_m: usize, _n: usize, _k: usize) -> usize {
    0
}
pub unsafe fn matmul(
    _i: Isa,
    (m, n, k): (usize, usize, usize),
    a: *const f32,
    sa: (isize, isize),
    b: *const f32,
    sb: (isize, isize),
    c: *mut f32,
    ldc: usize,
    acc: bool,
    _s: *mut f32,
) {
    unsafe {
        for i in 0..m {
            for j in 0..n {
                let mut z = 0f64;
                for q in 0..k {
                    z += (*a.offset(i as isize * sa.0 + q as isize * sa.1)
                        * *b.offset(q as isize * sb.0 + j as isize * sb.1))
                        as f64
                }
                let c = c.add(i * ldc + j);
                *c = if acc { *c + z as f32 } else { z as f32 };
            }
        }
    }
}
