//! One network for several tasks: a trunk that all share, a learned embedding of the domain that scales and
//! shifts its channels, and one head a task.
//!
//! Parameters are `trunk/...`, `embedding/table` and `head/NAME/...`, so that a name says who owns it: freezing
//! the trunk or giving the heads a step size of their own is a question about a prefix. Weights may be
//! `[1, ...]` (shared by all tasks of the pass) or `[tasks, ...]` (a stack of independent networks).
//!
//! Read `trunk/mod.rs` and `heads/mod.rs` next: a further trunk or kind of head is one file and one arm there.

use serde::{Deserialize, Serialize};

use super::heads::{Grid, Place};
use super::{Embedding, Head, Layer, Params, Spec, Trunk};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tape::Var;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiTask {
    /// Height, width and channels of a picture.
    pub image: [usize; 3],
    pub trunk: Trunk,
    /// None: the trunk does not know domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Embedding>,
    pub heads: Vec<Head>,
}

/// What a network makes of pictures.
#[derive(Clone, Debug)]
pub struct Answers<'t> {
    /// One for each head, in their order; see [`MultiTask::output_shape`].
    pub heads: Vec<Var<'t>>,
    /// What the trunk gives, by name: `[tasks, pictures, height, width, channels]`.
    pub layers: Vec<(String, Var<'t>)>,
}

impl<'t> Answers<'t> {
    /// The layer of this name. Panics where there is none: a mistake in the program.
    #[track_caller]
    pub fn layer(&self, name: &str) -> Var<'t> {
        match self.layers.iter().find(|(n, _)| n == name) {
            Some((_, layer)) => *layer,
            None => panic!("the trunk has no layer {name}"),
        }
    }
}

/// Numbers that a network read from a file may have at most: 512 MB of weights.
const MOST_NUMBERS: usize = 1 << 27;
/// Any size or count in a network read from a file.
const MOST: usize = 4096;

impl MultiTask {
    pub fn spec(&self) -> Vec<Spec> {
        let width = self.embedding.map(|e| e.width);
        let mut all = self.trunk.spec(self.image, width);
        all.extend(self.embedding.map(|e| e.spec()));
        let layers = self.layers();
        for head in &self.heads {
            all.extend(head.spec(&self.place(head, &layers)));
        }
        all
    }

    /// Pictures `[tasks, pictures, height, width, channels]`; `domain` `[tasks, pictures, domains]`, whose rows
    /// sum to one: one-hot for a known domain. Without it, or for a domain never seen, the mixture of all in
    /// equal parts. A network without an embedding does not read it.
    #[track_caller]
    pub fn answer<'t>(
        &self,
        weights: &Params<'t>,
        x: Var<'t>,
        domain: Option<Var<'t>>,
    ) -> Answers<'t> {
        let layers = self.trunk_layers(weights, x, domain);
        Answers { heads: self.head_outputs(weights, &layers), layers }
    }

    /// The trunk alone: its layers by name.
    #[track_caller]
    pub fn trunk_layers<'t>(
        &self,
        weights: &Params<'t>,
        x: Var<'t>,
        domain: Option<Var<'t>>,
    ) -> Vec<(String, Var<'t>)> {
        let s = x.shape();
        let wanted = self.image;
        assert!(
            s.rank() == 5 && s.dims()[2..] == wanted,
            "pictures {s} for a network of {wanted:?}"
        );
        let e = self.embedding.map(|e| e.of(weights, domain));
        let names = self.layers().into_iter().map(|layer| layer.name);
        names.zip(self.trunk.run(weights, x, e)).collect()
    }

    /// The heads alone, on the layers that [`MultiTask::trunk_layers`] gave.
    #[track_caller]
    pub fn head_outputs<'t>(
        &self,
        weights: &Params<'t>,
        layers: &[(String, Var<'t>)],
    ) -> Vec<Var<'t>> {
        let size = [self.image[0], self.image[1]];
        self.heads.iter().map(|head| head.output(weights, layers, size)).collect()
    }

    /// What the trunk offers to heads.
    pub fn layers(&self) -> Vec<Layer> {
        self.trunk.layers(self.image)
    }

    /// The position of the head of this name.
    pub fn head(&self, name: &str) -> Option<usize> {
        self.heads.iter().position(|head| head.name == name)
    }

    /// What head `head` answers for so many tasks and pictures: `[tasks, pictures, ...]`.
    pub fn output_shape(&self, head: usize, tasks: usize, pictures: usize) -> Shape {
        let (head, layers) = (&self.heads[head], self.layers());
        let each = head.kind.kind().output_shape(&self.place(head, &layers));
        Shape::new(&[&[tasks, pictures], &each[..]].concat())
    }

    /// The targets that head `head` learns from: `[tasks, pictures, ...]`.
    pub fn target_shape(&self, head: usize, tasks: usize, pictures: usize) -> Shape {
        let (head, layers) = (&self.heads[head], self.layers());
        let each = head.kind.kind().target_shape(&self.place(head, &layers));
        Shape::new(&[&[tasks, pictures], &each[..]].concat())
    }

    /// How boxes in pixels become targets of head `head`, and its answers boxes again. None: it has no boxes.
    pub fn grid(&self, head: usize) -> Option<Grid> {
        let (head, layers) = (&self.heads[head], self.layers());
        let place = self.place(head, &layers);
        let classes = head.kind.box_classes()?;
        Some(Grid { image: place.image, cells: place.read.size, classes })
    }

    /// Whether this network can be built: for one that comes from a file.
    /// Errors: one line that names the first part that does not fit.
    pub fn check(&self) -> Result<()> {
        let bad = |why: String| Err(Error::input(format!("the network cannot be built: {why}")));
        let [h, w, c] = self.image;
        if h.min(w) < 8 || h.max(w) > MOST || c == 0 || c > MOST {
            return bad(format!("pictures of {h}x{w}x{c}; sides from 8 to {MOST} are possible"));
        }
        if let Err(why) = self.trunk.check() {
            return bad(why);
        }
        if let Some(Embedding { domains, width }) = self.embedding
            && (domains == 0 || width == 0 || domains.max(width) > MOST)
        {
            return bad(format!("an embedding of {domains} domains in {width} numbers"));
        }
        if self.heads.is_empty() || self.heads.len() > MOST {
            return bad(format!("{} heads; 1 to {MOST} are possible", self.heads.len()));
        }
        let layers = self.layers();
        for (i, head) in self.heads.iter().enumerate() {
            let name = &head.name;
            if name.is_empty() || name.contains('/') || self.head(name) != Some(i) {
                return bad(format!("the head's name {name:?} is empty, has a / or stands twice"));
            }
            if let Err(why) = head.check(&layers, MOST) {
                return bad(format!("head {name}: {why}"));
            }
        }
        let numbers = self.spec().iter().map(|s| s.shape.len()).sum::<usize>();
        if numbers > MOST_NUMBERS {
            return bad(format!("{numbers} weights; at most {MOST_NUMBERS} are possible"));
        }
        Ok(())
    }

    fn place<'a>(&self, head: &Head, layers: &'a [Layer]) -> Place<'a> {
        let read = layers.iter().find(|layer| layer.name == head.reads);
        let read = match read {
            Some(read) => read,
            None => {
                panic!("head {} reads {}, which the trunk does not have", head.name, head.reads)
            }
        };
        Place { image: [self.image[0], self.image[1]], read, layers }
    }
}
