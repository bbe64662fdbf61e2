//! What a head says of one picture: numbers of the network as probabilities, boxes and classes; as text and as JSON.

use serde_json::{Value, json};

use crate::data::picture::Placement;
use crate::nn::{Detection, HeadKind, MultiTask};

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The probability of each class; they add up to 1.
    Classes(Vec<f32>),
    /// The probability of each label by itself.
    Labels(Vec<f32>),
    /// The probability of each label in each cell of what the network sees, `[rows, columns, labels]`.
    Cells {
        size: [usize; 2],
        labels: usize,
        values: Vec<f32>,
    },
    /// Objects in the picture's pixels, surest first.
    Boxes(Vec<Detection>),
    /// The surest class of each pixel that the network sees.
    Mask {
        size: [usize; 2],
        classes: Vec<u16>,
    },
    Values(Vec<f32>),
}

/// Boxes of one class that share more than this of their area are one object.
const MOST_OVERLAP: f32 = 0.5;

impl Answer {
    /// From the output of head `head` for one picture; boxes count from probability `least` on.
    #[track_caller]
    pub fn read(
        network: &MultiTask,
        head: usize,
        output: &[f32],
        placement: &Placement,
        least: f32,
    ) -> Self {
        let [height, width, _] = network.image;
        match &network.heads[head].kind {
            HeadKind::Classes(_) => Answer::Classes(softmax(output)),
            HeadKind::Labels(kind) => {
                let values: Vec<f32> = output.iter().map(|&z| 1.0 / (1.0 + (-z).exp())).collect();
                match kind.cells {
                    false => Answer::Labels(values),
                    true => {
                        let shape = network.output_shape(head, 1, 1);
                        Answer::Cells { size: [shape[2], shape[3]], labels: kind.labels, values }
                    }
                }
            }
            HeadKind::Boxes(_) => {
                let grid = network.grid(head).expect("a head of boxes has a grid");
                let mut found = grid.decode(output, least, MOST_OVERLAP);
                found.iter_mut().for_each(|d| d.bounds = placement.box_to_picture(d.bounds));
                // An object in the border alone is none of the picture's.
                found.retain(|d| d.bounds[2] > d.bounds[0] && d.bounds[3] > d.bounds[1]);
                Answer::Boxes(found)
            }
            HeadKind::Mask(kind) => {
                let classes =
                    output.chunks_exact(kind.classes).map(|z| largest(z) as u16).collect();
                Answer::Mask { size: [height, width], classes }
            }
            HeadKind::Values(_) => Answer::Values(output.to_vec()),
        }
    }

    /// For a table: `red 97 %`, `car 81 % at 12,30 40x22`.
    pub fn text(&self, names: &[String], placement: &Placement) -> String {
        let joined = |parts: Vec<String>| match parts.is_empty() {
            true => "none".to_string(),
            false => parts.join(", "),
        };
        match self {
            Answer::Classes(p) => {
                let mut order: Vec<usize> = (0..p.len()).collect();
                order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
                let shown = order
                    .iter()
                    .enumerate()
                    .take_while(|(i, c)| *i == 0 || (*i < 3 && p[**c] >= 0.05));
                joined(shown.map(|(_, &c)| format!("{} {}", names[c], percent(p[c]))).collect())
            }
            Answer::Labels(p) => {
                let on = (0..p.len()).filter(|&c| p[c] >= 0.5);
                joined(on.map(|c| format!("{} {}", names[c], percent(p[c]))).collect())
            }
            Answer::Cells { labels, values, .. } => {
                let cells =
                    |c| values.iter().skip(c).step_by(*labels).filter(|&&p| p >= 0.5).count();
                let on = (0..*labels).map(|c| (c, cells(c))).filter(|(_, n)| *n > 0);
                joined(
                    on.map(|(c, n)| {
                        format!("{} in {n} of {} cells", names[c], values.len() / labels)
                    })
                    .collect(),
                )
            }
            Answer::Boxes(found) => {
                let one = |d: &Detection| {
                    let [left, top, right, bottom] = d.bounds.map(f32::round);
                    let (name, size) = (&names[d.class], (right - left, bottom - top));
                    format!("{name} {} at {left},{top} {}x{}", percent(d.score), size.0, size.1)
                };
                joined(found.iter().map(one).collect())
            }
            Answer::Mask { .. } => {
                let mut shares: Vec<_> =
                    self.shares(names.len(), placement).into_iter().enumerate().collect();
                shares.sort_by(|a, b| b.1.total_cmp(&a.1));
                let shown = shares.into_iter().filter(|(_, share)| *share >= 0.005).take(5);
                joined(shown.map(|(c, share)| format!("{} {}", names[c], percent(share))).collect())
            }
            Answer::Values(values) => {
                joined(values.iter().zip(names).map(|(v, name)| format!("{name} {v:.3}")).collect())
            }
        }
    }

    /// For programs.
    pub fn json(&self, names: &[String], placement: &Placement) -> Value {
        let named = |p: &[f32]| -> Value {
            names
                .iter()
                .zip(p)
                .map(|(name, &p)| (name.clone(), json!(p)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        match self {
            Answer::Classes(p) => {
                let best = largest(p);
                json!({ "kind": "classes", "class": names[best], "probability": p[best], "probabilities": named(p) })
            }
            Answer::Labels(p) => json!({ "kind": "labels", "probabilities": named(p) }),
            Answer::Cells { size, values, .. } => {
                json!({ "kind": "cells", "rows": size[0], "columns": size[1], "labels": names, "probabilities": values })
            }
            Answer::Boxes(found) => {
                let one = |d: &Detection| {
                    let [left, top, right, bottom] = d.bounds;
                    json!({ "class": names[d.class], "probability": d.score, "left": left, "top": top, "right": right, "bottom": bottom })
                };
                json!({ "kind": "boxes", "boxes": found.iter().map(one).collect::<Vec<_>>() })
            }
            Answer::Mask { .. } => {
                json!({ "kind": "mask", "shares": named(&self.shares(names.len(), placement)) })
            }
            Answer::Values(values) => json!({ "kind": "values", "values": named(values) }),
        }
    }

    /// The share of the picture's pixels that a mask gives to each class.
    fn shares(&self, count: usize, placement: &Placement) -> Vec<f32> {
        let Answer::Mask { size: [_, width], classes } = self else { return vec![] };
        let (start, filled) = (placement.start, placement.filled);
        let mut found = vec![0; count];
        for y in start[0]..start[0] + filled[0] {
            for x in start[1]..start[1] + filled[1] {
                found[usize::from(classes[y * width + x])] += 1;
            }
        }
        found.iter().map(|&n| n as f32 / (filled[0] * filled[1]) as f32).collect()
    }
}

fn percent(p: f32) -> String {
    format!("{:.0} %", 100.0 * p)
}

/// The position of the largest number; the first of equals.
pub(super) fn largest(z: &[f32]) -> usize {
    z.iter().enumerate().fold(0, |best, (i, v)| if *v > z[best] { i } else { best })
}

fn softmax(z: &[f32]) -> Vec<f32> {
    let most = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let e: Vec<f32> = z.iter().map(|v| (v - most).exp()).collect();
    let sum: f32 = e.iter().sum();
    e.into_iter().map(|v| v / sum).collect()
}
