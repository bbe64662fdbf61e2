//! What does the driving world look like? Writes sheets of scenes with their boxes, to look at.
//!
//!     cargo run --release --example scenes -- [FOLDER]
//!
//! One sheet for the domains (a row each), one for kinds × surfaces, one for the light's states, one for
//! the classes. Without a folder they go to `scenes/` in the folder for temporary files.

use metatape::data::scenes::{Domain, KINDS, OBJECTS, SIGNALS, SURFACES, Scene, World};
use std::path::Path;
use std::time::Instant;

/// Screen pixels to a scene's pixel.
const ZOOM: usize = 3;
const GAP: usize = 6;

/// Boxes in a colour a class: pedestrian, car, cyclist.
const LINES: [[u8; 3]; OBJECTS.len()] = [[255, 60, 220], [60, 230, 255], [255, 230, 40]];

/// A sheet of rows of scenes.
fn write(path: &Path, rows: &[Vec<Scene>], boxes: bool) -> Result<(), image::ImageError> {
    let size = rows[0][0].size * ZOOM;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let (width, height) = (columns * (size + GAP) + GAP, rows.len() * (size + GAP) + GAP);
    let mut sheet = image::RgbImage::from_pixel(width as u32, height as u32, image::Rgb([250; 3]));
    for (r, row) in rows.iter().enumerate() {
        for (c, scene) in row.iter().enumerate() {
            let (left, top) = (GAP + c * (size + GAP), GAP + r * (size + GAP));
            for (y, x) in (0..size * size).map(|at| (at / size, at % size)) {
                let at = 3 * (y / ZOOM * scene.size + x / ZOOM);
                let colour = [0, 1, 2].map(|i| scene.pixels[at + i]);
                sheet.put_pixel((left + x) as u32, (top + y) as u32, image::Rgb(colour));
            }
            for object in scene.truth.objects.iter().filter(|_| boxes) {
                let [x0, y0, x1, y1] = object.bounds.map(|b| (b * ZOOM as f32) as usize);
                let mut dot = |x: usize, y: usize| {
                    let colour = image::Rgb(LINES[object.class]);
                    sheet.put_pixel((left + x) as u32, (top + y) as u32, colour);
                };
                (x0..x1).for_each(|x| [y0, y1 - 1].into_iter().for_each(|y| dot(x, y)));
                (y0..y1).for_each(|y| [x0, x1 - 1].into_iter().for_each(|x| dot(x, y)));
            }
        }
    }
    sheet.save(path)
}

/// The first `count` scenes of which something is true.
fn find(domain: &Domain, count: usize, wanted: impl Fn(&Scene) -> bool) -> Vec<Scene> {
    (0..5000).map(|i| domain.scene(i)).filter(wanted).take(count).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder =
        std::env::args_os().nth(1).map_or_else(|| std::env::temp_dir().join("scenes"), Into::into);
    std::fs::create_dir_all(&folder)?;
    let world = World::new(1);
    let sources: Vec<Domain> = (0..12).map(|n| world.source(n)).collect();
    let targets: Vec<Domain> = (0..5).map(|n| world.target(n)).collect();
    let first = |domain: &Domain| (0..10).map(|i| domain.scene(i)).collect();

    write(&folder.join("sources.png"), &sources.iter().map(first).collect::<Vec<_>>(), true)?;
    write(&folder.join("targets.png"), &targets.iter().map(first).collect::<Vec<_>>(), true)?;
    let some = |wanted: &dyn Fn(&Scene) -> bool| -> Vec<Scene> {
        sources.iter().chain(&targets).take(10).flat_map(|d| find(d, 1, wanted)).collect()
    };
    let kinds: Vec<_> = (0..KINDS.len()).map(|k| some(&|s| s.truth.kind == k)).collect();
    write(&folder.join("kinds.png"), &kinds, false)?;
    let surfaces: Vec<_> = (0..SURFACES.len()).map(|k| some(&|s| s.truth.surface == k)).collect();
    write(&folder.join("surfaces.png"), &surfaces, false)?;
    let signals: Vec<_> = (0..SIGNALS.len()).map(|k| some(&|s| s.truth.signal == k)).collect();
    write(&folder.join("signals.png"), &signals, false)?;
    let of_class = |k| some(&|s| s.truth.objects.iter().any(|o| o.class == k));
    write(
        &folder.join("objects.png"),
        &(0..OBJECTS.len()).map(of_class).collect::<Vec<_>>(),
        true,
    )?;

    let count = 2000;
    let start = Instant::now();
    let bytes: usize = (0..count).map(|i| sources[i % 12].scene(i as u64).pixels.len()).sum();
    let each = start.elapsed().as_secs_f64() * 1e6 / count as f64;
    println!("{count} scenes, {bytes} bytes: {each:.0} microseconds a scene on one thread");
    println!("sheets are in {}", folder.display());
    Ok(())
}
