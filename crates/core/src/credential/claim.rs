//! What a caller says of an account and its holder, held against what is known.

use super::{Account, Credential, Facts};
use crate::card::Expiry;
use crate::command::AccountClaim;
use crate::ids::{CardTail, CustomerId, Vpa};

impl Credential {
    /// Whether customer and debit card are this account's. Who merely says to be a customer must
    /// name both before anything of the account is counted, sent or told.
    #[must_use]
    pub fn is_proven_by(&self, customer: &CustomerId, last_six: &CardTail, expiry: Expiry) -> bool {
        let card = match &self.facts {
            Facts::Account(account) => account.debit_card.as_ref(),
            Facts::Card(_) => None,
        };
        let named =
            |card: &crate::card::DebitCard| card.last_six == *last_six && card.expiry == expiry;
        self.holder.customer == *customer && card.is_some_and(named)
    }

    /// Whether nothing that is said of it contradicts this account.
    pub(super) fn is_described_by(
        &self,
        customer: &CustomerId,
        vpa: Option<&Vpa>,
        claim: &AccountClaim,
    ) -> bool {
        let account = match &self.facts {
            Facts::Account(account) => account,
            Facts::Card(_) => return false,
        };
        let carried = |vpa: &Vpa| account.vpas.iter().any(|own| own.is_same(vpa));
        self.holder.customer == *customer && vpa.is_none_or(carried) && account.is(claim)
    }
}

impl Account {
    /// The account's VPA that the caller means, as the account has it.
    #[must_use]
    pub fn own_vpa(&self, meant: &Vpa) -> Option<&Vpa> {
        self.vpas.iter().find(|own| own.is_same(meant))
    }

    fn is(&self, claim: &AccountClaim) -> bool {
        let AccountClaim { ifsc, masked, bank, particulars: _ } = claim;
        let same = |own: &str, said: &str| own.eq_ignore_ascii_case(said);
        // The first four letters of an IFSC are its bank's.
        let bank_is = |said: &str| match self.ifsc.get(..4) {
            Some(own) => same(own, said) || same(&self.bank.iin, said),
            None => true,
        };
        ifsc.as_deref().is_none_or(|said| same(&self.ifsc, said))
            && masked.as_deref().is_none_or(|said| agree(&self.masked, said))
            && bank.as_deref().is_none_or(bank_is)
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
        let is = |claim: &AccountClaim| credential.is_described_by(&customer("CIF1"), None, claim);
        for (ifsc, masked, bank, expected) in [
            ("", "", "", true),
            ("AXIS0000001", "*****6789", "AXIS", true),
            ("axis0000001", "XXXXXX6789", "axis", true),
            ("AXIS0000001", "**56789", "AXIS", true),
            ("AXIS0000001", "789", "AXIS", true),
            ("AXIS0000001", "*****", "AXIS", true),
            ("AXIS0000002", "*****6789", "AXIS", false),
            ("AXIS000000", "*****6789", "AXIS", false),
            ("AXIS0000001", "*****6788", "AXIS", false),
            ("AXIS0000001", "*****67890", "AXIS", false),
            ("AXIS0000001", "*****678*", "AXIS", false),
            ("AXIS0000001", "*****6789", "AXI", false),
            ("AXIS0000001", "*****6789", "HDFC", false),
            ("AXIS0000002", "", "", false),
            ("", "*****6788", "", false),
            ("", "", "HDFC", false),
        ] {
            assert_eq!(is(&claim(ifsc, masked, bank)), expected, "{ifsc} {masked} {bank}");
        }
        let by_iin = facts(|account| account.bank.iin = "607153".to_owned());
        assert!(by_iin.is_described_by(&customer("CIF1"), None, &claim("", "", "607153")));
        let bare = facts(|account| account.ifsc = "X".to_owned());
        assert!(bare.is_described_by(&customer("CIF1"), None, &claim("", "", "AXIS")));
        assert!(!card().is_described_by(&customer("CIF1"), None, &AccountClaim::default()));
        let other = customer("CIF2");
        assert!(!credential.is_described_by(&other, None, &AccountClaim::default()));
    }

    #[test]
    fn vpas_have_no_case() {
        let credential = facts(|_| {});
        let is = |vpa: &str| {
            let vpa = Vpa::parse(vpa).unwrap();
            credential.is_described_by(&customer("CIF1"), Some(&vpa), &AccountClaim::default())
        };
        assert!(is("John.Doe@Axis") && is("john.doe@axis") && is("JOHN.DOE@AXIS"));
        assert!(!is("johndoe@axis") && !is("john.doe@axi"));
    }

    #[test]
    fn customer_and_card_prove_an_account() {
        let mut credential = account();
        let (cif, six, expiry) = (customer("CIF1"), tail("123456"), month("1235"));
        assert!(credential.is_proven_by(&cif, &six, expiry));
        assert!(!credential.is_proven_by(&customer("CIF2"), &six, expiry));
        assert!(!credential.is_proven_by(&cif, &tail("654321"), expiry));
        assert!(!credential.is_proven_by(&cif, &six, month("1135")));
        assert!(!card().is_proven_by(&cif, &six, expiry));
        // What else is wrong with the card is told to who knows it.
        debit_card(&mut credential).expiry = month("0120");
        assert!(credential.is_proven_by(&cif, &six, month("0120")));
        assert!(!credential.is_proven_by(&cif, &six, expiry));
    }
}
