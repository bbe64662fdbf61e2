//! Knowledge that leaves a study: Φ = K(F(X), Y) as one file, and the card of its model.

use super::drive::Found;
use super::pictures::At;
use super::score::{drawn, truths};
use super::study::Study;
use crate::error::Result;
use crate::exec::compile;
use crate::nn::{HeadKind, MultiTask, Params};
use crate::predict::Card;
use crate::tape::Tape;
use crate::transfer::knowledge::{Knowledge, fingerprint};

/// The layer whose features stand in the file.
fn last_layer(net: &MultiTask) -> String {
    net.layers().last().expect("a trunk has layers").name.clone()
}

/// Parameters, prototypes and feature statistics from the labelled source pictures of the first seed, soft targets on
/// the unlabelled pictures of the first target. No picture is in it.
pub fn knowledge(study: &mut Study, found: &Found) -> Result<Knowledge> {
    let net = found.net.clone();
    let weights = &found.general;
    let unlabelled = study.pool(study.domains[0], 0).unknown();
    let x = drawn(&*study.pictures, &net, &unlabelled);
    let network = serde_json::to_value(&net).expect("a network is plain data");
    let mut all = Knowledge::new(network, fingerprint(weights, "trunk/"), &x, unlabelled.len());
    all.temperature = study.set.temperature;
    all.parameters(weights, |_| true);
    let names = |study: &Study, h: usize| study.pictures.classes(h);
    let answers = study.answers(&net, &[weights], &unlabelled, None)?.swap_remove(0);
    for (h, head) in net.heads.iter().enumerate() {
        if let HeadKind::Classes(_) = head.kind {
            let classes = names(study, h);
            let classes: Vec<&str> = classes.iter().map(|c| &c[..]).collect();
            all.soft_targets(&head.name, &[&answers[h]], &classes);
        }
    }
    let layer = last_layer(&net);
    for (t, task) in study.tasks.clone().iter().enumerate() {
        let at: Vec<At> = study
            .pictures
            .sources()
            .flat_map(|d| study.pictures.pool(d, study.set.seeds[0]).known(t, usize::MAX).to_vec())
            .collect();
        let (features, channels) = features(study, &net, found, &at, &layer)?;
        if t == 0 {
            all.statistics(&layer, &features, channels);
        }
        let truths = truths(&*study.pictures, &net, &at);
        for &h in &task.heads {
            if let HeadKind::Classes(_) = net.heads[h].kind {
                let classes = names(study, h);
                let classes: Vec<&str> = classes.iter().map(|c| &c[..]).collect();
                all.prototypes(&net.heads[h].name, &features, &truths[h].concat(), &classes);
            }
        }
    }
    Ok(all)
}

/// Mean of a layer's channels over the places of each picture, `[pictures, channels]`.
fn features(
    study: &Study,
    net: &MultiTask,
    found: &Found,
    at: &[At],
    layer: &str,
) -> Result<(Vec<f32>, usize)> {
    let tape = Tape::new();
    let weights = Params::constants(&tape, &found.general);
    let [h, w, c] = net.image;
    let count = at.len();
    let x = tape.input([1, count, h, w, c]);
    let layers = net.trunk_layers(&weights, x, None);
    let (_, y) = layers.iter().find(|(name, _)| name == layer).expect("the trunk's own layer");
    let mean = y.mean(&[2, 3]);
    let channels = y.shape().last();
    let mut program = compile(&tape, &[mean], &[], &study.set.options)?;
    program.write(0, &drawn(&*study.pictures, net, at));
    program.run()?;
    let mut values = vec![0.0; count * channels];
    program.read(0, &mut values)?;
    Ok((values, channels))
}

/// What `predict` needs to know.
pub fn card(study: &Study, net: &MultiTask) -> Result<serde_json::Value> {
    let normal = study.pictures.normal();
    let heads = net.heads.iter().enumerate();
    let card = Card {
        title: study.set.title.clone(),
        network: net.clone(),
        classes: heads.map(|(h, head)| (head.name.clone(), study.pictures.classes(h))).collect(),
        mean: normal.mean,
        std: normal.deviation,
        domains: Default::default(),
    };
    Ok(serde_json::to_value(card).expect("a card is plain data"))
}
