//! Broken tokens cannot be told apart: neither by what is said nor by how long it takes.

use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::line::{Line, posted};
use crate::support::{CHANGE_MPIN, CLIENT, KUNJI, Kunji, RESET_PIN, opened, reset, token};

/// Samples of each class in one series.
const SAMPLES: usize = 150;
/// Series, of which one must show no difference: a busy machine may spoil some.
const SERIES_MAX: usize = 4;
/// The part of a median by which another may differ beyond the spread of one class: that tells
/// nothing over a network, and a padding oracle must tell each of thousands of tokens.
const SLACK_PART: u32 = 30;

/// A token whose JSON is right and whole, but nothing follows it that could be padding.
fn bad_padding(inner: &str) -> String {
    let blanks = " ".repeat((16 - inner.len() % 16) % 16);
    let mut bytes = STANDARD.decode(token(&format!("{inner}{blanks}"))).unwrap();
    bytes.truncate(bytes.len() - 16);
    STANDARD.encode(bytes)
}

/// Every way in which a token can be broken, short and long.
fn classes() -> Vec<(&'static str, Value)> {
    let good = reset("481926").to_string();
    let cut = |text: &str, len: usize| {
        let mut bytes = STANDARD.decode(text).unwrap();
        bytes.truncate(len);
        STANDARD.encode(bytes)
    };
    let sealed = token(&good);
    let long = "x".repeat(11 * 1024);
    let long_text = good.replace("\"1120\"", &format!("\"1120\",\"more\":\"{long}\""));
    let mut flipped = STANDARD.decode(&sealed).unwrap();
    flipped[40] ^= 1;
    vec![
        ("empty", json!("")),
        ("bad base64", json!(format!("!{}", &sealed[1..]))),
        ("cut base64", json!(sealed[..sealed.len() - 3].to_owned())),
        ("bad length", json!(cut(&sealed, 100))),
        ("vector only", json!(cut(&sealed, 16))),
        ("bad padding", json!(bad_padding(&good))),
        ("good padding, bad JSON", json!(token(&good[..good.len() - 1]))),
        ("good padding, no text", json!(STANDARD.encode(flipped))),
        ("good padding, empty", json!(token(""))),
        ("good padding, another type", json!(token("[1]"))),
        ("long, bad padding", json!(bad_padding(&long_text))),
        ("long, bad JSON", json!(token(&long_text[..long_text.len() - 1]))),
        ("too long", json!("A".repeat(17_000))),
        ("no text", json!(5)),
    ]
}

fn client_lines() -> String {
    let lines = CLIENT.iter().filter(|(name, _)| *name != "Content-Type");
    lines.map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

fn median(samples: &mut [Duration]) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

fn sandbox() -> Kunji {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
    command.env("KUNJI_PREPAID__BROKEN_PER_MINUTE", "0");
    Kunji::spawn(command)
}

#[test]
fn broken_tokens_are_told_alike() {
    let kunji = sandbox();
    let mut told = Vec::new();
    for (name, token) in classes() {
        let answer = kunji.send(
            ureq::http::Method::POST,
            RESET_PIN,
            CLIENT,
            json!({ "token": token }).to_string(),
        );
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| match name.as_str() {
                "date" | "x-request-id" => name.clone(),
                _ => format!("{name}: {value}"),
            })
            .collect();
        headers.sort();
        let mut inner = opened(answer.json()["token"].as_str().unwrap());
        assert_eq!(inner["responseCode"], "1055", "{name}");
        for own in ["responseDateTime", "accosaTransactionId", "accosaRefNo"] {
            inner[own] = Value::Null;
        }
        told.push((answer.status, answer.body.len(), headers, inner.to_string()));
    }
    assert!(told.iter().all(|said| *said == told[0]), "{told:#?}");
    assert_eq!(told[0].0, 200);
}

/// Whether the largest difference between two classes is about that between two halves of one.
fn alike(line: &mut Line, requests: &[Vec<u8>]) -> bool {
    let mut taken = vec![Vec::new(); requests.len()];
    for round in 0..SAMPLES {
        for nth in 0..requests.len() {
            // Each class has every place in a round.
            let class = (nth + round * 5) % requests.len();
            let begun = Instant::now();
            line.say(&requests[class]).unwrap();
            line.answer().unwrap();
            taken[class].push(begun.elapsed());
        }
    }
    let mut noise = Duration::ZERO;
    let mut medians = Vec::new();
    for samples in &mut taken {
        let (even, odd): (Vec<_>, Vec<_>) =
            samples.iter().enumerate().partition(|(nth, _)| nth % 2 == 0);
        let half = |part: Vec<(usize, &Duration)>| {
            median(&mut part.into_iter().map(|(_, taken)| *taken).collect::<Vec<_>>())
        };
        noise = noise.max(half(even).abs_diff(half(odd)));
        medians.push(median(samples));
    }
    let (least, most) = (*medians.iter().min().unwrap(), *medians.iter().max().unwrap());
    println!("medians {medians:?}: noise {noise:?}");
    most - least <= 2 * noise + least / SLACK_PART
}

#[test]
fn broken_tokens_take_equally_long() {
    let kunji = sandbox();
    let requests = classes().into_iter().map(|(_, token)| {
        posted(RESET_PIN, &client_lines(), json!({ "token": token }).to_string().as_bytes())
    });
    // Who compares sends tokens of one length: how long they take to arrive is no secret.
    let (long, short): (Vec<_>, Vec<_>) = requests.partition(|request| request.len() > 8192);
    let mut line = Line::open(kunji.address()).unwrap();
    for requests in [short, long] {
        let alike = (0..SERIES_MAX).any(|_| alike(&mut line, &requests));
        assert!(alike, "each of {SERIES_MAX} series tells the classes apart");
    }
}

/// An RSA block costs half a millisecond to open: whether it was must not tell whose account it is.
#[test]
fn strangers_wait_as_long_as_holders() {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
    command.env("KUNJI_PINS__LIVE_PER_MINUTE", "0");
    let kunji = Kunji::spawn(command);
    let keys = kunji.get("/.well-known/jwks.json").text();
    let maker = kunji_vault::BlockMaker::from_jwks(&keys, kunji_vault::BlockAlg::RsaOaep256);
    // Made for another transaction: opened in full, and then refused without a try.
    let made = maker.unwrap().seal("1234", kunji_vault::PinUse::Mpin, "ANOTHER", 0).unwrap();
    let body = |account: &str, vpa: &str| {
        let mut body = crate::support::change("CIF12345678", account, vpa, &made, &made);
        let txn = &mut body["ChangeMPINRequest"]["SetResetMPINRequestBody"]["txnId"];
        *txn = json!(crate::support::fresh("TIMING"));
        body.to_string()
    };
    let post = |body: String| {
        let head =
            format!("POST {CHANGE_MPIN} HTTP/1.1\r\nhost: localhost\r\nx-kunji-mode: live\r\n");
        let rest =
            format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        [head, rest, body].concat().into_bytes()
    };
    let mut line = Line::open(kunji.address()).unwrap();
    let best = (0..4).map(|_| {
        let rounds = (0..SAMPLES / 3).map(|_| {
            let requests = [
                post(body("ACC123456789", "johndoe@axis")),
                post(body("ACC123456789", "nobody@axis")),
                post(body("ACC999999999", "johndoe@axis")),
            ];
            requests.map(|request| {
                let begun = Instant::now();
                line.say(&request).unwrap();
                assert_eq!(line.answer().unwrap().status, 400);
                begun.elapsed()
            })
        });
        let rounds: Vec<_> = rounds.collect();
        let of = |nth: usize| {
            median(&mut rounds.iter().map(|round| round[nth]).collect::<Vec<_>>()).as_secs_f64()
        };
        let all = [of(0), of(1), of(2)];
        let (least, most) = all
            .iter()
            .fold((f64::MAX, 0.0_f64), |(least, most), one| (least.min(*one), most.max(*one)));
        most / least
    });
    let best = best.fold(f64::MAX, f64::min);
    assert!(best < 1.3, "a stranger's answer takes {best} times as long or as short");
}
