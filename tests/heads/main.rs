//! Networks of several heads: derivatives and executors, what they answer, boxes, and that they learn.

mod agreement;
mod answers;
mod boxes;
mod learning;

use metatape::exec::{Device, Options};
use metatape::nn::*;
use metatape::random::Stream;

fn cpu() -> Options {
    Options { device: Device::Cpu, ..Options::default() }
}

/// A network on small pictures with odd sides; every kind of head.
fn network(trunk: Trunk, embedding: Option<Embedding>) -> MultiTask {
    let head = |name: &str, reads: &str, kind| Head::new(name, reads, kind);
    let layers = trunk.layers([17, 12, 3]);
    let name = |i: usize| layers[i].name.clone();
    let mask = Mask { width: 2, ..Mask::new(3, &name(0)) };
    let heads = vec![
        head("kind", &name(3), HeadKind::Classes(Classes::new(4, Pool::Mean))),
        head("light", &name(2), HeadKind::Classes(Classes::new(3, Pool::LogSumExp))),
        head("signs", &name(3), HeadKind::Labels(Labels::new(2))),
        head("places", &name(1), HeadKind::Labels(Labels { cells: true, ..Labels::new(2) })),
        head("obstacles", &name(1), HeadKind::Boxes(Boxes { width: 4, ..Boxes::new(2) })),
        head("road", &name(3), HeadKind::Mask(mask)),
        head("path", &name(3), HeadKind::Values(Values { count: 2 })),
    ];
    MultiTask { image: [17, 12, 3], trunk, embedding, heads }
}

fn trunks() -> [Trunk; 2] {
    [
        Trunk::Small(Small { channels: 4, stem: 2, groups: 2 }),
        Trunk::Residual(Residual { channels: 2, groups: 1 }),
    ]
}

const EMBEDDING: Option<Embedding> = Some(Embedding { domains: 3, width: 2 });

fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut random = Stream::new(seed, 16, 0, 0);
    (0..len).map(|_| random.normal() as f32).collect()
}
