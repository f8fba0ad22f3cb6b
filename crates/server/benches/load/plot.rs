//! A small plotter: lines over one axis, as SVG that is read on light and on dark pages.

use std::fmt::Write as _;
use std::path::Path;

/// How an axis runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From 0, in even steps.
    Even,
    /// By powers of ten.
    Log,
}

/// An axis and what stands beside it, with its unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    pub(crate) scale: Scale,
}

/// One line of a plot.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// What is compared with is drawn broken.
    pub(crate) broken: bool,
}

/// One plot.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// The field of the lines, from left to right and from top to bottom.
const FIELD: ([f64; 2], [f64; 2]) = ([80.0, 500.0], [48.0, 340.0]);
/// About how many steps an even axis has.
const STEPS: f64 = 5.0;
const STYLE: &str = "<style>\
    text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-size:16px;font-weight:600}\
    .g{stroke:#d0d7de}.n{text-anchor:end}.m{text-anchor:middle}polyline{fill:none;stroke-width:2}\
    .b{stroke-dasharray:6 4}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#444c56}}</style>";
/// Told apart by who sees few colours, on either ground.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#7f7f7f"];

/// Where values lie between the ends of an axis, and which of them are marked.
struct Ruler {
    scale: Scale,
    range: [f64; 2],
    ends: [f64; 2],
}

impl Ruler {
    fn over(scale: Scale, values: impl Iterator<Item = f64>, ends: [f64; 2]) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            (low, high) = (low.min(value), high.max(value));
        }
        let range = match scale {
            Scale::Log => {
                let low = low.max(1e-6).log10().floor();
                [low, high.max(1e-6).log10().ceil().max(low + 1.0)]
            }
            Scale::Even => {
                let step = step_of(high.max(1e-6));
                [0.0, (high / step).ceil().max(1.0) * step]
            }
        };
        Self { scale, range, ends }
    }

    fn place(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Log => value.max(1e-6).log10(),
            Scale::Even => value,
        };
        let ([low, high], [first, last]) = (self.range, self.ends);
        first + (value - low) / (high - low) * (last - first)
    }

    fn marks(&self) -> Vec<f64> {
        let [low, high] = self.range;
        let (step, mut at, mut marks) = match self.scale {
            Scale::Log => (1.0, low, Vec::new()),
            Scale::Even => (step_of(high), 0.0, Vec::new()),
        };
        // A few powers of ten alone would leave most of the axis bare.
        let between: &[f64] = if high - low <= 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        while at <= high + step / 2.0 {
            match self.scale {
                Scale::Log => marks.extend(between.iter().map(|part| part * 10_f64.powf(at))),
                Scale::Even => marks.push(at),
            }
            at += step;
        }
        marks.retain(|mark| self.scale == Scale::Even || mark.log10() <= high + 1e-9);
        marks
    }
}

/// One, two or five times a power of ten.
fn step_of(high: f64) -> f64 {
    let rough = high / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    let fits = [1.0, 2.0, 5.0].into_iter().find(|times| times * power >= rough);
    fits.unwrap_or(10.0) * power
}

/// A number as it stands beside an axis: 20, 1 k, 2.5 M.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e3 => (value / 1e3, " k"),
        value => (value, ""),
    };
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

impl Plot {
    /// Draws it into a file.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        Ok(std::fs::write(path, self.svg()?)?)
    }

    fn svg(&self) -> anyhow::Result<String> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let ([left, right], [top, bottom]) = FIELD;
        let x = Ruler::over(self.x.scale, points().map(|point| point.0), [left, right]);
        let y = Ruler::over(self.y.scale, points().map(|point| point.1), [bottom, top]);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             role=\"img\" aria-label=\"{title}\">{STYLE}\n\
             <text class=\"t\" x=\"{left}\" y=\"26\">{title}</text>\n",
            title = self.title
        );
        for mark in y.marks() {
            let (at, name) = (y.place(mark), short(mark));
            writeln!(svg, "<path class=\"g\" d=\"M{left} {at:.1}H{right}\"/>")?;
            let (x, below) = (left - 8.0, at + 4.0);
            writeln!(svg, "<text class=\"n\" x=\"{x}\" y=\"{below:.1}\">{name}</text>")?;
        }
        for mark in x.marks() {
            let (at, name, below) = (x.place(mark), short(mark), bottom + 20.0);
            writeln!(svg, "<path class=\"g\" d=\"M{at:.1} {top}V{bottom}\"/>")?;
            writeln!(svg, "<text class=\"m\" x=\"{at:.1}\" y=\"{below}\">{name}</text>")?;
        }
        let (middle, below) = (f64::midpoint(left, right), bottom + 44.0);
        let (x_label, y_label) = (self.x.label, self.y.label);
        writeln!(svg, "<text class=\"m\" x=\"{middle}\" y=\"{below}\">{x_label}</text>")?;
        let middle = f64::midpoint(top, bottom);
        writeln!(
            svg,
            "<text class=\"m\" transform=\"translate(22 {middle}) rotate(-90)\">{y_label}</text>"
        )?;
        for ((nth, line), colour) in (0_u8..).zip(&self.lines).zip(COLOURS.iter().cycle()) {
            line.draw(&mut svg, (&x, &y), (nth, colour))?;
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }
}

impl Line {
    /// Draws the line with its points, and names it beside the field.
    fn draw(
        &self,
        svg: &mut String,
        (x, y): (&Ruler, &Ruler),
        (nth, colour): (u8, &str),
    ) -> anyhow::Result<()> {
        let broken = if self.broken { " class=\"b\"" } else { "" };
        write!(svg, "<polyline{broken} stroke=\"{colour}\" points=\"")?;
        for (at, value) in &self.points {
            write!(svg, "{:.1},{:.1} ", x.place(*at), y.place(*value))?;
        }
        writeln!(svg, "\"/>")?;
        for (at, value) in &self.points {
            let (across, down) = (x.place(*at), y.place(*value));
            writeln!(
                svg,
                "<circle cx=\"{across:.1}\" cy=\"{down:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
            )?;
        }
        let ([_, right], [top, _]) = FIELD;
        let down = top + 10.0 + 22.0 * f64::from(nth);
        let (from, to, text) = (right + 16.0, right + 40.0, right + 48.0);
        writeln!(
            svg,
            "<polyline{broken} stroke=\"{colour}\" points=\"{from},{down} {to},{down}\"/>"
        )?;
        let (below, name) = (down + 4.0, &self.name);
        Ok(writeln!(svg, "<text x=\"{text}\" y=\"{below}\">{name}</text>")?)
    }
}
