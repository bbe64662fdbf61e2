//! A pool of 2×2 tiles inside a sweep: what one block, a stretch of one image row, gives to the pooled
//! row and gets from it. An even row fills the pooled row with what the tiles' upper halves say, the odd
//! row after it corrects that; an index (0 to 3, row-major) is a byte.
//!
//! NaN wins as in `Max`, of equals the first.

use super::simd::{Lanes, dispatch, load, store};

/// A stretch of an image row: pixels from an even column on, channels as lanes.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Whether it is the lower row of its tiles.
    pub lower: bool,
    /// Tiles of the stretch; one pixel more where the image is one wider than its tiles.
    pub tiles: usize,
    pub pixels: usize,
    pub lanes: usize,
    /// Numbers from one pixel to the next: of the map, and of everything pooled.
    pub pitch: usize,
    pub pooled_pitch: usize,
}

impl Stretch {
    /// The number of the row's left place in a tile.
    #[inline(always)]
    fn left(&self) -> f32 {
        if self.lower { 2.0 } else { 0.0 }
    }
}

/// Calls `$body` for each vector of each tile: its first lane `$lane`, its lanes `$n`, its tile `$tile`.
macro_rules! each_vector {
    ($L:ident, $s:ident, |$tile:ident, $lane:ident, $n:ident| $body:block) => {
        for $tile in 0..$s.tiles {
            let mut $lane = 0;
            while $lane + $L::N <= $s.lanes {
                let $n = $L::N;
                $body
                $lane += $L::N;
            }
            if $lane < $s.lanes {
                let $n = $s.lanes - $lane;
                $body
            }
        }
    };
}

/// Of a value and its place the better one: larger, or the first NaN.
#[inline(always)]
fn better<L: Lanes>((best, place): (L, L), (v, k): (L, L)) -> (L, L) {
    let wins = |new: L, old: L| {
        let larger = L::pick(best.lt(v), new, old);
        L::pick(best.is_nan(), old, L::pick(v.is_nan(), new, larger))
    };
    (wins(v, best), wins(k, place))
}

#[inline(always)]
unsafe fn largest_body<L: Lanes>(s: Stretch, map: *const f32, best: *mut f32, index: *mut u8) {
    unsafe {
        let (left, right) = (L::splat(s.left()), L::splat(s.left() + 1.0));
        each_vector!(L, s, |tile, lane, n| {
            let from = map.add(2 * tile * s.pitch + lane);
            let at = tile * s.pooled_pitch + lane;
            let (a, b) = (load::<L>(from, n), load::<L>(from.add(s.pitch), n));
            let found = if s.lower {
                let upper = (load::<L>(best.add(at), n), L::load_bytes(index.add(at), n));
                better(better(upper, (a, left)), (b, right))
            } else {
                better((a, left), (b, right))
            };
            store(found.0, best.add(at), n);
            found.1.store_bytes(index.add(at), n);
        });
    }
}

#[inline(always)]
unsafe fn take_body<L: Lanes>(s: Stretch, map: *const f32, index: *const u8, to: *mut f32) {
    unsafe {
        let (left, right) = (L::splat(s.left()), L::splat(s.left() + 1.0));
        each_vector!(L, s, |tile, lane, n| {
            let from = map.add(2 * tile * s.pitch + lane);
            let at = tile * s.pooled_pitch + lane;
            let (a, b) = (load::<L>(from, n), load::<L>(from.add(s.pitch), n));
            let named = L::load_bytes(index.add(at), n);
            // A tile that names its other row keeps what that row gives.
            let other = load::<L>(to.add(at), n);
            let taken = L::pick((named - right).is_set(), other, b);
            store(L::pick((named - left).is_set(), taken, a), to.add(at), n);
        });
    }
}

#[inline(always)]
unsafe fn put_body<L: Lanes>(s: Stretch, data: *const f32, index: *const u8, map: *mut f32) {
    unsafe {
        let (left, right) = (L::splat(s.left()), L::splat(s.left() + 1.0));
        let zero = L::splat(0.0);
        each_vector!(L, s, |tile, lane, n| {
            let to = map.add(2 * tile * s.pitch + lane);
            let at = tile * s.pooled_pitch + lane;
            let (given, named) = (load::<L>(data.add(at), n), L::load_bytes(index.add(at), n));
            store(L::pick((named - left).is_set(), zero, given), to, n);
            store(L::pick((named - right).is_set(), zero, given), to.add(s.pitch), n);
        });
        for pixel in 2 * s.tiles..s.pixels {
            std::ptr::write_bytes(map.add(pixel * s.pitch), 0, s.lanes);
        }
    }
}

dispatch! {
    /// The largest elements of the tiles so far into `best` and where they stand into `index`.
    pub fn largest(s: Stretch, map: *const f32, best: *mut f32, index: *mut u8) = largest_body;
    /// The elements of `map` that `index` names in this row into `to`; the other row's stay.
    pub fn take(s: Stretch, map: *const f32, index: *const u8, to: *mut f32) = take_body;
    /// A row of zeros but for the elements of `data` that `index` places in it.
    pub fn put(s: Stretch, data: *const f32, index: *const u8, map: *mut f32) = put_body;
}
