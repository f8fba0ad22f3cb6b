//! Opening a request's sealed values once, and putting the rules' questions to the vault.

use std::sync::Arc;

use kunji_vault::{
    ClearPin, Cost, Opening, PinBlock, PinUse, Unreadable, Vault, VaultFault, Verifier,
};

use super::{Fault, Workers};
use crate::command::Request;
use crate::credential::{Answer, Credential, Question};
use crate::ids::Slot;

/// The sealed values of one request, opened.
pub(super) struct Opened {
    current: Option<ClearPin>,
    otp: Option<ClearPin>,
    atm_pin: Option<ClearPin>,
    new: Option<ClearPin>,
}

/// Opens all sealed values; RSA blocks do so on the workers.
pub(super) async fn open(
    vault: &Arc<Vault>,
    workers: &impl Workers,
    request: &Arc<Request>,
    real_now_ms: i64,
) -> Result<Result<Opened, Unreadable>, Fault> {
    let heavy = |block: &PinBlock| matches!(block.cost(), Cost::Heavy);
    if !request.command.secrets().blocks().any(heavy) {
        return Ok(open_all(vault, request, real_now_ms));
    }
    let (vault, request) = (Arc::clone(vault), Arc::clone(request));
    workers.run(move || open_all(&vault, &request, real_now_ms)).await
}

fn open_all(vault: &Vault, request: &Request, real_now_ms: i64) -> Result<Opened, Unreadable> {
    let secrets = request.command.secrets();
    let one = |sealed: Option<(&PinBlock, PinUse)>| {
        sealed
            .map(|(block, pin_use)| {
                let txn = request.txn.as_str();
                let transit = secrets.transit;
                vault.open(block, &Opening { pin_use, txn, real_now_ms, transit })
            })
            .transpose()
    };
    Ok(Opened {
        current: one(secrets.current)?,
        otp: one(secrets.otp)?,
        atm_pin: one(secrets.atm_pin)?,
        new: one(secrets.new)?,
    })
}

/// Puts the question to the vault, part for part.
pub(super) fn answer(
    vault: &Vault,
    credential: &Credential,
    question: Question<'_>,
    opened: &Opened,
) -> Result<Answer, VaultFault> {
    let id = &credential.id;
    let is = |slot, pin: &Option<ClearPin>, kept: Option<&Verifier>| match (pin, kept) {
        (Some(pin), Some(kept)) => vault.matches(&id.slot(slot), pin, kept),
        (_, _) => Ok(false),
    };
    let new = match (&opened.new, question.new) {
        (Some(pin), Some((policy, recent))) => {
            Some(vault.judge(&id.slot(Slot::Pin), pin, &policy, recent)?)
        }
        (_, _) => None,
    };
    let issued = match question.issue_otp {
        Some(wording) => Some(vault.issue_otp(&id.slot(Slot::Otp), &id.to_string(), wording)?),
        None => None,
    };
    Ok(Answer {
        current: is(Slot::Pin, &opened.current, question.current)?,
        otp: is(Slot::Otp, &opened.otp, question.otp)?,
        atm_pin: is(Slot::AtmPin, &opened.atm_pin, question.atm_pin)?,
        new,
        issued,
    })
}
