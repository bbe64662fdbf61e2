//! How hard is the world? Every knob, in one place, with its reason.
//!
//! Set by three rows alone (single task on the target's labels, pretrained single task, no target
//! label) on held-out source domains, before any joint method was compared on these values:
//! `metatape run driving --set study=difficulty`. The pretrained single task was to lie between 50 and 85
//! on every task at 24 labels; it is at 84, 69 and 82 (road, obstacles, signal; seeds 1 to 3). Signals come with a
//! jump: with housings of 6.5 to 13 pixels some networks learnt their 216 pictures by heart and never found a lamp,
//! whatever their labels (30 a domain), step size, shift and jitter. Larger ones are found with a sharper head and
//! orthogonal filters: by seeds 1 to 4 and 11 to 13, not by 5; at 7.25 to 14 signals are at 86, at 7.5 to 14 at 85.

/// Sizes are in pixels of a 48-pixel picture and grow with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Difficulty {
    /// How much farther from the average a target domain lies than a source one. 1: no farther.
    pub shift: f32,
    /// Standard deviation of the entries of a domain's 3×3 colour matrix (less the identity).
    pub colour: f32,
    /// Standard deviation of the logarithm of every probability in a domain's label mix.
    pub mix: f32,
    /// Contrast of what tells the surfaces apart; 0 would leave four surfaces alike. Their colours
    /// overlap on purpose: told by colour, the road was solved at once (97 to 100 %).
    pub texture: f32,
    /// Brightness of the bare road, darkest and brightest scene, the same for every surface.
    pub tarmac: [f32; 2],
    /// Brightness of snow, trodden and white: the darkest is no brighter than the brightest bare road.
    pub snow: [f32; 2],
    /// Standard deviation of a picture's noise at gain 1, of a range of 1.
    pub noise: f32,
    /// The most that noise times gain may be: without a bound, night hid everything.
    pub most_noise: f32,
    /// Height of a light's housing, least and most. Log-uniform, so that far ones are as frequent.
    pub housing: [f32; 2],
    /// A lamp's diameter as a share of the housing's height; a third would let them touch.
    pub lamp: f32,
    /// Coloured signs in a scene: the probabilities of none, one, two. They make "something red" no proof.
    pub signs: [f32; 3],
    /// Width of a car seen along the road, least and most; average precision at an overlap of .5
    /// means little for boxes of under 5 pixels.
    pub car: [f32; 2],
    /// Height of a pedestrian or cyclist, least and most; they are .42 as wide.
    pub person: [f32; 2],
    /// An object counts if at least this share of its body is visible ...
    pub visible: f32,
    /// ... and the visible part is at least this wide and high.
    pub side: f32,
}

impl Default for Difficulty {
    fn default() -> Self {
        Self {
            shift: 1.25,
            colour: 0.08,
            mix: 0.3,
            texture: 1.0,
            tarmac: [0.25, 0.55],
            snow: [0.55, 0.88],
            noise: 0.018,
            most_noise: 0.045,
            housing: [7.0, 14.0],
            lamp: 0.26,
            signs: [0.35, 0.4, 0.25],
            car: [8.0, 22.0],
            person: [12.5, 27.0],
            visible: 0.4,
            side: 4.5,
        }
    }
}
