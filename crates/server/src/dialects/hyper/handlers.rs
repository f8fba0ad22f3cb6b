//! The routes: read the envelope, find out who asks, let the action answer.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kunji_core::engine::Fault;
use kunji_core::ids::CaptureId;
use kunji_core::mapper::Wait;
use kunji_core::reason::Reason;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::action::{Action, SdkError};
use super::auth::{Denied, Identity, SESSION};
use super::captures::{self, Secrets, Sitting, Submitted};
use super::reply::{Event, GivenUp};
use super::request::{BadMember, Envelope, Payload, request_id_in};
use super::wire::{CredsBody, EnvelopeBody};
use super::{numbers, pins, profile};
use crate::app::App;
use crate::body::{self, BodyError, Object};
use crate::limiter::RetryAfter;
use crate::sandbox::fault;

/// How long a look at a result waits for it.
const RESULT_WAIT: Duration = Duration::from_secs(25);
/// How long it sleeps when nobody calls.
const RESULT_TICK: Duration = Duration::from_millis(500);

/// A capture's name in a path, which may be no text at all.
type NamedPath = Result<Path<String>, PathRejection>;

/// An action that is being answered.
pub(super) struct Ask<'a> {
    pub(super) app: &'a App,
    pub(super) action: Action,
    pub(super) identity: Identity<'a>,
    pub(super) request_id: &'a str,
    pub(super) payload: Payload<'a>,
    /// Whether a change of a number is to wait: a fault that the sandbox was asked for.
    pub(super) wait: Option<Wait>,
    /// Where the customer reaches us.
    pub(super) base: String,
}

/// Why an action is not answered by its own words.
pub(super) enum Stop {
    Bad(BadMember),
    Denied(Denied),
    TooMany(RetryAfter),
}

impl From<BadMember> for Stop {
    fn from(bad: BadMember) -> Self {
        Self::Bad(bad)
    }
}

impl From<Denied> for Stop {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Denied(Denied::Fault(fault))
    }
}

impl From<RetryAfter> for Stop {
    fn from(after: RetryAfter) -> Self {
        Self::TooMany(after)
    }
}

impl Stop {
    fn event(self, app: &App, request_id: &str) -> Event {
        match self {
            Self::Bad(BadMember { message, reason }) => {
                Event::error(request_id, SdkError::BadParameter, &message, reason)
            }
            Self::Denied(Denied::NotAuthentic(why)) => {
                Event::not_authentic(request_id, Reason::Unsigned(why.into()))
            }
            Self::Denied(Denied::Fault(fault)) => broken(app, &fault, request_id),
            Self::TooMany(after) => Event::too_many(request_id, after, Reason::AllowanceUsedUp),
        }
    }
}

/// What an action comes to.
pub(super) type Answer = Result<Event, Stop>;

/// `POST /hyper/v1/process`.
pub(super) async fn process(State(app): State<App>, http: HttpRequest) -> Event {
    let headers = http.headers().clone();
    let body: EnvelopeBody = match read(http, None).await {
        Ok(body) => body,
        Err(event) => return event,
    };
    let Object(body) = body;
    let envelope = match Envelope::read(&body) {
        Ok(envelope) => envelope,
        Err(BadMember { message, reason }) => {
            let request_id = body.get("requestId").and_then(|id| id.as_str());
            let request_id = request_id.filter(|id| id.len() <= 256).unwrap_or_default();
            let event = Event::error(request_id, SdkError::BadParameter, &message, reason);
            return event.with_status(StatusCode::BAD_REQUEST);
        }
    };
    let request_id = envelope.request_id;
    match act(&app, &headers, &envelope).await {
        Ok(event) => event,
        Err(stop) => stop.event(&app, request_id),
    }
}

async fn act(app: &App, headers: &HeaderMap, envelope: &Envelope<'_>) -> Answer {
    let Envelope { request_id, payload } = *envelope;
    let word = payload.text("action")?;
    let Some(action) = Action::parse(word) else {
        let word = word.chars().take(64).collect::<String>();
        let message = format!("Unknown event : {word}");
        let why = Reason::malformed("action", "one of the actions");
        return Ok(Event::error(request_id, SdkError::UnknownOrLate, &message, why));
    };
    let identity = Identity::of(app, headers, payload, action).await?;
    if identity.has_other_mobile() && action != Action::Bind {
        return Err(Denied::NotAuthentic("customer_phone is not the customer's number").into());
    }
    let merchant = identity.profile.merchant.as_str();
    app.admit_customer(&format!("hyper:{merchant}"), identity.profile.customer.as_str())?;
    let wait = fault::pending(app, headers);
    let wait = wait.map_err(|_| BadMember {
        message: format!("{} is not {}", fault::HEADER, fault::PENDING),
        reason: Reason::HeaderMalformed {
            header: fault::HEADER.into(),
            expected: fault::PENDING.into(),
        },
    })?;
    let base = app.public_url(headers);
    let ask = Ask { app, action, identity, request_id, payload, wait, base };
    match action {
        Action::Initiate => profile::initiate(ask).await,
        Action::SessionToken => profile::session_token(ask).await,
        Action::Bind => profile::bind(ask).await,
        Action::BankList => Ok(profile::bank_list(&ask)),
        Action::Accounts => profile::accounts(ask).await,
        Action::VpaAvailability => profile::vpa_availability(ask).await,
        Action::LinkAccounts | Action::LinkAccount => profile::link(ask).await,
        Action::MakePrimary => profile::make_primary(ask).await,
        Action::SetMpin => pins::set(ask).await,
        Action::ChangeMpin => pins::change(ask).await,
        Action::CheckBalance => pins::balance(ask).await,
        Action::CheckNumber => numbers::check(ask).await,
        Action::CreateNumber => numbers::create(ask).await,
        Action::UpdateNumber => numbers::update(ask).await,
        Action::DeleteVpa => profile::delete_vpa(ask).await,
        Action::DeleteAccount => profile::delete_account(ask).await,
        Action::Deregister => profile::deregister(ask).await,
        Action::UpdateAuth => profile::update_auth(ask).await,
    }
}

/// `POST /hyper/v1/captures/{id}`.
pub(super) async fn submit(State(app): State<App>, id: NamedPath, http: HttpRequest) -> Event {
    let headers = http.headers().clone();
    let sitting = match sitting(&app, &headers, &id).await {
        Ok(sitting) => sitting,
        Err(event) => return event,
    };
    let request_id = sitting.capture.order.request_id.clone();
    let body: Object<CredsBody> = match read(http, Some(&request_id)).await {
        Ok(body) => body,
        Err(event) => return event,
    };
    let Some(secrets) = Secrets::of(body.0, &sitting.capture.order.purpose) else {
        let why = Reason::malformed("creds", "one sealed block for each control, and no other");
        return Event::capture_failed(&request_id, why);
    };
    // An allowance of its own: who knows one link cannot use up that of another.
    if let Err(after) = app.admit_customer("capture", sitting.capture.id.as_str()) {
        return Event::too_many(&request_id, after, Reason::AllowanceUsedUp);
    }
    if let Err(after) = app.admit_guess(&app.issuer(), &sitting.capture.order.caller) {
        return Event::too_many(&request_id, after, Reason::GuessBudgetUsedUp);
    }
    let open = sitting.capture.ending.is_none();
    let submitted = match (sitting.is_late(&app), sitting.is_unbound()) {
        (true, _) if open => sitting.expire(&app).await.map(Submitted::late),
        (false, true) if open => sitting.withdraw(&app).await.map(Submitted::withdrawn),
        (_, _) => sitting.submit(&app, secrets).await,
    };
    match submitted {
        Ok(Submitted::Ended(ending, reason)) => Event::ended(ending).because(reason),
        Ok(Submitted::TooLate(reason)) => Event::capture_failed(&request_id, reason),
        Err(fault) => broken(&app, &fault, &request_id),
    }
}

/// `DELETE /hyper/v1/captures/{id}`.
pub(super) async fn cancel(State(app): State<App>, id: NamedPath, headers: HeaderMap) -> Event {
    let sitting = match sitting(&app, &headers, &id).await {
        Ok(sitting) => sitting,
        Err(event) => return event,
    };
    let request_id = sitting.capture.order.request_id.clone();
    let ending = match sitting.is_late(&app) {
        true => sitting.expire(&app).await,
        false => sitting.give_up(&app, "user_aborted", GivenUp::Aborted).await,
    };
    ending.map_or_else(|fault| broken(&app, &fault, &request_id), Event::ended)
}

/// `GET /hyper/v1/captures/{id}/result`: waits a while; 204 when it is still open.
pub(super) async fn result(State(app): State<App>, id: NamedPath, headers: HeaderMap) -> Response {
    let started = tokio::time::Instant::now();
    loop {
        let sitting = match sitting(&app, &headers, &id).await {
            Ok(sitting) => sitting,
            Err(event) => return event.into_response(),
        };
        let request_id = sitting.capture.order.request_id.clone();
        let capture = sitting.capture.id.clone();
        match captures::ending(&app, sitting).await {
            Ok(Some(ending)) => return Event::ended(ending).into_response(),
            Ok(None) if app.is_closing() || started.elapsed() >= RESULT_WAIT => {
                let again = [(header::CACHE_CONTROL, "no-store")];
                return (StatusCode::NO_CONTENT, again).into_response();
            }
            Ok(None) => {}
            Err(fault) => return broken(&app, &fault, &request_id).into_response(),
        }
        // Whether it ended or not is asked again in either case.
        let _ = tokio::time::timeout(RESULT_TICK, app.capture_end(&capture)).await;
    }
}

/// `GET /hyper/v1/captures/{id}/page`.
pub(super) async fn page(State(app): State<App>, id: NamedPath) -> Response {
    let none = HeaderMap::new();
    let Ok(sitting) = sitting(&app, &none, &id).await else {
        return super::html(StatusCode::NOT_FOUND, super::NO_CAPTURE.to_owned());
    };
    match sitting.page(&app).await {
        Ok(page) => super::html(StatusCode::OK, page),
        Err(fault) => {
            app.report(&fault, "capture_page");
            super::html(StatusCode::SERVICE_UNAVAILABLE, super::NO_CAPTURE.to_owned())
        }
    }
}

/// The capture that is named; a session that is shown must be the one that it belongs to.
async fn sitting(app: &App, headers: &HeaderMap, id: &NamedPath) -> Result<Sitting, Event> {
    let unknown = || {
        let why = Reason::rule("no_such_capture", "there is no such capture, or its link is over");
        Event::capture_failed("", why).with_status(StatusCode::NOT_FOUND)
    };
    let id = id.as_ref().ok().and_then(|Path(id)| CaptureId::parse(id).ok()).ok_or_else(unknown)?;
    let found = captures::find(app, &id).await.map_err(|fault| broken(app, &fault, ""))?;
    let sitting = found.ok_or_else(unknown)?;
    if headers.contains_key(SESSION) {
        let order = &sitting.capture.order;
        let denied = |why: &'static str| {
            Event::not_authentic(&order.request_id, Reason::Unsigned(why.into()))
        };
        let shown = match Identity::by_session(app, headers).await {
            Ok(shown) => shown,
            Err(Denied::NotAuthentic(why)) => return Err(denied(why)),
            Err(Denied::Fault(_)) => return Err(denied("the session could not be looked up")),
        };
        let other = match (&order.session, &shown.session) {
            (Some(opened), Some(shown)) => !opened.same_as(shown),
            (Some(_), None) => true,
            (None, _) => shown.profile != order.profile,
        };
        if other {
            return Err(denied("the session is not the one that opened the capture"));
        }
    }
    Ok(sitting)
}

fn broken(app: &App, fault: &Fault, request_id: &str) -> Event {
    app.report(fault, "hyper");
    Event::error(request_id, SdkError::UnknownOrLate, "Outcome unknown", None)
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
}

/// Reads a JSON object of this vendor. What the reader says of it may show parts of it, so that
/// only the place is told; of a body which is JSON, but not this one, only that it is another one.
async fn read<T: DeserializeOwned>(
    http: HttpRequest,
    request_id: Option<&str>,
) -> Result<Object<T>, Event> {
    let refused = |status: StatusCode, problem: &str, why: Reason| {
        Event::error(request_id.unwrap_or_default(), SdkError::BadParameter, problem, why)
            .with_status(status)
    };
    let bytes = body::read(http).await.map_err(|error| {
        let (status, problem) = match error {
            BodyError::NotJson => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content type must be JSON")
            }
            BodyError::Encoded => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content coding must be identity")
            }
            BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is over 64 KiB"),
            BodyError::Incomplete => (StatusCode::BAD_REQUEST, "The body is incomplete"),
        };
        refused(status, problem, error.into())
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let problem = match error.classify() {
            Category::Data => {
                "The body is JSON, but lacks a member or has one of another type".to_owned()
            }
            Category::Eof => {
                format!("The body is not well formed JSON: it ends early, at line {line}, column {column}")
            }
            Category::Syntax | Category::Io => {
                format!("The body is not well formed JSON: it breaks at line {line}, column {column}")
            }
        };
        let found = request_id.map_or_else(|| request_id_in(&bytes), |id| Some(id.to_owned()));
        let why = body::broken(&error);
        let why = why.unwrap_or(Reason::malformed("body", "an object with all of its members"));
        Event::error(&found.unwrap_or_default(), SdkError::BadParameter, &problem, why)
            .with_status(StatusCode::BAD_REQUEST)
    })
}
