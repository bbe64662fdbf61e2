//! Boxes on the host: objects in pixels become a grid's targets, a grid's answers become objects.
//!
//! In the cell of row r and column c, whose size is (p, q) pixels, a box of centre (y, x), height h and
//! width w is the four numbers y/p − r − ½, x/q − c − ½, ln(h/p), ln(w/q): all near 0 for a box of the
//! cell's size in its middle.

/// An object in a picture, as a person marks it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Labelled {
    pub class: usize,
    /// Left, top, right, bottom, in pixels.
    pub bounds: [f32; 4],
}

/// An object that a network found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    pub class: usize,
    /// Probability from 0 to 1.
    pub score: f32,
    /// Left, top, right, bottom, in pixels, inside the picture.
    pub bounds: [f32; 4],
}

/// The grid of one head on one size of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Height and width of a picture.
    pub image: [usize; 2],
    /// Rows and columns.
    pub cells: [usize; 2],
    pub classes: usize,
}

/// Sides of an answer's box stay below e^4 cells, whatever the network says.
const WIDEST: f32 = 4.0;

impl Grid {
    /// Height and width of a cell, in pixels.
    fn cell(&self) -> [f32; 2] {
        [0, 1].map(|a| self.image[a] as f32 / self.cells[a] as f32)
    }

    /// Targets of one picture, `[rows, columns, classes + 4 + 1]`. Where several centres fall into one cell, the
    /// largest box stays and the others' classes are not counted there (−1). An object without an area or with
    /// its centre outside the picture is left out.
    #[track_caller]
    pub fn encode(&self, objects: &[Labelled]) -> Vec<f32> {
        let width = self.classes + 5;
        let [p, q] = self.cell();
        let mut target = vec![0.0; self.cells[0] * self.cells[1] * width];
        let mut largest_first: Vec<&Labelled> =
            objects.iter().filter(|o| area(o.bounds) > 0.0).collect();
        largest_first.sort_by(|a, b| area(b.bounds).total_cmp(&area(a.bounds)));
        for Labelled { class, bounds: [left, top, right, bottom] } in largest_first {
            assert!(*class < self.classes, "class {class} in a grid of {} classes", self.classes);
            let (y, x) = ((top + bottom) / 2.0 / p, (left + right) / 2.0 / q);
            let (rows, columns) = (self.cells[0] as f32, self.cells[1] as f32);
            if !((0.0..rows).contains(&y) && (0.0..columns).contains(&x)) {
                continue;
            }
            let (row, column) = (y as usize, x as usize);
            let cell = &mut target[(row * self.cells[1] + column) * width..][..width];
            if cell[width - 1] == 1.0 {
                if cell[*class] == 0.0 {
                    cell[*class] = -1.0;
                }
                continue;
            }
            cell[*class] = 1.0;
            let (h, w) = ((bottom - top) / p, (right - left) / q);
            let place = [y - row as f32 - 0.5, x - column as f32 - 0.5, h.ln(), w.ln()];
            cell[self.classes..width - 1].copy_from_slice(&place);
            cell[width - 1] = 1.0;
        }
        target
    }

    /// Objects in the answer of one picture, `[rows, columns, classes + 4]` (logits, as the head gives them): every
    /// cell and class of at least probability `least`, surest first, without those that overlap a surer one of
    /// their class by more than `most_overlap`. What is not finite is no object.
    #[track_caller]
    pub fn decode(&self, output: &[f32], least: f32, most_overlap: f32) -> Vec<Detection> {
        let width = self.classes + 4;
        assert_eq!(output.len(), self.cells[0] * self.cells[1] * width, "an answer of {self:?}");
        let mut found = vec![];
        for (i, cell) in output.chunks_exact(width).enumerate() {
            let bounds = self.bounds(i, &cell[self.classes..]);
            for (class, logit) in cell[..self.classes].iter().enumerate() {
                let score = 1.0 / (1.0 + (-logit).exp());
                if score >= least && bounds.iter().all(|v| v.is_finite()) {
                    found.push(Detection { class, score, bounds });
                }
            }
        }
        suppress(found, most_overlap)
    }

    /// The box in pixels that four numbers mean in cell `i`, cut at the picture's edge.
    fn bounds(&self, i: usize, place: &[f32]) -> [f32; 4] {
        let [p, q] = self.cell();
        let (row, column) = ((i / self.cells[1]) as f32, (i % self.cells[1]) as f32);
        let (y, x) = ((row + 0.5 + place[0]) * p, (column + 0.5 + place[1]) * q);
        // NaN stays NaN, so that `decode` sees it.
        let side = |log: f32, cell: f32| if log > WIDEST { WIDEST.exp() } else { log.exp() } * cell;
        let (h, w) = (side(place[2], p), side(place[3], q));
        let inside = |v: f32, axis: usize| {
            let edge = self.image[axis] as f32;
            if v.is_finite() { v.clamp(0.0, edge) } else { v }
        };
        [
            inside(x - w / 2.0, 1),
            inside(y - h / 2.0, 0),
            inside(x + w / 2.0, 1),
            inside(y + h / 2.0, 0),
        ]
    }
}

/// Non-maximum suppression: surest first, without those that overlap a surer one of their class by more than
/// `most_overlap`.
pub fn suppress(mut found: Vec<Detection>, most_overlap: f32) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = vec![];
    for d in found {
        let again =
            |k: &Detection| k.class == d.class && overlap(k.bounds, d.bounds) > most_overlap;
        if !kept.iter().any(again) {
            kept.push(d);
        }
    }
    kept
}

/// Intersection over union of two boxes; 0 where both have no area.
pub fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let common = [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])];
    let (both, all) = (area(common), area(a) + area(b));
    if both > 0.0 { both / (all - both) } else { 0.0 }
}

/// Pixels of a box; 0 where it is turned inside out.
fn area([left, top, right, bottom]: [f32; 4]) -> f32 {
    (right - left).max(0.0) * (bottom - top).max(0.0)
}
