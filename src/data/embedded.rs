//! The Omniglot sheets inside the program, so that a fresh clone and an installed binary need no download.
//! Same names and order as `data/omniglot/splits.csv`; a test compares them.

macro_rules! sheets {
    ($($name:literal)*) => {
        &[$(($name, include_bytes!(concat!("../../data/omniglot/", $name, ".png")))),*]
    };
}

/// Which characters exist and to which part of the split each belongs: see [`super::omniglot`].
pub const SPLITS: &str = include_str!("../../data/omniglot/splits.csv");
/// Checksums of everything in the folder, as `sha256sum` writes them.
pub const SUMS: &str = include_str!("../../data/omniglot/SHA256SUMS");
/// What stands beside the sheets in any folder that holds them.
pub const TEXTS: &[(&str, &str)] = &[
    ("LICENSE", include_str!("../../data/omniglot/LICENSE")),
    ("README.md", include_str!("../../data/omniglot/README.md")),
    ("splits.csv", SPLITS),
];

/// Alphabet and PNG.
pub const SHEETS: &[(&str, &[u8])] = sheets![
    "Alphabet_of_the_Magi"
    "Angelic"
    "Anglo-Saxon_Futhorc"
    "Arcadian"
    "Armenian"
    "Asomtavruli_(Georgian)"
    "Atemayar_Qelisayer"
    "Atlantean"
    "Aurek-Besh"
    "Avesta"
    "Balinese"
    "Bengali"
    "Blackfoot_(Canadian_Aboriginal_Syllabics)"
    "Braille"
    "Burmese_(Myanmar)"
    "Cyrillic"
    "Early_Aramaic"
    "Futurama"
    "Ge_ez"
    "Glagolitic"
    "Grantha"
    "Greek"
    "Gujarati"
    "Gurmukhi"
    "Hebrew"
    "Inuktitut_(Canadian_Aboriginal_Syllabics)"
    "Japanese_(hiragana)"
    "Japanese_(katakana)"
    "Kannada"
    "Keble"
    "Korean"
    "Latin"
    "Malay_(Jawi_-_Arabic)"
    "Malayalam"
    "Manipuri"
    "Mkhedruli_(Georgian)"
    "Mongolian"
    "N_Ko"
    "Ojibwe_(Canadian_Aboriginal_Syllabics)"
    "Old_Church_Slavonic_(Cyrillic)"
    "Oriya"
    "Sanskrit"
    "Sylheti"
    "Syriac_(Estrangelo)"
    "Syriac_(Serto)"
    "Tagalog"
    "Tengwar"
    "Tibetan"
    "Tifinagh"
    "ULOG"
];
