//! The ground as it is seen: roads told by width, marks, edges and what lies beside them, under four
//! surface conditions told by texture. All surfaces share one range of brightness and tint.

use super::air::{Air, Shade};
use super::camera::{Camera, SAMPLES};
use super::canvas::{Canvas, Colour, mix, scale};
use super::domain::{GRASS, Look, PAVEMENT, WATER};
use super::road::{BRIDGE, COUNTRY, DRY, Road, SNOW, TRACK, WET};
use super::texture::{cell, floor, hash, resolved, smooth};
use super::{PAVEMENT_MASK, ROAD_MASK, VERGE_MASK};

/// Wider than in life, so that a mark some metres ahead covers a pixel of a small picture.
const MARK_WIDTH: f32 = 0.2;

impl Road {
    /// Everything below the horizon.
    pub fn paint(&self, canvas: &mut Canvas, camera: &Camera, air: &Air, look: &Look) {
        let first = camera.horizon.max(0.0).ceil() as usize;
        let side = canvas.side;
        for top in (first / SAMPLES * SAMPLES..side).step_by(SAMPLES) {
            let rows: [Row; SAMPLES] = std::array::from_fn(|r| self.row(top + r, camera, air));
            let soft = &rows[SAMPLES / 2];
            for left in (0..side).step_by(SAMPLES) {
                // Soft textures are worked out once a pixel, at its middle; edges and marks at every sample.
                let middle = soft.start + soft.step * (left + SAMPLES / 2) as f32;
                let (mut verge, mut under) = (None, None);
                for (row, spot) in (top..).zip(&rows).filter(|(row, _)| *row >= first) {
                    for column in left..left + SAMPLES {
                        let s = spot.start + spot.step * column as f32;
                        let out = s.abs() - spot.edges[usize::from(s > 0.0)];
                        let (light, owner) = if out < 0.0 {
                            let under = under.get_or_insert_with(|| self.under(soft, middle, left));
                            (self.surface(spot, s, under), ROAD_MASK)
                        } else if out < self.paved {
                            (spot.shade.lit(self.pavement(look, spot.z, out)), PAVEMENT_MASK)
                        } else {
                            let verge = verge.get_or_insert_with(|| self.verge(look, soft, middle));
                            (*verge, VERGE_MASK)
                        };
                        let at = row * side + column;
                        (canvas.light[at], canvas.owner[at]) = (light, owner);
                    }
                }
            }
        }
    }

    /// What one row of samples has in common.
    fn row(&self, row: usize, camera: &Camera, air: &Air) -> Row {
        let shape = self.shape();
        // The first row may begin above the horizon, where there is no ground.
        let z = camera.depth((row as f32 + 0.5).max(camera.horizon + 0.3));
        let ragged = |side: f32| match self.kind {
            COUNTRY | TRACK => 0.35 * (smooth(z * 0.7, side, self.salt) - 0.5),
            _ => 0.0,
        };
        let [period, length] = shape.period;
        Row {
            z,
            log: z.ln(),
            row: row as f32,
            start: camera.sideways(0.5, z) - self.middle(z),
            step: z / camera.focal,
            footprint: SAMPLES as f32 * camera.footprint(z),
            edges: [shape.half + ragged(0.0), shape.half + ragged(40.0)],
            dash: (z / period + self.phase).fract() * period < length,
            zebra: self.crossing.is_some_and(|near| z > near && z < near + 2.2),
            shade: air.at(z),
            mirrored: mix(air.haze, [0.9; 3], 0.2),
        }
    }

    fn pavement(&self, look: &Look, z: f32, out: f32) -> Colour {
        let slab = match self.kind {
            BRIDGE => 0.85,
            _ if out < 0.16 => 1.3, // the kerb
            _ if cell(out * 1.3, z * 0.8, self.salt ^ 2) < 0.3 => 0.92,
            _ => 1.0,
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
        let fine = resolved(1.0, spot.footprint);
        let grain = 1.0 + 0.06 * fine * (cell(s * 9.0, z * 4.0, self.salt) - 0.5);
        let (share, level) = match self.surface {
            // Patches: slabs a shade apart.
            DRY => (0.14 * (cell(s * 0.45 + 7.0, z * 0.22, self.salt ^ 8) - 0.5), 1.0),
            WET => {
                // A mirror: upright streaks of what is above, and puddles that show the sky.
                let streak = smooth(column as f32 * 0.22, spot.row * 0.025, self.salt ^ 9);
                let puddle = smooth(s * 0.8, 7.0 * spot.log, self.salt ^ 10);
                let still = ((puddle - 0.52) * 9.0).clamp(0.0, 1.0);
                let streak = ((streak - 0.35) * 1.8).clamp(0.0, 1.0);
                (0.38 * streak + 0.5 * still, 1.0)
            }
            SNOW => {
                // Soft heaps outside the two wheel tracks of every lane.
                let from_track = (((s - self.own).abs() - 0.75).abs() - 0.3).max(0.0);
                let heap = smooth(s * 1.1, z * 0.5, self.salt ^ 11);
                let cover = ((from_track * 1.6 + heap - 0.55) * 4.0).clamp(0.0, 1.0);
                (0.9 * cover, 0.9 + 0.2 * smooth(s * 2.5, z * 1.3, self.salt ^ 12))
            }
            // Drifts of leaves: where they lie close, and where few lie.
            _ => {
                return Under {
                    grain,
                    share: 0.3 + 0.4 * smooth(s * 0.6, z * 0.3, self.salt ^ 15),
                    level: self.texture.min(1.0),
                };
            }
        };
        Under { grain, share: (self.texture * share).min(0.9), level }
    }

    /// The road itself under its condition, at one sample.
    fn surface(&self, spot: &Row, s: f32, under: &Under) -> Colour {
        let shade = spot.shade;
        let marked = self.marked(spot, s);
        let mut road = scale(if marked { self.marks } else { self.bare }, under.grain);
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
            _ => {
                let leaf = self.leaf(s, spot.log, under);
                shade.lit(leaf.map_or(road, |leaf| mix(road, leaf, under.level)))
            }
        }
    }

    /// The leaf or stone that lies here: one to a cell at most, each somewhere else in its cell, in rows that
    /// do not meet, so that no wall of bricks is seen.
    fn leaf(&self, s: f32, log: f32, under: &Under) -> Option<Colour> {
        // As deep as they look wide to the eye, hence the logarithm.
        let v = 12.0 * log;
        let row = floor(v);
        let u = s * 4.0 + 0.5 * (row & 1) as f32;
        let column = floor(u);
        let bits = hash(column, row, self.salt ^ 14);
        let part = |shift: u32| (bits >> shift & 15) as f32 / 15.0;
        if part(0) > under.share {
            return None;
        }
        let (p, q) =
            (u - column as f32 - 0.3 - 0.4 * part(4), v - row as f32 - 0.3 - 0.4 * part(8));
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

/// What one row of samples has in common.
struct Row {
    z: f32,
    /// Logarithm of z: equal steps look equally deep.
    log: f32,
    row: f32,
    /// Metres right of the road's middle of the first sample, and from one to the next.
    start: f32,
    step: f32,
    /// Metres along the ground that a pixel covers here.
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
    grain: f32,
    share: f32,
    level: f32,
}
