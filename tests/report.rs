//! The report is one file that asks nobody for anything, and no text in it becomes markup.

use metatape::report::axis::number;
use metatape::report::chart::{BarChart, LineChart, Mark, Series};
use metatape::report::flame::{self, Slice};
use metatape::report::picture::base64;
use metatape::report::*;
use metatape::run::Line;

const NASTY: &str = "<script>alert(\"1\")</script> & 'so' </style></svg>\u{0}\u{7}";

/// A page with every kind of part, as a run on characters and on sines would fill it.
fn sample(text: &str) -> Report {
    let steps = [0.0, 1.0, 3.0, 5.0, 10.0];
    let after = |name: &str, values: [f64; 5]| {
        let points = steps.into_iter().zip(values).collect();
        Series::line(name, points)
            .with_ci(vec![0.006, 0.004, 0.004, 0.005, 0.006])
            .drawn_as(Mark::Whiskers)
    };
    let wobble = |i: usize| ((i * 7919) % 101) as f64 / 101.0 - 0.5;
    let lines: Vec<Line> = (1..=4000)
        .map(|i| {
            let loss = 0.05 + 1.6 * (-(i as f64) / 700.0).exp() + 0.03 * wobble(i);
            Line::train(1, i as u64 * 2, &[("loss", if i == 2000 { f64::NAN } else { loss })])
        })
        .chain((1..=16).map(|i| {
            let accuracy = 0.979 - 0.4 * (-(i as f64) / 2.5).exp();
            Line::evaluate(1, i * 500, "accuracy@3", accuracy, 0.012, 200)
        }))
        .collect();
    let mut curves = curves::training(&lines, "loss");
    curves.push(Series::line(
        text,
        vec![(0.0, 2.0), (4000.0, f64::NAN), (5000.0, 0.4), (8000.0, 0.2)],
    ));

    let wave = |a: f64, phase: f64| {
        (0..=60).map(|i| i as f64 / 6.0 - 5.0).map(move |x| (x, a * (x - phase).sin()))
    };
    let sine = LineChart {
        title: "One test task, before and after one step".into(),
        note: "The model saw only the ten points.".into(),
        x: Axis::linear("x"),
        y: Axis::linear("y"),
        series: vec![
            Series::line("true", wave(3.2, 0.8).collect()).drawn_as(Mark::Dashed),
            Series::line("before", wave(0.4, 1.5).collect()),
            Series::line("after 1 step", wave(2.9, 0.86).collect()),
            Series::line("support", wave(3.2, 0.8).step_by(6).collect()).drawn_as(Mark::Dots),
        ],
    };
    let mse = |name: &str, values: [f64; 5]| {
        Series::line(name, steps.into_iter().zip(values).collect())
            .with_ci(values.map(|v| v * 0.2).to_vec())
            .drawn_as(Mark::Whiskers)
    };
    let diverging = LineChart {
        title: "Mean squared error after inner steps".into(),
        note: "Mean over 2000 test tasks; about 1 % of them diverge from the fifth step on.".into(),
        x: Axis::linear("inner steps").with_ticks(&steps),
        y: Axis::log("MSE"),
        series: vec![
            mse("exact", [3.0, 0.6, 0.9, 40.0, 2e5]),
            mse("first order", [6.0, 0.7, 0.4, 0.25, 0.19]),
        ],
    };

    let picture = |k: usize| {
        let stroke = |i: usize| {
            let (x, y) = ((i % 28) as f32 - 14.0, (i / 28) as f32 - 14.0);
            let r = (x * x + y * y).sqrt() + 3.0 * ((k as f32 + 1.0) * y.atan2(x)).sin();
            if (r - 8.0).abs() < 1.6 { 0.0 } else { 1.0 }
        };
        Picture::from_unit(28, 28, 1, &(0..28 * 28).map(stroke).collect::<Vec<f32>>())
    };
    let label = |k: usize| ["A", "B", "C", "D", "E"][k].to_string();
    let answer =
        |label: String, right: bool, confidence: f64| Some(Answer { label, confidence, right });
    let episode = |n: usize, wrong: usize| Episode {
        title: format!("Task {n}"),
        note: format!("{} of 5 right, before 1", 5 - wrong),
        support: (0..5)
            .map(|k| Shown { picture: picture(k), truth: label(k), before: None, after: None })
            .collect(),
        query: (0..5)
            .map(|k| Shown {
                picture: picture(k),
                truth: label(k),
                before: answer(label(2), k == 2, 0.22),
                after: if k < wrong {
                    answer(label((k + 1) % 5), false, 0.61)
                } else {
                    answer(label(k), true, 0.97)
                },
            })
            .collect(),
    };
    let strings = |row: &[&str]| row.iter().map(|s| s.to_string()).collect::<Vec<_>>();

    Report {
        title: format!("omniglot-5w1s {text}"),
        lead: vec![
            "Five characters that training never saw, one example of each: which of the five is a further drawing?".into(),
            text.into(),
        ],
        facts: [("device", "cpu, 2 threads, AVX-512"), ("steps", "8000"), ("time", "14 min 02 s"), ("seed", "1"),
                ("parameters", "111\u{202f}936"), ("peak memory", "61 MiB")].map(|(a, b)| (a.into(), b.into())).to_vec(),
        tiles: vec![
            Tile { value: "97.8 % ± 0.4".into(), label: "accuracy after 3 inner steps, transductive".into() },
            Tile { value: "95.1 % ± 0.5".into(), label: "the same, each query on its own".into() },
            Tile { value: "20.0 %".into(), label: "guessing".into() },
        ],
        steps: [
            Some("episodes of 5 classes, 1 example each, from 1200 characters".into()),
            Some("4 strided convolutions of 64 channels, linear head; Glorot start".into()),
            Some("8000 meta-steps of 32 tasks, Adam at 0.001".into()),
            None,
            Some("3 gradient steps at 0.4 on the support set of each of 1000 test tasks".into()),
            Some("exact MAML: the gradient passes through the inner step".into()),
            Some("accuracy with 95 % intervals, transductive and not".into()),
        ],
        sections: vec![
            Section {
                title: "Results".into(),
                blocks: vec![
                    Block::Table(Table {
                        header: strings(&["1000 test tasks", "0 steps", "1", "3", "5", "10"]),
                        rows: vec![
                            strings(&["transductive", "21.0 ± 0.6", "97.1 ± 0.4", "97.8 ± 0.4", "97.8 ± 0.4", "97.7 ± 0.4"]),
                            strings(&["each query on its own", "20.4 ± 0.6", "94.2 ± 0.5", "95.1 ± 0.5", "95.2 ± 0.5", text]),
                        ],
                        note: "± is half of a 95 % interval over test tasks.".into(),
                    }),
                    Block::Charts(vec![
                        Chart::Lines(LineChart {
                            title: "Accuracy after inner steps".into(),
                            note: "Whiskers are 95 % intervals over test tasks.".into(),
                            x: Axis::linear("inner steps").with_ticks(&steps),
                            y: Axis::linear("accuracy"),
                            series: vec![after("transductive", [0.21, 0.971, 0.978, 0.978, 0.977]),
                                         after("each query on its own", [0.204, 0.942, 0.951, 0.952, 0.95])],
                        }),
                        Chart::Bars(BarChart {
                            title: "Exact against first order".into(),
                            note: text.into(),
                            y: Axis::linear("MSE after 1 step"),
                            groups: strings(&["K = 5", "K = 10"]),
                            series: vec![("exact".into(), vec![Some((0.91, 0.04)), Some((0.6, 0.03))]),
                                         ("first order".into(), vec![Some((1.19, 0.06)), Some((0.7, 0.03))]),
                                         ("pretrained".into(), vec![Some((2.4, 0.1)), None])],
                        }),
                    ]),
                ],
            },
            Section {
                title: "Training".into(),
                blocks: vec![Block::Charts(vec![
                    Chart::Lines(LineChart { title: "Query loss".into(), note: "Means of neighbouring steps.".into(),
                        x: Axis::linear("meta-steps"), y: Axis::log("loss"), series: curves }),
                    Chart::Lines(LineChart { title: "Accuracy on test tasks while training".into(), note: "200 tasks a point.".into(),
                        x: Axis::linear("meta-steps"), y: Axis::linear("accuracy"), series: curves::evaluation(&lines, "accuracy@3") }),
                ])],
            },
            Section {
                title: "Episodes, worst first".into(),
                blocks: vec![Block::Episodes(vec![episode(412, 3), episode(77, 2), episode(5, 1), episode(6, 0)])],
            },
            Section { title: "Sines".into(), blocks: vec![Block::Charts(vec![Chart::Lines(sine), Chart::Lines(diverging)])] },
            Section {
                title: "The recipe".into(),
                blocks: vec![Block::Folded { title: "recipe.toml".into(), text: format!("[tasks]\nkind = \"omniglot\"\n{text}") }],
            },
        ],
    }
}

#[test]
fn a_report_is_one_file_without_requests_or_scripts() {
    let page = sample("plain").html();
    // For a look at it: target/tmp/report.html.
    std::fs::write(format!("{}/report.html", env!("CARGO_TARGET_TMPDIR")), &page).unwrap();
    for forbidden in
        ["http:", "https:", "//", "<script", "<link", "<iframe", "@import", "url(", "NaN", "inf"]
    {
        // Base64 may hold two slashes by chance; it stands in `src="data:..."` alone.
        let outside: String = page
            .split("data:image/png;base64,")
            .map(|s| s.split_once('"').map_or(s, |(_, rest)| rest))
            .collect();
        assert!(!outside.contains(forbidden), "the page holds {forbidden:?}");
    }
    assert!(page.split("src=\"").skip(1).all(|s| s.starts_with("data:image/png;base64,")));
    for step in STEPS {
        assert!(page.contains(step));
    }
}

#[test]
fn no_text_becomes_markup() {
    let (plain, nasty) = (sample("plain").html(), sample(NASTY).html());
    // Were a text taken for markup, the pages would differ in their tags.
    let tags = |page: &str| page.matches('<').count();
    assert_eq!(tags(&plain), tags(&nasty));
    assert!(!nasty.contains("<script") && !nasty.contains('\u{0}') && !nasty.contains('\u{7}'));
    assert!(nasty.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;so&#39;"));
}

#[test]
fn tags_are_closed_in_the_order_they_were_opened() {
    let page = sample(NASTY).html();
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        match tag {
            _ if tag.ends_with('/') || ["meta", "img", "br", "!doctype"].contains(&name) => {}
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name)),
            _ => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn charts_of_nothing_and_of_extremes_stay_whole() {
    let extremes = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-320, 1e308, f64::MAX, f64::MIN];
    for log in [false, true] {
        let axis = || if log { Axis::log("y") } else { Axis::linear("y") };
        let mut charts = vec![LineChart { y: axis(), ..LineChart::default() }];
        for mark in [Mark::Line, Mark::Dots, Mark::Whiskers, Mark::Dashed] {
            for &v in &extremes {
                let points = vec![(0.0, v), (v, 1.0), (2.0, 2.0)];
                let series =
                    Series::line("s", points).with_ci(vec![v, 0.1, f64::NAN]).drawn_as(mark);
                charts.push(LineChart { y: axis(), series: vec![series], ..LineChart::default() });
            }
        }
        for chart in charts {
            let svg = chart.svg();
            assert!(
                svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("inf"),
                "{svg}"
            );
            assert!(svg.len() < 20_000);
        }
        for &v in &extremes {
            let series = vec![("a".to_string(), vec![Some((v, 0.1)), Some((1.0, v)), None])];
            let groups = vec!["g".to_string(), "h".to_string(), "i".to_string()];
            let svg = BarChart { y: axis(), groups, series, ..BarChart::default() }.svg();
            assert!(
                svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("inf"),
                "{svg}"
            );
        }
    }
}

#[test]
fn a_long_curve_is_thinned_and_a_gap_stays_a_gap() {
    let points = (0..70_000)
        .map(|i| (i as f64, if i == 35_000 { f64::NAN } else { 1.0 + i as f64 }))
        .collect();
    let svg = LineChart { series: vec![Series::line("s", points)], ..LineChart::default() }.svg();
    assert!(svg.len() < 20_000, "{} bytes for one curve", svg.len());
    assert_eq!(svg.matches("class=\"l s0\"").count(), 1 + 2, "legend, and a curve in two pieces");
}

#[test]
fn pictures_come_back_from_the_page() {
    assert_eq!(
        ["", "f", "fo", "foo", "foob"].map(|s| base64(s.as_bytes())),
        ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
    );
    let values = [0.0, 1.0, 0.5, f32::NAN, -3.0, 7.0];
    let picture = Picture::from_unit(2, 1, 3, &values);
    assert_eq!(picture.pixels, [0, 255, 128, 0, 0, 255]);
    let url = picture.data_url();
    let text = url.strip_prefix("data:image/png;base64,").unwrap();
    let digit = |c: u8| {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
            .iter()
            .position(|&d| d == c)
    };
    let bits: Vec<u8> = text
        .bytes()
        .filter_map(digit)
        .flat_map(|d| (0..6).rev().map(move |i| (d >> i & 1) as u8))
        .collect();
    let png: Vec<u8> =
        bits.chunks_exact(8).map(|b| b.iter().fold(0, |n, bit| n << 1 | bit)).collect();
    assert_eq!(image::load_from_memory(&png).unwrap().to_rgb8().into_raw(), picture.pixels);
}

#[test]
fn ticks_read_well() {
    for (value, text) in [
        (0.0, "0"),
        (0.25, "0.25"),
        (1e-17, "0"),
        (-2.5, "\u{2212}2.5"),
        (70_000.0, "70\u{202f}000"),
        (999.0, "999"),
        (1e-5, "1e-5"),
        (2e9, "2e9"),
    ] {
        assert_eq!(number(value), text);
    }
}

#[test]
fn bars_of_a_profile_are_as_wide_as_their_share_and_its_text_is_escaped() {
    let slice =
        |kind: &str, name: &str, amount| Slice { kind: kind.into(), name: name.into(), amount };
    let parts = [slice("conv", "3<4", 3.0), slice("sweep", "a", 0.5), slice("sweep", "b", 0.5)];
    let picture = flame::svg("A & B", "ms", &parts);
    let width_of = |name: &str| -> f64 {
        let after = picture.split(&format!("<title>{name}: ")).nth(1).expect("a bar");
        let width = after.split("width=\"").nth(1).expect("a rectangle");
        width.split('"').next().expect("a number").parse().expect("a number")
    };
    assert_eq!(width_of("conv 3&lt;4"), 900.0);
    assert_eq!((width_of("sweep"), width_of("sweep b")), (300.0, 150.0));
    assert!(picture.contains("A &amp; B") && !picture.contains("3<4"));
}
