//! The three calls: read, decide by test id or by credential, say.

use axum::extract::{Request, State};
use axum::response::Response;
use kunji_core::command::Target;
use kunji_core::engine::Answered;
use kunji_core::time::Clock as _;

use super::reply::{ApiError, ChangeEcho, StatusCall, StatusEcho, respond};
use super::request::{self, Mode, TestId};
use super::wire::{ChangeMpinBody, OtpBody, SetResetBody};
use crate::app::App;
use crate::telemetry::because;

/// `POST /api/transactions/v1/changempin`.
pub(super) async fn change_mpin(
    State(app): State<App>,
    http: Request,
) -> Result<Response, ApiError> {
    let mode = Mode::of(&app, http.headers());
    let bytes = request::bytes(http).await?;
    let root = request::parse::<ChangeMpinBody<'_>>(&bytes)?.root;
    match mode {
        Mode::Scenario(TestId::One) => {
            let stamp = app.clock().stamp();
            Ok(respond(ChangeEcho::of(&root).success(stamp.now, stamp.entropy)))
        }
        Mode::Scenario(TestId::Two) => Err(ApiError::WrongMpin),
        Mode::Scenario(TestId::Three) => Err(ApiError::InvalidInput),
        Mode::Scenario(TestId::Four) => Err(ApiError::WeakMpin),
        Mode::Scenario(TestId::Unsupported) => Err(ApiError::InvalidTestId),
        Mode::Live => {
            let echo = ChangeEcho::of(&root).into_owned();
            let command = request::change(root.body, app.config().transit)?;
            live(&app, command, echo).await
        }
    }
}

/// `POST /api/axis/upi/set-reset-mpin`.
pub(super) async fn set_reset_mpin(
    State(app): State<App>,
    http: Request,
) -> Result<Response, ApiError> {
    let mode = Mode::of(&app, http.headers());
    let bytes = request::bytes(http).await?;
    let root = request::parse::<SetResetBody<'_>>(&bytes)?.root;
    let echo = StatusEcho::of(StatusCall::SetReset, root.sub_header);
    match mode {
        Mode::Scenario(id) => Ok(scenario(&echo, id)),
        Mode::Live => live(&app, request::set_reset(&app, root.body).await?, echo).await,
    }
}

/// `POST /api/axis/upi/otp/request`.
pub(super) async fn request_otp(
    State(app): State<App>,
    http: Request,
) -> Result<Response, ApiError> {
    let mode = Mode::of(&app, http.headers());
    let bytes = request::bytes(http).await?;
    let root = request::parse::<OtpBody<'_>>(&bytes)?.root;
    let echo = StatusEcho::of(StatusCall::OtpRequest, root.sub_header);
    match mode {
        Mode::Scenario(id) => Ok(scenario(&echo, id)),
        Mode::Live => live(&app, request::otp_request(&app, root.body).await?, echo).await,
    }
}

fn scenario(echo: &StatusEcho, id: TestId) -> Response {
    let (code, status) = match id {
        TestId::One => ("00", "Success"),
        TestId::Three => ("01", "Customer Accounts Not Found"),
        TestId::Two | TestId::Four | TestId::Unsupported => ("99", "Invalid Test ID"),
    };
    respond(echo.reply(code, status))
}

async fn live(
    app: &App,
    command: kunji_core::command::Request,
    echo: impl kunji_core::engine::Voice + Send + 'static,
) -> Result<Response, ApiError> {
    if let Target::Known(account) = &command.target {
        app.admit("axis", account)?;
    }
    let Answered { reply, reason } = app.run(command, echo).await?;
    Ok(because(respond(reply), reason))
}
