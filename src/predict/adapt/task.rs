//! What is to be learned: the head, who is left out when, and the model that comes of it.

use std::path::PathBuf;

use super::start::{Seen, known_to, prototypes};
use crate::data::{picture, support::Support};
use crate::error::{Error, Result};
use crate::exec::{Options, compile};
use crate::nn::{Classes, Embedding, Head, HeadKind, MultiTask, Pool, Spec, Weight, Weights};
use crate::predict::{Model, input};
use crate::tape::Tape;

/// Up to so many pictures each is left out once; more are left out in ten groups.
const MOST_FOLDS: usize = 24;
const GROUPS: usize = 10;

/// What is to be learned.
pub struct Task {
    pub support: Support,
    pub head: Head,
    pub known: bool,
    /// The trunk with this head alone, and an embedding of one row.
    pub network: MultiTask,
    /// That row before any step: what the head sees of the known domains.
    pub row: Option<Vec<f32>>,
    /// A known head's weight and bias.
    given: Option<[Vec<f32>; 2]>,
}

impl Task {
    pub fn new(model: &Model, name: &str, support: Support) -> Result<Self> {
        let card = &model.card;
        if name.is_empty() || name.contains('/') || name.chars().any(char::is_control) {
            return Err(Error::input(format!(
                "--head {name:?}: a head's name is not empty and has no /"
            )));
        }
        let position = card.network.head(name);
        let (head, support) = match position {
            Some(at) => {
                let head = card.network.heads[at].clone();
                if !matches!(head.kind, HeadKind::Classes(_)) {
                    return Err(Error::input(format!(
                        "head {name:?} does not tell classes; give the new head another name with --head"
                    )));
                }
                (head, support.renumbered(card.names(name)).map_err(|e| {
                    Error::input(format!("{e}, the classes of the model's head {name:?}; for a new head choose another name with --head"))
                })?)
            }
            None => {
                let last = card.network.layers().pop().expect("a trunk has layers");
                let kind = Classes::new(support.classes.len(), Pool::Mean);
                (Head::new(name, &last.name, HeadKind::Classes(kind)), support)
            }
        };
        let weight = |part: &str| {
            model.weights.get(&format!("head/{name}/{part}")).map(|w| w.values.clone())
        };
        let given = position.and_then(|_| Some([weight("weight")?, weight("bias")?]));
        let row = card.mixture(name).map(|shares| {
            let table = model.weights.get("embedding/table").expect("an embedding has a table");
            let width = table.values.len() / shares.len();
            let column = |j: usize| {
                shares.iter().enumerate().map(|(i, s)| s * table.values[i * width + j]).sum()
            };
            (0..width).map(column).collect()
        });
        let network = MultiTask { heads: vec![head.clone()], ..card.network.for_new_domain() };
        Ok(Task { support, head, known: position.is_some(), network, row, given })
    }

    pub fn classes(&self) -> &[String] {
        &self.support.classes
    }

    /// Every picture as the network sees it.
    pub fn read(&self, model: &Model) -> Result<Vec<Vec<f32>>> {
        let one = |path: &PathBuf| picture::read(path).map(|p| input(&model.card, &p).0);
        self.support.examples.iter().map(|example| one(&example.path)).collect()
    }

    /// How many groups are left out, and the pictures that are asked. Picture i is in group i modulo groups: pictures
    /// are in order of class, so that every group has some of each.
    pub fn folds(&self) -> (usize, Vec<usize>) {
        let n = self.support.examples.len();
        let counts = self.support.counts();
        let folds = if n <= MOST_FOLDS { n } else { GROUPS };
        let asked = |&i: &usize| self.known || counts[self.support.examples[i].class] > 1;
        (folds, (0..n).filter(asked).collect())
    }

    /// Weight and bias that each task begins with: task t of all but the last knows the pictures outside group t, the last
    /// one all.
    pub fn starts(
        &self,
        seen: &Seen,
        tasks: usize,
        options: &Options,
    ) -> Result<Vec<[Vec<f32>; 2]>> {
        if let Some(given) = &self.given {
            return Ok(vec![given.clone(); tasks]);
        }
        let (n, width, classes) =
            (seen.features.len(), seen.features[0].len(), self.classes().len());
        let tape = Tape::new();
        let (features, labels) = (tape.input([1, n, width]), tape.input([tasks, n]));
        let known = tape.input([tasks, n]);
        let both = prototypes(features, labels, known, classes);
        let mut program = compile(&tape, &both, &[], options)?;
        program.write(0, &seen.features.concat());
        program.write(1, &self.labels().repeat(tasks));
        program.write(2, &known_to(tasks, n));
        program.run()?;
        let mut all = both.map(|part| vec![0.0; part.shape().len()]);
        for (i, values) in all.iter_mut().enumerate() {
            program.read(i, values)?;
        }
        let of = |t: usize| {
            [0, 1].map(|i| {
                let each = all[i].len() / tasks;
                all[i][t * each..(t + 1) * each].to_vec()
            })
        };
        Ok((0..tasks).map(of).collect())
    }

    /// The class of each picture.
    pub fn labels(&self) -> Vec<f32> {
        self.support.examples.iter().map(|example| example.class as f32).collect()
    }

    /// `model` with this head: its weight and bias, and a row of the embedding for it alone where one was learned.
    pub fn model(&self, model: &Model, head: &[Vec<f32>], row: Option<&[f32]>) -> Model {
        let mut card = model.card.clone();
        let name = &self.head.name;
        if !self.known {
            card.network.heads.push(self.head.clone());
            card.classes.insert(name.clone(), self.classes().to_vec());
        }
        card.title = format!(
            "{}; head {name} from {} pictures",
            model.card.title,
            self.support.examples.len()
        );
        let mut table = model.weights.get("embedding/table").map(|w| w.values.clone());
        if let (Some(row), Some(table)) = (row, &mut table) {
            // All other heads go on with the rows they had.
            let mixtures: Vec<_> = card
                .network
                .heads
                .iter()
                .map(|h| (h.name.clone(), card.mixture(&h.name)))
                .collect();
            for (other, mixture) in mixtures {
                let mut shares = mixture.expect("there is an embedding");
                if other == *name {
                    shares.fill(0.0);
                }
                shares.push(f32::from(u8::from(other == *name)));
                card.domains.insert(other, shares);
            }
            table.extend(row);
            card.network.embedding =
                card.network.embedding.map(|e| Embedding { domains: e.domains + 1, ..e });
        }
        let weight = |spec: Spec| {
            let values = match &spec.name {
                n if *n == format!("head/{name}/weight") => head[0].clone(),
                n if *n == format!("head/{name}/bias") => head[1].clone(),
                n if n == "embedding/table" => table.clone().expect("there is an embedding"),
                n => {
                    model.weights.get(n).expect("a model holds what its card names").values.clone()
                }
            };
            Weight { name: spec.name, shape: spec.shape, values }
        };
        let weights = Weights(card.network.spec().into_iter().map(weight).collect());
        Model { card, weights, recipe: model.recipe.clone() }
    }
}
