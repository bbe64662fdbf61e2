//! Traffic lights, whose state is a label, and coloured signs, which only look the part.

use super::SIGN_MASK;
use super::air::Shade;
use super::camera::Camera;
use super::canvas::{Canvas, Colour, mix, scale};
use super::difficulty::Difficulty;
use crate::random::Stream;

/// A light or a sign on its pole: all in samples.
pub struct Board {
    /// Middle of the board.
    x: f32,
    y: f32,
    /// The housing's height, or the sign's.
    height: f32,
    /// Row where the pole stands; the mast's column, left or right of the board or behind it.
    ground: f32,
    pole: f32,
    pub z: f32,
    face: Face,
}

enum Face {
    /// Which lamp is lit, from the top, and whether the housing is pale.
    Light {
        lit: usize,
        lamp: f32,
        plate: Colour,
    },
    Disc(Colour),
    Triangle(Colour),
    Plate(Colour),
}

/// What a lamp of [`super::SIGNALS`] 1 to 3 sends out.
const LAMPS: [Colour; 3] = [[1.05, 0.12, 0.1], [1.05, 0.72, 0.08], [0.1, 0.95, 0.42]];

impl Board {
    /// `state` 1 to 3, of [`super::SIGNALS`].
    pub fn light(
        state: usize,
        hard: &Difficulty,
        camera: &Camera,
        side: f32,
        random: &mut Stream,
    ) -> Self {
        let [least, most] = hard.housing;
        let height = side / 48.0 * least * (most / least).powf(random.uniform());
        let plates = [[0.06, 0.06, 0.06], [0.06, 0.06, 0.06], [0.5, 0.4, 0.08], [0.1, 0.16, 0.12]];
        let plate = plates[random.below(plates.len())];
        let face = Face::Light { lit: state - 1, lamp: 0.5 * hard.lamp * height, plate };
        // A housing is some 1.7 metres high in this world, so its height tells how far it is.
        Self::stand(face, height, camera.focal * 1.7 / height, camera, side, random)
    }

    pub fn sign(hard: &Difficulty, camera: &Camera, side: f32, random: &mut Stream) -> Self {
        let height = side / 48.0 * hard.housing[0] * (0.5 + 0.45 * random.uniform());
        let colours = [[0.85, 0.1, 0.1], [0.9, 0.62, 0.08], [0.1, 0.62, 0.28], [0.12, 0.3, 0.75]];
        let colour = colours[random.below(colours.len())];
        let face = [Face::Disc(colour), Face::Triangle(colour), Face::Plate(colour)];
        let face = face.into_iter().nth(random.below(3)).expect("one of three");
        Self::stand(face, height, camera.focal * 0.95 / height, camera, side, random)
    }

    fn stand(
        face: Face,
        height: f32,
        z: f32,
        camera: &Camera,
        side: f32,
        random: &mut Stream,
    ) -> Self {
        let (across, up) = (random.uniform(), random.uniform());
        let left = random.uniform() < 0.35;
        let middle = (0.1 + 0.3 * across) * side;
        let x = if left { middle } else { side - middle };
        let above = camera.row(2.3 + 1.2 * up, z) - 0.5 * height;
        let y = above.clamp(0.58 * height, (camera.horizon - 0.1 * height).max(0.6 * height));
        // A light may hang from an arm; what is under it is then free.
        let light = matches!(face, Face::Light { .. });
        let hangs = light && random.uniform() < 0.3;
        let pole = x + if !hangs {
            0.0
        } else if left {
            -0.7 * height
        } else {
            0.7 * height
        };
        Self { x, y, height, ground: camera.row(0.0, z), pole, z, face }
    }

    /// Left, top, right, bottom of the board without its pole.
    pub fn bounds(&self) -> [f32; 4] {
        let (half, tall) = (0.25 * self.height, 0.5 * self.height);
        [self.x - half, self.y - tall, self.x + half, self.y + tall]
    }

    /// Whether the two boards do not cover one another.
    pub fn clear_of(&self, other: &Board) -> bool {
        (self.x - other.x).abs() > 0.4 * (self.height + other.height)
    }

    pub fn paint(&self, canvas: &mut Canvas, shade: Shade) {
        let (x, y, h) = (self.x, self.y, self.height);
        let thick = (0.045 * h).max(0.8);
        let steel = shade.lit([0.35, 0.36, 0.37]);
        let top = if self.pole == x { y } else { y - 0.6 * h };
        canvas.paint(
            [self.pole - thick, top, self.pole + thick, self.ground],
            SIGN_MASK,
            |u, v| ((u - self.pole).abs() < thick && v > top && v < self.ground).then_some(steel),
        );
        if self.pole != x {
            let (from, to) = (x.min(self.pole) - thick, x.max(self.pole) + thick);
            canvas.paint([from, top - thick, to, top + thick], SIGN_MASK, |u, v| {
                (u > from && u < to && (v - top).abs() < thick).then_some(steel)
            });
        }
        let reach = 0.55 * h;
        canvas.paint([x - reach, y - reach, x + reach, y + reach], SIGN_MASK, |u, v| {
            self.light_at((u - x) / h, (v - y) / h, shade)
        });
        if let Face::Light { lit, lamp, .. } = self.face {
            // Light strays: in the dark and in fog a lamp is wider than its glass.
            let (cy, reach) = (y + h * (lit as f32 - 1.0) * 0.31, 2.6 * lamp);
            let strength = 0.2 + 0.3 * shade.dark();
            canvas.tint([x - reach, cy - reach, x + reach, cy + reach], |u, v, _, light| {
                let away = ((u - x).powi(2) + (v - cy).powi(2)).sqrt() / reach;
                mix(light, LAMPS[lit], strength * (1.0 - away).max(0.0))
            });
        }
    }

    /// Light at a place of the board, in shares of its height from its middle, downwards.
    fn light_at(&self, p: f32, q: f32, shade: Shade) -> Option<Colour> {
        match self.face {
            Face::Light { lit, lamp, plate } => {
                if p.abs() > 0.21 || q.abs() > 0.5 {
                    return None;
                }
                let radius = lamp / self.height;
                for (i, colour) in LAMPS.iter().enumerate() {
                    let away = (p * p + (q - (i as f32 - 1.0) * 0.31).powi(2)).sqrt();
                    if away < radius {
                        return Some(if i == lit {
                            shade.glow(*colour)
                        } else {
                            shade.lit(scale(*colour, 0.16))
                        });
                    }
                }
                Some(shade.lit(plate))
            }
            Face::Disc(colour) => {
                let away = (p * p + q * q).sqrt();
                (away < 0.5).then(|| shade.lit(if away < 0.22 { [0.9; 3] } else { colour }))
            }
            Face::Triangle(colour) => {
                let edge = 0.3 * (q + 0.45) / 0.45 - p.abs();
                (edge > 0.0 && q < 0.42)
                    .then(|| shade.lit(if edge > 0.17 && q < 0.27 { [0.9; 3] } else { colour }))
            }
            Face::Plate(colour) => (p.abs() < 0.36 && q.abs() < 0.42).then(|| {
                let border = p.abs() > 0.28 || q.abs() > 0.34;
                shade.lit(if border { [0.88; 3] } else { colour })
            }),
        }
    }
}
