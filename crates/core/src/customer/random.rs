//! Whatever is asked in whatever order: a customer's claims and the errands tell one story.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;

use super::sample::{
    account, fresh, link, mobile, now, number, of_number, of_vpa, other_mobile, print, profile,
    stamp, vpa,
};
use super::*;
use crate::errand::{Errand, ErrandKey, Lane, Task};
use crate::time::MINUTE_MS;

const VPAS: [&str; 4] = ["a@kunji", "B@kunji", "c@kunji", "d@other"];
const NUMBERS: [&str; 5] = ["87654321", "87654322", "876543210", "9876543210", "9876543211"];
const ACCOUNTS: [&str; 3] = ["A1", "A2", "A3"];

/// One move; whose errand is run is only known when it comes to it.
#[derive(Debug, Clone)]
enum Move {
    Ask(CustomerCommand),
    /// The mapper answers for the nth claim; the errand itself is at it, or a request.
    Settle(usize, bool, &'static str, bool),
    Wait(i64),
}

fn name() -> impl Strategy<Value = Vpa> {
    select(&VPAS[..]).prop_map(vpa)
}

fn digits() -> impl Strategy<Value = crate::ids::UpiNumber> {
    select(&NUMBERS[..]).prop_map(number)
}

fn mapping() -> impl Strategy<Value = Mapping> {
    select(vec![Mapping::OneToAll, Mapping::OneToOne, Mapping::Nothing])
}

fn aim() -> impl Strategy<Value = Aim> {
    prop_oneof![
        3 => Just(Aim::Register),
        1 => Just(Aim::Port),
        1 => name().prop_map(|existing| Aim::ChangeVpa { existing }),
        1 => Just(Aim::Update),
    ]
}

fn ask() -> impl Strategy<Value = CustomerCommand> {
    let said = select(vec![None, Some(mobile()), Some(mobile()), Some(other_mobile())]);
    let open =
        |nth| CustomerCommand::Open { profile: profile(), session: print(nth), mobile: None };
    let start =
        |nth| CustomerCommand::Start { profile: profile(), proof: print(nth), mobile: None };
    let accounts = proptest::sample::subsequence(&ACCOUNTS[..], 0..=3);
    prop_oneof![
        1 => any::<u8>().prop_map(open),
        1 => any::<u8>().prop_map(start),
        2 => (0..9_u8, said).prop_map(|(nth, mobile)| CustomerCommand::Bind {
            profile: profile(),
            device: format!("phone {nth}"),
            mobile,
        }),
        6 => (name(), accounts, mapping()).prop_map(|(vpa, names, mapping)| {
            CustomerCommand::Link { vpa, link: link(&names, mapping) }
        }),
        2 => (name(), select(&ACCOUNTS[..]), mapping()).prop_map(|(vpa, name, mapping)| {
            CustomerCommand::MapPrimary { vpa, account: account(name), mapping }
        }),
        8 => (digits(), name(), aim())
            .prop_map(|(number, vpa, aim)| CustomerCommand::ClaimNumber { number, vpa, aim }),
        3 => name().prop_map(CustomerCommand::DropVpa),
        2 => select(&ACCOUNTS[..]).prop_map(|name| CustomerCommand::DropAccount(account(name))),
        1 => Just(CustomerCommand::Deregister),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let settle = (0..10_usize, any::<bool>(), select(&VPAS[..]), any::<bool>());
    let one = prop_oneof![
        10 => ask().prop_map(Move::Ask),
        8 => settle.prop_map(|(nth, held, name, own)| Move::Settle(nth, held, name, own)),
        1 => select(vec![1, MINUTE_MS, DAY_MS]).prop_map(Move::Wait),
    ];
    proptest::collection::vec(one, 1..80)
}

impl Move {
    fn command(&self, customer: &Customer) -> Option<CustomerCommand> {
        match self {
            Self::Wait(_) => None,
            Self::Ask(command) => Some(command.clone()),
            Self::Settle(nth, held, name, own) => {
                let claim = customer.claims.get(*nth)?;
                let leads = matches!(claim.holding, Holding::Number(_)).then(|| vpa(name));
                let fact = match held {
                    true => Fact::Held(leads),
                    false => Fact::NotHeld,
                };
                let errand = claim.open.clone().filter(|_| *own);
                let holding = claim.holding.clone();
                Some(CustomerCommand::Settle { holding, fact, errand })
            }
        }
    }
}

/// What must be true of a customer at any time.
fn check(customer: &Customer, errands: &BTreeSet<ErrandKey>) -> Result<(), TestCaseError> {
    let claims = &customer.claims;
    let known = NUMBERS.map(of_number).into_iter().chain(VPAS.map(of_vpa));
    for holding in known {
        let there = claims.iter().filter(|claim| claim.holding == holding).count();
        prop_assert!(there <= 1, "two claims to {holding:?}");
    }
    let open: BTreeSet<_> = claims.iter().filter_map(|claim| claim.open.clone()).collect();
    // Those of claims whose place was taken stand until their requests take them away.
    prop_assert!(open.is_subset(errands));
    prop_assert_eq!(open.len(), claims.iter().filter(|claim| claim.open.is_some()).count());
    let numeric = customer.numbers().filter(|number| !number.is_mobile()).count();
    prop_assert!(numeric <= Rules::default().numbers_max);
    prop_assert!(customer.numbers().all(|number| !number.is_mobile() || number.is_of(&mobile())));
    prop_assert!(customer.devices.len() <= DEVICES_MAX);
    prop_assert!(customer.sessions.len() <= SESSIONS_MAX && customer.starts.len() <= SESSIONS_MAX);
    prop_assert!(customer.vpas.len() <= CUSTOMER_VPAS_MAX);
    for linked in &customer.vpas {
        prop_assert!(linked.accounts.contains(&linked.primary), "{linked:?}");
        prop_assert!(linked.accounts.len() <= VPA_ACCOUNTS_MAX);
        let twins = customer.vpas.iter().filter(|one| one.vpa.is_same(&linked.vpa)).count();
        prop_assert_eq!(twins, 1);
    }
    Ok(())
}

/// Each errand is about a claim of this customer, and is opened and settled once.
fn take(
    errands: &mut BTreeSet<ErrandKey>,
    turn: &Turn<Customer>,
    next: &Customer,
) -> Result<(), TestCaseError> {
    for Errand { key, task } in &turn.errands {
        prop_assert_eq!(&key.lane, &Lane::Holdings);
        let Task::Settle { profile: whose, holding } = task else {
            return Err(TestCaseError::fail("an errand of another kind"));
        };
        prop_assert_eq!(whose, &profile());
        prop_assert_eq!(&next.claim(holding).unwrap().open, &Some(key.clone()));
        prop_assert!(errands.insert(key.clone()), "the errand is there already");
    }
    for key in &turn.settled {
        prop_assert!(errands.remove(key), "settled twice or never left");
    }
    Ok(())
}

proptest! {
    #[test]
    fn claims_and_errands_tell_one_story(moves in moves()) {
        let (mut customer, mut at) = (fresh(), now());
        let mut errands = BTreeSet::new();
        for (serial, one) in (1..).zip(moves) {
            if let Move::Wait(span_ms) = one {
                at = at.plus(span_ms);
            }
            let Some(command) = one.command(&customer) else { continue };
            let stamp = stamp(at, serial);
            let turn = Customer::decide(Some(&customer), &command, &Rules::default(), &stamp);
            let next = turn.next.clone().unwrap_or_else(|| customer.clone());
            take(&mut errands, &turn, &next)?;
            if turn.verdict.is_err() {
                prop_assert!(turn.errands.is_empty() && turn.settled.is_empty());
                let counts = turn.verdict == Err(CustomerRefusal::MobileMismatch);
                prop_assert_eq!(turn.next.is_some(), counts, "{:?}", command);
            }
            check(&next, &errands)?;
            customer = next;
        }
    }
}
