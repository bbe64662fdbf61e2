//! The ground: six kinds of road, told by width, marks, edges and what lies beside them, under four
//! surface conditions, told by texture. All surfaces share one range of brightness and tint.

use super::air::{Air, Shade};
use super::camera::{Camera, Path};
use super::canvas::{Canvas, Colour, mix, scale};
use super::difficulty::Difficulty;
use super::domain::{GRASS, Look, MARK, PAVEMENT, SOIL, TARMAC, WATER};
use super::texture::{cell, hash, resolved, smooth};
use super::{PAVEMENT_MASK, ROAD_MASK, VERGE_MASK};
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
    solid: &'static [f32],
    broken: &'static [f32],
    period: [f32; 2],
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

/// Wider than in life, so that a mark some metres ahead covers a pixel of a small picture.
const MARK_WIDTH: f32 = 0.2;

/// One stretch of road, as it lies before the camera.
pub struct Road {
    pub kind: usize,
    pub surface: usize,
    pub path: Path,
    /// The lane's middle, seen from the road's.
    pub own: f32,
    bare: Colour,
    marks: Colour,
    /// Where a broken line begins, in periods.
    phase: f32,
    /// Depth of a zebra crossing's near edge.
    crossing: Option<f32>,
    /// Two shades of what lies about, for a strewn surface.
    strewn: [Colour; 2],
    texture: f32,
    salt: u32,
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
        let crossing = (random.uniform() < 0.35).then(|| random.between(5.0, 9.0) as f32);
        Self {
            kind,
            surface,
            path,
            own,
            bare,
            marks: if yellow { [marks[0], 0.8 * marks[1], 0.25 * marks[2]] } else { marks },
            phase: random.uniform(),
            crossing: crossing.filter(|_| kind == CITY),
            strewn,
            texture: hard.texture,
            salt: random.word(),
        }
    }

    /// Sideways place of the road's middle.
    pub fn middle(&self, z: f32) -> f32 {
        self.path.sideways(z) - self.own
    }

    fn shape(&self) -> &'static Kind {
        &ROADS[self.kind]
    }

    /// Everything below the horizon.
    pub fn paint(&self, canvas: &mut Canvas, camera: &Camera, air: &Air, look: &Look) {
        let first = camera.horizon.max(0.0).ceil() as usize;
        let side = canvas.side;
        for row in first..side {
            let z = camera.depth((row as f32 + 0.5).max(camera.horizon + 0.3));
            let spot = Row {
                z,
                footprint: camera.footprint(z),
                middle: self.middle(z),
                shade: air.at(z),
                mirrored: mix(air.haze, [0.9; 3], 0.2),
                row: row as f32,
            };
            let step = z / camera.focal;
            let mut x = camera.sideways(0.5, z);
            for column in 0..side {
                let (colour, owner) = self.ground(look, &spot, x - spot.middle, column as f32);
                let at = row * side + column;
                (canvas.light[at], canvas.owner[at]) = (colour, owner);
                x += step;
            }
        }
    }

    /// Light and owner `s` metres right of the road's middle.
    fn ground(&self, look: &Look, spot: &Row, s: f32, column: f32) -> (Colour, u8) {
        let shape = self.shape();
        let z = spot.z;
        let ragged = if matches!(self.kind, COUNTRY | TRACK) {
            0.35 * (smooth(z * 0.7, f32::from(s > 0.0) * 40.0, self.salt) - 0.5)
        } else {
            0.0
        };
        let out = s.abs() - shape.half - ragged;
        if out < 0.0 {
            return (self.surface(spot, s, column), ROAD_MASK);
        }
        let paved = spot.shade;
        if out < shape.pavement || self.kind == CITY {
            let slab = if out < 0.16 {
                1.3 // the kerb
            } else if cell(out * 1.3, z * 0.8, self.salt ^ 2) < 0.3 {
                0.92
            } else {
                1.0
            };
            return (paved.lit(scale(look.materials[PAVEMENT], slab)), PAVEMENT_MASK);
        }
        if self.kind == BRIDGE {
            if out < 0.9 {
                return (paved.lit(scale(look.materials[PAVEMENT], 0.85)), PAVEMENT_MASK);
            }
            let ripple = smooth(s * 0.5, 26.0 * z.ln(), self.salt ^ 3);
            let water = mix(
                spot.shade.lit(look.materials[WATER]),
                spot.mirrored,
                0.15 + 0.35 * ripple * ripple,
            );
            return (water, VERGE_MASK);
        }
        let blades = smooth(s * 1.6, z * 1.2, self.salt ^ 4) - 0.5;
        let clumps = smooth(s * 0.35, z * 0.3, self.salt ^ 5) - 0.5;
        let share = resolved(0.8, spot.footprint);
        let grass = scale(look.materials[GRASS], 1.0 + 0.5 * blades * share + 0.35 * clumps);
        // Old snow lies in patches, whatever the palette makes of it.
        let lies = self.surface == SNOW && smooth(s * 0.45, z * 0.3, self.salt ^ 6) < 0.55;
        let verge =
            if lies { mix(grass, [0.8, 0.82, 0.86], 0.75 * self.texture.min(1.0)) } else { grass };
        (spot.shade.lit(verge), VERGE_MASK)
    }

    /// The road itself under its condition.
    fn surface(&self, spot: &Row, s: f32, column: f32) -> Colour {
        let (z, shade) = (spot.z, spot.shade);
        let fine = resolved(0.5, spot.footprint);
        let grain = 1.0 + 0.1 * fine * (cell(s * 9.0, z * 4.0, self.salt) - 0.5);
        let marked = self.marked(s, z);
        let mut road = scale(if marked { self.marks } else { self.bare }, grain);
        if self.kind == TRACK && !marked {
            // Two ruts and a grown-over middle.
            let rut = (1.0 - ((s.abs() - 0.72) / 0.38).abs()).clamp(0.0, 1.0);
            road = scale(road, 1.12 - 0.3 * rut);
            let middle = (1.0 - s.abs() / 0.34).clamp(0.0, 1.0);
            road = mix(
                road,
                [0.3, 0.4, 0.17],
                0.6 * middle * (0.6 + smooth(s * 4.0, z * 2.0, self.salt ^ 7)).min(1.0),
            );
        }
        match self.surface {
            DRY => {
                // Tar seams and patches: thin dark lines across, and slabs a shade apart.
                let patch = cell(s * 0.45 + 7.0, z * 0.22, self.salt ^ 8) - 0.5;
                shade.lit(scale(road, 1.0 + 0.14 * self.texture * patch))
            }
            WET => {
                // A mirror: upright streaks of what is above, and puddles that show the sky.
                let streak = smooth(column * 0.22, spot.row * 0.025, self.salt ^ 9);
                let puddle = smooth(s * 0.8, 7.0 * z.ln(), self.salt ^ 10);
                let still = ((puddle - 0.52) * 9.0).clamp(0.0, 1.0);
                let streak = ((streak - 0.35) * 1.8).clamp(0.0, 1.0);
                let share = self.texture * (0.38 * streak + 0.5 * still).min(0.8);
                mix(shade.lit(scale(road, 0.82)), spot.mirrored, share)
            }
            SNOW => {
                // Soft heaps outside the two wheel tracks of every lane.
                let lane = s - self.own;
                let from_track = ((lane.abs() - 0.75).abs() - 0.3).max(0.0);
                let heap = smooth(s * 1.1, z * 0.5, self.salt ^ 11);
                let cover = ((from_track * 1.6 + heap - 0.55) * 4.0).clamp(0.0, 1.0);
                let level = 0.74 + 0.16 * smooth(s * 2.5, z * 1.3, self.salt ^ 12);
                shade.lit(mix(
                    road,
                    [level, level * 1.01, level * 1.05],
                    0.9 * self.texture.min(1.0) * cover,
                ))
            }
            _ => {
                // Strewn with leaves and stones: coarse specks that do not melt together.
                // One to a cell, round as the eye sees them, so cells are as deep as they look wide.
                let (u, v) = (s * 4.5, 14.0 * z.ln());
                let there = cell(u, v, self.salt ^ 13);
                let drift = smooth(s * 0.6, z * 0.3, self.salt ^ 15);
                let bits = hash(u.floor() as i32, v.floor() as i32, self.salt ^ 14);
                let (p, q) = (u - u.floor() - 0.5, v - v.floor() - 0.5);
                let round = p * p + q * q < 0.1 + 0.16 * (bits & 7) as f32 / 7.0;
                if round && there < 0.3 + 0.4 * drift {
                    let bright = 0.75 + 0.6 * cell(u, v, self.salt ^ 16);
                    let leaf = scale(self.strewn[(bits >> 4 & 1) as usize], bright);
                    shade.lit(mix(road, leaf, self.texture.min(1.0)))
                } else {
                    shade.lit(road)
                }
            }
        }
    }

    fn marked(&self, s: f32, z: f32) -> bool {
        let shape = self.shape();
        let on = |line: &f32| (s - line).abs() < 0.5 * MARK_WIDTH;
        if self.crossing.is_some_and(|near| z > near && z < near + 2.2) {
            return (s / 0.95 + 0.25).rem_euclid(1.0) < 0.5 && s.abs() < shape.half - 0.2;
        }
        shape.solid.iter().any(on)
            || (z / shape.period[0] + self.phase).fract() * shape.period[0] < shape.period[1]
                && shape.broken.iter().any(on)
    }
}

pub const DRY: usize = 0;
pub const WET: usize = 1;
pub const SNOW: usize = 2;

/// What one row of samples has in common.
struct Row {
    z: f32,
    footprint: f32,
    middle: f32,
    shade: Shade,
    /// What a wet surface shows.
    mirrored: Colour,
    row: f32,
}
