//! Many at once for one number: exactly one has it.

use serde_json::json;

use super::{ARJUN, AT_BROKER, CREATE, Client, FARAH, NISHA, UPDATE, changed, said};
use crate::support::Kunji;

const OWN: &str = "9876543210";
const THREADS: usize = 4;

/// Everybody at once; how often each code was said.
fn at_once(kunji: &Kunji, call: &str, all: &[(Client, serde_json::Value)]) -> Vec<String> {
    let mut codes: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = all
            .iter()
            .map(|(client, body)| scope.spawn(|| said(&client.ask(kunji, call, body)).code))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    codes.sort();
    codes
}

#[test]
fn of_many_who_want_a_number_one_has_it() {
    let kunji = Kunji::sandbox();
    for round in 0..8 {
        let number = format!("2345678{round}");
        let clients = [ARJUN, FARAH, AT_BROKER, ARJUN, FARAH, AT_BROKER];
        let wishes = clients.map(|client| (client, client.create(&number)));
        let codes = at_once(&kunji, CREATE, &wishes);
        assert_eq!(codes.iter().filter(|code| *code == "00").count(), 1, "{codes:?}");
        let holds = [ARJUN, FARAH, AT_BROKER].map(|client| client.holds(&kunji).len());
        assert_eq!(holds.iter().sum::<usize>(), 1, "{holds:?}");
        let holds = |client: &Client| client.holds(&kunji).len() == 1;
        let holder = [ARJUN, FARAH, AT_BROKER].into_iter().find(holds).unwrap();
        let back = holder.ask(&kunji, UPDATE, &holder.update(&number, "DELETE"));
        assert_eq!(said(&back).code, "00");
    }
}

#[test]
fn one_customer_at_once_has_no_more_than_allowed() {
    let kunji = Kunji::sandbox();
    let numbers = ["23456789", "34567891", "45678912", "56789123", "67891234", "78912345"];
    let wishes = numbers.map(|number| (ARJUN, ARJUN.create(number)));
    let codes = at_once(&kunji, CREATE, &wishes);
    assert_eq!(codes, ["00", "00", "KU08", "KU08", "KU08", "KU08"]);
    assert_eq!(ARJUN.holds(&kunji).len(), 2);
}

#[test]
fn a_repeated_wish_is_answered_the_same_however_many_ask_at_once() {
    let kunji = Kunji::sandbox();
    let body = ARJUN.create("23456789");
    let texts: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS * 2)
            .map(|_| scope.spawn(|| ARJUN.ask(&kunji, CREATE, &body).text()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(texts.iter().all(|text| text == &texts[0]), "{texts:?}");
    assert!(texts[0].contains(r#""gatewayResponseCode":"00""#), "{}", texts[0]);
}

#[test]
fn a_number_that_is_ported_and_deleted_at_once_has_one_owner_at_most() {
    for _ in 0..4 {
        let kunji = Kunji::sandbox();
        let port = changed(&AT_BROKER.create(OWN), "existingVpa", &json!(NISHA.vpa));
        let delete = NISHA.update(OWN, "DELETE");
        let [ported, deleted] = std::thread::scope(|scope| {
            [(AT_BROKER, CREATE, &port), (NISHA, UPDATE, &delete)]
                .map(|(client, call, body)| {
                    let kunji = &kunji;
                    scope.spawn(move || said(&client.ask(kunji, call, body)).code)
                })
                .map(|thread| thread.join().unwrap())
        });
        let codes = (ported.as_str(), deleted.as_str());
        assert!(matches!(codes, ("00", "MM18") | ("KU01", "00")), "{codes:?}");
        let holds = |client: &Client| client.holds(&kunji).iter().any(|one| one.starts_with(OWN));
        assert_eq!((holds(&AT_BROKER), holds(&NISHA)), (codes.0 == "00", false));
    }
}
