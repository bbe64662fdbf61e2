//! Every key of a recipe, once: its doc comment is its meaning, wherever it is shown.
//!
//! A row reads `name: type = default, kind, unit, (only where another key is ...)`; from the rows come the
//! typed structs that the program uses and [`KEYS`], which reads, checks and prints recipes.

use serde::{Deserialize, Serialize};

use super::Device;
use super::key::Kind::{
    Bytes, Device as ADevice, Flag, Name, Number, Numbers, Pair, Text, Whole, Wholes, Word, Words,
};
use super::key::{Key, REQUIRED};

/// An enum whose variants are words of a recipe, written once.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),* }

        impl $name {
            pub const WORDS: &[&str] = &[$($word),*];

            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }
    )*};
}

/// Structs and table from the same rows.
macro_rules! keys {
    (@when) => { None };
    (@when $other:literal, $words:expr) => { Some(($other, $words)) };
    ($(
        $(#[doc = $about:literal])*
        $name:ident $prefix:literal {
            $(
                #[doc = $meaning:literal]
                $field:ident : $type:ty = $default:expr, $kind:expr, $unit:literal
                    $(, $other:literal is $words:expr)?;
            )*
        }
        $(+ { $($inner:ident : $inner_type:ty),* $(,)? })?
    )*) => {
        $(
            $(#[doc = $about])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            pub struct $name {
                $(#[doc = $meaning] pub $field: $type,)*
                $($(pub $inner: $inner_type,)*)?
            }
        )*

        /// All keys, in the order in which they are shown. A key that others depend on comes before them.
        pub static KEYS: &[Key] = &[$($(
            Key {
                path: concat!($prefix, stringify!($field)),
                meaning: $meaning.trim_ascii(),
                unit: $unit,
                default: $default,
                kind: $kind,
                when: keys!(@when $($other, $words)?),
            },
        )*)*];
    };
}

words! {
    /// What a task is.
    TaskKind {
        Sine = "sine", Omniglot = "omniglot", Scenes = "scenes", CamVid = "camvid", Toy = "toy",
    }
    /// The network that is learned.
    ModelKind { Mlp = "mlp", Conv4 = "conv4", MultiTask = "multitask", Point = "point" }
    /// The trunk of a network with several heads.
    TrunkKind { Small = "small", Residual = "residual" }
    Activation { Relu = "relu", Tanh = "tanh", Softplus = "softplus" }
    /// How a convolution block halves the picture.
    Downsample { Stride = "stride", Pool = "pool" }
    /// Which pictures a normalisation takes its statistics from.
    Norm {
        /// All queries of a task together (transductive).
        Batch = "batch",
        /// Each query with the support set (not transductive).
        Single = "single",
        /// Own scale and shift for each inner step, batch statistics.
        PerStep = "per_step",
        Group = "group",
    }
    Init { He = "he", Orthogonal = "orthogonal", Glorot = "glorot", Normal = "normal", TruncatedNormal = "truncated_normal" }
    MethodKind { Maml = "maml", Transfer = "transfer", Aggregate = "aggregate" }
    /// What weighs the two tasks of the toy problem.
    ToyMethod {
        Sum = "sum", PcGrad = "pcgrad", Mgda = "mgda", CaGrad = "cagrad", ImtlG = "imtl_g",
        Nash = "nash", Aligned = "aligned", UpGrad = "upgrad", Famo = "famo",
    }
    /// Which characters are held out to judge on.
    Held {
        /// The 172 that settings may be chosen by; the 1,028 others that are not test are learned from.
        Validation = "validation",
        /// The 423 that choose nothing; all others are learned from.
        Test = "test",
    }
    /// Whether the meta-gradient keeps its second derivatives.
    Order { Exact = "exact", First = "first" }
    OptimizerKind { Sgd = "sgd", Adam = "adam", AdamW = "adamw" }
    ScheduleKind { Constant = "constant", Cosine = "cosine", Step = "step" }
    /// What a result is compared with.
    Control { FirstOrder = "first_order", Pretrained = "pretrained", Random = "random" }
    PlanKind { Fast = "fast", Plain = "plain" }
    Study {
        Default = "default",
        Full = "full",
        /// Controls alone, on held-out source domains: how hard the tasks are.
        Difficulty = "difficulty",
        /// Controls and method on held-out source domains: which settings to take.
        Tune = "tune",
    }
}

/// More steps than any published run has, so that step counts multiply without overflow.
const MANY: i64 = 1_000_000_000;
const ABOVE_0: f64 = f64::MIN_POSITIVE;
const ANY: f64 = f64::MAX;

keys! {
    /// One experiment: what is learned, by which network and method, how long, and how it is judged.
    Recipe "" {
        /// Name of the experiment, first part of every result's name
        name: String = REQUIRED, Name, "";
        /// What it is, in one line
        title: String = "''", Text, "";
        /// Seed of the start and of every random number of training
        seed: u64 = "1", Whole(0, i64::MAX), "";
        /// Number of runs with consecutive seeds, beginning with `seed`
        seeds: u64 = "1", Whole(1, 1000), "runs";
        /// Where it runs: auto, cpu, gpu, gpu:N, reference
        device: Device = "'auto'", ADevice, "";
        /// Threads of `cpu`; 0 takes all cores. Results do not depend on it
        threads: usize = "0", Whole(0, 1024), "threads";
        /// `plain` switches every rewriting of the plan off
        plan: PlanKind = "'fast'", Word(PlanKind::WORDS), "";
        /// Memory the programs of a step may hold, such as "2GiB"; few-shot training takes the fastest way that fits. 0 sets no bound
        memory: u64 = "0", Bytes, "bytes";
        /// `full` adds label-count curves and ablations where the recipe has them; `difficulty` and `tune` look at settings
        study: Study = "'default'", Word(Study::WORDS), "";
        /// A checkpoint after so many seconds; 0 turns this off
        checkpoint_seconds: f64 = "60", Number(0.0, 1e9), "seconds";
        /// A checkpoint after so many steps; 0 turns this off
        checkpoint_steps: u64 = "0", Whole(0, MANY), "steps";
    }
    + { tasks: Tasks, model: Model, method: Method, train: Train, evaluate: Evaluate }

    /// What one task is, and how many examples it shows.
    Tasks "tasks." {
        /// What a task is: a sine wave, handwritten characters to tell apart, drawn or real street scenes, or one of two losses of two numbers
        kind: TaskKind = REQUIRED, Word(TaskKind::WORDS), "";
        /// Range of A in y = A sin(x - phase)
        amplitude: [f64; 2] = "[0.1, 5.0]", Pair(-1e6, 1e6), "", "tasks.kind" is &["sine"];
        /// Range of the phase in y = A sin(x - phase)
        phase: [f64; 2] = "[0.0, 3.14159265]", Pair(-1e6, 1e6), "radians", "tasks.kind" is &["sine"];
        /// Range from which x is drawn
        x: [f64; 2] = "[-5.0, 5.0]", Pair(-1e6, 1e6), "", "tasks.kind" is &["sine"];
        /// Points each task adapts on in training (K-shot)
        support: usize = "10", Whole(1, 10_000), "points", "tasks.kind" is &["sine"];
        /// Points the adapted weights are judged on in training
        query: usize = "10", Whole(1, 10_000), "points", "tasks.kind" is &["sine"];
        /// Classes of an episode (N-way)
        ways: usize = "5", Whole(2, 400), "classes", "tasks.kind" is &["omniglot"];
        /// Pictures of each class to adapt on (K-shot)
        shots: usize = "1", Whole(1, 19), "pictures a class", "tasks.kind" is &["omniglot"];
        /// Pictures of each class to judge the adapted weights on, in training
        queries: usize = "1", Whole(1, 19), "pictures a class", "tasks.kind" is &["omniglot"];
        /// Each class of an episode turned by a random multiple of 90 degrees
        rotations: bool = "true", Flag, "", "tasks.kind" is &["omniglot"];
        /// Seed of the world: which domains there are, and what stands in their pictures
        world: u64 = "1", Whole(0, i64::MAX), "", "tasks.kind" is &["scenes"];
        /// Domains to learn from
        sources: usize = "12", Whole(1, 100), "domains", "tasks.kind" is &["scenes"];
        /// Further source domains that only settings are chosen on
        heldout: usize = "3", Whole(1, 100), "domains", "tasks.kind" is &["scenes"];
        /// Domains to adapt to
        targets: usize = "5", Whole(1, 100), "domains", "tasks.kind" is &["scenes"];
        /// Pictures of each source domain with labels of each task (a picture carries one task's)
        source_labels: Vec<usize> = "[40, 80, 20]", Wholes { least: 1, from: 1, to: 10_000 }, "pictures a task", "tasks.kind" is &["scenes"];
        /// Pictures of a target domain with labels of each task
        labels: usize = "24", Whole(1, 10_000), "pictures a task", "tasks.kind" is &["scenes", "camvid"];
        /// Numbers of labels of the label-count curves; of scenes with `study=full` only
        budgets: Vec<usize> = "[5, 10, 24, 100]", Wholes { least: 1, from: 1, to: 10_000 }, "pictures a task", "tasks.kind" is &["scenes", "camvid"];
        /// Pictures of a target domain without labels
        unlabelled: usize = "150", Whole(1, 100_000), "pictures", "tasks.kind" is &["scenes"];
        /// Height and width that CamVid's frames are shrunk to
        size: Vec<usize> = "[64, 80]", Wholes { least: 2, from: 24, to: 240 }, "pixels", "tasks.kind" is &["camvid"];
    }

    /// The network and its start.
    Model "model." {
        /// The network: fully connected layers, four convolution blocks and a linear head, or two bare numbers
        kind: ModelKind = REQUIRED, Word(ModelKind::WORDS), "";
        /// Sizes from input to output
        layers: Vec<usize> = "[1, 40, 40, 1]", Wholes { least: 2, from: 1, to: 65_536 }, "units", "model.kind" is &["mlp"];
        /// Between the layers
        activation: Activation = "'relu'", Word(Activation::WORDS), "";
        /// Channels of each convolution
        filters: usize = "64", Whole(1, 4096), "channels", "model.kind" is &["conv4", "multitask"];
        /// The layers that all heads share
        trunk: TrunkKind = "'small'", Word(TrunkKind::WORDS), "", "model.kind" is &["multitask"];
        /// Channels of the small trunk's first block, where most places are; 0: as many as the others
        stem: usize = "0", Whole(0, 1024), "channels", "model.kind" is &["multitask"];
        /// Numbers that describe a domain and scale and shift the trunk's channels; 0: the trunk does not know domains
        embedding: usize = "8", Whole(0, 256), "numbers", "model.kind" is &["multitask"];
        /// How a block halves the picture: a strided convolution, or pooling by the maximum
        downsample: Downsample = "'stride'", Word(Downsample::WORDS), "", "model.kind" is &["conv4"];
        /// Statistics of the normalisation in training: all queries together, each with the support, ...
        norm: Norm = "'batch'", Word(Norm::WORDS), "", "model.kind" is &["conv4"];
        /// Groups of channels that share their statistics
        groups: usize = "8", Whole(1, 4096), "groups", "model.norm" is &["group"];
        /// Start of the weights (biases start at 0)
        init: Init = "'glorot'", Word(Init::WORDS), "";
        /// Standard deviation of the start
        init_std: f64 = "0.01", Number(0.0, 1e3), "", "model.init" is &["normal", "truncated_normal"];
        /// Standard deviation of the head's start, a normal distribution
        head_std: f64 = "0.1", Number(0.0, 1e3), "", "model.kind" is &["conv4"];
    }

    /// How it learns to learn.
    Method "method." {
        /// The method: a start from which a few gradient steps solve a task, knowledge moved between domains, or one direction from many gradients
        kind: MethodKind = "'maml'", Word(MethodKind::WORDS), "";
        /// Weight of each task's loss where they are summed with tuned constants
        weights: Vec<f64> = "[1.0, 1.0, 1.0]", Numbers { least: 1, from: 0.0, to: 1e6 }, "", "method.kind" is &["transfer"];
        /// How the gradients of the tasks become one direction
        aggregator: String = "'cagrad'", Text, "", "method.kind" is &["transfer"];
        /// Steps of meta-learning after the source domains are learned
        meta_steps: u64 = "200", Whole(0, MANY), "steps", "method.kind" is &["transfer"];
        /// Domains of a meta-step
        meta_tasks: usize = "4", Whole(1, 1000), "domains", "method.kind" is &["transfer"];
        /// Step size of the meta-optimiser
        meta_lr: f64 = "0.0003", Number(0.0, 1e3), "", "method.kind" is &["transfer"];
        /// Share of the source steps, the last ones, in which one student learns from the single-task networks
        student: f64 = "0.7", Number(0.0, 1.0), "", "method.kind" is &["transfer"];
        /// Weight of learning from a teacher's answers
        distill: f64 = "1.0", Number(0.0, 1e6), "", "method.kind" is &["transfer"];
        /// Temperature of a teacher's answers
        temperature: f64 = "2.0", Number(ABOVE_0, 1e3), "", "method.kind" is &["transfer"];
        /// Whether the doctor's advice is followed, as a further row of the table; in the full study it is
        adjust: bool = "false", Flag, "", "method.kind" is &["transfer"];
        /// What weighs the gradients (or losses) of the tasks, each in a run of its own
        methods: Vec<ToyMethod> = "['sum', 'pcgrad', 'mgda', 'cagrad', 'imtl_g', 'nash', 'aligned', 'upgrad', 'famo']",
            Words(ToyMethod::WORDS), "", "tasks.kind" is &["toy"];
        /// `exact` differentiates through the inner steps; `first` leaves out the second derivative
        order: Order = "'exact'", Word(Order::WORDS), "", "method.kind" is &["maml"];
        /// Step size of the inner steps, on the mean loss of the support examples
        inner_lr: f64 = "0.01", Number(0.0, 1e3), "";
        /// Gradient steps on a task in training
        inner_steps: usize = "1", Whole(0, 1000), "steps";
    }

    /// How long and with which optimiser.
    Train "train." {
        /// Steps (updates of the shared weights)
        steps: u64 = REQUIRED, Whole(0, MANY), "steps";
        /// Tasks whose query losses are averaged in one meta-step
        tasks_per_step: usize = "32", Whole(1, 65_536), "tasks", "method.kind" is &["maml"];
        /// Largest Euclidean norm of the meta-gradient, longer ones are shortened; 0 turns this off
        clip: f64 = "0", Number(0.0, ANY), "";
        /// Pictures with each task's labels in a step
        batch: usize = "16", Whole(1, 10_000), "pictures a task", "method.kind" is &["transfer"];
        /// Steps of single-task networks on the source domains; as many as `steps` at least
        single_steps: u64 = "0", Whole(0, MANY), "steps", "method.kind" is &["transfer"];
        /// Steps on a target domain, from what the source domains taught
        adapt_steps: u64 = "100", Whole(1, MANY), "steps", "method.kind" is &["transfer"];
        /// Pictures with each task's labels in such a step; 0: as many as `batch`
        adapt_batch: usize = "0", Whole(0, 10_000), "pictures a task", "method.kind" is &["transfer"];
        /// Step size there
        adapt_lr: f64 = "0.001", Number(0.0, 1e3), "", "method.kind" is &["transfer"];
        /// Factor of that step size for the trunk; 0 freezes it
        slow: f64 = "1.0", Number(0.0, 1e3), "", "method.kind" is &["transfer"];
        /// Strength of the pull back to the source weights (L2-SP)
        anchor: f64 = "0.0", Number(0.0, 1e6), "", "method.kind" is &["transfer"];
        /// Steps on a target domain of a network that begins at random
        scratch_steps: u64 = "200", Whole(1, MANY), "steps", "method.kind" is &["transfer"];
        /// Step size there
        scratch_lr: f64 = "0.003", Number(0.0, 1e3), "", "method.kind" is &["transfer"];
    }
    + { optimizer: Optimizer, schedule: Schedule }

    /// The outer optimiser.
    Optimizer "train.optimizer." {
        /// The optimiser of the shared weights
        kind: OptimizerKind = "'adam'", Word(OptimizerKind::WORDS), "";
        /// Step size at the beginning of the schedule
        lr: f64 = "0.001", Number(0.0, 1e3), "";
        /// Share of the last update that is kept
        momentum: f64 = "0.0", Number(0.0, 1.0), "", "train.optimizer.kind" is &["sgd"];
        /// Decay of the mean of gradients
        beta1: f64 = "0.9", Number(0.0, 1.0), "a step", "train.optimizer.kind" is &["adam", "adamw"];
        /// Decay of the mean of squared gradients
        beta2: f64 = "0.999", Number(0.0, 1.0), "a step", "train.optimizer.kind" is &["adam", "adamw"];
        /// Added to the root of the mean square
        eps: f64 = "1e-8", Number(ABOVE_0, 1.0), "", "train.optimizer.kind" is &["adam", "adamw"];
        /// Share of a weight that is taken away, times the step size
        weight_decay: f64 = "0.01", Number(0.0, 1e3), "", "train.optimizer.kind" is &["adamw"];
    }

    /// How the step size changes.
    Schedule "train.schedule." {
        /// The step size: constant, falling as half a cosine, or multiplied every `period` steps
        kind: ScheduleKind = "'constant'", Word(ScheduleKind::WORDS), "";
        /// Steps of linear rise from 0 before the schedule begins
        warmup: u64 = "0", Whole(0, MANY), "steps";
        /// Step size at the end, as a share of `lr`
        floor: f64 = "0.0", Number(0.0, 1.0), "", "train.schedule.kind" is &["cosine"];
        /// Steps between two multiplications
        period: u64 = "10_000", Whole(1, MANY), "steps", "train.schedule.kind" is &["step"];
        /// What the step size is multiplied by
        factor: f64 = "0.5", Number(ABOVE_0, 1.0), "", "train.schedule.kind" is &["step"];
    }

    /// How the result is judged: on tasks that training never saw.
    Evaluate "evaluate." {
        /// Characters that are held out to judge on: those of the test, or of the validation while settings are chosen
        held: Held = "'test'", Word(Held::WORDS), "", "tasks.kind" is &["omniglot"];
        /// Test tasks of a final figure
        tasks: usize = "1000", Whole(2, 1_000_000), "tasks", "method.kind" is &["maml"];
        /// Seed of the test tasks: the same tasks for every training seed and every control
        seed: u64 = "0", Whole(0, i64::MAX), "";
        /// Gradient steps on a test task, one figure each
        inner_steps: Vec<usize> = "[0, 1, 5, 10]", Wholes { least: 1, from: 0, to: 1000 }, "steps", "method.kind" is &["maml"];
        /// The one of `inner_steps` that curves and progress show
        headline: usize = "1", Whole(0, 1000), "steps", "method.kind" is &["maml"];
        /// Points a test task adapts on, one table row each
        support: Vec<usize> = "[5, 10]", Wholes { least: 1, from: 1, to: 10_000 }, "points", "tasks.kind" is &["sine"];
        /// Points an adapted test task is judged on
        query: usize = "100", Whole(1, 100_000), "points", "tasks.kind" is &["sine"];
        /// Pictures of each class an adapted test task is judged on
        queries: usize = "1", Whole(1, 19), "pictures a class", "tasks.kind" is &["omniglot"];
        /// Statistics of the normalisation in the test, one table row each
        norm: Vec<Norm> = "['batch', 'single']", Words(Norm::WORDS), "", "model.kind" is &["conv4"];
        /// What stands beside the result, with the same test tasks
        controls: Vec<Control> = "[]", Words(Control::WORDS), "", "method.kind" is &["maml"];
        /// Meta-steps between two points of the test curve; 0 draws none
        every: u64 = "500", Whole(0, MANY), "steps", "method.kind" is &["maml"];
        /// Test tasks of a point of the curve
        curve_tasks: usize = "200", Whole(2, 1_000_000), "tasks", "method.kind" is &["maml"];
        /// Test pictures of each domain
        pictures: usize = "200", Whole(10, 100_000), "pictures", "method.kind" is &["transfer"];
    }
}
