//! JSON that remembers the order of its members.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Names of members that say what became of a request.
const OUTCOMES: [&str; 7] =
    ["responseCode", "gatewayResponseCode", "verdict", "code", "errorCode", "action", "event"];

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Object(Vec<(String, Tree)>),
    List(Vec<Tree>),
    Plain(Value),
}

impl Tree {
    #[track_caller]
    pub(super) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.members().find(|(member, _)| *member == name).map(|(_, value)| value)
    }

    #[track_caller]
    pub(super) fn at(&self, name: &str) -> &Self {
        self.get(name).unwrap_or_else(|| panic!("no {name}"))
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Self)> {
        let members = match self {
            Self::Object(members) => members.as_slice(),
            Self::List(_) | Self::Plain(_) => &[],
        };
        members.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Object(_) | Self::Plain(_) => &[],
        }
    }

    #[track_caller]
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Plain(Value::String(text)) => text,
            Self::Object(_) | Self::List(_) | Self::Plain(_) => panic!("{self} is no text"),
        }
    }

    /// Names and types, in order, without the values.
    pub(super) fn shape(&self) -> String {
        match self {
            Self::Object(members) => {
                let members =
                    members.iter().map(|(name, value)| format!("{name}:{}", value.shape()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
            // The first item stands for all: keys of a set may differ, as may their number.
            Self::List(items) => {
                format!("[{}]", items.first().map(Self::shape).unwrap_or_default())
            }
            Self::Plain(Value::Null) => "null".to_owned(),
            Self::Plain(Value::Bool(_)) => "flag".to_owned(),
            Self::Plain(Value::Number(_)) => "number".to_owned(),
            Self::Plain(_) => "text".to_owned(),
        }
    }

    /// The members, from the outside in, that say what became of a request.
    pub(super) fn outcome(&self) -> Vec<&str> {
        let mut found = Vec::new();
        for (name, value) in self.members() {
            match value {
                Self::Plain(Value::String(text)) if OUTCOMES.contains(&name) => found.push(&**text),
                Self::Object(_) | Self::List(_) | Self::Plain(_) => found.extend(value.outcome()),
            }
        }
        found
    }
}

/// Compact, as the server writes it.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(members) => {
                f.write_str("{")?;
                for (number, (name, value)) in members.iter().enumerate() {
                    let comma = if number > 0 { "," } else { "" };
                    write!(f, "{comma}{}:{value}", Value::from(name.as_str()))?;
                }
                f.write_str("}")
            }
            Self::List(items) => {
                f.write_str("[")?;
                for (number, item) in items.iter().enumerate() {
                    let comma = if number > 0 { "," } else { "" };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Plain(value) => write!(f, "{value}"),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TreeVisitor;

        impl<'de> Visitor<'de> for TreeVisitor {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Tree::Object(members))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }

            fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
                Ok(Tree::Plain(text.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
                Ok(Tree::Plain(number.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
                Ok(Tree::Plain(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
                Ok(Tree::Plain(number.into()))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
                Ok(Tree::Plain(flag.into()))
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Plain(Value::Null))
            }
        }

        deserializer.deserialize_any(TreeVisitor)
    }
}
