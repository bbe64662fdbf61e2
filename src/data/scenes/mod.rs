//! Driving scenes, made from nothing: small colour pictures of a road with the truth for every head.
//!
//! A [`World`] is a number; it holds source, held-out and target [`Domain`]s (a palette, a camera, a
//! weather, a mix of labels), and a domain holds as many scenes as there are numbers. Everything is a
//! pure function of (seed, domain, index), so no picture is ever stored.
//!
//! ```
//! use metatape::data::scenes::{KINDS, World};
//! let scene = World::new(1).source(0).scene(7);
//! assert_eq!(scene.pixels.len(), 48 * 48 * 3);
//! println!("{} with {} objects", KINDS[scene.truth.kind], scene.truth.objects.len());
//! ```
//!
//! Reading order: here, `difficulty` (every knob), `domain`, `paint` (a scene from first to last), then
//! what it is made of: `camera`, `canvas`, `air`, `road`, `ground`, `props`, `actors`, `lights`, `texture`.

mod actors;
mod air;
mod camera;
mod canvas;
mod difficulty;
mod domain;
mod ground;
mod lights;
mod paint;
mod props;
mod road;
mod texture;

pub use camera::SAMPLES;
pub use difficulty::Difficulty;
pub use domain::{AVERAGE, Look, Mix};

use crate::random::{Stream, fold, stream};
use std::sync::Arc;

/// Kinds of road.
pub const KINDS: [&str; 6] = ["motorway", "city", "suburb", "country", "track", "bridge"];
/// Conditions of its surface.
pub const SURFACES: [&str; 4] = ["dry", "wet", "snow", "leaves"];
/// Classes of obstacles.
pub const OBJECTS: [&str; 3] = ["pedestrian", "car", "cyclist"];
/// States of the traffic light.
pub const SIGNALS: [&str; 4] = ["none", "red", "amber", "green"];
/// Classes of the dense mask. Rails and posts are buildings, water is verge, poles are signs.
pub const MASKS: [&str; 8] =
    ["sky", "building", "tree", "road", "pavement", "verge", "obstacle", "sign"];

const SKY_MASK: u8 = 0;
const BUILDING_MASK: u8 = 1;
const TREE_MASK: u8 = 2;
const ROAD_MASK: u8 = 3;
const PAVEMENT_MASK: u8 = 4;
const VERGE_MASK: u8 = 5;
const OBSTACLE_MASK: u8 = 6;
const SIGN_MASK: u8 = 7;

/// How far ahead the path's offset is measured, in metres.
pub const PATH_AHEAD: f32 = 8.0;

/// All domains of one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    pub seed: u64,
    /// Pixels a side of every picture: 48, or 64 at most.
    pub size: usize,
    pub difficulty: Difficulty,
}

/// One place with its camera. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Domain {
    /// `source 3`, `held out 0`, `target 4`.
    pub name: String,
    pub size: usize,
    pub look: Look,
    pub mix: Mix,
    pub difficulty: Difficulty,
    seed: u64,
    id: u32,
    /// Brightness after gain, [0, 1] in equal steps, to brightness on the picture, of 255.
    curve: Arc<[f32]>,
}

/// A picture and all that is true of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Pixels a side.
    pub size: usize,
    /// `[size, size, 3]`, rows from above.
    pub pixels: Vec<u8>,
    pub truth: Truth,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// Index into [`KINDS`].
    pub kind: usize,
    /// Index into [`SURFACES`].
    pub surface: usize,
    /// Four at most, in no order.
    pub objects: Vec<Object>,
    /// Index into [`SIGNALS`].
    pub signal: usize,
    /// Curvature in 1/(100 m), positive to the right (2 at most), and the column of the path's middle
    /// [`PATH_AHEAD`] metres ahead, in picture widths from the picture's middle.
    pub path: [f32; 2],
    /// `[size, size]`, indices into [`MASKS`].
    pub mask: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Index into [`OBJECTS`].
    pub class: usize,
    /// Left, top, right, bottom of what is visible of it, in pixels, to a third of one.
    pub bounds: [f32; 4],
    /// Share of its body that is visible.
    pub visible: f32,
}

impl World {
    /// Pictures of 48 pixels at the committed difficulty.
    pub fn new(seed: u64) -> Self {
        Self { seed, size: 48, difficulty: Difficulty::default() }
    }

    /// A domain to learn from.
    pub fn source(&self, n: usize) -> Domain {
        self.domain(0, n, "source", 1.0)
    }

    /// A source domain that is kept apart for choices: when to stop, which weight.
    pub fn heldout(&self, n: usize) -> Domain {
        self.domain(1, n, "held out", 1.0)
    }

    /// A domain to adapt to, farther from the average by [`Difficulty::shift`].
    pub fn target(&self, n: usize) -> Domain {
        self.domain(2, n, "target", self.difficulty.shift)
    }

    #[track_caller]
    fn domain(&self, role: u32, n: usize, name: &str, stray: f32) -> Domain {
        assert!(
            (16..=64).contains(&self.size),
            "scenes of {} pixels; 16 to 64 are possible",
            self.size
        );
        assert!(n < 1 << 24, "domain {n}; there are 2^24 of a kind");
        let id = role << 24 | n as u32;
        let random = Stream::new(fold(self.seed), stream::DOMAINS, 0, id);
        let look = Look::draw(&mut random.fork(1), &self.difficulty, stray);
        const STEPS: usize = 4096;
        let curve =
            (0..=STEPS).map(|i| 255.0 * (i as f32 / STEPS as f32).powf(look.gamma)).collect();
        Domain {
            name: format!("{name} {n}"),
            size: self.size,
            look,
            mix: Mix::draw(&mut random.fork(2), &self.difficulty, stray),
            difficulty: self.difficulty.clone(),
            seed: self.seed,
            id,
            curve,
        }
    }
}

impl Domain {
    /// Scene number `index`: always the same one.
    pub fn scene(&self, index: u64) -> Scene {
        paint::scene(self, index).0
    }

    /// Whose each sample of a scene is, `[SAMPLES·size, SAMPLES·size]`: a class of [`MASKS`], or 16 + k
    /// for the k-th object placed (those too small or too hidden for a label as well).
    pub fn owners(&self, index: u64) -> Vec<u8> {
        paint::scene(self, index).1.owner
    }

    fn curve(&self, light: f32, noise: f32) -> u8 {
        let last = self.curve.len() - 1;
        let step = (light.clamp(0.0, 1.0) * last as f32) as usize;
        (self.curve[step] + 255.0 * noise + 0.5) as u8
    }
}
