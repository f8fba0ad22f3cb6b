//! Two processes over one database: what one of them knows holds in the other.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kunji_core::audit::Event;
use kunji_store::{Postgres, PostgresPlace};
use kunji_testkit::{Cluster, verify_chains};
use serde_json::json;
use tempfile::TempDir;
use ureq::http::Method;

use crate::support::line::{Line, is_closed, posted};
use crate::support::{
    Answer, CHANGE_MPIN, KUNJI, Kunji, RESET_PIN, change_asha, change_john, fresh, keys_in, reset,
    signal,
};

const LIVE: &str = "X-Kunji-Mode: live\r\n";
const BEARER: &str = "Authorization: Bearer sandbox\r\n";
const ASHA: &str = "/kunji/v1/credentials/account/ACC000000002/verify";
/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two sandboxes with one state.
struct Fleet {
    url: String,
    ships: [Kunji; 2],
    folder: TempDir,
}

impl Fleet {
    fn start() -> Self {
        let url = Cluster::shared().fresh();
        let folder = tempfile::tempdir().unwrap();
        let start = || {
            let mut command = Command::new(KUNJI);
            command.arg("sandbox").arg("--data").arg(folder.path());
            command.args(["--listen", "127.0.0.1:0", "--output", "json"]);
            command.env("KUNJI_STORE__URL", &url).env("KUNJI_PINS__LIVE_PER_MINUTE", "0");
            Kunji::spawn(command)
        };
        let ships = [start(), start()];
        Self { url, ships, folder }
    }

    /// All that was ever decided, from whole chains.
    fn events(&self) -> Vec<Event> {
        let place = PostgresPlace::parse(&self.url, "kunji_1", 2).unwrap();
        verify_chains(&Postgres::open(place, None, keys_in(self.folder.path())).unwrap())
    }
}

fn guess(nth: usize) -> Vec<u8> {
    let pin = format!("{:06}", 210_000 + nth);
    if nth.is_multiple_of(2) {
        return posted(CHANGE_MPIN, LIVE, change_asha(&pin, "590284").to_string().as_bytes());
    }
    posted(ASHA, BEARER, json!({ "txn": fresh("G"), "pin": pin }).to_string().as_bytes())
}

/// Whether an answer says that a PIN is wrong, or that nothing is compared any more.
fn is_wrong(answer: &Answer) -> bool {
    let text = answer.text();
    let wrong = text.contains("\"wrong_pin\"") || text.contains("E40101");
    let blocked = text.contains("\"blocked\"") || text.contains("E42301");
    // Whose answer was lost asks again under the same id, and no secret is compared during a block.
    let used = text.contains("\"duplicate_request\"") || text.contains("E40902");
    assert_eq!([wrong, blocked, used].iter().filter(|told| **told).count(), 1, "{answer:?}");
    wrong
}

/// Sends a request on a line; where the process is gone, to the other one under the same id.
fn ask(line: &mut Line, survivor: &Kunji, request: &[u8]) -> Answer {
    loop {
        match line.say(request).and_then(|()| line.answer()) {
            Ok(answer) => return answer,
            Err(error) if is_closed(&error) => *line = Line::open(survivor.address()).unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn two_thousand_guesses_over_two_processes_and_a_kill_learn_three_verdicts() {
    const GUESSES: usize = 2000;
    const LINES: usize = 64;
    // The kill falls before there was a verdict, or about then, or long after.
    for kill_after in [0, 2, 300] {
        let fleet = Fleet::start();
        let [doomed, survivor] = &fleet.ships;
        let guesses: Vec<_> = (0..GUESSES).map(guess).collect();
        let (answers, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for nth in 0..LINES {
                let (guesses, answers, wrong) = (&guesses, &answers, &wrong);
                let mut line = Line::open(fleet.ships[nth % 2].address()).unwrap();
                scope.spawn(move || {
                    for guess in guesses.iter().skip(nth).step_by(LINES) {
                        let answer = ask(&mut line, survivor, guess);
                        wrong.fetch_add(usize::from(is_wrong(&answer)), Ordering::Relaxed);
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let begun = Instant::now();
            while answers.load(Ordering::Relaxed) < kill_after {
                assert!(begun.elapsed() < PATIENCE, "nobody answers");
                std::thread::yield_now();
            }
            signal(doomed.process.id(), "KILL");
        });
        assert_eq!(answers.into_inner(), GUESSES);
        // The third one is told as "blocked"; a repeated request learns nothing new.
        let wrong = wrong.into_inner();
        assert!(wrong <= 2, "{wrong} wrong verdicts and the one that blocks");
        let compared = |event: &Event| {
            event.detail.as_ref().is_some_and(|detail| detail.starts_with("wrong_pin"))
        };
        assert_eq!(fleet.events().iter().filter(|event| compared(event)).count(), 3);
        assert_eq!(survivor.verify("account", "ACC000000002", "804913"), "blocked");
    }
}

#[test]
fn what_one_process_answered_the_other_repeats() {
    let fleet = Fleet::start();
    let [first, second] = &fleet.ships;
    let body = change_john("1234", "5926");
    let answer = first.change_live(&body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(second.change_live(&body).text(), answer.text());
    assert_eq!(second.verify("account", "ACC123456789", "5926"), "verified");
    assert_eq!(first.verify("account", "ACC123456789", "5926"), "verified");
    let replayed = fleet.events().into_iter().filter(|event| event.verdict == "replayed").count();
    assert_eq!(replayed, 1);
}

#[test]
fn no_two_answers_of_two_processes_have_one_number() {
    let fleet = Fleet::start();
    let mut seen = std::collections::HashSet::new();
    for nth in 0..60 {
        let mut asked = reset("739105");
        asked["messageCode"] = json!("1");
        let (_, refused) = fleet.ships[nth % 2].prepaid(Method::POST, RESET_PIN, &asked);
        for number in ["accosaTransactionId", "accosaRefNo"] {
            assert!(seen.insert((number, refused[number].to_string())), "{refused}");
        }
    }
}

#[test]
fn the_tries_of_two_processes_are_counted_together() {
    let fleet = Fleet::start();
    let verdicts = [0, 1, 0, 1].map(|ship: usize| {
        fleet.ships[ship].verify("account", "ACC000000002", &format!("21000{ship}"))
    });
    assert_eq!(verdicts, ["wrong_pin", "wrong_pin", "blocked", "blocked"]);
}
