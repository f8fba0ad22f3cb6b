//! Bodies: a request's is read whole, bounded and in time; a reply's is written as JSON.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kunji_core::reason::Reason;
use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Longest body of any request, in bytes.
pub const BODY_LEN_MAX: usize = 64 * 1024;
/// How long a body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// Does not say that it is JSON.
    NotJson,
    /// Has a content coding, as gzip.
    Encoded,
    /// Longer than [`BODY_LEN_MAX`].
    TooLarge,
    /// Cut off, or slower than [`BODY_TIMEOUT`].
    Incomplete,
}

impl From<BodyError> for Reason {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::NotJson => Self::NotCalledJson,
            BodyError::Encoded => Self::Encoded,
            BodyError::TooLarge => {
                Self::BodyTooLong { len_max: u32::try_from(BODY_LEN_MAX).unwrap_or(u32::MAX) }
            }
            BodyError::Incomplete => Self::BodyIncomplete,
        }
    }
}

/// Writes a body of JSON. What replies are made of, texts, numbers and flags, can always be written.
#[must_use]
pub fn json(reply: &impl Serialize) -> Vec<u8> {
    // Room for nearly all: a buffer that grows is copied and overwritten each time.
    let mut body = Vec::with_capacity(1024);
    // Only a map with other keys than texts is refused.
    serde_json::to_writer(&mut body, reply).map_or_else(|_| Vec::new(), |()| body)
}

/// Where a body breaks that is no JSON; `None`: it is JSON, but another one.
#[must_use]
pub fn broken(error: &serde_json::Error) -> Option<Reason> {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let (line, column) = (place(error.line()), place(error.column()));
    (!error.is_data()).then_some(Reason::NotJson { line, column })
}

/// Reads a body of JSON to its end.
///
/// # Errors
/// `BodyError` when it is said to be something else, too long, too slow or cut off.
pub async fn read(request: Request) -> Result<Bytes, BodyError> {
    if !is_json(request.headers()) {
        return Err(BodyError::NotJson);
    }
    if is_encoded(request.headers()) {
        return Err(BodyError::Encoded);
    }
    let body = request.into_body();
    let limit = u64::try_from(BODY_LEN_MAX).unwrap_or(u64::MAX);
    if body.size_hint().lower() > limit {
        return Err(BodyError::TooLarge);
    }
    let whole = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_LEN_MAX).collect());
    match whole.await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) | Err(_) => Err(BodyError::Incomplete),
    }
}

/// Whether a content coding is named, other than the one that changes nothing.
fn is_encoded(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

/// Whether the request says that its body is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let essence = said.and_then(|said| said.split(|byte| *byte == b';').next());
    essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

/// The whole number that a writer put in floating form (`1.7e9`, `12.0`).
#[must_use]
pub fn whole(number: f64) -> Option<u64> {
    // Above it not every whole number has a form of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let fits = (0.0..=EXACT_MAX).contains(&number) && number.fract() == 0.0;
    fits.then(|| format!("{number}").parse().ok())?
}

/// What was a JSON object: serde takes a list of the members' values for one as well.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// For members that must be objects.
///
/// # Errors
/// When it is something else, or not that object.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// For members that must be objects, `null` or not there; needs `default` beside it.
///
/// # Errors
/// When it is something else, or not that object.
pub fn object_if_any<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let found = Option::<Object<T>>::deserialize(deserializer)?;
    Ok(found.map(|Object(value)| value))
}
