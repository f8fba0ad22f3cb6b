//! Web pages that mean harm to whoever runs a sandbox beside the browser.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::docs::routes::ROUTES;
use crate::hyper::client::{App, envelope, with};
use crate::hyper::{ACC_1, NISHA, VPA};
use crate::support::line::Line;
use crate::support::{Answer, KUNJI, Kunji, change_john};

const RESET: &str = "/kunji/v1/sandbox/reset";
const CLOCK: &str = "/kunji/v1/sandbox/clock";
const EVIL: &str = "http://evil.test";
const APP: &str = "http://localhost:3000";

/// Sends exactly these header lines, and a body.
fn ask(kunji: &Kunji, method: &str, target: &str, lines: &[(&str, &str)], body: &str) -> Answer {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    for (name, value) in lines {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()));
    let mut line = Line::open(kunji.address()).unwrap();
    line.say(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    line.answer().unwrap()
}

/// No page may read the answer.
#[track_caller]
fn refused(answer: &Answer, code: &str, what: &str) {
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!(code)), "{what}");
    let opened = |(name, _): &(String, String)| name.starts_with("access-control-");
    assert!(!answer.headers.iter().any(opened), "{what}: {answer:?}");
}

fn changed(kunji: &Kunji) {
    assert_eq!(kunji.change_live(&change_john("1234", "4826")).status, 200);
}

#[track_caller]
fn not_reset(kunji: &Kunji) {
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
}

#[test]
fn a_foreign_page_resets_nothing() {
    let kunji = Kunji::sandbox();
    changed(&kunji);
    let own = kunji.address();
    for kind in ["text/plain", "application/json", "application/x-www-form-urlencoded"] {
        for origin in
            [EVIL, "null", "http://localhost", "http://localhost:3000", "https://evil.test"]
        {
            let lines = [("host", own), ("origin", origin), ("content-type", kind)];
            refused(&ask(&kunji, "POST", RESET, &lines, "{}"), "foreign_origin", origin);
        }
        // A browser that tells no origin tells where it is.
        let lines = [("host", own), ("sec-fetch-site", "cross-site"), ("content-type", kind)];
        refused(&ask(&kunji, "POST", RESET, &lines, "{}"), "foreign_origin", kind);
    }
    let bare = [("host", own), ("origin", EVIL)];
    refused(&ask(&kunji, "POST", RESET, &bare, ""), "foreign_origin", "bare");
    let twice = [("host", own), ("origin", &*kunji.base), ("origin", EVIL)];
    refused(&ask(&kunji, "POST", RESET, &twice, ""), "foreign_origin", "two origins");
    let plain = [("host", own), ("content-type", "text/plain")];
    assert_eq!(ask(&kunji, "POST", RESET, &plain, "{}").status, 415);
    not_reset(&kunji);
    // Our own page may, and so may a command line.
    let page = [("host", own), ("origin", &*kunji.base), ("sec-fetch-site", "same-origin")];
    assert_eq!(ask(&kunji, "POST", RESET, &page, "").status, 204);
    changed(&kunji);
    let json = [("host", own), ("content-type", "application/json")];
    assert_eq!(ask(&kunji, "POST", RESET, &json, "{}").status, 204);
    changed(&kunji);
    assert_eq!(ask(&kunji, "POST", RESET, &[("host", own)], "").status, 204);
}

#[test]
fn every_route_is_closed_to_foreign_pages_and_names() {
    let kunji = Kunji::sandbox();
    let own = kunji.address();
    let paths = ROUTES.iter().map(|route| route.path).chain(["/", "/nowhere", "/hyper/v1/nowhere"]);
    for path in paths {
        for method in ["GET", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"] {
            let what = format!("{method} {path}");
            let rebound = [("host", "evil.test"), ("origin", EVIL)];
            refused(&ask(&kunji, method, path, &rebound, ""), "foreign_host", &what);
            if path.ends_with("/page") && method == "GET" {
                continue;
            }
            let crossed =
                [("host", own), ("origin", EVIL), ("access-control-request-method", "POST")];
            refused(&ask(&kunji, method, path, &crossed, ""), "foreign_origin", &what);
        }
    }
}

#[test]
fn a_name_that_can_lead_elsewhere_is_not_answered() {
    let kunji = Kunji::sandbox();
    let port = kunji.address().rsplit_once(':').unwrap().1;
    for (host, served) in [
        ("localhost", true),
        ("LocalHost:1", true),
        ("space.localhost", true),
        ("127.0.0.2:80", true),
        ("[::1]", true),
        ("evil.test", false),
        ("localhost.evil.test", false),
        ("127.0.0.1.evil.test", false),
        ("10.0.0.1", false),
        ("0.0.0.0", false),
    ] {
        let answer = ask(&kunji, "GET", CLOCK, &[("host", host)], "");
        match served {
            true => assert_eq!(answer.status, 200, "{host}"),
            false => refused(&answer, "foreign_host", host),
        }
    }
    // The target may name a host as well.
    let target = format!("http://evil.test:{port}{CLOCK}");
    let answer = ask(&kunji, "GET", &target, &[("host", "localhost")], "");
    refused(&answer, "foreign_host", &target);
    let target = format!("http://localhost:{port}{CLOCK}");
    assert_eq!(ask(&kunji, "GET", &target, &[("host", "localhost")], "").status, 200);
}

#[test]
fn a_name_that_was_given_is_answered() {
    let kunji = Kunji::start(&["sandbox", "--host", "sandbox.test", "--host", "10.0.0.1"]);
    for host in ["sandbox.test", "SANDBOX.TEST:7400", "10.0.0.1", "localhost"] {
        assert_eq!(ask(&kunji, "GET", CLOCK, &[("host", host)], "").status, 200, "{host}");
    }
    let answer = ask(&kunji, "GET", CLOCK, &[("host", "a.sandbox.test")], "");
    refused(&answer, "foreign_host", "a.sandbox.test");
    for (flag, value) in
        [("--host", "a:80"), ("--host", "http://a"), ("--cors", "*"), ("--cors", "http://a/")]
    {
        let mut command = Command::new(KUNJI);
        command.args(["sandbox", "--listen", "127.0.0.1:0", flag, value]).stdin(Stdio::null());
        assert_eq!(command.output().unwrap().status.code(), Some(2), "{flag} {value}");
    }
}

#[test]
fn a_web_app_is_let_in_on_purpose() {
    let kunji = Kunji::start(&["sandbox", "--cors", APP]);
    let own = kunji.address();
    let told = |answer: &Answer, name: &str| answer.header(name).map(str::to_owned);
    let preflight = |origin: &str| {
        let lines = [
            ("host", own),
            ("origin", origin),
            ("sec-fetch-site", "same-site"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-kunji-session"),
        ];
        ask(&kunji, "OPTIONS", "/hyper/v1/process", &lines, "")
    };
    let answer = preflight(APP);
    assert_eq!(answer.status, 204);
    assert_eq!(told(&answer, "access-control-allow-origin").as_deref(), Some(APP));
    let names = told(&answer, "access-control-allow-headers");
    assert_eq!(names.as_deref(), Some("content-type,x-kunji-session"));
    assert!(told(&answer, "access-control-allow-methods").unwrap().contains("PATCH"));
    refused(&preflight(EVIL), "foreign_origin", EVIL);
    refused(&preflight("http://localhost:3001"), "foreign_origin", "another port");
    let lines = [
        ("host", own),
        ("origin", APP),
        ("sec-fetch-site", "cross-site"),
        ("content-type", "application/json"),
    ];
    let answer = ask(&kunji, "POST", CLOCK, &lines, "{\"advance\":\"1h\"}");
    assert_eq!(answer.status, 200);
    assert_eq!(told(&answer, "access-control-allow-origin").as_deref(), Some(APP));
    assert!(told(&answer, "access-control-expose-headers").unwrap().contains("x-kunji-session"));
    assert_eq!(told(&answer, "vary").as_deref(), Some("origin"));
    assert_eq!(told(&answer, "access-control-allow-credentials"), None);
    // JSON it stays, and the name counts as before.
    let plain = [("host", own), ("origin", APP), ("content-type", "text/plain")];
    assert_eq!(ask(&kunji, "POST", CLOCK, &plain, "{\"advance\":\"1h\"}").status, 415);
    let rebound = [("host", "evil.test"), ("origin", APP)];
    refused(&ask(&kunji, "GET", CLOCK, &rebound, ""), "foreign_host", "evil.test");
    let other = [("host", own), ("origin", EVIL)];
    refused(&ask(&kunji, "GET", CLOCK, &other, ""), "foreign_origin", EVIL);
}

/// Opens a capture over a connection that names this host; its `captureUrl`.
fn capture_url(kunji: &Kunji, host: &str) -> String {
    let app = App::of(kunji, NISHA);
    let members = with(App::set_members(ACC_1, VPA), &app.signature());
    let body = envelope("R", "upiSetMpin", &members).to_string();
    let lines = [("host", host), ("content-type", "application/json")];
    let said = ask(kunji, "POST", "/hyper/v1/process", &lines, &body);
    let event: Value = said.json();
    event["payload"]["captureUrl"].as_str().unwrap_or_else(|| panic!("{event}")).to_owned()
}

#[test]
fn the_capture_page_alone_opens_from_another_page() {
    let kunji = Kunji::sandbox();
    let own = kunji.address();
    let url = capture_url(&kunji, own);
    let page = url.strip_prefix(&kunji.base).unwrap();
    let crossed = [("host", own), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert_eq!(ask(&kunji, "GET", page, &crossed, "").status, 200);
    let capture = page.strip_suffix("/page").unwrap();
    for path in [capture.to_owned(), format!("{capture}/result"), "/docs".to_owned()] {
        refused(&ask(&kunji, "GET", &path, &crossed, ""), "foreign_origin", &path);
    }
    for method in ["POST", "DELETE"] {
        refused(&ask(&kunji, method, capture, &crossed, "{}"), "foreign_origin", method);
    }
    let rebound = [("host", "evil.test"), ("sec-fetch-site", "cross-site")];
    refused(&ask(&kunji, "GET", page, &rebound, ""), "foreign_host", "page");
}

/// A sandbox that others can reach, as in a container.
fn reachable(listen: &str, settings: &[(&str, &str)]) -> Kunji {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--allow-remote", "--output", "json", "--listen", listen]);
    command.args(["--host", "kunji.test"]).envs(settings.iter().copied());
    Kunji::spawn(command)
}

#[test]
fn a_capture_is_where_the_request_came() {
    for (listen, loopback) in [("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "[::1]")] {
        let kunji = reachable(listen, &[]);
        let port = kunji.address().rsplit_once(':').unwrap().1.to_owned();
        assert_eq!(kunji.base, format!("http://{loopback}:{port}"));
        for host in ["kunji.test:8080", "10.0.2.2:7400", "localhost", "[2001:db8::7]:80"] {
            let url = capture_url(&kunji, host);
            assert!(url.starts_with(&format!("http://{host}/hyper/v1/captures/")), "{url}");
        }
        // An address that leads nowhere is not passed on.
        for host in [format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
            let url = capture_url(&kunji, &host);
            assert!(url.starts_with(&format!("{}/hyper/", kunji.base)), "{url}");
        }
    }
    let url = ("KUNJI_UPI__PUBLIC_URL", "https://pin.example");
    let kunji = reachable("0.0.0.0:0", &[url]);
    assert!(capture_url(&kunji, "10.0.2.2").starts_with("https://pin.example/hyper/"));
}

#[test]
fn a_reachable_sandbox_answers_to_addresses_but_not_to_names() {
    let kunji = reachable("0.0.0.0:0", &[]);
    for (host, served) in [
        ("10.1.2.3:7400", true),
        ("[fe80::1]", true),
        ("kunji.test", true),
        ("localhost", true),
        ("evil.test", false),
        ("10.1.2.3.evil.test", false),
    ] {
        let answer = ask(&kunji, "GET", CLOCK, &[("host", host)], "");
        match served {
            true => assert_eq!(answer.status, 200, "{host}"),
            false => refused(&answer, "foreign_host", host),
        }
    }
}
