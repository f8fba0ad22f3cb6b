//! The process ends between two commits of one operation: the errands finish it, once.

use kunji_core::customer::{Aim, Customer, CustomerCommand, Holding, Link, Mapping};
use kunji_core::errand::{Errand, Lane, Task};
use kunji_core::mapper::{NumberCommand, NumberState, Update};
use kunji_core::store::{Store, Survey};
use kunji_core::time::MINUTE_MS;
use kunji_testkit::Home;

use crate::homes::{block_on, on_every_store};
use crate::psp::{
    OWN, Psp, account, caller, channel, number, port, profile, register, update, vpa, vpa_of,
    waiting,
};

on_every_store![
    claim_before_the_mapper_is_given_up,
    number_after_the_mapper_is_settled,
    number_that_somebody_else_got_is_settled,
    changed_vpa_is_settled,
    deleted_number_is_settled,
    ported_number_is_settled_with_both,
    number_ported_from_nobody_we_know_is_settled,
    new_vpa_is_linked,
    new_vpa_of_another_is_not_linked,
    dropped_vpa_is_given_back,
    who_deregistered_gives_everything_back,
    number_of_who_came_back_does_not_lead_to_a_lost_vpa,
    number_whose_claim_was_overtaken_is_settled,
    repeated_request_goes_on_where_it_ended,
    registration_that_waits_is_done,
    registration_that_waits_fails,
    port_that_waits_is_settled_with_both,
    port_that_waits_fails_for_both,
    vpa_that_waits_is_not_dropped,
    number_of_who_deregistered_while_it_waits_is_given_back,
];

const NUMERIC: &str = "87654321";

/// The command that links A5 and A0 to a VPA, A5 primary for all.
pub(crate) fn linking(name: &str) -> CustomerCommand {
    let accounts = vec![account("A5"), account("A0")];
    let link = Link { accounts, mapping: Mapping::OneToAll, name: "John Doe".to_owned() };
    CustomerCommand::Link { vpa: vpa(name), link }
}

fn claiming(command: &NumberCommand) -> CustomerCommand {
    let (by, aim) = match command {
        NumberCommand::Register(by) => (by, Aim::Register),
        NumberCommand::Port { by, .. } => (by, Aim::Port),
        NumberCommand::Update { by, update: Update::ChangeVpa { existing } } => {
            (by, Aim::ChangeVpa { existing: existing.clone() })
        }
        NumberCommand::Update { by, .. } => (by, Aim::Update),
        NumberCommand::LookUp | NumberCommand::Settle { .. } | NumberCommand::Told { .. } => {
            unreachable!("it claims nothing")
        }
    };
    CustomerCommand::ClaimNumber { number: by.number.clone(), vpa: by.vpa.clone(), aim }
}

/// How far a request comes before its process ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The customer's claim is committed.
    Claim,
    /// So is what the mapper decided.
    Mapper,
}

/// Two customers `one` and `two`, and what becomes of `begin` after a crash and the errands.
fn check<H: Home>(
    mut home: H,
    begin: impl AsyncFnOnce(&Psp<H::Store>),
    expect: impl AsyncFnOnce(&Psp<H::Store>),
) {
    block_on(async {
        let psp = Psp::new(home.open());
        for name in ["one", "two"] {
            psp.plant(name).await;
        }
        begin(&psp).await;
        let left = psp.errands(&Lane::Holdings).await;
        assert!(!left.is_empty(), "an errand stands");
        let psp = psp.restarted(|store| home.reopen(store));
        assert_eq!(psp.errands(&Lane::Holdings).await, left, "errands outlive the process");
        psp.run_all().await;
        expect(&psp).await;
        psp.check_settled();
        check_once(&psp, left).await;
        let psp = psp.restarted(|store| home.reopen(store));
        psp.check_settled();
    });
}

/// Runs the errands once more, as if they had not been taken away: nothing moves.
async fn check_once<S: Store + Survey>(psp: &Psp<S>, left: Vec<Errand>) {
    let news = async || {
        let mut news = Vec::new();
        for who in ["one", "two"] {
            news.extend(psp.errands(&Lane::Channel(channel(who))).await);
        }
        news
    };
    let (states, told) = (psp.rows(), news().await);
    for errand in left {
        psp.run(errand).await;
    }
    let mut after = psp.rows();
    after.retain(|subject, _| states.contains_key(subject) || !subject.starts_with("stranger/"));
    assert_eq!(after, states, "running errands twice changes nothing");
    assert_eq!(news().await, told, "nobody hears of it twice");
    assert_eq!(psp.errands(&Lane::Holdings).await, []);
}

async fn begin<S: Store + Survey>(psp: &Psp<S>, who: &str, command: NumberCommand, until: Until) {
    assert_eq!(psp.step(who, claiming(&command)).await, "claimed");
    if until == Until::Mapper {
        psp.map("crashed", command).await;
    }
}

fn numbers(customer: &Customer) -> Vec<&str> {
    customer.numbers().map(kunji_core::ids::UpiNumber::as_str).collect()
}

fn claim_before_the_mapper_is_given_up<H: Home>(home: H) {
    check(
        home,
        async |psp| begin(psp, "one", register("one", NUMERIC), Until::Claim).await,
        async |psp| {
            assert!(psp.customer("one").await.numbers().next().is_none());
            assert!(psp.number(NUMERIC).await.is_none());
        },
    );
}

fn number_after_the_mapper_is_settled<H: Home>(home: H) {
    check(
        home,
        async |psp| begin(psp, "one", register("one", NUMERIC), Until::Mapper).await,
        async |psp| {
            assert_eq!(numbers(&psp.customer("one").await), [NUMERIC]);
            assert_eq!(psp.errands(&Lane::Channel(channel("one"))).await.len(), 1);
        },
    );
}

fn number_that_somebody_else_got_is_settled<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            assert_eq!(psp.verdict("T1", register("two", NUMERIC)).await, "registered");
            begin(psp, "one", register("one", NUMERIC), Until::Mapper).await;
        },
        async |psp| {
            assert!(numbers(&psp.customer("one").await).is_empty());
            assert_eq!(numbers(&psp.customer("two").await), [NUMERIC]);
        },
    );
}

fn changed_vpa_is_settled<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            assert_eq!(psp.verdict("T1", register("one", NUMERIC)).await, "registered");
            let change = Update::ChangeVpa { existing: vpa_of("one", 1) };
            begin(psp, "one", update("one", NUMERIC, 2, change), Until::Mapper).await;
        },
        async |psp| {
            assert_eq!(psp.number(NUMERIC).await.unwrap().vpa, vpa_of("one", 2));
            let drop =
                async |nth| psp.step("one", CustomerCommand::DropVpa(vpa_of("one", nth))).await;
            assert_eq!((drop(2).await, drop(1).await), ("vpa_in_use", "dropped"));
            psp.run_all().await;
        },
    );
}

fn deleted_number_is_settled<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            assert_eq!(psp.verdict("T1", register("one", NUMERIC)).await, "registered");
            let delete = update("one", NUMERIC, 1, Update::Delete);
            begin(psp, "one", delete, Until::Mapper).await;
        },
        async |psp| assert!(numbers(&psp.customer("one").await).is_empty()),
    );
}

/// Asks for a change that waits, as a request does from end to end.
async fn wait<S: Store + Survey>(psp: &Psp<S>, command: NumberCommand, succeeds: bool) {
    assert_eq!(psp.verdict("waits", waiting(command, succeeds)).await, "pending");
}

fn registration_that_waits_is_done<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            wait(psp, register("one", NUMERIC), true).await;
            // Nobody else gets it, and a repeated request is answered as it was.
            assert_eq!(psp.verdict("T2", register("two", NUMERIC)).await, "change_is_pending");
            wait(psp, register("one", NUMERIC), true).await;
            assert_eq!(numbers(&psp.customer("one").await), [NUMERIC], "it counts");
        },
        async |psp| {
            assert_eq!(numbers(&psp.customer("one").await), [NUMERIC]);
            assert_eq!(psp.number(NUMERIC).await.unwrap().state, NumberState::Active);
            assert_eq!(psp.errands(&Lane::Channel(channel("one"))).await.len(), 1);
        },
    );
}

fn registration_that_waits_fails<H: Home>(home: H) {
    check(
        home,
        async |psp| wait(psp, register("one", NUMERIC), false).await,
        async |psp| {
            assert!(numbers(&psp.customer("one").await).is_empty());
            assert_eq!(psp.errands(&Lane::Channel(channel("one"))).await.len(), 1);
            assert_eq!(psp.verdict("T2", register("two", NUMERIC)).await, "registered");
        },
    );
}

async fn port_that_waits<S: Store + Survey>(psp: &Psp<S>, succeeds: bool) {
    assert_eq!(psp.verdict("T1", register("one", OWN)).await, "registered");
    wait(psp, port("two", OWN, &vpa_of("one", 1)), succeeds).await;
    for who in ["one", "two"] {
        assert_eq!(numbers(&psp.customer(who).await), [OWN], "{who} holds it, or may");
    }
}

fn port_that_waits_is_settled_with_both<H: Home>(home: H) {
    check(
        home,
        async |psp| port_that_waits(psp, true).await,
        async |psp| {
            assert!(numbers(&psp.customer("one").await).is_empty());
            assert_eq!(numbers(&psp.customer("two").await), [OWN]);
            let told = psp.errands(&Lane::Channel(channel("one"))).await.len();
            assert_eq!(told, 2, "registered, ported out");
        },
    );
}

fn port_that_waits_fails_for_both<H: Home>(home: H) {
    check(
        home,
        async |psp| port_that_waits(psp, false).await,
        async |psp| {
            assert_eq!(numbers(&psp.customer("one").await), [OWN]);
            assert!(numbers(&psp.customer("two").await).is_empty());
        },
    );
}

fn vpa_that_waits_is_not_dropped<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            assert_eq!(psp.verdict("T1", register("one", NUMERIC)).await, "registered");
            let change = Update::ChangeVpa { existing: vpa_of("one", 1) };
            wait(psp, update("one", NUMERIC, 2, change), true).await;
            // It may lead to either.
            for nth in [1, 2] {
                let drop = CustomerCommand::DropVpa(vpa_of("one", nth));
                assert_eq!(psp.step("one", drop).await, "vpa_in_use");
            }
        },
        async |psp| {
            assert_eq!(psp.number(NUMERIC).await.unwrap().vpa, vpa_of("one", 2));
            let drop = CustomerCommand::DropVpa(vpa_of("one", 1));
            assert_eq!(psp.step("one", drop).await, "dropped");
            psp.run_all().await;
        },
    );
}

fn number_of_who_deregistered_while_it_waits_is_given_back<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            port_that_waits(psp, false).await;
            // Both leave before it is settled; the one who had it all along gives it back then.
            for who in ["one", "two"] {
                assert_eq!(psp.step(who, CustomerCommand::Deregister).await, "dropped");
            }
            // As the request does: what is not settled yet is left to who settles it.
            for errand in psp.errands(&Lane::Holdings).await {
                if matches!(errand.task, Task::Settle { .. }) {
                    psp.run(errand).await;
                }
            }
            assert_eq!(psp.errands(&Lane::Holdings).await.len(), 1);
            assert_eq!(numbers(&psp.customer("one").await), [OWN]);
        },
        async |psp| {
            for who in ["one", "two"] {
                assert!(numbers(&psp.customer(who).await).is_empty(), "{who}");
            }
            assert_eq!(psp.number(OWN).await.unwrap().state, NumberState::Deleted);
        },
    );
}

fn ported_number_is_settled_with_both<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            assert_eq!(psp.verdict("T1", register("one", OWN)).await, "registered");
            let port = port("two", OWN, &vpa_of("one", 1));
            begin(psp, "two", port, Until::Mapper).await;
            assert_eq!(numbers(&psp.customer("one").await), [OWN], "one has not heard of it");
        },
        async |psp| {
            assert!(numbers(&psp.customer("one").await).is_empty());
            assert_eq!(numbers(&psp.customer("two").await), [OWN]);
            let told = psp.errands(&Lane::Channel(channel("one"))).await.len();
            assert_eq!(told, 2, "registered, ported out");
        },
    );
}

fn number_ported_from_nobody_we_know_is_settled<H: Home>(home: H) {
    use kunji_core::audit::Subject;
    use kunji_core::mapper::Number;
    use kunji_core::time::Millis;
    check(
        home,
        async |psp| {
            let elsewhere = Number::registered(&crate::psp::by("elsewhere", OWN, 1), Millis(0));
            psp.plant_at(Subject::Number(number(OWN)), elsewhere).await;
            let port = port("two", OWN, &vpa_of("elsewhere", 1));
            begin(psp, "two", port, Until::Mapper).await;
        },
        async |psp| assert_eq!(numbers(&psp.customer("two").await), [OWN]),
    );
}

fn new_vpa_is_linked<H: Home>(home: H) {
    check(
        home,
        async |psp| assert_eq!(psp.step("one", linking("New@kunji")).await, "claimed"),
        async |psp| {
            let customer = psp.customer("one").await;
            let linked = customer.vpa(&vpa("new@kunji")).unwrap();
            assert_eq!(linked.accounts, [account("A5"), account("A0")]);
            assert!(customer.vpas.iter().all(|one| one.primary == account("A5")));
            assert_eq!(psp.owner(&vpa("new@kunji")).await, Some(profile("one")));
        },
    );
}

fn new_vpa_of_another_is_not_linked<H: Home>(home: H) {
    check(
        home,
        async |psp| assert_eq!(psp.step("one", linking("Two.1@kunji")).await, "claimed"),
        async |psp| {
            let customer = psp.customer("one").await;
            assert_eq!(customer.vpas.len(), 2);
            assert!(customer.vpas.iter().all(|one| one.primary == account("A0")));
            assert_eq!(psp.owner(&vpa_of("two", 1)).await, Some(profile("two")));
        },
    );
}

fn dropped_vpa_is_given_back<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            let drop = CustomerCommand::DropVpa(vpa_of("one", 2));
            assert_eq!(psp.step("one", drop).await, "dropped");
        },
        async |psp| {
            assert_eq!(psp.owner(&vpa_of("one", 2)).await, None);
            assert_eq!(psp.step("two", linking("one.2@kunji")).await, "claimed");
            psp.run_all().await;
            assert_eq!(psp.owner(&vpa_of("one", 2)).await, Some(profile("two")));
        },
    );
}

fn who_deregistered_gives_everything_back<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            for (txn, digits) in [("T1", NUMERIC), ("T2", OWN)] {
                assert_eq!(psp.verdict(txn, register("one", digits)).await, "registered");
            }
            let disable = update("one", OWN, 1, Update::Disable);
            assert_eq!(psp.verdict("T3", disable).await, "disabled");
            assert_eq!(psp.step("one", CustomerCommand::Deregister).await, "dropped");
        },
        async |psp| {
            assert!(psp.customer("one").await.claims.is_empty());
            for digits in [NUMERIC, OWN] {
                let state = psp.number(digits).await.unwrap().state;
                assert_eq!(state, NumberState::Deleted);
            }
            for nth in [1, 2] {
                assert_eq!(psp.owner(&vpa_of("one", nth)).await, None);
            }
            let told = psp.errands(&Lane::Channel(channel("one"))).await.len();
            assert_eq!(told, 5, "registered twice, disabled, deleted twice");
        },
    );
}

fn number_of_who_came_back_does_not_lead_to_a_lost_vpa<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            assert_eq!(psp.verdict("T1", register("one", NUMERIC)).await, "registered");
            assert_eq!(psp.step("one", CustomerCommand::Deregister).await, "dropped");
            // Nobody has given anything back yet, and the customer is here again.
            let bind = CustomerCommand::Bind {
                profile: profile("one"),
                device: "phone".to_owned(),
                mobile: None,
            };
            assert_eq!(psp.step("one", bind).await, "bound");
            let second = vpa_of("one", 2);
            assert_eq!(psp.step("one", linking(second.as_str())).await, "claimed");
            let holding = Holding::Vpa(second.folded());
            let settled = psp.engine.settle_claim(&caller(), &profile("one"), &holding, None).await;
            assert!(settled.unwrap(), "the second VPA is theirs again");
            let disable = update("one", NUMERIC, 2, Update::Disable);
            assert_eq!(psp.verdict("T2", disable).await, "not_the_linked_vpa");
        },
        async |psp| {
            assert!(numbers(&psp.customer("one").await).is_empty());
            assert_eq!(psp.number(NUMERIC).await.unwrap().state, NumberState::Deleted);
            assert_eq!(psp.owner(&vpa_of("one", 1)).await, None);
        },
    );
}

fn number_whose_claim_was_overtaken_is_settled<H: Home>(home: H) {
    check(
        home,
        async |psp| {
            let first = register("one", NUMERIC);
            assert_eq!(psp.step("one", claiming(&first)).await, "claimed");
            // Another request for the number claims it, hears no, and settles what it claimed.
            assert_eq!(psp.step("one", claiming(&first)).await, "claimed");
            let holding = Holding::Number(number(NUMERIC));
            let settled = psp.engine.settle_claim(&caller(), &profile("one"), &holding, None).await;
            assert!(!settled.unwrap());
            // The first one comes to the mapper, and its process ends.
            psp.map("crashed", first).await;
        },
        async |psp| assert_eq!(numbers(&psp.customer("one").await), [NUMERIC]),
    );
}

fn repeated_request_goes_on_where_it_ended<H: Home>(mut home: H) {
    block_on(async {
        for until in [Until::Claim, Until::Mapper] {
            let psp = Psp::new(home.open());
            let (who, digits) = match until {
                Until::Claim => ("one", "87654321"),
                Until::Mapper => ("two", "87654322"),
            };
            psp.plant(who).await;
            let (by, command) =
                (psp.by("crashed", &format!("{:?}", register(who, digits))), register(who, digits));
            let customer = kunji_core::audit::Subject::Customer(profile(who));
            let claim = claiming(&command);
            let turned = psp.engine.turn::<Customer>(&by, &customer, &claim, |_, _, _| None).await;
            drop(turned.unwrap());
            if until == Until::Mapper {
                psp.map(who, command.clone()).await;
            }
            let psp = psp.restarted(|store| home.reopen(store));
            psp.engine.clock.advance(MINUTE_MS / 2);
            // The caller hears nothing and asks again, before the errand is due.
            assert_eq!(psp.verdict(who, command).await, "registered");
            psp.run_all().await;
            assert_eq!(numbers(&psp.customer(who).await), [digits]);
            assert!(psp.customer(who).await.claim(&Holding::Number(number(digits))).is_some());
            assert_eq!(psp.errands(&Lane::Channel(channel(who))).await.len(), 1);
            psp.check_settled();
        }
    });
}
