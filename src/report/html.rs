//! The page around a report's parts.

use std::fmt::Write;

use super::{Answer, Block, Captioned, Chart, Episode, Report, STEPS, Section, Shown, Table};

const STYLE: &str = include_str!("style.css");

/// Text for HTML, in an element or in an attribute with double quotes. Control characters, which a page cannot
/// show, are left out.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

impl Report {
    /// One HTML file: no script, no request to anywhere.
    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        for text in &self.lead {
            let _ = writeln!(page, "<p>{}</p>", escape(text));
        }
        if !self.facts.is_empty() {
            let fact = |(name, value): &(String, String)| {
                format!("<span>{} <b>{}</b></span>", escape(name), escape(value))
            };
            let facts: Vec<String> = self.facts.iter().map(fact).collect();
            let _ = writeln!(page, "<div class=\"facts\">{}</div>", facts.join("\n"));
        }
        if !self.tiles.is_empty() {
            page.push_str("<div class=\"tiles\">\n");
            for tile in &self.tiles {
                let (value, label) = (escape(&tile.value), escape(&tile.label));
                let _ =
                    writeln!(page, "<div class=\"tile\"><b>{value}</b><span>{label}</span></div>");
            }
            page.push_str("</div>\n");
        }
        page.push_str("<h2>What this run is</h2>\n<ol class=\"steps\">\n");
        for (name, done) in STEPS.iter().zip(&self.steps) {
            let class = if done.is_some() { "" } else { " class=\"unused\"" };
            let done = escape(done.as_deref().unwrap_or("not part of this run"));
            let _ = writeln!(page, "<li{class}><b>{name}</b><span>{done}</span></li>");
        }
        page.push_str("</ol>\n");
        for section in &self.sections {
            write_section(&mut page, section);
        }
        page.push_str("</body>\n</html>\n");
        page
    }
}

fn write_section(page: &mut String, section: &Section) {
    let _ = writeln!(page, "<section>\n<h2>{}</h2>", escape(&section.title));
    for block in &section.blocks {
        match block {
            Block::Text(text) => {
                let _ = writeln!(page, "<p>{}</p>", escape(text));
            }
            Block::Table(table) => write_table(page, table),
            Block::Charts(charts) => {
                page.push_str("<div class=\"charts\">\n");
                for chart in charts {
                    let (title, note, svg) = match chart {
                        Chart::Lines(c) => (&c.title, &c.note, c.svg()),
                        Chart::Bars(c) => (&c.title, &c.note, c.svg()),
                    };
                    let (title, note) = (escape(title), escape(note));
                    let _ = writeln!(
                        page,
                        "<figure><h3>{title}</h3>{svg}<figcaption>{note}</figcaption></figure>"
                    );
                }
                page.push_str("</div>\n");
            }
            Block::Episodes(episodes) => {
                page.push_str("<div class=\"episodes\">\n");
                episodes.iter().for_each(|episode| write_episode(page, episode));
                page.push_str("</div>\n");
            }
            Block::Gallery { title, pictures } => {
                // Panels side by side need room.
                let panels = pictures.iter().any(|p| p.picture.width > 2 * p.picture.height);
                let class = if panels { "gallery panels" } else { "gallery" };
                let _ = writeln!(page, "<h3>{}</h3>\n<div class=\"{class}\">", escape(title));
                for Captioned { picture, caption, wrong } in pictures {
                    let (class, caption) =
                        (if *wrong { " class=\"wrong\"" } else { "" }, escape(caption));
                    let url = picture.data_url();
                    let _ = writeln!(
                        page,
                        "<figure{class}><img alt=\"{caption}\" src=\"{url}\"><figcaption>{caption}</figcaption></figure>"
                    );
                }
                page.push_str("</div>\n");
            }
            Block::Folded { title, text } => {
                let (title, text) = (escape(title), escape(text));
                let _ = writeln!(
                    page,
                    "<details><summary>{title}</summary><pre>{text}</pre></details>"
                );
            }
        }
    }
    page.push_str("</section>\n");
}

fn write_table(page: &mut String, table: &Table) {
    let cells = |row: &[String], tag: &str| -> String {
        row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect()
    };
    let _ = write!(page, "<div class=\"wide\"><table>\n<tr>{}</tr>\n", cells(&table.header, "th"));
    for row in &table.rows {
        let _ = writeln!(page, "<tr>{}</tr>", cells(row, "td"));
    }
    let _ = writeln!(page, "</table></div>\n<figcaption>{}</figcaption>", escape(&table.note));
}

fn write_episode(page: &mut String, episode: &Episode) {
    let (title, note) = (escape(&episode.title), escape(&episode.note));
    let _ = writeln!(page, "<div class=\"episode\"><h3>{title}<span>{note}</span></h3>");
    for (name, row) in [("support", &episode.support), ("query", &episode.query)] {
        let _ = writeln!(page, "<div class=\"row\"><span>{name}</span>");
        for shown in row {
            write_shown(page, shown);
        }
        page.push_str("</div>\n");
    }
    page.push_str("</div>\n");
}

fn write_shown(page: &mut String, shown: &Shown) {
    let wrong = shown.after.as_ref().is_some_and(|answer| !answer.right);
    let class = if wrong { "shown wrong" } else { "shown" };
    let (truth, url) = (escape(&shown.truth), shown.picture.data_url());
    let _ = write!(page, "<div class=\"{class}\"><img alt=\"{truth}\" src=\"{url}\">{truth}");
    for (when, answer) in [("before", &shown.before), ("after", &shown.after)] {
        let Some(Answer { label, confidence, right }) = answer else { continue };
        // A mark beside the colour: not everybody sees red and green apart.
        let (class, mark) = if *right { ("good", "\u{2713}") } else { ("bad", "\u{2717}") };
        let percent = (confidence * 100.0).round();
        let label = escape(label);
        let _ = write!(
            page,
            "<br><span class=\"soft\">{when}</span> <span class=\"{class}\">{label}\u{a0}{mark}\u{a0}{percent}\u{a0}%</span>"
        );
    }
    page.push_str("</div>\n");
}
