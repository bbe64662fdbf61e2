//! Printing: results to standard output, aligned tables, and messages that stay one line.

use std::io::{ErrorKind, Write};

use crate::error::{Error, Result};

/// Prints a result. A reader that went away (`| head`) is no failure; a full disk is.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Machine(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Text without line breaks and control characters: names from hostile files end up in messages.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Rows under a header, the first column to the left, the others to the right.
pub fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let all = || std::iter::once(header).chain(rows.iter().map(|row| &row[..]));
    let width = |i: usize| all().filter_map(|row| row.get(i)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..header.len()).map(|i| width(i).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in all() {
        for (i, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(&if i == 0 {
                format!("{cell:width$}")
            } else {
                format!("  {cell:>width$}")
            });
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// Five digits that matter, without a tail of zeros and noise: `0.98720`, `12.3`, `1.2e-7`, `-` for none.
pub fn number(x: Option<f64>) -> String {
    match x {
        None => "-".into(),
        Some(0.0) => "0".into(),
        Some(x) if x.abs() < 1e-3 || x.abs() >= 1e6 => format!("{x:.2e}"),
        Some(x) if x.abs() >= 100.0 => format!("{x:.1}"),
        Some(x) => format!("{x:.4}"),
    }
}

/// `0.9872 ± 0.0040`
pub fn with_interval(value: Option<f64>, ci95: Option<f64>) -> String {
    match ci95 {
        Some(_) => format!("{} ± {}", number(value), number(ci95)),
        None => number(value),
    }
}
