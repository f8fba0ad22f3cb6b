//! What a caller says of an account and its holder, held against what is known.

use super::{Account, Credential, Facts};
use crate::card::Expiry;
use crate::command::AccountClaim;
use crate::ids::{CardTail, CustomerId, Vpa};
use crate::reason::Reason;

impl Credential {
    /// Whether customer and debit card are this account's. Who merely says to be a customer must
    /// name both before anything of the account is counted, sent or told.
    ///
    /// # Errors
    /// The reason why they are not.
    pub fn proven_by(
        &self,
        customer: &CustomerId,
        last_six: &CardTail,
        expiry: Expiry,
    ) -> Result<(), Reason> {
        let card = match &self.facts {
            Facts::Account(account) => account.debit_card.as_ref(),
            Facts::Card(_) => None,
        };
        let named = card.is_some_and(|card| card.last_six == *last_six && card.expiry == expiry);
        match (self.holder.customer == *customer, named) {
            (false, _) => Err(Reason::OtherCustomer),
            (true, false) => Err(Reason::NoSuchDebitCard),
            (true, true) => Ok(()),
        }
    }

    /// Whether nothing that is said of it contradicts this account.
    ///
    /// # Errors
    /// The reason that names what does.
    pub(super) fn described_by(
        &self,
        customer: &CustomerId,
        vpa: Option<&Vpa>,
        claim: &AccountClaim,
    ) -> Result<(), Reason> {
        if self.holder.customer != *customer {
            return Err(Reason::OtherCustomer);
        }
        match &self.facts {
            Facts::Account(account) => account.described_by(vpa, claim),
            Facts::Card(_) => Err(Reason::OtherVpa),
        }
    }
}

impl Account {
    /// The account's VPA that the caller means, as the account has it.
    #[must_use]
    pub fn own_vpa(&self, meant: &Vpa) -> Option<&Vpa> {
        self.vpas.iter().find(|own| own.is_same(meant))
    }

    fn described_by(&self, vpa: Option<&Vpa>, claim: &AccountClaim) -> Result<(), Reason> {
        let AccountClaim { ifsc, masked, bank, particulars: _ } = claim;
        let same = |own: &str, said: &str| own.eq_ignore_ascii_case(said);
        // The first four letters of an IFSC are its bank's.
        let bank_is = |said: &str| match self.ifsc.get(..4) {
            Some(own) => same(own, said) || same(&self.bank.iin, said),
            None => true,
        };
        if vpa.is_some_and(|vpa| self.own_vpa(vpa).is_none()) {
            return Err(Reason::OtherVpa);
        }
        if ifsc.as_deref().is_some_and(|said| !same(&self.ifsc, said)) {
            return Err(Reason::mismatch("ifsc"));
        }
        if masked.as_deref().is_some_and(|said| !agree(&self.masked, said)) {
            return Err(Reason::mismatch("masked account number"));
        }
        if bank.as_deref().is_some_and(|said| !bank_is(said)) {
            return Err(Reason::mismatch("bank"));
        }
        Ok(())
    }
}

/// Whether two masked numbers can be one: each may show more of it than the other.
fn agree(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| text.trim_start_matches(['*', 'X', 'x']));
    one.ends_with(other) || other.ends_with(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::sample::{account, card, customer, debit_card, month, tail};

    fn facts(change: impl FnOnce(&mut Account)) -> Credential {
        let mut credential = account();
        let Facts::Account(account) = &mut credential.facts else { panic!("an account") };
        account.ifsc = "AXIS0000001".to_owned();
        account.masked = "*****6789".to_owned();
        account.vpas = vec![Vpa::parse("John.Doe@Axis").unwrap()];
        change(account);
        credential
    }

    fn claim(ifsc: &str, masked: &str, bank: &str) -> AccountClaim {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        AccountClaim {
            ifsc: said(ifsc),
            masked: said(masked),
            bank: said(bank),
            ..Default::default()
        }
    }

    #[test]
    fn what_contradicts_the_account_is_of_another_one() {
        let credential = facts(|_| {});
        let is = |claim: &AccountClaim| credential.described_by(&customer("CIF1"), None, claim);
        for (ifsc, masked, bank, expected) in [
            ("", "", "", ""),
            ("AXIS0000001", "*****6789", "AXIS", ""),
            ("axis0000001", "XXXXXX6789", "axis", ""),
            ("AXIS0000001", "**56789", "AXIS", ""),
            ("AXIS0000001", "789", "AXIS", ""),
            ("AXIS0000001", "*****", "AXIS", ""),
            ("AXIS0000002", "*****6789", "AXIS", "ifsc"),
            ("AXIS000000", "*****6789", "AXIS", "ifsc"),
            ("AXIS0000001", "*****6788", "AXIS", "masked account number"),
            ("AXIS0000001", "*****67890", "AXIS", "masked account number"),
            ("AXIS0000001", "*****678*", "AXIS", "masked account number"),
            ("AXIS0000001", "*****6789", "AXI", "bank"),
            ("AXIS0000001", "*****6789", "HDFC", "bank"),
            ("AXIS0000002", "", "", "ifsc"),
            ("", "*****6788", "", "masked account number"),
            ("", "", "HDFC", "bank"),
        ] {
            let expected = match expected {
                "" => Ok(()),
                member => Err(Reason::mismatch(member)),
            };
            assert_eq!(is(&claim(ifsc, masked, bank)), expected, "{ifsc} {masked} {bank}");
        }
        let by_iin = facts(|account| account.bank.iin = "607153".to_owned());
        assert_eq!(by_iin.described_by(&customer("CIF1"), None, &claim("", "", "607153")), Ok(()));
        let bare = facts(|account| account.ifsc = "X".to_owned());
        assert_eq!(bare.described_by(&customer("CIF1"), None, &claim("", "", "AXIS")), Ok(()));
        let nothing = AccountClaim::default();
        assert!(card().described_by(&customer("CIF1"), None, &nothing).is_err());
        let other = credential.described_by(&customer("CIF2"), None, &nothing);
        assert_eq!(other, Err(Reason::OtherCustomer));
    }

    #[test]
    fn vpas_have_no_case() {
        let credential = facts(|_| {});
        let is = |vpa: &str| {
            let vpa = Vpa::parse(vpa).unwrap();
            credential.described_by(&customer("CIF1"), Some(&vpa), &AccountClaim::default())
        };
        for own in ["John.Doe@Axis", "john.doe@axis", "JOHN.DOE@AXIS"] {
            assert_eq!(is(own), Ok(()), "{own}");
        }
        for other in ["johndoe@axis", "john.doe@axi"] {
            assert_eq!(is(other), Err(Reason::OtherVpa), "{other}");
        }
    }

    #[test]
    fn customer_and_card_prove_an_account() {
        let mut credential = account();
        let (cif, six, expiry) = (customer("CIF1"), tail("123456"), month("1235"));
        assert_eq!(credential.proven_by(&cif, &six, expiry), Ok(()));
        let stranger = customer("CIF2");
        assert_eq!(credential.proven_by(&stranger, &six, expiry), Err(Reason::OtherCustomer));
        let none = Err(Reason::NoSuchDebitCard);
        assert_eq!(credential.proven_by(&cif, &tail("654321"), expiry), none);
        assert_eq!(credential.proven_by(&cif, &six, month("1135")), none);
        assert!(card().proven_by(&cif, &six, expiry).is_err());
        // What else is wrong with the card is told to who knows it.
        debit_card(&mut credential).expiry = month("0120");
        assert_eq!(credential.proven_by(&cif, &six, month("0120")), Ok(()));
        assert_eq!(credential.proven_by(&cif, &six, expiry), none);
    }
}
