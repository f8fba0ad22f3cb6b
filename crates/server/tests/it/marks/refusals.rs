//! A hundred thousand requests that are refused, in every way there is, cost nothing that stays.

use std::sync::atomic::{AtomicUsize, Ordering};

use kunji_testkit::Cluster;
use kunji_vault::{BlockAlg, PinUse};
use serde_json::{Value, json};

use super::{is_release, resident};
use crate::support::blocks::{ASHA, maker, sealed, sealed_change};
use crate::support::line::{Line, posted};
use crate::support::{CHANGE_MPIN, Kunji, RESET_PIN, change_asha, fresh, reset, token};

const REQUESTS: usize = 100_000;
const LINES: usize = 8;
const LIVE: &str = "X-Kunji-Mode: live\r\n";
const BEARER: &str = "Authorization: Bearer sandbox\r\n";
const NOBODY: &str = "Authorization: Bearer nobody\r\n";
const VERIFY: &str = "/kunji/v1/credentials/account/ACC000000002/verify";
const UNKNOWN: &str = "/kunji/v1/credentials/account/NONE/verify";
const PROGRAM: &str = "x-api-key: 7fe1c0de\r\nclientId: 2000\r\nbankId: 7000\r\nentityId: 100\r\n\
     secureCode: AfYtlO5kqdySIjXyNmGg3F\r\n";
/// Resident memory that the second half may add: what a request leaves lies on disk.
const GROWTH_KIB_MAX: u64 = 8 * 1024;
/// Nobody is held back by an allowance.
const SETTINGS: [(&str, &str); 2] =
    [("KUNJI_PINS__LIVE_PER_MINUTE", "0"), ("KUNJI_PREPAID__BROKEN_PER_MINUTE", "0")];

/// Makes one request, under an id of its own where it has one.
type Kind = Box<dyn Fn() -> Vec<u8> + Send + Sync>;

fn verify(path: &'static str, bearer: &'static str, pin: Value) -> Kind {
    Box::new(move || {
        let body = json!({ "txn": fresh("R"), "pin": pin }).to_string();
        posted(path, bearer, body.as_bytes())
    })
}

fn change(body: impl Fn() -> Value + Send + Sync + 'static) -> Kind {
    Box::new(move || posted(CHANGE_MPIN, LIVE, body().to_string().as_bytes()))
}

fn card(new_pin: &'static str) -> Kind {
    Box::new(move || {
        let body = json!({ "token": token(&reset(new_pin).to_string()) });
        posted(RESET_PIN, PROGRAM, body.to_string().as_bytes())
    })
}

fn always(path: &'static str, headers: &'static str, body: &str) -> Kind {
    let request = posted(path, headers, body.as_bytes());
    Box::new(move || request.clone())
}

/// A request of each kind that is refused.
fn kinds(kunji: &Kunji) -> Vec<Kind> {
    let ecdh = maker(kunji, BlockAlg::EcdhEs);
    let of_another = sealed(&ecdh, "000000", PinUse::Mpin, "ANOTHER-TXN");
    let used = json!({ "txn": fresh("U"), "pin": "000000" }).to_string();
    vec![
        verify(VERIFY, BEARER, json!("000000")),
        verify(UNKNOWN, BEARER, json!("000000")),
        verify(VERIFY, NOBODY, json!("000000")),
        verify(VERIFY, BEARER, json!(of_another)),
        verify(VERIFY, BEARER, json!(5)),
        always(VERIFY, BEARER, &used),
        always(VERIFY, BEARER, "{\"txn\":"),
        always("/kunji/v1/nowhere", BEARER, "{}"),
        change(|| change_asha("000000", "590284")),
        change(|| change_asha("000000", "123456")),
        change(move || sealed_change(&ecdh, ASHA, "000000", "590284")),
        always(CHANGE_MPIN, LIVE, "{\"ChangeMPINRequest\":{}}"),
        card("111111"),
        card("12"),
        always(RESET_PIN, PROGRAM, "{\"token\":\"AAAA\"}"),
        always(RESET_PIN, "", "{\"token\":\"AAAA\"}"),
    ]
}

/// Sends so many on a few lines; how many were answered with "we broke".
fn send(kunji: &Kunji, kinds: &[Kind], count: usize) -> usize {
    let (next, broke) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut line = Line::open(kunji.address()).unwrap();
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= count {
                return;
            }
            line.say(&kinds[nth % kinds.len()]()).unwrap();
            let answer = line.answer().unwrap();
            assert!(answer.status >= 400 || !answer.text().contains("\"00\""), "{answer:?}");
            broke.fetch_add(usize::from(answer.status >= 500), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..LINES {
            scope.spawn(work);
        }
    });
    broke.into_inner()
}

/// Half of the requests, a look at the memory, and the other half.
fn stays_flat(kunji: &Kunji, kinds: &[Kind]) {
    assert_eq!(send(kunji, kinds, REQUESTS / 2), 0);
    let before = resident(kunji);
    assert_eq!(send(kunji, kinds, REQUESTS / 2), 0);
    let after = resident(kunji);
    println!("resident after {} refusals {before} KiB, {REQUESTS}: {after} KiB", REQUESTS / 2);
    assert!(after < before + GROWTH_KIB_MAX, "{before} KiB, then {after} KiB");
}

#[test]
fn refusals_leave_memory_as_it_was() {
    if !is_release() {
        return;
    }
    let kunji = Kunji::sandbox_with(&SETTINGS);
    stays_flat(&kunji, &kinds(&kunji));
}

/// With a database that is gone for a while: every request is answered, and afterwards all
/// connections are there and nobody holds one.
#[test]
fn refusals_and_faults_leave_the_connections_free() {
    if !is_release() {
        return;
    }
    let cluster = Cluster::start();
    let url = cluster.fresh();
    let database = [("KUNJI_STORE__URL", url.as_str()), ("KUNJI_STORE__CONNECTIONS", "4")];
    let kunji = Kunji::sandbox_with(&[SETTINGS, database].concat());
    let kinds = kinds(&kunji);
    stays_flat(&kunji, &kinds);
    cluster.kill9();
    let broke = send(&kunji, &kinds, 64);
    assert!(broke > 0, "without a database some are of unknown outcome");
    cluster.restart();
    assert_eq!(send(&kunji, &kinds, 1000), 0);
    let states = "SELECT state, count(*) FROM pg_stat_activity WHERE application_name = 'kunji' \
        GROUP BY state";
    let said = cluster.sql("fresh_0", states);
    let [(state, count)] =
        said.lines().filter_map(|line| line.split_once('|')).collect::<Vec<_>>()[..]
    else {
        panic!("all connections are in one state: {said}");
    };
    // Four that read, one that writes, one that leads.
    assert!(state == "idle" && count.parse::<u32>().unwrap() <= 6, "{said}");
}
