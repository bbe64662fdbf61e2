//! Cars, pedestrians and cyclists: each a shape in its own coordinates, seen at some depth.
//!
//! Coordinates: (0, 0) where the body stands, y up; a car is one unit wide, a person one unit high.
//! The shapes are chunky, as in a picture book: at five pixels only that is legible.

use super::air::Shade;
use super::canvas::{Colour, scale};
use crate::random::Stream;

pub const PEDESTRIAN: usize = 0;
pub const CAR: usize = 1;
pub const CYCLIST: usize = 2;

/// An object of one of [`super::OBJECTS`] and how it looks.
pub struct Actor {
    pub class: usize,
    pose: Pose,
    /// 1 or -1: which way it faces.
    facing: f32,
    paint: [Colour; 4],
    /// Lamps are on.
    lamps: bool,
}

enum Pose {
    /// Seen from behind or in front; `tall` is a van.
    Along {
        front: bool,
        tall: bool,
    },
    Across,
    /// Half the stride of a walker.
    Walking(f32),
    RidingAlong,
    RidingAcross,
}

impl Actor {
    pub fn draw(class: usize, lamps: bool, random: &mut Stream) -> Self {
        let facing = if random.uniform() < 0.5 { -1.0 } else { 1.0 };
        let (draw, stride) = (random.uniform(), random.between(0.05, 0.13) as f32);
        let pose = match class {
            CAR if draw < 0.3 => Pose::Across,
            CAR => Pose::Along { front: draw < 0.6, tall: random.uniform() < 0.3 },
            PEDESTRIAN => Pose::Walking(stride),
            _ if draw < 0.55 => Pose::RidingAcross,
            _ => Pose::RidingAlong,
        };
        let shirt = any_colour(random);
        let trousers = scale(any_colour(random), 0.5);
        let skins = [[0.86, 0.66, 0.52], [0.62, 0.43, 0.3], [0.36, 0.24, 0.17]];
        let skin = skins[random.below(skins.len())];
        let hair = scale([0.5, 0.36, 0.2], 0.2 + 0.9 * random.uniform());
        Self { class, pose, facing, paint: [shirt, trousers, skin, hair], lamps }
    }

    /// Half width on either side, and height, in units.
    pub fn extent(&self) -> [f32; 2] {
        match self.pose {
            Pose::Along { tall, .. } => [0.5, if tall { 1.08 } else { 0.82 }],
            Pose::Across => [1.02, 0.74],
            Pose::Walking(_) => [0.23, 1.0],
            Pose::RidingAlong => [0.22, 1.0],
            Pose::RidingAcross => [0.5, 1.0],
        }
    }

    /// Light at a place of the body, `None` beside it.
    pub fn shape(&self, x: f32, y: f32, shade: Shade) -> Option<Colour> {
        let x = x * self.facing;
        match self.pose {
            Pose::Along { front, tall } => self.car_along(x, y, front, tall, shade),
            Pose::Across => self.car_across(x, y, shade),
            Pose::Walking(stride) => self.walker(x, y, stride).map(|c| shade.lit(c)),
            Pose::RidingAlong => self.rider_along(x, y, shade),
            Pose::RidingAcross => self.rider_across(x, y).map(|c| shade.lit(c)),
        }
    }

    fn car_along(&self, x: f32, y: f32, front: bool, tall: bool, shade: Shade) -> Option<Colour> {
        let (w, roof) = (x.abs(), if tall { 1.06 } else { 0.8 });
        let body = self.paint[0];
        let waist = if tall { 0.56 } else { 0.48 };
        if y > 0.12 && y < waist && w < 0.5 - 0.08 * ((y - 0.4) / 0.1).clamp(0.0, 1.0) {
            if y > 0.3 && y < 0.43 && w > 0.3 && w < 0.46 {
                return Some(match (front, self.lamps) {
                    (true, true) => shade.glow([1.1, 1.05, 0.85]),
                    (true, false) => shade.lit([0.92, 0.92, 0.88]),
                    (false, true) => shade.glow([0.85, 0.06, 0.06]),
                    (false, false) => shade.lit([0.6, 0.08, 0.08]),
                });
            }
            let colour = if y < 0.2 {
                [0.13; 3]
            } else if w < 0.13 && y < 0.29 {
                [0.85, 0.85, 0.78] // the number plate
            } else if front && w < 0.24 && y < 0.4 {
                scale(body, 0.45) // the grille
            } else {
                body
            };
            return Some(shade.lit(colour));
        }
        if y >= waist && y < roof {
            let edge = 0.44 - if tall { 0.05 } else { 0.34 } * (y - waist);
            if w < edge {
                let glass = w < edge - 0.055 && y > waist + 0.03 && y < roof - 0.09;
                return Some(shade.lit(if glass { [0.16, 0.21, 0.27] } else { scale(body, 0.9) }));
            }
        }
        ((0.0..=0.2).contains(&y) && w > 0.28 && w < 0.45).then(|| shade.lit([0.07; 3]))
    }

    fn car_across(&self, x: f32, y: f32, shade: Shade) -> Option<Colour> {
        let body = self.paint[0];
        for wheel in [-0.62, 0.6] {
            let r = ((x - wheel).powi(2) + (y - 0.17).powi(2)).sqrt();
            if r < 0.17 {
                return Some(shade.lit(if r < 0.08 { [0.5; 3] } else { [0.07; 3] }));
            }
        }
        if y > 0.12 && y < 0.45 && x.abs() < 1.0 - 0.1 * ((y - 0.36) / 0.09).clamp(0.0, 1.0) {
            if y > 0.3 && y < 0.4 && x.abs() > 0.88 {
                let front = x > 0.0;
                let colour = if front { [0.95, 0.92, 0.8] } else { [0.7, 0.07, 0.07] };
                return Some(if self.lamps { shade.glow(colour) } else { shade.lit(colour) });
            }
            return Some(shade.lit(if y < 0.18 { [0.13; 3] } else { body }));
        }
        if (0.45..0.72).contains(&y) {
            let rise = y - 0.45;
            let (back, front) = (-0.72 + 0.55 * rise, 0.55 - 1.1 * rise);
            if x > back && x < front {
                let glass =
                    x > back + 0.1 && x < front - 0.1 && y < 0.66 && (x + 0.08).abs() > 0.04;
                return Some(shade.lit(if glass { [0.16, 0.21, 0.27] } else { body }));
            }
        }
        None
    }

    fn walker(&self, x: f32, y: f32, stride: f32) -> Option<Colour> {
        let [shirt, trousers, skin, hair] = self.paint;
        if let Some(head) = head(x, y, [0.0, 0.895], skin, hair) {
            return Some(head);
        }
        let swing = 0.6 * stride;
        if near(x, y, [0.15, 0.76], [0.16 + swing, 0.5], 0.05)
            || near(x, y, [-0.15, 0.76], [-0.16 - swing, 0.5], 0.05)
        {
            return Some(scale(shirt, 0.82));
        }
        if (0.44..0.82).contains(&y) && x.abs() < 0.16 - 0.05 * ((y - 0.76) / 0.06).clamp(0.0, 1.0)
        {
            return Some(shirt);
        }
        let legs = [[0.07, stride], [-0.07, -stride]];
        let leg =
            legs.iter().any(|&[hip, foot]| near(x, y, [hip, 0.46], [foot * 1.2, 0.05], 0.065));
        leg.then_some(if y < 0.08 { [0.1; 3] } else { trousers })
    }

    fn rider_along(&self, x: f32, y: f32, shade: Shade) -> Option<Colour> {
        let [shirt, trousers, skin, hair] = self.paint;
        if let Some(head) = head(x, y, [0.0, 0.9], skin, hair) {
            return Some(shade.lit(head));
        }
        // The wheel and the lamp stand before the rider's legs, the handlebar is wider than both.
        if x.abs() < 0.045 && y < 0.36 {
            let lamp = self.lamps && y > 0.27;
            return Some(if lamp { shade.glow([0.9, 0.1, 0.1]) } else { shade.lit([0.08; 3]) });
        }
        if (0.44..0.8).contains(&y) && x.abs() < 0.15 - 0.05 * ((y - 0.72) / 0.08).clamp(0.0, 1.0) {
            return Some(shade.lit(shirt));
        }
        if near(x, y, [0.14, 0.72], [0.2, 0.5], 0.04)
            || near(x, y, [-0.14, 0.72], [-0.2, 0.5], 0.04)
        {
            return Some(shade.lit(scale(shirt, 0.82)));
        }
        if near(x, y, [0.09, 0.46], [0.11, 0.16], 0.055)
            || near(x, y, [-0.09, 0.46], [-0.11, 0.24], 0.055)
        {
            return Some(shade.lit(trousers));
        }
        (x.abs() < 0.2 && (0.46..0.52).contains(&y)).then(|| shade.lit([0.12; 3]))
    }

    fn rider_across(&self, x: f32, y: f32) -> Option<Colour> {
        let [shirt, trousers, skin, hair] = self.paint;
        if let Some(head) = head(x, y, [0.12, 0.9], skin, hair) {
            return Some(head);
        }
        if near(x, y, [0.08, 0.74], [0.26, 0.52], 0.04) {
            return Some(scale(shirt, 0.82));
        }
        if near(x, y, [-0.1, 0.54], [0.07, 0.73], 0.1) {
            return Some(shirt);
        }
        if near(x, y, [-0.1, 0.5], [0.08, 0.36], 0.06)
            || near(x, y, [0.08, 0.36], [0.02, 0.14], 0.05)
        {
            return Some(trousers);
        }
        for wheel in [-0.29, 0.29] {
            let r = ((x - wheel).powi(2) + (y - 0.2).powi(2)).sqrt();
            if r < 0.2 && r > 0.135 {
                return Some([0.08; 3]);
            }
        }
        let frame = [
            ([-0.29, 0.2], [0.0, 0.17]),
            ([0.0, 0.17], [0.24, 0.42]),
            ([-0.12, 0.44], [0.24, 0.44]),
            ([-0.12, 0.44], [0.0, 0.17]),
            ([0.24, 0.5], [0.29, 0.2]),
        ];
        frame.iter().any(|&(a, b)| near(x, y, a, b, 0.028)).then_some(scale(shirt, 0.45))
    }
}

fn any_colour(random: &mut Stream) -> Colour {
    let colours: [Colour; 10] = [
        [0.78, 0.12, 0.12],
        [0.12, 0.25, 0.66],
        [0.92, 0.92, 0.9],
        [0.1, 0.1, 0.12],
        [0.55, 0.57, 0.6],
        [0.9, 0.72, 0.12],
        [0.12, 0.45, 0.25],
        [0.85, 0.42, 0.1],
        [0.45, 0.2, 0.5],
        [0.25, 0.62, 0.75],
    ];
    scale(colours[random.below(colours.len())], 0.8 + 0.25 * random.uniform())
}

fn head(x: f32, y: f32, [cx, cy]: [f32; 2], skin: Colour, hair: Colour) -> Option<Colour> {
    let (p, q) = ((x - cx) / 0.09, (y - cy) / 0.105);
    (p * p + q * q < 1.0).then_some(if q > 0.35 { hair } else { skin })
}

/// Whether a place lies within `radius` of the line from `a` to `b`.
fn near(x: f32, y: f32, a: [f32; 2], b: [f32; 2], radius: f32) -> bool {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let t = (((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    let (ex, ey) = (x - a[0] - t * dx, y - a[1] - t * dy);
    ex * ex + ey * ey < radius * radius
}
