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
    /// Joint training with equal weights, changed as the doctor advises.
    Adjusted,
}

/// Where networks for all tasks come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// Joint training with equal weights of the tasks' losses.
    Equal,
    /// Joint training with tuned constant weights.
    Tuned,
    /// The mean of the single-task networks' trunks, each task with its own head; nothing is trained.
    Averaged,
}

/// What goes into one network for all tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pipeline {
    pub name: &'static str,
    pub base: Base,
    /// A learned embedding of the domain.
    pub embedding: bool,
    /// The tasks' gradients are aggregated in source learning.
    pub aggregated: bool,
    /// One student of the single-task networks, on all source pictures.
    pub student: bool,
    /// Meta-learning before the target is seen.
    pub meta: bool,
    /// The target's unlabelled pictures, answered by a teacher.
    pub distilled: bool,
    /// The running average of the weights rather than the last.
    pub averaged: bool,
}

/// Joint training with equal weights, nothing else.
pub const JOINT: Pipeline = Pipeline {
    name: "joint",
    base: Base::Equal,
    embedding: true,
    aggregated: false,
    student: false,
    meta: false,
    distilled: false,
    averaged: false,
};

/// Control (c): tuned constant weights.
pub const TUNED: Pipeline = Pipeline { name: "tuned", base: Base::Tuned, ..JOINT };

/// All parts.
pub const WHOLE: Pipeline = Pipeline {
    name: "whole",
    base: Base::Tuned,
    aggregated: true,
    student: true,
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
    Pipeline { name: "meta-distilled", averaged: false, ..WHOLE },
    WHOLE,
];

/// A student of the single-task networks, after joint training with tuned weights.
pub const STUDENT: Pipeline = Pipeline { name: "student", student: true, ..TUNED };

/// Other ways to make one network of three single-task ones: their mean, and a student of them.
pub const ONE_OF_THREE: [Pipeline; 2] =
    [Pipeline { name: "averaged-singles", base: Base::Averaged, ..TUNED }, STUDENT];

/// The whole method with one part left out.
pub const ABLATIONS: [Pipeline; 5] = [
    Pipeline { name: "whole-without-embedding", embedding: false, ..WHOLE },
    Pipeline { name: "whole-without-aggregation", aggregated: false, ..WHOLE },
    Pipeline { name: "whole-without-distillation", student: false, distilled: false, ..WHOLE },
    Pipeline { name: "whole-without-averaging", averaged: false, ..WHOLE },
    Pipeline { name: "whole-without-meta", meta: false, ..WHOLE },
];

impl Pipeline {
    /// The training on the source domains' labels that it needs, as a stage's name; pipelines may share one.
    pub fn source(&self) -> String {
        let base = match self.base {
            Base::Equal => "source-joint",
            Base::Tuned => "source-tuned",
            Base::Averaged => "source-averaged",
        };
        let mut name = base.to_string();
        name += if self.aggregated { "-aggregated" } else { "" };
        name += if self.embedding { "" } else { "-plain" };
        name
    }

    /// The stage after it: learnt from teachers too, where they teach.
    pub fn learnt(&self) -> String {
        format!("{}{}", self.source(), if self.student { "-student" } else { "" })
    }

    /// The meta-learning after that.
    pub fn meta(&self) -> String {
        self.learnt().replacen("source", "meta", 1)
    }

    /// What its adaptation to the targets starts from.
    pub fn start(&self) -> String {
        if self.meta { self.meta() } else { self.learnt() }
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
        plain
            .into_iter()
            .chain(LADDER.into_iter().chain(ONE_OF_THREE).chain(ABLATIONS).map(Row::Joint))
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
            Row::Adjusted => "adjusted",
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
            Row::Adjusted => "joint, equal weights, as the doctor advises".into(),
            Row::Joint(p) if *p == TUNED => "(c) joint, tuned constant weights".into(),
            Row::Joint(p) => match p.name {
                "joint" => "joint, equal weights".into(),
                "aggregated" => "+ gradient aggregation".into(),
                "meta" => "+ meta-gradient".into(),
                "meta-distilled" => "+ distillation".into(),
                "whole" => "+ averaging: the whole method".into(),
                "averaged-singles" => "mean of three single-task networks".into(),
                "student" => "(c), then a student of three single-task networks".into(),
                other => other.replace('-', " "),
            },
        }
    }
}
