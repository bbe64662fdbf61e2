//! What a network says: shapes, what is masked, losses by their definitions, a new domain, and the file it goes through.

use metatape::exec::reference::evaluate;
use metatape::nn::*;
use metatape::tape::{Tape, grad};

use super::{EMBEDDING, network, trunks, values};

#[test]
fn outputs_have_the_shapes_that_the_network_says() {
    for (trunk, embedding) in trunks().into_iter().zip([EMBEDDING, None]) {
        let net = network(trunk, embedding);
        net.check().unwrap();
        let tape = Tape::new();
        let weights = Params::constants(&tape, &Weights::init(&net.spec(), 1));
        let answers = net.answer(&weights, tape.filled(0.5, [2, 3, 17, 12, 3]), None);
        for (k, output) in answers.heads.iter().enumerate() {
            assert_eq!(output.shape(), net.output_shape(k, 2, 3));
        }
        for (layer, (name, value)) in net.layers().iter().zip(&answers.layers) {
            let wanted = [2, 3, layer.size[0], layer.size[1], layer.channels];
            assert_eq!((&layer.name, value.shape().dims()), (name, &wanted[..]));
        }
    }
}

#[test]
fn a_batch_without_a_known_label_has_no_loss_and_no_gradient() {
    let net = network(trunks()[0].clone(), None);
    for (k, head) in net.heads.iter().enumerate() {
        let tape = Tape::new();
        let output = tape.input(net.output_shape(k, 2, 3));
        let target = tape.filled(0.0, net.target_shape(k, 2, 3));
        // The first task knows its second picture, the other nothing.
        let known = tape.data([2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let teacher = output.like(0.5);
        let loss = head.loss(output, target, known);
        let taught = head.distill(output, teacher, known, 2.0);
        let slope = grad(loss + taught, &[output])[0];
        let given: Vec<f64> = values(output.shape().len(), 7).into_iter().map(f64::from).collect();
        let alone = head.losses(output, target).narrow(1, 1, 1).reshape([2]);
        let found = evaluate(&tape, &[given], &[loss, slope, taught, alone]);
        assert_eq!(found[0], [found[3][0], 0.0], "{}", head.name);
        assert_eq!(found[2][1], 0.0);
        let (pictures, each) = (found[1].chunks(found[1].len() / 6), 6);
        for (i, picture) in pictures.enumerate().take(each) {
            assert_eq!(picture.iter().any(|&v| v != 0.0), i == 1, "{} {i}", head.name);
        }
    }
}

/// What a new domain starts from is what the mixture of all known ones says, and the table of the new one is a
/// parameter like any other.
#[test]
fn a_new_domain_begins_at_the_mixture_of_the_known_ones() {
    for trunk in trunks() {
        let net = network(trunk, EMBEDDING);
        let mut weights = Weights::init(&net.spec(), 3);
        for w in weights.0.iter_mut().filter(|w| w.name.ends_with("film/weight")) {
            w.values = values(w.values.len(), 5); // a new network's are 0
        }
        let (new, fresh) = (net.for_new_domain(), weights.for_new_domain());
        assert_eq!(fresh.get("embedding/table").unwrap().shape.dims(), [1, 1, 2]);
        let tape = Tape::new();
        let pictures: Vec<f64> = values(2 * 17 * 12 * 3, 6).into_iter().map(f64::from).collect();
        let x = tape.data([1, 2, 17, 12, 3], &pictures);
        let (old, new_weights) =
            (Params::constants(&tape, &weights), Params::constants(&tape, &fresh));
        let third = tape.filled(1.0 / 3.0, [1, 2, 3]);
        let answers = [
            net.answer(&old, x, Some(third)),
            net.answer(&old, x, None),
            new.answer(&new_weights, x, Some(tape.filled(1.0, [1, 2, 1]))),
            net.answer(&old, x, Some(tape.data([1, 1, 3], &[1.0, 0.0, 0.0]).expand([1, 2, 3]))),
        ];
        let found = evaluate(&tape, &[], &answers.map(|a| a.heads[0]));
        for (k, other) in found[1..].iter().enumerate() {
            let off = found[0].iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            // The mean row in f32 against the sum of thirds in f64; another domain is another answer.
            assert!(if k < 2 { off < 1e-5 } else { off > 1e-2 }, "{k}: {off}");
        }
    }
}

#[test]
fn losses_are_their_definitions_and_a_perfect_student_has_no_distance() {
    use metatape::loss::*;
    let tape = Tape::new();
    let z = tape.data([1, 1, 4], &[0.3, -0.7, 2e4, 1.5]);
    let y = tape.data([1, 1, 4], &[1.0, 0.0, 1.0, -1.0]);
    let teacher = tape.data([1, 1, 4], &[1.0, 0.2, -0.4, 2.0]);
    let labels = tape.data([1, 1], &[3.0]);
    let found = evaluate(
        &tape,
        &[],
        &[
            binary_cross_entropy(z, y, 3.0),
            focal(z, y),
            binary_kl(z, teacher, 2.0),
            cross_entropy_each(teacher, labels, Some(&[1.0, 1.0, 1.0, 0.5])),
            pseudo_huber(z),
            kl_each(z, z, 3.0),
            binary_kl(z, z, 3.0),
        ],
    );
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let near =
        |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a}, expected {b}");
    let [p, q] = [sigmoid(0.3), sigmoid(-0.7)];
    for (k, wanted) in [-3.0 * p.ln(), -(1.0 - q).ln(), 0.0, 0.0].into_iter().enumerate() {
        near(found[0][k], wanted); // the third is surely right, the fourth not counted
    }
    near(found[1][0], -(1.0 - p).powi(2) * p.ln());
    near(found[1][1], -q.powi(2) * (1.0 - q).ln());
    let [p, q] = [sigmoid(0.5), sigmoid(0.15)];
    near(found[2][0], 4.0 * (p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln()));
    assert!(found[2].iter().all(|v| v.is_finite() && *v > 0.0), "{:?}", found[2]);
    let sum: f64 = [1.0f64, 0.2, -0.4, 2.0].iter().map(|v| v.exp()).sum();
    near(found[3][0], 0.5 * (sum.ln() - 2.0));
    near(found[4][0], 1.09f64.sqrt() - 1.0);
    assert!(found[5..].concat().iter().all(|&v| v == 0.0));
    // Boxes (y, x, ln h, ln w): the same; a quarter of it, inside; one beside it with a gap as wide as both: of a
    // hull of 3, 1 is empty; and far away and huge, in a cell that holds nothing.
    let unit = [0.0, 0.0, 0.0, 0.0];
    let boxes = [
        unit,
        [0.25, 0.25, 0.5f64.ln(), 0.5f64.ln()],
        [2.0, 0.0, 0.0, 0.0],
        [9e3, 0.0, 900.0, 900.0],
    ];
    let output = tape.data([1, 4, 4], &boxes.concat());
    let loss = giou_loss(output, tape.data([1, 1, 4], &unit));
    let found = evaluate(&tape, &[], &[loss, grad(loss, &[output])[0]]);
    for (k, wanted) in [0.0, 0.75, 1.0 + 1.0 / 3.0].into_iter().enumerate() {
        near(found[0][k], wanted);
    }
    assert!(found.concat().iter().all(|v| v.is_finite()), "{found:?}");
}

/// As a model file carries it; and what cannot be built says why.
#[test]
fn a_network_goes_through_json_and_a_wrong_one_says_what_is_wrong() {
    let good = network(trunks()[1].clone(), EMBEDDING);
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(serde_json::from_str::<MultiTask>(&text).unwrap(), good);
    let small = r#"{"image": [48, 48, 3], "trunk": {"kind": "small", "channels": 32, "groups": 8},
        "heads": [{"name": "light", "reads": "block3", "kind": {"kind": "classes", "classes": 4}}]}"#;
    serde_json::from_str::<MultiTask>(small).unwrap().check().unwrap();
    for (from, to, why) in [
        ("17,12,3", "17,0,3", "pictures of 17x0x3"),
        ("17,12,3", "17,99999999,3", "pictures of 17x99999999x3"),
        ("\"channels\":2", "\"channels\":0", "a trunk of 0 channels in 1 groups"),
        ("\"domains\":3", "\"domains\":0", "an embedding of 0 domains in 2 numbers"),
        ("\"classes\":4", "\"classes\":0", "head kind: 0 classes"),
        ("\"name\":\"light\"", "\"name\":\"kind\"", "head's name \"kind\""),
        ("\"reads\":\"block3\"", "\"reads\":\"x\"", "the layer \"x\"; the trunk has stem, block1"),
        ("\"skip\":\"stem\"", "\"skip\":\"x\"", "head road: it reads the layer \"x\""),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text, "{from} does not stand in {text}");
        let error = serde_json::from_str::<MultiTask>(&broken).unwrap().check().unwrap_err();
        assert!(error.to_string().contains(why), "{error}, expected {why}");
        assert_eq!(error.exit_code(), 2);
    }
}
