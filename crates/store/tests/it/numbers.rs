//! However many ask for a number at once, it is one customer's, and everybody knows whose.

use std::collections::BTreeMap;
use std::sync::Arc;

use kunji_core::customer::{Aim, CustomerCommand, Holding};
use kunji_core::engine::Claimed;
use kunji_core::errand::{Lane, NumberChange, Task};
use kunji_core::mapper::{Change, NumberCommand, Settled, Update};
use kunji_core::store::{Store, Survey};
use kunji_testkit::{Home, verify_chains};

use crate::homes::{block_on, on_every_store};
use crate::psp::{OWN, Psp, channel, number, port, profile, register, update, vpa_of};

on_every_store![
    number_is_won_once_by_a_thousand,
    customer_wins_as_many_numbers_as_allowed,
    repeated_request_has_the_same_reply,
    request_sent_two_hundred_times_takes_effect_once,
    one_id_with_a_hundred_contents_takes_effect_once,
    ported_number_moves_and_both_channels_hear,
    number_is_ported_once,
    refused_command_leaves_nothing,
    slow_request_is_settled_after_its_errand,
    vpa_is_won_once,
];

const NUMERIC: &str = "87654321";

/// Runs all at once, each with the word that it ends with.
async fn verdicts<S: Store + Survey>(
    psp: &Arc<Psp<S>>,
    commands: Vec<NumberCommand>,
) -> BTreeMap<String, usize> {
    let mut running = Vec::with_capacity(commands.len());
    for (nth, command) in commands.into_iter().enumerate() {
        let psp = Arc::clone(psp);
        let ask = async move { psp.verdict(&format!("T{nth}"), command).await };
        running.push(tokio::spawn(ask));
    }
    let mut counts = BTreeMap::new();
    for one in running {
        *counts.entry(one.await.unwrap()).or_default() += 1;
    }
    counts
}

fn count(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

async fn plant_all<S: Store + Survey>(psp: &Arc<Psp<S>>, names: &[String]) {
    let mut running = Vec::new();
    for name in names {
        let (psp, name) = (Arc::clone(psp), name.clone());
        running.push(tokio::spawn(async move { psp.plant(&name).await }));
    }
    for one in running {
        one.await.unwrap();
    }
}

fn number_is_won_once_by_a_thousand(mut home: impl Home) {
    const RACERS: usize = 1000;
    block_on(async {
        let psp = Arc::new(Psp::new(home.open()));
        let names: Vec<String> = (0..RACERS).map(|nth| format!("c{nth}")).collect();
        plant_all(&psp, &names).await;
        let race = names.iter().map(|name| register(name, NUMERIC)).collect();
        let expected = count(&[("held_by_another", RACERS - 1), ("registered", 1)]);
        assert_eq!(verdicts(&psp, race).await, expected);
        let owner = psp.number(NUMERIC).await.unwrap().owner;
        for name in &names {
            let held = psp.customer(name).await.numbers().count();
            assert_eq!(held, usize::from(profile(name) == owner), "{name}");
        }
        assert_eq!(psp.errands(&Lane::Holdings).await, []);
        let winner = owner.customer.to_string();
        assert_eq!(psp.errands(&Lane::Channel(channel(&winner))).await.len(), 1);
        psp.check_settled();
    });
}

fn customer_wins_as_many_numbers_as_allowed(mut home: impl Home) {
    block_on(async {
        let psp = Arc::new(Psp::new(home.open()));
        psp.plant("one").await;
        // Fifty numbers, and the own mobile number, which does not count.
        let digits = (0..50).map(|nth| format!("8765{nth:02}21")).chain([OWN.to_owned()]);
        let race = digits.map(|digits| register("one", &digits)).collect();
        let expected = count(&[("limit_reached", 48), ("registered", 3)]);
        assert_eq!(verdicts(&psp, race).await, expected);
        assert_eq!(psp.customer("one").await.numbers().count(), 3);
        assert_eq!(psp.errands(&Lane::Holdings).await, []);
        psp.check_settled();
    });
}

fn repeated_request_has_the_same_reply(mut home: impl Home) {
    block_on(async {
        let psp = Psp::new(home.open());
        for name in ["one", "two"] {
            psp.plant(name).await;
        }
        // One for each place in which a request can end: the mapper, its refusal, the customer's.
        for (txn, command, expected) in [
            ("T1", register("one", NUMERIC), "registered"),
            ("T2", register("two", NUMERIC), "held_by_another"),
            ("T3", register("one", "9876543211"), "not_own_mobile"),
            ("T4", update("one", NUMERIC, 1, Update::Delete), "deleted"),
        ] {
            let first = psp.ask(txn, command.clone()).await;
            assert!(
                matches!(&first, Claimed::Answered(answered) if answered.reply.code == expected),
                "{first:?}"
            );
            let (states, errands) = (psp.rows(), psp.errands(&Lane::Channel(channel("one"))).await);
            assert_eq!(psp.ask(txn, command).await, first, "{txn}");
            let other = register("one", "87654322");
            assert_eq!(psp.ask(txn, other).await, Claimed::Duplicate, "{txn}");
            assert_eq!(psp.rows(), states, "{txn}");
            assert_eq!(psp.errands(&Lane::Channel(channel("one"))).await, errands, "{txn}");
            assert_eq!(psp.errands(&Lane::Holdings).await, []);
        }
        assert!(psp.number("87654322").await.is_none());
        psp.check_settled();
    });
}

fn request_sent_two_hundred_times_takes_effect_once(mut home: impl Home) {
    block_on(async {
        let psp = Arc::new(Psp::new(home.open()));
        psp.plant("one").await;
        let mut running = Vec::new();
        for _ in 0..200 {
            let psp = Arc::clone(&psp);
            let ask = async move { psp.ask("T1", register("one", NUMERIC)).await };
            running.push(tokio::spawn(ask));
        }
        let mut replies = Vec::new();
        for one in running {
            replies.push(one.await.unwrap());
        }
        assert!(
            matches!(&replies[0], Claimed::Answered(answered) if answered.reply.code == "registered")
        );
        assert!(replies.iter().all(|reply| *reply == replies[0]), "all replies are the same bytes");
        let events = verify_chains(&psp.engine.store);
        assert_eq!(events.iter().filter(|event| event.verdict == "registered").count(), 1);
        assert_eq!(psp.errands(&Lane::Channel(channel("one"))).await.len(), 1);
        psp.run_all().await;
        psp.check_settled();
    });
}

fn one_id_with_a_hundred_contents_takes_effect_once(mut home: impl Home) {
    block_on(async {
        let psp = Arc::new(Psp::new(home.open()));
        psp.plant("one").await;
        psp.plant("two").await;
        let mut running = Vec::new();
        for nth in 0..100 {
            let (psp, who) = (Arc::clone(&psp), ["one", "two"][nth % 2]);
            let command = register(who, &format!("8765{nth:02}21"));
            running.push(tokio::spawn(async move { psp.verdict("T1", command).await }));
        }
        let mut registered = 0;
        for one in running {
            registered += usize::from(one.await.unwrap() == "registered");
        }
        psp.run_all().await;
        psp.check_settled();
        let held = async |who| psp.customer(who).await.numbers().count();
        // The first word may be a refusal by the limit; nothing is registered then.
        assert_eq!(held("one").await + held("two").await, registered);
        assert!(registered <= 1);
    });
}

fn ported_number_moves_and_both_channels_hear(mut home: impl Home) {
    block_on(async {
        let psp = Psp::new(home.open());
        for name in ["one", "two"] {
            psp.plant(name).await;
        }
        assert_eq!(psp.verdict("T1", register("one", OWN)).await, "registered");
        let wrong = port("two", OWN, &vpa_of("one", 2));
        assert_eq!(psp.verdict("T2", wrong).await, "not_the_linked_vpa");
        assert_eq!(psp.customer("two").await.numbers().count(), 0);
        let right = port("two", OWN, &vpa_of("one", 1));
        assert_eq!(psp.verdict("T3", right).await, "registered");
        let held = async |who| psp.customer(who).await.numbers().count();
        assert_eq!((held("one").await, held("two").await), (0, 1));
        // An errand for who was left stands; it finds all done.
        let left = psp.errands(&Lane::Holdings).await;
        let holding = Holding::Number(number(OWN));
        let task = Task::Settle { profile: profile("one"), holding };
        assert_eq!(left.iter().map(|errand| &errand.task).collect::<Vec<_>>(), [&task]);
        let states = psp.rows();
        psp.run_all().await;
        assert_eq!(psp.rows(), states);
        let mut news = BTreeMap::new();
        for who in ["one", "two"] {
            let told = psp.errands(&Lane::Channel(channel(who))).await;
            let told = told.into_iter().filter_map(|errand| match errand.task {
                Task::Tell(news) => Some((news.customer.to_string(), news.change)),
                Task::EndCapture(_) | Task::Settle { .. } | Task::SettleNumber(_) => None,
            });
            news.insert(who, told.collect::<Vec<_>>());
        }
        let active = NumberChange::Ended {
            change: Change::Create,
            done: true,
            state: Some(Settled::Active),
        };
        let line = |who: &str, change| (who.to_owned(), change);
        let one = vec![line("one", active), line("one", NumberChange::PortedOut)];
        assert_eq!(news, BTreeMap::from([("one", one), ("two", vec![line("two", active)])]));
        psp.check_settled();
    });
}

fn number_is_ported_once(mut home: impl Home) {
    block_on(async {
        let psp = Arc::new(Psp::new(home.open()));
        let names: Vec<String> = (0..60).map(|nth| format!("c{nth}")).collect();
        plant_all(&psp, &names).await;
        assert_eq!(psp.verdict("first", register("c0", OWN)).await, "registered");
        let race = names[1..].iter().map(|name| port(name, OWN, &vpa_of("c0", 1))).collect();
        let expected = count(&[("not_the_linked_vpa", 58), ("registered", 1)]);
        assert_eq!(verdicts(&psp, race).await, expected);
        assert_eq!(psp.customer("c0").await.numbers().count(), 0);
        psp.run_all().await;
        psp.check_settled();
    });
}

fn refused_command_leaves_nothing(mut home: impl Home) {
    block_on(async {
        let psp = Psp::new(home.open());
        for name in ["one", "two"] {
            psp.plant(name).await;
        }
        assert_eq!(psp.verdict("T0", register("one", NUMERIC)).await, "registered");
        let (states, news) = (psp.rows(), psp.errands(&Lane::Channel(channel("one"))).await);
        let existing = vpa_of("one", 2);
        for (nth, (command, expected)) in [
            (register("one", NUMERIC), "already_in_this_state"),
            (register("two", NUMERIC), "held_by_another"),
            (update("one", NUMERIC, 1, Update::Reactivate), "already_in_this_state"),
            (update("one", NUMERIC, 2, Update::Disable), "not_the_linked_vpa"),
            (update("two", NUMERIC, 1, Update::Delete), "held_by_another"),
            (update("one", "87654322", 1, Update::Delete), "not_registered"),
            (update("one", NUMERIC, 1, Update::ChangeVpa { existing }), "not_the_linked_vpa"),
            (port("two", NUMERIC, &vpa_of("one", 1)), "not_portable"),
            (port("two", OWN, &vpa_of("one", 1)), "not_registered"),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(psp.verdict(&format!("T1.{nth}"), command).await, expected);
            assert_eq!(psp.errands(&Lane::Holdings).await, [], "{expected}");
        }
        let mut after = psp.rows();
        after.retain(|subject, _| !subject.starts_with("stranger/"));
        assert_eq!(after, states);
        assert_eq!(psp.errands(&Lane::Channel(channel("one"))).await, news);
        psp.check_settled();
    });
}

fn slow_request_is_settled_after_its_errand(mut home: impl Home) {
    block_on(async {
        let psp = Psp::new(home.open());
        psp.plant("one").await;
        let (vpa, aim) = (vpa_of("one", 1), Aim::Register);
        let claim = CustomerCommand::ClaimNumber { number: number(NUMERIC), vpa, aim };
        assert_eq!(psp.step("one", claim).await, "claimed");
        // The request takes so long that its claim is looked at before the mapper was asked.
        psp.run_all().await;
        assert_eq!(psp.customer("one").await.numbers().count(), 0);
        psp.map("T1", register("one", NUMERIC)).await;
        let (caller, holding) = (crate::psp::caller(), Holding::Number(number(NUMERIC)));
        let settled = psp.engine.settle_claim(&caller, &profile("one"), &holding, None).await;
        assert!(settled.unwrap(), "the number is the customer's");
        psp.check_settled();
    });
}

fn vpa_is_won_once(mut home: impl Home) {
    block_on(async {
        let psp = Arc::new(Psp::new(home.open()));
        let names: Vec<String> = (0..100).map(|nth| format!("c{nth}")).collect();
        plant_all(&psp, &names).await;
        let mut running = Vec::new();
        for name in names.clone() {
            let psp = Arc::clone(&psp);
            running.push(tokio::spawn(async move {
                assert_eq!(psp.step(&name, crate::crashes::linking("New@kunji")).await, "claimed");
                let holding = Holding::Vpa(crate::psp::vpa("new@kunji"));
                let (caller, whose) = (crate::psp::caller(), profile(&name));
                psp.engine.settle_claim(&caller, &whose, &holding, None).await.unwrap()
            }));
        }
        let mut won = 0;
        for one in running {
            won += usize::from(one.await.unwrap());
        }
        assert_eq!(won, 1);
        let owner = psp.owner(&crate::psp::vpa("new@kunji")).await.unwrap();
        for name in &names {
            let there = psp.customer(name).await.vpa(&crate::psp::vpa("new@kunji")).is_some();
            assert_eq!(there, profile(name) == owner, "{name}");
        }
        assert_eq!(psp.errands(&Lane::Holdings).await, []);
        psp.check_settled();
    });
}
