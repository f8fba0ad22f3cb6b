//! The three calls: read, decide by test id or by credential, say.

use axum::extract::{Request, State};
use axum::response::Response;
use kunji_core::command::Request as Asked;
use kunji_core::engine::{Answered, Voice};
use kunji_core::reason::Reason;
use kunji_core::time::Clock as _;

use super::client;
use super::reply::{ApiError, ChangeEcho, Denied, StatusCall, StatusEcho, respond};
use super::request::{self, Allowance, Mode, TestId};
use super::wire::{ChangeMpinBody, OtpBody, SetResetBody};
use crate::app::App;
use crate::config::AxisClient;
use crate::telemetry::because;

/// `POST /api/transactions/v1/changempin`.
pub(super) async fn change_mpin(State(app): State<App>, http: Request) -> Result<Response, Denied> {
    let client = client::of(&app, http.headers())?;
    let mode = Mode::of(&app, http.headers())?;
    let bytes = request::bytes(http).await?;
    let root = request::parse::<ChangeMpinBody<'_>>(&bytes)?.root;
    match mode {
        Mode::Scenario(TestId::One) => {
            let stamp = app.clock().stamp();
            let echo = ChangeEcho::of(&root);
            Ok(respond(echo.success(echo.account(), stamp.now, stamp.entropy)))
        }
        Mode::Scenario(id) => Err(match id {
            TestId::Two => ApiError::WrongMpin,
            TestId::One | TestId::Three => ApiError::InvalidInput,
            TestId::Four => ApiError::WeakMpin,
            TestId::Unsupported | TestId::Missing => ApiError::InvalidTestId,
        }
        .because(id.reason("1, 2, 3 or 4"))),
        Mode::Live => {
            let echo = ChangeEcho::of(&root).into_owned();
            let asked = request::change(client, root.body, app.config().transit)?;
            live(&app, client, asked, echo).await
        }
    }
}

/// `POST /api/axis/upi/set-reset-mpin`.
pub(super) async fn set_reset_mpin(
    State(app): State<App>,
    http: Request,
) -> Result<Response, Denied> {
    let client = client::of(&app, http.headers())?;
    let mode = Mode::of(&app, http.headers())?;
    let bytes = request::bytes(http).await?;
    let root = request::parse::<SetResetBody<'_>>(&bytes)?.root;
    let echo = StatusEcho::of(StatusCall::SetReset, root.sub_header);
    match mode {
        Mode::Scenario(id) => Ok(scenario(&echo, id)),
        Mode::Live => {
            let asked = request::set_reset(&app, client, root.body).await?;
            live(&app, client, asked, echo).await
        }
    }
}

/// `POST /api/axis/upi/otp/request`.
pub(super) async fn request_otp(State(app): State<App>, http: Request) -> Result<Response, Denied> {
    let client = client::of(&app, http.headers())?;
    let mode = Mode::of(&app, http.headers())?;
    let bytes = request::bytes(http).await?;
    let root = request::parse::<OtpBody<'_>>(&bytes)?.root;
    let echo = StatusEcho::of(StatusCall::OtpRequest, root.sub_header);
    match mode {
        Mode::Scenario(id) => Ok(scenario(&echo, id)),
        Mode::Live => {
            let asked = request::otp_request(&app, client, root.body).await?;
            live(&app, client, asked, echo).await
        }
    }
}

fn scenario(echo: &StatusEcho, id: TestId) -> Response {
    let known = "1 or 3";
    let (code, status, reason) = match id {
        TestId::One => ("00", "Success", None),
        TestId::Three => ("01", "Customer Accounts Not Found", Some(id.reason(known))),
        TestId::Two | TestId::Four | TestId::Unsupported => {
            ("99", "Invalid Test ID", Some(TestId::Unsupported.reason(known)))
        }
        TestId::Missing => ("99", "Invalid Test ID", Some(id.reason(known))),
    };
    because(respond(echo.reply(code, status)), reason)
}

async fn live(
    app: &App,
    client: &AxisClient,
    (asked, allowance): (Asked, Allowance),
    echo: impl Voice + Send + 'static,
) -> Result<Response, Denied> {
    let caller = format!("axis:{}", client.name);
    match &allowance {
        Allowance::Account(account) => app.admit(&caller, account)?,
        Allowance::Unproven(customer, _) => app.admit_customer(&caller, customer.as_str())?,
    }
    let Answered { reply, reason } = app.run(asked, echo).await?;
    // The rules have found nobody; who runs this is told why.
    let reason = match (reason, allowance) {
        (Some(Reason::NoSuchCredential), Allowance::Unproven(_, finer)) => Some(finer),
        (reason, _) => reason,
    };
    Ok(because(respond(reply), reason))
}
