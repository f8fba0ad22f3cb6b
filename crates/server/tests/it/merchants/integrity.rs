//! The four modes: what each accepts, what each refuses, and how answers come back.

use kunji_vault::{HmacKey, JweParts, JwsParts, RsaScheme};
use serde_json::{Value, json};

use super::{
    ARJUN, AT_BROKER, AVAILABILITY, CREATE, Client, FETCH, NISHA, Post, UPDATE, VALIDITY,
    assert_signed, failed, hex, jws, key, now, now_ms, published, said, verdict,
};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::{Answer, Kunji};

const CALL: &str = "all calls";
const MINUTE: i64 = 60_000;
const ACTIVE: &str = "87654321";

const MODES: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        CALL, "`x-merchant-checksum`; the answer has a signature" => 200 "00",
            |kunji| plain(kunji, |body| NISHA.summed(body, &now()));
        CALL, "`x-merchant-signature`, of either case; the answer has a signature" => 200 "00",
            |kunji| {
                plain(kunji, |body| {
                    let post = NISHA.signed(body, &now());
                    let upper = post.header("x-merchant-signature").to_uppercase();
                    post.with("x-merchant-signature", &upper)
                });
                kunji.start_over();
                plain(kunji, |body| NISHA.signed(body, &now()))
            };
        CALL, "a JWS; the answer is one" => 200 "00", in_jws;
        CALL, "a JWS whose header names the key, and `iat` as a string" => 200 "00", named_key;
        CALL, "a JWE around a JWS; the answer is one" => 200 "00", in_jwe;
        CALL, "a request repeated in another mode: the same words" => 200 "00", other_mode;
    },
};

const FORGERIES: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        CALL, "a checksum over anything else" => 401 "INVALID_MERCHANT_CHECKSUM", wrong_checksum;
        CALL, "a signature over anything else, or none" => 401 "UNAUTHORIZED", wrong_signature;
        CALL, "a JWS with anything changed" => 401 "UNAUTHORIZED", wrong_jws;
        CALL, "a JWE with anything changed" => 401 "UNAUTHORIZED", wrong_jwe;
        CALL, "no proof, or two" => 401 "UNAUTHORIZED", no_proof;
        CALL, "a header missing, empty, or there twice" => 401 "UNAUTHORIZED", no_header;
    },
};

const TIMES: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        CALL, "`x-timestamp` or `iat` more than 30 minutes from now" => 200 "REQUEST_EXPIRED",
            stale;
        CALL, "`x-timestamp` or `iat` less than 30 minutes from now, whatever the sandbox's clock" =>
            200 "00", fresh_enough;
        CALL, "`x-timestamp` that is not 13 digits, `iat` that is not 13 or 10" =>
            200 "BAD_REQUEST", no_time;
        CALL, "`iat` in seconds, or in floating form" => 200 "00", in_seconds;
        CALL, "`iat` in seconds, more than 30 minutes from now" => 200 "REQUEST_EXPIRED",
            stale_seconds;
        CALL, "a wrong checksum on a stale request" => 401 "INVALID_MERCHANT_CHECKSUM",
            |kunji| {
                let at = (now_ms() - 60 * MINUTE).to_string();
                let post = NISHA.summed(&fetch(), &at).with("x-timestamp", &now());
                uniform(&post.send(kunji, FETCH), "INVALID_MERCHANT_CHECKSUM")
            };
    },
};

tables! {
    an_answer_comes_as_its_request_did plays MODES;
    a_forgery_is_answered_with_one_word plays FORGERIES;
    a_request_has_its_time plays TIMES;
}

/// The body of a request that changes nothing.
fn fetch() -> Vec<u8> {
    json!({"merchantCustomerId": NISHA.customer}).to_string().into_bytes()
}

/// A failure that says its code and nothing else, unsigned.
#[track_caller]
fn uniform(answer: &Answer, code: &str) -> Said {
    assert_eq!(answer.header("x-response-signature"), None);
    failed(answer, code, code)
}

fn plain(kunji: &Kunji, post: impl Fn(&[u8]) -> Post) -> Said {
    let body = NISHA.update(ACTIVE, "DISABLE");
    let answer = post(body.to_string().as_bytes()).send(kunji, UPDATE);
    assert_signed(kunji, &answer);
    // Failures are signed as well.
    let bad = post(b"{}").send(kunji, UPDATE);
    assert_signed(kunji, &bad);
    failed(&bad, "BAD_REQUEST", "upiNumber is missing or not a string");
    verdict(&NISHA, &body, &answer, ("00", "DISABLED", NISHA.vpa))
}

/// What stands in an answer that is a JWS of the published key.
#[track_caller]
fn opened_jws(kunji: &Kunji, jws: &JwsParts) -> Vec<u8> {
    jws.verified(&published(kunji)).unwrap()
}

/// The same answer, opened.
fn inside(kunji: &Kunji, answer: &Answer) -> Answer {
    assert_eq!(answer.header("x-response-signature"), None);
    let jws = match answer.json().get("encryptedKey") {
        Some(_) => key().open(&serde_json::from_slice::<JweParts>(&answer.body).unwrap()).unwrap(),
        None => serde_json::from_slice::<JwsParts>(&answer.body).unwrap(),
    };
    Answer { body: opened_jws(kunji, &jws), ..answer.clone() }
}

fn in_jws(kunji: &Kunji) -> Said {
    let body = NISHA.update(ACTIVE, "DISABLE");
    let answer = NISHA.jws(&body, &json!(now_ms())).send(kunji, UPDATE);
    assert!(answer.text().starts_with(r#"{"protected":""#), "{}", answer.text());
    let members = answer.json().as_object().unwrap().len();
    assert_eq!(members, 3);
    let bad = NISHA.jws(&json!({}), &json!(now_ms())).send(kunji, UPDATE);
    let message = "upiNumber is missing or not a string";
    failed(&inside(kunji, &bad), "BAD_REQUEST", message);
    verdict(&NISHA, &body, &inside(kunji, &answer), ("00", "DISABLED", NISHA.vpa))
}

fn named_key(kunji: &Kunji) -> Said {
    let body = json!({"merchantCustomerId": NISHA.customer, "iat": now()});
    let jws = key().sign_jws(Some("stock-test-1"), body.to_string().as_bytes()).unwrap();
    let post = Post { headers: NISHA.names(), body: serde_json::to_vec(&jws).unwrap() };
    said(&inside(kunji, &post.send(kunji, FETCH)))
}

fn in_jwe(kunji: &Kunji) -> Said {
    let body = NISHA.update(ACTIVE, "DISABLE");
    let answer = NISHA.jwe(kunji, &body, &json!(now_ms())).send(kunji, UPDATE);
    assert!(answer.text().starts_with(r#"{"protected":""#), "{}", answer.text());
    let members = answer.json().as_object().unwrap().len();
    assert_eq!(members, 5);
    let bad = NISHA.jwe(kunji, &json!({}), &json!(now_ms())).send(kunji, UPDATE);
    let message = "upiNumber is missing or not a string";
    failed(&inside(kunji, &bad), "BAD_REQUEST", message);
    verdict(&NISHA, &body, &inside(kunji, &answer), ("00", "DISABLED", NISHA.vpa))
}

fn other_mode(kunji: &Kunji) -> Said {
    let body = NISHA.update(ACTIVE, "DISABLE");
    let text = body.to_string();
    let at = json!(now_ms());
    let first = NISHA.summed(text.as_bytes(), &now()).send(kunji, UPDATE);
    let others = [
        NISHA.signed(text.as_bytes(), &now()).send(kunji, UPDATE),
        inside(kunji, &NISHA.jws(&body, &at).send(kunji, UPDATE)),
        inside(kunji, &NISHA.jwe(kunji, &body, &at).send(kunji, UPDATE)),
    ];
    for other in others {
        assert_eq!(other.text(), first.text());
    }
    verdict(&NISHA, &body, &first, ("00", "DISABLED", NISHA.vpa))
}

/// Every one of these is answered the same.
fn all_of(kunji: &Kunji, posts: Vec<Post>, code: &str) -> Said {
    let held = NISHA.holds(kunji);
    let calls = [UPDATE, AVAILABILITY, CREATE, FETCH, VALIDITY];
    let mut all = Vec::new();
    for post in posts {
        for call in calls {
            all.push(uniform(&post.send(kunji, call), code));
        }
    }
    assert_eq!(NISHA.holds(kunji), held);
    same(all)
}

/// Headers and body under which a proof does not hold any more.
fn moved(post: &Post, stamped: bool) -> Vec<Post> {
    let mut body = post.body.clone();
    body.push(b' ');
    let mut all = vec![
        Post { body, ..post.clone() },
        Post { body: b"{}".to_vec(), ..post.clone() },
        post.clone().with("x-merchant-channel-id", "BROKERAPP"),
        post.clone().with("x-merchant-channel-id", "STOCKAPP2"),
        post.clone().with("x-merchant-id", "nobody"),
        post.clone().with("x-merchant-id", "STOCK"),
    ];
    if stamped {
        let later = (now_ms() + 1).to_string();
        all.push(post.clone().with("x-timestamp", &later));
        // The border between two parts moves: the concatenation stays the same.
        let id = post.clone().with("x-merchant-id", "stockS");
        all.push(id.with("x-merchant-channel-id", "TOCKAPP"));
    }
    all
}

/// Texts that are near a proof and none.
fn near(proof: &str) -> Vec<String> {
    let mut flipped = proof.as_bytes().to_vec();
    flipped[7] = if flipped[7] == b'0' { b'1' } else { b'0' };
    vec![
        String::new(),
        proof[..proof.len() - 1].to_owned(),
        proof[..proof.len() - 2].to_owned(),
        format!("{proof}00"),
        format!("0x{proof}"),
        "0".repeat(proof.len()),
        "zz".repeat(proof.len() / 2),
        String::from_utf8(flipped).unwrap(),
    ]
}

fn wrong_checksum(kunji: &Kunji) -> Said {
    let post = NISHA.summed(&fetch(), &now());
    let sum = post.header("x-merchant-checksum");
    let near = near(&sum).into_iter().chain([sum.to_uppercase()]);
    let mut posts: Vec<_> =
        near.map(|text| post.clone().with("x-merchant-checksum", &text)).collect();
    posts.extend(moved(&post, true));
    let other_secret = Client { secret: AT_BROKER.secret, ..NISHA };
    posts.push(other_secret.summed(&fetch(), &now()));
    let of_body = HmacKey::parse(NISHA.secret).unwrap().checksum(&[&fetch()]);
    posts.push(post.with("x-merchant-checksum", &of_body));
    all_of(kunji, posts, "INVALID_MERCHANT_CHECKSUM")
}

fn wrong_signature(kunji: &Kunji) -> Said {
    let at = now();
    let post = NISHA.signed(&fetch(), &at);
    let near = near(&post.header("x-merchant-signature"));
    let mut posts: Vec<_> =
        near.iter().map(|text| post.clone().with("x-merchant-signature", text)).collect();
    posts.extend(moved(&post, true));
    let body = fetch();
    let parts = [NISHA.merchant.as_bytes(), NISHA.channel.as_bytes(), at.as_bytes(), &*body];
    let other_padding = key().sign(RsaScheme::Pkcs1, &parts).unwrap();
    let sum = NISHA.summed(&fetch(), &at).header("x-merchant-checksum");
    for text in [hex(&other_padding), sum] {
        posts.push(post.clone().with("x-merchant-signature", &text));
    }
    all_of(kunji, posts, "UNAUTHORIZED")
}

fn jws_post(parts: &impl serde::Serialize) -> Post {
    Post { headers: NISHA.names(), body: serde_json::to_vec(parts).unwrap() }
}

/// Base64url without padding.
fn encoded(text: &str) -> String {
    let signed = key().sign_jws(None, text.as_bytes()).unwrap();
    signed.payload
}

/// Every member of a body in turn is changed, emptied, cut, padded, and taken out.
fn mangled(body: &Value) -> Vec<Post> {
    let mut all = Vec::new();
    for (member, value) in body.as_object().unwrap() {
        let text = value.as_str().unwrap();
        let middle = text.len() / 2;
        let mut flipped = text.as_bytes().to_vec();
        flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
        let others = [
            json!(String::from_utf8(flipped).unwrap()),
            json!(""),
            json!(text[..text.len() - 4]),
            json!(format!("{text}=")),
            json!(format!("{text}AAAA")),
            json!(1),
            json!(null),
        ];
        for other in others {
            let mut body = body.clone();
            body[member] = other;
            all.push(jws_post(&body));
        }
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove(member);
        all.push(jws_post(&body));
    }
    let mut more = body.clone();
    more["more"] = json!("x");
    all.push(jws_post(&more));
    all
}

fn wrong_jws(kunji: &Kunji) -> Said {
    let body = json!({"merchantCustomerId": NISHA.customer});
    let at = json!(now_ms());
    let good = jws(&body, &at);
    assert_eq!(said(&inside(kunji, &jws_post(&good).send(kunji, FETCH))).code, "00");
    let mut posts = mangled(&serde_json::to_value(&good).unwrap());
    posts.extend(moved(&jws_post(&good), false).into_iter().skip(2));
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"PS256"}"#,
        r#"{"alg":"RS256","crit":["exp"]}"#,
        r#"{"alg":"RS256","kid":"nobody"}"#,
        r#"["RS256"]"#,
        "",
    ] {
        posts.push(jws_post(&JwsParts { protected: encoded(header), ..good.clone() }));
    }
    let none = JwsParts { protected: encoded(r#"{"alg":"none"}"#), ..good.clone() };
    posts.push(jws_post(&JwsParts { signature: String::new(), ..none }));
    let other = jws(&json!({"merchantCustomerId": ARJUN.customer}), &at);
    posts.push(jws_post(&JwsParts { payload: other.payload, ..good }));
    let unknown_key = key().sign_jws(Some("nobody"), body.to_string().as_bytes()).unwrap();
    posts.push(jws_post(&unknown_key));
    all_of(kunji, posts, "UNAUTHORIZED")
}

fn wrong_jwe(kunji: &Kunji) -> Said {
    let body = json!({"merchantCustomerId": NISHA.customer});
    let at = json!(now_ms());
    let good = NISHA.jwe(kunji, &body, &at);
    assert_eq!(said(&inside(kunji, &good.send(kunji, FETCH))).code, "00");
    let mut posts = mangled(&serde_json::from_slice(&good.body).unwrap());
    posts.extend(moved(&good, false).into_iter().skip(2));
    // Sealed for the merchant instead of for us.
    posts.push(jws_post(&key().public().seal(&jws(&body, &at)).unwrap()));
    // Nobody's JWS inside.
    let forged = JwsParts { signature: encoded("x"), ..jws(&body, &at) };
    let keys = kunji.get("/.well-known/jwks.json").text();
    posts.push(jws_post(&JweParts::from_jwks(&keys, &forged).unwrap()));
    all_of(kunji, posts, "UNAUTHORIZED")
}

fn no_proof(kunji: &Kunji) -> Said {
    let at = now();
    let summed = NISHA.summed(&fetch(), &at);
    let signature = NISHA.signed(&fetch(), &at).header("x-merchant-signature");
    let body = serde_json::to_vec(&jws(&json!({}), &json!(now_ms()))).unwrap();
    let sealed = NISHA.jwe(kunji, &json!({}), &json!(now_ms())).body;
    let posts = vec![
        summed.clone().without("x-merchant-checksum"),
        summed.clone().with("x-merchant-signature", &signature),
        summed.with("x-merchant-signature", ""),
        NISHA.summed(&body, &at),
        NISHA.signed(&body, &at),
        NISHA.summed(&sealed, &at),
        NISHA.signed(&sealed, &at),
        Post { headers: NISHA.names(), body: b"x".to_vec() },
    ];
    all_of(kunji, posts, "UNAUTHORIZED")
}

fn no_header(kunji: &Kunji) -> Said {
    let names = ["x-merchant-id", "x-merchant-channel-id", "x-timestamp"];
    let all = [NISHA.summed(&fetch(), &now()), NISHA.signed(&fetch(), &now())];
    let mut posts = Vec::new();
    for post in &all {
        for name in names {
            posts.push(post.clone().without(name));
            let mut twice = post.clone();
            twice.headers.push((name, post.header(name)));
            posts.push(twice);
        }
    }
    let mut twice = all[0].clone();
    twice.headers.push(("x-merchant-checksum", all[0].header("x-merchant-checksum")));
    posts.push(twice);
    for name in ["x-merchant-id", "x-merchant-channel-id"] {
        let at = json!(now_ms());
        posts.push(NISHA.jws(&json!({}), &at).without(name));
        posts.push(NISHA.jwe(kunji, &json!({}), &at).without(name));
        posts.push(NISHA.jws(&json!({}), &at).with(name, ""));
    }
    all_of(kunji, posts, "UNAUTHORIZED")
}

/// The same question at another time, in every mode.
fn at_time(kunji: &Kunji, iat: &Value) -> Vec<Answer> {
    let text = iat.as_str().map_or_else(|| iat.to_string(), str::to_owned);
    let body = json!({"merchantCustomerId": NISHA.customer});
    let bytes = body.to_string().into_bytes();
    let plain = [NISHA.summed(&bytes, &text), NISHA.signed(&bytes, &text)];
    let plain = plain.map(|post| {
        let answer = post.send(kunji, FETCH);
        assert_signed(kunji, &answer);
        answer
    });
    let sealed = [NISHA.jws(&body, iat), NISHA.jwe(kunji, &body, iat)];
    let sealed = sealed.map(|post| inside(kunji, &post.send(kunji, FETCH)));
    plain.into_iter().chain(sealed).collect()
}

fn stale(kunji: &Kunji) -> Said {
    let mut all = Vec::new();
    for at in [now_ms() - 31 * MINUTE, now_ms() + 31 * MINUTE, 1_000_000_000_000, 9_999_999_999_999]
    {
        for answer in at_time(kunji, &json!(at)) {
            all.push(failed(&answer, "REQUEST_EXPIRED", "REQUEST_EXPIRED"));
        }
    }
    same(all)
}

fn fresh_enough(kunji: &Kunji) -> Said {
    kunji.advance("48h");
    let mut all = Vec::new();
    for at in [now_ms() - 29 * MINUTE, now_ms() + 29 * MINUTE] {
        all.extend(at_time(kunji, &json!(at)).iter().map(said));
    }
    same(all)
}

fn no_time(kunji: &Kunji) -> Said {
    let mut all = Vec::new();
    let short = json!(now_ms() / 10_000);
    for iat in [short, json!("149691888200x"), json!("-496918882000"), json!("+496918882000")] {
        for (place, answer) in at_time(kunji, &iat).iter().enumerate() {
            let problem = if place < 2 { "x-timestamp is not 13 digits" } else { NO_IAT };
            all.push(failed(answer, "BAD_REQUEST", problem));
        }
    }
    // A header has no seconds.
    let seconds = at_time(kunji, &json!(now_ms() / 1000));
    for answer in &seconds[..2] {
        all.push(failed(answer, "BAD_REQUEST", "x-timestamp is not 13 digits"));
    }
    let half: Value = serde_json::from_str(&format!("{}.5", now_ms() / 1000)).unwrap();
    for iat in [json!(null), json!(1.5), half, json!(1e300), json!(-1.7e9), json!([]), json!(true)]
    {
        let post = NISHA.jws(&json!({"merchantCustomerId": NISHA.customer}), &iat);
        let answer = inside(kunji, &post.send(kunji, FETCH));
        all.push(failed(&answer, "BAD_REQUEST", NO_IAT));
    }
    same(all)
}

const NO_IAT: &str = "iat is not 10 digits (seconds) or 13 (milliseconds)";

/// Signed bodies made at an instant that is written in each of these forms.
fn at_instant(kunji: &Kunji, at_ms: i64) -> Vec<Answer> {
    const TRILLION: i64 = 1_000_000_000_000;
    let seconds = at_ms / 1000;
    let forms = [
        seconds.to_string(),
        format!("\"{seconds}\""),
        format!("{seconds}.0"),
        format!("{}.{:03}e3", seconds / 1000, seconds % 1000),
        format!("{at_ms}.0"),
        format!("{}.{:012}E12", at_ms / TRILLION, at_ms % TRILLION),
    ];
    let post = |iat: &String| {
        let text = format!(r#"{{"merchantCustomerId":"{}","iat":{iat}}}"#, NISHA.customer);
        let jws = key().sign_jws(None, text.as_bytes()).unwrap();
        let post = Post { headers: NISHA.names(), body: serde_json::to_vec(&jws).unwrap() };
        inside(kunji, &post.send(kunji, FETCH))
    };
    forms.iter().map(post).collect()
}

fn in_seconds(kunji: &Kunji) -> Said {
    let all = [now_ms() - 29 * MINUTE, now_ms(), now_ms() + 29 * MINUTE];
    same(all.into_iter().flat_map(|at| at_instant(kunji, at)).map(|answer| said(&answer)))
}

fn stale_seconds(kunji: &Kunji) -> Said {
    let all = [now_ms() - 31 * MINUTE, now_ms() + 31 * MINUTE];
    let all = all.into_iter().flat_map(|at| at_instant(kunji, at));
    same(all.map(|answer| failed(&answer, "REQUEST_EXPIRED", "REQUEST_EXPIRED")))
}
