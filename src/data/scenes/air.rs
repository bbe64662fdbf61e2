//! What stands between a thing and the eye: daylight or headlights, fog, and the sky behind it all.

use super::camera::{Camera, SAMPLES};
use super::canvas::{Canvas, Colour, mix, scale};
use super::domain::{HAZE, Look, ZENITH};
use super::texture;
use crate::random::Stream;

/// The light and the fog of one scene.
pub struct Air {
    ambient: Colour,
    night: f32,
    /// Per metre.
    fog: f32,
    /// What fog and the horizon look like.
    pub haze: Colour,
    zenith: Colour,
    overcast: f32,
    /// Column and row in shares of the picture, radius too.
    sun: Option<[f32; 3]>,
    salt: u32,
}

/// Light and fog at one depth.
#[derive(Clone, Copy)]
pub struct Shade {
    light: Colour,
    fog: f32,
    haze: Colour,
}

impl Shade {
    /// What the eye sees of a thing of this colour.
    pub fn lit(&self, colour: Colour) -> Colour {
        mix([0, 1, 2].map(|i| colour[i] * self.light[i]), self.haze, self.fog)
    }

    /// What it sees of a lamp; fog takes half as much of it.
    pub fn glow(&self, colour: Colour) -> Colour {
        mix(colour, self.haze, 0.5 * self.fog)
    }

    /// Night's share of darkness here, 0 by day.
    pub fn dark(&self) -> f32 {
        (1.0 - self.light[1]).clamp(0.0, 1.0)
    }
}

impl Air {
    pub fn new(look: &Look, random: &mut Stream) -> Self {
        let night = (look.night * (0.85 + 0.3 * random.uniform())).min(0.75);
        let day = 1.0 - night;
        let overcast = (look.overcast + 0.5 * (random.uniform() - 0.5)).clamp(0.0, 1.0);
        let grey = scale([0.62, 0.65, 0.68], 1.0 - 0.15 * random.uniform());
        let warm = 0.08 * (1.0 - overcast) * random.uniform();
        // Moonlight is bluer than daylight, and never so little that nothing is left to see.
        let level = (1.0 - 0.22 * overcast) * (day + 0.12);
        let ambient =
            [level * (1.0 + warm - 0.15 * night), level, level * (1.0 - warm + 0.2 * night)];
        let dusk = |c: Colour| scale(c, 0.06 + 0.94 * day * day);
        let above = mix(look.materials[ZENITH], grey, overcast);
        let low = mix(look.materials[HAZE], grey, 0.7 * overcast);
        let sun = (overcast < 0.45).then(|| {
            let (x, y) = (random.uniform(), random.uniform());
            [0.1 + 0.8 * x, 0.08 + 0.2 * y, if night > 0.3 { 0.035 } else { 0.05 }]
        });
        let fog = look.fog * (0.7 + 0.6 * random.uniform());
        Self {
            ambient,
            night,
            fog: -(1.0 - fog.min(0.6)).ln() / 10.0 + 0.004,
            haze: dusk(low),
            zenith: dusk(above),
            overcast,
            sun,
            salt: random.word(),
        }
    }

    pub fn at(&self, z: f32) -> Shade {
        let headlights = 0.75 * self.night * (-z / 12.0).exp();
        Shade {
            light: self.ambient.map(|a| a + headlights),
            fog: 1.0 - (-z * self.fog).exp(),
            haze: self.haze,
        }
    }

    /// Shadows under things: strong in the sun, weak when overcast.
    pub fn shadow(&self) -> f32 {
        0.5 - 0.25 * self.overcast
    }

    /// The sky down to the horizon, with clouds, and sun or moon.
    pub fn paint_sky(&self, canvas: &mut Canvas, camera: &Camera, owner: u8) {
        let side = canvas.side;
        let last = camera.horizon.clamp(0.0, side as f32);
        let end = last.ceil() as usize;
        // Clouds are soft, so they are worked out once a pixel; the sun's edge is not.
        for (top, left) in blocks(end, side) {
            let sky =
                self.sky((left as f32 + 1.5) / side as f32, top as f32 + 1.5, last, side as f32);
            for row in top..(top + SAMPLES).min(end) {
                for column in left..left + SAMPLES {
                    let at = row * side + column;
                    canvas.owner[at] = owner;
                    canvas.light[at] = self.sunlit(sky, column, row, side);
                }
            }
        }
    }

    /// Sky and clouds at a share of the picture's width and a row.
    fn sky(&self, x: f32, row: f32, last: f32, side: f32) -> Colour {
        let height = ((last - row) / last).clamp(0.0, 1.0);
        let sky = mix(self.haze, self.zenith, height.sqrt());
        // Clouds are flatter the nearer they are to the horizon.
        let (u, v) = (x, row / side - 0.15);
        let lift = 1.0 / (0.25 + 0.9 * height);
        let soft = texture::smooth(u * 5.0 * lift, v * 14.0 * lift, self.salt)
            + 0.5 * texture::smooth(u * 11.0 * lift, v * 30.0 * lift, self.salt ^ 1);
        let cover = 0.37 + 0.35 * self.overcast;
        let cloud = ((soft / 1.5 - 1.0 + cover) * 4.0).clamp(0.0, 1.0) * (1.0 - self.night);
        let bright = scale([0.97, 0.97, 0.98], 1.0 - 0.28 * self.overcast);
        mix(sky, bright, 0.55 * cloud)
    }

    fn sunlit(&self, sky: Colour, column: usize, row: usize, side: usize) -> Colour {
        let Some([x, y, radius]) = self.sun else { return sky };
        let (dx, dy) = (column as f32 / side as f32 - x, row as f32 / side as f32 - y);
        let square = dx * dx + dy * dy;
        if square > 25.0 * radius * radius {
            return sky;
        }
        let halo = (1.0 - (square.sqrt() - radius) / (4.0 * radius)).clamp(0.0, 1.0);
        let disc = if self.night > 0.3 { [0.9, 0.92, 0.86] } else { [1.15, 1.08, 0.85] };
        if square < radius * radius {
            disc
        } else {
            mix(sky, disc, 0.25 * halo * halo * (1.0 - self.night))
        }
    }

    /// Slanted streaks in front of everything, each a pale line one or two samples wide.
    pub fn paint_rain(&self, canvas: &mut Canvas, streaks: usize, random: &mut Stream) {
        let side = canvas.side as f32;
        let slant = random.between(-0.35, 0.35) as f32;
        let pale = mix(self.haze, [0.9, 0.93, 1.0], 0.6);
        for _ in 0..streaks {
            let (x, y) = (side * random.uniform(), side * random.uniform());
            let length = side * (0.07 + 0.08 * random.uniform());
            let strength = (0.25 + 0.3 * random.uniform()) * (1.0 - 0.5 * self.night);
            let reach = (slant * length).abs() + 1.0;
            canvas.tint([x - reach, y, x + reach, y + length], |cx, cy, _, light| {
                let off = (cx - x - slant * (cy - y)).abs();
                if off < 1.0 { mix(light, pale, strength) } else { light }
            });
        }
    }
}

/// Upper left samples of the pixels that begin above row `end`.
fn blocks(end: usize, side: usize) -> impl Iterator<Item = (usize, usize)> {
    let tops = (0..end).step_by(SAMPLES);
    tops.flat_map(move |top| (0..side).step_by(SAMPLES).map(move |left| (top, left)))
}
