//! Draws the results of a run: bars on a logarithmic scale, as SVG.

use std::fmt::Write as _;

use crate::{
    measure::Measured,
    report::{Report, time},
};

const WIDTH: f64 = 790.0;
const LEFT: f64 = 320.0;
const BAR: f64 = 16.0;
const LINE: f64 = 22.0;

/// A title, and the value of a function.
type Panel = (&'static str, fn(&Measured) -> f64);

const PANELS: [Panel; 4] = [
    ("Start to first response", |function| function.start_to_first_answer.p50),
    ("A valid token, warm, p50", |function| function.allowed.time.p50),
    ("CPU per call with a valid token", |function| function.allowed.cpu),
    ("CPU per call with a forged token", |function| {
        function.rejected.iter().find(|calls| calls.case == "forged").map_or(0.0, |calls| calls.cpu)
    }),
];

/// Draws the chart. It is readable on a light and on a dark background.
pub fn svg(report: &Report) -> String {
    let (mut body, mut y) = (String::new(), 0.0);
    for (title, value) in PANELS {
        y = panel(&mut body, y, title, value, report);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#808080\">\n\
         <title>The authorizer compared with others; shorter is better, the scale is logarithmic</title>\n{body}</svg>\n"
    )
}

fn panel(
    body: &mut String,
    top: f64,
    title: &str,
    value: fn(&Measured) -> f64,
    report: &Report,
) -> f64 {
    let shown: Vec<&Measured> =
        report.functions.iter().filter(|function| value(function) > 0.0).collect();
    let values = || shown.iter().map(|function| value(function));
    // The scale starts a decade below the smallest value, so that its bar is visible.
    let (least, most) = (values().fold(f64::MAX, f64::min) / 10.0, values().fold(0.0, f64::max));
    let room = WIDTH - LEFT - 90.0;
    let mut y = top + 24.0;
    let _ = writeln!(body, "<text x=\"0\" y=\"{y}\" font-weight=\"bold\">{title}</text>");
    for function in shown {
        let width = (value(function) / least).log10() / (most / least).log10() * room;
        let colour =
            if function.name.starts_with("verify-authorizer") { "#0a7d5a" } else { "#9aa5b1" };
        let (bar, text) = (y + 9.0, y + 22.0);
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text><rect x=\"{LEFT}\" \
             y=\"{bar}\" width=\"{width:.1}\" \
             height=\"{BAR}\" rx=\"2\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{text}\">{}</text>",
            LEFT - 8.0,
            function.name,
            LEFT + width + 6.0,
            time(value(function)),
        );
        y += LINE;
    }
    y + 16.0
}
