//! What the network sees: a picture brought to its size, and boxes brought back.

use metatape::data::picture::{Placement, Rgb};

use super::{noise, small};

#[test]
fn a_shrunk_picture_is_the_mean_of_the_areas_and_keeps_the_mean_of_all() {
    let Rgb { pixels, .. } = small();
    let mean = |c: usize| (0..6).map(|i| f32::from(pixels[3 * i + c])).sum::<f32>() / 6.0 / 255.0;
    let one = small().resized([1, 1]);
    // Six numbers of 24 bits are added.
    assert!((0..3).all(|c| (one[c] - mean(c)).abs() < 1e-6), "{one:?}");
    // 3 → 2 columns: one and a half old pixels each.
    let two = small().resized([2, 2]);
    let expected = [2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0, 1.0 / 3.0, 2.0 / 3.0];
    assert!(two[..6].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{two:?}");
    // Larger, a pixel is a square of the same colour.
    let large = small().resized([4, 6]);
    for (y, x) in (0..4).flat_map(|y| (0..6).map(move |x| (y, x))) {
        let from = &pixels[(y / 2 * 3 + x / 2) * 3..][..3];
        let at = &large[(y * 6 + x) * 3..][..3];
        assert!(at.iter().zip(from).all(|(a, &b)| (a - f32::from(b) / 255.0).abs() < 1e-6));
    }
    for size in [[1, 7], [5, 1], [13, 11], [30, 40], [47, 64]] {
        let picture = noise(40, 30, 5);
        let all: f64 = picture.pixels.iter().map(|&v| f64::from(v) / 255.0).sum::<f64>() / 3600.0;
        let small = picture.resized(size);
        let mean = small.iter().map(|&v| f64::from(v)).sum::<f64>() / small.len() as f64;
        // Areas cover the picture once; rounding of f32 sums of up to 1200 numbers.
        assert!((mean - all).abs() < 1e-5, "{size:?}: {mean} {all}");
    }
}

#[test]
fn a_picture_of_other_proportions_stands_whole_in_the_middle_and_boxes_find_back() {
    // 200 × 100 into 64 × 64: 64 wide, 32 high, 16 rows above.
    let placement = Placement::new([100, 200], [64, 64]);
    assert_eq!((placement.filled, placement.start), ([32, 64], [16, 0]));
    assert_eq!(placement.box_to_picture([0.0, 16.0, 64.0, 48.0]), [0.0, 0.0, 200.0, 100.0]);
    assert_eq!(placement.box_to_picture([16.0, 24.0, 32.0, 32.0]), [50.0, 25.0, 100.0, 50.0]);
    // What reaches over the edge is cut.
    assert_eq!(placement.box_to_picture([-9.0, 0.0, 99.0, 24.0]), [0.0, 0.0, 200.0, 25.0]);
    for picture in [[1, 1], [1, 5000], [5000, 1], [37, 91], [64, 64]] {
        let placement = Placement::new(picture, [48, 64]);
        let corner = placement.to_seen([picture[0] as f32, picture[1] as f32]);
        assert!(
            (0..2).all(|a| placement.filled[a] >= 1 && placement.filled[a] <= placement.seen[a])
        );
        assert!(placement.filled[0] == 48 || placement.filled[1] == 64, "as large as it fits");
        let back = placement.to_picture(corner);
        // Two products in f32 of numbers up to 5000.
        assert!((0..2).all(|a| (back[a] - picture[a] as f32).abs() < 2e-3 * picture[a] as f32));
    }
    let white = Rgb { height: 100, width: 200, pixels: vec![255; 60_000] };
    let fitted = white.fit([64, 64], [0.25, 0.5, 0.75]);
    for (i, pixel) in fitted.values.chunks_exact(3).enumerate() {
        let inside = (16..48).contains(&(i / 64));
        let expected = if inside { [1.0; 3] } else { [0.25, 0.5, 0.75] };
        assert!(
            pixel.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
            "row {}: {pixel:?}",
            i / 64
        );
    }
}
