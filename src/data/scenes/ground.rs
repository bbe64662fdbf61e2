//! The ground: six kinds of road, told by width, marks, edges and what lies beside them, under four
//! surface conditions, told by texture. All surfaces share one range of brightness and tint.

use super::air::{Air, Shade};
use super::camera::{Camera, Path, SAMPLES};
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
    /// The snow's colour, white or trodden.
    snow: Colour,
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
        let white = hard.snow[0] + (hard.snow[1] - hard.snow[0]) * random.uniform();
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
            snow: scale([1.0, 1.01, 1.05], white),
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
            let spot = self.row(z, row, camera, air);
            let step = z / camera.focal;
            let mut x = camera.sideways(0.5, z) - self.middle(z);
            for left in (0..side).step_by(SAMPLES) {
                // Soft textures are worked out once a pixel, where the pixel's middle is.
                let (mut verge, mut under) = (None, None);
                let middle = x + step;
                for column in left..left + SAMPLES {
                    let at = row * side + column;
                    (canvas.light[at], canvas.owner[at]) =
                        match x.abs() - spot.edges[usize::from(x > 0.0)] {
                            out if out < 0.0 => {
                                let under =
                                    under.get_or_insert_with(|| self.under(&spot, middle, left));
                                (self.surface(&spot, x, under), ROAD_MASK)
                            }
                            out if out < self.shape().pavement || self.kind == CITY => {
                                (spot.shade.lit(self.pavement(look, z, out)), PAVEMENT_MASK)
                            }
                            out if self.kind == BRIDGE && out < 0.9 => {
                                let colour = scale(look.materials[PAVEMENT], 0.85);
                                (spot.shade.lit(colour), PAVEMENT_MASK)
                            }
                            _ => (
                                *verge.get_or_insert_with(|| self.verge(look, &spot, middle)),
                                VERGE_MASK,
                            ),
                        };
                    x += step;
                }
            }
        }
    }

    /// What one row of samples has in common.
    fn row(&self, z: f32, row: usize, camera: &Camera, air: &Air) -> Row {
        let shape = self.shape();
        let ragged = |side: f32| match self.kind {
            COUNTRY | TRACK => 0.35 * (smooth(z * 0.7, side, self.salt) - 0.5),
            _ => 0.0,
        };
        let [period, length] = shape.period;
        Row {
            z,
            log: z.ln(),
            row: row as f32,
            footprint: camera.footprint(z),
            edges: [shape.half + ragged(0.0), shape.half + ragged(40.0)],
            dash: (z / period + self.phase).fract() * period < length,
            zebra: self.crossing.is_some_and(|near| z > near && z < near + 2.2),
            shade: air.at(z),
            mirrored: mix(air.haze, [0.9; 3], 0.2),
        }
    }

    fn pavement(&self, look: &Look, z: f32, out: f32) -> Colour {
        let slab = if out < 0.16 {
            1.3 // the kerb
        } else if cell(out * 1.3, z * 0.8, self.salt ^ 2) < 0.3 {
            0.92
        } else {
            1.0
        };
        scale(look.materials[PAVEMENT], slab)
    }

    /// What lies beyond road and pavement: grass, or water under a bridge.
    fn verge(&self, look: &Look, spot: &Row, s: f32) -> Colour {
        let z = spot.z;
        if self.kind == BRIDGE {
            let ripple = smooth(s * 0.5, 26.0 * spot.log, self.salt ^ 3);
            let water = spot.shade.lit(look.materials[WATER]);
            return mix(water, spot.mirrored, 0.15 + 0.35 * ripple * ripple);
        }
        let blades = smooth(s * 1.6, z * 1.2, self.salt ^ 4) - 0.5;
        let clumps = smooth(s * 0.35, z * 0.3, self.salt ^ 5) - 0.5;
        let share = resolved(0.8, spot.footprint);
        let grass = scale(look.materials[GRASS], 1.0 + 0.5 * blades * share + 0.35 * clumps);
        // Old snow lies in patches, as bright as the snow on the road.
        let lies = self.surface == SNOW && smooth(s * 0.45, z * 0.3, self.salt ^ 6) < 0.55;
        let share = if lies { 0.75 * self.texture.min(1.0) } else { 0.0 };
        spot.shade.lit(mix(grass, self.snow, share))
    }

    /// What one pixel's samples of the road have in common.
    fn under(&self, spot: &Row, s: f32, column: usize) -> Under {
        let z = spot.z;
        let strength = self.texture.min(1.0);
        match self.surface {
            // Patches: slabs a shade apart.
            DRY => Under {
                share: self.texture * 0.14 * (cell(s * 0.45 + 7.0, z * 0.22, self.salt ^ 8) - 0.5),
                level: 0.0,
            },
            WET => {
                // A mirror: upright streaks of what is above, and puddles that show the sky.
                let streak = smooth(column as f32 * 0.22, spot.row * 0.025, self.salt ^ 9);
                let puddle = smooth(s * 0.8, 7.0 * spot.log, self.salt ^ 10);
                let still = ((puddle - 0.52) * 9.0).clamp(0.0, 1.0);
                let streak = ((streak - 0.35) * 1.8).clamp(0.0, 1.0);
                Under { share: self.texture * (0.38 * streak + 0.5 * still).min(0.8), level: 0.0 }
            }
            SNOW => {
                // Soft heaps outside the two wheel tracks of every lane.
                let from_track = (((s - self.own).abs() - 0.75).abs() - 0.3).max(0.0);
                let heap = smooth(s * 1.1, z * 0.5, self.salt ^ 11);
                let cover = ((from_track * 1.6 + heap - 0.55) * 4.0).clamp(0.0, 1.0);
                let level = 0.9 + 0.2 * smooth(s * 2.5, z * 1.3, self.salt ^ 12);
                Under { share: 0.9 * strength * cover, level }
            }
            _ => Under {
                share: 0.3 + 0.4 * smooth(s * 0.6, z * 0.3, self.salt ^ 15),
                level: strength,
            },
        }
    }

    /// The road itself under its condition, at one sample.
    fn surface(&self, spot: &Row, s: f32, under: &Under) -> Colour {
        let (z, shade) = (spot.z, spot.shade);
        let fine = resolved(0.5, spot.footprint);
        let grain = 1.0 + 0.1 * fine * (cell(s * 9.0, z * 4.0, self.salt) - 0.5);
        let marked = self.marked(spot, s);
        let mut road = scale(if marked { self.marks } else { self.bare }, grain);
        if self.kind == TRACK {
            // Two ruts and a grown-over middle.
            let rut = (1.0 - ((s.abs() - 0.72) / 0.38).abs()).clamp(0.0, 1.0);
            road = scale(road, 1.12 - 0.3 * rut);
            let middle = (1.0 - s.abs() / 0.34).clamp(0.0, 1.0);
            road = mix(road, [0.3, 0.4, 0.17], 0.75 * middle);
        }
        match self.surface {
            DRY => shade.lit(scale(road, 1.0 + under.share)),
            WET => mix(shade.lit(scale(road, 0.82)), spot.mirrored, under.share),
            SNOW => shade.lit(mix(road, scale(self.snow, under.level), under.share)),
            _ => shade.lit(
                self.leaf(s, spot.log, under).map_or(road, |leaf| mix(road, leaf, under.level)),
            ),
        }
    }

    /// The leaf or stone that lies here: one to a cell at most, each somewhere else in its cell, in rows that
    /// do not meet, so that no wall of bricks is seen.
    fn leaf(&self, s: f32, log: f32, under: &Under) -> Option<Colour> {
        // As deep as they look wide to the eye, hence the logarithm.
        let v = 12.0 * log;
        let row = v.floor();
        let u = s * 4.0 + 0.5 * (row as i32 & 1) as f32;
        let bits = hash(u.floor() as i32, row as i32, self.salt ^ 14);
        let part = |shift: u32| (bits >> shift & 15) as f32 / 15.0;
        if part(0) > under.share {
            return None;
        }
        let (p, q) = (u - u.floor() - 0.3 - 0.4 * part(4), v - row - 0.3 - 0.4 * part(8));
        let round = p * p + q * q < 0.05 + 0.09 * part(12);
        round.then(|| scale(self.strewn[(bits >> 16 & 1) as usize], 0.75 + 0.5 * part(20)))
    }

    fn marked(&self, spot: &Row, s: f32) -> bool {
        let shape = self.shape();
        if spot.zebra {
            return (s / 0.95 + 20.25).fract() < 0.5 && s.abs() < shape.half - 0.2;
        }
        let on = |line: &f32| (s - line).abs() < 0.5 * MARK_WIDTH;
        shape.solid.iter().any(on) || spot.dash && shape.broken.iter().any(on)
    }
}

pub const DRY: usize = 0;
pub const WET: usize = 1;
pub const SNOW: usize = 2;

/// What one row of samples has in common.
struct Row {
    z: f32,
    /// Logarithm of z: equal steps look equally deep.
    log: f32,
    row: f32,
    footprint: f32,
    /// Metres from the road's middle to its left and right edge.
    edges: [f32; 2],
    /// Broken lines have paint here; a zebra crossing lies here.
    dash: bool,
    zebra: bool,
    shade: Shade,
    /// What a wet surface shows.
    mirrored: Colour,
}

/// A road's soft texture at one pixel: how much of what covers it, and how bright that is.
struct Under {
    share: f32,
    level: f32,
}
