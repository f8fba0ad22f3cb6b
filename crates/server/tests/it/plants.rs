//! The bugs on purpose of the fault harness: a normal build has none of them.

use std::process::Command;

use crate::support::{KUNJI, Kunji};

const PLANTS: [&str; 3] = ["reply-before-commit", "counter-outside", "unsealed-accepted"];

#[test]
fn no_bug_on_purpose_is_in_the_binary() {
    let binary = std::fs::read(KUNJI).unwrap();
    let holds = |word: &str| binary.windows(word.len()).any(|part| part == word.as_bytes());
    // What is looked for is found where it is.
    assert!(holds("KUNJI_"));
    for word in PLANTS.iter().chain(&["PLANTED_BUG"]) {
        assert!(!holds(word), "{word} is in the binary");
    }
}

#[test]
fn the_variable_of_the_planted_binary_means_nothing() {
    for plant in PLANTS {
        let folder = tempfile::tempdir().unwrap();
        let start = || {
            let mut command = Command::new(KUNJI);
            command.arg("sandbox").arg("--data").arg(folder.path());
            command.args(["--listen", "127.0.0.1:0", "--output", "json"]);
            command.env("PLANTED_BUG", plant);
            Kunji::spawn(command)
        };
        let kunji = start();
        let guess = |kunji: &Kunji, pin| kunji.verify("account", "ACC000000002", pin);
        assert_eq!(guess(&kunji, "210000"), "wrong_pin");
        assert_eq!(guess(&kunji, "210001"), "wrong_pin");
        kunji.kill();
        let kunji = start();
        assert_eq!(guess(&kunji, "210002"), "blocked", "{plant}");
        kunji.kill();
        assert_eq!(guess(&start(), "804913"), "blocked", "{plant}");
    }
}
