//! Why a body is not what it must be: it is read once more, and the member is named.
//!
//! What is refused is rare, so that the second reading costs nobody else anything. Nothing of the
//! body gets into a reason: names are those of our own types, and numbers are lengths.

use std::borrow::Cow;

use kunji_core::reason::{Name, Reason};
use serde::Deserialize;
use serde::de::Error;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use crate::body::Object;

/// What stands for the whole body where no member is to be named.
pub(crate) const BODY: &str = "body";
const EMPTY: &str = "empty";
const NO_TEXT: &str = "no text";
const TOO_LONG: &str = "too long: ";

/// A member's text is empty.
pub(crate) fn empty<E: Error>() -> E {
    E::custom(EMPTY)
}

/// A member that must be text is none.
pub(crate) fn no_text<E: Error>() -> E {
    E::custom(NO_TEXT)
}

/// A member's text has too many characters.
pub(crate) fn too_long<E: Error>(len: usize, len_max: usize) -> E {
    E::custom(format_args!("{TOO_LONG}{len} {len_max}"))
}

/// Says why these bytes are no such object.
pub(crate) fn explain<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Reason {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, Object<T>>(&mut json) {
        Err(error) => of(error.inner(), named(error.path())),
        // The object is fine, and something follows it.
        Ok(_) => json.end().map_or_else(|error| of(&error, Vec::new()), |()| broken(1, 1)),
    }
}

fn of(error: &serde_json::Error, path: Vec<&str>) -> Reason {
    match error.classify() {
        Category::Io | Category::Syntax | Category::Eof => broken(error.line(), error.column()),
        Category::Data => flawed(path, &error.to_string()),
    }
}

fn broken(line: usize, column: usize) -> Reason {
    Reason::NotJson { line: count(line), column: count(column) }
}

/// The members that lead to where it failed.
fn named(path: &Path) -> Vec<&str> {
    let members = path.iter().filter_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
    });
    members.collect()
}

/// What serde or one of our types says; only what stands in our own source is taken over.
fn flawed<'a>(mut path: Vec<&'a str>, said: &'a str) -> Reason {
    let quoted = |lead: &str| said.strip_prefix(lead)?.split('`').next();
    if let Some(member) = quoted("missing field `") {
        path.push(member);
        return Reason::MemberMissing(path.join(".").into());
    }
    let (twice, unknown) = (quoted("duplicate field `"), said.starts_with("unknown field `"));
    if twice.is_some() || unknown {
        // It failed at a name, and that may be any that the caller sent.
        path.pop();
    }
    path.extend(twice);
    let member = match path.is_empty() {
        true => BODY.to_owned(),
        false => path.join("."),
    };
    if twice.is_some() {
        return malformed(member, "given once");
    }
    if unknown {
        return malformed(member, "without unknown members");
    }
    if said.starts_with(EMPTY) || said.starts_with("invalid type: null") {
        return Reason::MemberMissing(member.into());
    }
    if let Some(lens) = said.strip_prefix(TOO_LONG) {
        let mut lens = lens.split(' ').map(|len| len.parse().unwrap_or(u32::MAX));
        let (len, len_max) = (lens.next().unwrap_or(0), lens.next().unwrap_or(0));
        return Reason::MemberTooLong { member: member.into(), len_max, len };
    }
    Reason::MemberMistyped { member: member.into(), expected: expected(said) }
}

fn malformed(member: String, expected: &'static str) -> Reason {
    Reason::MemberMalformed { member: member.into(), expected: Cow::Borrowed(expected) }
}

/// What our type expects: it stands last, after whatever the body holds.
fn expected(said: &str) -> Name {
    let wanted = said.rsplit_once(", expected ").map_or("text", |(_, wanted)| wanted);
    let wanted = wanted.split_once(" at line ").map_or(wanted, |(wanted, _)| wanted);
    wanted.to_owned().into()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        _name: String,
        #[serde(default, deserialize_with = "crate::body::object_if_any")]
        _inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[serde(rename = "count")]
        _count: u32,
    }

    #[test]
    fn reasons_name_members_and_hold_nothing_of_the_body() {
        for (body, code, sentence) in [
            ("{", "not_json", "the body is not JSON: it breaks at line 1, column 1"),
            ("{}\n {}", "member_missing", "the member _name is missing or empty"),
            (
                r#"{"_name":"a"} x"#,
                "not_json",
                "the body is not JSON: it breaks at line 1, column 15",
            ),
            ("[]", "member_mistyped", "the member body is not an object"),
            ("{}", "member_missing", "the member _name is missing or empty"),
            (r#"{"_name":null}"#, "member_missing", "the member _name is missing or empty"),
            (r#"{"_name":4826}"#, "member_mistyped", "the member _name is not a string"),
            (
                r#"{"_name":"a","_name":"b"}"#,
                "member_malformed",
                "the member _name is not given once",
            ),
            (
                r#"{"_name":"a","4826":1}"#,
                "member_malformed",
                "the member body is not without unknown members",
            ),
            (
                r#"{"_name":"a","_inner":{}}"#,
                "member_missing",
                "the member _inner.count is missing or empty",
            ),
            (
                r#"{"_name":"a","_inner":{"count":"4826, expected 4826 at line 4826"}}"#,
                "member_mistyped",
                "the member _inner.count is not u32",
            ),
            (
                r#"{"_name":"a","_inner":"missing field `4826`"}"#,
                "member_mistyped",
                "the member _inner is not an object",
            ),
        ] {
            let reason = explain::<Outer>(body.as_bytes());
            assert_eq!((reason.code(), reason.to_string().as_str()), (code, sentence), "{body}");
        }
    }
}
