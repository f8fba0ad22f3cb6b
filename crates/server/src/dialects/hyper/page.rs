//! The page on which the customer enters digits that only the vault may read.

/// The page; `{{name}}` stands for a value.
const TEMPLATE: &str = include_str!("../../../assets/capture.html");

/// What the customer came for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    /// An OTP and a first or new MPIN.
    SetMpin,
    /// The current MPIN and a new one.
    ChangeMpin,
    /// The MPIN alone.
    CheckBalance,
}

/// Whether there is anything left to enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageState<'a> {
    /// Digits are awaited.
    Open {
        /// Time that is left, in ms.
        expires_in_ms: i64,
    },
    /// Answered, cancelled, or late.
    Finished {
        /// The vendor's code of the answer.
        code: &'a str,
    },
}

/// What the page shows and what its script needs; nothing of it is secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageView<'a> {
    /// The capture that the digits are sent to.
    pub(super) capture_id: &'a str,
    /// What the customer came for.
    pub(super) kind: PageKind,
    /// The transaction that blocks are bound to.
    pub(super) txn: &'a str,
    /// The public key that blocks are made for.
    pub(super) kid: &'a str,
    /// Digits of an MPIN of this account.
    pub(super) pin_length: u8,
    /// Digits of an OTP.
    pub(super) otp_length: u8,
    /// The bank's name.
    pub(super) bank: &'a str,
    /// The account's number, most of it hidden.
    pub(super) masked_account: &'a str,
    /// The customer's VPA.
    pub(super) vpa: &'a str,
    /// Whether there is anything left to enter.
    pub(super) state: PageState<'a>,
}

/// The whole page.
pub(super) fn render(view: &PageView<'_>) -> String {
    let mut page = String::with_capacity(TEMPLATE.len() + 512);
    let mut rest = TEMPLATE;
    // One pass: a value that looks like a placeholder stays as it is.
    while let Some((before, name, after)) = next_placeholder(rest) {
        page.push_str(before);
        push_value(&mut page, view, name);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// The text before the next placeholder, its name, and the text after it.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, tail) = text.split_once("{{")?;
    let (name, after) = tail.split_once("}}")?;
    Some((before, name, after))
}

fn push_value(page: &mut String, view: &PageView<'_>, name: &str) {
    let (state, end_hidden, expires_in_ms, code) = match view.state {
        PageState::Open { expires_in_ms } => ("open", " hidden", expires_in_ms.max(0), ""),
        PageState::Finished { code } => ("finished", "", 0, code),
    };
    match name {
        "title" => page.push_str(view.kind.title()),
        "kind" => page.push_str(view.kind.word()),
        "state" => page.push_str(state),
        "code" => push_escaped(page, code),
        "end_hidden" => page.push_str(end_hidden),
        "expires_in_ms" => page.push_str(&expires_in_ms.to_string()),
        "pin_length" => page.push_str(&view.pin_length.to_string()),
        "otp_length" => page.push_str(&view.otp_length.to_string()),
        "capture" => push_escaped(page, view.capture_id),
        "txn" => push_escaped(page, view.txn),
        "kid" => push_escaped(page, view.kid),
        "bank" => push_escaped(page, view.bank),
        "account" => push_escaped(page, view.masked_account),
        "vpa" => push_escaped(page, view.vpa),
        // The template is ours, and a test renders all of it.
        _ => {}
    }
}

/// Text as it stands in an element or in a quoted attribute.
fn push_escaped(page: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            plain => page.push(plain),
        }
    }
}

impl PageKind {
    fn title(self) -> &'static str {
        match self {
            Self::SetMpin => "Set your MPIN",
            Self::ChangeMpin => "Change your MPIN",
            Self::CheckBalance => "Check your balance",
        }
    }

    /// The kind as the page's script knows it.
    fn word(self) -> &'static str {
        match self {
            Self::SetMpin => "set-mpin",
            Self::ChangeMpin => "change-mpin",
            Self::CheckBalance => "check-balance",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "\"'><script>alert(1)</script>&{{kid}}";
    const ESCAPED: &str = "&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;{{kid}}";

    const VIEW: PageView<'_> = PageView {
        capture_id: "cap_1",
        kind: PageKind::SetMpin,
        txn: "TXN42",
        kid: "key-1",
        pin_length: 6,
        otp_length: 6,
        bank: "Axis Bank",
        masked_account: "XXXX203891",
        vpa: "asha@axis",
        state: PageState::Open { expires_in_ms: 300_000 },
    };

    #[test]
    fn every_value_has_its_place() {
        let page = render(&VIEW);
        for part in [
            "data-capture=\"cap_1\"",
            "data-kind=\"set-mpin\"",
            "data-state=\"open\"",
            "data-txn=\"TXN42\"",
            "data-kid=\"key-1\"",
            "data-pin-length=\"6\"",
            "data-otp-length=\"6\"",
            "data-expires-in-ms=\"300000\"",
            "<title>Set your MPIN - Axis Bank</title>",
            "<dd>XXXX203891</dd>",
            "<dd>asha@axis</dd>",
            "aria-labelledby=\"end-title\" hidden>",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("{{"));
    }

    #[test]
    fn values_are_text_and_never_markup() {
        let view = PageView {
            capture_id: HOSTILE,
            txn: HOSTILE,
            kid: HOSTILE,
            bank: HOSTILE,
            masked_account: HOSTILE,
            vpa: HOSTILE,
            ..VIEW
        };
        let page = render(&view);
        assert!(!page.contains("<script>") && !page.contains(HOSTILE));
        assert_eq!(page.matches(ESCAPED).count(), 8);
        assert_eq!(page.matches("{{").count(), 8);
    }

    #[test]
    fn a_finished_page_shows_its_end() {
        let page = render(&PageView { state: PageState::Finished { code: "00" }, ..VIEW });
        assert!(page.contains("data-state=\"finished\""));
        assert!(page.contains("aria-labelledby=\"end-title\">"));
    }

    #[test]
    fn a_late_page_has_no_time_left() {
        let page = render(&PageView { state: PageState::Open { expires_in_ms: -5 }, ..VIEW });
        assert!(page.contains("data-expires-in-ms=\"0\""));
    }

    #[test]
    fn the_page_keeps_to_its_security_policy() {
        for forbidden in
            ["<script>", "style=", "<style", " onclick", "http://", "https://", "<input"]
        {
            assert!(!TEMPLATE.contains(forbidden), "{forbidden}");
        }
    }
}
