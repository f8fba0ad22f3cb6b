//! Customers of merchants, with their devices, VPAs and numbers.

use kunji_core::audit::Subject;
use kunji_core::customer::{Claim, Customer, Device, Holding, LinkedVpa};
use kunji_core::ids::{
    Caller, ChannelId, CredentialId, CredentialKind, MerchantCustomerId, MerchantId, Mobile,
    ProfileId, UpiNumber, Vpa,
};
use kunji_core::mapper::{Address, Number, NumberState};
use kunji_core::time::Millis;
use serde::Deserialize;

use super::{Reading, SeedError};
use crate::app::Issuer;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileSeed {
    merchant: String,
    /// The channel that hears when its numbers change.
    channel: Option<String>,
    customer: String,
    name: String,
    mobile: String,
    #[serde(default)]
    devices: Vec<String>,
    #[serde(default)]
    vpas: Vec<VpaSeed>,
    #[serde(default)]
    numbers: Vec<NumberSeed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VpaSeed {
    vpa: String,
    accounts: Vec<String>,
    primary: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberSeed {
    number: String,
    vpa: String,
    #[serde(default)]
    state: StateSeed,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateSeed {
    #[default]
    Active,
    Disabled,
}

/// A customer that is ready to be planted, with what the mapper keeps.
pub(super) struct Ready {
    customer: Customer,
    addresses: Vec<Address>,
    numbers: Vec<Number>,
}

impl Ready {
    pub(super) async fn plant(self, issuer: &Issuer, caller: &Caller) -> Result<(), SeedError> {
        let subject = Subject::Customer(self.customer.id.clone());
        issuer.plant_at(subject, self.customer, caller.clone()).await?;
        for address in self.addresses {
            let subject = Subject::Address(address.vpa.folded());
            issuer.plant_at(subject, address, caller.clone()).await?;
        }
        for number in self.numbers {
            let subject = Subject::Number(number.number.clone());
            issuer.plant_at(subject, number, caller.clone()).await?;
        }
        Ok(())
    }
}

impl ProfileSeed {
    pub(super) fn read(&self) -> Result<Ready, SeedError> {
        let reading = Reading { whose: &self.customer };
        let merchant = reading.read("merchant", MerchantId::parse(&self.merchant))?;
        let customer = reading.read("customer", MerchantCustomerId::parse(&self.customer))?;
        let id = ProfileId { merchant, customer };
        let mobile = reading.read("mobile", Mobile::parse(&self.mobile))?;
        let vpas = self.vpas.iter().map(|seed| seed.read(&reading));
        let vpas = vpas.collect::<Result<Vec<_>, _>>()?;
        let channel = self.channel.as_deref().map(MerchantId::parse).transpose();
        let channel = reading.read("channel", channel)?;
        let merchant = id.merchant.clone();
        let channel = channel.map(|channel| ChannelId { merchant, channel });
        let read = |seed: &NumberSeed| {
            let number = seed.read(&reading, &id, &mobile)?;
            Ok(Number { channel: channel.clone(), ..number })
        };
        let numbers = self.numbers.iter().map(read).collect::<Result<Vec<_>, SeedError>>()?;
        let held = numbers.iter().map(|number| {
            Claim::settled(Holding::Number(number.number.clone()), vec![number.vpa.clone()])
        });
        let addressed =
            vpas.iter().map(|one| Claim::settled(Holding::Vpa(one.vpa.folded()), Vec::new()));
        let device =
            |fingerprint: &String| Device { fingerprint: fingerprint.clone(), bound: Millis(0) };
        let owned = |one: &LinkedVpa| Address { vpa: one.vpa.clone(), owner: Some(id.clone()) };
        Ok(Ready {
            addresses: vpas.iter().map(owned).collect(),
            customer: Customer {
                name: self.name.clone(),
                devices: self.devices.iter().map(device).collect(),
                claims: held.chain(addressed).collect(),
                vpas,
                ..Customer::fresh(id.clone(), Some(mobile))
            },
            numbers,
        })
    }
}

impl VpaSeed {
    fn read(&self, reading: &Reading<'_>) -> Result<LinkedVpa, SeedError> {
        let account = |name: &String| CredentialId::parse(CredentialKind::Account, name);
        let accounts = self.accounts.iter().map(account).collect::<Result<Vec<_>, _>>();
        Ok(LinkedVpa {
            vpa: reading.read("vpas.vpa", Vpa::parse_address(&self.vpa))?,
            accounts: reading.read("vpas.accounts", accounts)?,
            primary: reading.read("vpas.primary", account(&self.primary))?,
        })
    }
}

impl NumberSeed {
    fn read(
        &self,
        reading: &Reading<'_>,
        owner: &ProfileId,
        mobile: &Mobile,
    ) -> Result<Number, SeedError> {
        Ok(Number {
            number: reading.read("numbers.number", UpiNumber::parse(&self.number))?,
            owner: owner.clone(),
            mobile: mobile.clone(),
            vpa: reading.read("numbers.vpa", Vpa::parse_address(&self.vpa))?,
            state: match self.state {
                StateSeed::Active => NumberState::Active,
                StateSeed::Disabled => NumberState::Disabled,
            },
            since: Millis(0),
            channel: None,
        })
    }
}
