//! From metres to samples: a pinhole above a flat ground, and the path that the road takes.
//!
//! x to the right, y up, z ahead, the eye at (0, height, 0). Samples are counted from the upper left
//! corner; a picture of `size` pixels has [`SAMPLES`] times as many samples a side.

/// Samples per pixel and side. Odd, so that a pixel's middle is a sample: the mask is what stands there.
pub const SAMPLES: usize = 3;

#[derive(Clone, Copy, Debug)]
pub struct Camera {
    /// Samples per unit of x / z.
    pub focal: f32,
    /// Column of straight ahead, row of the horizon.
    pub middle: f32,
    pub horizon: f32,
    /// Metres above the ground.
    pub height: f32,
}

impl Camera {
    pub fn column(&self, x: f32, z: f32) -> f32 {
        self.middle + self.focal * x / z
    }

    pub fn row(&self, y: f32, z: f32) -> f32 {
        self.horizon + self.focal * (self.height - y) / z
    }

    /// Metres ahead of the ground that a row below the horizon shows.
    pub fn depth(&self, row: f32) -> f32 {
        self.focal * self.height / (row - self.horizon)
    }

    /// The sideways place, in metres, of a column at a depth.
    pub fn sideways(&self, column: f32, z: f32) -> f32 {
        (column - self.middle) * z / self.focal
    }

    /// Metres along the ground between two rows: what a texture must exceed to be seen.
    pub fn footprint(&self, z: f32) -> f32 {
        z * z / (self.focal * self.height)
    }
}

/// The middle of one's own lane: sideways = start + slope·z + curvature·z²/2, in metres.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    pub start: f32,
    pub slope: f32,
    /// In 1/m; positive bends to the right.
    pub curvature: f32,
}

impl Path {
    pub fn sideways(&self, z: f32) -> f32 {
        self.start + z * (self.slope + 0.5 * self.curvature * z)
    }
}
