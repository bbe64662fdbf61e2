//! Where the time of a run goes, as a picture: all of it below, kinds of work above, each as wide as the time
//! it took, and above each kind its sizes. Hovering says the numbers.

use super::html::escape;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A part of a whole: its kind, what tells it from others of the kind, and how much of the whole it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    pub kind: String,
    pub name: String,
    pub amount: f64,
}

const WIDTH: f64 = 1200.0;
const ROW: f64 = 26.0;
const TOP: f64 = 34.0;

/// One file, nothing from outside. `unit` follows every amount.
pub fn svg(title: &str, unit: &str, slices: &[Slice]) -> String {
    let total: f64 = slices.iter().map(|slice| slice.amount).sum();
    let mut kinds: BTreeMap<&str, Vec<&Slice>> = BTreeMap::new();
    for slice in slices {
        kinds.entry(&slice.kind).or_default().push(slice);
    }
    let of = |slices: &[&Slice]| -> f64 { slices.iter().map(|slice| slice.amount).sum() };
    let mut kinds: Vec<(&str, Vec<&Slice>)> = kinds.into_iter().collect();
    kinds.sort_by(|a, b| of(&b.1).total_cmp(&of(&a.1)));

    let (w, h) = (WIDTH, TOP + 3.0 * ROW + 10.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" font-family=\"sans-serif\" \
         font-size=\"12\"><rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>\
         <text x=\"4\" y=\"20\" font-size=\"14\">{}</text>",
        escape(title)
    );
    let mut bar = |x: f64, row: usize, amount: f64, name: &str, color: &str| {
        let share = if total > 0.0 { amount / total } else { 0.0 };
        let (width, y) = (share * WIDTH, TOP + (2 - row) as f64 * ROW);
        let name = escape(name);
        let _ = write!(
            out,
            "<g><title>{name}: {amount:.3} {unit}, {:.1} %</title><rect x=\"{x:.2}\" y=\"{y}\" \
             width=\"{width:.2}\" height=\"{}\" fill=\"{color}\" stroke=\"#fff\"/>",
            100.0 * share,
            ROW - 1.0
        );
        // About seven pixels a letter; what does not fit is cut by the bar's own frame.
        let letters = (width / 7.0) as usize;
        if letters >= 4 {
            let shown: String = name.chars().take(letters - 1).collect();
            let _ = write!(out, "<text x=\"{:.2}\" y=\"{}\">{shown}</text>", x + 3.0, y + 17.0);
        }
        out.push_str("</g>");
        width
    };
    bar(0.0, 0, total, "all", "#ddd");
    let mut x = 0.0;
    for (number, (kind, slices)) in kinds.iter_mut().enumerate() {
        let hue = number * 360 / 7 % 360;
        let mut inner = x;
        x += bar(x, 1, of(slices), kind, &format!("hsl({hue},60%,70%)"));
        slices.sort_by(|a, b| b.amount.total_cmp(&a.amount));
        for slice in slices {
            let color = format!("hsl({hue},50%,82%)");
            inner += bar(inner, 2, slice.amount, &format!("{kind} {}", slice.name), &color);
        }
    }
    out + "</svg>\n"
}
