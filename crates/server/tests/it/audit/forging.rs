//! Who can write the store and has no keys: what he writes is refused at the next look at it, and shown
//! by the audit; what he puts back whole is refused by whoever knew more, and shown by a checkpoint.

use kunji_testkit::Cluster;

use super::site::{ASHA, Chain, HASH, Site, try_both};
use crate::support::watched::{Watched, free_port};
use crate::support::{Kunji, agent};

const JOHN: &str = "account/ACC123456789";
const ASHA_PIN: (&str, &str) = ("ACC000000002", "804913");
const JOHN_PIN: (&str, &str) = ("ACC123456789", "1234");

fn right(kunji: &Kunji, (account, pin): (&str, &str)) -> String {
    kunji.verify("account", account, pin)
}

/// What is put in the place of a chain of five events, of which the last one is a right PIN behind a
/// wrong one; the same chain when it had three, and that of another account.
type Forgery = fn(&mut Chain, &Chain, &Chain);

const FORGERIES: &[(&str, Forgery)] = &[
    ("an edited counter", |chain, _, _| {
        // Anywhere in what is sealed: the middle of it is the PIN's part.
        let record = chain.record.as_mut().unwrap();
        let place = (HASH.end + record.len()) / 2;
        record[place] ^= 1;
    }),
    ("a record of another subject", |chain, _, john| chain.record.clone_from(&john.record)),
    ("another subject's state behind the own head", |chain, _, john| {
        let head = chain.record.as_ref().unwrap()[..HASH.end].to_vec();
        let state = &john.record.as_ref().unwrap()[HASH.end..];
        chain.record = Some([head.as_slice(), state].concat());
    }),
    ("an older record alone", |chain, earlier, _| chain.record.clone_from(&earlier.record)),
    ("an older state behind the newest head", |chain, earlier, _| {
        let head = chain.record.as_ref().unwrap()[..HASH.end].to_vec();
        let state = &earlier.record.as_ref().unwrap()[HASH.end..];
        chain.record = Some([head.as_slice(), state].concat());
    }),
    ("a record that nobody sealed", |chain, _, _| {
        chain.record.as_mut().unwrap().truncate(HASH.end + 20);
    }),
    ("no record", |chain, _, _| chain.record = None),
];

#[test]
fn forged_rows_of_the_embedded_store_are_refused_and_shown() {
    forged_rows_are_refused_and_shown(&Site::embedded());
}

#[test]
fn forged_rows_of_postgres_are_refused_and_shown() {
    forged_rows_are_refused_and_shown(&Site::postgres());
}

fn forged_rows_are_refused_and_shown(site: &Site) {
    site.work();
    let earlier = site.chain(ASHA);
    site.work();
    let (whole, john) = (site.chain(ASHA), site.chain(JOHN));
    assert_eq!((earlier.events.len(), whole.events.len()), (3, 5));
    for (what, forge) in FORGERIES {
        let mut forged = whole.clone();
        forge(&mut forged, &earlier, &john);
        assert_ne!(forged, whole, "{what}");
        site.put_chain(ASHA, &forged);
        let (code, said) = site.verify(&[]);
        assert_eq!(code, Some(4), "{what}: {said}");
        assert!(said.contains("BROKEN "), "{what}: {said}");
        let metrics = free_port();
        let mut sandbox = site.sandbox();
        sandbox.args(["--metrics-listen", &format!("127.0.0.1:{metrics}")]);
        let watched = Watched::start(sandbox).map_err(|(_, said)| said).unwrap();
        for _ in 0..4 {
            assert_eq!(watched.kunji.verify("account", ASHA_PIN.0, "111111"), "outcome_unknown");
        }
        assert_eq!(right(&watched.kunji, ASHA_PIN), "outcome_unknown", "{what}");
        assert_eq!(right(&watched.kunji, JOHN_PIN), "verified", "{what}: others go on");
        let text = agent().get(format!("http://127.0.0.1:{metrics}/metrics")).call();
        let text = text.unwrap().body_mut().read_to_string().unwrap();
        assert!(text.contains("kunji_store_rows_altered_total 5"), "{what}: {text}");
        let (_, said) = watched.stop();
        let name = site.called(ASHA);
        assert!(said.contains(&name), "{what}: the log names the chain: {said}");
        assert!(!said.contains(ASHA_PIN.0), "{what}: and not the account: {said}");
        assert_eq!(site.chain(ASHA), forged, "{what}: nothing was committed on it");
        site.put_chain(ASHA, &whole);
    }
    assert_eq!(site.verify(&[]).0, Some(0));
    assert_eq!(right(&site.start(), ASHA_PIN), "verified");
}

/// Two records swapped: neither of the two accounts is served with the other's PIN.
#[test]
fn swapped_records_are_refused() {
    for site in [Site::embedded(), Site::postgres()] {
        site.work();
        let (asha, john) = (site.chain(ASHA), site.chain(JOHN));
        site.put_chain(ASHA, &Chain { record: john.record.clone(), ..asha.clone() });
        site.put_chain(JOHN, &Chain { record: asha.record.clone(), ..john });
        let kunji = site.start();
        for (account, pin) in [(ASHA_PIN.0, JOHN_PIN.1), ASHA_PIN, (JOHN_PIN.0, ASHA_PIN.1)] {
            assert_eq!(right(&kunji, (account, pin)), "outcome_unknown");
        }
        assert_eq!(kunji.stop(), Some(0));
        let (code, said) = site.verify(&[]);
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains(ASHA) && said.contains(JOHN), "{said}");
    }
}

/// A whole subject put back holds in itself. Who knew more refuses it, says so, and takes it back into
/// service when it is there again; after a restart only a checkpoint kept elsewhere shows it.
#[test]
fn subject_that_was_put_back_is_refused_by_who_knew_more() {
    let site = Site::postgres();
    let metrics = free_port();
    let mut sandbox = site.sandbox();
    sandbox.args(["--metrics-listen", &format!("127.0.0.1:{metrics}")]);
    let watched = Watched::start(sandbox).map_err(|(_, said)| said).unwrap();
    let kunji = &watched.kunji;
    kunji.get("/.well-known/jwks.json");
    try_both(kunji);
    let earlier = site.chain(ASHA);
    // One UPDATE for each guess gave one more guess each.
    for (nth, expected) in ["wrong_pin", "outcome_unknown", "outcome_unknown"].iter().enumerate() {
        let said = kunji.verify("account", ASHA_PIN.0, &format!("11111{nth}"));
        assert_eq!(said, *expected, "guess {nth}");
        if nth == 0 {
            assert_eq!(kunji.get("/readyz").status, 200);
        }
        site.put_chain(ASHA, &earlier);
    }
    let ready = kunji.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("earlier point"), "{ready:?}");
    assert_eq!(kunji.get("/livez").status, 200);
    assert_eq!(right(kunji, JOHN_PIN), "verified", "others go on");
    let text = agent().get(format!("http://127.0.0.1:{metrics}/metrics")).call();
    let text = text.unwrap().body_mut().read_to_string().unwrap();
    assert!(text.contains("kunji_store_went_back_total 2"), "{text}");
    // A whole subject taken away is the same.
    site.put_chain(ASHA, &Chain { events: Vec::new(), record: None });
    assert_eq!(right(kunji, ASHA_PIN), "outcome_unknown");
    let (code, said) = watched.stop();
    assert_eq!(code, Some(0));
    assert!(said.contains(&site.called(ASHA)) && !said.contains(ASHA_PIN.0), "{said}");
    site.put_chain(ASHA, &earlier);
    assert_eq!(site.verify(&[]).0, Some(0), "in itself it holds");
    let (code, said) = site.verify(&site.kept());
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains(ASHA) && said.contains("events are listed"), "{said}");
    assert_eq!(right(&site.start(), ASHA_PIN), "verified", "a restart takes what is there");
}

#[test]
fn database_that_is_itself_again_is_served_again() {
    let site = Site::postgres();
    let kunji = site.start();
    try_both(&kunji);
    let earlier = site.chain(ASHA);
    assert_eq!(right(&kunji, ASHA_PIN), "verified");
    let whole = site.chain(ASHA);
    site.put_chain(ASHA, &earlier);
    assert_eq!(right(&kunji, ASHA_PIN), "outcome_unknown");
    assert_eq!(kunji.get("/readyz").status, 503);
    site.put_chain(ASHA, &whole);
    assert_eq!(right(&kunji, ASHA_PIN), "verified");
    assert_eq!(kunji.get("/readyz").status, 200);
}

/// Who can read the database learns nobody's name.
#[test]
fn database_shows_nobody() {
    let site = Site::postgres();
    let kunji = site.start();
    try_both(&kunji);
    assert_eq!(right(&kunji, JOHN_PIN), "verified");
    assert_eq!(kunji.stop(), Some(0));
    let mut said = String::new();
    for table in ["meta", "record", "event", "used", "item"] {
        let sql = format!("SELECT string_agg(t::text, ' ') FROM (SELECT * FROM kunji_1.{table}) t");
        said += &Cluster::shared().sql(site.database().unwrap(), &sql);
    }
    assert!(
        said.contains(&site.called(ASHA)) && said.len() > 20_000,
        "the search reads what is there"
    );
    for person in [
        "John Doe",
        "Asha Rao",
        "Kiran Holder",
        "918888888888",
        "8888888888",
        "9876543210",
        "87654321",
        "johndoe@axis",
        "something@handle",
        "holder@example.com",
        "ACC123456789",
        "CIF12345678",
        "IN00001201001868",
        "1234567",
        "70000000008",
        "account",
        "service",
        "AXIS",
        "verified",
    ] {
        let hex: String = person.bytes().map(|byte| format!("{byte:02x}")).collect();
        // Digits alone may meet by chance; in rows they would be letters of their own.
        let plain = said.contains(person) && !person.bytes().all(|byte| byte.is_ascii_digit());
        assert!(!plain && !said.contains(&hex), "{person} can be read");
    }
}
