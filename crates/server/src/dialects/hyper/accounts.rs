//! Accounts as the app sees them.

use kunji_core::audit::Subject;
use kunji_core::credential::{Credential, PinState};
use kunji_core::customer::Customer;
use kunji_core::engine::Fault;
use kunji_core::ids::CredentialId;
use kunji_vault::OTP_LEN;

use super::reply::{account_facts, masked, word};
use super::wire::{Account, VpaAccount};
use crate::app::App;

/// Each VPA with each account behind it, the primary one first.
pub(super) async fn vpa_accounts(app: &App, customer: &Customer) -> Result<Vec<VpaAccount>, Fault> {
    let mut all = Vec::new();
    for linked in &customer.vpas {
        let others = linked.accounts.iter().filter(|id| **id != linked.primary);
        for id in std::iter::once(&linked.primary).chain(others) {
            if let Some(mut account) = account(app, customer, id).await? {
                account.is_primary = word(*id == linked.primary);
                all.push(VpaAccount { vpa: linked.vpa.to_string(), account });
            }
        }
    }
    Ok(all)
}

pub(super) async fn account(
    app: &App,
    customer: &Customer,
    id: &CredentialId,
) -> Result<Option<Account>, Fault> {
    let issuer = app.issuer();
    let kept = issuer.look::<Credential>(&Subject::Credential(id.clone())).await?;
    let Some(kept) = kept else { return Ok(None) };
    let Some(facts) = account_facts(&kept) else { return Ok(None) };
    let digits = kept.pin.length.digits().to_string();
    let bank = app.config().upi.bank(&facts.bank.iin);
    let set = kept.pin.state(app.clock().now()) != PinState::NotSet;
    Ok(Some(Account {
        reference_id: id.name().to_owned(),
        bank_account_unique_id: facts.bank.unique_id.clone(),
        bank_code: facts.bank.iin.clone(),
        bank_name: bank.map_or_else(String::new, |bank| bank.name.clone()),
        branch_name: facts.bank.branch.clone(),
        ifsc: facts.ifsc.clone(),
        name: kept.holder.name.clone(),
        kind: facts.bank.kind.clone(),
        masked_account_number: masked(&facts.masked),
        mpin_length: digits,
        mpin_set: word(set),
        otp_length: OTP_LEN.to_string(),
        atm_pin_length: "4".to_owned(),
        is_primary: word(customer.vpas.iter().any(|linked| linked.primary == *id)),
    }))
}
