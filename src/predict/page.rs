//! Predictions for people: what every head said, drawn on the picture, and a page of all pictures.

use std::fmt::Write;

use super::{Answer, Card, Prediction};
use crate::data::picture::Rgb;
use crate::report::html::escape;
use crate::report::overlay::{self, Overlay};
use crate::report::{Picture, overlay::colour};

/// The longer side of a drawn picture, in pixels.
const SIDE: usize = 640;
/// How much of a mask's colour covers the picture.
const TINT: f32 = 0.4;

/// The picture with masks as tints, objects and marked cells as frames, and a line for each other head.
pub fn overlay(picture: &Rgb, prediction: &Prediction, card: &Card) -> Picture {
    let size = [picture.height, picture.width];
    let drawn = Overlay::size(size, SIDE);
    let mut overlay = Overlay::new(&picture.resized(drawn), drawn, size);
    let placement = prediction.placement;
    for (_, answer) in &prediction.answers {
        let Answer::Mask { size: [height, width], classes } = answer else { continue };
        overlay.tint(TINT, |at| {
            let [y, x] = placement.to_seen(at).map(|v| v as usize);
            Some(colour(usize::from(classes[y.min(height - 1) * width + x.min(width - 1)])))
        });
    }
    let mut notes = vec![];
    for (head, answer) in &prediction.answers {
        let names = card.names(head);
        match answer {
            Answer::Boxes(found) => {
                // The surest last, so that nothing covers it.
                for d in found.iter().rev() {
                    let text = format!("{} {:.0}%", names[d.class], 100.0 * d.score);
                    overlay.frame(d.bounds, colour(d.class), &text);
                }
            }
            Answer::Cells { size: [rows, columns], labels, values } => {
                let side = [
                    placement.seen[0] as f32 / *rows as f32,
                    placement.seen[1] as f32 / *columns as f32,
                ];
                for (i, &p) in values.iter().enumerate().filter(|(_, p)| **p >= 0.5) {
                    let (cell, label) = (i / labels, i % labels);
                    let [y, x] =
                        [(cell / columns) as f32 * side[0], (cell % columns) as f32 * side[1]];
                    let bounds = placement.box_to_picture([x, y, x + side[1], y + side[0]]);
                    let text = format!("{} {:.0}%", names[label], 100.0 * p);
                    overlay.frame(bounds, colour(label), &text);
                }
            }
            Answer::Mask { .. } => {}
            other => notes.push(format!("{head}: {}", other.text(names, &placement))),
        }
    }
    for (line, note) in notes.iter().enumerate() {
        overlay.note(line, [255, 255, 255], note);
    }
    overlay.picture()
}

/// A page that shows the drawn pictures of its folder.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    facts: Vec<(String, String)>,
    body: String,
}

const STYLE: &str = include_str!("../report/style.css");

impl Page {
    pub fn new(title: &str, facts: &[(&str, String)]) -> Self {
        let facts = facts.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        Page { title: title.into(), facts, body: String::new() }
    }

    /// A picture: its name, the drawn one's file in the page's folder, and each head with its answer.
    pub fn add(&mut self, name: &str, file: &str, answers: &[(String, String)]) {
        let (name, file) = (escape(name), escape(file));
        let _ = write!(
            self.body,
            "<section>\n<h2>{name}</h2>\n<figure><img alt=\"{name}\" src=\"{file}\"></figure>\n<table>\n"
        );
        for (head, answer) in answers {
            let _ = writeln!(
                self.body,
                "<tr><td>{}</td><td>{}</td></tr>",
                escape(head),
                escape(answer)
            );
        }
        self.body.push_str("</table>\n</section>\n");
    }

    /// The colours of each mask's classes.
    pub fn legend(&mut self, card: &Card) {
        use crate::nn::HeadKind;
        for head in &card.network.heads {
            if !matches!(head.kind, HeadKind::Mask(_)) {
                continue;
            }
            let _ = write!(self.body, "<p>{}:", escape(&head.name));
            for (class, name) in card.names(&head.name).iter().enumerate() {
                let [r, g, b] = overlay::colour(class);
                let _ = write!(
                    self.body,
                    " <span style=\"white-space: nowrap\"><span style=\"background: rgb({r},{g},{b})\">\u{a0}\u{a0}\u{a0}</span> {}</span>",
                    escape(name)
                );
            }
            self.body.push_str("</p>\n");
        }
    }

    /// One HTML file: no script, no request beyond its folder.
    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let fact = |(name, value): &(String, String)| {
            format!("<span>{} <b>{}</b></span>", escape(name), escape(value))
        };
        let facts: Vec<String> = self.facts.iter().map(fact).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}img {{ max-width: 100%; }}\ntd {{ text-align: left; white-space: normal; }}\n</style>\n\
             </head>\n<body>\n<h1>{title}</h1>\n<div class=\"facts\">{}</div>\n{}</body>\n</html>\n",
            facts.join("\n"),
            self.body
        )
    }
}
