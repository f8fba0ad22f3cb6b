//! The examples run as they are printed.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use crate::support::{KUNJI, Kunji, agent};

#[path = "../../../../examples/merchant_app.rs"]
#[expect(dead_code, reason = "its `main` reads the command line")]
mod merchant_app;

#[test]
fn the_merchants_app_sets_an_mpin() {
    let kunji = Kunji::sandbox();
    let app = merchant_app::App::open(&kunji.base).unwrap();
    let capture = app.ask_for_mpin().unwrap();
    assert!(capture["captureUrl"].as_str().unwrap().starts_with(&kunji.base));
    let played = app.play_customer(&capture, "4826").unwrap();
    let result = app.result(&capture).unwrap();
    assert_eq!(played, result);
    assert_eq!(result["event"], "process_result");
    assert_eq!(result["payload"]["status"], "SUCCESS");
    assert_eq!(result["payload"]["gatewayResponseCode"], "00");
    assert_eq!(kunji.verify("account", "STOCKREF0001", "4826"), "verified");
}

#[test]
fn the_merchants_app_tells_what_the_bank_refuses() {
    let kunji = Kunji::sandbox();
    let app = merchant_app::App::open(&kunji.base).unwrap();
    let capture = app.ask_for_mpin().unwrap();
    app.play_customer(&capture, "1111").unwrap();
    let result = app.result(&capture).unwrap();
    assert_eq!(result["payload"]["status"], "FAILURE");
    assert_eq!(kunji.verify("account", "STOCKREF0001", "1111"), "not_set");
}

/// A sandbox as people start it, and what it prints.
struct Printed {
    process: Child,
    base: String,
    said: String,
}

impl Printed {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ready, said) = (folder.path().join("ready"), folder.path().join("said"));
        let mut command = Command::new(KUNJI);
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
        command.args(["--webhook", "http://127.0.0.1:1/hooks"]);
        command.stdin(Stdio::null()).stdout(File::create(&said).unwrap());
        let mut printed =
            Self { process: command.spawn().unwrap(), base: String::new(), said: String::new() };
        // The file gets its name when it is whole, after all is printed.
        while !ready.exists() {
            assert_eq!(printed.process.try_wait().unwrap(), None);
            std::thread::yield_now();
        }
        printed.base = std::fs::read_to_string(ready).unwrap();
        printed.said = std::fs::read_to_string(said).unwrap();
        printed
    }

    /// The commands, each with all of its lines.
    fn commands(&self) -> Vec<String> {
        let joined = self.said.replace("\\\n", "\\\r");
        let commands = joined.lines().filter(|line| line.starts_with("curl "));
        commands.map(|line| line.replace('\r', "\n")).collect()
    }
}

impl Drop for Printed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn every_printed_command_works_when_pasted() {
    let sandbox = Printed::start();
    let (said, commands) = (&sandbox.said, sandbox.commands());
    assert!(said.contains("changes are posted to http://127.0.0.1:1/hooks (whsec_"), "{said}");
    let expected = [
        (r#"-H 'X-AXIS-TEST-ID: 1'"#, r#""code":"00""#),
        (r#"-H 'X-Kunji-Mode: live'"#, r#""code":"00""#),
        ("/resetPin", r#""responseCode":"00""#),
        ("upiSetMpin", r#""event":"capture_required""#),
        ("/n2/merchants/upiNumber/update", r#""gatewayResponseCode":"00""#),
        ("/verify", r#""verdict":"verified""#),
        ("/outbox", r#""to":"919876543210""#),
        ("/clock", r#""now":"#),
        ("/reset", ""),
    ];
    assert_eq!(commands.len(), expected.len(), "{said}");
    for (command, (words, answer)) in commands.iter().zip(expected) {
        assert!(command.contains(words), "{words}: {command}");
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains(answer), "{command}: {text}");
        assert_eq!(text.is_empty(), answer.is_empty(), "{command}: {text}");
        if let Ok(event) = serde_json::from_str::<serde_json::Value>(&text)
            && let Some(url) = event["payload"]["captureUrl"].as_str()
        {
            assert!(url.starts_with(&sandbox.base), "{url}");
            let page = agent().get(url).call().unwrap();
            assert_eq!(page.status(), 200);
            assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        }
    }
}
