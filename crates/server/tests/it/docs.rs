//! The OpenAPI document and the server agree.

pub(crate) mod routes;
mod signed;
mod tree;

use std::collections::BTreeSet;

use kunji_server::dialects::{hyper, merchants};
use ureq::http::Method;

use self::routes::ROUTES;
use self::tree::Tree;
use crate::support::{Kunji, opened_text};

/// The sources that name routes, so that a new one is missed here.
const SOURCES: [&str; 9] = [
    include_str!("../../src/boot.rs"),
    include_str!("../../src/api.rs"),
    include_str!("../../src/dialects/axis.rs"),
    include_str!("../../src/dialects/prepaid.rs"),
    include_str!("../../src/dialects/prepaid/handlers.rs"),
    include_str!("../../src/dialects/hyper.rs"),
    include_str!("../../src/dialects/merchants.rs"),
    include_str!("../../src/dialects/merchants/code.rs"),
    include_str!("../../src/sandbox.rs"),
];

/// The document, and one operation of it.
struct Document {
    root: Tree,
}

struct Operation<'a> {
    document: &'a Document,
    method: Method,
    path: &'a str,
    tree: &'a Tree,
}

impl Document {
    fn of(kunji: &Kunji) -> Self {
        Self { root: Tree::parse(&kunji.get("/openapi.json").text()) }
    }

    fn operations(&self) -> Vec<Operation<'_>> {
        let mut all = Vec::new();
        for (path, methods) in self.root.at("paths").members() {
            for (method, tree) in methods.members() {
                let method = method.to_ascii_uppercase().parse().unwrap();
                all.push(Operation { document: self, method, path, tree });
            }
        }
        all
    }

    /// What a reference points to, or the thing itself.
    fn resolved<'a>(&'a self, tree: &'a Tree) -> &'a Tree {
        match tree.get("$ref") {
            None => tree,
            Some(target) => {
                let path = target.text().strip_prefix("#/").unwrap();
                self.resolved(path.split('/').fold(&self.root, |tree, name| tree.at(name)))
            }
        }
    }
}

impl Operation<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Each request example with its name; one nameless for calls without a body.
    fn requests(&self) -> Vec<(&str, Option<&Tree>)> {
        let Some(body) = self.tree.get("requestBody") else {
            return vec![("", None)];
        };
        let examples = body.at("content").at("application/json").at("examples");
        examples.members().map(|(name, example)| (name, Some(example))).collect()
    }

    /// The path and the headers as the document's own examples fill them.
    fn address(&self, example: Option<&Tree>) -> (String, Vec<(String, String)>) {
        let mut path = self.path.to_owned();
        let mut headers = Vec::new();
        let parameters = self.tree.get("parameters").into_iter().flat_map(Tree::items);
        for parameter in parameters.map(|parameter| self.document.resolved(parameter)) {
            let name = parameter.at("name").text();
            let first = || parameter.get("examples")?.members().next()?.1.get("value");
            let Some(value) = parameter.get("example").or_else(first) else { continue };
            match parameter.at("in").text() {
                "path" => path = path.replace(&format!("{{{name}}}"), value.text()),
                "query" => path = format!("{path}?{name}={}", value.text()),
                "header" => headers.push((name.to_owned(), value.text().to_owned())),
                other => panic!("a parameter in {other}"),
            }
        }
        for (name, value) in
            example.and_then(|one| one.get("x-kunji-headers")).into_iter().flat_map(Tree::members)
        {
            headers.retain(|(header, _)| header != name);
            if !value.text().is_empty() {
                headers.push((name.to_owned(), value.text().to_owned()));
            }
        }
        if self.tree.get("security").is_some() {
            headers.push(("Authorization".to_owned(), "Bearer sandbox".to_owned()));
        }
        if example.is_some() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        (path, headers)
    }

    /// The examples of answers with one status.
    fn answers(&self, status: u16) -> Vec<&Tree> {
        let response = self.document.resolved(self.tree.at("responses").at(&status.to_string()));
        let mut values = Vec::new();
        for (_, content) in response.get("content").into_iter().flat_map(Tree::members) {
            for (_, example) in content.get("examples").into_iter().flat_map(Tree::members) {
                values.push(self.document.resolved(example).at("value"));
            }
        }
        values
    }
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let document = Document::of(&Kunji::sandbox());
    let described: BTreeSet<_> = document
        .operations()
        .iter()
        .map(|one| (one.method.to_string(), one.path.to_owned()))
        .collect();
    let routes: BTreeSet<_> =
        ROUTES.iter().map(|one| (one.method.to_owned(), one.path.to_owned())).collect();
    assert_eq!(described, routes);
}

/// The path that a text of the sources stands for, if it is one.
fn path_of(text: &str) -> Option<String> {
    let begins = |roots: &[&str]| roots.iter().any(|root| text.starts_with(root));
    if let Some(rest) = text.strip_prefix("{capture}") {
        return Some(format!("/hyper/v1/captures/{{id}}{rest}"));
    }
    match text {
        "/" | "//" | "/hyper/v1/captures" => None,
        "{CAPTURES}/{{id}}" => Some("/hyper/v1/captures/{id}".to_owned()),
        _ if begins(&["onboarding/", "issuance/", "v2/"]) => Some(format!("/mob1/api/{text}")),
        _ if begins(&["upiNumber/", "vpas/"]) => {
            Some(format!("/api/{{apiVersion}}/merchants/{text}"))
        }
        _ => (text.starts_with('/') && !text.ends_with('/')).then(|| text.to_owned()),
    }
}

#[test]
fn every_path_of_the_sources_is_in_the_list() {
    let texts = SOURCES.iter().flat_map(|source| {
        let own = source.split("#[cfg(test)]").next().unwrap();
        own.split('"').skip(1).step_by(2)
    });
    let found: BTreeSet<_> = texts.filter_map(path_of).collect();
    let listed: BTreeSet<_> = ROUTES.iter().map(|one| one.path.to_owned()).collect();
    assert_eq!(found, listed);
}

#[test]
fn every_described_call_is_there() {
    let kunji = Kunji::sandbox();
    let document = Document::of(&kunji);
    for operation in document.operations() {
        let ready = signed::ready(&kunji, &operation, None);
        let headers: Vec<_> =
            ready.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = kunji.send(operation.method.clone(), &ready.path, &headers, "");
        assert!(![404, 405].contains(&answer.status), "{}: {answer:?}", operation.name());
        let described = operation.tree.at("responses").get(&answer.status.to_string());
        assert!(described.is_some(), "{}: {} is not described", operation.name(), answer.status);
    }
}

#[test]
fn every_request_example_works_on_a_fresh_sandbox() {
    let kunji = Kunji::sandbox();
    let document = Document::of(&kunji);
    for operation in document.operations() {
        let responses = operation.tree.at("responses").members();
        let good = responses.filter(|(status, _)| status.starts_with('2'));
        // Where the document knows two, the example is for the one that makes or says something.
        let good = good.map(|(status, tree)| (tree.get("content").is_some(), status));
        let promised: u16 = good.max().unwrap().1.parse().unwrap();
        for (name, example) in operation.requests() {
            println!("{} {name}", operation.name());
            kunji.start_over();
            let signed::Ready { path, headers, body } = signed::ready(&kunji, &operation, example);
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = kunji.send(operation.method.clone(), &path, &headers, body);
            assert_eq!(answer.status, promised, "{answer:?}");
            let is_json = answer.header("content-type") == Some("application/json");
            if is_json && operation.path != "/openapi.json" {
                agrees(&operation, answer.status, &Tree::parse(&answer.text()));
            }
        }
    }
}

/// A real answer has the members of the example with the same code, in the same order.
#[track_caller]
fn agrees(operation: &Operation<'_>, status: u16, real: &Tree) {
    let examples = match (real.get("token"), operation.tree.get("x-kunji-inner-response")) {
        (Some(token), Some(inner)) => {
            let examples: Vec<&Tree> =
                inner.at("examples").members().map(|(_, example)| example.at("value")).collect();
            let opened = Tree::parse(&opened_text(token.text()));
            return alike(&opened, &examples);
        }
        (_, _) => operation.answers(status),
    };
    alike(real, &examples);
}

#[track_caller]
fn alike(real: &Tree, examples: &[&Tree]) {
    let same_code: Vec<_> =
        examples.iter().filter(|example| example.outcome() == real.outcome()).collect();
    assert!(!same_code.is_empty(), "no example has the outcome {:?}: {real}", real.outcome());
    assert!(
        same_code.iter().any(|example| example.shape() == real.shape()),
        "{real}\nis described as\n{}",
        same_code[0]
    );
}

#[test]
fn every_token_example_holds_the_inner_example() {
    let document = Document::of(&Kunji::sandbox());
    let mut seen = 0;
    for operation in document.operations() {
        let Some(inner) = operation.tree.get("x-kunji-inner-request") else { continue };
        let inner = inner.at("examples");
        let requests = operation.requests();
        let names: Vec<_> = requests.iter().map(|(name, _)| *name).collect();
        let inner_names: Vec<_> = inner.members().map(|(name, _)| name).collect();
        assert_eq!(names, inner_names, "{}", operation.name());
        for (name, example) in requests {
            let token = example.unwrap().at("value").at("token").text();
            assert_eq!(opened_text(token), inner.at(name).at("value").to_string());
            seen += 1;
        }
        let answers = operation.tree.at("x-kunji-inner-response").at("examples");
        let answers: Vec<_> =
            answers.members().map(|(_, example)| example.at("value").to_string()).collect();
        for status in [200, 201] {
            if operation.tree.at("responses").get(&status.to_string()).is_none() {
                continue;
            }
            for answer in operation.answers(status) {
                let text = opened_text(answer.at("token").text());
                assert!(answers.contains(&text), "{}: {text}", operation.name());
            }
        }
    }
    assert_eq!(seen, 10);
}

#[test]
fn every_error_example_is_an_answer_of_the_server() {
    let document = Document::of(&Kunji::sandbox());
    let mut seen = BTreeSet::new();
    for operation in document.operations() {
        for (status, _) in operation.tree.at("responses").members() {
            let status: u16 = status.parse().unwrap();
            for example in operation.answers(status) {
                let text = example.to_string();
                if status < 400 {
                    continue;
                }
                let known = match example.members().next().unwrap().0 {
                    "type" => crate::api::PROBLEMS.contains(&text.as_str()),
                    "message" => crate::axis::ERRORS.contains(&text.as_str()),
                    "responseCode" => crate::prepaid::MESSAGES.contains(&(
                        example.at("responseCode").text(),
                        example.at("responseMessage").text(),
                    )),
                    "token" => true,
                    "requestId" => hyper::ALL_CODES.contains(&example.at("errorCode").text()),
                    "status" => merchants::ALL_CODES.contains(&example.at("responseCode").text()),
                    other => panic!("{other} begins no answer"),
                };
                assert!(known, "{} {status}: {text}", operation.name());
                seen.insert(text);
            }
        }
    }
    // All errors of the Axis-style API and all of our problems are described.
    for error in crate::axis::ERRORS.iter().chain(crate::api::PROBLEMS) {
        assert!(seen.contains(*error), "{error} is not in the document");
    }
}

#[test]
fn every_inner_answer_example_has_a_known_code_and_message() {
    let document = Document::of(&Kunji::sandbox());
    for operation in document.operations() {
        let Some(inner) = operation.tree.get("x-kunji-inner-response") else { continue };
        for (_, example) in inner.at("examples").members() {
            let value = example.at("value");
            let (code, message) =
                (value.at("responseCode").text(), value.at("responseMessage").text());
            if !["00", "201", "0"].contains(&code) {
                assert!(crate::prepaid::MESSAGES.contains(&(code, message)), "{code} {message}");
            }
        }
    }
}

#[test]
fn every_signature_example_is_right() {
    let document = Document::of(&Kunji::sandbox());
    let mut seen = 0;
    for operation in document.operations() {
        for (name, example) in operation.requests() {
            let payload = example.and_then(|one| one.at("value").get("payload"));
            let Some(signed) = payload.and_then(|one| one.get("signaturePayload")) else {
                continue;
            };
            let signature = signed::signature_v2(signed.text());
            assert_eq!(payload.unwrap().at("signature").text(), signature, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
}

/// What generators of clients stumble over; test.sh runs one of them.
#[test]
fn no_schema_is_one_that_generators_misread() {
    let document = Document::of(&Kunji::sandbox());
    let (mut titles, mut tags) = (BTreeSet::new(), BTreeSet::new());
    for (name, schema) in document.root.at("components").at("schemas").members() {
        if let Some(title) = schema.get("title") {
            assert!(titles.insert(title.text()), "{name}: the title {title} stands twice");
        }
        if let Some(forms) = schema.get("discriminator").and(schema.get("oneOf")) {
            let members: Vec<_> = schema.members().map(|(member, _)| member).collect();
            assert_eq!(members, ["oneOf", "discriminator"], "{name}");
            assert!(forms.items().iter().all(|form| form.get("$ref").is_some()), "{name}");
        }
        one_type_in_each_enum(name, schema);
    }
    for operation in document.operations() {
        tags.extend(operation.tree.at("tags").items().iter().map(Tree::text));
    }
    for (name, methods) in document.root.at("webhooks").members() {
        for tag in methods.members().flat_map(|(_, hook)| hook.at("tags").items()) {
            assert!(!tags.contains(tag.text()), "{name} shares {tag} with a call");
        }
    }
}

#[track_caller]
fn one_type_in_each_enum(name: &str, schema: &Tree) {
    if let Some(values) = schema.get("enum") {
        let shapes: BTreeSet<_> = values.items().iter().map(Tree::shape).collect();
        assert!(shapes.len() <= 1, "{name}: {schema}");
    }
    for (_, inner) in schema.members() {
        one_type_in_each_enum(name, inner);
    }
    for inner in schema.items() {
        one_type_in_each_enum(name, inner);
    }
}

#[test]
fn every_action_has_an_example_and_every_code_an_explanation() {
    let document = Document::of(&Kunji::sandbox());
    let operations = document.operations();
    let process = operations.iter().find(|one| one.path == hyper::PROCESS).unwrap();
    let actions: Vec<_> = process.requests().iter().map(|(name, _)| *name).collect();
    assert_eq!(actions, hyper::Action::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>());
    let text = document.root.to_string();
    for code in hyper::ALL_CODES.iter().chain(merchants::ALL_CODES) {
        assert!(text.contains(&format!("`{code}`")), "{code} is not explained");
    }
}
