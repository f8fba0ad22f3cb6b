//! Setting and changing an MPIN, and the balance: an order is written down, then the customer
//! must enter secrets.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kunji_core::aggregate::Turn;
use kunji_core::audit::Subject;
use kunji_core::capture::{Capture, CaptureCommand, Order, Purpose, Unfit};
use kunji_core::command::{Command, Request, Target};
use kunji_core::credential::Credential;
use kunji_core::customer::{Customer, Mapping, Standing};
use kunji_core::engine::{Answered, By, Fault, Ticket};
use kunji_core::ids::{Caller, CaptureId, CredentialId, CustomerId, TxnId, Vpa};
use kunji_core::reason::Reason;
use kunji_core::receipt::Reply;
use kunji_core::refusal::Refusal;
use kunji_core::time::Stamp;
use kunji_vault::{OTP_LEN, PinLength};

use super::auth::Identity;
use super::handlers::{Answer, Ask};
use super::reply::{Event, GivenUp, PinVoice, action_of};
use super::request::BadMember;
use super::wire::{CaptureNeeded, CaptureReply, Control, SERVICE};
use crate::app::{App, Issuer};
use crate::body::json;
use crate::{result_code, wall};

/// The event, and the code in our own figures, of a capture that was opened.
const OPENED: &str = "capture_required";

/// What the three actions have in common, once it is read.
struct Wanted {
    account: CredentialId,
    txn: TxnId,
    purpose: Purpose,
    /// The VPA of the request; the session's for those that name none.
    vpa: Option<Vpa>,
    udf: Option<String>,
}

/// `upiSetMpin`.
pub(super) async fn set(ask: Ask<'_>) -> Answer {
    let payload = ask.payload;
    let vpa = payload.vpa("customerVpa")?;
    let (last_six, expiry) = payload.card()?;
    let mapping = payload.mapping(Mapping::OneToAll)?;
    let wanted = wanted(&ask, Purpose::Set { last_six, expiry, mapping }, Some(vpa))?;
    open(ask, wanted).await
}

/// `upiChangeMpin`.
pub(super) async fn change(ask: Ask<'_>) -> Answer {
    let wanted = wanted(&ask, Purpose::Change, None)?;
    open(ask, wanted).await
}

/// `upiCheckBalance`.
pub(super) async fn balance(ask: Ask<'_>) -> Answer {
    let wanted = wanted(&ask, Purpose::Balance, None)?;
    open(ask, wanted).await
}

fn wanted(ask: &Ask<'_>, purpose: Purpose, vpa: Option<Vpa>) -> Result<Wanted, BadMember> {
    Ok(Wanted {
        txn: ask.payload.upi_request_id(ask.identity.merchant)?,
        account: ask.payload.account("accountReferenceId")?,
        udf: ask.payload.udf()?.map(str::to_owned),
        purpose,
        vpa,
    })
}

async fn open(ask: Ask<'_>, wanted: Wanted) -> Answer {
    let Ask { app, identity, request_id, base, .. } = ask;
    let named = format!("hyper:{}:{}", identity.profile.merchant, identity.profile.customer);
    app.admit(&named, &wanted.account)?;
    let subject = Subject::Credential(wanted.account.clone());
    let credential = app.issuer().look::<Credential>(&subject).await?;
    let vpa = linked_vpa(identity.customer.as_ref(), &wanted);
    let order = Order {
        profile: identity.profile.clone(),
        session: identity.session,
        caller: Caller::parse(&format!("upi:{}", identity.merchant.id)).map_err(Fault::from)?,
        txn: wanted.txn,
        account: wanted.account,
        customer: match &credential {
            Some(credential) => credential.holder.customer.clone(),
            // Declined below, and never kept.
            None => CustomerId::parse("nobody").map_err(Fault::from)?,
        },
        vpa: vpa.clone().or(wanted.vpa),
        purpose: wanted.purpose,
        request_id: request_id.to_owned(),
        udf: wanted.udf,
    };
    let mobile = identity.customer.as_ref().and_then(|customer| customer.mobile.clone());
    let voice = PinVoice { order, mobile, given_up: GivenUp::Late };
    let fit = fit(&identity, vpa.is_some(), credential.as_ref());
    // Nothing of an account is told to whom it is not linked.
    let shown = credential.filter(|_| fit.is_ok() || fit == Err(Unfit::MobileChanged));
    let unknown = voice.decided(result_code::UNKNOWN, shown.as_ref());
    let room = Room::of(app, &base, voice, shown, fit)?;
    match app.act("capture", room.open()).await {
        Ok(answered) => Ok(Event::kept(answered)),
        Err(_) => Ok(unknown),
    }
}

/// The VPA through which the customer has the account: that of the request, else the primary one.
fn linked_vpa(customer: Option<&Customer>, wanted: &Wanted) -> Option<Vpa> {
    let linked = match &wanted.vpa {
        Some(vpa) => customer?.vpa(vpa)?,
        None => customer?.vpa_of(&wanted.account)?,
    };
    linked.accounts.contains(&wanted.account).then(|| linked.vpa.clone())
}

/// What the provider itself can see: the device, the link, the mobile number at the bank.
fn fit(
    identity: &Identity<'_>,
    is_linked: bool,
    credential: Option<&Credential>,
) -> Result<PinLength, Unfit> {
    let customer = identity.customer.as_ref();
    let customer = customer.filter(|customer| customer.standing() != Standing::Fresh);
    let customer = customer.ok_or(Unfit::NotBound)?;
    let credential = credential.filter(|_| is_linked).ok_or(Unfit::NotLinked)?;
    match customer.mobile.as_ref() == Some(&credential.holder.mobile) {
        true => Ok(credential.pin.length),
        false => Err(Unfit::MobileChanged),
    }
}

/// Code and message.
fn words(unfit: Unfit) -> (&'static str, &'static str) {
    match unfit {
        Unfit::NotBound => result_code::DEVICE_MISMATCH,
        Unfit::NotLinked => result_code::NO_SUCH_ACCOUNT,
        Unfit::MobileChanged => result_code::MOBILE_CHANGED,
    }
}

/// A capture about to be opened.
struct Room {
    issuer: Arc<Issuer>,
    id: CaptureId,
    kid: String,
    url: String,
    voice: PinVoice,
    credential: Option<Credential>,
    fit: Result<PinLength, Unfit>,
}

impl Room {
    fn of(
        app: &App,
        base: &str,
        voice: PinVoice,
        credential: Option<Credential>,
        fit: Result<PinLength, Unfit>,
    ) -> Result<Self, Fault> {
        let issuer = app.issuer();
        let random: [u8; 32] = issuer.vault.random().map_err(Fault::from)?;
        let id = URL_SAFE_NO_PAD.encode(random);
        Ok(Self {
            kid: issuer.vault.block_kid(),
            url: format!("{base}{}/{id}/page", super::CAPTURES),
            id: CaptureId::parse(&id)?,
            issuer,
            voice,
            credential,
            fit,
        })
    }

    /// Opens the capture and has the OTP sent, or says why not.
    async fn open(self) -> Result<Answered, Fault> {
        let by = self.by()?;
        let order = Box::new(self.voice.order.clone());
        let command = match self.fit {
            Ok(_) => CaptureCommand::Open { id: self.id.clone(), order },
            Err(why) => CaptureCommand::Decline { why },
        };
        let subject = Subject::Capture(self.id.clone());
        let say = |_: &Turn<Capture>, now: Option<&Capture>, _: &Stamp| Some(self.say(now));
        // A repeated refusal stays one, even where a capture could be opened now.
        let turned = self.issuer.turn::<Capture>(&by, &subject, &command, say).await?;
        let Some(answered) = turned.answered() else {
            let said = result_code::of(Err(Refusal::Duplicate));
            let reply = self.voice.decided(said, self.credential.as_ref()).into_reply();
            return Ok(Answered { reply, reason: Some(Reason::OtherContent) });
        };
        let sets = matches!(self.voice.order.purpose, Purpose::Set { .. });
        if sets && answered.reply.code == OPENED {
            self.send_otp().await?;
        }
        Ok(answered)
    }

    /// Who asks, under the app's id for the request: all that it asks for makes two of it two.
    fn by(&self) -> Result<By, Fault> {
        let Order { profile, account, vpa, purpose, udf, txn, request_id, .. } = &self.voice.order;
        let mut print = self.issuer.vault.fingerprint();
        let named = match purpose {
            Purpose::Set { last_six, expiry, mapping } => {
                let vpa = vpa.as_ref().map_or("", Vpa::as_str);
                format!("{vpa} {last_six} {} {}", expiry.short(), mapping.as_str())
            }
            // The VPA is the session's, and may be another one tomorrow.
            Purpose::Change | Purpose::Balance => String::new(),
        };
        for text in [
            action_of(purpose).as_str(),
            &profile.to_string(),
            &account.to_string(),
            &named,
            udf.as_deref().unwrap_or_default(),
            request_id,
        ] {
            print.text(text);
        }
        let ticket = Some(Ticket { txn: txn.clone(), print: print.finish() });
        Ok(By { caller: Caller::parse(&format!("hyper:{}", profile.merchant))?, ticket })
    }

    /// Whether it is sent is not told: the answer comes when the secrets are there. A repeated
    /// request sends nothing twice, since it has the same id.
    async fn send_otp(&self) -> Result<(), Fault> {
        let Order { profile, account, customer, txn, .. } = &self.voice.order;
        let request = Request {
            caller: Caller::parse(&format!("otp:{}", profile.merchant))?,
            txn: txn.clone(),
            program: None,
            target: Target::Known(account.clone()),
            command: Command::RequestOtp { customer: customer.clone(), card: None },
        };
        self.issuer.run(request, &self.voice).await.map(drop)
    }

    fn say(&self, capture: Option<&Capture>) -> Reply {
        match (capture, self.fit) {
            (Some(capture), Ok(length)) => self.say_open(capture, length),
            (_, Err(unfit)) => {
                self.voice.decided(words(unfit), self.credential.as_ref()).into_reply()
            }
            (None, Ok(_)) => self.voice.decided(result_code::UNKNOWN, None).into_reply(),
        }
    }

    fn say_open(&self, capture: &Capture, length: PinLength) -> Reply {
        let pin = |sub_type| control("PIN", sub_type, length.digits());
        let controls = match capture.order.purpose {
            Purpose::Set { .. } => {
                let otp_len = u8::try_from(OTP_LEN).unwrap_or(u8::MAX);
                vec![control("OTP", "SMS", otp_len), pin("MPIN")]
            }
            Purpose::Change => vec![pin("MPIN"), pin("NMPIN")],
            Purpose::Balance => vec![pin("MPIN")],
        };
        let body = CaptureReply {
            request_id: &capture.order.request_id,
            service: SERVICE,
            event: OPENED,
            payload: CaptureNeeded {
                action: action_of(&capture.order.purpose).as_str(),
                capture_id: self.id.as_str(),
                capture_url: self.url.clone(),
                expires_at: wall::indian(capture.expires),
                txn_id: capture.order.txn.as_str(),
                kid: &self.kid,
                controls,
            },
        };
        let code = OPENED.to_owned();
        Reply { status: 200, code, body: json(&body), nonce: [0; 16] }
    }
}

fn control(kind: &'static str, sub_type: &'static str, d_length: u8) -> Control {
    Control { kind, sub_type, d_type: "NUM", d_length }
}
