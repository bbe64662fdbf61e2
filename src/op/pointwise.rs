//! Pointwise operations: the value at one place depends on the inputs at that place only.
//!
//! Everything there is to know about one of them stands in its row below: its value (instantiated in
//! f64), the same value in WGSL (pasted into fused kernels), its derivative (an expression on the
//! tape, so it can be differentiated again), and the interval on which the checks try it. A new row
//! needs one more line, its SIMD instance in `exec/cpu/block.rs`; the checks walk `Pointwise::ALL`.
//!
//! In a derivative, `g` is the adjoint of the result and `y` the result itself. `None` where an input
//! receives none.

use super::real::Real;
use crate::tape::Var;

pointwise! { |g, y|
    // op    inputs       value               WGSL                            derivative by each input             tested on
    Add    (a, b)    =>  a + b,              "({a} + {b})",                  [Some(g), Some(g)],                  (-2.0, 2.0);
    Mul    (a, b)    =>  a * b,              "({a} * {b})",                  [Some(g * b), Some(g * a)],          (-2.0, 2.0);
    Recip  (a)       =>  a.recip(),          "(1.0 / {a})",                  [Some(-(g * y * y))],                (0.3, 3.0);
    // exp_, log_, sin_, tanh_, erf_ stand in shared/math.wgsl: the built-ins are loose, and NaN for large a on some drivers.
    Exp    (a)       =>  a.exp(),            "exp_({a})",                    [Some(g * y)],                       (-2.0, 2.0);
    Log    (a)       =>  a.ln(),             "log_({a})",                    [Some(g * a.recip())],               (0.3, 4.0);
    Sqrt   (a)       =>  a.sqrt(),           "sqrt({a})",                    [Some(g * y.recip() * 0.5)],         (0.3, 4.0);
    Sin    (a)       =>  a.sin(),            "sin_({a})",                    [Some(g * a.cos())],                 (-4.0, 4.0);
    Tanh   (a)       =>  a.tanh(),           "tanh_({a})",                   [Some(g * (1.0 - y * y))],           (-2.0, 2.0);
    // 2/√π · exp(−a²)
    Erf    (a)       =>  a.erf(),            "erf_({a})",                    [Some(g * (-(a * a)).exp() * std::f64::consts::FRAC_2_SQRT_PI)], (-2.0, 2.0);
    // Ties go to `b`, so relu(a) = max(a, 0) has slope 0 at 0. Keeps NaN, which WGSL's own `max` may drop.
    Max    (a, b)    =>  a.max_nan(b),       "max_nan({a}, {b})",            [Some(g * b.less(a)), Some(g * (1.0 - b.less(a)))], (-2.0, 2.0);
    // 1 where a < b, else 0. Flat almost everywhere: no derivative is passed on.
    Less   (a, b)    =>  a.less(b),          "select(0.0, 1.0, {a} < {b})",  [None, None],                        (-2.0, 2.0);
    // a where c is not 0, else b. In WGSL by its bits: naga's != is false for NaN.
    Select (c, a, b) =>  c.select(a, b),     "select({b}, {a}, (bitcast<u32>({c}) << 1u) != 0u)", [None, Some(c.select(g, g * 0.0)), Some(c.select(g * 0.0, g))], (-2.0, 2.0);
}

/// Turns the rows into one enum and five `match`es over it. A macro, because a table of function
/// pointers could neither be inlined into a loop nor matched exhaustively by the executors.
macro_rules! pointwise {
    (|$g:ident, $y:ident| $( $Op:ident ($($x:ident),+) => $value:expr, $wgsl:literal, [$($vjp:expr),*], $domain:expr; )+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Pointwise { $($Op),+ }

        impl Pointwise {
            pub const ALL: &[Pointwise] = &[$(Pointwise::$Op),+];

            pub fn arity(self) -> usize {
                match self { $(Self::$Op => [$(stringify!($x)),+].len()),+ }
            }

            /// The value at one place, for `arity` inputs.
            pub fn value<R: Real>(self, args: &[R]) -> R {
                match self { $(Self::$Op => {
                    let &[$($x),+] = args else { panic!("{self:?} got {} inputs", args.len()) };
                    $value
                })+ }
            }

            /// The expression over the named inputs: `wgsl(&["r0", "r1"])` gives `(r0 + r1)`.
            pub fn wgsl(self, names: &[&str]) -> String {
                match self { $(Self::$Op => {
                    let &[$($x),+] = names else { panic!("{self:?} got {} inputs", names.len()) };
                    format!($wgsl, $($x = $x),+)
                })+ }
            }

            /// The adjoint of each input, given the adjoint `g` of the result `y`.
            pub fn vjp<'t>(self, args: &[Var<'t>], $y: Var<'t>, $g: Var<'t>) -> Vec<Option<Var<'t>>> {
                match self { $(Self::$Op => {
                    let &[$($x),+] = args else { panic!("{self:?} got {} inputs", args.len()) };
                    let _ = ($($x,)+ $y, $g); // a linear operation uses neither its inputs nor y
                    vec![$($vjp),*]
                })+ }
            }

            /// The interval the checks draw inputs from.
            pub fn domain(self) -> (f64, f64) {
                match self { $(Self::$Op => $domain),+ }
            }
        }
    };
}
use pointwise; // the rows come first in this file because they are what a reader opens it for
