//! The rows of a study's table: the controls, and the method as a pipeline whose parts can be left out.

/// A row of the table. Names are those of `summary.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// The commonest answer of the target's own labels.
    Majority,
    /// Source networks as they are: no target label was seen.
    UnlabelledSingle,
    UnlabelledJoint,
    /// (a) A network a task, from the target's labels alone.
    Single,
    /// (b) A network a task, pretrained on the same source data.
    Pretrained,
    /// (b) with a second network of another pretraining seed: the control for whatever averages two networks.
    PretrainedPair,
    /// (b) taught on the same unlabelled pictures by such a pair: the control for distillation.
    PretrainedTaught,
    /// One network for all tasks.
    Joint(Pipeline),
}

/// What goes into one network for all tasks, beyond joint training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pipeline {
    pub name: &'static str,
    /// Tuned constant weights of the losses; else equal ones.
    pub tuned: bool,
    /// A learned embedding of the domain.
    pub embedding: bool,
    /// The tasks' gradients are aggregated in source learning.
    pub aggregated: bool,
    /// Meta-learning before the target is seen.
    pub meta: bool,
    /// Unlabelled pictures, answered by a teacher.
    pub distilled: bool,
    /// The running average of the weights rather than the last.
    pub averaged: bool,
}

const JOINT: Pipeline = Pipeline {
    name: "joint",
    tuned: false,
    embedding: true,
    aggregated: false,
    meta: false,
    distilled: false,
    averaged: false,
};

/// Control (c): tuned constant weights.
pub const TUNED: Pipeline = Pipeline { name: "tuned", tuned: true, ..JOINT };

/// All parts.
pub const WHOLE: Pipeline = Pipeline {
    name: "whole",
    tuned: true,
    aggregated: true,
    meta: true,
    distilled: true,
    averaged: true,
    ..JOINT
};

/// The rows of the table, each adding a part to the one before.
pub const LADDER: [Pipeline; 6] = [
    JOINT,
    TUNED,
    Pipeline { name: "aggregated", aggregated: true, ..TUNED },
    Pipeline { name: "meta", aggregated: true, meta: true, ..TUNED },
    Pipeline { name: "meta-distilled", aggregated: true, meta: true, distilled: true, ..TUNED },
    WHOLE,
];

/// The whole method with one part left out.
pub const ABLATIONS: [Pipeline; 5] = [
    Pipeline { name: "whole-without-embedding", embedding: false, ..WHOLE },
    Pipeline { name: "whole-without-aggregation", aggregated: false, ..WHOLE },
    Pipeline { name: "whole-without-distillation", distilled: false, ..WHOLE },
    Pipeline { name: "whole-without-averaging", averaged: false, ..WHOLE },
    Pipeline { name: "whole-without-meta", meta: false, ..WHOLE },
];

impl Pipeline {
    /// The training on the source domains that it needs, as a stage's name; pipelines may share one.
    pub fn source(&self) -> String {
        let mut name = if self.tuned { "source-tuned" } else { "source-joint" }.to_string();
        name += if self.aggregated { "-aggregated" } else { "" };
        name += if self.embedding { "" } else { "-plain" };
        name
    }

    /// The meta-learning after it.
    pub fn meta(&self) -> String {
        self.source().replacen("source", "meta", 1)
    }

    /// What its adaptation to the targets starts from.
    pub fn start(&self) -> String {
        if self.meta { self.meta() } else { self.source() }
    }

    /// The stage that adapts it; the averaged weights come from the same.
    pub fn adapted(&self) -> String {
        format!("target-{}{}", self.start(), if self.distilled { "-taught" } else { "" })
    }
}

impl Row {
    /// Every row, as the table shows them: controls first, then each part added to the ones before, then each left out.
    pub fn all() -> impl Iterator<Item = Self> {
        let plain = [
            Row::Majority,
            Row::UnlabelledSingle,
            Row::UnlabelledJoint,
            Row::Single,
            Row::Pretrained,
            Row::PretrainedPair,
            Row::PretrainedTaught,
        ];
        plain.into_iter().chain(LADDER.into_iter().chain(ABLATIONS).map(Row::Joint))
    }

    /// The row of this name.
    pub fn named(word: &str) -> Option<Self> {
        Self::all().find(|row| row.word() == word)
    }

    pub fn word(&self) -> &'static str {
        match self {
            Row::Majority => "majority",
            Row::UnlabelledSingle => "single-no-target-label",
            Row::UnlabelledJoint => "joint-no-target-label",
            Row::Single => "single",
            Row::Pretrained => "pretrained",
            Row::PretrainedPair => "pretrained-pair",
            Row::PretrainedTaught => "pretrained-taught",
            Row::Joint(pipeline) => pipeline.name,
        }
    }

    /// What a person reads in the table.
    pub fn label(&self) -> String {
        match self {
            Row::Majority => "always the commonest answer".into(),
            Row::UnlabelledSingle => "single task, pretrained, no target label".into(),
            Row::UnlabelledJoint => "joint, no target label".into(),
            Row::Single => "(a) single task, target labels alone".into(),
            Row::Pretrained => "(b) single task, pretrained".into(),
            Row::PretrainedPair => "(b) two of them averaged".into(),
            Row::PretrainedTaught => "(b) taught by two of them, unlabelled pictures".into(),
            Row::Joint(p) if *p == TUNED => "(c) joint, tuned constant weights".into(),
            Row::Joint(p) => match p.name {
                "joint" => "joint, equal weights".into(),
                "aggregated" => "+ gradient aggregation".into(),
                "meta" => "+ meta-gradient".into(),
                "meta-distilled" => "+ distillation".into(),
                "whole" => "+ averaging: the whole method".into(),
                other => other.replace('-', " "),
            },
        }
    }
}
