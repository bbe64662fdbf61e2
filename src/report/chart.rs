//! Charts as inline SVG: lines with bands, points with intervals, grouped bars.
//!
//! Colours are classes (`s0` strokes, `f0` fills, ...) that the page's style defines for light and dark.

use std::fmt::Write;

use super::axis::{Axis, Scale, number};
use super::html::escape;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 22.0;
const BOTTOM: f64 = 44.0;
/// Colours of the style.
const COLOURS: usize = 6;
/// More points than pixels show nothing more.
const MOST_POINTS: usize = 500;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// A line; the interval is a band.
    #[default]
    Line,
    Dashed,
    /// Points only.
    Dots,
    /// Points joined by a line; the interval is a whisker.
    Whiskers,
}

#[derive(Clone, Debug, Default)]
pub struct Series {
    pub name: String,
    /// (x, y); what is not finite breaks the line.
    pub points: Vec<(f64, f64)>,
    /// Half-widths of intervals, one a point; or empty.
    pub ci: Vec<f64>,
    pub mark: Mark,
}

impl Series {
    pub fn line(name: &str, points: Vec<(f64, f64)>) -> Self {
        Series { name: name.into(), points, ..Series::default() }
    }

    pub fn with_ci(mut self, ci: Vec<f64>) -> Self {
        self.ci = ci;
        self
    }

    pub fn drawn_as(mut self, mark: Mark) -> Self {
        self.mark = mark;
        self
    }

    fn half(&self, i: usize) -> f64 {
        self.ci.get(i).copied().filter(|ci| ci.is_finite()).unwrap_or(0.0)
    }

    /// Means of neighbours where there are more points than can be seen. A bucket with something that is
    /// not finite stays a gap.
    fn thinned(&self) -> Self {
        let size = self.points.len().div_ceil(MOST_POINTS);
        if size <= 1 || self.mark == Mark::Dots {
            return self.clone();
        }
        let mean = |sum: f64, n: usize| sum / n as f64;
        let points = self.points.chunks(size).map(|c| {
            let sum = c.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
            (mean(sum.0, c.len()), mean(sum.1, c.len()))
        });
        let ci = self.ci.chunks(size).map(|c| mean(c.iter().sum(), c.len()));
        Series { points: points.collect(), ci: ci.collect(), ..self.clone() }
    }
}

/// Lines and points over two axes.
#[derive(Clone, Debug, Default)]
pub struct LineChart {
    pub title: String,
    /// A sentence below: what is shown, what the interval is.
    pub note: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

impl LineChart {
    pub fn svg(&self) -> String {
        let series: Vec<Series> = self.series.iter().map(Series::thinned).collect();
        let names: Vec<&str> = series.iter().map(|s| s.name.as_str()).collect();
        let (legend, top) = legend(&names, |i| series[i].mark);
        let xs = series.iter().flat_map(|s| s.points.iter().map(|p| p.0));
        let ys = series.iter().flat_map(|s| {
            let each = s.points.iter().enumerate();
            // On a logarithmic axis an interval may reach below 0: then only its upper end counts.
            each.flat_map(move |(i, p)| [p.1 - s.half(i), p.1, p.1 + s.half(i)])
        });
        let x = Scale::new(
            &self.x,
            xs,
            series.iter().any(|s| s.mark != Mark::Line),
            LEFT,
            WIDTH - RIGHT,
        );
        let y = Scale::new(&self.y, ys, true, HEIGHT - BOTTOM, top);
        let mut svg = frame(&self.title, top, &x, &self.x, &y, &self.y);
        svg.push_str(&legend);
        for (i, s) in series.iter().enumerate() {
            draw(&mut svg, s, i % COLOURS, &x, &y);
        }
        svg.push_str("</svg>");
        svg
    }
}

fn draw(svg: &mut String, s: &Series, colour: usize, x: &Scale, y: &Scale) {
    let at = |p: &(f64, f64)| Some((x.pixel(p.0)?, y.pixel(p.1)?));
    // Runs of points that can be shown: (index, pixel).
    let mut runs: Vec<Vec<(usize, (f64, f64))>> = vec![vec![]];
    for (i, p) in s.points.iter().enumerate() {
        match (at(p), runs.last_mut()) {
            (Some(pixel), Some(run)) => run.push((i, pixel)),
            _ => runs.push(vec![]),
        }
    }
    let end = |i: usize, sign: f64| {
        let (value, half) = (s.points[i].1, s.half(i));
        // Where a logarithmic axis cannot show the lower end, the chart's floor stands for it.
        y.pixel(value + sign * half).unwrap_or(HEIGHT - BOTTOM).min(HEIGHT - BOTTOM)
    };
    let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
        let mut text = String::new();
        for (i, (px, py)) in points.enumerate() {
            let _ = write!(text, "{}{px:.1} {py:.1}", if i == 0 { "M" } else { "L" });
        }
        text
    };
    for run in runs.iter().filter(|run| !run.is_empty()) {
        if !s.ci.is_empty() && s.mark != Mark::Whiskers {
            let upper = run.iter().map(|&(i, (px, _))| (px, end(i, 1.0)));
            let lower = run.iter().rev().map(|&(i, (px, _))| (px, end(i, -1.0)));
            let _ = write!(
                svg,
                r#"<path class="band f{colour}" d="{}Z"/>"#,
                path(&mut upper.chain(lower))
            );
        }
        if s.mark != Mark::Dots {
            let dash = if s.mark == Mark::Dashed { " dash" } else { "" };
            let d = path(&mut run.iter().map(|&(_, pixel)| pixel));
            let _ = write!(svg, r#"<path class="l{dash} s{colour}" d="{d}"/>"#);
        }
        if matches!(s.mark, Mark::Dots | Mark::Whiskers) || run.len() == 1 {
            for &(i, (px, py)) in run {
                if !s.ci.is_empty() {
                    whisker(svg, colour, px, end(i, 1.0), end(i, -1.0));
                }
                let (value, half) = (number(s.points[i].1), s.half(i));
                let half = if half > 0.0 { format!(" ± {}", number(half)) } else { String::new() };
                let tip = escape(&format!("{}: {value}{half}", s.name));
                let _ = write!(
                    svg,
                    r#"<circle class="f{colour}" cx="{px:.1}" cy="{py:.1}" r="4"><title>{tip}</title></circle>"#
                );
            }
        }
    }
}

fn whisker(svg: &mut String, colour: usize, x: f64, high: f64, low: f64) {
    let (left, right) = (x - 4.0, x + 4.0);
    let _ = write!(
        svg,
        r#"<path class="whisker s{colour}" d="M{left:.1} {high:.1}H{right:.1}M{x:.1} {high:.1}V{low:.1}M{left:.1} {low:.1}H{right:.1}"/>"#
    );
}

/// Value and half-width of its interval; `None` leaves a gap.
pub type Bar = Option<(f64, f64)>;

/// Bars side by side in groups, each with its interval.
#[derive(Clone, Debug, Default)]
pub struct BarChart {
    pub title: String,
    pub note: String,
    pub y: Axis,
    pub groups: Vec<String>,
    /// Name, and one bar a group.
    pub series: Vec<(String, Vec<Bar>)>,
}

impl BarChart {
    pub fn svg(&self) -> String {
        let names: Vec<&str> = self.series.iter().map(|(name, _)| name.as_str()).collect();
        let (legend, top) = legend(&names, |_| Mark::Dots);
        // A bar's length is its value, so that 0 belongs to the axis; air only where a bar ends.
        let (mut low, mut high) = if self.y.log { (f64::MAX, f64::MIN) } else { (0.0, 0.0) };
        let bars = self.series.iter().flat_map(|(_, values)| values.iter().flatten());
        for end in bars.flat_map(|&(v, ci)| [v - ci, v, v + ci]).filter(|v| drawable(&self.y, *v)) {
            let air = if self.y.log { 1.0 } else { 1.08 };
            (low, high) = (f64::min(low, end * air), f64::max(high, end * air));
        }
        let y = Scale::new(&self.y, [low, high].into_iter(), self.y.log, HEIGHT - BOTTOM, top);
        let x_axis = Axis::default();
        let x = Scale::new(
            &x_axis,
            [0.0, self.groups.len() as f64].into_iter(),
            false,
            LEFT,
            WIDTH - RIGHT,
        );
        let mut svg =
            frame(&self.title, top, &x, &Axis { ticks: vec![f64::NAN], ..x_axis }, &y, &self.y);
        svg.push_str(&legend);
        let slot = (WIDTH - RIGHT - LEFT) / self.groups.len().max(1) as f64;
        let bar = (slot * 0.76 / self.series.len().max(1) as f64).min(46.0);
        let floor = y.pixel(0.0).unwrap_or(HEIGHT - BOTTOM);
        for (g, group) in self.groups.iter().enumerate() {
            let middle = LEFT + (g as f64 + 0.5) * slot;
            let (ty, label) = (HEIGHT - BOTTOM + 17.0, escape(group));
            let _ = write!(
                svg,
                r#"<text x="{middle:.1}" y="{ty}" text-anchor="middle">{label}</text>"#
            );
            for (i, (name, values)) in self.series.iter().enumerate() {
                let Some((value, ci)) = values.get(g).copied().flatten() else { continue };
                let Some(end) = y.pixel(value) else { continue };
                let left = middle + (i as f64 - self.series.len() as f64 / 2.0) * bar;
                let (up, height, colour) =
                    (end.min(floor), (end - floor).abs().max(0.5), i % COLOURS);
                let tip = escape(&format!("{name}, {group}: {} ± {}", number(value), number(ci)));
                let width = bar - 2.0;
                let _ = write!(
                    svg,
                    r#"<rect class="f{colour}" x="{left:.1}" y="{up:.1}" width="{width:.1}" height="{height:.1}" opacity=".75"><title>{tip}</title></rect>"#
                );
                if ci > 0.0 && ci.is_finite() {
                    let ends =
                        [value + ci, value - ci].map(|v| y.pixel(v).unwrap_or(HEIGHT - BOTTOM));
                    whisker(&mut svg, colour, left + width / 2.0, ends[0], ends[1]);
                }
            }
        }
        svg.push_str("</svg>");
        svg
    }
}

fn drawable(axis: &Axis, v: f64) -> bool {
    v.abs() < 1e299 && (!axis.log || v > 0.0)
}

/// Grid, ticks and labels; the SVG stays open.
fn frame(title: &str, top: f64, x: &Scale, x_axis: &Axis, y: &Scale, y_axis: &Axis) -> String {
    let title = escape(title);
    let mut svg =
        format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">"#);
    let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for (value, label) in y.ticks(y_axis, 5) {
        let Some(py) = y.pixel(value).filter(|py| (top - 1.0..=floor + 1.0).contains(py)) else {
            continue;
        };
        let _ = write!(svg, r#"<path class="grid" d="M{LEFT} {py:.1}H{right}"/>"#);
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
            LEFT - 7.0,
            py + 4.0
        );
    }
    for (value, label) in x.ticks(x_axis, 6) {
        let Some(px) = x.pixel(value).filter(|px| (LEFT - 1.0..=right + 1.0).contains(px)) else {
            continue;
        };
        let _ = write!(svg, r#"<path class="axis" d="M{px:.1} {floor}v4"/>"#);
        let _ = write!(
            svg,
            r#"<text x="{px:.1}" y="{:.1}" text-anchor="middle">{label}</text>"#,
            floor + 17.0
        );
    }
    let _ = write!(svg, r#"<path class="axis" d="M{LEFT} {floor}H{right}"/>"#);
    let (x_label, y_label) = (escape(&x_axis.label), escape(&y_axis.label));
    let _ = write!(
        svg,
        r#"<text x="{right}" y="{:.1}" text-anchor="end">{x_label}</text>"#,
        HEIGHT - 8.0
    );
    let _ = write!(svg, r#"<text x="4" y="{:.1}">{y_label}</text>"#, top - 10.0);
    svg
}

/// Names with their colours at the top, in rows that fit; and where the chart below may begin.
fn legend(names: &[&str], mark: impl Fn(usize) -> Mark) -> (String, f64) {
    let (mut svg, mut x, mut y) = (String::new(), 4.0, 12.0);
    for (i, name) in names.iter().enumerate() {
        // 6.4 pixels: the mean width of a letter at 12 pixels, on the wide side.
        let width = 30.0 + 6.4 * name.chars().count() as f64;
        if x + width > WIDTH && x > 4.0 {
            (x, y) = (4.0, y + 18.0);
        }
        let (colour, middle) = (i % COLOURS, y - 4.0);
        let _ = match mark(i) {
            Mark::Dots => write!(
                svg,
                r#"<circle class="f{colour}" cx="{:.1}" cy="{middle}" r="4.5"/>"#,
                x + 9.0
            ),
            Mark::Dashed => {
                write!(svg, r#"<path class="l dash s{colour}" d="M{x:.1} {middle}h18"/>"#)
            }
            _ => write!(svg, r#"<path class="l s{colour}" d="M{x:.1} {middle}h18"/>"#),
        };
        let _ =
            write!(svg, r#"<text class="key" x="{:.1}" y="{y}">{}</text>"#, x + 24.0, escape(name));
        x += width + 12.0;
    }
    (svg, if names.is_empty() { 28.0 } else { y + 34.0 })
}
