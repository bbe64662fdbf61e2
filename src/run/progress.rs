//! What a run says while it works, on standard error: a bar on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two plain lines, and between two drawings of the bar.
const PLAIN: Duration = Duration::from_secs(5);
const DRAWN: Duration = Duration::from_millis(100);

/// One stretch of work of known length.
pub struct Progress {
    what: String,
    first: u64,
    total: u64,
    begun: Instant,
    /// When something was last said.
    said: Option<Instant>,
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    /// `what` is done `total` times, of which `first` were done earlier (resumed).
    pub fn new(what: &str, first: u64, total: u64, quiet: bool) -> Self {
        let terminal = !quiet && std::io::IsTerminal::is_terminal(&std::io::stderr());
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            // No colours at all, so that NO_COLOR needs no care.
            if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(what.to_string());
            bar.set_position(first);
            bar
        });
        Progress { what: what.into(), first, total, begun: Instant::now(), said: None, bar, quiet }
    }

    /// There is more to do than was known in the beginning.
    pub fn more(&mut self, count: u64) {
        self.total += count;
        if let Some(bar) = &self.bar {
            bar.inc_length(count);
        }
    }

    /// `done` of the total are done. `detail` (a loss, an accuracy) is asked for only when it is shown.
    pub fn at(&mut self, done: u64, detail: impl FnOnce() -> String) {
        let now = Instant::now();
        let pause = if self.bar.is_some() { DRAWN } else { PLAIN };
        let since = now - self.said.unwrap_or(self.begun);
        if self.quiet || (since < pause && done < self.total) {
            return;
        }
        self.said = Some(now);
        let time = match self.left(done) {
            Some(left) if done < self.total => format!("{} left", duration(left)),
            _ => format!("in {}", duration(now - self.begun)),
        };
        let detail = detail();
        let comma = if detail.is_empty() { "" } else { ", " };
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(format!("{detail}{comma}{time}"));
            }
            None => eprintln!("{} {done}/{}: {detail}{comma}{time}", self.what, self.total),
        }
    }

    /// From the mean pace of this process.
    fn left(&self, done: u64) -> Option<Duration> {
        let pace = self.begun.elapsed().as_secs_f64() / (done.checked_sub(self.first)? as f64);
        Duration::try_from_secs_f64(pace * self.total.saturating_sub(done) as f64).ok()
    }

    /// Says something above the bar.
    pub fn say(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

/// `2 h 05 min`, `3 min 20 s`, `12 s`, `0.4 s`.
pub fn duration(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..10 => format!("{:.1} s", d.as_secs_f64()),
        10..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}
