//! The recipes inside the program: one file of `recipes/` each, so that a binary alone can run them.

/// What `metatape` runs when it is told nothing.
pub const DEFAULT: &str = "driving";

const ALL: [(&str, &str); 7] = [
    ("driving", include_str!("../../recipes/driving.toml")),
    ("camvid", include_str!("../../recipes/camvid.toml")),
    ("omniglot-5w1s", include_str!("../../recipes/omniglot-5w1s.toml")),
    ("omniglot-5w5s", include_str!("../../recipes/omniglot-5w5s.toml")),
    ("omniglot-20w1s", include_str!("../../recipes/omniglot-20w1s.toml")),
    ("sinusoid", include_str!("../../recipes/sinusoid.toml")),
    ("toy", include_str!("../../recipes/toy.toml")),
];

pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    ALL.iter().map(|(name, _)| *name)
}

pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
