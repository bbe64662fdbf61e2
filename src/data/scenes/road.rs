//! Kinds of road as tables, and one stretch of a road as it is drawn by lot.

use super::camera::Path;
use super::canvas::{Colour, scale};
use super::difficulty::Difficulty;
use super::domain::{Look, MARK, SOIL, TARMAC};
use crate::random::Stream;

/// What a kind of road looks like from above, in metres from its middle.
pub struct Kind {
    /// Half of the road's width.
    pub half: f32,
    /// Middles of the lanes that one may drive in.
    lanes: &'static [f32],
    /// Width of the pavement; 0 where there is none.
    pub pavement: f32,
    /// Solid lines, and broken ones with period and length.
    pub solid: &'static [f32],
    pub broken: &'static [f32],
    pub period: [f32; 2],
    /// How sharply it may bend, in 1/m.
    pub bend: f32,
}

/// In the order of [`super::KINDS`].
pub const ROADS: [Kind; 6] = [
    Kind {
        half: 5.3,
        lanes: &[-3.3, 0.0, 3.3],
        pavement: 0.0,
        solid: &[-4.95, 4.95],
        broken: &[-1.65, 1.65],
        period: [7.0, 3.2],
        bend: 0.005,
    },
    Kind {
        half: 3.5,
        lanes: &[1.7],
        pavement: 2.4,
        solid: &[],
        broken: &[0.0],
        period: [3.6, 1.8],
        bend: 0.006,
    },
    Kind {
        half: 2.6,
        lanes: &[1.1],
        pavement: 1.3,
        solid: &[],
        broken: &[],
        period: [1.0, 0.0],
        bend: 0.012,
    },
    Kind {
        half: 2.9,
        lanes: &[1.4],
        pavement: 0.0,
        solid: &[],
        broken: &[0.0],
        period: [5.0, 2.5],
        bend: 0.016,
    },
    Kind {
        half: 1.6,
        lanes: &[0.0],
        pavement: 0.0,
        solid: &[],
        broken: &[],
        period: [1.0, 0.0],
        bend: 0.02,
    },
    Kind {
        half: 3.7,
        lanes: &[1.7],
        pavement: 0.0,
        solid: &[-3.3, -0.16, 0.16, 3.3],
        broken: &[],
        period: [1.0, 0.0],
        bend: 0.004,
    },
];

pub const MOTORWAY: usize = 0;
pub const CITY: usize = 1;
pub const SUBURB: usize = 2;
pub const COUNTRY: usize = 3;
pub const TRACK: usize = 4;
pub const BRIDGE: usize = 5;

pub const DRY: usize = 0;
pub const WET: usize = 1;
pub const SNOW: usize = 2;

/// One stretch of road, as it lies before the camera.
pub struct Road {
    pub kind: usize,
    pub surface: usize,
    pub path: Path,
    /// The lane's middle, seen from the road's.
    pub own: f32,
    /// Width of what is paved beside it.
    pub paved: f32,
    pub bare: Colour,
    pub marks: Colour,
    /// Where a broken line begins, in periods.
    pub phase: f32,
    /// Depth of a zebra crossing's near edge.
    pub crossing: Option<f32>,
    /// Two shades of what lies about, for a strewn surface.
    pub strewn: [Colour; 2],
    /// The snow's colour, white or trodden.
    pub snow: Colour,
    pub texture: f32,
    pub salt: u32,
}

impl Road {
    pub fn new(
        kind: usize,
        surface: usize,
        look: &Look,
        hard: &Difficulty,
        random: &mut Stream,
    ) -> Self {
        let shape = &ROADS[kind];
        let own = shape.lanes[random.below(shape.lanes.len())];
        let drift = 0.25 * shape.half.min(2.4);
        let path = Path {
            start: random.between(-1.0, 1.0) as f32 * drift,
            slope: random.between(-0.06, 0.06) as f32,
            curvature: random.between(-1.0, 1.0) as f32 * shape.bend,
        };
        let level = hard.tarmac[0] + (hard.tarmac[1] - hard.tarmac[0]) * random.uniform();
        let tint = [0; 3].map(|_| 1.0 + 0.12 * (random.uniform() - 0.5));
        let material = look.materials[if kind == TRACK { SOIL } else { TARMAC }];
        let bare = [0, 1, 2].map(|i| level * tint[i] * material[i]);
        let yellow = kind == BRIDGE && random.uniform() < 0.5;
        let marks = look.materials[MARK];
        let autumn = [[0.62, 0.36, 0.1], [0.5, 0.22, 0.08], [0.7, 0.58, 0.2], [0.55, 0.53, 0.48]];
        let strewn = [0; 2].map(|_| autumn[random.below(autumn.len())]);
        let white = hard.snow[0] + (hard.snow[1] - hard.snow[0]) * random.uniform();
        let crossing = (random.uniform() < 0.35).then(|| random.between(5.0, 9.0) as f32);
        Self {
            kind,
            surface,
            path,
            own,
            paved: match kind {
                CITY => f32::INFINITY,
                BRIDGE => 0.9,
                _ => shape.pavement,
            },
            bare,
            marks: if yellow { [marks[0], 0.8 * marks[1], 0.25 * marks[2]] } else { marks },
            phase: random.uniform(),
            crossing: crossing.filter(|_| kind == CITY),
            strewn,
            snow: scale([1.0, 1.01, 1.05], white),
            texture: hard.texture,
            salt: random.word(),
        }
    }

    /// Sideways place of the road's middle.
    pub fn middle(&self, z: f32) -> f32 {
        self.path.sideways(z) - self.own
    }

    pub fn shape(&self) -> &'static Kind {
        &ROADS[self.kind]
    }
}
