//! What a teacher answered: to each picture of a list, in a few fixed versions of it.
//!
//! A student that sees a crop of a picture has to be told what the teacher makes of that crop (Beyer et al. 2022, "a good
//! teacher is patient and consistent"). So each picture is changed in [`VIEWS`] ways, the same in every round; teacher
//! and student read the same pixels.

use super::pictures::Change;
use crate::nn::MultiTask;

/// Versions of a picture that a teacher answers to.
pub const VIEWS: u32 = 4;

/// Answers to the views of a list's pictures.
#[derive(Clone, Debug)]
pub struct Taught {
    seed: u32,
    /// For each picture its views one after the other, each a list over heads.
    answers: Vec<Vec<Vec<f32>>>,
}

impl Taught {
    /// From the answers by head, `[heads][pictures · VIEWS · numbers]`, of a network of this shape. `seed` is that of the
    /// views' changes.
    pub fn new(seed: u32, net: &MultiTask, answers: &[Vec<f32>]) -> Self {
        let len = |h: usize| net.output_shape(h, 1, 1).len();
        let count = answers[0].len() / len(0);
        let of = |i: usize| {
            let head = |(h, all): (usize, &Vec<f32>)| all[i * len(h)..][..len(h)].to_vec();
            answers.iter().enumerate().map(head).collect()
        };
        Self { seed, answers: (0..count).map(of).collect() }
    }

    /// How a view of the list's picture at `place` is changed.
    pub fn change(seed: u32, place: usize, view: u32) -> Change {
        Change { seed, step: view, element: place as u32 }
    }

    /// A view's change, and each head's answer to it.
    pub fn view(&self, place: usize, view: u32) -> (Change, &[Vec<f32>]) {
        let answers = &self.answers[place * VIEWS as usize + view as usize];
        (Self::change(self.seed, place, view), answers)
    }
}
