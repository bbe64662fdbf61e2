//! What is rough without being random twice: value noise, a pure function of place and salt.

/// 32 mixed bits of a lattice point (two rounds of multiply and fold, as in murmur's finaliser).
pub fn hash(x: i32, y: i32, salt: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ salt;
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// `hash` as a number in [0, 1).
pub fn unit(x: i32, y: i32, salt: u32) -> f32 {
    (hash(x, y, salt) >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// The number of the unit cell that a place lies in, the same all over the cell.
pub fn cell(x: f32, y: f32, salt: u32) -> f32 {
    unit(floor(x), floor(y), salt)
}

/// Smooth noise in [0, 1), one lattice point a unit: lattice values, blended by a cubic.
pub fn smooth(x: f32, y: f32, salt: u32) -> f32 {
    let (i, j) = (floor(x), floor(y));
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (a, b) = (ease(x - i as f32), ease(y - j as f32));
    let row = |j| {
        let left = unit(i, j, salt);
        left + a * (unit(i + 1, j, salt) - left)
    };
    let top = row(j);
    top + b * (row(j + 1) - top)
}

/// Nearly standard normal (four bytes added: Irwin and Hall), never beyond 3.5.
pub fn normal(x: i32, y: i32, salt: u32) -> f32 {
    let sum: u32 = hash(x, y, salt).to_le_bytes().iter().map(|&b| u32::from(b)).sum();
    // Four uniform bytes: mean 4 · 127.5, variance 4 · (256² - 1) / 12.
    (sum as f32 - 510.0) * (1.0 / 147.8)
}

/// How much of a texture of this wavelength survives a sample of this footprint, both in metres:
/// all of it above two samples a wave, nothing below one, so that the far road does not flicker.
pub fn resolved(wave: f32, footprint: f32) -> f32 {
    (wave / footprint - 1.0).clamp(0.0, 1.0)
}

/// `f32::floor` to a whole number; the library call costs more than the rest of the hash.
pub fn floor(x: f32) -> i32 {
    let i = x as i32;
    i - i32::from(x < i as f32)
}
