//! Random numbers without state: Philox4x32-10, a function from (key, counter) to four 32-bit words.
//!
//! Everything random here is a pure function of (seed, stream, step, task, element): no generator is
//! carried along, so episodes can be built in any order and on any thread, a run resumes without saved
//! state, and the three executors draw the same bits (`shaders/shared/philox.wgsl` is the twin).
//!
//! The one convention, for the tape's `Random` and for all that is drawn on the host:
//! key = (seed, stream), counter = (element, step, task, lane). Lane 0 belongs to the tape: element i of
//! task t at step s is word 0 of the block, its upper 24 bits times 2^-24 ([`uniform24`]). Lanes
//! from 1 belong to [`Stream`], the host's sequence, so the two share no block under one stream number.
//!
//! Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".

/// Who draws from which stream. Numbers given by a recipe or a program start at `stream::FREE`.
pub mod stream {
    /// Start values of weights.
    pub const WEIGHTS: u32 = 1;
    /// Training, validation and test tasks: apart, so that none depends on how long another ran.
    pub const TRAIN: u32 = 2;
    pub const VALIDATION: u32 = 3;
    pub const TEST: u32 = 4;
    /// Orders in which gradients are aggregated.
    pub const AGGREGATE: u32 = 5;
    /// Driving scenes, and the domains that they lie in.
    pub const SCENES: u32 = 8;
    pub const DOMAINS: u32 = 9;
    /// How training pictures are changed, and in which order they come.
    pub const AUGMENT: u32 = 10;
    pub const FREE: u32 = 16;
}

/// One block of Philox4x32-10: four words of 32 random bits.
pub fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let ([mut k0, mut k1], mut c) = (key, counter);
    for _ in 0..10 {
        let (high0, low0) = wide_product(0xD251_1F53, c[0]);
        let (high1, low1) = wide_product(0xCD9E_8D57, c[2]);
        c = [high1 ^ c[1] ^ k0, low1, high0 ^ c[3] ^ k1, low0];
        k0 = k0.wrapping_add(0x9E37_79B9); // the golden ratio
        k1 = k1.wrapping_add(0xBB67_AE85); // sqrt(3) - 1
    }
    c
}

/// Upper and lower half of a 32 × 32 bit product.
fn wide_product(a: u32, b: u32) -> (u32, u32) {
    let product = a as u64 * b as u64;
    ((product >> 32) as u32, product as u32)
}

/// A uniform number in [0, 1) with 24 bits, exact in f32: what the tape's `Random` puts at `element`
/// of `task` at `step`.
pub fn uniform24(seed: u32, stream: u32, element: u32, step: u32, task: u32) -> f32 {
    to_unit(philox([seed, stream], [element, step, task, 0])[0])
}

/// A standard normal number at the same place, in f64 (Box and Muller, from two words of the block).
/// Host only: its logarithm and cosine are the platform's, so the last bits may differ between machines.
pub fn normal(seed: u32, stream: u32, element: u32, step: u32, task: u32) -> f64 {
    let [a, b, ..] = philox([seed, stream], [element, step, task, 0]);
    box_muller(a, b)
}

/// A seed of any width as the 32 bits of the key. Seeds below 2^32 stay what they are.
pub fn fold(seed: u64) -> u32 {
    // The odd factor keeps (low, high) and (high, low) apart.
    seed as u32 ^ ((seed >> 32) as u32).wrapping_mul(0x9E37_79B9)
}

fn to_unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

fn box_muller(a: u32, b: u32) -> f64 {
    const UNIT: f64 = 1.0 / (1u64 << 32) as f64;
    // One is added so that the logarithm never sees zero; the largest |result| is about 6.66.
    let radius = (-2.0 * ((a as f64 + 1.0) * UNIT).ln()).sqrt();
    radius * (std::f64::consts::TAU * b as f64 * UNIT).cos()
}

/// A sequence of words that belongs to one (seed, stream, step, task): for choices of unknown number,
/// as in an episode. Two streams made alike give the same sequence.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    pub fn new(seed: u32, stream: u32, step: u32, task: u32) -> Self {
        Self { key: [seed, stream], counter: [0, step, task, 1], block: [0; 4], used: 4 }
    }

    /// Another sequence of the same place, apart from this one for every `number` from 1: for a part of
    /// a task that should not change when an earlier part draws more.
    pub fn fork(&self, number: u32) -> Self {
        let counter = [0, self.counter[1], self.counter[2], self.counter[3] + number];
        Self { key: self.key, counter, block: [0; 4], used: 4 }
    }

    /// The next 32 bits.
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.key, self.counter);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Uniform in [0, 1), 24 bits.
    pub fn uniform(&mut self) -> f32 {
        to_unit(self.word())
    }

    /// Uniform in [low, high), in f64 from 32 bits.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.word() as f64 / (1u64 << 32) as f64)
    }

    /// A whole number below `n`. Multiply and shift: no value is likelier than another by more than
    /// n / 2^32, which is under a millionth for all that is counted here.
    #[track_caller]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0 && n <= u32::MAX as usize, "below({n}): from 1 to 2^32 - 1 is possible");
        ((self.word() as u64 * n as u64) >> 32) as usize
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let a = self.word();
        box_muller(a, self.word())
    }

    /// Fisher and Yates: every order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// `out.len()` different numbers below `n`, every ordered choice equally likely. Needs no list of
    /// all n: Floyd's method, whose memory is `out` itself.
    #[track_caller]
    pub fn distinct(&mut self, n: usize, out: &mut [usize]) {
        let k = out.len();
        assert!(k <= n, "distinct: {k} different numbers below {n}");
        for i in 0..k {
            let largest = n - k + i;
            let drawn = self.below(largest + 1);
            // Whoever draws a number that is taken takes the largest one, which nobody could have had.
            out[i] = if out[..i].contains(&drawn) { largest } else { drawn };
        }
        self.shuffle(out); // Floyd gives every set alike, but not every order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random123 1.09, `tests/kat_vectors`, the three lines of philox4x32 with 10 rounds.
    #[test]
    fn philox_gives_the_published_known_answers() {
        assert_eq!(philox([0; 2], [0; 4]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(
            philox([u32::MAX; 2], [u32::MAX; 4]),
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]
        );
        assert_eq!(
            philox([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn moments_of_uniform_and_normal_are_right() {
        let n = 100_000;
        let uniform: Vec<f64> = (0..n).map(|i| uniform24(1, 2, i, 3, 4) as f64).collect();
        let normal: Vec<f64> = (0..n).map(|i| super::normal(1, 2, i, 3, 4)).collect();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / n as f64;
        let variance = |x: &[f64]| {
            let m = mean(x);
            x.iter().map(|v| (v - m).powi(2)).sum::<f64>() / n as f64
        };
        assert!(uniform.iter().all(|u| (0.0..1.0).contains(u)));
        // The widest of the four is the normals' variance, standard error sqrt(2 / n) = .0045; six of them.
        let near = |a: f64, b: f64| (a - b).abs() < 6.0 * 0.0045;
        assert!(near(mean(&uniform), 0.5) && near(variance(&uniform), 1.0 / 12.0));
        assert!(near(mean(&normal), 0.0) && near(variance(&normal), 1.0));
    }

    #[test]
    fn distinct_numbers_are_distinct_and_every_order_comes_up() {
        let mut seen = std::collections::HashMap::new();
        for task in 0..12_000 {
            let mut out = [0; 3];
            Stream::new(7, stream::FREE, 0, task).distinct(4, &mut out);
            assert!(out[0] != out[1] && out[1] != out[2] && out[0] != out[2]);
            *seen.entry(out).or_insert(0) += 1;
        }
        // 24 ordered choices of 3 out of 4, 500 each; 6 standard deviations (22) are 132.
        assert_eq!(seen.len(), 24);
        assert!(seen.values().all(|&count: &i32| (count - 500).abs() < 132), "{seen:?}");
    }

    #[test]
    fn streams_do_not_depend_on_one_another() {
        let words = |step, task| -> Vec<u32> {
            let mut s = Stream::new(5, stream::TRAIN, step, task);
            (0..9).map(|_| s.word()).collect()
        };
        assert_eq!(words(1, 2), words(1, 2));
        assert_ne!(words(1, 2), words(2, 1));
        assert_eq!((fold(77), fold(77 << 32) == fold(77)), (77, false));
    }
}
