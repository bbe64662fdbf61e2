//! Scores against worked examples: of papers, of other tools' documentation, and by hand.

use metatape::eval::*;
use metatape::nn::{Detection, Labelled};

fn close(found: f64, wanted: f64, limit: f64) {
    assert!((found - wanted).abs() <= limit, "{found}, expected {wanted}");
}

fn confusion(truths: &[usize], answers: &[usize], classes: usize) -> Confusion {
    let mut table = Confusion::new(classes);
    for (&truth, &answer) in truths.iter().zip(answers) {
        table.count(truth, Some(answer));
    }
    table
}

/// The examples of scikit-learn's documentation of `f1_score`, `recall_score`, `precision_score` and `jaccard_score`.
#[test]
fn recall_precision_f1_and_iou_are_those_of_scikit_learn() {
    let table = confusion(&[0, 1, 2, 0, 1, 2], &[0, 2, 1, 0, 0, 1], 3);
    assert_eq!([0, 1, 2].map(|k| table.f1(k)), [Some(0.8), Some(0.0), Some(0.0)]);
    close(table.macro_f1(), 0.26, 0.01); // printed as 0.26...
    close(table.macro_recall(), 1.0 / 3.0, 1e-12); // 0.33
    close(table.precision(0).unwrap(), 2.0 / 3.0, 1e-12); // [0.66, 0., 0.]
    close(table.accuracy(), 1.0 / 3.0, 1e-12);
    let table = confusion(&[0, 1, 2, 2], &[0, 2, 1, 2], 3);
    // [1. , 0. , 0.33...]
    assert_eq!([0, 1, 2].map(|k| table.iou(k)), [Some(1.0), Some(0.0), Some(1.0 / 3.0)]);
    close(table.mean_iou(), 4.0 / 9.0, 1e-12);
}

#[test]
fn a_class_that_is_nowhere_has_no_figure_and_does_not_move_the_mean() {
    let table = confusion(&[0, 0, 1], &[0, 1, 1], 3);
    assert_eq!([table.recall(2), table.precision(2), table.f1(2), table.iou(2)], [None; 4]);
    assert_eq!(table.macro_recall(), 0.75);
    assert_eq!(table.mean_iou(), 0.5);
    // Answered but never true: no recall, and an IoU of 0 that counts.
    let table = confusion(&[0, 0, 1], &[0, 2, 1], 3);
    assert_eq!((table.recall(2), table.iou(2)), (None, Some(0.0)));
    assert_eq!(table.mean_iou(), 0.5);
    assert!(Confusion::new(2).accuracy().is_nan());
}

#[test]
fn void_is_passed_over_and_no_answer_is_a_wrong_one() {
    let nan = f32::NAN;
    let mut table = Confusion::new(2);
    table.add(&[2.0, 1.0, 1.0, 1.0, nan, 3.0, 9.0, 0.0, 0.0, 1.0], &[0.0, 0.0, 1.0, -1.0, 1.0]);
    assert_eq!(table.total(), 4);
    assert_eq!([table.at(0, 0), table.at(0, 2), table.at(1, 2), table.at(1, 1)], [1; 4]);
    assert_eq!((table.accuracy(), table.majority_rate()), (0.5, 0.5));
    assert_eq!(table.recall(1), Some(0.5));
    assert_eq!(table.precision(1), Some(1.0)); // a missing answer is no answer of any class
}

/// Seven pictures, 15 objects, 24 detections: Padilla et al. 2020 ("A survey on performance metrics for
/// object-detection algorithms") and their repository's README, which prints 24.56 %.
#[test]
fn average_precision_is_that_of_the_published_example() {
    // By rank in the table, which orders equal confidences itself.
    let right = [1, 3, 10, 12, 13, 14, 23];
    let ranked: Vec<(f32, bool)> = (1..=24).map(|i| (1.0 / i as f32, right.contains(&i))).collect();
    // Printed: 1·0.0666 + 0.6666·0.0667 + 0.4285·0.2667 + 0.3043·0.0667.
    close(ranked_precision(&ranked, 15).unwrap(), 0.2456, 1e-4);
}

#[test]
fn equal_scores_enter_together_and_nothing_to_find_is_no_score() {
    let [a, b] = [(0.5, true), (0.5, false)];
    assert_eq!(ranked_precision(&[a, b], 1), Some(0.5));
    assert_eq!(ranked_precision(&[b, a], 1), Some(0.5));
    assert_eq!(ranked_precision(&[(f32::NAN, false), (0.1, true)], 1), Some(1.0));
    assert_eq!(ranked_precision(&[], 2), Some(0.0));
    assert_eq!(ranked_precision(&[a], 0), None);
}

#[test]
fn boxes_are_right_once_each_and_only_in_their_picture() {
    let object = |class, left: f32| Labelled { class, bounds: [left, 0.0, left + 10.0, 10.0] };
    let found = |class, left: f32, score| Detection {
        class,
        score,
        bounds: [left, 0.0, left + 10.0, 10.0],
    };
    let truth = [vec![object(0, 0.0), object(0, 20.0), object(1, 40.0)], vec![object(0, 0.0)]];
    // 3 of 10 pixels off: 7/13 = 0.538; 4 off: 6/14 = 0.43. So of class 0, surest first: right, a second box on
    // the same object, too far off, right.
    let answers = [
        vec![found(0, 0.0, 0.9), found(0, 3.0, 0.8), found(0, 24.0, 0.7), found(1, 43.0, 0.2)],
        vec![found(0, 3.0, 0.6)],
    ];
    let pictures: Vec<(&[Detection], &[Labelled])> =
        answers.iter().zip(&truth).map(|(a, t)| (&a[..], &t[..])).collect();
    let scores = average_precision(&pictures, 3, 0.5);
    // Of three objects, one at precision 1, one at 2/4.
    close(scores.classes[0].unwrap(), (1.0 + 0.5) / 3.0, 1e-12);
    assert_eq!(scores.classes[1..], [Some(1.0), None]);
    close(scores.mean, 0.75, 1e-12);
    assert!(average_precision(&[(&[], &[])], 2, 0.5).mean.is_nan());
}

/// Quantiles as tables print them, and as closed forms: tan for one degree, and t/√(2 + t²) = 0.95 for two.
#[test]
fn quantiles_of_student_are_those_of_the_tables() {
    for (p, freedom, wanted) in [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.3027),
        (0.975, 3, 3.1824),
        (0.975, 4, 2.7764),
        (0.975, 5, 2.5706),
        (0.975, 10, 2.2281),
        (0.95, 7, 1.8946),
        (0.995, 5, 4.0321),
        (0.995, 9, 3.2498),
        (0.995, 29, 2.7564),
        (0.975, 30, 2.0423),
        (0.975, 120, 1.9799),
        (0.025, 4, -2.7764),
    ] {
        close(student_t(p, freedom), wanted, 5e-5); // four places printed
    }
    close(student_t(0.975, 1), (std::f64::consts::PI * 0.475).tan(), 1e-9);
    close(student_t(0.975, 2), (2.0 * 0.95f64.powi(2) / (1.0 - 0.95f64.powi(2))).sqrt(), 1e-9);
    close(student_t(0.975, 1_000_001), 1.959964 + 2.37 / 1e6, 1e-6); // the normal law's, and 2.37/freedom
    close(student_t(0.5, 3), 0.0, 1e-12);
}

/// Student 1908: additional hours of sleep by two drugs; mean difference 1.58 hours, t = 4.06 with 9 degrees.
#[test]
fn paired_intervals_are_those_of_students_sleep_data() {
    let a = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
    let b = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
    let i = Interval::paired(&a, &b);
    close(i.mean, 1.58, 1e-9);
    // R's t.test(paired = TRUE) prints 0.7001142 and 2.4598858.
    close(i.mean - i.ci95, 0.7001142, 1e-6);
    close(i.mean + i.ci95, 2.4598858, 1e-6);
    assert!(i.above_zero() && !i.below_zero() && i.n == 10);
    assert!(Interval::paired(&b, &a).below_zero());
    assert!(!Interval::of(&[-1.0, 1.5]).above_zero());
    let one = Interval::of(&[3.0]);
    assert!(one.mean == 3.0 && one.ci95.is_nan() && !one.above_zero());
    assert!(Interval::of(&[1.0, f64::NAN]).mean.is_nan());
}

/// NYUv2, rows of Nash-MTL's table (Navon et al. 2022, table 1): linear scalarisation 5.59, CAGrad 0.20, against
/// single tasks. Segmentation, depth and normals have 2, 2 and 5 metrics, so LibMTL's mean over tasks differs.
#[test]
fn deltas_are_those_of_the_published_tables() {
    let base = [38.30, 63.76, 0.6754, 0.2780, 25.01, 19.21, 30.14, 57.20, 69.15];
    let better = [true, true, false, false, false, false, true, true, true];
    let metrics = |row: [f64; 9]| -> Vec<Measured> {
        (0..9)
            .map(|i| Measured { value: row[i], base: base[i], higher_is_better: better[i] })
            .collect()
    };
    let ls = metrics([39.29, 65.33, 0.5493, 0.2263, 28.15, 23.96, 22.09, 47.50, 61.08]);
    let cagrad = metrics([39.79, 65.49, 0.5486, 0.2250, 26.31, 21.58, 25.61, 52.36, 65.58]);
    close(delta_m(&ls), 5.59, 0.005);
    close(delta_m(&cagrad), 0.20, 0.01); // printed from unrounded metrics
    // By task: segmentation (0.99/38.30 + 1.57/63.76)/2 = 2.52 %, depth 18.63 %, normals −18.52 %.
    close(delta_p(&[&ls[..2], &ls[2..4], &ls[4..]]), (2.524 + 18.634 - 18.526) / 3.0, 0.002);
    assert_eq!(delta_m(&metrics(base)), 0.0);
}

#[test]
fn steps_and_labels_to_reach_a_score() {
    let curve = [(5.0, 0.2), (10.0, 0.4), (40.0, 0.8), (100.0, 0.7)];
    assert_eq!(first_reach(&curve, 0.4), Some(10.0));
    assert_eq!(first_reach(&curve, 0.9), None);
    assert_eq!(labels_to_reach(&curve, 0.1), Some(5.0));
    close(labels_to_reach(&curve, 0.6).unwrap(), 20.0, 1e-12); // half way from 10 to 40 in the logarithm
    assert_eq!(labels_to_reach(&curve, 0.9), None);
    // A number that is not one reaches nothing.
    assert_eq!(first_reach(&[(1.0, f64::NAN)], 0.0), None);
    close(mean_absolute_error(&[1.0, -2.0], &[0.0, 1.0]), 2.0, 1e-12);
}
