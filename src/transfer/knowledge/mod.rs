//! Φ = K(F(X), Y): what a trained network F knows of examples X with labels Y, as one file that another run or
//! another program can load.
//!
//! Answers at a temperature, features and attention maps at named layers, parameters, class prototypes and
//! feature statistics; each is asked for by name, nothing is put in by itself. No raw example is in it unless
//! [`Knowledge::examples_themselves`] is called: an X is known by its number of examples and a fingerprint, so that
//! soft targets are not laid beside the wrong pictures. (Features of single examples can say much about them all
//! the same; prototypes and statistics say least.)
//!
//! `file` is its form on disk. All tensors are without a task axis, but for parameters, which keep theirs.

mod file;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::ensemble::mean_probabilities;
use crate::error::{Error, Result};
use crate::nn::{Spec, Weight, Weights};
use crate::run::Named;
use crate::shape::Shape;

pub use file::{FORMAT, MOST_BYTES};

/// What was extracted; see [`file`](self) for the names of the tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Knowledge {
    /// What the caller says of the network, so that a program can build it again.
    pub network: serde_json::Value,
    /// [`fingerprint`] of the shared part: prototypes, statistics and features mean something in it alone.
    pub trunk: String,
    /// Of the soft targets.
    pub temperature: f64,
    /// How many examples stand behind soft targets, features and attention maps, and [`fingerprint_of`] them.
    pub examples: usize,
    pub examples_fingerprint: String,
    /// The names of each task's classes, in the order of its logits.
    pub classes: BTreeMap<String, Vec<String>>,
    /// `soft/TASK` `[examples, classes]`, `feature/LAYER` `[examples, ...]`, `attention/LAYER` `[examples, positions]`,
    /// `weight/NAME` `[1, ...]`, `prototype/TASK/mean` `[classes, features]` and `/count` `[classes]`,
    /// `statistics/LAYER/mean` and `/variance` `[channels]`, `input` `[examples, ...]`.
    tensors: Vec<Named>,
}

impl Knowledge {
    /// Nothing yet, of a network whose shared part has this fingerprint, about examples `x`, `examples` of them
    /// one after the other.
    pub fn new(network: serde_json::Value, trunk: String, x: &[f32], examples: usize) -> Self {
        let examples_fingerprint = fingerprint_of(x);
        let (temperature, classes, tensors) = (1.0, BTreeMap::new(), vec![]);
        Self { network, trunk, temperature, examples, examples_fingerprint, classes, tensors }
    }

    /// The mean over teachers of softmax(logits/temperature), each `[examples, classes]`.
    #[track_caller]
    pub fn soft_targets(&mut self, task: &str, teachers: &[&[f32]], classes: &[&str]) {
        let cool = |logits: &&[f32]| -> Vec<f32> {
            logits.iter().map(|&z| (f64::from(z) / self.temperature) as f32).collect()
        };
        let cooled: Vec<Vec<f32>> = teachers.iter().map(cool).collect();
        let cooled: Vec<&[f32]> = cooled.iter().map(|logits| &logits[..]).collect();
        let soft = mean_probabilities(&cooled, classes.len());
        self.name_classes(task, classes);
        self.put(format!("soft/{task}"), vec![self.examples, classes.len()], soft);
    }

    /// A layer's answers, `[examples, ...]`.
    #[track_caller]
    pub fn features(&mut self, layer: &str, shape: &[usize], values: &[f32]) {
        self.put(format!("feature/{layer}"), shape.to_vec(), values.to_vec());
    }

    /// [`super::attention_map`] of a layer, `[examples, positions]`.
    #[track_caller]
    pub fn attention(&mut self, layer: &str, map: &[f32]) {
        let positions = map.len() / self.examples;
        self.put(format!("attention/{layer}"), vec![self.examples, positions], map.to_vec());
    }

    /// The parameters that `which` picks.
    #[track_caller]
    pub fn parameters(&mut self, weights: &Weights, which: impl Fn(&str) -> bool) {
        for w in weights.iter().filter(|w| which(&w.name)) {
            self.put(format!("weight/{}", w.name), w.shape.dims().to_vec(), w.values.clone());
        }
    }

    /// Means of features `[n, d]` by label `[n]`, and how many examples stand behind each. Labels outside the classes are
    /// missing; a class without examples has count 0. The n examples need not be those of the soft targets.
    #[track_caller]
    pub fn prototypes(&mut self, task: &str, features: &[f32], labels: &[f32], classes: &[&str]) {
        let (n, width) = (classes.len(), features.len() / labels.len());
        let (mut sums, mut counts) = (vec![0.0f64; n * width], vec![0.0f32; n]);
        for (row, &label) in features.chunks_exact(width).zip(labels) {
            if !(0.0..n as f32).contains(&label) {
                continue;
            }
            let class = label as usize;
            counts[class] += 1.0;
            let sum = &mut sums[class * width..][..width];
            sum.iter_mut().zip(row).for_each(|(s, &f)| *s += f64::from(f));
        }
        let mean = |(k, &s): (usize, &f64)| (s / f64::from(counts[k / width].max(1.0))) as f32;
        let means = sums.iter().enumerate().map(mean).collect();
        self.name_classes(task, classes);
        self.put(format!("prototype/{task}/mean"), vec![n, width], means);
        self.put(format!("prototype/{task}/count"), vec![n], counts);
    }

    /// Mean and variance (divided by the count) of each channel over all of `values`, `[.., channels]`.
    #[track_caller]
    pub fn statistics(&mut self, layer: &str, values: &[f32], channels: usize) {
        let rows = || values.chunks_exact(channels);
        let n = rows().len() as f64;
        let over = |f: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            (0..channels).map(|c| rows().map(|r| f(c, f64::from(r[c]))).sum::<f64>() / n).collect()
        };
        let mean = over(&|_, v| v);
        let variance = over(&|c, v| (v - mean[c]).powi(2));
        for (what, values) in [("mean", mean), ("variance", variance)] {
            let values = values.into_iter().map(|v| v as f32).collect();
            self.put(format!("statistics/{layer}/{what}"), vec![channels], values);
        }
    }

    /// The raw examples, for a receiver who has not got them and may have them.
    #[track_caller]
    pub fn examples_themselves(&mut self, shape: &[usize], x: &[f32]) {
        self.put("input".into(), shape.to_vec(), x.to_vec());
    }

    /// Shape and values of a tensor.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        let found = self.tensors.iter().find(|(n, ..)| n == name);
        found.map(|(_, shape, values)| (&shape[..], &values[..]))
    }

    pub fn tensors(&self) -> &[Named] {
        &self.tensors
    }

    /// The answers of `task` about examples `x`. Errors: there are none, or they are about other examples.
    pub fn soft_targets_for(&self, task: &str, x: &[f32]) -> Result<&[f32]> {
        let found = fingerprint_of(x);
        if found != self.examples_fingerprint {
            let expected = &self.examples_fingerprint;
            return Err(Error::input(format!(
                "the knowledge file's answers are about other examples (fingerprint {expected}, these have {found}); extract it again on these"
            )));
        }
        match self.get(&format!("soft/{task}")) {
            Some((_, values)) => Ok(values),
            None => Err(Error::input(format!(
                "the knowledge file has no soft targets of {task:?}; it has {}",
                self.contents()
            ))),
        }
    }

    /// Fails unless the knowledge was taken from the trunk with this [`fingerprint`].
    pub fn same_trunk(&self, fingerprint: &str) -> Result<()> {
        if self.trunk == fingerprint {
            return Ok(());
        }
        Err(Error::input(format!(
            "the knowledge file is of another trunk (fingerprint {}, expected {fingerprint}): its prototypes, features and \
             statistics mean nothing here; load its parameters first, or extract it again from this trunk",
            self.trunk
        )))
    }

    /// The parameters in the file that `spec` names, in its order; what the file has not (a new head) is not among
    /// them. Errors: a parameter of another shape, named; none at all.
    pub fn parameters_for(&self, spec: &[Spec]) -> Result<Weights> {
        let mut all = vec![];
        for s in spec {
            let Some((shape, values)) = self.get(&format!("weight/{}", s.name)) else { continue };
            if shape != s.shape.dims() {
                return Err(Error::input(format!(
                    "the knowledge file is of another trunk: its {} has the shape {shape:?}, expected {}",
                    s.name, s.shape
                )));
            }
            let shape = Shape::try_new(shape).map_err(Error::input)?;
            all.push(Weight { name: s.name.clone(), shape, values: values.to_vec() });
        }
        match all.is_empty() {
            false => Ok(Weights(all)),
            true => Err(Error::input(format!(
                "the knowledge file has no parameter of this network; it has {}",
                self.contents()
            ))),
        }
    }

    /// What is in it, for a line of text.
    fn contents(&self) -> String {
        let names: Vec<&str> = self.tensors.iter().take(8).map(|(name, ..)| &name[..]).collect();
        match self.tensors.len() {
            0 => "nothing".into(),
            n if n > names.len() => format!("{} and {} more", names.join(", "), n - names.len()),
            _ => names.join(", "),
        }
    }

    #[track_caller]
    fn name_classes(&mut self, task: &str, classes: &[&str]) {
        let classes: Vec<String> = classes.iter().map(|class| class.to_string()).collect();
        let named = self.classes.entry(task.to_string()).or_insert_with(|| classes.clone());
        assert_eq!(*named, classes, "the classes of {task}");
    }

    #[track_caller]
    fn put(&mut self, name: String, shape: Vec<usize>, values: Vec<f32>) {
        let len: usize = shape.iter().product();
        assert_eq!(len, values.len(), "numbers of {name} {shape:?}");
        assert!(self.get(&name).is_none(), "{name} stands in the knowledge already");
        self.tensors.push((name, shape, values));
    }
}

/// Which trunk: 16 hexadecimal digits of names, shapes and numbers of the parameters that begin with `prefix`.
pub fn fingerprint(weights: &Weights, prefix: &str) -> String {
    let mut hash = Sha256::new();
    for w in weights.iter().filter(|w| w.name.starts_with(prefix)) {
        hash.update(format!("{:?} {}", w.name, w.shape));
        w.values.iter().for_each(|v| hash.update(v.to_le_bytes()));
    }
    digits(hash)
}

/// Which examples: the same of their numbers.
pub fn fingerprint_of(x: &[f32]) -> String {
    let mut hash = Sha256::new();
    x.iter().for_each(|v| hash.update(v.to_le_bytes()));
    digits(hash)
}

fn digits(hash: Sha256) -> String {
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
