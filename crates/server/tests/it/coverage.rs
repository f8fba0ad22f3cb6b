//! Which cases of the contracts are tested: a row cannot stand here without being played.

pub(crate) mod printed;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use kunji_server::dialects::{axis, hyper, merchants, prepaid};

use crate::coverage::printed::{Document, Printed};
use crate::support::Kunji;

/// Every document that a vendor printed, with the cases that reach what stands in it.
const DOCUMENTS: &[&Document] = &[
    &crate::axis::DOCUMENT,
    &crate::prepaid::DOCUMENT,
    &crate::hyper::SET_DOCUMENT,
    &crate::hyper::CHANGE_DOCUMENT,
    &crate::merchants::DOCUMENT,
];

/// What an answer came to, after its bytes were compared.
#[derive(Debug)]
pub(crate) struct Said {
    /// HTTP status.
    pub(crate) http: u16,
    /// The dialect's code.
    pub(crate) code: String,
}

/// What all of them said, which must be the same.
#[track_caller]
pub(crate) fn same(said: impl IntoIterator<Item = Said>) -> Said {
    let mut all = said.into_iter();
    let first = all.next().unwrap();
    for other in all {
        assert_eq!((other.http, &other.code), (first.http, &first.code));
    }
    first
}

/// One case of a contract.
pub(crate) struct Case {
    /// The call.
    pub(crate) call: &'static str,
    /// What is special about the request.
    pub(crate) case: &'static str,
    /// The HTTP status that must come of it.
    pub(crate) http: u16,
    /// The code that must come of it.
    pub(crate) code: &'static str,
    /// Sends the request and reads the answer.
    pub(crate) play: fn(&Kunji) -> Said,
}

/// Whether a case may meet what the one before it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Every case begins with the seed.
    Fresh,
    /// The cases change nothing, or nothing that the next one looks at.
    Shared,
    /// Every case ends its process, so that each has one of its own.
    Broken,
}

/// Cases of one dialect that are played on one process.
pub(crate) struct Table {
    /// The dialect.
    pub(crate) dialect: &'static str,
    /// Starts the process.
    pub(crate) start: fn() -> Kunji,
    /// What a case finds.
    pub(crate) ground: Ground,
    /// The cases, in order.
    pub(crate) cases: &'static [Case],
}

impl Table {
    /// Plays every case.
    pub(crate) fn play(&self) {
        let mut kunji = (self.start)();
        for (number, case) in self.cases.iter().enumerate() {
            let Case { call, case, http, code, play } = case;
            match self.ground {
                Ground::Fresh if number > 0 => kunji.start_over(),
                Ground::Broken if number > 0 => kunji = (self.start)(),
                Ground::Fresh | Ground::Shared | Ground::Broken => {}
            }
            // Shown when the case stops before it says anything.
            println!("{call}: {case}");
            kunji.listen();
            let said = play(&kunji);
            assert_eq!((said.http, said.code.as_str()), (*http, *code), "{call}: {case}");
            let heard = kunji.heard();
            for row in printed_for(self.dialect, call, case) {
                row.check(&heard);
            }
        }
    }
}

/// Cases as a table: call, what is special, status, code, and what is sent.
macro_rules! cases {
    ($($call:expr, $case:literal => $http:literal $code:literal, $play:expr;)*) => {
        &[$(crate::coverage::Case {
            call: $call,
            case: $case,
            http: $http,
            code: $code,
            play: $play,
        }),*]
    };
}
pub(crate) use cases;

/// One test for each table, and the list of both.
macro_rules! tables {
    ($($test:ident plays $table:ident;)*) => {
        /// The tables of this module, each with the test that plays it.
        pub(crate) const TABLES: &[(&str, &crate::coverage::Table)] =
            &[$((concat!(module_path!(), "::", stringify!($test)), &$table)),*];

        $(
            #[test]
            fn $test() {
                $table.play();
            }
        )*
    };
}
pub(crate) use tables;

/// What the documents print that this case is to reach.
fn printed_for(dialect: &str, call: &str, case: &str) -> impl Iterator<Item = &'static Printed> {
    let documents = DOCUMENTS.iter().filter(move |document| document.dialect == dialect);
    let rows = documents.flat_map(|document| document.rows);
    rows.filter(move |row| row.reached.contains(&(call, case)))
}

/// One line of the document.
struct Row {
    dialect: &'static str,
    call: &'static str,
    case: &'static str,
    http: u16,
    code: &'static str,
    test: &'static str,
}

fn rows() -> Vec<Row> {
    let tables = [
        crate::axis::tables(),
        crate::prepaid::tables(),
        crate::hyper::tables(),
        crate::merchants::tables(),
        crate::api::TABLES.to_vec(),
        crate::sandbox::TABLES.to_vec(),
    ];
    let mut rows = Vec::new();
    for (test, table) in tables.into_iter().flatten() {
        let test = test.split_once("::").unwrap().1;
        let Table { dialect, cases, .. } = table;
        rows.extend(cases.iter().map(|Case { call, case, http, code, .. }| Row {
            dialect,
            call,
            case,
            http: *http,
            code,
            test,
        }));
    }
    rows
}

/// The codes of one dialect that have a row.
fn reached(dialect: &str) -> BTreeSet<&'static str> {
    rows().iter().filter(|row| row.dialect == dialect).map(|row| row.code).collect()
}

#[test]
fn every_axis_code_has_a_row() {
    assert_eq!(reached("axis"), axis::ALL_CODES.iter().copied().collect());
}

#[test]
fn every_prepaid_code_has_a_row() {
    let mut reached = reached("prepaid");
    // Answers that carry no code: what the helpers made.
    reached.remove("-");
    assert_eq!(reached, prepaid::Code::ALL.iter().map(|code| code.as_str()).collect());
}

#[test]
fn every_merchants_code_has_a_row() {
    assert_eq!(reached("merchants"), merchants::ALL_CODES.iter().copied().collect());
}

#[test]
fn every_hyper_code_has_a_row() {
    assert_eq!(reached("hyper"), hyper::ALL_CODES.iter().copied().collect());
}

#[test]
fn no_two_rows_of_a_call_are_the_same() {
    let mut seen = BTreeSet::new();
    for Row { dialect, call, case, .. } in rows() {
        assert!(seen.insert((dialect, call, case)), "{dialect} {call}: {case} stands here twice");
    }
}

#[test]
fn everything_printed_is_reached_or_has_its_reason() {
    let rows = rows();
    for Document { dialect, name, rows: printed } in DOCUMENTS {
        for Printed { place, http, reached, never, .. } in *printed {
            assert!(!reached.is_empty() || !never.is_empty(), "{name}, {place}");
            for (call, case) in *reached {
                let named = |row: &&Row| (row.dialect, row.call, row.case) == (dialect, call, case);
                let row = rows.iter().find(named);
                let row = row.unwrap_or_else(|| panic!("{name}, {place}: no case {call}: {case}"));
                assert!(http.is_none_or(|http| http == row.http), "{name}, {place}: {case}");
            }
            for (call, why) in *never {
                assert!(!call.is_empty() && why.len() > 15, "{name}, {place}: {call}");
            }
        }
    }
}

const DIALECTS: [(&str, &str); 6] = [
    ("axis", "Axis-style bank API"),
    ("prepaid", "Prepaid card API"),
    ("hyper", "In-app SDK"),
    ("merchants", "UPI number server API"),
    ("api", "Our own API"),
    ("sandbox", "The sandbox"),
];

fn document() -> String {
    let rows = rows();
    let mut text =
        "# Coverage\n\nEvery case of the wire contracts that a test plays over HTTP, with \
        the status and the code that must come of it. A test compares each answer byte for byte; \
        what changes from answer to answer is held against its shape.\n\nThis file is made by the \
        tests: `KUNJI_BLESS=1 cargo test -p kunji-server --test it -- coverage` writes it, and \
        without the variable they fail where it differs.\n"
            .to_owned();
    for (dialect, title) in DIALECTS {
        let _ = writeln!(text, "\n## {title}\n\n| call | case | HTTP | code | test |");
        let _ = writeln!(text, "|---|---|---|---|---|");
        for Row { call, case, http, code, test, .. } in
            rows.iter().filter(|row| row.dialect == dialect)
        {
            let case = case.replace('|', "\\|");
            let _ = writeln!(text, "| {call} | {case} | {http} | `{code}` | `{test}` |");
        }
    }
    text.push_str(
        "\n# What the vendors' documents print\n\nEvery code, sentence, status and sample of \
         each document, read off the document, with the cases above that reach it. The test of \
         such a case finds the sentence, and the sample as printed, among what was answered. \
         What a call never sends stands here with the reason.\n",
    );
    for document in DOCUMENTS {
        document.write(&mut text);
    }
    text
}

#[test]
fn the_document_lists_every_row() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coverage.md");
    if std::env::var_os("KUNJI_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, document()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == document(), "docs/coverage.md is old: run with KUNJI_BLESS=1");
}
