//! Movements: what is read where it lies, what is copied, and what tasks see of it.

use super::check;
use metatape::op::Along;
use metatape::shape::Axes;
use metatape::tape::{Var, grad};

#[test]
fn movements_that_strides_can_and_cannot_say() {
    check("movement", &[&[3, 4, 6], &[3, 6, 4], &[12, 6]], |v| {
        let a = v[0].permute(&[0, 2, 1]) + v[1];
        let b = a.reshape([3, 24]).reshape([3, 3, 8]).permute(&[2, 1, 0]);
        let c = v[2].reshape([3, 4, 6]).flip(Axes(0b101)) * v[0];
        let d = c.slice(&[1, 1, 2], [2, 3, 3]).pad_to([4, 5, 6], &[1, 1, 2], 0.5);
        let e = c.v_concat(v[0]);
        let f = grad((d.square().sum_all() * 1.0).exp() * 0.01 + e.sin().sum_all(), &[v[0], v[2]]);
        let g = v[0].permute(&[1, 0, 2]).reshape([12, 6]).tanh();
        let h = v[0].max_over(&[2]) + v[0].flip(Axes(1)).sum(&[0, 1]);
        vec![a, b, d, e, f[0], f[1], g, h, v[0], v[0], v[0].like(2.0)]
    });
}

trait Twice<'t> {
    fn v_concat(self, other: Var<'t>) -> Var<'t>;
}

impl<'t> Twice<'t> for Var<'t> {
    fn v_concat(self, other: Var<'t>) -> Var<'t> {
        self.tape.concat(&[self.tanh(), other, self], 1)
    }
}

/// Of a number that is the same everywhere one task's worth is stored; without views and without rules, too, nobody looks past it.
#[test]
fn a_constant_stays_one_wherever_it_moves() {
    check("constants", &[&[2, 3, 2]], |v| {
        let number = v[0].like(0.5);
        vec![
            number.narrow(1, 0, 1),
            number.narrow(0, 1, 1),
            number.permute(&[2, 1, 0]),
            number.reshape([1, 2, 6]).matmul(v[0].reshape([1, 6, 2])),
            number
                .reshape([1, 3, 4])
                .take(v[0].reshape([1, 3, 4]).argmax(Along::Axis(2)), Along::Axis(2)),
            number.narrow(1, 1, 2).matmul(number.permute(&[0, 2, 1]))
                * v[0].narrow(1, 0, 1).sum(&[2]),
        ]
    });
}

/// An axis that runs backwards becomes that of the tasks.
#[test]
fn tasks_that_run_backwards_are_copied() {
    check("backwards", &[&[2, 3], &[1, 3], &[3, 2]], |v| {
        let [x, row, y] = v[..] else { unreachable!() };
        let turned = x.flip(Axes::new(&[1])).permute(&[1, 0]);
        let each = row.flip(Axes::new(&[1])).reshape([3, 1]);
        vec![turned, turned * y, (each * y).tanh(), (each + y).sin().sum(&[1])]
    });
}

/// What each task sees, of its own input or of a shared value, is a view, and nothing else is computed for it.
#[test]
fn tasks_that_hold_views_alone_are_summed() {
    check("views of inputs", &[&[3, 2, 4]], |v| {
        let [x] = v[..] else { unreachable!() };
        let each = [
            x.narrow(1, 0, 1),
            x.permute(&[0, 2, 1]),
            x.reshape([3, 8]),
            x.flip(Axes::new(&[1])),
            x.reshape([3, 1, 2, 4]).expand([3, 2, 2, 4]),
        ];
        each.iter().map(|x| x.sum(&[0])).collect()
    });
    check("views of what is shared", &[&[1, 3, 2]], |v| {
        let each = v[0].tanh().per_task(3);
        vec![each.sum(&[0]) * 0.5, each.permute(&[0, 2, 1]).narrow(1, 1, 1).sum(&[0]).sin()]
    });
}
