//! What the vendors' documents print, read off them: each row names the cases that reach it.

use std::fmt::Write as _;

/// One document of a vendor.
pub(crate) struct Document {
    /// The dialect that it describes.
    pub(crate) dialect: &'static str,
    /// Its title.
    pub(crate) name: &'static str,
    /// All that it prints of answers, in its order.
    pub(crate) rows: &'static [Printed],
}

/// One thing that a document prints of an answer, or a sample of a request.
pub(crate) struct Printed {
    /// Where it stands.
    pub(crate) place: &'static str,
    /// The code or word; `-` where none is printed.
    pub(crate) code: &'static str,
    /// The HTTP status, where one is printed.
    pub(crate) http: Option<u16>,
    /// The sentences beside the code: one answer has them all.
    pub(crate) sentences: &'static [&'static str],
    /// The sample of the whole answer.
    pub(crate) sample: Sample,
    /// The cases that reach it: call and case.
    pub(crate) reached: &'static [(&'static str, &'static str)],
    /// The calls that never send it: call, and why.
    pub(crate) never: &'static [(&'static str, &'static str)],
}

/// How a printed sample is held against an answer.
pub(crate) enum Sample {
    /// None is printed, or it is one of a request.
    None,
    /// Byte for byte, apart from blanks between members.
    Exact(&'static str),
    /// The same members in the same order, each of the same type.
    Shape(&'static str),
}

/// A row to start from.
pub(crate) const ROW: Printed = Printed {
    place: "",
    code: "-",
    http: None,
    sentences: &[],
    sample: Sample::None,
    reached: &[],
    never: &[],
};

impl Printed {
    /// One of the answers must be what is printed.
    #[track_caller]
    pub(crate) fn check(&self, heard: &[String]) {
        let found = heard.iter().any(|text| self.is_in(text));
        assert!(found, "{}: `{}` {:?} in {heard:#?}", self.place, self.code, self.sentences);
    }

    fn is_in(&self, text: &str) -> bool {
        let coded = self.code == "-" || has_value(text, self.code);
        let sampled = match self.sample {
            Sample::None => true,
            Sample::Exact(printed) => text == dense(printed),
            Sample::Shape(printed) => shape(text) == shape(printed),
        };
        coded && sampled && self.sentences.iter().all(|sentence| text.contains(sentence))
    }
}

impl Document {
    /// Writes the document's table.
    pub(crate) fn write(&self, text: &mut String) {
        let _ = writeln!(text, "\n## {}\n", self.name);
        let _ = writeln!(text, "| place | code | HTTP | sentence | reached by | never sent |");
        let _ = writeln!(text, "|---|---|---|---|---|---|");
        for Printed { place, code, http, sentences, reached, never, .. } in self.rows {
            let http = http.map_or("-".to_owned(), |http| http.to_string());
            let (sentences, reached, never) =
                (sentences.join("; "), listed(reached), listed(never));
            let code = format!("`{code}`");
            let row = [place, code.as_str(), &http, &sentences, &reached, &never];
            let row = row.map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
    }
}

fn listed(pairs: &[(&str, &str)]) -> String {
    match pairs {
        [] => "-".to_owned(),
        pairs => pairs
            .iter()
            .map(|(call, text)| format!("{call}: {text}"))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

/// Whether a member has this value, as text or as a number.
fn has_value(text: &str, value: &str) -> bool {
    let after = |lead: &str, ends: &[char]| {
        text.match_indices(lead).any(|(at, _)| text[at + lead.len()..].starts_with(ends))
    };
    after(&format!("\"{value}\""), &[',', '}', ']']) || after(&format!(":{value}"), &[',', '}'])
}

/// JSON without the blanks between its tokens.
fn dense(text: &str) -> String {
    tokens(text).concat()
}

/// JSON whose values are replaced by their types.
fn shape(text: &str) -> String {
    let tokens = tokens(text);
    let name = |at: usize| tokens.get(at + 1).is_some_and(|next| next == ":");
    let shaped = tokens.iter().enumerate().map(|(at, token)| match token.as_bytes()[0] {
        b'"' if !name(at) => "text",
        b'0'..=b'9' | b'-' => "number",
        _ => token,
    });
    shaped.collect()
}

/// Texts, marks, and everything else that is no blank.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '"' => {
                let mut escaped = false;
                let end = rest[1..].find(|letter| {
                    let ends = letter == '"' && !escaped;
                    escaped = letter == '\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |end| end + 2)
            }
            '{' | '}' | '[' | ']' | ':' | ',' => 1,
            _ => {
                let ends = |letter: char| letter.is_whitespace() || "{}[]:,\"".contains(letter);
                rest.find(ends).unwrap_or(rest.len())
            }
        };
        tokens.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    tokens
}

#[test]
fn a_sample_is_told_from_another_answer() {
    let printed = r#"{ "a": "string", "b": [1, {"c": "say \"x\""}] }"#;
    assert_eq!(dense(printed), r#"{"a":"string","b":[1,{"c":"say \"x\""}]}"#);
    assert_eq!(shape(printed), shape(r#"{"a":"","b":[20,{"c":"d"}]}"#));
    for other in [
        r#"{"b":[1,{"c":""}],"a":""}"#,
        r#"{"a":1,"b":[1,{"c":""}]}"#,
        r#"{"a":"","b":[1,{"c":"","d":""}]}"#,
        r#"{"a":"","b":[1]}"#,
    ] {
        assert_ne!(shape(printed), shape(other), "{other}");
    }
    assert!(has_value(r#"{"a":"00"}"#, "00") && has_value(r#"{"a":7,"b":1}"#, "7"));
    assert!(!has_value(r#"{"00":"a"}"#, "00") && !has_value(r#"{"a":71}"#, "7"));
    let row = Printed { code: "00", sentences: &["Done"], ..ROW };
    let found = |heard: &str| row.is_in(heard);
    assert!(found(r#"{"code":"00","text":"Done"}"#));
    assert!(!found(r#"{"code":"01","text":"Done"}"#) && !found(r#"{"code":"00","text":"No"}"#));
}
