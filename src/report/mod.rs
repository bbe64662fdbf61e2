//! `report.html`: what a run was, what it found, and pictures to see it by, in one file that needs no network.
//!
//! The structs here are filled by whoever knows the numbers; [`Report::html`] makes the page, [`chart`] its charts,
//! [`curves`] the series of a run's `metrics.jsonl`. Every text is escaped on its way into the page.

pub mod axis;
pub mod chart;
pub mod curves;
pub mod flame;
pub mod html;
pub mod overlay;
pub mod picture;

pub use axis::Axis;
pub use chart::{BarChart, LineChart, Mark, Series};
pub use picture::Picture;

/// The whole page.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub title: String,
    /// A few sentences: what was asked and what came out.
    pub lead: Vec<String>,
    /// Small print about the run: name and value (device, steps, time, seed, ...).
    pub facts: Vec<(String, String)>,
    /// The figures that matter most.
    pub tiles: Vec<Tile>,
    /// What was done in each of the method's seven steps, in the order of [`STEPS`]; `None` where a run has no such step.
    pub steps: [Option<String>; 7],
    pub sections: Vec<Section>,
}

/// The seven steps of the method.
pub const STEPS: [&str; 7] = [
    "Represent the tasks",
    "Initialise the base model",
    "Learn the source tasks",
    "Extract knowledge",
    "Apply it to target tasks",
    "Meta-optimise",
    "Evaluate and adjust",
];

/// A figure in large print.
#[derive(Clone, Debug)]
pub struct Tile {
    /// `97.8 % ± 0.4`
    pub value: String,
    pub label: String,
}

#[derive(Clone, Debug, Default)]
pub struct Section {
    pub title: String,
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug)]
pub enum Block {
    /// A paragraph.
    Text(String),
    Table(Table),
    /// Charts side by side where the window is wide enough.
    Charts(Vec<Chart>),
    /// Adapted episodes as pictures: pass the worst first.
    Episodes(Vec<Episode>),
    /// Pictures side by side, each with a line below.
    Gallery {
        title: String,
        pictures: Vec<Captioned>,
    },
    /// Text in a fixed width (a recipe), folded away behind its title.
    Folded {
        title: String,
        text: String,
    },
}

#[derive(Clone, Debug)]
pub enum Chart {
    Lines(LineChart),
    Bars(BarChart),
}

/// The first column to the left, the others to the right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// A sentence below: what an interval is, where a figure comes from.
    pub note: String,
}

/// A task that a model adapted to.
#[derive(Clone, Debug, Default)]
pub struct Episode {
    /// `Task 17`
    pub title: String,
    /// `3 of 5 right, before 1`
    pub note: String,
    /// What the model adapted on.
    pub support: Vec<Shown>,
    /// What it was asked.
    pub query: Vec<Shown>,
}

/// A picture with its true label, and, of a query, what the model said.
#[derive(Clone, Debug)]
pub struct Shown {
    pub picture: Picture,
    pub truth: String,
    pub before: Option<Answer>,
    pub after: Option<Answer>,
}

/// A picture with a line below.
#[derive(Clone, Debug)]
pub struct Captioned {
    pub picture: Picture,
    pub caption: String,
    /// Marked as a mistake.
    pub wrong: bool,
}

/// What the model said of a picture.
#[derive(Clone, Debug)]
pub struct Answer {
    pub label: String,
    /// Its probability, 0 to 1.
    pub confidence: f64,
    pub right: bool,
}
