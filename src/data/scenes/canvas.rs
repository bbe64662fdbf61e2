//! The picture before it is a picture: samples of light, and whose they are.
//!
//! Everything is painted over what lies behind it, far to near, so a sample's owner at the end is what
//! is visible there; boxes, shares and the mask are read off the owners and cannot disagree with the picture.

/// Light of red, green and blue; 1 is white by day.
pub type Colour = [f32; 3];

/// Owners below this are classes of the mask ([`super::MASKS`]); object k owns `FIRST_OBJECT + k`.
pub const FIRST_OBJECT: u8 = 16;

pub struct Canvas {
    /// Samples a side.
    pub side: usize,
    /// `[side, side]`.
    pub light: Vec<Colour>,
    /// `[side, side]`.
    pub owner: Vec<u8>,
}

impl Canvas {
    pub fn new(side: usize) -> Self {
        Self { side, light: vec![[0.0; 3]; side * side], owner: vec![0; side * side] }
    }

    /// Paints where `shape(column, row)` gives light, within `[left, top, right, bottom]`, all in samples.
    pub fn paint(
        &mut self,
        bounds: [f32; 4],
        owner: u8,
        shape: impl Fn(f32, f32) -> Option<Colour>,
    ) {
        let end = self.side as f32;
        let [left, top, right, bottom] = bounds.map(|b| b.clamp(0.0, end) as usize);
        for row in top..(bottom + 1).min(self.side) {
            for column in left..(right + 1).min(self.side) {
                if let Some(light) = shape(column as f32 + 0.5, row as f32 + 0.5) {
                    let at = row * self.side + column;
                    (self.light[at], self.owner[at]) = (light, owner);
                }
            }
        }
    }

    /// The same, and says how many samples the shape has, outside the picture as well.
    pub fn paint_counted(
        &mut self,
        bounds: [f32; 4],
        owner: u8,
        shape: impl Fn(f32, f32) -> Option<Colour>,
    ) -> usize {
        let [left, top, right, bottom] = bounds.map(|b| b.floor() as i32);
        let side = self.side as i32;
        let mut count = 0;
        for row in top..=bottom {
            for column in left..=right {
                let Some(light) = shape(column as f32 + 0.5, row as f32 + 0.5) else { continue };
                count += 1;
                if (0..side).contains(&row) && (0..side).contains(&column) {
                    let at = (row * side + column) as usize;
                    (self.light[at], self.owner[at]) = (light, owner);
                }
            }
        }
        count
    }

    /// Changes light without changing owners: shadows, glow, rain.
    pub fn tint(&mut self, bounds: [f32; 4], change: impl Fn(f32, f32, u8, Colour) -> Colour) {
        let end = self.side as f32;
        let [left, top, right, bottom] = bounds.map(|b| b.clamp(0.0, end) as usize);
        for row in top..(bottom + 1).min(self.side) {
            for column in left..(right + 1).min(self.side) {
                let at = row * self.side + column;
                self.light[at] =
                    change(column as f32 + 0.5, row as f32 + 0.5, self.owner[at], self.light[at]);
            }
        }
    }

    /// For each of `objects`: samples that it owns, and their bounds `[left, top, right, bottom]`.
    pub fn visible(&self, objects: usize) -> Vec<(usize, [usize; 4])> {
        let mut seen = vec![(0, [self.side, self.side, 0, 0]); objects];
        for (at, &owner) in self.owner.iter().enumerate() {
            if owner >= FIRST_OBJECT {
                let (row, column) = (at / self.side, at % self.side);
                let (count, [left, top, right, bottom]) =
                    &mut seen[(owner - FIRST_OBJECT) as usize];
                *count += 1;
                (*left, *top) = ((*left).min(column), (*top).min(row));
                (*right, *bottom) = ((*right).max(column + 1), (*bottom).max(row + 1));
            }
        }
        seen
    }
}

pub fn mix(a: Colour, b: Colour, share: f32) -> Colour {
    [0, 1, 2].map(|i| a[i] + share * (b[i] - a[i]))
}

pub fn scale(a: Colour, by: f32) -> Colour {
    a.map(|v| v * by)
}
