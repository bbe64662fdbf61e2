//! Experiments on several domains: knowledge of source domains, moved to target domains with few labels.

mod answer;
mod camvid;
mod feed;
mod learner;
mod pictures;
mod scenes;
mod session;
mod stack;
mod taught;

pub use answer::Answering;
pub use camvid::{Drives, Plan as DrivePlan};
pub use feed::{Feed, Group};
pub use learner::{Batch, Learner, Step, Tally};
pub use pictures::{At, Change, Notes, Pictures, Pool, Task};
pub use scenes::{Plan, Scenes};
pub use session::{Session, Stage};
pub use stack::{Layout, Rates, Stack};
pub use taught::{Taught, VIEWS};

mod ablation;
mod adjust;
mod aggregated;
mod apply;
mod doctoring;
mod drawing;
mod drive;
mod entry;
mod estimate;
mod extract;
mod figures;
mod inspect;
mod learn;
mod meta;
mod methods;
mod page;
mod score;
mod settings;
mod study;
mod table;
mod teach;
mod tune;
mod watch;
pub use aggregated::Aggregated;
pub use entry::{Prepared, estimate, prepare, run};
pub use inspect::explain;
pub use meta::{Episodes, Meta};
