//! The layers of the configuration: the later one wins, key by key.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::file::ConfigFile;

/// Settings before they are one file.
#[derive(Debug, Clone)]
pub struct Layers {
    merged: Table,
}

/// Layers that do not make one file.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML; says where, not what stands there.
    #[error("{path} is not valid TOML in line {line}")]
    NotToml {
        /// Which file.
        path: PathBuf,
        /// Its first bad line.
        line: usize,
    },
    /// A key is unknown, missing or of the wrong type.
    #[error("{0}")]
    Shape(String),
    /// A variable names no setting.
    #[error("the variable {0} names no setting: KUNJI_SECTION__KEY")]
    Variable(String),
    /// A variable's value is not UTF-8.
    #[error("the value of the variable {0} is not valid UTF-8")]
    NotText(String),
}

/// The one setting that is a secret and can be a variable.
const STORE_URL: &str = "KUNJI_STORE__URL";
const DEFAULTS: &str = include_str!("defaults.toml");
const SANDBOX: &str = include_str!("sandbox.toml");

impl Layers {
    /// The defaults of `kunji serve`.
    ///
    /// # Errors
    /// `LayerError` never, as a test shows.
    pub fn defaults() -> Result<Self, LayerError> {
        Self { merged: Table::new() }.text(DEFAULTS, Path::new("defaults"))
    }

    /// The defaults of `kunji sandbox`.
    ///
    /// # Errors
    /// `LayerError` never, as a test shows.
    pub fn sandbox() -> Result<Self, LayerError> {
        Self::defaults()?.text(SANDBOX, Path::new("sandbox"))
    }

    /// Lays a file on top.
    ///
    /// # Errors
    /// `LayerError` when it cannot be read or is no TOML.
    pub fn file(self, path: &Path) -> Result<Self, LayerError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| LayerError::Unreadable { path: path.to_owned(), source })?;
        self.text(&text, path)
    }

    /// Lays the variables `KUNJI_SECTION__KEY` on top; other variables are not ours. Kubernetes sets
    /// some for a service of our name, as `KUNJI_SERVICE_HOST`.
    ///
    /// # Errors
    /// `LayerError` when one of ours names no section, or its value is not UTF-8.
    pub fn environment(
        mut self,
        variables: impl Iterator<Item = (String, OsString)>,
    ) -> Result<Self, LayerError> {
        for (name, value) in variables {
            let Some(setting) = name.strip_prefix("KUNJI_") else { continue };
            if !name.contains("__") {
                continue;
            }
            let parts = setting.split_once("__");
            let parts = parts.map(|(section, key)| (section.to_lowercase(), key.to_lowercase()));
            let parts = parts.filter(|(section, _)| self.merged.contains_key(section));
            let Some((section, key)) = parts else { return Err(LayerError::Variable(name)) };
            let value = value.into_string().map_err(|_| LayerError::NotText(name))?;
            self = self.set(&section, &key, scalar(&value));
        }
        Ok(self)
    }

    /// Lays one setting on top, as from a flag.
    #[must_use]
    pub fn set(mut self, section: &str, key: &str, value: impl Into<Value>) -> Self {
        let table = self.merged.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(table) = table {
            table.insert(key.to_owned(), value.into());
        }
        self
    }

    /// The variables that hold secrets: those that are named as `env:NAME`, and the one that may
    /// hold the store's address.
    #[must_use]
    pub fn secret_variables(&self) -> BTreeSet<String> {
        fn named(value: &Value, names: &mut BTreeSet<String>) {
            match value {
                Value::String(text) => names.extend(text.strip_prefix("env:").map(str::to_owned)),
                Value::Array(values) => values.iter().for_each(|value| named(value, names)),
                Value::Table(values) => values.values().for_each(|value| named(value, names)),
                Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
            }
        }
        let mut names = BTreeSet::from([STORE_URL.to_owned()]);
        self.merged.values().for_each(|value| named(value, &mut names));
        names
    }

    /// Reads the layers as one file.
    ///
    /// # Errors
    /// `LayerError::Shape` names the key and what was expected, never the value.
    pub fn read(self) -> Result<ConfigFile, LayerError> {
        self.merged.try_into().map_err(|error: toml::de::Error| {
            // Whole, the error says the message and then, in a line of its own, where.
            let whole = error.to_string();
            let place = whole.strip_prefix(error.message()).unwrap_or_default().trim();
            let problem = without_value(error.message());
            match place.is_empty() {
                true => LayerError::Shape(problem),
                false => LayerError::Shape(format!("{problem} {place}")),
            }
        })
    }

    fn text(mut self, text: &str, path: &Path) -> Result<Self, LayerError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            LayerError::NotToml { path: path.to_owned(), line: before.lines().count().max(1) }
        })?;
        lay(&mut self.merged, table);
        Ok(self)
    }
}

/// What was expected, without what stands there instead: that may be a secret in the wrong place.
pub(crate) fn without_value(message: &str) -> String {
    let tells_value = message.starts_with("invalid ") || message.starts_with("unknown variant");
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if tells_value => format!("expected {expected}"),
        Some(_) | None => message.to_owned(),
    }
}

/// Tables are merged key by key; everything else is replaced.
fn lay(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// A variable's text as the TOML scalar that it looks like.
fn scalar(text: &str) -> Value {
    match (text.parse::<i64>(), text.parse::<bool>()) {
        (Ok(number), _) => Value::Integer(number),
        (_, Ok(flag)) => Value::Boolean(flag),
        (Err(_), Err(_)) => Value::String(text.to_owned()),
    }
}
