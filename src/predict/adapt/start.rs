//! Where learning begins: what the trunk, which stands still, makes of the pictures, and the nearest prototype as a
//! linear head.

use super::task::Task;
use crate::error::Result;
use crate::exec::{Options, Program, compile};
use crate::nn::{MultiTask, Params, Pool, Spec};
use crate::predict::Model;
use crate::shape::Shape;
use crate::tape::{Tape, Var};
use crate::transfer::Prototypes;

/// The logit between two classes whose prototypes lie as far apart as pictures do on average.
const SHARPNESS: f64 = 4.0;

/// Weight and bias of the nearest prototype for each task, from the pictures known to it: features
/// `[1, pictures, features]`, labels and `known` `[tasks, pictures]`. Scaled so that a picture's average squared distance
/// from the mean of all is a logit of [`SHARPNESS`].
pub fn prototypes<'t>(
    features: Var<'t>,
    labels: Var<'t>,
    known: Var<'t>,
    classes: usize,
) -> [Var<'t>; 2] {
    // A picture that is not known has no label.
    let (weight, bias) =
        Prototypes::new(features, known.select(labels, labels.like(-1.0)), classes).head();
    let s = known.shape();
    let known = known.reshape([s[0], 1, s[1]]);
    let share = known * known.sum(&[2]).recip();
    let away = (features - share.matmul(features)).square().sum(&[2]);
    let spread = share.matmul(away);
    // Equal features in all pictures tell nothing apart, whatever the scale.
    let scale = spread.max(spread.like(1e-6)).recip() * SHARPNESS;
    [weight * scale, bias * scale]
}

/// What the trunk, which stands still, makes of the pictures before any step.
pub struct Seen {
    /// The layer that the head reads, for each picture.
    pub layers: Vec<Vec<f32>>,
    pub layer_shape: Shape,
    /// What a linear layer behind the head's pool reads.
    pub features: Vec<Vec<f32>>,
}

impl Seen {
    pub fn of(
        model: &Model,
        task: &Task,
        pictures: &[Vec<f32>],
        options: &Options,
    ) -> Result<Self> {
        let tape = Tape::new();
        let network = &task.network;
        let spec = trunk_spec(network);
        let weights = Params::inputs(&tape, &spec);
        let [height, width, channels] = network.image;
        let x = tape.input([1, 1, height, width, channels]);
        let layers = network.trunk_layers(&weights, x, None);
        let layer = layers.iter().find(|(name, _)| *name == task.head.reads).expect("checked").1;
        // A head whose weight is the identity answers with what it reads.
        let read =
            network.layers().into_iter().find(|l| l.name == task.head.reads).expect("checked");
        let identity_spec = Pool::Mean.spec("features", &read, 1);
        let count = identity_spec[0].shape[1];
        let identity: Vec<f64> =
            (0..count * count).map(|i| f64::from(u8::from(i / count == i % count))).collect();
        let names = ["features/weight", "features/bias"];
        let both = vec![tape.data([1, count, count], &identity), tape.filled(0.0, [1, 1, count])];
        let features = Pool::Mean.output("features", &Params::new(&names, both), layer);
        let mut program = compile(&tape, &[layer, features], &[], options)?;
        write_trunk(program.as_mut(), &spec, model, task.row.as_deref());
        let mut seen = Seen { layers: vec![], layer_shape: layer.shape(), features: vec![] };
        for picture in pictures {
            program.write(spec.len(), picture);
            program.run()?;
            let (mut layer, mut features) = (vec![0.0; seen.layer_shape.len()], vec![0.0; count]);
            program.read(0, &mut layer)?;
            program.read(1, &mut features)?;
            seen.layers.push(layer);
            seen.features.push(features);
        }
        Ok(seen)
    }
}

/// The parameters in front of the heads.
fn trunk_spec(network: &MultiTask) -> Vec<Spec> {
    network.spec().into_iter().filter(|s| !s.name.starts_with("head/")).collect()
}

/// Writes a model's trunk into the first slots, with one row of embedding.
fn write_trunk(program: &mut dyn Program, spec: &[Spec], model: &Model, row: Option<&[f32]>) {
    for (slot, spec) in spec.iter().enumerate() {
        match (&spec.name[..], row) {
            ("embedding/table", Some(row)) => program.write(slot, row),
            (name, _) => program
                .write(slot, &model.weights.get(name).expect("a model holds its trunk").values),
        }
    }
}

/// Who knows which picture, `[tasks, pictures]`, 1 or 0: task t all outside group t, the last task all.
pub fn known_to(tasks: usize, n: usize) -> Vec<f32> {
    let folds = tasks - 1;
    let known = |i: usize| i / n == folds || (i % n) % folds != i / n;
    (0..tasks * n).map(|i| f32::from(u8::from(known(i)))).collect()
}
