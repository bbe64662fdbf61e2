//! A study's training step looked at rather than run: the tape and plan of the joint networks.

use super::entry::Prepared;
use super::learner::Layout;
use super::stack::write;
use crate::exec::Device;
use crate::experiment::fewshot::inspect::Explained;
use crate::plan::{Memory, Passes, Plan, explain as shown};
use crate::tape::{Tape, listing};

/// Writes and plans a step of the networks for all tasks, one a seed; `device` decides how memory is laid out.
pub fn explain(prepared: &Prepared, device: Device) -> Explained {
    let Prepared { settings, pictures } = prepared;
    let net = pictures.network(pictures.sources().len());
    let weights: usize = net.spec().iter().map(|s| s.shape.len()).sum();
    let shown = pictures.tasks().len() * settings.batch;
    let layout = Layout::new(&net, settings.seeds.len(), shown);
    let tape = Tape::new();
    let (written, _) = write(&tape, &layout, settings.temperature);
    let memory = match device {
        Device::Gpu(_) => Memory::AllTasks,
        _ => Memory::PerWorker,
    };
    let passes = if settings.options.plain { Passes::PLAIN } else { Passes::FAST };
    let plan = Plan::with(&tape, &written.outputs, &written.state, memory, passes);
    let text = format!(
        "{}: {weights} parameters a network, {} networks of {} pictures a step; the tape of a step has {} nodes\n{}",
        settings.name,
        layout.nets,
        layout.pictures,
        tape.len(),
        shown::text(&plan)
    );
    Explained { text, svg: shown::svg(&plan), tape: listing(&tape) }
}
