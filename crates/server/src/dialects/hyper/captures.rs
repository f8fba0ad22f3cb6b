//! From the secrets to the end of a capture: the issuer decides once, under the capture's one id.

use kunji_core::audit::Subject;
use kunji_core::capture::{Capture, Ending, Purpose};
use kunji_core::command::{AccountClaim, Command, Request, Target};
use kunji_core::credential::Credential;
use kunji_core::customer::{Customer, Standing};
use kunji_core::engine::{Answered, Fault};
use kunji_core::ids::{CaptureId, Vpa};
use kunji_core::reason::Reason;
use kunji_core::time::DAY_MS;
use kunji_vault::{PinBlock, PinUse, Transit};

use super::action::SdkError;
use super::page::{self, PageKind, PageState, PageView};
use super::reply::{GivenUp, PinVoice, account_facts, masked};
use super::wire::CredsBody;
use crate::app::App;
use crate::body::Object;

/// What became of the secrets that were sent.
pub(super) enum Submitted {
    /// The capture ended, now or before.
    Ended(Ending, Option<Reason>),
    /// Others were decided before these.
    TooLate(Reason),
}

impl Submitted {
    /// The time was over.
    pub(super) fn late(ending: Ending) -> Self {
        Self::Ended(ending, Some(GivenUp::Late.reason()))
    }

    /// The customer has no device any more.
    pub(super) fn withdrawn(ending: Ending) -> Self {
        Self::Ended(ending, Some(GivenUp::NotAuthentic.reason()))
    }
}

/// The secrets of one capture, each under its own name.
pub(super) enum Secrets {
    Set { otp: PinBlock, new: PinBlock },
    Change { current: PinBlock, new: PinBlock },
    Balance { current: PinBlock },
}

impl Secrets {
    /// One block for each control, no more and no less.
    pub(super) fn of(body: CredsBody, purpose: &Purpose) -> Option<Self> {
        let mut taken: Vec<_> = body.creds.into_iter().map(|Object(cred)| Some(cred)).collect();
        let mut take = |kind: &str, sub_type: &str| {
            let meant = |cred: &&mut Option<super::wire::Cred>| {
                cred.as_ref().is_some_and(|one| one.kind == kind && one.sub_type == sub_type)
            };
            let cred = taken.iter_mut().find(meant)?.take()?;
            let block = cred.data.encrypted_base64_string;
            (block.is_text() && !block.is_empty()).then_some(block)
        };
        let secrets = match purpose {
            Purpose::Set { .. } => {
                Self::Set { otp: take("OTP", "SMS")?, new: take("PIN", "MPIN")? }
            }
            Purpose::Change => {
                Self::Change { current: take("PIN", "MPIN")?, new: take("PIN", "NMPIN")? }
            }
            Purpose::Balance => Self::Balance { current: take("PIN", "MPIN")? },
        };
        taken.iter().all(Option::is_none).then_some(secrets)
    }

    fn command(self, capture: &Capture) -> Option<Command> {
        let transit = Transit::SealedOnly;
        let customer = capture.order.customer.clone();
        match (self, &capture.order.purpose) {
            (Self::Set { otp, new }, Purpose::Set { last_six, expiry, .. }) => Some(Command::Set {
                customer,
                last_six: last_six.clone(),
                expiry: *expiry,
                otp,
                atm_pin: None,
                new,
                transit,
            }),
            (Self::Change { current, new }, Purpose::Change) => {
                let account = AccountClaim::default();
                Some(Command::Change { customer, vpa: None, account, current, new, transit })
            }
            (Self::Balance { current }, Purpose::Balance) => {
                Some(Command::Verify { pin: current, pin_use: PinUse::Mpin, transit })
            }
            (Self::Set { .. } | Self::Change { .. } | Self::Balance { .. }, _) => None,
        }
    }
}

/// A capture, with what is needed to speak about it.
pub(super) struct Sitting {
    pub(super) capture: Capture,
    customer: Option<Customer>,
}

/// Finds a capture.
pub(super) async fn find(app: &App, id: &CaptureId) -> Result<Option<Sitting>, Fault> {
    let issuer = app.issuer();
    let capture = issuer.look::<Capture>(&Subject::Capture(id.clone())).await?;
    // A link is not for ever: a day after its time nobody is told by it how it ended.
    let gone = |capture: &Capture| app.clock().now() >= capture.expires.plus(DAY_MS);
    let Some(capture) = capture.filter(|capture| capture.ending.is_none() || !gone(capture)) else {
        return Ok(None);
    };
    let subject = Subject::Customer(capture.order.profile.clone());
    let customer = issuer.look::<Customer>(&subject).await?;
    Ok(Some(Sitting { capture, customer }))
}

impl Sitting {
    /// Whether the time is over.
    pub(super) fn is_late(&self, app: &App) -> bool {
        app.clock().now() >= self.capture.expires
    }

    /// Whether the customer's device is gone since.
    pub(super) fn is_unbound(&self) -> bool {
        self.customer.as_ref().is_none_or(|customer| customer.standing() == Standing::Fresh)
    }

    /// Has the issuer decide under the capture's one id, then ends it with what was decided first.
    async fn decide(
        self,
        app: &App,
        command: Command,
        given_up: GivenUp,
    ) -> Result<(Answered, Ending), Fault> {
        let Self { capture: Capture { id, order, .. }, customer } = self;
        let request = Request {
            caller: order.caller.clone(),
            txn: order.txn.clone(),
            program: None,
            target: Target::Known(order.account.clone()),
            command,
        };
        let mobile = customer.and_then(|customer| customer.mobile);
        let voice = PinVoice { order, mobile, given_up };
        let (issuer, ended) = (app.issuer(), id.clone());
        let decided = app.act("capture", async move {
            let said = issuer.run(request, &voice).await?;
            // The issuer has decided, so it must have ended.
            Ok((said, issuer.end_capture(&id).await?.ok_or(Fault::Busy)?))
        });
        decided.await.inspect(|_| app.capture_ended(&ended))
    }

    /// Lets the issuer decide with these secrets, then ends the capture.
    pub(super) async fn submit(self, app: &App, secrets: Secrets) -> Result<Submitted, Fault> {
        let Some(command) = secrets.command(&self.capture) else {
            return Ok(Submitted::TooLate(Reason::OtherContent));
        };
        let (said, ending) = self.decide(app, command, GivenUp::Late).await?;
        // Other blocks under the one id are a duplicate: they were not opened, and nothing of them
        // was compared.
        Ok(if said.reply.body == ending.body || ending.code.starts_with("JP_") {
            Submitted::Ended(ending, said.reason)
        } else {
            Submitted::TooLate(said.reason.unwrap_or(Reason::OtherContent))
        })
    }

    /// Uses the capture's id up, unless the issuer has decided already; either way it ends.
    pub(super) async fn give_up(
        self,
        app: &App,
        reason: &'static str,
        given_up: GivenUp,
    ) -> Result<Ending, Fault> {
        if let Some(ending) = self.capture.ending {
            return Ok(ending);
        }
        let (_, ending) = self.decide(app, Command::Abandon { reason }, given_up).await?;
        Ok(ending)
    }

    /// Ends a capture whose time is over.
    pub(super) async fn expire(self, app: &App) -> Result<Ending, Fault> {
        self.give_up(app, "timed_out", GivenUp::Late).await
    }

    /// Ends a capture whose customer has no device any more.
    pub(super) async fn withdraw(self, app: &App) -> Result<Ending, Fault> {
        self.give_up(app, "device_gone", GivenUp::NotAuthentic).await
    }

    /// The page on which the secrets are entered.
    pub(super) async fn page(&self, app: &App) -> Result<String, Fault> {
        let Capture { id, order, expires, ending, .. } = &self.capture;
        let issuer = app.issuer();
        let subject = Subject::Credential(order.account.clone());
        let credential = issuer.look::<Credential>(&subject).await?;
        let account = credential.as_ref().and_then(account_facts);
        let iin = account.map_or("", |account| account.bank.iin.as_str());
        let expires_in_ms = expires.0.saturating_sub(app.clock().now().0);
        Ok(page::render(&PageView {
            capture_id: id.as_str(),
            kind: match order.purpose {
                Purpose::Set { .. } => PageKind::SetMpin,
                Purpose::Change => PageKind::ChangeMpin,
                Purpose::Balance => PageKind::CheckBalance,
            },
            txn: order.txn.as_str(),
            kid: &issuer.vault.block_kid(),
            pin_length: credential.as_ref().map_or(0, |one| one.pin.length.digits()),
            otp_length: u8::try_from(kunji_vault::OTP_LEN).unwrap_or(u8::MAX),
            bank: app.config().upi.bank(iin).map_or(iin, |bank| &bank.name),
            masked_account: &account.map(|one| masked(&one.masked)).unwrap_or_default(),
            vpa: order.vpa.as_ref().map_or("", Vpa::as_str),
            state: match ending {
                Some(ending) => PageState::Finished { code: &ending.code },
                None if expires_in_ms > 0 => PageState::Open { expires_in_ms },
                None => PageState::Finished { code: SdkError::UnknownOrLate.code() },
            },
        }))
    }
}

/// How a capture ended, if it did: by now, when its time is over.
pub(super) async fn ending(app: &App, sitting: Sitting) -> Result<Option<Ending>, Fault> {
    match (&sitting.capture.ending, sitting.is_late(app)) {
        (Some(ending), _) => Ok(Some(ending.clone())),
        (None, true) => sitting.expire(app).await.map(Some),
        (None, false) => app.issuer().end_capture(&sitting.capture.id).await,
    }
}
