//! One descent of the toy problem: a method, a start, Adam.

use super::problem::Problem;
use crate::error::Result;
use crate::mtl::Gram;
use crate::mtl::aggregate::Aggregator;
use crate::mtl::balance::{Balancer, Moments};

/// What weighs the two tasks in each step.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    Gradients(Aggregator),
    Losses(Balancer),
}

/// Where it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The places after 0, `every`, 2·`every`, ... steps, and the last.
    pub places: Vec<[f64; 2]>,
    /// Steps whose solver did not converge, and the first of them.
    pub unsolved: u64,
    pub first_unsolved: Option<u64>,
    /// The largest residual of those that did.
    pub residual: f64,
}

impl Path {
    pub fn end(&self) -> [f64; 2] {
        *self.places.last().expect("a path has a start")
    }
}

impl Method {
    pub fn word(&self) -> &'static str {
        match self {
            Method::Gradients(aggregator) => aggregator.word(),
            Method::Losses(balancer) => balancer.word(),
        }
    }

    /// `steps` steps of Adam with step size `lr` from `start`, which keep every `every`-th place.
    pub fn descend(
        &self,
        problem: Problem,
        start: [f64; 2],
        steps: u64,
        lr: f64,
        every: u64,
    ) -> Result<Path> {
        let adam = Moments { lr, weight_decay: 0.0 };
        let (mut x, mut moments) = (start, Moments::start(2));
        let mut state = match self {
            Method::Losses(balancer) => balancer.start(2),
            Method::Gradients(_) => Default::default(),
        };
        let mut path =
            Path { places: vec![start], unsolved: 0, first_unsolved: None, residual: 0.0 };
        let (mut losses, mut gradients) = problem.at(x);
        for step in 1..=steps {
            let weights = match self {
                Method::Gradients(aggregator) => {
                    let found = aggregator.weigh(&gram(gradients)?, &losses, step as u32);
                    if found.converged {
                        path.residual = path.residual.max(found.residual);
                    } else {
                        path.unsolved += 1;
                        path.first_unsolved.get_or_insert(step);
                    }
                    found.weights
                }
                Method::Losses(balancer) => balancer.weights(&state, &losses),
            };
            let along = |k: usize| weights[0] * gradients[0][k] + weights[1] * gradients[1][k];
            adam.step(&mut x, &[along(0), along(1)], &mut moments);
            let before = losses;
            (losses, gradients) = problem.at(x);
            if let Method::Losses(balancer) = self {
                balancer.learn(&mut state, &before, Some(&losses));
            }
            if step % every == 0 || step == steps {
                path.places.push(x);
            }
        }
        Ok(path)
    }
}

fn gram([a, b]: [[f64; 2]; 2]) -> Result<Gram> {
    let dot = |a: [f64; 2], b: [f64; 2]| a[0] * b[0] + a[1] * b[1];
    Gram::new(2, &[dot(a, a), dot(a, b), dot(b, a), dot(b, b)], Gram::F64)
}
