//! Boxes on the host: into a grid and back, inside the picture, each once.

use metatape::nn::*;

#[test]
fn boxes_come_back_from_a_grid_as_they_went_in() {
    let grid = Grid { image: [32, 48], cells: [4, 8], classes: 3 };
    let object = |class, bounds| Labelled { class, bounds };
    let objects = [object(2, [3.0, 4.0, 20.0, 9.0]), object(0, [30.0, 20.0, 47.0, 31.0])];
    // As an answer: certain where the target is 1, impossible elsewhere.
    let answer = |objects: &[Labelled]| -> Vec<f32> {
        let cell = |t: &[f32]| {
            let classes = t[..3].iter().map(|&y| if y > 0.5 { 9.0 } else { -9.0 });
            classes.chain(t[3..7].iter().copied()).collect::<Vec<f32>>()
        };
        grid.encode(objects).chunks(8).flat_map(cell).collect()
    };
    let mut found = grid.decode(&answer(&objects), 0.5, 0.5);
    found.sort_by_key(|d| 2 - d.class);
    assert_eq!(found.len(), 2);
    for (d, o) in found.iter().zip(&objects) {
        assert_eq!(d.class, o.class);
        // Pixels by f32 logarithms and back.
        assert!(d.bounds.iter().zip(o.bounds).all(|(a, b)| (a - b).abs() < 1e-4), "{d:?}, {o:?}");
    }
    // One cell, two objects: the larger stays, the other's class is not counted there.
    let shared = grid.encode(&[object(1, [1.0, 1.0, 5.0, 5.0]), object(0, [0.0, 0.0, 6.0, 7.0])]);
    assert_eq!(shared[..3], [1.0, -1.0, 0.0]);
    assert_eq!(shared[7], 1.0);
    assert!(shared[8..].iter().all(|&v| v == 0.0));
    // Without an area, inside out, or with its centre outside: nothing.
    let none = [[5.0, 5.0, 5.0, 9.0], [9.0, 5.0, 5.0, 9.0], [40.0, 0.0, 60.0, 9.0]];
    let none: Vec<Labelled> = none.into_iter().map(|bounds| object(0, bounds)).collect();
    assert!(grid.encode(&none).iter().all(|&v| v == 0.0));
}

#[test]
fn whatever_a_network_answers_boxes_lie_in_the_picture() {
    let grid = Grid { image: [16, 16], cells: [1, 2], classes: 1 };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for broken in [[nan, 0.0, 0.0, 0.0, 0.0], [9.0, nan, 0.0, 0.0, 0.0], [9.0, 0.0, 0.0, nan, 0.0]]
    {
        let answer = [broken, [-9.0, 0.0, 0.0, 0.0, 0.0]].concat();
        assert_eq!(grid.decode(&answer, 0.5, 0.5), []);
    }
    let answer = [[9.0, 0.0, 0.0, inf, 500.0], [9.0, 900.0, -900.0, 1.0, 1.0]].concat();
    for d in grid.decode(&answer, 0.5, 0.5) {
        assert!(d.bounds.iter().all(|v| (0.0..=16.0).contains(v)), "{d:?}");
    }
}

#[test]
fn suppression_keeps_the_surest_of_a_class() {
    let found = |class, left: f32, score| Detection {
        class,
        score,
        bounds: [left, 0.0, left + 10.0, 10.0],
    };
    let all = vec![found(0, 2.0, 0.6), found(0, 0.0, 0.9), found(1, 0.0, 0.5), found(0, 4.0, 0.7)];
    // 2 of 10 pixels off: 8/12; 4 off: 6/14, below one half; so 0.9 removes 0.6 and leaves 0.7.
    let kept: Vec<f32> = suppress(all, 0.5).iter().map(|d| d.score).collect();
    assert_eq!(kept, [0.9, 0.7, 0.5]);
    assert_eq!(overlap([0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]), 1.0 / 7.0);
    assert_eq!(overlap([0.0; 4], [0.0; 4]), 0.0);
}
