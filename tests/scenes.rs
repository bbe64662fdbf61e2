//! Is the driving world what it says? Scenes that depend on their numbers alone, truth that agrees with
//! the picture, frequencies as stated, domains that differ, and changes that keep truth true.

use metatape::data::augment::{Augment, Normal, mirrored};
use metatape::data::scenes::{
    AVERAGE, Domain, KINDS, MASKS, OBJECTS, SAMPLES, SIGNALS, SURFACES, Scene, World,
};

fn domains() -> Vec<Domain> {
    let world = World::new(1);
    (0..3).map(|n| world.source(n)).chain((0..3).map(|n| world.target(n))).collect()
}

/// A domain seen through a plain camera by day, so that colours can be told.
fn plain() -> Domain {
    let mut world = World::new(1);
    world.difficulty.colour = 0.0;
    world.difficulty.signs = [1.0, 0.0, 0.0];
    let mut domain = world.source(11);
    let look = &mut domain.look;
    (look.gain, look.night, look.fog, look.rain, look.noise) = (1.0, 0.0, 0.0, 0.0, 0.0);
    domain
}

// A scene is its numbers.

#[test]
fn a_scene_is_a_pure_function_of_seed_domain_and_index() {
    for domain in domains() {
        let scenes: Vec<Scene> = [5, 3, 5 + (1 << 40)].map(|i| domain.scene(i)).to_vec();
        assert!(domain.clone().scene(5) == scenes[0], "drawn again, scene 5 differs");
        assert!(scenes[0].pixels != scenes[1].pixels && scenes[0].pixels != scenes[2].pixels);
    }
    let pixels = |seed, n| World::new(seed).source(n).scene(0).pixels;
    assert!(pixels(1, 0) == pixels(1, 0));
    assert!(pixels(1, 0) != pixels(2, 0));
    assert!(pixels(1, 0) != pixels(1, 1));
    assert!(pixels(1, 0) != World::new(1).heldout(0).scene(0).pixels);
    assert!(pixels(1, 0) != World::new(1).target(0).scene(0).pixels);
}

// Truth agrees with the picture.

/// Bounds of each object's samples, in pixels, for those that have any.
fn drawn(owners: &[u8], size: usize) -> Vec<[f32; 4]> {
    let side = size * SAMPLES;
    let bounds = (16..20).map(|owner| {
        let places = (0..side * side).filter(|&at| owners[at] == owner);
        places.fold([side, side, 0, 0], |[l, t, r, b], at| {
            let (row, column) = (at / side, at % side);
            [l.min(column), t.min(row), r.max(column + 1), b.max(row + 1)]
        })
    });
    bounds.filter(|b| b[2] > 0).map(|b| b.map(|v| v as f32 / SAMPLES as f32)).collect()
}

#[test]
fn boxes_enclose_exactly_what_is_visible_of_an_object() {
    let mut boxes = 0;
    for (domain, index) in domains().iter().flat_map(|d| (0..60).map(move |i| (d, i))) {
        let scene = domain.scene(index);
        let drawn = drawn(&domain.owners(index), scene.size);
        for object in &scene.truth.objects {
            // Bounds are kept to 1/4096 of a pixel, so that mirroring them is exact.
            let same =
                |b: &[f32; 4]| (0..4).all(|i| (b[i] - object.bounds[i]).abs() < 1.0 / 4096.0);
            assert!(drawn.iter().any(same), "{:?} is not among {drawn:?}", object.bounds);
            let [left, top, right, bottom] = object.bounds;
            assert!((right - left).min(bottom - top) >= domain.difficulty.side);
            assert!((0.4..=1.0).contains(&object.visible), "{object:?}");
            boxes += 1;
        }
    }
    assert!(boxes > 360, "{boxes} boxes in 360 scenes");
}

#[test]
fn an_object_alone_is_wholly_visible_and_two_may_hide_one_another() {
    let (mut alone, mut whole, mut hidden) = (0, 0, 0);
    for (domain, index) in domains().iter().flat_map(|d| (0..150).map(move |i| (d, i))) {
        let scene = domain.scene(index);
        let truth = &scene.truth;
        let drawn = drawn(&domain.owners(index), scene.size);
        let inside = drawn.iter().all(|b| b[0] > 0.0 && b[1] > 0.0 && b[2] < 48.0 && b[3] < 48.0);
        if drawn.len() == 1 && inside && truth.signal == 0 {
            alone += 1;
            whole += usize::from(truth.objects.first().is_some_and(|o| o.visible == 1.0));
        }
        hidden += truth.objects.iter().filter(|o| o.visible < 0.9).count();
    }
    // A sign's pole, a rail or a tree may stand before one in ten.
    assert!(alone > 30 && whole * 10 >= alone * 8, "{whole} of {alone} are wholly visible");
    assert!(hidden > 50, "{hidden} objects are partly hidden");
}

#[test]
fn the_mask_is_what_stands_at_each_pixels_middle() {
    let mut seen = [0; MASKS.len()];
    for domain in domains() {
        for index in 0..40 {
            let (scene, owners) = (domain.scene(index), domain.owners(index));
            for (at, &class) in scene.truth.mask.iter().enumerate() {
                let (row, column) = (at / scene.size, at % scene.size);
                let middle = |i: usize| i * SAMPLES + SAMPLES / 2;
                let owner = owners[middle(row) * scene.size * SAMPLES + middle(column)];
                assert_eq!(class, if owner >= 16 { 6 } else { owner });
                seen[class as usize] += 1;
            }
        }
    }
    let share = |class: usize| seen[class] as f32 / seen.iter().sum::<i32>() as f32;
    for (class, name) in MASKS.iter().enumerate() {
        assert!(share(class) > 0.01, "{name}: {:.3} of all pixels", share(class));
    }
}

#[test]
fn the_lamp_that_is_lit_has_its_states_colour() {
    let mut domain = plain();
    domain.mix.kinds = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]; // country: no blue panel over the road
    for (state, name) in SIGNALS.iter().enumerate().skip(1) {
        domain.mix.signals = [0.0; 4];
        domain.mix.signals[state] = 1.0;
        for index in 0..40 {
            let scene = domain.scene(index);
            let signs = scene.truth.mask.iter().zip(scene.pixels.chunks_exact(3));
            let most_colourful = signs
                .filter(|(class, _)| **class == 7)
                .map(|(_, p)| p)
                .max_by_key(|p| p.iter().max().unwrap() - p.iter().min().unwrap())
                .expect("a light is a sign in the mask");
            let [r, g, b] = [0, 1, 2].map(|i| i32::from(most_colourful[i]));
            let right = match state {
                1 => r > 2 * g && r > 2 * b,
                2 => r > 2 * b && g > 2 * b && r > g,
                _ => g > 2 * r && g > b,
            };
            assert!(right, "{name} looks like {most_colourful:?} in scene {index}");
        }
    }
}

/// On a track there is one lane, so the path is the road's middle.
#[test]
fn the_path_leads_along_the_middle_of_a_track() {
    let mut domain = plain();
    domain.mix.kinds = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    domain.mix.counts = [1.0, 0.0, 0.0, 0.0, 0.0];
    domain.mix.signals = [1.0, 0.0, 0.0, 0.0];
    let mut pairs = vec![];
    for scene in (0..120).map(|i| domain.scene(i)) {
        let size = scene.size;
        let middle = |row: usize| {
            let road: Vec<usize> =
                (0..size).filter(|x| scene.truth.mask[row * size + x] == 3).collect();
            let sum: usize = road.iter().sum();
            (road.len() > 2).then(|| (sum as f32 / road.len() as f32 + 0.5) / size as f32 - 0.5)
        };
        // 8 metres ahead lies .8 · 48 · 1.5 / 8 = 7 rows below the horizon, give or take the camera's.
        let look = &domain.look;
        let row = look.horizon + look.focal * look.height / 8.0;
        if let Some(middle) = middle((row * size as f32) as usize) {
            pairs.push((middle, scene.truth.path[0], scene.truth.path[1]));
        }
    }
    assert!(pairs.len() > 60, "{} roads are seen whole", pairs.len());
    let off = pairs.iter().map(|(seen, _, path)| (seen - path).abs()).sum::<f32>();
    // A row of camera shake moves a bend's middle by about a pixel: .02 of a picture.
    assert!(off / (pairs.len() as f32) < 0.03, "mean error {}", off / pairs.len() as f32);
    let bends = |sign: f32| pairs.iter().filter(|p| p.1 * sign > 0.5).count();
    assert!(bends(1.0) > 10 && bends(-1.0) > 10);
}

// Frequencies.

#[test]
fn kinds_surfaces_states_and_classes_come_as_often_as_stated() {
    for domain in [World::new(1).source(0), World::new(1).target(0)] {
        let count = 2500;
        let (mut kinds, mut surfaces, mut signals) = ([0; 6], [0; 4], [0; 4]);
        let (mut objects, mut placed) = ([0; 3], 0);
        for scene in (0..count).map(|i| domain.scene(i)) {
            kinds[scene.truth.kind] += 1;
            surfaces[scene.truth.surface] += 1;
            signals[scene.truth.signal] += 1;
            scene.truth.objects.iter().for_each(|o| objects[o.class] += 1);
            placed += scene.truth.objects.len();
        }
        let near = |what: &str, seen: &[i32], stated: &[f64]| {
            for (i, (&seen, p)) in seen.iter().zip(stated).enumerate() {
                let n = count as f64;
                // Five standard deviations of a binomial count.
                let most = 5.0 * (n * p * (1.0 - p)).sqrt();
                assert!((f64::from(seen) - n * p).abs() < most, "{what} {i}: {seen} of {n} at {p}");
            }
        };
        near("kind", &kinds, &domain.mix.kinds);
        near("surface", &surfaces, &domain.mix.surfaces);
        near("signal", &signals, &domain.mix.signals);
        // Some that are placed are too hidden to count; not many, and of no class in particular.
        let stated: f64 = domain.mix.counts.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
        let share = placed as f64 / (stated * count as f64);
        assert!((0.75..1.0).contains(&share), "{share} of what is placed has a label");
        for class in 0..OBJECTS.len() {
            let (seen, stated) =
                (f64::from(objects[class]) / placed as f64, domain.mix.objects[class]);
            assert!((seen / stated - 1.0).abs() < 0.2, "{}: {seen}, not {stated}", OBJECTS[class]);
        }
    }
}

#[test]
fn the_mixes_of_many_domains_lie_about_the_average() {
    let world = World::new(2);
    let count = 400;
    let mean = |of: &dyn Fn(&Domain) -> Vec<f64>| -> Vec<f64> {
        let all: Vec<Vec<f64>> = (0..count).map(|n| of(&world.source(n))).collect();
        (0..all[0].len()).map(|i| all.iter().map(|m| m[i]).sum::<f64>() / count as f64).collect()
    };
    let near = |seen: Vec<f64>, stated: &[f64]| {
        // A mix strays by a factor of e^.3, so means of 400 are exact to 2 %; normalising pulls a large
        // share down by a few.
        assert!(seen.iter().zip(stated).all(|(s, p)| (s / p - 1.0).abs() < 0.08), "{seen:?}");
    };
    near(mean(&|d| d.mix.kinds.to_vec()), &AVERAGE.kinds);
    near(mean(&|d| d.mix.surfaces.to_vec()), &AVERAGE.surfaces);
    near(mean(&|d| d.mix.signals.to_vec()), &AVERAGE.signals);
    near(mean(&|d| d.mix.objects.to_vec()), &AVERAGE.objects);
    near(mean(&|d| d.mix.counts.to_vec()), &AVERAGE.counts);
    assert_eq!((KINDS.len(), SURFACES.len()), (AVERAGE.kinds.len(), AVERAGE.surfaces.len()));
}

// Domains.

#[test]
fn a_target_domain_strays_farther_by_the_shift() {
    let world = World::new(4);
    let spread = |of: &dyn Fn(usize) -> Domain| {
        let squares = (0..600).map(|n| of(n).look.gamma.ln().powi(2)).sum::<f32>();
        (squares / 600.0).sqrt()
    };
    let ratio = spread(&|n| world.target(n)) / spread(&|n| world.source(n));
    // Each root mean square of 600 is exact to 3 %.
    assert!((ratio / world.difficulty.shift - 1.0).abs() < 0.15, "{ratio}");
    let ratio = spread(&|n| world.heldout(n)) / spread(&|n| world.source(n));
    assert!((ratio - 1.0).abs() < 0.15, "{ratio}");
}

#[test]
fn domains_look_different_and_none_is_hidden_in_noise_or_darkness() {
    let world = World::new(1);
    let all: Vec<Domain> =
        (0..12).map(|n| world.source(n)).chain((0..5).map(|n| world.target(n))).collect();
    let mut means = vec![];
    for domain in &all {
        assert!(domain.look.noise <= world.difficulty.most_noise + 1e-6, "{}", domain.name);
        let (mut mean, mut spread) = ([0.0; 3], 0.0);
        for scene in (0..20).map(|i| domain.scene(i)) {
            let count = (scene.pixels.len() / 3) as f32;
            let mut own = [0.0; 3];
            scene
                .pixels
                .chunks_exact(3)
                .for_each(|p| (0..3).for_each(|c| own[c] += p[c] as f32 / count));
            let off = |p: &[u8]| (0..3).map(|c| (p[c] as f32 - own[c]).powi(2)).sum::<f32>() / 3.0;
            spread += (scene.pixels.chunks_exact(3).map(off).sum::<f32>() / count).sqrt() / 20.0;
            (0..3).for_each(|c| mean[c] += own[c] / 20.0);
        }
        let noise = 255.0 * domain.look.noise;
        assert!(spread > 3.0 * noise, "{}: contrast {spread}, noise {noise}", domain.name);
        means.push(mean);
    }
    for (i, a) in means.iter().enumerate() {
        for b in &means[..i] {
            let apart = (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f32>().sqrt();
            assert!(apart > 1.0, "two domains have the mean colours {a:?} and {b:?}");
        }
    }
}

#[test]
fn a_larger_picture_shows_the_same_scene() {
    let mut world = World::new(1);
    let small = world.source(2).scene(9);
    world.size = 64;
    let large = world.source(2).scene(9);
    assert_eq!(large.pixels.len(), 64 * 64 * 3);
    assert_eq!((large.truth.kind, large.truth.signal), (small.truth.kind, small.truth.signal));
    let same = |a: f32, b: f32| (a / 48.0 - b / 64.0).abs() < 0.02;
    for (a, b) in small.truth.objects.iter().zip(&large.truth.objects) {
        assert!((0..4).all(|i| same(a.bounds[i], b.bounds[i])), "{a:?} {b:?}");
    }
    assert!((0..2).all(|i| (small.truth.path[i] - large.truth.path[i]).abs() < 1e-5));
}

// Changes that keep truth true.

#[test]
fn mirroring_twice_is_the_scene_itself() {
    for scene in domains().iter().flat_map(|d| (0..20).map(|i| d.scene(i))) {
        let once = mirrored(&scene);
        assert!(mirrored(&once) == scene, "mirrored twice, yet changed");
        let size = scene.size;
        for at in 0..size * size {
            let other = at / size * size + size - 1 - at % size;
            assert_eq!(once.pixels[3 * at..3 * at + 3], scene.pixels[3 * other..3 * other + 3]);
            assert_eq!(once.truth.mask[at], scene.truth.mask[other]);
        }
        assert_eq!(once.truth.path, scene.truth.path.map(|p| -p));
        assert_eq!(once.truth.signal, scene.truth.signal);
        assert_eq!((once.truth.kind, once.truth.surface), (scene.truth.kind, scene.truth.surface));
        for (a, b) in scene.truth.objects.iter().zip(&once.truth.objects) {
            assert_eq!(
                b.bounds,
                [48.0 - a.bounds[2], a.bounds[1], 48.0 - a.bounds[0], a.bounds[3]]
            );
        }
    }
}

#[test]
fn truth_moves_with_a_shifted_picture() {
    let augment = Augment::default();
    let mut gone = 0;
    for scene in domains().iter().flat_map(|d| (0..40).map(|i| d.scene(i))) {
        let (size, right, down) = (48, 3, -2);
        let moved = augment.shifted(&scene, right, down);
        for (row, column) in (0..46).flat_map(|r| (3..48).map(move |c| (r, c))) {
            let (to, from) = (row * size + column, (row + 2) * size + column - 3);
            assert_eq!(moved.pixels[3 * to..3 * to + 3], scene.pixels[3 * from..3 * from + 3]);
            assert_eq!(moved.truth.mask[to], scene.truth.mask[from]);
        }
        let ahead = scene.truth.path[1] + 3.0 / 48.0;
        assert!((moved.truth.path[1] - ahead).abs() < 1e-6);
        assert_eq!(moved.truth.path[0], scene.truth.path[0]);
        gone += scene.truth.objects.len() - moved.truth.objects.len();
        for object in &moved.truth.objects {
            let was = |b: &[f32; 4]| {
                let by = [3.0, -2.0, 3.0, -2.0];
                (0..4).all(|i| object.bounds[i] == (b[i] + by[i]).clamp(0.0, 48.0))
            };
            assert!(scene.truth.objects.iter().any(|o| was(&o.bounds) && o.class == object.class));
        }
        assert!(augment.shifted(&scene, 0, 0) == scene, "not moved, yet changed");
        assert!(augment.shifted(&scene, 60, 0).truth.objects.is_empty());
    }
    assert!(gone < 60, "{gone} objects left with three pixels");
}

#[test]
fn how_a_scene_is_changed_depends_on_seed_step_and_element_alone() {
    let scene = World::new(1).source(1).scene(4);
    let augment = Augment::default();
    let seen = augment.apply(&scene, 7, 3, 2);
    assert!(seen == augment.apply(&scene, 7, 3, 2), "changed again, it differs");
    for other in [augment.apply(&scene, 8, 3, 2), augment.apply(&scene, 7, 2, 3)] {
        assert!(seen.pixels != other.pixels);
    }
    let still = Augment { shift: 0, flip: false, jitter: 0.0, ..augment };
    assert!(still.apply(&scene, 7, 3, 2) == scene, "nothing was to change");
    let colours = Augment { jitter: 0.2, ..still }.apply(&scene, 7, 3, 2);
    assert_eq!(colours.truth, scene.truth);
    assert!(colours.pixels != scene.pixels);
    let flips = (0..400).filter(|&step| {
        Augment { flip: true, ..still }.apply(&scene, 7, step, 0) == mirrored(&scene)
    });
    let flips = flips.count();
    // Five standard deviations of 400 fair draws.
    assert!((150..=250).contains(&flips), "{flips} of 400 are mirrored");
}

#[test]
fn normalised_pictures_have_mean_zero_and_deviation_one() {
    let domain = World::new(1).source(3);
    let scenes: Vec<Scene> = (0..30).map(|i| domain.scene(i)).collect();
    let normal = Normal::of(&scenes);
    let (mut sum, mut squares, mut x) = (0.0, 0.0, vec![0.0; 48 * 48 * 3]);
    for scene in &scenes {
        normal.write(&scene.pixels, &mut x);
        sum += x.iter().map(|v| f64::from(*v)).sum::<f64>();
        squares += x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    }
    // The moments are exact but for f32.
    let count = (30 * 48 * 48 * 3) as f64;
    assert!((sum / count).abs() < 1e-3 && (squares / count - 1.0).abs() < 1e-3);
}
