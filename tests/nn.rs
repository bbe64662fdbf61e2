//! Networks: shapes, laws of the normalisations, and each mode against its definition.

use metatape::exec::reference::evaluate;
use metatape::nn::{
    Conv4, Downsample, Given, Model, Norm, Params, Weights, group_norm, grouped_batch_norm,
};
use metatape::random::Stream;
use metatape::tape::{Tape, Var};

fn numbers<'t>(tape: &'t Tape, shape: &[usize], seed: u32) -> Var<'t> {
    let mut random = Stream::new(seed, 16, 0, 0);
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| random.normal()).collect();
    tape.data(shape, &values)
}

fn small(downsample: Downsample, norm: Norm) -> Conv4 {
    Conv4 { image: [16, 16, 2], filters: 4, downsample, norm, ..Conv4::omniglot(3) }
}

#[test]
fn omniglot_networks_have_the_published_sizes() {
    // 9·64 + 3·9·64² in convolutions, 4·128 in norms, 65·5 in the head.
    let strided = Weights::init(&Conv4::omniglot(5).spec(), 1);
    assert_eq!(strided.count(), 9 * 64 + 27 * 4096 + 512 + 325);
    let pooled = Conv4 { downsample: Downsample::Pool, ..Conv4::omniglot(5) };
    assert_eq!(Weights::init(&pooled.spec(), 1).count(), strided.count());
}

/// The outputs of a model on pictures, with the support set where it is given.
fn outputs(model: &Conv4, x: Var, context: Option<Var>, step: usize) -> Vec<f64> {
    let tape = x.tape;
    let weights = Params::constants(tape, &Weights::init(&model.spec(), 5));
    let out = model.output(&weights, Given { x, context, step: step.into() });
    assert_eq!(out.shape().dims(), [x.shape()[0], x.shape()[1], 3]);
    evaluate(tape, &[], &[out]).remove(0)
}

/// Rows of task t, query q of `[2, 3, 3]` answers.
fn row(all: &[f64], t: usize, q: usize) -> &[f64] {
    &all[(t * 3 + q) * 3..][..3]
}

#[test]
fn batch_statistics_let_queries_see_one_another_and_single_ones_do_not() {
    for downsample in [Downsample::Stride, Downsample::Pool] {
        let tape = Tape::new();
        let support = numbers(&tape, &[2, 2, 16, 16, 2], 1);
        let x = numbers(&tape, &[2, 3, 16, 16, 2], 2);
        // The same queries but the last of each task.
        let other = tape.concat(&[x.narrow(1, 0, 2), numbers(&tape, &[2, 1, 16, 16, 2], 3)], 1);
        for (norm, sees) in
            [(Norm::Batch, true), (Norm::Single, false), (Norm::Group { groups: 2 }, false)]
        {
            let model = small(downsample, norm);
            let a = outputs(&model, x, Some(support), 0);
            let b = outputs(&model, other, Some(support), 0);
            for t in 0..2 {
                for q in 0..2 {
                    assert_eq!(row(&a, t, q) != row(&b, t, q), sees, "{norm:?}, {downsample:?}");
                }
                assert_ne!(row(&a, t, 2), row(&b, t, 2));
            }
        }
    }
}

#[test]
fn single_is_the_support_set_and_one_query_through_the_batch_network() {
    let tape = Tape::new();
    let support = numbers(&tape, &[2, 2, 16, 16, 2], 1);
    let x = numbers(&tape, &[2, 3, 16, 16, 2], 2);
    let single = outputs(&small(Downsample::Stride, Norm::Single), x, Some(support), 0);
    for q in 0..3 {
        let together = tape.concat(&[support, x.narrow(1, q, 1)], 1);
        let batch = outputs(&small(Downsample::Stride, Norm::Batch), together, None, 0);
        for t in 0..2 {
            for (a, b) in row(&single, t, q).iter().zip(row(&batch, t, 2)) {
                assert!((a - b).abs() < 1e-12, "{a} and {b}"); // the same sums in another order
            }
        }
    }
}

#[test]
fn per_step_norms_have_their_own_scale_for_each_step() {
    let tape = Tape::new();
    let model = small(Downsample::Stride, Norm::PerStep { steps: 2 });
    let mut weights = Weights::init(&model.spec(), 5);
    for w in weights.0.iter_mut().filter(|w| w.name.ends_with("norm/scale")) {
        assert_eq!(w.shape.dims(), [1, 3, 1, 1, 4]);
        w.values[4..8].fill(2.0); // after one step
    }
    let (x, params) = (numbers(&tape, &[1, 3, 16, 16, 2], 2), Params::constants(&tape, &weights));
    let at = |step: usize| model.output(&params, Given { x, context: None, step: step.into() });
    let found = evaluate(&tape, &[], &[at(0), at(1), at(2), at(9)]);
    assert_ne!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
    assert_eq!(found[2], found[3]); // later steps use the last
}

/// Mean 0 and variance v/(v + ε) over what is said to belong together.
#[test]
fn normalisations_leave_mean_zero_and_variance_one() {
    let tape = Tape::new();
    let x = numbers(&tape, &[2, 6, 3, 2, 4], 4) * 3.0 + 7.0;
    let batch = grouped_batch_norm(x, 3).reshape([2, 2, 3, 3, 2, 4]);
    let group = group_norm(x, 2).reshape([2, 6, 3, 2, 2, 2]);
    let checks = [
        batch.mean(&[2, 3, 4]),
        group.mean(&[2, 3, 5]),
        batch.square().mean(&[2, 3, 4]),
        group.square().mean(&[2, 3, 5]),
    ];
    let found = evaluate(&tape, &[], &checks);
    for mean in found[..2].concat() {
        assert!(mean.abs() < 1e-12, "{mean}");
    }
    for var in found[2..].concat() {
        // ε/v is about 1e-5/9; a group of twelve numbers may have v near 2.
        assert!((var - 1.0).abs() < 1e-5, "{var}");
    }
}
