//! On what the server spends its time: `perf` samples it, and the stacks are drawn as a flame graph.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// Samples a second, for each running thread; odd, so that nothing periodic falls in with it.
const RATE: &str = "499";
/// How much of the stack is kept of each sample, for it to be unwound.
const CALLS: &str = "dwarf,16384";
const WIDTH: f64 = 1200.0;
const ROW: f64 = 17.0;
const TOP: f64 = 40.0;
/// What is narrower is not drawn, and what is narrower still has no room for its name.
const NARROW: f64 = 0.6;
const NAMED: f64 = 40.0;
const LETTER: f64 = 6.6;
/// Frames of one stack at most; what is deeper is cut off.
const DEPTH_MAX: usize = 120;
const STYLE: &str = "<style>text{font:11px ui-monospace,monospace;fill:#1f2328}\
    .t{font:600 15px system-ui,sans-serif}rect{stroke:#fff;stroke-width:.4}\
    @media(prefers-color-scheme:dark){.t{fill:#e6edf3}rect{stroke:#0d1117}}</style>";

/// A running `perf`, until it is told to end.
pub(crate) struct Sampling {
    perf: Child,
    samples: PathBuf,
}

impl Sampling {
    /// Begins to sample a process; its samples lie in the directory.
    pub(crate) fn of(process: u32, dir: &Path) -> anyhow::Result<Self> {
        let samples = dir.join("perf.data");
        let mut perf = Command::new("perf");
        perf.args(["record", "-q", "-e", "cpu-clock", "-F", RATE, "--call-graph", CALLS]);
        perf.args(["-p", &process.to_string(), "-o"]).arg(&samples);
        let perf = perf.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Self { perf: perf.context("--flame needs perf (Debian: linux-perf)")?, samples })
    }

    /// Ends, and draws what was sampled.
    pub(crate) fn draw(mut self, title: &str, path: &Path) -> anyhow::Result<()> {
        let process = self.perf.id().to_string();
        Command::new("kill").args(["-INT", &process]).status()?;
        self.perf.wait()?;
        let script = Command::new("perf")
            .args(["script", "--no-inline", "-F", "comm,ip,sym", "-i"])
            .arg(&self.samples)
            .stderr(Stdio::null())
            .output()?;
        let root = Frame::of(&String::from_utf8_lossy(&script.stdout));
        anyhow::ensure!(root.samples > 0, "perf saw nothing");
        Ok(std::fs::write(path, root.svg(title)?)?)
    }
}

/// A function, how often it was on the stack, and what it called.
#[derive(Default)]
struct Frame {
    samples: u32,
    calls: BTreeMap<String, Frame>,
}

impl Frame {
    /// Reads what `perf script` prints: for each sample the thread, then its frames from the inside.
    fn of(script: &str) -> Self {
        let mut root = Self::default();
        for sample in script.split("\n\n") {
            let mut lines = sample.trim_matches('\n').lines();
            let Some(thread) = lines.next().filter(|line| !line.trim().is_empty()) else {
                continue;
            };
            let frames: Vec<_> = lines.map(name_of).collect();
            let mut at = &mut root;
            at.samples += 1;
            let outside_in = frames.iter().rev().filter(|name| !is_plumbing(name));
            let thread = thread.trim().to_owned();
            for name in std::iter::once(&thread).chain(outside_in).take(DEPTH_MAX) {
                at = at.calls.entry(name.clone()).or_default();
                at.samples += 1;
            }
        }
        root
    }

    fn depth(&self) -> usize {
        self.calls.values().map(|call| 1 + call.depth()).max().unwrap_or(0)
    }

    fn svg(&self, title: &str) -> anyhow::Result<String> {
        let rows = f64::from(u16::try_from(self.depth())?);
        let height = TOP + rows * ROW + 8.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             role=\"img\" aria-label=\"{title}\">{STYLE}\n\
             <text class=\"t\" x=\"6\" y=\"22\">{title}: {} samples</text>\n",
            self.samples
        );
        let unit = WIDTH / f64::from(self.samples.max(1));
        self.draw(&mut svg, (0.0, TOP), unit)?;
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    /// Draws the calls side by side, and what they call below them.
    fn draw(&self, svg: &mut String, (left, top): (f64, f64), unit: f64) -> anyhow::Result<()> {
        let mut at = left;
        for (name, call) in &self.calls {
            let width = f64::from(call.samples) * unit;
            if width >= NARROW {
                let share = 100.0 * width / WIDTH;
                let (text, colour) = (escaped(name), colour_of(name));
                write!(
                    svg,
                    "<g><title>{text}, {share:.1} %</title><rect x=\"{at:.1}\" y=\"{top}\" \
                     width=\"{width:.1}\" height=\"{ROW}\" fill=\"{colour}\"/>"
                )?;
                if width >= NAMED {
                    let (x, y) = (at + 3.0, top + 12.0);
                    let letters = (1_usize..).take_while(|n| fits(*n, width)).count();
                    let short = escaped(&name.chars().take(letters).collect::<String>());
                    write!(svg, "<text x=\"{x:.1}\" y=\"{y}\">{short}</text>")?;
                }
                svg.push_str("</g>\n");
                call.draw(svg, (at, top + ROW), unit)?;
            }
            at += width;
        }
        Ok(())
    }
}

fn fits(letters: usize, width: f64) -> bool {
    u16::try_from(letters).is_ok_and(|letters| f64::from(letters) * LETTER < width - 6.0)
}

/// The function of a line, without its address and what tells instances of one apart.
fn name_of(line: &str) -> String {
    let name = line.trim_start().split_once(' ').map_or("", |(_, name)| name.trim());
    let name = name.split("::h").next().unwrap_or(name);
    let mut depth = 0_u32;
    let kept = name.chars().filter(|letter| {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    });
    let kept: String = kept.collect();
    // A method of a trait stands in brackets as a whole.
    if kept.trim_matches(':').len() < 4 { name.to_owned() } else { kept }
}

/// Frames that every stack has, of the runtime and the language.
fn is_plumbing(name: &str) -> bool {
    let starts = ["core::", "std::", "tokio::", "futures", "__rust", "start_thread", "clone"];
    let whole = ["poll", "poll_future", "catch_unwind", "do_call", "call_once", "with_mut"];
    let name = name.trim_end_matches(" (inlined)");
    // What is left of a name that was nothing but brackets says nothing.
    starts.iter().any(|start| name.starts_with(start))
        || whole.contains(&name)
        || name.starts_with(['[', ':', '{'])
}

fn escaped(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// By what it belongs to: cryptography, the store, the wire, the system, ourselves.
fn colour_of(name: &str) -> &'static str {
    let is = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match () {
        () if is(&["aws_lc", "p256", "ec_", "sha", "hmac", "gcm", "bn_", "kunji_vault"]) => {
            "#f2a65a"
        }
        () if is(&["fjall", "lsm_tree", "kunji_store", "lz4"]) => "#8cc084",
        () if is(&["hyper", "axum", "serde", "tower", "mio", "http"]) => "#7fb2dd",
        () if is(&["kunji"]) => "#e9d36c",
        () => "#c9c9c9",
    }
}
