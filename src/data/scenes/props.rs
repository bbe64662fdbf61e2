//! What stands beside the road and has no label of its own but in the mask: houses, trees, rails, posts.

use super::air::Shade;
use super::camera::Camera;
use super::canvas::{Canvas, Colour, mix, scale};
use super::domain::{GRASS, LEAVES, Look, PAVEMENT, WALL};
use super::road::{BRIDGE, CITY, COUNTRY, MOTORWAY, ROADS, Road, SUBURB, TRACK};
use super::texture::{smooth, unit};
use super::{BUILDING_MASK, SIGN_MASK, TREE_MASK};
use crate::random::Stream;

pub enum Prop {
    Building(Building),
    Tree(Tree),
    /// A stretch of guard rail or parapet: sideways place at its near and far end, the far end's
    /// depth, lower and upper edge above the ground.
    Rail {
        near: f32,
        far: f32,
        end: f32,
        low: f32,
        high: f32,
        colour: Colour,
    },
    /// Upright box: sideways middle, half width, lower and upper edge, colour, owner.
    Post {
        x: f32,
        half: f32,
        low: f32,
        high: f32,
        colour: Colour,
        owner: u8,
    },
}

/// A box beside the road: a face towards the eye and one along the road.
pub struct Building {
    /// Sideways place of the face along the road, and of the box's other side.
    inner: f32,
    outer: f32,
    /// Length along the road, height of the wall, of the gable above it; metres.
    length: f32,
    wall: f32,
    gable: f32,
    colour: Colour,
    roof: Colour,
    salt: u32,
}

pub struct Tree {
    x: f32,
    trunk: f32,
    /// Height and half width of the crown.
    crown: [f32; 2],
    conifer: bool,
    leaves: Colour,
    salt: u32,
}

/// Depth of each thing's near end, and the thing; in no order.
pub fn place(road: &Road, look: &Look, random: &mut Stream) -> Vec<(f32, Prop)> {
    let mut props = vec![];
    let half = ROADS[road.kind].half;
    for side in [-1.0, 1.0f32] {
        let random = &mut random.fork(if side < 0.0 { 1 } else { 2 });
        match road.kind {
            CITY => row_of_houses(&mut props, road, look, random, side, half + 2.5),
            SUBURB => gardens(&mut props, road, look, random, side, half + 1.5),
            MOTORWAY => {
                rails(&mut props, road, side * (half + 0.4), [0.4, 0.85], [0.6, 0.62, 0.65]);
                trees(&mut props, road, look, random, side, [half + 2.5, half + 9.0], 4);
            }
            BRIDGE => rails(&mut props, road, side * (half + 0.85), [0.75, 1.1], [0.42, 0.46, 0.5]),
            COUNTRY => trees(&mut props, road, look, random, side, [half + 0.9, half + 8.0], 5),
            _ => trees(&mut props, road, look, random, side, [half + 0.7, half + 4.0], 10),
        }
        let spacing = if matches!(road.kind, CITY | BRIDGE) { 9.0 } else { 16.0 };
        if !matches!(road.kind, TRACK | COUNTRY) && random.uniform() < 0.6 {
            let mut z = spacing * (0.4 + random.uniform());
            while z < 45.0 {
                let x = road.middle(z) + side * (half + 0.6);
                let colour = [0.28, 0.29, 0.3];
                props.push((
                    z,
                    Prop::Post { x, half: 0.09, low: 0.0, high: 5.5, colour, owner: BUILDING_MASK },
                ));
                z += spacing;
            }
        }
    }
    across(&mut props, road, half, random);
    props
}

/// What spans the road: a bridge's portal, a motorway's sign.
fn across(props: &mut Vec<(f32, Prop)>, road: &Road, half: f32, random: &mut Stream) {
    let z = random.between(13.0, 26.0) as f32;
    let chance = random.uniform();
    let middle = road.middle(z);
    let mut post = |x: f32, half: f32, [low, high]: [f32; 2], colour, owner| {
        props.push((z, Prop::Post { x: middle + x, half, low, high, colour, owner }));
    };
    let reach = half + 1.1;
    if road.kind == BRIDGE && chance < 0.7 {
        let steel = [[0.45, 0.24, 0.2], [0.36, 0.42, 0.46], [0.55, 0.52, 0.46]][random.below(3)];
        for x in [-reach, reach] {
            post(x, 0.45, [0.0, 10.0], steel, BUILDING_MASK);
        }
        post(0.0, reach, [7.2, 8.2], steel, BUILDING_MASK);
    }
    if road.kind == MOTORWAY && chance < 0.4 {
        for x in [-reach, reach] {
            post(x, 0.14, [0.0, 6.2], [0.4; 3], BUILDING_MASK);
        }
        post(0.0, reach, [6.0, 6.2], [0.4; 3], BUILDING_MASK);
        post(0.4 * half * (random.uniform() - 0.5), 2.4, [4.6, 6.4], [0.1, 0.25, 0.62], SIGN_MASK);
    }
}

fn wall_colour(look: &Look, random: &mut Stream) -> Colour {
    let paints: [Colour; 6] = [
        [1.0, 1.0, 1.0],
        [1.25, 1.2, 1.05],
        [0.95, 0.6, 0.45],
        [0.75, 0.8, 0.9],
        [1.2, 1.0, 0.6],
        [0.62, 0.6, 0.62],
    ];
    let paint = paints[random.below(paints.len())];
    let shade = 0.75 + 0.4 * random.uniform();
    [0, 1, 2].map(|i| (shade * paint[i] * look.materials[WALL][i]).min(0.95))
}

fn row_of_houses(
    props: &mut Vec<(f32, Prop)>,
    road: &Road,
    look: &Look,
    random: &mut Stream,
    side: f32,
    beside: f32,
) {
    let mut z = 1.2 + 4.0 * random.uniform();
    while z < 75.0 {
        let length = 6.0 + 8.0 * random.uniform();
        let inner = road.middle(z + 0.5 * length) + side * (beside + 0.8 * random.uniform());
        let colour = wall_colour(look, random);
        let wall = 6.0 + 13.0 * random.uniform();
        let (outer, roof, salt) = (inner + side * 12.0, scale(colour, 0.6), random.word());
        let house = Building { inner, outer, length, wall, gable: 0.0, colour, roof, salt };
        props.push((z, Prop::Building(house)));
        z += length + if random.uniform() < 0.25 { 3.0 } else { 0.3 };
    }
}

fn gardens(
    props: &mut Vec<(f32, Prop)>,
    road: &Road,
    look: &Look,
    random: &mut Stream,
    side: f32,
    beside: f32,
) {
    let mut z = 3.0 + 7.0 * random.uniform();
    while z < 60.0 {
        let length = 6.0 + 3.0 * random.uniform();
        let inner = road.middle(z) + side * (beside + 1.5 + 2.5 * random.uniform());
        let colour = wall_colour(look, random);
        let roof = [[0.5, 0.22, 0.16], [0.3, 0.3, 0.34], [0.42, 0.3, 0.2]][random.below(3)];
        let house = Building {
            inner,
            outer: inner + side * (5.0 + 2.0 * random.uniform()),
            length,
            wall: 2.6 + 1.4 * random.uniform(),
            gable: 1.6 + random.uniform(),
            colour,
            roof,
            salt: random.word(),
        };
        props.push((z, Prop::Building(house)));
        z += length + 1.5 + 4.0 * random.uniform();
    }
    trees(props, road, look, random, side, [beside + 0.3, beside + 3.0], 4);
}

fn trees(
    props: &mut Vec<(f32, Prop)>,
    road: &Road,
    look: &Look,
    random: &mut Stream,
    side: f32,
    [near, far]: [f32; 2],
    count: usize,
) {
    let conifers = random.uniform();
    for _ in 0..count {
        // As many in each doubling of the distance, so that some are near.
        let z = 4.0 * 12.0f32.powf(random.uniform());
        let x = road.middle(z) + side * (near + (far - near) * random.uniform());
        let conifer = random.uniform() < conifers;
        let height = 2.4 + 3.6 * random.uniform();
        let half = height * if conifer { 0.28 } else { 0.42 };
        let trunk = if conifer { 0.3 } else { 0.35 * height };
        let tint = 0.75 + 0.5 * random.uniform();
        let leaves = mix(look.materials[LEAVES], look.materials[GRASS], 0.4 * random.uniform());
        let tree = Tree {
            x,
            trunk,
            crown: [height, half],
            conifer,
            leaves: scale(leaves, tint),
            salt: random.word(),
        };
        props.push((z, Prop::Tree(tree)));
    }
}

fn rails(props: &mut Vec<(f32, Prop)>, road: &Road, s: f32, [low, high]: [f32; 2], colour: Colour) {
    let mut z = 1.4;
    while z < 60.0 {
        let end = z * 1.28;
        let (near, far) = (road.middle(z) + s, road.middle(end) + s);
        props.push((z, Prop::Rail { near, far, end, low, high, colour }));
        let post = Prop::Post {
            x: near,
            half: 0.07,
            low: 0.0,
            high: low,
            colour: scale(colour, 0.7),
            owner: BUILDING_MASK,
        };
        props.push((z, post));
        z = end;
    }
}

impl Prop {
    pub fn paint(&self, z: f32, canvas: &mut Canvas, camera: &Camera, shade: Shade, look: &Look) {
        match *self {
            Prop::Building(ref house) => house.paint(z, canvas, camera, shade),
            Prop::Tree(ref tree) => tree.paint(z, canvas, camera, shade),
            Prop::Rail { near, far, end, low, high, colour } => {
                let (a, b) = (camera.column(near, z), camera.column(far, end));
                let edges = [low, high].map(|y| [camera.row(y, z), camera.row(y, end)]);
                let bounds = [
                    a.min(b),
                    edges[1][0].min(edges[1][1]),
                    a.max(b),
                    edges[0][0].max(edges[0][1]),
                ];
                let light = shade.lit(mix(colour, look.materials[PAVEMENT], 0.2));
                canvas.paint(bounds, BUILDING_MASK, |u, v| {
                    let t = ((u - a) / (b - a)).clamp(0.0, 1.0);
                    let [bottom, top] = edges.map(|[near, far]| near + t * (far - near));
                    (v > top && v < bottom).then_some(light)
                });
            }
            Prop::Post { x, half, low, high, colour, owner } => {
                let [left, right] = [x - half, x + half].map(|x| camera.column(x, z));
                let [top, bottom] = [high, low].map(|y| camera.row(y, z));
                let light = shade.lit(colour);
                canvas.paint([left, top, right, bottom], owner, |u, v| {
                    (u > left && u < right && v > top && v < bottom).then_some(light)
                });
            }
        }
    }
}

impl Building {
    fn paint(&self, z: f32, canvas: &mut Canvas, camera: &Camera, shade: Shade) {
        let end = z + self.length;
        let (left, right) = (self.inner.min(self.outer), self.inner.max(self.outer));
        // The face along the road is seen from the road's side only.
        let beside = self.inner * (self.outer - self.inner) > 0.0;
        let columns =
            [camera.column(left, z), camera.column(right, z), camera.column(self.inner, end)];
        let bounds = [
            columns.iter().copied().fold(f32::MAX, f32::min),
            camera.row(self.wall + self.gable, z),
            columns.iter().copied().fold(f32::MIN, f32::max),
            camera.row(0.0, z),
        ];
        let half = 0.5 * (right - left);
        canvas.paint(bounds, BUILDING_MASK, |u, v| {
            let x = camera.sideways(u, z);
            let y = camera.height - (v - camera.horizon) * z / camera.focal;
            if x > left && x < right {
                let peak = self.gable * (1.0 - (x - left - half).abs() / half);
                if y < 0.0 || y > self.wall + peak {
                    return None;
                }
                return Some(self.face(x - left, y, 1.0, shade));
            }
            let away = camera.focal * self.inner / (u - camera.middle);
            if !(beside && away > z && away < end) {
                return None;
            }
            let y = camera.height - (v - camera.horizon) * away / camera.focal;
            if y < 0.0 || y > self.wall + self.gable {
                None
            } else if y > self.wall {
                Some(shade.lit(self.roof))
            } else {
                Some(self.face(away - z, y, 0.78, shade))
            }
        });
    }

    /// Wall and windows, `a` metres along it and `y` above the ground.
    fn face(&self, a: f32, y: f32, side: f32, shade: Shade) -> Colour {
        let (i, j) = ((a / 1.7) as i32, (y / 2.1) as i32);
        let (across, up) = (a / 1.7 - i as f32, y / 2.1 - j as f32);
        let window = across > 0.28 && across < 0.75 && up > 0.3 && up < 0.8 && y < self.wall - 0.4;
        if !window {
            return shade.lit(scale(self.colour, side));
        }
        let someone = unit(i, j, self.salt);
        if shade.dark() > 0.35 && someone < 0.4 {
            shade.glow([0.95, 0.8, 0.45])
        } else {
            shade.lit(scale([0.2, 0.25, 0.32], 0.6 + 0.9 * someone))
        }
    }
}

impl Tree {
    fn paint(&self, z: f32, canvas: &mut Canvas, camera: &Camera, shade: Shade) {
        let [height, half] = self.crown;
        let unit = camera.focal / z;
        let (x, ground) = (camera.column(self.x, z), camera.row(0.0, z));
        let (left, right) = (x - 1.2 * half * unit, x + 1.2 * half * unit);
        let bark = shade.lit([0.26, 0.19, 0.13]);
        canvas.paint([left, ground - 1.1 * height * unit, right, ground], TREE_MASK, |u, v| {
            let (a, y) = ((u - x) / unit, (ground - v) / unit);
            let up = (y - self.trunk) / (height - self.trunk);
            let bark_here = a.abs() < 0.07 * height && y > 0.0 && y < 0.5 * height;
            // How far out of the crown, smooth; roughness moves its edge by up to a quarter.
            let out = if self.conifer {
                if up > 0.0 { a.abs() / (half * (1.0 - up).max(1e-3)) } else { 9.0 }
            } else {
                let (p, q) = (a / half, 2.0 * up - 1.0);
                p * p + q * q
            };
            if out > 1.3 {
                return bark_here.then_some(bark);
            }
            let rough = smooth(a * 3.0, y * 3.0, self.salt);
            let inside = out < 0.75 + 0.5 * rough;
            if inside {
                // Lit from above, with leaves enough to be rough.
                return Some(
                    shade.lit(scale(self.leaves, 0.6 + 0.45 * up.max(0.0) + 0.5 * (rough - 0.5))),
                );
            }
            bark_here.then_some(bark)
        });
    }
}
