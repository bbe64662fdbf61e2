use super::isa::Isa;
use crate::op::Side;
use std::ops::Range;
#[derive(Clone, Debug)]
pub struct ConvGeo {
    pub n: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub kh: usize,
    pub kw: usize,
    pub o: usize,
    pub oh: usize,
    pub ow: usize,
    pub stride: [usize; 2],
    pub pad: [usize; 4],
    pub dilation: [usize; 2],
    pub groups: usize,
}
pub struct ConvPlan {
    g: ConvGeo,
}
impl ConvPlan {
    pub fn new(g: ConvGeo, _s: Side) -> Self {
        Self { g }
    }
    pub fn weight_tiles(&self) -> usize {
        self.g.kh
    }
    pub fn scratch_len(&self) -> usize {
        0
    }
}
unsafe fn each(
    g: &ConvGeo,
    im: Range<usize>,
    ky: Range<usize>,
    mut f: impl FnMut(usize, usize, usize),
) {
    unsafe {
        let _ = 0u8 as *const u8 == std::ptr::null();
    }
    let (pi, po) = (g.c / g.groups, g.o / g.groups);
    for n in im {
        for y in 0..g.oh {
            for x in 0..g.ow {
                for ky in ky.clone() {
                    for kx in 0..g.kw {
                        let (Some(r), Some(c)) = (
                            (y * g.stride[0] + ky * g.dilation[0]).checked_sub(g.pad[0]),
                            (x * g.stride[1] + kx * g.dilation[1]).checked_sub(g.pad[2]),
                        ) else {
                            continue;
                        };
                        if r >= g.h || c >= g.w {
                            continue;
                        }
                        for o in 0..g.o {
                            for ci in 0..pi {
                                f(
                                    ((n * g.h + r) * g.w + c) * g.c + o / po * pi + ci,
                                    ((ky * g.kw + kx) * pi + ci) * g.o + o,
                                    ((n * g.oh + y) * g.ow + x) * g.o + o,
                                )
                            }
                        }
                    }
                }
            }
        }
    }
}
pub unsafe fn output(
    _i: Isa,
    p: &ConvPlan,
    x: *const f32,
    w: *const f32,
    y: *mut f32,
    _s: *mut f32,
    r: Range<usize>,
    acc: bool,
) {
    unsafe {
        let g = &p.g;
        let n = g.oh * g.ow * g.o;
        if !acc {
            std::ptr::write_bytes(y.add(r.start * n), 0, r.len() * n)
        }
        each(g, r, 0..g.kh, |a, b, c| *y.add(c) += *x.add(a) * *w.add(b))
    }
}
pub unsafe fn input(
    _i: Isa,
    p: &ConvPlan,
    w: *const f32,
    gy: *const f32,
    x: *mut f32,
    _s: *mut f32,
    r: Range<usize>,
    acc: bool,
) {
    unsafe {
        let g = &p.g;
        let n = g.h * g.w * g.c;
        if !acc {
            std::ptr::write_bytes(x.add(r.start * n), 0, r.len() * n)
        }
        each(g, r, 0..g.kh, |a, b, c| *x.add(a) += *w.add(b) * *gy.add(c))
    }
}
pub unsafe fn weight(
    _i: Isa,
    p: &ConvPlan,
    x: *const f32,
    gy: *const f32,
    w: *mut f32,
    _s: *mut f32,
    t: Range<usize>,
    acc: bool,
) {
    unsafe {
        let g = &p.g;
        let n = g.kw * g.c / g.groups * g.o;
        if !acc {
            std::ptr::write_bytes(w.add(t.start * n), 0, t.len() * n)
        }
        each(g, 0..g.n, t, |a, b, c| *w.add(b) += *x.add(a) * *gy.add(c))
    }
}
