//! The picture of a run: bars on a logarithmic scale, as SVG.

use std::fmt::Write as _;

use crate::{
    measure::Measured,
    report::{Report, time},
};

const WIDTH: f64 = 790.0;
const LEFT: f64 = 320.0;
const BAR: f64 = 16.0;
const LINE: f64 = 22.0;

/// What is drawn, and where it stands in a measurement.
type Panel = (&'static str, fn(&Measured) -> f64);

const PANELS: [Panel; 4] = [
    ("Start to first answer", |it| it.start_to_first_answer.p50),
    ("A good token, warm, p50", |it| it.allowed.time.p50),
    ("Processor time of a call with a good token", |it| it.allowed.cpu),
    ("Processor time of a call with a forged token", |it| {
        it.rejected.iter().find(|calls| calls.case == "forged").map_or(0.0, |calls| calls.cpu)
    }),
];

/// The picture. It is readable on a light and on a dark ground.
pub fn svg(report: &Report) -> String {
    let (mut body, mut y) = (String::new(), 0.0);
    for (title, value) in PANELS {
        y = panel(&mut body, y, title, value, report);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#808080\">\n\
         <title>The authorizer beside others; shorter is better, the scale is logarithmic</title>\n{body}</svg>\n"
    )
}

fn panel(body: &mut String, top: f64, title: &str, value: fn(&Measured) -> f64, report: &Report) -> f64 {
    let shown: Vec<&Measured> = report.functions.iter().filter(|it| value(it) > 0.0).collect();
    let values = || shown.iter().map(|it| value(it));
    // A decade of room at the left, so that the smallest bar is one.
    let (least, most) = (values().fold(f64::MAX, f64::min) / 10.0, values().fold(0.0, f64::max));
    let room = WIDTH - LEFT - 90.0;
    let mut y = top + 24.0;
    let _ = writeln!(body, "<text x=\"0\" y=\"{y}\" font-weight=\"bold\">{title}</text>");
    for it in shown {
        let width = (value(it) / least).log10() / (most / least).log10() * room;
        let colour = if it.name.starts_with("verify-authorizer") { "#0a7d5a" } else { "#9aa5b1" };
        let (bar, text) = (y + 9.0, y + 22.0);
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text><rect x=\"{LEFT}\" y=\"{bar}\" width=\"{width:.1}\" \
             height=\"{BAR}\" rx=\"2\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{text}\">{}</text>",
            LEFT - 8.0,
            it.name,
            LEFT + width + 6.0,
            time(value(it)),
        );
        y += LINE;
    }
    y + 16.0
}
