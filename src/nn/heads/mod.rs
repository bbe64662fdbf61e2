//! Heads: from a layer of the trunk to one task's answer, its loss, and learning it from a teacher.
//!
//! A kind of head is one file that implements [`Kind`] and one arm in [`HeadKind`]. Losses are one number a
//! picture there, `[tasks, pictures]`; the mean over the pictures whose labels are known is taken here, for all
//! kinds alike. So a batch may hold pictures with labels for one task only, or for none.

mod boxes;
mod classes;
mod grid;
mod labels;
mod mask;
mod pool;
mod values;

pub use boxes::Boxes;
pub use classes::Classes;
pub use grid::{Detection, Grid, Labelled, overlap, suppress};
pub use labels::Labels;
pub use mask::Mask;
pub use pool::Pool;
pub use values::Values;

use serde::{Deserialize, Serialize};

use super::{Layer, Params, Spec};
use crate::loss::mean_known;
use crate::tape::Var;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Its parameters are `head/NAME/...`.
    pub name: String,
    pub kind: HeadKind,
    /// The layer of the trunk it reads.
    pub reads: String,
}

/// One of the kinds of head, as a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HeadKind {
    Classes(Classes),
    Labels(Labels),
    Boxes(Boxes),
    Mask(Mask),
    Values(Values),
}

/// Where a head stands.
pub(super) struct Place<'a> {
    /// Height and width of a picture.
    pub image: [usize; 2],
    pub read: &'a Layer,
    pub layers: &'a [Layer],
}

/// What a head reads in a pass.
pub(super) struct Read<'a, 't> {
    pub image: [usize; 2],
    /// `[tasks, pictures, height, width, channels]`.
    pub x: Var<'t>,
    pub layers: &'a [(String, Var<'t>)],
}

/// What a kind's file says of it. Names of parameters begin with `name`; shapes are those of one picture.
pub(super) trait Kind {
    fn spec(&self, name: &str, place: &Place) -> Vec<Spec>;
    fn output<'t>(&self, name: &str, weights: &Params<'t>, read: &Read<'_, 't>) -> Var<'t>;
    fn output_shape(&self, place: &Place) -> Vec<usize>;
    fn target_shape(&self, place: &Place) -> Vec<usize>;
    /// The loss of each picture, `[tasks, pictures]`.
    fn losses<'t>(&self, output: Var<'t>, target: Var<'t>) -> Var<'t>;
    /// How far each picture's answer is from the teacher's, `[tasks, pictures]`; 0 where they agree.
    fn distances<'t>(&self, output: Var<'t>, teacher: Var<'t>, temperature: f64) -> Var<'t>;
    /// Why it cannot be built, for one that comes from a file; `most` bounds every count.
    fn check(&self, layers: &[Layer], most: usize) -> Result<(), String>;
}

impl HeadKind {
    pub(super) fn kind(&self) -> &dyn Kind {
        match self {
            HeadKind::Classes(kind) => kind,
            HeadKind::Labels(kind) => kind,
            HeadKind::Boxes(kind) => kind,
            HeadKind::Mask(kind) => kind,
            HeadKind::Values(kind) => kind,
        }
    }

    /// Classes of boxes, for a head that has boxes.
    pub(super) fn box_classes(&self) -> Option<usize> {
        match self {
            HeadKind::Boxes(boxes) => Some(boxes.classes),
            _ => None,
        }
    }
}

impl Head {
    pub fn new(name: &str, reads: &str, kind: HeadKind) -> Self {
        Self { name: name.into(), kind, reads: reads.into() }
    }

    /// The loss of each task, `[tasks]`: the mean over its known pictures, 0 (and a gradient of 0) where none
    /// is known. `known` `[tasks, pictures]` is 1 or 0; targets of pictures that are not known count for
    /// nothing but must be finite numbers, zeros for instance.
    #[track_caller]
    pub fn loss<'t>(&self, output: Var<'t>, target: Var<'t>, known: Var<'t>) -> Var<'t> {
        mean_known(self.losses(output, target), known)
    }

    /// The loss of each picture, `[tasks, pictures]`.
    #[track_caller]
    pub fn losses<'t>(&self, output: Var<'t>, target: Var<'t>) -> Var<'t> {
        self.kind.kind().losses(output, target)
    }

    /// Distillation, `[tasks]`: the mean of [`Head::distances`] over the known pictures.
    #[track_caller]
    pub fn distill<'t>(
        &self,
        output: Var<'t>,
        teacher: Var<'t>,
        known: Var<'t>,
        temperature: f64,
    ) -> Var<'t> {
        mean_known(self.distances(output, teacher, temperature), known)
    }

    /// How far each picture's output is from a teacher's output of the same head, `[tasks, pictures]`; KL divergences at
    /// `temperature` T, times T² (Hinton, Vinyals, Dean 2015). The teacher receives no gradient.
    #[track_caller]
    pub fn distances<'t>(&self, output: Var<'t>, teacher: Var<'t>, temperature: f64) -> Var<'t> {
        self.kind.kind().distances(output, teacher.detach(), temperature)
    }

    fn prefix(&self) -> String {
        format!("head/{}", self.name)
    }

    pub(super) fn spec(&self, place: &Place) -> Vec<Spec> {
        self.kind.kind().spec(&self.prefix(), place)
    }

    #[track_caller]
    pub(super) fn output<'t>(
        &self,
        weights: &Params<'t>,
        layers: &[(String, Var<'t>)],
        image: [usize; 2],
    ) -> Var<'t> {
        let x = layer(layers, &self.reads);
        self.kind.kind().output(&self.prefix(), weights, &Read { image, x, layers })
    }

    pub(super) fn check(&self, layers: &[Layer], most: usize) -> Result<(), String> {
        check_layer(layers, &self.reads)?;
        self.kind.kind().check(layers, most)
    }
}

#[track_caller]
fn layer<'t>(layers: &[(String, Var<'t>)], name: &str) -> Var<'t> {
    match layers.iter().find(|(n, _)| n == name) {
        Some((_, layer)) => *layer,
        None => panic!("the trunk has no layer {name}"),
    }
}

fn check_layer(layers: &[Layer], name: &str) -> Result<(), String> {
    if layers.iter().any(|layer| layer.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = layers.iter().map(|layer| &layer.name[..]).collect();
    Err(format!("it reads the layer {name:?}; the trunk has {}", names.join(", ")))
}

fn check_count(what: &str, count: usize, most: usize) -> Result<(), String> {
    if (1..=most).contains(&count) {
        return Ok(());
    }
    Err(format!("{count} {what}; 1 to {most} are possible"))
}
