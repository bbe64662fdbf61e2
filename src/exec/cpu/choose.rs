//! Choices on `cpu`: where the largest element stands, reading and adding at such places.
//!
//! Windows go pixel by pixel with channels as lanes; an index is compared with each place of its
//! window, so no lane ever jumps. Axes go place by place.

use super::simd::{Lanes, dispatch};
use crate::op::Window;
use crate::plan::kernel::Choice;
use crate::shape::MAX_RANK;

/// Sizes of a window form, and which images to do.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    pub choice: Choice,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub oh: usize,
    pub ow: usize,
    pub window: Window,
}

dispatch! {
    /// Images `from..to`. `image` has [h, w, c] an image, `index` and `small` [oh, ow, c].
    /// ArgMax: image -> index. Take: image, index -> small. Put: small, index -> image.
    pub fn pool(p: Pool, image: *mut f32, index: *mut f32, small: *mut f32, from: usize, to: usize) = pool_body;
}

#[inline(always)]
unsafe fn pool_body<L: Lanes>(
    p: Pool,
    image: *mut f32,
    index: *mut f32,
    small: *mut f32,
    from: usize,
    to: usize,
) {
    unsafe {
        for n in from..to {
            let image = image.add(n * p.h * p.w * p.c);
            let at = n * p.oh * p.ow * p.c;
            // Disjoint windows without a gap write every place they cover; the rest is zero.
            if p.choice == Choice::Put {
                std::ptr::write_bytes(image, 0, p.h * p.w * p.c);
            }
            for y in 0..p.oh {
                for x in 0..p.ow {
                    let out = at + (y * p.ow + x) * p.c;
                    let mut lane = 0;
                    while lane < p.c {
                        let n = L::N.min(p.c - lane);
                        let (index, small) =
                            (index.add(out + lane), small.wrapping_add(out + lane));
                        one_window::<L>(&p, image.add(lane), index, small, y, x, n);
                        lane += L::N;
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn one_window<L: Lanes>(
    p: &Pool,
    image: *mut f32,
    index: *mut f32,
    small: *mut f32,
    y: usize,
    x: usize,
    n: usize,
) {
    unsafe {
        let [kh, kw] = p.window.size;
        let (top, left) = (y * p.window.stride[0], x * p.window.stride[1]);
        let mut best = L::splat(0.0);
        let mut found = L::splat(0.0);
        let mut first = true;
        let chosen = if p.choice == Choice::ArgMax { best } else { L::load_n(index, n) };
        let given = if p.choice == Choice::Put { L::load_n(small, n) } else { best };
        let zero = L::splat(0.0);
        for ky in 0..kh {
            let Some(row) = (top + ky).checked_sub(p.window.pad[0]).filter(|&r| r < p.h) else {
                continue;
            };
            for kx in 0..kw {
                let Some(col) = (left + kx).checked_sub(p.window.pad[2]).filter(|&c| c < p.w)
                else {
                    continue;
                };
                let place = image.add((row * p.w + col) * p.c);
                let k = (ky * kw + kx) as f32;
                match p.choice {
                    Choice::ArgMax => {
                        let v = L::load_n(place, n);
                        let k = L::splat(k);
                        if first {
                            (best, found, first) = (v, k, false);
                            continue;
                        }
                        // Larger, or the first NaN.
                        let (grows, nan, done) = (best.lt(v), v.is_nan(), best.is_nan());
                        let pick = |new: L, old: L| {
                            L::pick(done, old, L::pick(nan, new, L::pick(grows, new, old)))
                        };
                        (found, best) = (pick(k, found), pick(v, best));
                    }
                    Choice::Take => {
                        let other = (chosen - k).is_set();
                        best = L::pick(other, best, L::load_n(place, n));
                    }
                    Choice::Put => {
                        let other = (chosen - k).is_set();
                        let add = L::pick(other, zero, given);
                        (L::load_n(place, n) + add).store_n(place, n);
                    }
                }
            }
        }
        match p.choice {
            Choice::ArgMax => found.store_n(index, n),
            Choice::Take => best.store_n(small, n),
            Choice::Put => {}
        }
    }
}

/// Sizes and steps of an axis form; strides over the index's space.
#[derive(Clone, Debug)]
pub struct AxisChoice {
    pub choice: Choice,
    pub space: Vec<usize>,
    pub axis: usize,
    /// Places on the indexed side, and elements between them.
    pub size: usize,
    pub step: isize,
    pub data: Vec<isize>,
    pub index: Vec<isize>,
    pub to: Vec<isize>,
}

impl AxisChoice {
    /// # Safety
    /// Pointers and strides lie inside their buffers.
    pub unsafe fn run(&self, data: *const f32, index: *const f32, to: *mut f32) {
        unsafe {
            if self.choice == Choice::Put {
                // The result has `size` places where the index has its own.
                let n = self.space.len();
                let (mut all, mut strides) = ([1; MAX_RANK], [0; MAX_RANK]);
                all[..n].copy_from_slice(&self.space);
                strides[..n].copy_from_slice(&self.to);
                (all[self.axis], strides[self.axis]) = (self.size, self.step);
                walk(&all[..n], |at| *to.offset(dot(&strides, at)) = 0.0);
            }
            let named = |v: f32| (v.max(0.0) as usize).min(self.size - 1) as isize;
            walk(&self.space, |at| {
                let from = data.offset(dot(&self.data, at));
                let into = to.offset(dot(&self.to, at));
                match self.choice {
                    Choice::ArgMax => {
                        let (mut best, mut found) = (*from, 0);
                        for k in 1..self.size {
                            let v = *from.offset(k as isize * self.step);
                            if v > best || v.is_nan() && !best.is_nan() {
                                (best, found) = (v, k);
                            }
                        }
                        *into = found as f32;
                    }
                    Choice::Take => {
                        let k = named(*index.offset(dot(&self.index, at)));
                        *into = *from.offset(k * self.step);
                    }
                    Choice::Put => {
                        let k = named(*index.offset(dot(&self.index, at)));
                        *into.offset(k * self.step) += *from;
                    }
                }
            });
        }
    }
}

fn dot(strides: &[isize], at: &[usize]) -> isize {
    strides.iter().zip(at).map(|(s, &i)| s * i as isize).sum()
}

/// Every index of a space, row-major, without allocating.
fn walk(space: &[usize], mut f: impl FnMut(&[usize])) {
    let mut at = [0usize; MAX_RANK];
    let n = space.len();
    for _ in 0..space.iter().product() {
        f(&at[..n]);
        for k in (0..n).rev() {
            at[k] += 1;
            if at[k] < space[k] {
                break;
            }
            at[k] = 0;
        }
    }
}
