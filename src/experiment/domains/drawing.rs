//! How a picture is drawn for a person: what is true of it, and what a network said, with how wrong that is.
//!
//! Classes are said in words, objects framed. Where a head answers for every pixel, the picture, the answer and the truth
//! stand side by side; cells that a head marks are framed on the first.

use super::answer::Answers;
use super::pictures::{At, Pictures};
use super::score::{self, boxes, top};
use crate::nn::{HeadKind, MultiTask};
use crate::report::overlay::{LINE_HEIGHT, Overlay};
use crate::report::{Block, Captioned, Picture};

/// Sides of drawn pictures.
const SIDE: usize = 192;
/// Boxes that a network is this sure of are drawn.
const SURE: f32 = 0.4;
/// How much of a mask's colour covers the picture.
const TINT: f32 = 0.6;

/// An answer, drawn.
pub struct Drawn {
    pub shown: Captioned,
    /// About how many of its tasks are wrong.
    pub wrong: f64,
}

/// A picture with what is true of it.
pub fn truth(pictures: &dyn Pictures, net: &MultiTask, at: At) -> Captioned {
    let mut overlay = enlarged(pictures, at);
    for object in pictures.boxes(at) {
        overlay.frame(object.bounds, [255; 3], "");
    }
    let truths = score::truths(pictures, net, &[at]);
    let mut said = vec![];
    for (h, head) in net.heads.iter().enumerate() {
        match &head.kind {
            HeadKind::Classes(_) => {
                said.push(pictures.classes(h)[truths[h][0][0] as usize].clone());
            }
            HeadKind::Mask(_) => tint(&mut overlay, pictures, net, h, &classes(&truths[h][0])),
            _ => {}
        }
    }
    let domain = pictures.domain(at.domain);
    let caption = if said.is_empty() { domain } else { format!("{domain}: {}", said.join(", ")) };
    Captioned { picture: overlay.picture(), caption, wrong: false }
}

/// What the `i`-th of the pictures that `answers` are of is said to be.
pub fn answer(
    pictures: &dyn Pictures,
    net: &MultiTask,
    at: At,
    i: usize,
    answers: &Answers,
) -> Drawn {
    let mut overlay = enlarged(pictures, at);
    let truths = score::truths(pictures, net, &[at]);
    let (mut wrong, mut said, mut beside) = (0.0, vec![], vec![]);
    for (h, head) in net.heads.iter().enumerate() {
        let len = net.output_shape(h, 1, 1).len();
        let (answer, truth) = (&answers[h][i * len..][..len], &truths[h][0][..]);
        match &head.kind {
            HeadKind::Classes(_) => {
                let (answer, truth) = (top(answer), truth[0] as usize);
                let names = pictures.classes(h);
                wrong += f64::from(u8::from(answer != truth));
                said.push(match answer == truth {
                    true => names[answer].clone(),
                    false => format!("{} (is {})", names[answer], names[truth]),
                });
            }
            HeadKind::Boxes(_) => {
                let there = pictures.boxes(at);
                let found: Vec<_> =
                    boxes(net, h, answer).into_iter().filter(|d| d.score >= SURE).collect();
                for object in &there {
                    let hit = found.iter().any(|d| {
                        d.class == object.class
                            && crate::nn::overlap(d.bounds, object.bounds) >= score::RIGHT
                    });
                    wrong += if hit { 0.0 } else { 0.5 };
                    overlay.frame(object.bounds, [255; 3], "");
                }
                for d in &found {
                    let text = format!("{} {:.0}", pictures.classes(h)[d.class], 100.0 * d.score);
                    overlay.frame(d.bounds, pictures.colour(h, d.class), &text);
                }
                wrong += 0.25 * found.len().saturating_sub(there.len()) as f64;
            }
            HeadKind::Mask(kind) => {
                let answered: Vec<usize> = answer.chunks(kind.classes).map(top).collect();
                let truth = classes(truth);
                let known = truth.iter().flatten().count().max(1) as f64;
                let right = answered.iter().zip(&truth).filter(|(a, t)| Some(**a) == **t).count();
                let share = right as f64 / known;
                wrong += 4.0 * (1.0 - share);
                said.push(format!("{:.0} % of pixels right", 100.0 * share));
                let answered: Vec<Option<usize>> = answered.into_iter().map(Some).collect();
                for classes in [&answered, &truth] {
                    let mut panel = enlarged(pictures, at);
                    tint(&mut panel, pictures, net, h, classes);
                    beside.push(panel.picture());
                }
            }
            HeadKind::Labels(kind) if kind.cells => {
                let (marked, off) = mark(&mut overlay, pictures, net, h, answer, truth);
                wrong += 0.5 * off;
                said.push(format!("{}: {marked}", head.name));
            }
            HeadKind::Labels(_) | HeadKind::Values(_) => {}
        }
    }
    let mut panels = vec![overlay.picture()];
    panels.extend(beside);
    let shown = Captioned {
        picture: Picture::beside(&panels),
        caption: said.join(", "),
        wrong: wrong >= 1.0,
    };
    Drawn { shown, wrong }
}

/// What frames and panels mean.
pub fn how_to_read(net: &MultiTask) -> String {
    let has = |kind: fn(&HeadKind) -> bool| net.heads.iter().any(|head| kind(&head.kind));
    let mut text = vec![];
    if has(|kind| matches!(kind, HeadKind::Boxes(_))) {
        text.push(
            "White frames are true objects, coloured ones what was found, with its probability.",
        );
    }
    if has(|kind| matches!(kind, HeadKind::Mask(_))) {
        text.push("Side by side: the picture, what each pixel is said to be, what it is.");
    }
    if has(|kind| matches!(kind, HeadKind::Labels(labels) if labels.cells)) {
        text.push("Frames are cells that are said to hold something, in its colour.");
    }
    text.join(" ")
}

/// The colours of a mask's classes, by name. None where no head answers for every pixel.
pub fn legend(pictures: &dyn Pictures, net: &MultiTask) -> Option<Block> {
    let mask = |head: &crate::nn::Head| matches!(head.kind, HeadKind::Mask(_));
    let h = net.heads.iter().position(mask)?;
    let names = pictures.classes(h);
    let size = [names.len() * LINE_HEIGHT, SIDE / 2];
    let mut plates = Overlay::new(&vec![1.0; size[0] * size[1] * 3], size, size);
    for (class, name) in names.iter().enumerate() {
        plates.note(class, pictures.colour(h, class), name);
    }
    let shown =
        Captioned { picture: plates.picture(), caption: "colours of classes".into(), wrong: false };
    Some(Block::Gallery { title: String::new(), pictures: vec![shown] })
}

/// The class of each place; none: nobody knows.
fn classes(truth: &[f32]) -> Vec<Option<usize>> {
    truth.iter().map(|&t| (t >= 0.0).then_some(t as usize)).collect()
}

fn tint(
    overlay: &mut Overlay,
    pictures: &dyn Pictures,
    net: &MultiTask,
    head: usize,
    classes: &[Option<usize>],
) {
    let [rows, columns, _] = net.image;
    overlay.tint(TINT, |[y, x]| {
        let (y, x) = ((y as usize).min(rows - 1), (x as usize).min(columns - 1));
        classes[y * columns + x].map(|class| pictures.colour(head, class))
    });
}

/// Frames the cells that are said to hold a class; `12 of 15 cells, 4 too many`, and the share that is wrong of those
/// that hold something or are said to.
fn mark(
    overlay: &mut Overlay,
    pictures: &dyn Pictures,
    net: &MultiTask,
    head: usize,
    answer: &[f32],
    truth: &[f32],
) -> (String, f64) {
    let shape = net.output_shape(head, 1, 1);
    let (columns, labels) = (shape[3], shape[4]);
    let side = [net.image[0] as f32 / shape[2] as f32, net.image[1] as f32 / columns as f32];
    let (mut there, mut found, mut extra) = (0, 0, 0);
    for (i, (&z, &t)) in answer.iter().zip(truth).enumerate() {
        there += usize::from(t > 0.5);
        if z <= 0.0 {
            continue;
        }
        found += usize::from(t > 0.5);
        extra += usize::from(t == 0.0);
        let (cell, label) = (i / labels, i % labels);
        let [y, x] = [(cell / columns) as f32 * side[0], (cell % columns) as f32 * side[1]];
        overlay.frame([x, y, x + side[1], y + side[0]], pictures.colour(head, label), "");
    }
    let off = (there - found + extra) as f64 / (there + extra).max(1) as f64;
    (format!("{found} of {there} cells, {extra} too many"), off)
}

/// The picture, each pixel a square.
fn enlarged(pictures: &dyn Pictures, at: At) -> Overlay {
    let (height, width, pixels) = pictures.shown(at);
    let size = [height, width];
    let drawn = Overlay::size(size, SIDE);
    let factor = [drawn[0] as f32 / size[0] as f32, drawn[1] as f32 / size[1] as f32];
    let mut values = Vec::with_capacity(drawn[0] * drawn[1] * 3);
    for y in 0..drawn[0] {
        for x in 0..drawn[1] {
            let row = ((y as f32 / factor[0]) as usize).min(size[0] - 1);
            let column = ((x as f32 / factor[1]) as usize).min(size[1] - 1);
            let at = 3 * (row * size[1] + column);
            values.extend(pixels[at..at + 3].iter().map(|&p| f32::from(p) / 255.0));
        }
    }
    Overlay::new(&values, drawn, size)
}
