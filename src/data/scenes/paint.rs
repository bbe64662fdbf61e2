//! One scene from its number: what is there, far things painted before near ones, then the lens.

use super::actors::{Actor, CAR, CYCLIST, PEDESTRIAN};
use super::air::Air;
use super::camera::{Camera, SAMPLES};
use super::canvas::{Canvas, FIRST_OBJECT};
use super::domain::pick;
use super::lights::Board;
use super::props::{self, Prop};
use super::road::{BRIDGE, ROADS, Road};
use super::{
    Domain, OBSTACLE_MASK, Object, PATH_AHEAD, PAVEMENT_MASK, ROAD_MASK, SKY_MASK, Scene, Truth,
    VERGE_MASK, texture,
};
use crate::random::{Stream, fold, stream};

/// Parts of a scene, each with numbers of its own, so that a change in one leaves the others alone.
/// Apart by more than the forks that a part makes of its own stream.
mod part {
    pub const ROAD: u32 = 10;
    pub const AIR: u32 = 20;
    pub const CAMERA: u32 = 30;
    pub const PROPS: u32 = 40;
    pub const BOARDS: u32 = 50;
    pub const LENS: u32 = 60;
    pub const ACTORS: u32 = 70;
}

/// An object with its place: depth, column and row where it stands, samples per unit.
struct Standing {
    actor: Actor,
    z: f32,
    x: f32,
    ground: f32,
    unit: f32,
}

impl Standing {
    fn bounds(&self) -> [f32; 4] {
        let [half, height] = self.actor.extent().map(|e| e * self.unit);
        [self.x - half, self.ground - height, self.x + half, self.ground]
    }
}

/// Share of the smaller of two boxes that the other covers.
fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let across = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let down = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let area = |c: [f32; 4]| (c[2] - c[0]) * (c[3] - c[1]);
    across * down / area(a).min(area(b))
}

/// Everything that is painted between the ground and the lens.
enum Thing {
    Prop(Prop),
    Board(Board),
    Actor(usize),
}

/// Scene `index` of a domain, and its samples.
pub fn scene(domain: &Domain, index: u64) -> (Scene, Canvas) {
    let Domain { look, mix, difficulty, size, .. } = domain;
    let mut random = Stream::new(fold(domain.seed), stream::SCENES, fold(index), domain.id);
    let kind = pick(&mut random, &mix.kinds);
    let surface = pick(&mut random, &mix.surfaces);
    let signal = pick(&mut random, &mix.signals);
    let count = pick(&mut random, &mix.counts);

    let side = (size * SAMPLES) as f32;
    let camera = camera(domain, side, &mut random.fork(part::CAMERA));
    let road = Road::new(kind, surface, look, difficulty, &mut random.fork(part::ROAD));
    let air = Air::new(look, &mut random.fork(part::AIR));
    let standing = actors(domain, &camera, &road, count, side, &random);
    let random_boards = &mut random.fork(part::BOARDS);
    let (light, signs) = boards(domain, &camera, signal, &standing, side, random_boards);

    let mut canvas = Canvas::new(size * SAMPLES);
    air.paint_sky(&mut canvas, &camera, SKY_MASK);
    road.paint(&mut canvas, &camera, &air, look);
    let props = props::place(&road, look, &mut random.fork(part::PROPS));
    let mut things: Vec<(f32, Thing)> =
        props.into_iter().map(|(z, p)| (z, Thing::Prop(p))).collect();
    things.extend(signs.into_iter().map(|board| (board.z, Thing::Board(board))));
    things.extend(standing.iter().enumerate().map(|(i, actor)| (actor.z, Thing::Actor(i))));
    things.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut whole = vec![0; standing.len()];
    for (z, thing) in &things {
        let shade = air.at(*z);
        match thing {
            Thing::Prop(prop) => prop.paint(*z, &mut canvas, &camera, shade, look),
            Thing::Board(board) => board.paint(&mut canvas, shade),
            Thing::Actor(i) => {
                let body = &standing[*i];
                shadow(&mut canvas, body, air.shadow());
                let owner = FIRST_OBJECT + *i as u8;
                whole[*i] = canvas.paint_counted(body.bounds(), owner, |u, v| {
                    body.actor.shape((u - body.x) / body.unit, (body.ground - v) / body.unit, shade)
                });
            }
        }
    }
    // A light is a label, so nothing may hide it.
    if let Some(board) = light {
        board.paint(&mut canvas, air.at(board.z));
    }

    let mut objects = vec![];
    for (i, (count, bounds)) in canvas.visible(standing.len()).into_iter().enumerate() {
        let visible = count as f32 / whole[i].max(1) as f32;
        // To 1/4096 of a pixel, so that shifting and mirroring a box is exact.
        let bounds = bounds.map(|b| (b as f32 / SAMPLES as f32 * 4096.0).round() / 4096.0);
        let [x0, y0, x1, y1] = bounds;
        let least = difficulty.side * *size as f32 / 48.0;
        if visible >= difficulty.visible && (x1 - x0).min(y1 - y0) >= least {
            objects.push(Object { class: standing[i].actor.class, bounds, visible });
        }
    }

    let mut random = random.fork(part::LENS);
    let rain = (look.rain * (0.5 + random.uniform())) as usize;
    air.paint_rain(&mut canvas, rain, &mut random);
    let ahead = camera.column(road.path.sideways(PATH_AHEAD), PATH_AHEAD);
    let truth = Truth {
        kind,
        surface,
        objects,
        signal,
        path: [100.0 * road.path.curvature, ahead / side - 0.5],
        mask: mask(&canvas, *size),
    };
    (Scene { size: *size, pixels: develop(domain, &canvas, random.word()), truth }, canvas)
}

fn camera(domain: &Domain, side: f32, random: &mut Stream) -> Camera {
    let look = &domain.look;
    Camera {
        focal: side * look.focal,
        middle: side * (0.5 + random.between(-0.04, 0.04) as f32),
        horizon: side * (look.horizon + random.between(-0.02, 0.02) as f32),
        height: look.height * random.between(0.93, 1.07) as f32,
    }
}

/// Larger than in life by a third, so that what is five pixels wide can still stand some way ahead.
const CAR_METRES: f32 = 2.4;
const PERSON_METRES: f32 = 2.3;

fn actors(
    domain: &Domain,
    camera: &Camera,
    road: &Road,
    count: usize,
    side: f32,
    random: &Stream,
) -> Vec<Standing> {
    let hard = &domain.difficulty;
    let pixel = side / 48.0;
    let shape = &ROADS[road.kind];
    let mut standing: Vec<Standing> = vec![];
    for number in 0..count {
        let random = &mut random.fork(part::ACTORS + number as u32);
        let class = pick(random, &domain.mix.objects);
        let lamps = domain.look.night > 0.3 || random.uniform() < 0.15;
        let actor = Actor::draw(class, lamps, random);
        let [half, _] = actor.extent();
        let [least, most] = if class == CAR { hard.car } else { hard.person };
        // A car seen from the side is twice as wide; it stands farther away.
        let most = if class == CAR && half > 0.6 { least.max(0.6 * most) } else { most };
        let metres = if class == CAR { CAR_METRES } else { PERSON_METRES };
        let beyond = match class {
            PEDESTRIAN if road.kind == BRIDGE => 0.7,
            PEDESTRIAN => shape.pavement.max(1.0),
            CYCLIST => 0.3,
            _ => -0.9,
        };
        let mut body = Standing { actor, z: 0.0, x: 0.0, ground: 0.0, unit: 1.0 };
        // Several tries for a place that hides no other body; then the last one, crowded or not.
        for _ in 0..5 {
            body.unit = pixel * least * (most / least).powf(random.uniform());
            body.z = camera.focal * metres / body.unit;
            body.ground = camera.row(0.0, body.z);
            let reach = (shape.half + beyond).max(0.5);
            let middle = road.middle(body.z);
            let inside = [0.07 * side, 0.93 * side];
            let left = camera.column(middle - reach, body.z).clamp(inside[0], inside[1]);
            let right = camera.column(middle + reach, body.z).clamp(inside[0], inside[1]);
            body.x = left + (right - left) * random.uniform();
            if standing.iter().all(|other| overlap(body.bounds(), other.bounds()) < 0.35) {
                break;
            }
        }
        standing.push(body);
    }
    standing
}

/// The light, if the state is not "none", and signs that stand clear of it.
fn boards(
    domain: &Domain,
    camera: &Camera,
    signal: usize,
    standing: &[Standing],
    side: f32,
    random: &mut Stream,
) -> (Option<Board>, Vec<Board>) {
    let hard = &domain.difficulty;
    let light = (signal > 0).then(|| {
        // Several tries for a place where it hides nobody; then the last one.
        let mut light = Board::light(signal, hard, camera, side, random);
        for _ in 0..5 {
            if standing.iter().all(|body| overlap(body.bounds(), light.bounds()) < 0.1) {
                break;
            }
            light = Board::light(signal, hard, camera, side, random);
        }
        light
    });
    let signs = pick(random, &hard.signs.map(f64::from));
    let mut placed: Vec<Board> = vec![];
    for _ in 0..3 * signs {
        let sign = Board::sign(hard, camera, side, random);
        let clear = light.iter().chain(&placed).all(|other| other.clear_of(&sign));
        if clear && placed.len() < signs {
            placed.push(sign);
        }
    }
    (light, placed)
}

/// A dark patch on the ground under a body.
fn shadow(canvas: &mut Canvas, body: &Standing, strength: f32) {
    let [half, _] = body.actor.extent();
    let (a, b) = (1.15 * half * body.unit, 0.16 * half.max(0.3) * body.unit);
    let (x, y) = (body.x, body.ground - 0.2 * b);
    canvas.tint([x - a, y - b, x + a, y + b], |u, v, owner, light| {
        let on_ground = [ROAD_MASK, PAVEMENT_MASK, VERGE_MASK].contains(&owner);
        let away = ((u - x) / a).powi(2) + ((v - y) / b).powi(2);
        if on_ground && away < 1.0 { light.map(|l| l * (1.0 - strength)) } else { light }
    });
}

/// What stands at each pixel's middle.
fn mask(canvas: &Canvas, size: usize) -> Vec<u8> {
    let centre = |i: usize| i * SAMPLES + SAMPLES / 2;
    let owners = (0..size * size).map(|at| {
        let (row, column) = (at / size, at % size);
        canvas.owner[centre(row) * canvas.side + centre(column)]
    });
    owners.map(|owner| if owner >= FIRST_OBJECT { OBSTACLE_MASK } else { owner }).collect()
}

/// From samples of light to bytes: mean over a pixel, the domain's colours, its curve, its noise.
fn develop(domain: &Domain, canvas: &Canvas, salt: u32) -> Vec<u8> {
    let (look, size) = (&domain.look, domain.size);
    let mut pixels = Vec::with_capacity(size * size * 3);
    let share = look.gain / (SAMPLES * SAMPLES) as f32;
    for row in 0..size {
        for column in 0..size {
            let mut sum = [0.0; 3];
            for r in 0..SAMPLES {
                let from = (row * SAMPLES + r) * canvas.side + column * SAMPLES;
                for light in &canvas.light[from..from + SAMPLES] {
                    (0..3).for_each(|i| sum[i] += light[i]);
                }
            }
            for (channel, weights) in look.matrix.iter().enumerate() {
                let mixed = share * (0..3).map(|i| weights[i] * sum[i]).sum::<f32>();
                let noise =
                    look.noise * texture::normal((3 * column + channel) as i32, row as i32, salt);
                pixels.push(domain.curve(mixed, noise));
            }
        }
    }
    pixels
}
