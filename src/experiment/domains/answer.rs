//! What trained networks answer: one program for a list of networks over the same pictures.

use crate::error::Result;
use crate::exec::{Options, Program, compile};
use crate::nn::{MultiTask, Params, Spec, Weights};
use crate::tape::Tape;

use super::training::{stacked, write_stacked};

/// A compiled forward pass of so many networks on so many pictures at once.
pub struct Answering {
    program: Box<dyn Program>,
    net: MultiTask,
    nets: usize,
    pictures: usize,
    /// One network's parameters.
    spec: Vec<Spec>,
}

/// One network's answers: for each head the numbers of all pictures, one after the other.
pub type Answers = Vec<Vec<f32>>;

impl Answering {
    pub fn new(net: &MultiTask, nets: usize, pictures: usize, options: &Options) -> Result<Self> {
        let tape = Tape::new();
        let spec = net.spec();
        let weights = Params::inputs(&tape, &stacked(&spec, nets));
        let [h, w, c] = net.image;
        // Pictures are shared: [1, ...] until the first weights of a network of its own.
        let x = tape.input([1, pictures, h, w, c]);
        let domain = net.embedding.map(|e| tape.input([1, pictures, e.domains]));
        let answers = net.answer(&weights, x, domain);
        let program = compile(&tape, &answers.heads, &[], options)?;
        Ok(Self { program, net: net.clone(), nets, pictures, spec })
    }

    /// The networks that answer from now on.
    #[track_caller]
    pub fn take(&mut self, weights: &[&Weights]) {
        assert_eq!(weights.len(), self.nets, "weights of networks");
        write_stacked(&mut *self.program, 0, &self.spec, weights);
    }

    /// The answers of each network to `x`, `[any number of pictures, height, width, channels]`. `domain` is the
    /// column of the pictures' domain in the table of embeddings; none: the mixture of all.
    pub fn answer(&mut self, x: &[f32], domain: Option<usize>) -> Result<Vec<Answers>> {
        let pixels = self.net.image.iter().product::<usize>();
        let (heads, count) = (self.net.heads.len(), x.len() / pixels);
        let mut all = vec![vec![Vec::new(); heads]; self.nets];
        let mut room = vec![0.0; self.pictures * pixels];
        if let Some(e) = self.net.embedding {
            let share = |d: usize| match domain {
                Some(column) => f32::from(column == d),
                None => 1.0 / e.domains as f32,
            };
            let rows: Vec<f32> =
                (0..self.pictures).flat_map(|_| (0..e.domains).map(share)).collect();
            self.program.write(self.spec.len() + 1, &rows);
        }
        for first in (0..count).step_by(self.pictures) {
            let here = self.pictures.min(count - first);
            // The last pass may be short: what stands behind it is of the pass before, and left out below.
            room[..here * pixels].copy_from_slice(&x[first * pixels..][..here * pixels]);
            self.program.write(self.spec.len(), &room);
            self.program.run()?;
            for h in 0..heads {
                let len = self.net.output_shape(h, 1, 1).len();
                let mut values = vec![0.0; self.nets * self.pictures * len];
                self.program.read(h, &mut values)?;
                for (answers, values) in all.iter_mut().zip(values.chunks(self.pictures * len)) {
                    answers[h].extend_from_slice(&values[..here * len]);
                }
            }
        }
        Ok(all)
    }
}
