//! A sealed block is accepted once, for its own request; and what the engine does when it is
//! overtaken.

use kunji_core::aggregate::Kept as _;
use kunji_core::audit::{Event, Subject};
use kunji_core::command::{Command, Target};
use kunji_core::engine::{COMMIT_TRIES_MAX, Fault};
use kunji_core::ids::{Caller, CardTail, CredentialId, CredentialKind, CustomerId};
use kunji_core::reason::Reason;
use kunji_core::time::{DAY_MS, MINUTE_MS};
use kunji_store::Memory;
use kunji_testkit::{Home, sandbox, verify_chains};
use kunji_vault::{BlockAlg, PinBlock, PinUse, Transit};

use crate::commits::{account, appended, load, next, verified};
use crate::engines::{Ahead, Bench, Overtaken};
use crate::homes::{block_on, on_every_store, vault};

on_every_store![
    block_of_another_caller_is_not_read_again,
    block_of_another_request_is_not_read,
    unreadable_block_counts_no_try,
    refused_command_uses_its_block_up_too,
];

fn block_of_another_caller_is_not_read_again(mut home: impl Home) {
    block_on(async {
        let bench = Bench::new(home.open()).await;
        for (txn, pin, verdict, tries) in
            [("T1", "4821", "verified", 0), ("T2", "0000", "wrong_pin", 1)]
        {
            let block = bench.block(pin, txn);
            assert_eq!(bench.verdict(bench.verify("one", txn, &block)).await, verdict);
            let again = bench.verify("other", txn, &block);
            assert_eq!(bench.verdict(again).await, "unreadable_block");
            assert_eq!(bench.verdict(bench.verify("one", txn, &block)).await, verdict);
            assert_eq!(bench.tries().await, tries);
        }
    });
}

fn block_of_another_request_is_not_read(mut home: impl Home) {
    block_on(async {
        let bench = Bench::new(home.open()).await;
        let block = bench.block("0000", "T1");
        for txn in ["T2", "T3", "T4", "T5"] {
            let moved = bench.verify("tests", txn, &block);
            assert_eq!(bench.verdict(moved).await, "unreadable_block");
        }
        assert_eq!(bench.tries().await, 0);
    });
}

fn unreadable_block_counts_no_try(mut home: impl Home) {
    block_on(async {
        let bench = Bench::new(home.open()).await;
        let (clock, maker) = (bench.engine.clock.clone(), bench.maker(BlockAlg::EcdhEs));
        let seal = |pin_use, txn| maker.seal("0000", pin_use, txn, clock.real().0).unwrap();
        let other_use = seal(PinUse::CardPin, "T1");
        let mut torn = seal(PinUse::Mpin, "T2");
        torn.pop();
        let foreign = Bench::new(Memory::new(vault())).await.block("0000", "T3");
        let late = seal(PinUse::Mpin, "T4");
        clock.advance_real(5 * MINUTE_MS + 1);
        let early = maker.seal("0000", PinUse::Mpin, "T5", clock.real().0 + 5 * MINUTE_MS + 1);
        let blocks = [other_use, torn, foreign, late, early.unwrap()];
        for (nth, block) in (1..).zip(blocks) {
            let request = bench.verify("tests", &format!("T{nth}"), &block);
            assert_eq!(bench.verdict(request).await, "unreadable_block", "T{nth}");
        }
        let pin = PinBlock::absorb("0000".to_owned());
        let clear = Command::Verify { pin, pin_use: PinUse::Mpin, transit: Transit::SealedOnly };
        let clear = bench.request("tests", "T6", clear);
        assert_eq!(bench.verdict(clear).await, "unreadable_block");
        assert_eq!(bench.tries().await, 0);
        // Only the machine's clock judges a stamp.
        clock.advance(30 * DAY_MS);
        let fresh = bench.verify("tests", "T7", &bench.block("4821", "T7"));
        assert_eq!(bench.verdict(fresh).await, "verified");
    });
}

fn refused_command_uses_its_block_up_too(mut home: impl Home) {
    block_on(async {
        let bench = Bench::new(home.open()).await;
        for nth in 0..3 {
            bench.run(bench.verify("tests", &format!("W{nth}"), "0000")).await.unwrap();
        }
        let block = bench.block("4821", "T1");
        assert_eq!(bench.verdict(bench.verify("one", "T1", &block)).await, "pin_blocked");
        let reason = "the holder called".to_owned();
        let clear = bench.request("desk", "T2", Command::ClearTries { reason });
        assert_eq!(bench.verdict(clear).await, "tries_cleared");
        assert_eq!(bench.verdict(bench.verify("other", "T1", &block)).await, "unreadable_block");
    });
}

#[test]
fn rsa_block_is_read_as_well() {
    block_on(async {
        let bench = Bench::new(Memory::new(vault())).await;
        bench.engine.vault.ready_rsa().unwrap();
        let now = bench.engine.clock.real().0;
        let block = bench.maker(BlockAlg::RsaOaep256).seal("4821", PinUse::Mpin, "T1", now);
        let request = bench.verify("tests", "T1", &block.unwrap());
        assert_eq!(bench.verdict(request).await, "verified");
    });
}

#[test]
fn block_that_is_used_up_while_we_decide_is_refused() {
    block_on(async {
        let bench = Bench::new(Overtaken::new()).await;
        let block = bench.block("4821", "T1");
        let mark = bench.engine.vault.mark(&PinBlock::absorb(block.clone())).unwrap();
        let mut first = next(&account("A2"), &load(&bench.engine.store, &account("A2")).await);
        first.spent = vec![mark];
        bench.engine.store.next(Ahead::Slips(Box::new(first)));
        let reply = bench.run(bench.verify("other", "T1", &block)).await.unwrap();
        assert_eq!(reply.code, "unreadable_block");
        let again = bench.run(bench.verify("other", "T1", &block)).await.unwrap();
        assert_eq!(again, reply);
    });
}

#[test]
fn overtaken_guess_is_decided_again_on_what_is_true_now() {
    block_on(async {
        let bench = Bench::new(Overtaken::new()).await;
        for txn in ["W1", "W2"] {
            bench.run(bench.verify("tests", txn, "0000")).await.unwrap();
        }
        // Somebody's third wrong PIN is committed between our look and our commit.
        let mut record = bench.record().await;
        let mut credential = record.credential().unwrap().clone();
        let now = bench.engine.clock.now();
        (credential.pin.tries, credential.pin.blocked_until) = (3, Some(now.plus(DAY_MS)));
        credential.told.wrong.push(now);
        let counters = credential.counters();
        record.state = credential.keep();
        let event = Event {
            verdict: "pin_blocked".to_owned(),
            detail: Some("wrong_pin 3".to_owned()),
            reason: Some(Reason::LastTry),
            after: Some(counters),
            ..verified(&Subject::Credential(bench.id.clone()), &record)
        };
        let third = appended(event, &record);
        bench.engine.store.next(Ahead::Slips(Box::new(third)));
        assert_eq!(bench.verdict(bench.verify("tests", "T1", "4821")).await, "pin_blocked");
        verify_chains(&bench.engine.store.inner);
    });
}

#[test]
fn who_is_always_overtaken_hears_busy_and_no_verdict() {
    block_on(async {
        let bench = Bench::new(Overtaken::new()).await;
        bench.engine.store.next(Ahead::AlwaysWins);
        let answer = bench.run(bench.verify("tests", "T1", "4821")).await;
        assert!(matches!(answer, Err(Fault::Busy)), "after {COMMIT_TRIES_MAX} tries");
        drop(bench.engine.store.ahead.lock().unwrap().take());
        assert_eq!(bench.verdict(bench.verify("tests", "T1", "4821")).await, "verified");
    });
}

#[test]
fn broken_commit_is_a_fault_and_no_verdict() {
    block_on(async {
        let bench = Bench::new(Overtaken::new()).await;
        bench.engine.store.next(Ahead::Breaks);
        let answer = bench.run(bench.verify("tests", "T1", "0000")).await;
        assert!(matches!(answer, Err(Fault::Store(_))));
        assert_eq!(bench.tries().await, 0);
        assert_eq!(bench.verdict(bench.verify("tests", "T1", "0000")).await, "wrong_pin");
    });
}

#[test]
fn other_program_neither_sees_a_card_nor_writes_on_its_chain() {
    block_on(async {
        let bench = Bench::new(Memory::new(vault())).await;
        let seed = Caller::parse("seed").unwrap();
        for credential in sandbox(&bench.engine.vault) {
            bench.engine.plant(credential, seed.clone()).await.unwrap();
        }
        let card = CredentialId::parse(CredentialKind::Card, "70000000008").unwrap();
        let inquire = |program: &str| {
            let mut request = bench.request(
                program,
                "T1",
                Command::Inquire {
                    last_four: CardTail::parse("1745").unwrap(),
                    customer: CustomerId::parse("IN00001201001868").unwrap(),
                },
            );
            request.target = Target::Known(card.clone());
            request.program = Some(program.to_owned());
            request
        };
        for _ in 0..3 {
            assert_eq!(bench.verdict(inquire("3000")).await, "customer_without_card");
        }
        let subject = Subject::Credential(card.clone());
        assert_eq!(load(&bench.engine.store, &subject).await.head.seq, 1);
        for events in 2..4 {
            assert_eq!(bench.verdict(inquire("2000")).await, "inquired");
            assert_eq!(load(&bench.engine.store, &subject).await.head.seq, events);
        }
    });
}
