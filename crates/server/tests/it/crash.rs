//! A process that is killed at any instant forgets nothing that it said.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kunji_store::{Postgres, PostgresPlace};
use kunji_testkit::{Cluster, verify_chains};
use kunji_vault::{BlockAlg, BlockMaker, PinUse};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hyper::client::{App, PROCESS, cred, envelope, with};
use crate::support::blocks::{maker, sealed};
use crate::support::line::{Line, is_closed, posted};
use crate::support::{Answer, CHANGE_MPIN, KUNJI, Kunji, change, fresh, keys_in, run, signal};

const LIVE: &str = "X-Kunji-Mode: live\r\n";
const BEARER: &str = "Authorization: Bearer sandbox\r\n";
const FIRST_PIN: &str = "804913";

/// A small generator with a seed of its own (xorshift), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Waits up to so many microseconds: where a kill falls must not depend on what happens.
    fn linger(&mut self, micros_max: u64) {
        let until = Instant::now() + Duration::from_micros(self.throw(micros_max));
        while Instant::now() < until {
            std::thread::yield_now();
        }
    }
}

/// A sandbox's directory with a seed of so many accounts, whose PIN is [`FIRST_PIN`].
struct Ground {
    folder: TempDir,
    /// The database, when the state lies in one.
    database: Option<String>,
}

impl Ground {
    fn new(accounts: usize) -> Self {
        let mut seed = String::new();
        for nth in 0..accounts {
            write!(
                seed,
                "[[account]]\ncustomer = \"CIF{nth}\"\nname = \"A\"\nborn = \"1985-11-30\"\n\
                 mobile = \"91900000{nth:04}\"\nreference = \"ACC{nth}\"\nifsc = \"AXIS0000001\"\n\
                 masked = \"*\"\nvpas = [\"a{nth}@axis\"]\npin_length = 6\npin = \"{FIRST_PIN}\"\n"
            )
            .unwrap();
        }
        Self::seeded(&seed)
    }

    fn seeded(seed: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("seed.toml"), seed).unwrap();
        Self { folder, database: None }
    }

    /// The same over a database of its own.
    fn in_postgres(self) -> Self {
        Self { database: Some(Cluster::shared().fresh()), ..self }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(KUNJI);
        command.arg("sandbox").arg("--data").arg(self.data());
        command.arg("--seed").arg(self.folder.path().join("seed.toml"));
        command.args(["--listen", "127.0.0.1:0", "--output", "json"]);
        command.env("KUNJI_PINS__LIVE_PER_MINUTE", "0");
        // So many kills and guesses are those of many callers and days.
        command.env("KUNJI_PINS__WRONG_PER_CALLER_MAX", "0");
        command.env("KUNJI_PINS__WRONG_PER_DAY_MAX", "200");
        command.envs(self.database.as_ref().map(|url| ("KUNJI_STORE__URL", url)));
        command
    }

    fn start(&self) -> Kunji {
        Kunji::spawn(self.command())
    }

    /// Within how many microseconds a kill falls: a database takes longer to answer.
    fn kill_micros_max(&self) -> u64 {
        if self.database.is_some() { 250_000 } else { 30_000 }
    }

    fn audit_holds(&self) {
        if let Some(url) = &self.database {
            let current = std::fs::read_to_string(self.data().join("current")).unwrap();
            let schema = current.trim().replace("store-", "kunji_");
            let place = PostgresPlace::parse(url, &schema, 2).unwrap();
            verify_chains(&Postgres::open(place, None, keys_in(&self.data())).unwrap());
            return;
        }
        let (code, said, error) =
            run(&["audit", "verify", "--data", self.data().to_str().unwrap()], "");
        assert_eq!(code, Some(0), "{said}{error}");
    }
}

fn change_of(account: usize, old: &str, new: &str) -> Value {
    let (customer, reference) = (format!("CIF{account}"), format!("ACC{account}"));
    change(&customer, &reference, &format!("a{account}@axis"), old, new)
}

fn verify_of(account: usize, pin: &str) -> Vec<u8> {
    let path = format!("/kunji/v1/credentials/account/ACC{account}/verify");
    let body = json!({ "txn": fresh("G"), "pin": pin }).to_string();
    posted(&path, BEARER, body.as_bytes())
}

/// An answer, unless the process was killed before it came.
fn ask(line: &mut Line, request: &[u8]) -> Option<Answer> {
    match line.say(request).and_then(|()| line.answer()) {
        Ok(answer) => Some(answer),
        Err(error) if is_closed(&error) => None,
        Err(error) => panic!("{error}"),
    }
}

fn connect(address: &str) -> Option<Line> {
    match Line::open(address) {
        Ok(line) => Some(line),
        Err(error) if is_closed(&error) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Does the work on so many connections until each has ended, and kills the process meanwhile.
fn killed_under_load(
    kunji: Kunji,
    (dice, micros_max): (&mut Dice, u64),
    threads: usize,
    work: impl Fn(usize, &mut Line) + Sync,
) {
    std::thread::scope(|scope| {
        for nth in 0..threads {
            let (work, address) = (&work, kunji.address().to_owned());
            scope.spawn(move || {
                if let Some(mut line) = connect(&address) {
                    work(nth, &mut line);
                }
            });
        }
        dice.linger(micros_max);
        kunji.kill();
    });
}

/// Accounts that nobody tried before, in each round of guesses.
const FRESH: usize = 16;

#[test]
fn guesses_and_thirty_kills_learn_three_verdicts() {
    guesses_and_kills_learn_three_verdicts(&Ground::new(30 * FRESH), 30);
}

#[test]
fn guesses_and_six_kills_learn_three_verdicts_on_postgres() {
    guesses_and_kills_learn_three_verdicts(&Ground::new(6 * FRESH).in_postgres(), 6);
}

fn guesses_and_kills_learn_three_verdicts(ground: &Ground, rounds: usize) {
    const CLIENTS: usize = 8;
    let mut dice = Dice(0x5eed_0001);
    let wrong = Mutex::new(BTreeMap::<usize, usize>::new());
    for round in 0..rounds {
        let kunji = ground.start();
        // Some accounts that nobody tried yet, and all that the last kill found at work.
        let accounts = (round.saturating_sub(1) * FRESH)..((round + 1) * FRESH);
        killed_under_load(kunji, (&mut dice, ground.kill_micros_max()), CLIENTS, |nth, line| {
            for guess in 0_usize.. {
                // Each client begins elsewhere, so that a kill finds many accounts at work.
                let from = accounts.start + nth * accounts.len() / CLIENTS;
                for account in (from..accounts.end).chain(accounts.start..from) {
                    let pin = format!("{:06}", 200_000 + guess * 8 + nth);
                    let request = match guess % 2 {
                        0 => verify_of(account, &pin),
                        _ => {
                            let body = change_of(account, &pin, "590284").to_string();
                            posted(CHANGE_MPIN, LIVE, body.as_bytes())
                        }
                    };
                    let Some(answer) = ask(line, &request) else { return };
                    match verdict(&answer) {
                        "wrong" => *wrong.lock().unwrap().entry(account).or_default() += 1,
                        "blocked" => {}
                        other => panic!("{other}: {}", answer.text()),
                    }
                }
            }
        });
    }
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.len() > rounds, "only {} accounts were met", wrong.len());
    // The third wrong one is told as "blocked".
    let too_many = wrong.iter().filter(|(_, count)| **count > 2).collect::<Vec<_>>();
    assert!(too_many.is_empty(), "account and wrong verdicts: {too_many:?}");
    ground.audit_holds();
}

fn verdict(answer: &Answer) -> &'static str {
    let text = answer.text();
    let has = |word: &str| text.contains(word);
    match answer.status {
        200 if has("\"wrong_pin\"") => "wrong",
        200 if has("\"blocked\"") => "blocked",
        200 if has("\"verified\"") => "right",
        200 if has("\"code\":\"00\"") => "changed",
        401 if has("E40101") => "wrong",
        423 => "blocked",
        _ => "something else",
    }
}

/// A PIN that no rule refuses, and that differs from the thousand before: none of its digits is in
/// the birthday.
fn fit_pin(nth: u32) -> String {
    let digit = |place: u32| match (nth >> (2 * place)) % 4 {
        0 => '2',
        1 => '4',
        2 => '6',
        _ => '7',
    };
    std::iter::once('8').chain((0..5).map(digit)).collect()
}

/// What one client knows of its account: the PIN that was acknowledged last, and the request whose
/// answer never came.
#[derive(Default)]
struct Known {
    pin: String,
    changes: u32,
    flight: Option<(String, Vec<u8>)>,
}

impl Known {
    /// Sends the request that is in flight again, or a new one; false when no answer came.
    fn step(&mut self, account: usize, line: &mut Line) -> bool {
        let (pin, request) = self.flight.take().unwrap_or_else(|| {
            self.changes += 1;
            let pin = fit_pin(self.changes);
            let body = change_of(account, &self.pin, &pin).to_string();
            (pin, posted(CHANGE_MPIN, LIVE, body.as_bytes()))
        });
        match ask(line, &request) {
            None => {
                self.flight = Some((pin, request));
                false
            }
            Some(answer) => {
                assert_eq!(verdict(&answer), "changed", "account {account}: {}", answer.text());
                self.pin = pin;
                true
            }
        }
    }

    /// The account's PIN is the one acknowledged last, or the one in flight; never an older one.
    /// The request in flight then gives one answer, however often it is sent.
    fn settle(&mut self, account: usize, line: &mut Line) {
        let mut told = |request: &[u8]| ask(line, request).unwrap();
        let is = |pin: &str| verify_of(account, pin);
        let sure = verdict(&told(&is(&self.pin)));
        let Some((pin, request)) = self.flight.take() else {
            assert_eq!(sure, "right", "account {account} lost an acknowledged change");
            return;
        };
        match sure {
            "right" => {}
            "wrong" => assert_eq!(verdict(&told(&is(&pin))), "right", "account {account}"),
            other => panic!("account {account}: {other}"),
        }
        let first = told(&request);
        assert_eq!(verdict(&first), "changed", "{}", first.text());
        let again = told(&request);
        assert_eq!((first.status, first.body), (again.status, again.body));
        assert_eq!(verdict(&told(&is(&pin))), "right");
        self.pin = pin;
    }
}

const ACCOUNTS: usize = 16;

#[test]
fn acknowledged_changes_survive_a_hundred_kills() {
    let (changes, in_flight) = changes_survive_kills(&Ground::new(ACCOUNTS), 100);
    assert!(changes > 200 && in_flight > 100, "{changes} changes, {in_flight} in flight");
}

#[test]
fn acknowledged_changes_survive_twelve_kills_on_postgres() {
    let (changes, in_flight) = changes_survive_kills(&Ground::new(ACCOUNTS).in_postgres(), 12);
    assert!(changes > 20 && in_flight > 12, "{changes} changes, {in_flight} in flight");
}

/// Says how many changes there were, and how many of them a kill met in flight.
fn changes_survive_kills(ground: &Ground, rounds: usize) -> (u32, usize) {
    let mut dice = Dice(0x5eed_0002);
    let known: Vec<_> = (0..ACCOUNTS)
        .map(|_| Mutex::new(Known { pin: FIRST_PIN.to_owned(), ..Known::default() }))
        .collect();
    let mut in_flight = 0;
    for round in 0..rounds {
        let kunji = ground.start();
        // Every other time the clients themselves find out what became of their requests.
        if round % 2 == 0 {
            let mut line = connect(kunji.address()).unwrap();
            for (account, known) in known.iter().enumerate() {
                known.lock().unwrap().settle(account, &mut line);
            }
        }
        killed_under_load(kunji, (&mut dice, ground.kill_micros_max()), 8, |nth, line| {
            let mine = || (nth..ACCOUNTS).step_by(8);
            while mine().all(|account| known[account].lock().unwrap().step(account, line)) {}
        });
        in_flight += known.iter().filter(|known| known.lock().unwrap().flight.is_some()).count();
    }
    let kunji = ground.start();
    let mut line = connect(kunji.address()).unwrap();
    let mut changes = 0;
    for (account, known) in known.iter().enumerate() {
        let mut known = known.lock().unwrap();
        known.settle(account, &mut line);
        changes += known.changes;
    }
    kunji.kill();
    ground.audit_holds();
    (changes, in_flight)
}

/// The state is that of the seed, or that before the reset, whole.
fn seeded_whole(kunji: &Kunji, pins: &[&str]) {
    let mut line = connect(kunji.address()).unwrap();
    let mut found = Vec::new();
    for account in 0..4 {
        let right = pins
            .iter()
            .find(|pin| verdict(&ask(&mut line, &verify_of(account, pin)).unwrap()) == "right");
        found.push(*right.unwrap());
    }
    assert!(found.iter().all(|pin| *pin == found[0]), "half of a reset: {found:?}");
}

#[test]
fn a_kill_during_a_reset_leaves_the_old_state_or_the_new_one() {
    kills_during_resets(&Ground::new(4), 20);
}

#[test]
fn a_kill_during_a_reset_leaves_the_old_state_or_the_new_one_on_postgres() {
    kills_during_resets(&Ground::new(4).in_postgres(), 5);
}

fn kills_during_resets(ground: &Ground, rounds: usize) {
    const CHANGED: &str = "590284";
    let mut dice = Dice(0x5eed_0003);
    for _ in 0..rounds {
        let kunji = ground.start();
        for account in 0..4 {
            kunji.change_live(&change_of(account, FIRST_PIN, CHANGED));
        }
        let mut line = connect(kunji.address()).unwrap();
        line.say(&posted("/kunji/v1/sandbox/reset", "", b"")).unwrap();
        dice.linger(15_000);
        kunji.kill();
        let kunji = ground.start();
        seeded_whole(&kunji, &[CHANGED, FIRST_PIN]);
        kunji.kill();
        ground.audit_holds();
    }
}

#[test]
fn a_kill_during_the_first_start_leaves_what_can_start() {
    kills_during_first_starts(|| Ground::new(4), 12);
}

#[test]
fn a_kill_during_the_first_start_leaves_what_can_start_on_postgres() {
    kills_during_first_starts(|| Ground::new(4).in_postgres(), 4);
}

fn kills_during_first_starts(ground: impl Fn() -> Ground, rounds: usize) {
    let mut dice = Dice(0x5eed_0004);
    for _ in 0..rounds {
        let ground = ground();
        for _ in 0..3 {
            killed_while_starting(ground.command(), &mut dice);
        }
        let kunji = ground.start();
        seeded_whole(&kunji, &[FIRST_PIN]);
        kunji.kill();
        ground.audit_holds();
    }
}

fn killed_while_starting(mut command: Command, dice: &mut Dice) {
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    dice.linger(30_000);
    process.kill().unwrap();
    process.wait().unwrap();
}

fn service(folder: &Path) -> Command {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let mut command = Command::new(KUNJI);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.env("KUNJI_STORE__URL", format!("fjall:{}", path("store")));
    command.env("KUNJI_VAULT__KEY_FILE", path("keys.sealed"));
    command.env("KUNJI_VAULT__UNSEAL_FILE", path("unseal.key"));
    command
}

/// The line that `serve` logs once it answers.
fn answers(mut command: Command) -> Result<(), String> {
    let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(process.stderr.take().unwrap());
    while !said.contains("\"answering\"") {
        if lines.read_line(&mut said).unwrap() == 0 {
            process.wait().unwrap();
            return Err(said);
        }
    }
    process.kill().unwrap();
    process.wait().unwrap();
    Ok(())
}

#[test]
fn a_kill_during_the_first_start_of_the_service_leaves_what_can_start() {
    let mut dice = Dice(0x5eed_0005);
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let mut command = service(folder.path());
            command.stderr(Stdio::null());
            killed_while_starting(command, &mut dice);
        }
        assert_eq!(answers(service(folder.path())), Ok(()));
    }
}

#[test]
fn requests_that_began_are_answered_after_the_signal() {
    let ground = Ground::new(16);
    let mut kunji = ground.start();
    let mut begun: Vec<_> = (0..16)
        .map(|account| {
            let body = change_of(account, FIRST_PIN, "590284").to_string();
            let request =
                posted(CHANGE_MPIN, &format!("{LIVE}expect: 100-continue\r\n"), body.as_bytes());
            let mut line = connect(kunji.address()).unwrap();
            let (head, rest) = request.split_at(request.len() - body.len() / 2);
            line.say(head).unwrap();
            // Whoever asks for the rest has begun.
            assert_eq!(line.head().unwrap().0, 100);
            (line, rest.to_vec())
        })
        .collect();
    signal(kunji.process.id(), "TERM");
    while Line::open(kunji.address()).is_ok() {}
    for (line, rest) in &mut begun {
        line.say(rest).unwrap();
        assert_eq!(verdict(&line.answer().unwrap()), "changed");
    }
    assert_eq!(kunji.process.wait().unwrap().code(), Some(0));
    let kunji = ground.start();
    for account in 0..16 {
        assert_eq!(kunji.verify("account", &format!("ACC{account}"), "590284"), "verified");
    }
    assert_eq!(kunji.stop(), Some(0));
    ground.audit_holds();
}

#[test]
fn a_signal_under_load_loses_nothing() {
    signals_under_load(|| Ground::new(ACCOUNTS), 5);
}

#[test]
fn a_signal_under_load_loses_nothing_on_postgres() {
    signals_under_load(|| Ground::new(ACCOUNTS).in_postgres(), 2);
}

fn signals_under_load(ground: impl Fn() -> Ground, rounds: u64) {
    for seed in 0..rounds {
        let ground = ground();
        let kunji = ground.start();
        let mut dice = Dice(0x5eed_0006 + seed);
        let known: Vec<_> = (0..ACCOUNTS)
            .map(|_| Mutex::new(Known { pin: FIRST_PIN.to_owned(), ..Known::default() }))
            .collect();
        let code = std::thread::scope(|scope| {
            for (account, known) in known.iter().enumerate() {
                let address = kunji.address().to_owned();
                scope.spawn(move || {
                    let mut known = known.lock().unwrap();
                    if let Some(mut line) = connect(&address) {
                        while known.step(account, &mut line) {}
                    }
                });
            }
            dice.linger(40_000);
            kunji.stop()
        });
        assert_eq!(code, Some(0));
        let kunji = ground.start();
        let mut line = connect(kunji.address()).unwrap();
        for (account, known) in known.iter().enumerate() {
            known.lock().unwrap().settle(account, &mut line);
        }
        kunji.kill();
        ground.audit_holds();
    }
}

/// Customers of the app with two accounts behind two VPAs each; the first account is primary.
fn app_customers(count: usize) -> Ground {
    let mut seed = String::new();
    for nth in 0..count {
        for account in ["A", "B"] {
            write!(
                seed,
                "[[account]]\ncustomer = \"CIF{nth}\"\nname = \"A\"\nborn = \"1985-11-30\"\n\
                 mobile = \"9190000{nth:05}\"\nreference = \"{account}{nth}\"\nifsc = \"X\"\n\
                 masked = \"*\"\nvpas = []\npin_length = 6\npin = \"{FIRST_PIN}\"\n\
                 debit_card = {{ last_six = \"123456\", expiry = \"12/2035\" }}\n\
                 bank = {{ iin = \"111111\", unique_id = \"U{account}{nth}\", branch = \"B\", \
                 kind = \"SAVINGS\", balance = \"1.00\" }}\n"
            )
            .unwrap();
        }
        let vpa = |name: &str| {
            format!(
                "{{ vpa = \"{name}{nth}@handle\", accounts = [\"A{nth}\", \"B{nth}\"], \
                 primary = \"A{nth}\" }}"
            )
        };
        write!(
            seed,
            "[[profile]]\nmerchant = \"stock\"\ncustomer = \"{nth}\"\nname = \"A\"\n\
             mobile = \"9190000{nth:05}\"\ndevices = [\"d\"]\nvpas = [{}, {}]\n",
            vpa("v"),
            vpa("w")
        )
        .unwrap();
    }
    Ground::seeded(&seed)
}

/// What an app knows: which of its accounts has which MPIN, which one is primary, and the secrets
/// whose result never came.
struct Phone {
    nth: usize,
    pins: [String; 2],
    primary: usize,
    sets: u32,
    flight: Option<(String, Vec<u8>)>,
}

impl Phone {
    fn new(nth: usize) -> Self {
        let pins = [FIRST_PIN, FIRST_PIN].map(str::to_owned);
        Self { nth, pins, primary: 0, sets: 0, flight: None }
    }

    fn account(&self, which: usize) -> String {
        format!("{}{}", ["A", "B"][which], self.nth)
    }

    fn is(&self, which: usize, pin: &str) -> Vec<u8> {
        let path = format!("/kunji/v1/credentials/account/{}/verify", self.account(which));
        posted(&path, BEARER, json!({ "txn": fresh("G"), "pin": pin }).to_string().as_bytes())
    }

    /// Sets the MPIN of the account that is not primary, for all VPAs; false when no answer came.
    fn step(&mut self, kunji: &Kunji, maker: &BlockMaker, line: &mut Line) -> bool {
        let which = 1 - self.primary;
        let app = App::of(kunji, &self.nth.to_string());
        let members = App::set_members(&self.account(which), &format!("v{}@handle", self.nth));
        let body = envelope("R", "upiSetMpin", &with(app.signature(), &members)).to_string();
        let Some(opened) = ask(line, &posted(PROCESS, "", body.as_bytes())) else { return false };
        let capture = opened.json()["payload"]["captureId"].as_str().unwrap().to_owned();
        let path = format!("/kunji/v1/sandbox/outbox?to=9190000{:05}", self.nth);
        let outbox = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let Some(outbox) = ask(line, outbox.as_bytes()) else { return false };
        let otp = outbox.json()[0]["otp"].as_str().unwrap().to_owned();
        self.sets += 1;
        let pin = fit_pin(self.sets);
        let txn = members["upiRequestId"].as_str().unwrap();
        let creds = json!({ "creds": [
            cred("OTP", "SMS", &sealed(maker, &otp, PinUse::Sms, txn)),
            cred("PIN", "MPIN", &sealed(maker, &pin, PinUse::Mpin, txn)),
        ]});
        let path = format!("/hyper/v1/captures/{capture}");
        let request = posted(&path, "", creds.to_string().as_bytes());
        match ask(line, &request) {
            None => {
                self.flight = Some((pin, request));
                false
            }
            Some(answer) => {
                let text = answer.text();
                assert!(text.contains("\"status\":\"SUCCESS\""), "{text}");
                self.pins[which] = pin;
                self.primary = which;
                true
            }
        }
    }

    /// Which account is primary for each VPA, asked without a word about any capture.
    fn primaries(&self, kunji: &Kunji, line: &mut Line) -> Vec<usize> {
        let group = App::of(kunji, &self.nth.to_string()).signature();
        let body = envelope("R", "upiGetSessionToken", &group).to_string();
        let event = ask(line, &posted(PROCESS, "", body.as_bytes())).unwrap().json();
        let linked = event["payload"]["vpaAccounts"].as_array().unwrap().clone();
        let primary = linked.iter().filter(|one| one["account"]["isPrimary"] == "true");
        let which = |one: &Value| usize::from(one["account"]["referenceId"] == self.account(1));
        primary.map(which).collect()
    }

    /// MPIN and mapping are set together or not at all, soon and without anybody asking; what was
    /// acknowledged stands. Says whether a flight had arrived. Without a deadline the mapping is
    /// set when the request is repeated: where processes share a store, one that starts does not
    /// know whether another is at it, and waits until the errand is due.
    fn settle(
        &mut self,
        kunji: &Kunji,
        line: &mut Line,
        deadline: Option<Instant>,
    ) -> Option<bool> {
        let mut told = |request: &[u8]| verdict(&ask(line, request).unwrap());
        let kept = self.primary;
        assert_eq!(told(&self.is(kept, &self.pins[kept])), "right", "customer {}", self.nth);
        let other = 1 - kept;
        let old = told(&self.is(other, &self.pins[other]));
        let Some((pin, request)) = self.flight.take() else {
            assert_eq!(old, "right", "customer {} lost an acknowledged MPIN", self.nth);
            assert_eq!(self.primaries(kunji, line), [kept, kept]);
            return None;
        };
        let arrived = old != "right";
        if arrived {
            assert_eq!(told(&self.is(other, &pin)), "right", "customer {}", self.nth);
        }
        let expected = if arrived { [other; 2] } else { [kept; 2] };
        while let Some(deadline) = deadline
            && self.primaries(kunji, line) != expected
        {
            assert!(Instant::now() < deadline, "customer {}: {arrived}", self.nth);
            std::thread::sleep(Duration::from_millis(20));
        }
        // The same secrets give one result, however often they are sent.
        let first = ask(line, &request).unwrap();
        let again = ask(line, &request).unwrap();
        assert!(first.text().contains("\"status\":\"SUCCESS\""), "{}", first.text());
        assert_eq!((first.status, first.body), (again.status, again.body));
        assert_eq!(self.primaries(kunji, line), [other; 2]);
        self.pins[other] = pin;
        self.primary = other;
        Some(arrived)
    }
}

const PHONES: usize = 8;
/// When a test gives up waiting for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn thirty_kills_leave_mpin_and_mapping_together() {
    let (arrived, lost) = kills_between_mpin_and_mapping(&app_customers(PHONES), 30);
    assert!(arrived > 5 && lost > 5, "{arrived} arrived, {lost} lost");
}

#[test]
fn six_kills_leave_mpin_and_mapping_together_on_postgres() {
    let ground = app_customers(PHONES).in_postgres();
    let (arrived, lost) = kills_between_mpin_and_mapping(&ground, 6);
    assert!(arrived + lost > 3, "{arrived} arrived, {lost} lost");
}

/// Says how many of the secrets in flight had arrived, and how many had not.
fn kills_between_mpin_and_mapping(ground: &Ground, rounds: usize) -> (u32, u32) {
    let mut dice = Dice(0x5eed_0007);
    let phones: Vec<_> = (0..PHONES).map(|nth| Mutex::new(Phone::new(nth))).collect();
    let (mut arrived, mut lost) = (0, 0);
    for round in 0..=rounds {
        let kunji = ground.start();
        let deadline = Instant::now() + PATIENCE;
        let deadline = ground.database.is_none().then_some(deadline);
        let mut line = connect(kunji.address()).unwrap();
        for phone in &phones {
            match phone.lock().unwrap().settle(&kunji, &mut line, deadline) {
                Some(true) => arrived += 1,
                Some(false) => lost += 1,
                None => {}
            }
        }
        if round == rounds {
            kunji.kill();
            break;
        }
        let maker = maker(&kunji, BlockAlg::EcdhEs);
        std::thread::scope(|scope| {
            for phone in &phones {
                let (kunji, maker) = (&kunji, &maker);
                scope.spawn(move || {
                    let mut phone = phone.lock().unwrap();
                    if let Some(mut line) = connect(kunji.address()) {
                        while phone.step(kunji, maker, &mut line) {}
                    }
                });
            }
            dice.linger(2 * ground.kill_micros_max());
            signal(kunji.process.id(), "KILL");
        });
    }
    let sets: u32 = phones.iter().map(|phone| phone.lock().unwrap().sets).sum();
    println!("{sets} sets; of those in flight {arrived} had arrived, {lost} had not");
    ground.audit_holds();
    (arrived, lost)
}
