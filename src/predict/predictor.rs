//! A model as a program for one picture at a time.

use super::{Answer, Card, MOST_MEMORY, Model};
use crate::data::picture::{Placement, Rgb};
use crate::error::{Error, Result};
use crate::exec::{Options, Program, compile};
use crate::nn::{MultiTask, Params};
use crate::tape::Tape;

pub struct Predictor {
    program: Box<dyn Program>,
    card: Card,
    /// The heads that are asked, in the order of the outputs.
    network: MultiTask,
    /// Slot of the picture.
    slot: usize,
}

/// What a model says of one picture.
#[derive(Clone, Debug)]
pub struct Prediction {
    pub placement: Placement,
    /// Name of a head and its answer; boxes are in the picture's pixels.
    pub answers: Vec<(String, Answer)>,
}

/// A picture as the network's input, `[height, width, 3]`, and where in it the picture lies. The border, where the
/// proportions differ, is the mean colour and so 0.
pub fn input(card: &Card, picture: &Rgb) -> (Vec<f32>, Placement) {
    let [height, width, _] = card.network.image;
    let mut fitted = picture.fit([height, width], card.mean);
    for pixel in fitted.values.chunks_exact_mut(3) {
        for ((v, mean), std) in pixel.iter_mut().zip(card.mean).zip(card.std) {
            *v = (*v - mean) / std;
        }
    }
    (fitted.values, fitted.placement)
}

impl Predictor {
    /// `heads`: positions of those to ask. Errors: a device that is not there, a network too large for it.
    pub fn new(model: &Model, heads: &[usize], options: &Options) -> Result<Self> {
        let card = model.card.clone();
        let whole = &card.network;
        let asked = heads.iter().map(|&i| whole.heads[i].clone()).collect();
        let network = MultiTask { heads: asked, ..whole.clone() };
        let tape = Tape::new();
        let spec = network.spec();
        let weights = Params::inputs(&tape, &spec);
        let [height, width, channels] = network.image;
        let x = tape.input([1, 1, height, width, channels]);
        // One pass of the trunk for each different mixture of domains: usually one.
        let mut passes = vec![];
        let mut outputs = vec![];
        for (i, head) in network.heads.iter().enumerate() {
            let mixture = card.mixture(&head.name);
            let at = match passes.iter().position(|(m, _)| *m == mixture) {
                Some(at) => at,
                None => {
                    let domain = mixture.as_ref().map(|shares| {
                        let shares: Vec<f64> = shares.iter().map(|&s| f64::from(s)).collect();
                        tape.data([1, 1, shares.len()], &shares)
                    });
                    passes.push((mixture, network.answer(&weights, x, domain).heads));
                    passes.len() - 1
                }
            };
            outputs.push(passes[at].1[i]);
        }
        let memory = Some(options.memory.unwrap_or(MOST_MEMORY));
        let mut program = compile(&tape, &outputs, &[], &Options { memory, ..*options })?;
        for (slot, spec) in spec.iter().enumerate() {
            let weight = model.weights.get(&spec.name).expect("a model holds what its card names");
            program.write(slot, &weight.values);
        }
        Ok(Self { program, card, network, slot: spec.len() })
    }

    /// What every asked head says of a picture. Boxes count from probability `least` on.
    pub fn predict(&mut self, picture: &Rgb, least: f32) -> Result<Prediction> {
        let (values, placement) = input(&self.card, picture);
        self.program.write(self.slot, &values);
        self.program.run()?;
        let mut answers = vec![];
        for (i, head) in self.network.heads.iter().enumerate() {
            let mut output = vec![0.0; self.network.output_shape(i, 1, 1).len()];
            self.program.read(i, &mut output)?;
            if output.iter().any(|v| !v.is_finite()) {
                return Err(Error::Answer(format!(
                    "head {} answers with numbers that are not finite; the model is of no use for this picture",
                    head.name
                )));
            }
            let answer = Answer::read(&self.network, i, &output, &placement, least);
            answers.push((head.name.clone(), answer));
        }
        Ok(Prediction { placement, answers })
    }

    /// What runs it, for people.
    pub fn device(&self) -> String {
        self.program.device()
    }
}
