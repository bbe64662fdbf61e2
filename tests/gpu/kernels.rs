//! Each kind of kernel, in odd sizes, for one task and for three.

use super::*;
use metatape::op::{Along, Op, Pointwise, Window};

const SIZES: [usize; 6] = [1, 3, 5, 7, 63, 65];

#[test]
fn every_pointwise_operation_agrees() {
    for tasks in [1, 3] {
        agrees(&format!("{tasks} tasks"), |tape| {
            let (a, b, c) =
                (tape.input([tasks, 7, 9]), tape.input([tasks, 7, 9]), tape.input([tasks, 7, 9]));
            let one = |&op: &Pointwise| {
                let (low, high) = op.domain();
                let x = a * ((high - low) / 2.0) + (high + low) / 2.0;
                tape.push(Op::Pointwise(op), &[x, b * 2.0, c][..op.arity()], None)
            };
            Pointwise::ALL.iter().map(one).collect()
        });
    }
}

#[test]
fn shared_and_per_task_operands_meet_in_views() {
    agrees("views", |tape| {
        let (w, x) = (tape.input([1, 5, 6]), tape.input([3, 6, 5]));
        let y = x.permute(&[0, 2, 1]) + w.expand([3, 5, 6]);
        let z = y.narrow(1, 1, 3).flip(metatape::shape::Axes::new(&[2])) * 2.0;
        let joined = tape.concat(&[y, z], 1);
        let padded = z.pad_to([3, 5, 8], &[0, 1, 1], 0.5);
        vec![y, z, joined, padded, joined.reshape([3, 2, 24]).tanh(), padded.sum(&[0]), y.sum_all()]
    });
}

#[test]
fn sums_over_any_axes_agree() {
    for n in SIZES {
        agrees(&format!("sums of {n}"), |tape| {
            let x = tape.input([3, n, 5, 7]);
            let sums =
                [&[1][..], &[2], &[3], &[1, 2], &[1, 3], &[2, 3], &[1, 2, 3], &[0], &[0, 1, 2, 3]];
            sums.iter().map(|axes| (x * 1.0).sum(axes)).collect()
        });
    }
}

#[test]
fn long_sums_are_not_cut_short() {
    // Longer than the 65,535 trips at which llvmpipe leaves a loop without an error.
    agrees("long sums", |tape| {
        let (row, column) = (tape.input([1, 200_001]), tape.input([1, 70_001, 3]));
        vec![row.sum(&[1]), (row * row).sum(&[1]), column.sum(&[1]), (column + 1.0).sum(&[1, 2])]
    });
}

#[test]
fn products_agree() {
    for m in SIZES {
        for n in SIZES {
            agrees(&format!("products {m} {n}"), |tape| {
                let (a, b) = (tape.input([3, m, 9]), tape.input([3, 9, n]));
                let (w, v) = (tape.input([1, n, m]), tape.input([3, 2, n, 4]));
                let vt =
                    v.reshape([3, 1, 2, n, 4]).matmul_t(v.reshape([3, 1, 2, n, 4]), true, false);
                vec![a.matmul(b), b.matmul_t(a, true, true), w.expand([3, n, m]).matmul(a), vt]
            });
        }
    }
}

#[test]
fn long_products_are_not_cut_short() {
    agrees("long products", |tape| {
        let (a, b) = (tape.input([1, 3, 200_001]), tape.input([1, 200_001, 2]));
        let (c, d) = (tape.input([1, 30, 150_001]), tape.input([1, 150_001, 9]));
        vec![a.matmul(b), c.matmul(d)]
    });
}

#[test]
fn all_sides_of_a_convolution_agree() {
    for (geo, c, o) in geometries() {
        for tasks in [1, 3] {
            agrees(&format!("{geo:?}, {tasks} tasks"), |tape| {
                let ([h, w], [kh, kw], [oh, ow]) = (geo.image, geo.kernel, geo.output().unwrap());
                let x = tape.input([tasks, 2, h, w, c]);
                let k = tape.input([1, kh, kw, c / geo.groups, o]);
                let g = tape.input([tasks, 2, oh, ow, o]);
                let k = k.expand([tasks, kh, kw, c / geo.groups, o]);
                let y = x.conv_side(k, Side::Output, geo);
                let dx = k.conv_side(g, Side::Input, geo);
                let dw = x.conv_side(g, Side::Weight, geo);
                // Twins: the second adds to the first.
                vec![y, dx, dw, y + (x * 2.0).conv_side(k * 0.5, Side::Output, geo)]
            });
        }
    }
}

#[test]
fn choices_agree() {
    for n in SIZES {
        agrees(&format!("choices among {n}"), |tape| {
            let (x, at) = (tape.input([3, n, 5]), tape.input([3, 4, 5]));
            let index = (at + 0.5) * (n as f64); // some below 0 and above n - 1: clamped
            let (last, first) = (x.argmax(Along::Axis(2)), x.argmax(Along::Axis(1)));
            let taken = x.take(index, Along::Axis(1));
            let put = taken.put(index, Along::Axis(1), [3, n, 5]);
            vec![last, first, taken, put, x.take(first, Along::Axis(1))]
        });
    }
    for (size, stride, pad) in
        [([2, 2], [2, 2], [0; 4]), ([3, 2], [1, 3], [1, 2, 0, 1]), ([3, 3], [2, 1], [2, 0, 1, 1])]
    {
        agrees(&format!("windows {size:?}"), |tape| {
            let x = tape.input([3, 2, 7, 5, 3]);
            let along = Along::Window(Window { size, stride, pad });
            let index = x.argmax(along);
            let taken = x.take(index, along);
            vec![index, taken, taken.put(index, along, x.shape())]
        });
    }
    agrees("a long axis", |tape| {
        let x = tape.input([1, 100_001, 2]);
        vec![x.argmax(Along::Axis(1)), (x * 0.0).argmax(Along::Axis(1))]
    });
}

#[test]
fn random_numbers_are_the_same_bits() {
    let Some(number) = adapter() else { return };
    let tape = Tape::new();
    let step = tape.input([1, 1]);
    let outputs = [tape.random(7, 9, step, [3, 5, 1001]), tape.random(8, 9, step, [1, 3])];
    let mut program =
        GpuProgram::compile(&tape, &outputs, &[], &Options::default(), number).unwrap();
    let steps = [0.0, 1.0, 16_777_215.0];
    for step in steps {
        let got = run(&mut program, &[vec![step]], &outputs);
        assert_eq!(got, reference::evaluate(&tape, &[vec![step]], &outputs));
    }
}

#[test]
fn nan_and_infinity_go_where_they_go_in_the_reference() {
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -2.5];
    let n = special.len();
    let pairs = |tape: &Tape| {
        let a = (0..n * n).map(|i| special[i / n]).collect();
        let b = (0..n * n).map(|i| special[i % n]).collect();
        assert_eq!(tape.input_shapes().len(), 2);
        vec![a, b]
    };
    agrees_for(
        "special numbers",
        |tape| {
            let (a, b) = (tape.input([1, n, n]), tape.input([1, n, n]));
            let mut all = vec![a.max(b), a.less(b), a.select(b, b * 0.5), a + b, a * b, a.relu()];
            all.extend([a.exp(), a.ln(), a.sqrt(), a.tanh(), a.erf(), a.sin(), a.recip()]);
            all.extend([b.argmax(Along::Axis(2)), b.argmax(Along::Axis(1)), b.max_over(&[1])]);
            all.extend([b.sum(&[2]), a.pad_to([1, n, n + 2], &[0, 0, 1], f64::NAN)]);
            all.extend([tape.filled(f64::INFINITY, [1, 2]) * 1.0]);
            all
        },
        pairs,
    );
    // A NaN weight at the kernel's rim does not reach pixels it has no part in.
    let geometry = ConvGeometry {
        stride: [1, 1],
        pad: [1, 1, 1, 1],
        dilation: [1, 1],
        groups: 1,
        image: [3, 3],
        kernel: [3, 3],
    };
    let rim = |_: &Tape| {
        let mut w = vec![1.0; 9];
        w[0] = f64::NAN;
        let mut x = vec![1.0; 9];
        x[8] = f64::INFINITY;
        vec![x, w]
    };
    agrees_for(
        "a NaN at the rim",
        |tape| {
            let (x, w) = (tape.input([1, 1, 3, 3, 1]), tape.input([1, 3, 3, 1, 1]));
            let y = x.conv_side(w, Side::Output, geometry);
            let dw = x.conv_side(x * 1.0, Side::Weight, geometry);
            vec![y, w.conv_side(x * 1.0, Side::Input, geometry), dw]
        },
        rim,
    );
}
