//! What makes one place different from another: palette, camera, weather and what is frequent there.
//!
//! Each property is a deviation from an average, times how far this domain may stray: 1 for a source
//! domain, [`super::Difficulty::shift`] for a target one. Nothing else tells source from target.

use super::canvas::Colour;
use super::difficulty::Difficulty;
use super::{KINDS, OBJECTS, SIGNALS, SURFACES};
use crate::random::Stream;

/// How a domain looks to its camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Row i: what output channel i makes of light's red, green and blue.
    pub matrix: [[f32; 3]; 3],
    pub gain: f32,
    pub gamma: f32,
    /// Standard deviation of a channel's noise, after gain.
    pub noise: f32,
    /// Focal length in picture widths: .6 sees 80 degrees, 1 sees 53.
    pub focal: f32,
    /// Row of the horizon as a share of the picture, and how much scenes differ.
    pub horizon: f32,
    /// The eye's height in metres.
    pub height: f32,
    /// How dark it is: 0 day, 1 night.
    pub night: f32,
    /// Share of light that fog takes in 10 metres.
    pub fog: f32,
    /// Rain streaks in a scene, of 48 pixels a side.
    pub rain: f32,
    /// 0 clear, 1 overcast.
    pub overcast: f32,
    /// Colours of what things are made of.
    pub materials: [Colour; MATERIALS.len()],
}

/// How frequent each answer is. Each list adds up to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    pub kinds: [f64; KINDS.len()],
    pub surfaces: [f64; SURFACES.len()],
    pub signals: [f64; SIGNALS.len()],
    /// Class of an object that was placed.
    pub objects: [f64; OBJECTS.len()],
    /// Objects placed in a scene: none to four.
    pub counts: [f64; 5],
}

/// The average place's frequencies, from which a domain's are drawn.
pub const AVERAGE: Mix = Mix {
    kinds: [1.0 / 6.0; 6],
    surfaces: [0.25; 4],
    signals: [0.4, 0.2, 0.2, 0.2],
    objects: [0.4, 0.3, 0.3],
    counts: [0.1, 0.25, 0.3, 0.2, 0.15],
};

pub const TARMAC: usize = 0;
pub const PAVEMENT: usize = 1;
pub const GRASS: usize = 2;
pub const SOIL: usize = 3;
pub const LEAVES: usize = 4;
pub const WALL: usize = 5;
pub const WATER: usize = 6;
pub const ZENITH: usize = 7;
pub const HAZE: usize = 8;
pub const MARK: usize = 9;

/// The average place's colours; a domain has its own shade of each.
const MATERIALS: [Colour; 10] = [
    [1.0, 1.0, 1.02],   // tarmac, times its brightness
    [0.62, 0.6, 0.57],  // pavement
    [0.3, 0.46, 0.17],  // grass
    [1.2, 0.97, 0.7],   // soil, times the same brightness as tarmac
    [0.16, 0.34, 0.13], // foliage
    [0.68, 0.58, 0.5],  // walls
    [0.2, 0.33, 0.42],  // water
    [0.28, 0.5, 0.86],  // sky above
    [0.72, 0.82, 0.92], // sky at the horizon
    [0.95, 0.95, 0.92], // road marks
];

impl Look {
    pub(super) fn draw(random: &mut Stream, hard: &Difficulty, stray: f32) -> Self {
        let mut normal =
            |deviation: f32| stray * deviation * random.normal().clamp(-2.0, 2.0) as f32;
        let mut matrix = [[0.0; 3]; 3];
        for (i, row) in matrix.iter_mut().enumerate() {
            for (j, entry) in row.iter_mut().enumerate() {
                *entry = f32::from(i == j) + normal(hard.colour);
            }
            // White keeps two thirds of its distance to grey at most, so that no domain is one colour only.
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|entry| *entry /= sum.powf(0.67));
        }
        let aperture = normal(0.12).exp();
        let gamma = normal(0.14).exp();
        let focal = 0.8 * normal(0.12).exp();
        let horizon = (0.47 + normal(0.04)).clamp(0.36, 0.58);
        let height = 1.5 * normal(0.16).exp();
        let mut materials = MATERIALS;
        materials.iter_mut().flatten().for_each(|channel| *channel *= normal(0.13).exp());
        // Weather: most places are clear by day; a few are not, and how much is the place's own.
        let mut seldom = |chance: f32, low: f32, high: f32| {
            let (draw, amount) = (random.uniform(), random.uniform());
            if draw < chance {
                (stray * (low + (high - low) * amount)).min(1.2 * high)
            } else {
                0.0
            }
        };
        let night = seldom(0.25, 0.4, 0.65).min(0.7);
        let fog = seldom(0.35, 0.1, 0.3);
        let rain = seldom(0.35, 14.0, 34.0);
        let overcast = if rain > 0.0 { 1.0 } else { random.uniform() };
        // A camera opens up in the dark, and its noise with it: the bound is for the two together.
        let gain = aperture * (1.0 + 0.9 * night);
        let noise =
            (hard.noise * stray * (0.4 + 1.2 * random.uniform())).min(hard.most_noise / gain);
        Self {
            matrix,
            gain,
            gamma,
            noise: noise * gain,
            focal,
            horizon,
            height,
            night,
            fog,
            rain,
            overcast,
            materials,
        }
    }
}

impl Mix {
    pub(super) fn draw(random: &mut Stream, hard: &Difficulty, stray: f32) -> Self {
        let mut mix = AVERAGE;
        let spread = f64::from(stray * hard.mix);
        let mut stray_from = |list: &mut [f64]| {
            list.iter_mut().for_each(|p| *p *= (spread * random.normal().clamp(-2.0, 2.0)).exp());
            let sum: f64 = list.iter().sum();
            list.iter_mut().for_each(|p| *p /= sum);
        };
        stray_from(&mut mix.kinds);
        stray_from(&mut mix.surfaces);
        stray_from(&mut mix.signals);
        stray_from(&mut mix.objects);
        stray_from(&mut mix.counts);
        mix
    }
}

/// Which entry of a list of probabilities a draw falls into.
pub fn pick(random: &mut Stream, list: &[f64]) -> usize {
    let mut left = random.between(0.0, 1.0);
    for (i, p) in list.iter().enumerate() {
        left -= p;
        if left < 0.0 {
            return i;
        }
    }
    list.len() - 1 // rounding may leave a crumb
}
