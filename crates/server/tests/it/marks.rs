//! Marks that users feel: how fast it starts, and how much memory it takes.
//!
//! They hold for release builds; in others these tests say so and do nothing.

mod refusals;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::line::{Line, posted};
use crate::support::{CHANGE_MPIN, Kunji, change_asha, run, sample_change};

const SCENARIO: &str = "X-AXIS-TEST-ID: 1\r\n";
const LIVE: &str = "X-Kunji-Mode: live\r\n";
const STARTS: usize = 10;
/// How many times as long as a bare process the start of a kept sandbox may take; about 5.
const TIMES_KEPT_MAX: f64 = 25.0;
/// The same for a first start, which makes keys and seeds; about 40.
const TIMES_FIRST_MAX: f64 = 200.0;

fn is_release() -> bool {
    let release = !cfg!(debug_assertions);
    if !release {
        println!("not tested: marks hold for release builds (cargo test --release)");
    }
    release
}

/// From the start of the process to its first right answer.
fn first_answer(dir: &Path) -> Duration {
    let body = sample_change().to_string();
    let begun = Instant::now();
    let kunji = Kunji::sandbox_in(dir);
    let mut line = Line::open(kunji.address()).unwrap();
    let answer = line.post(CHANGE_MPIN, SCENARIO, body.as_bytes()).unwrap();
    let took = begun.elapsed();
    assert_eq!(answer.status, 200);
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
    assert_eq!(kunji.stop(), Some(0));
    took
}

/// From the start of a process that does nothing to its end.
fn bare_process() -> Duration {
    let begun = Instant::now();
    assert_eq!(run(&["--version"], "").0, Some(0));
    begun.elapsed()
}

/// How many times as long as a process that does nothing a start takes; the best of some of each,
/// in turns, so that whoever else uses the machine slows both.
fn times_as_long(start: impl Fn(usize) -> Duration) -> f64 {
    let pairs: Vec<_> = (0..STARTS).map(|nth| (bare_process(), start(nth))).collect();
    let bare = pairs.iter().map(|(bare, _)| *bare).min().unwrap();
    let best = pairs.iter().map(|(_, started)| *started).min().unwrap();
    println!("start to first answer {best:?}, a bare process {bare:?}");
    best.as_secs_f64() / bare.as_secs_f64()
}

#[test]
fn a_start_takes_a_few_times_as_long_as_a_bare_process() {
    if !is_release() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    first_answer(folder.path());
    let times = times_as_long(|_| first_answer(folder.path()));
    assert!(times < TIMES_KEPT_MAX, "{times}");
}

#[test]
fn a_first_start_seeds_in_a_fixed_number_of_bare_processes() {
    if !is_release() {
        return;
    }
    // A first start syncs about 160 times; what that takes is the disk's affair and that of all
    // who use it, so that it is measured in memory.
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        println!("not tested: there is no /dev/shm");
        return;
    };
    let times = times_as_long(|nth| first_answer(&folder.path().join(nth.to_string())));
    assert!(times < TIMES_FIRST_MAX, "{times}");
}

/// Resident memory in KiB.
fn resident(kunji: &Kunji) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", kunji.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn scenario_load(kunji: &Kunji, requests: usize) {
    let request = posted(CHANGE_MPIN, SCENARIO, sample_change().to_string().as_bytes());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut line = Line::open(kunji.address()).unwrap();
                for _ in 0..requests / 4 {
                    line.say(&request).unwrap();
                    assert_eq!(line.answer().unwrap().status, 200);
                }
            });
        }
    });
}

fn live_load(kunji: &Kunji, changes: usize) {
    let mut line = Line::open(kunji.address()).unwrap();
    let pins = ["590284", "739105", "617402", "916047"];
    let mut old = "804913";
    for new in pins.iter().cycle().take(changes) {
        let body = change_asha(old, new).to_string();
        assert_eq!(line.post(CHANGE_MPIN, LIVE, body.as_bytes()).unwrap().status, 200);
        old = new;
    }
}

#[test]
fn it_lives_in_thirty_megabytes_and_does_not_grow() {
    if !is_release() {
        return;
    }
    let kunji = Kunji::sandbox();
    scenario_load(&kunji, 5000);
    live_load(&kunji, 2000);
    // The allocator gives back what it no longer needs as it goes on working.
    let readings = (0..5).map(|_| {
        scenario_load(&kunji, 100);
        resident(&kunji)
    });
    let after_work = readings.min().unwrap();
    println!("resident after 5,000 scenario requests and 2,000 changes: {after_work} KiB");
    scenario_load(&kunji, 15_000);
    let before = resident(&kunji);
    scenario_load(&kunji, 40_000);
    let after = resident(&kunji);
    println!("resident at 20,000 requests {before} KiB, at 60,000 {after} KiB");
    assert!(after_work < 30 * 1024, "{after_work} KiB");
    assert!(after < before + 3 * 1024, "{before} KiB, then {after} KiB");
}
