//! A capture ends once, with what the issuer decided under its one request id; also after a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use kunji_core::audit::Subject;
use kunji_core::capture::{Capture, CaptureCommand, Ending, Order, Purpose};
use kunji_core::card::Expiry;
use kunji_core::command::{Command, Request, Target};
use kunji_core::customer::{CustomerCommand, Mapping};
use kunji_core::engine::{By, Turned};
use kunji_core::errand::Lane;
use kunji_core::ids::{Caller, CaptureId, CardTail, CustomerId, TxnId};
use kunji_core::receipt::Reply;
use kunji_core::store::{Store, Survey};
use kunji_core::time::MINUTE_MS;
use kunji_testkit::{Act, Home, Plain, Story, verify_chains};
use kunji_vault::{PinBlock, PinUse, Transit};

use crate::homes::{block_on, on_every_store};
use crate::psp::{Psp, account, caller, profile, vpa_of};

on_every_store![
    set_pin_maps_as_asked_after_a_crash,
    set_pin_maps_as_asked_at_once,
    refused_pin_maps_nothing,
    capture_that_nobody_used_ends_by_its_time,
    set_and_leaving_decide_once,
    customer_and_time_race_for_the_ending,
    capture_opens_once,
    sessions_opened_at_once_are_all_there,
];

fn id(name: &str) -> CaptureId {
    CaptureId::parse(name).unwrap()
}

/// A customer whose account A1 has the PIN 4821 and an OTP on its way.
async fn stage<S: Store + Survey>(store: S) -> Psp<S> {
    let psp = Psp::new(store);
    psp.plant("one").await;
    let story = Story::parse("plant", "account A1 mpin 4 set 4821 -> created").unwrap();
    let Act::Account(sketch) = &story.steps[0].act else {
        unreachable!("the step plants an account")
    };
    let credential = kunji_testkit::account(&psp.engine.vault, sketch, "919876543210");
    psp.plant_at(Subject::Credential(credential.id.clone()), credential).await;
    psp
}

fn order(name: &str, mapping: Mapping) -> Order {
    let last_six = CardTail::parse("123456").unwrap();
    let expiry = Expiry::parse_long("12/2035").unwrap();
    Order {
        profile: profile("one"),
        session: None,
        caller: Caller::parse("hyper:shop").unwrap(),
        txn: TxnId::parse(&format!("capture-{name}")).unwrap(),
        account: account("A1"),
        customer: CustomerId::parse("CIF-A1").unwrap(),
        vpa: Some(vpa_of("one", 1)),
        purpose: Purpose::Set { last_six, expiry, mapping },
        request_id: "R1".to_owned(),
        udf: None,
    }
}

async fn open<S: Store + Survey>(psp: &Psp<S>, name: &str, mapping: Mapping) -> Capture {
    let order = Box::new(order(name, mapping));
    let command = CaptureCommand::Open { id: id(name), order };
    let (by, subject) = (By::caller(caller()), Subject::Capture(id(name)));
    let turned = psp.engine.turn::<Capture>(&by, &subject, &command, |_, _, _| None).await;
    let Turned::Decided { now: Some(capture), .. } = turned.unwrap() else {
        unreachable!("there is no request id")
    };
    *capture
}

/// Asks for an OTP and reads it where it was sent to.
async fn otp<S: Store + Survey>(psp: &Psp<S>, txn: &str) -> String {
    let request = Request {
        caller: Caller::parse("hyper:shop").unwrap(),
        txn: TxnId::parse(txn).unwrap(),
        program: None,
        target: Target::Known(account("A1")),
        command: Command::RequestOtp { customer: CustomerId::parse("CIF-A1").unwrap(), card: None },
    };
    assert_eq!(psp.engine.run(request, &Plain).await.unwrap().reply.code, "otp_sent");
    let mobile = kunji_core::ids::Mobile::parse("919876543210").unwrap();
    let newest = psp.engine.store.outbox(&mobile).await.unwrap().remove(0);
    let opened = psp.engine.vault.open_message(&newest.about.to_string(), &newest.sealed);
    opened.unwrap().otp.clone().unwrap()
}

fn set(capture: &Capture, otp: &str, new: &str) -> Command {
    let Purpose::Set { last_six, expiry, .. } = &capture.order.purpose else {
        unreachable!("the capture sets a PIN")
    };
    Command::Set {
        customer: capture.order.customer.clone(),
        last_six: last_six.clone(),
        expiry: *expiry,
        otp: PinBlock::absorb(otp.to_owned()),
        atm_pin: None,
        new: PinBlock::absorb(new.to_owned()),
        transit: Transit::ClearAllowed,
    }
}

/// Whether this is the account's PIN; asked as somebody else, so that nothing else moves.
async fn is_pin<S: Store + Survey>(psp: &Psp<S>, txn: &str, pin: &str) -> bool {
    let request = Request {
        caller: Caller::parse("check").unwrap(),
        txn: TxnId::parse(txn).unwrap(),
        program: None,
        target: Target::Known(account("A1")),
        command: Command::Verify {
            pin: PinBlock::absorb(pin.to_owned()),
            pin_use: PinUse::Mpin,
            transit: Transit::ClearAllowed,
        },
    };
    psp.engine.run(request, &Plain).await.unwrap().reply.code == "verified"
}

async fn primaries<S: Store + Survey>(psp: &Psp<S>) -> Vec<String> {
    let customer = psp.customer("one").await;
    customer.vpas.iter().map(|linked| linked.primary.name().to_owned()).collect()
}

fn ending_of(reply: &Reply) -> Ending {
    let (code, body) = (reply.code.clone(), reply.body.clone());
    Ending { verdict: code.clone(), code, body }
}

const MAPPINGS: [(Mapping, [&str; 2]); 3] = [
    (Mapping::OneToAll, ["A1", "A1"]),
    (Mapping::OneToOne, ["A1", "A0"]),
    (Mapping::Nothing, ["A0", "A0"]),
];

fn set_pin_maps_as_asked_after_a_crash<H: Home + Default>(_: H) {
    block_on(async {
        for (mapping, expected) in MAPPINGS {
            let mut home = H::default();
            let psp = stage(home.open()).await;
            let capture = open(&psp, "c1", mapping).await;
            let otp = otp(&psp, "O1").await;
            let reply = psp.issue(&capture, set(&capture, &otp, "7392")).await;
            assert_eq!(reply.code, "pin_set");
            assert_eq!(primaries(&psp).await, ["A0", "A0"]);
            // The process ends before it could say so.
            let psp = psp.restarted(|store| home.reopen(store));
            let left = psp.errands(&Lane::Captures).await;
            assert_eq!(left.len(), 1);
            psp.run_due().await;
            assert_eq!(psp.capture(&id("c1")).await.ending, None, "it is not due yet");
            psp.run_all().await;
            assert_eq!(primaries(&psp).await, expected, "{mapping:?}");
            assert_eq!(psp.capture(&id("c1")).await.ending, Some(ending_of(&reply)));
            // Once more, as if it had not been taken away; the customer has chosen since then.
            let back = CustomerCommand::MapPrimary {
                vpa: vpa_of("one", 1),
                account: account("A0"),
                mapping: Mapping::OneToAll,
            };
            assert_eq!(psp.step("one", back).await, "mapped");
            let states = psp.rows();
            for errand in left {
                psp.run(errand).await;
            }
            assert_eq!(psp.rows(), states, "{mapping:?}");
            assert!(is_pin(&psp, "V1", "7392").await);
            verify_chains(&psp.engine.store);
        }
    });
}

fn set_pin_maps_as_asked_at_once<H: Home + Default>(_: H) {
    block_on(async {
        for (mapping, expected) in MAPPINGS {
            let psp = stage(H::default().open()).await;
            let capture = open(&psp, "c1", mapping).await;
            assert_eq!(
                psp.engine.end_capture(&id("c1")).await.unwrap(),
                None,
                "nothing is decided"
            );
            assert!(psp.engine.capture_receipt(&capture).await.unwrap().is_none());
            let otp = otp(&psp, "O1").await;
            let reply = psp.issue(&capture, set(&capture, &otp, "7392")).await;
            let ending = psp.engine.end_capture(&id("c1")).await.unwrap();
            assert_eq!(ending, Some(ending_of(&reply)));
            assert_eq!(primaries(&psp).await, expected, "{mapping:?}");
            assert_eq!(psp.errands(&Lane::Captures).await, [], "the errand falls with the ending");
            assert_eq!(psp.engine.end_capture(&id("c1")).await.unwrap(), ending);
            let customer = psp.customer("one").await;
            let mapped = customer.vpas[1].accounts.contains(&account("A1"));
            assert_eq!(mapped, mapping == Mapping::OneToAll);
        }
        let psp = stage(H::default().open()).await;
        assert_eq!(psp.engine.end_capture(&id("c9")).await.unwrap(), None, "no such capture");
    });
}

fn refused_pin_maps_nothing<H: Home + Default>(_: H) {
    block_on(async {
        for (otp_given, new, expected) in
            [(None, "7392", "wrong_otp"), (Some(()), "1234", "pin_refused")]
        {
            let mut home = H::default();
            let psp = stage(home.open()).await;
            let capture = open(&psp, "c1", Mapping::OneToAll).await;
            let sent = otp(&psp, "O1").await;
            let wrong = if sent == "000000" { "000001" } else { "000000" };
            let otp = otp_given.map_or(wrong, |()| sent.as_str());
            let reply = psp.issue(&capture, set(&capture, otp, new)).await;
            assert_eq!(reply.code, expected);
            let psp = psp.restarted(|store| home.reopen(store));
            psp.run_all().await;
            assert_eq!(psp.capture(&id("c1")).await.ending, Some(ending_of(&reply)));
            assert_eq!(primaries(&psp).await, ["A0", "A0"]);
            assert!(is_pin(&psp, "V1", "4821").await);
            // The id is used up: the right OTP comes too late.
            let late = psp.issue(&capture, set(&capture, &sent, "7392")).await;
            assert_eq!(late.code, "duplicate");
            assert!(is_pin(&psp, "V2", "4821").await);
        }
    });
}

fn capture_that_nobody_used_ends_by_its_time<H: Home>(mut home: H) {
    block_on(async {
        let psp = stage(home.open()).await;
        let capture = open(&psp, "c1", Mapping::OneToAll).await;
        psp.engine.clock.advance(5 * MINUTE_MS - 1);
        psp.run_due().await;
        assert_eq!(psp.capture(&id("c1")).await.ending, None);
        psp.engine.clock.advance(1);
        let psp = psp.restarted(|store| home.reopen(store));
        psp.run_due().await;
        let ending = psp.capture(&id("c1")).await.ending.unwrap();
        assert_eq!(ending.verdict, "abandoned");
        assert_eq!(psp.errands(&Lane::Captures).await, []);
        let otp = otp(&psp, "O1").await;
        let late = psp.issue(&capture, set(&capture, &otp, "7392")).await;
        assert_eq!(late.code, "duplicate");
        assert_eq!(psp.engine.end_capture(&id("c1")).await.unwrap(), Some(ending));
        assert!(is_pin(&psp, "V1", "4821").await);
        assert_eq!(primaries(&psp).await, ["A0", "A0"]);
        // Another capture of the same account is not harmed.
        let second = open(&psp, "c2", Mapping::OneToAll).await;
        assert_eq!(psp.issue(&second, set(&second, &otp, "7392")).await.code, "pin_set");
        assert!(psp.engine.end_capture(&id("c2")).await.unwrap().is_some());
        assert!(is_pin(&psp, "V2", "7392").await);
        assert_eq!(primaries(&psp).await, ["A1", "A1"]);
    });
}

fn set_and_leaving_decide_once<H: Home>(mut home: H) {
    block_on(async {
        let psp = stage(home.open()).await;
        let [left, used] = ["c1", "c2"];
        let capture = open(&psp, left, Mapping::OneToAll).await;
        let sent = otp(&psp, "O1").await;
        assert_eq!(psp.abandon(&capture).await.code, "abandoned");
        let late = psp.issue(&capture, set(&capture, &sent, "7392")).await;
        assert_eq!(late.code, "duplicate");
        assert!(is_pin(&psp, "V1", "4821").await && !is_pin(&psp, "V2", "7392").await);
        let ending = psp.engine.end_capture(&id(left)).await.unwrap().unwrap();
        assert_eq!(ending.verdict, "abandoned");
        assert_eq!(primaries(&psp).await, ["A0", "A0"]);

        let capture = open(&psp, used, Mapping::OneToOne).await;
        let reply = psp.issue(&capture, set(&capture, &sent, "7392")).await;
        assert_eq!(reply.code, "pin_set");
        assert_eq!(psp.abandon(&capture).await.code, "duplicate");
        assert_eq!(psp.issue(&capture, set(&capture, &sent, "7392")).await, reply);
        let ending = psp.engine.end_capture(&id(used)).await.unwrap();
        assert_eq!(ending, Some(ending_of(&reply)));
        assert_eq!(primaries(&psp).await, ["A1", "A0"]);
        verify_chains(&psp.engine.store);
    });
}

fn customer_and_time_race_for_the_ending<H: Home>(mut home: H) {
    block_on(async {
        let psp = Arc::new(stage(home.open()).await);
        for round in 0..30 {
            let name = format!("c{round}");
            let capture = Arc::new(open(&psp, &name, Mapping::Nothing).await);
            let otp = otp(&psp, &format!("O{round}")).await;
            // No two in a row are the same, and each is a PIN that might be chosen.
            let new = format!("70{round:02}");
            let mut running = Vec::new();
            for nth in 0..6 {
                let (psp, capture) = (Arc::clone(&psp), Arc::clone(&capture));
                let (otp, new) = (otp.clone(), new.clone());
                running.push(tokio::spawn(async move {
                    let reply = match nth % 2 {
                        0 => psp.issue(&capture, set(&capture, &otp, &new)).await,
                        _ => psp.abandon(&capture).await,
                    };
                    let ending = psp.engine.end_capture(&capture.id).await.unwrap().unwrap();
                    (reply, ending)
                }));
            }
            let (mut replies, mut endings) = (BTreeMap::new(), Vec::new());
            for one in running {
                let (reply, ending) = one.await.unwrap();
                replies.entry(reply.code.clone()).or_insert(reply);
                endings.push(ending);
            }
            assert!(endings.iter().all(|ending| *ending == endings[0]), "{endings:?}");
            let decided = replies.remove(&endings[0].verdict).unwrap();
            assert_eq!(endings[0], ending_of(&decided));
            assert_eq!(replies.keys().collect::<Vec<_>>(), ["duplicate"]);
            let is_set = endings[0].verdict == "pin_set";
            assert_eq!(is_pin(&psp, &format!("V{round}"), &new).await, is_set);
            let events = verify_chains(&psp.engine.store);
            let of =
                |event: &&kunji_core::audit::Event| event.txn.as_ref() == Some(&capture.order.txn);
            let decided = events
                .iter()
                .filter(of)
                .filter(|event| event.verdict == "pin_set" || event.verdict == "abandoned");
            assert_eq!(decided.count(), 1);
            // What was guessed wrong here is forgotten before the next round.
            psp.engine.clock.advance(24 * 60 * MINUTE_MS);
        }
        assert_eq!(psp.errands(&Lane::Captures).await, []);
    });
}

fn capture_opens_once<H: Home>(mut home: H) {
    block_on(async {
        let psp = Arc::new(stage(home.open()).await);
        let mut running = Vec::new();
        for nth in 0..32 {
            let psp = Arc::clone(&psp);
            let mapping = MAPPINGS[nth % 3].0;
            running.push(tokio::spawn(async move { open(&psp, "c1", mapping).await.errand }));
        }
        let mut errands = Vec::new();
        for one in running {
            errands.push(one.await.unwrap());
        }
        assert!(errands.iter().all(|errand| *errand == errands[0]), "all see the same capture");
        let kept = psp.errands(&Lane::Captures).await;
        assert_eq!(kept.iter().map(|one| &one.key).collect::<Vec<_>>(), [&errands[0]]);
    });
}

fn sessions_opened_at_once_are_all_there<H: Home>(mut home: H) {
    block_on(async {
        let psp = Arc::new(Psp::new(home.open()));
        // Nobody knows the customer yet: he comes into being once.
        let print = |nth| kunji_vault::Fingerprint([nth; 32]);
        let mut running = Vec::new();
        for nth in 0..8 {
            let psp = Arc::clone(&psp);
            running.push(tokio::spawn(async move {
                let session = kunji_vault::Fingerprint([nth; 32]);
                let open = CustomerCommand::Open { profile: profile("new"), session, mobile: None };
                assert_eq!(psp.step("new", open).await, "opened");
                // The same proof twice at once starts one app.
                let proof = kunji_vault::Fingerprint([200 + nth / 2; 32]);
                let start = CustomerCommand::Start { profile: profile("new"), proof, mobile: None };
                psp.step("new", start).await == "started"
            }));
        }
        let mut started = 0;
        for one in running {
            started += usize::from(one.await.unwrap());
        }
        let customer = psp.customer("new").await;
        let now = psp.engine.clock.now();
        assert!((0..8).all(|nth| customer.has_session(&print(nth), now)));
        assert_eq!(started, 4);
        verify_chains(&psp.engine.store);
    });
}
