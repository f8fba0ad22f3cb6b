//! Requests, ready to be sent: every one legal, fresh, and under an id of its own.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use kunji_vault::{BlockAlg, BlockMaker, KeyRing, PinUse, Vault};

use crate::client::Lane;
use crate::{Mode, machine};

/// More than the history holds, so that each may come back; none breaks a rule.
const PINS: [&str; 6] = ["4826", "7391", "2604", "8153", "3947", "6072"];

/// An account of the seed, and how often its MPIN was changed.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) number: usize,
    step: usize,
}

impl Account {
    fn pin(&self, later: usize) -> &'static str {
        PINS.iter().cycle().nth((self.step + later) % PINS.len()).copied().unwrap_or_default()
    }
}

pub(crate) fn accounts(count: usize) -> Vec<Account> {
    (0..count).map(|number| Account { number, step: 0 }).collect()
}

/// The accounts as a seed file.
pub(crate) fn seed(accounts: &[Account]) -> String {
    let mut text = String::new();
    for account in accounts {
        let (number, pin) = (account.number, account.pin(0));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[[account]]\ncustomer = \"CIF{number:08}\"\nname = \"John Doe\"\n\
             born = \"1990-05-15\"\nmobile = \"9188888{number:05}\"\n\
             reference = \"ACC{number:09}\"\nifsc = \"AXIS0000001\"\nmasked = \"*****6789\"\n\
             vpas = [\"jo{number:05}@axis\"]\npin_length = 4\npin = \"{pin}\"\n\
             debit_card = {{ last_six = \"123456\", expiry = \"12/2035\" }}\n\n"
        );
    }
    text
}

/// Accounts that one connection of `count` changes, in turn.
fn own(len: usize, lane: usize, count: usize) -> impl Iterator<Item = usize> {
    (lane..len).step_by(count).cycle()
}

/// Notes what each connection has changed.
pub(crate) fn step(accounts: &mut [Account], done: &[usize]) {
    for (lane, answers) in done.iter().enumerate() {
        for number in own(accounts.len(), lane, done.len()).take(*answers) {
            if let Some(account) = accounts.get_mut(number) {
                account.step += 1;
            }
        }
    }
}

/// Puts PINs into requests as one mode wants them.
pub(crate) enum Sealer {
    Clear,
    Blocks(BlockMaker),
}

impl Sealer {
    pub(crate) fn of(mode: Mode, jwks: &str) -> anyhow::Result<Self> {
        match mode {
            Mode::Clear | Mode::Scenario => Ok(Self::Clear),
            Mode::Ecdh => Ok(Self::Blocks(BlockMaker::from_jwks(jwks, BlockAlg::EcdhEs)?)),
            Mode::Rsa => Ok(Self::Blocks(BlockMaker::from_jwks(jwks, BlockAlg::RsaOaep256)?)),
        }
    }

    /// Requests for so many connections, so many changes in all; made on all cores.
    pub(crate) fn lanes(
        &self,
        accounts: &[Account],
        (count, changes): (usize, usize),
    ) -> anyhow::Result<Vec<Lane>> {
        let each = changes.div_ceil(count);
        let threads = machine::cores().min(count);
        let mut lanes = Vec::with_capacity(count);
        std::thread::scope(|scope| {
            let first: Vec<usize> = (0..count).collect();
            let shares = first.chunks(count.div_ceil(threads)).map(<[usize]>::to_vec);
            let making = shares.map(|share| {
                scope.spawn(move || {
                    let lanes =
                        share.into_iter().map(|lane| self.lane(accounts, (lane, count), each));
                    lanes.collect::<anyhow::Result<Vec<_>>>()
                })
            });
            for made in making.collect::<Vec<_>>() {
                let made = made.join().map_err(|_| anyhow::anyhow!("no requests were made"))??;
                lanes.extend(made);
            }
            anyhow::Ok(())
        })?;
        Ok(lanes)
    }

    fn lane(
        &self,
        accounts: &[Account],
        (lane, count): (usize, usize),
        changes: usize,
    ) -> anyhow::Result<Lane> {
        let mut accounts = accounts.to_vec();
        let mut requests = Vec::with_capacity(changes);
        for number in own(accounts.len(), lane, count).take(changes) {
            let Some(account) = accounts.get_mut(number) else { continue };
            requests.push(self.change(account)?);
            account.step += 1;
        }
        Ok(Lane::once(requests, SUCCESS))
    }

    fn change(&self, account: &Account) -> anyhow::Result<Vec<u8>> {
        let txn = fresh_txn();
        let (old, new) = (account.pin(0), account.pin(1));
        let [old, new] = match self {
            Self::Clear => [old.to_owned(), new.to_owned()],
            Self::Blocks(maker) => [
                maker.seal(old, PinUse::Mpin, &txn, now_ms()?)?,
                maker.seal(new, PinUse::NewMpin, &txn, now_ms()?)?,
            ],
        };
        let number = account.number;
        let named = [
            ("{customer}", format!("CIF{number:08}")),
            ("{txn}", txn),
            ("{account}", format!("ACC{number:09}")),
            ("{vpa}", format!("jo{number:05}@axis")),
            ("{old}", old),
            ("{new}", new),
        ];
        let body = named
            .iter()
            .fold(SAMPLE.to_owned(), |body, (name, value)| body.replacen(name, value, 1));
        Ok(http(PATH, "X-Kunji-Mode: live", &body))
    }
}

/// The vendor's own sample with its mended JSON: 803 bytes.
pub(crate) fn sample_body() -> String {
    let named = [
        ("{customer}", "CIF12345678"),
        ("{txn}", "TXN1621234567890"),
        ("{account}", "ACC123456789"),
        ("{vpa}", "johndoe@axis"),
        ("{old}", "1234"),
        ("{new}", "5678"),
    ];
    named.iter().fold(SAMPLE.to_owned(), |body, (name, value)| body.replacen(name, value, 1))
}

/// The sample, to be answered by test id 1.
pub(crate) fn scenario() -> Lane {
    Lane::again(http(PATH, "X-AXIS-TEST-ID: 1", &sample_body()), SUCCESS)
}

/// A body of so many bytes for the echo.
pub(crate) fn echo(len: usize) -> Lane {
    let mut body = sample_body();
    while body.len() < len {
        body.push(' ');
    }
    Lane::again(http("/echo", "X-AXIS-TEST-ID: 1", &body), b"\"aeba\":\"N\"")
}

/// How long the body of a change with two ECDH blocks is, about.
pub(crate) fn sealed_len() -> anyhow::Result<usize> {
    let vault = Vault::new(KeyRing::ephemeral()?);
    let maker = BlockMaker::from_jwks(&vault.jwks(), BlockAlg::EcdhEs)?;
    let block = maker.seal("4826", PinUse::NewMpin, &fresh_txn(), now_ms()?)?;
    Ok(sample_body().len() + 2 * block.len() - 8)
}

/// An id that no other request of this process has.
pub(crate) fn fresh_txn() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("TXN{:013}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn now_ms() -> anyhow::Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

fn http(path: &str, header: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         {header}\r\nContent-Length: {len}\r\n\r\n{body}"
    );
    request.into_bytes()
}

/// What only an answer of success holds.
const SUCCESS: &[u8] = b"\"code\":\"00\"";

const PATH: &str = "/api/transactions/v1/changempin";

const SAMPLE: &str = r#"{"ChangeMPINRequest":{"SubHeader":{"requestUUID":"req-1621234567890-123","serviceRequestId":"NB.GEN.UPIAPI.CHANGEMPIN","serviceRequestVersion":"1.0","channelId":"TEST"},"SetResetMPINRequestBody":{"customerId":"{customer}","bank":"AXIS","txnId":"{txn}","ac":{"accRefNumber":"{account}","name":"John Doe","ifsc":"AXIS0000001","maskedAccnumber":"*****6789","status":"ACTIVE","type":"SAVINGS","vpa":"{vpa}","aeba":"N"},"cred":{"type":"PIN","subType":"MPIN","data":{"code":"{old}"}},"newcred":{"type":"PIN","subType":"MPIN","data":{"code":"{new}"}},"device":{"app":"AXISBANK","capability":"5200000200010004000639292929292","geocode":"28.613939,77.209021","id":"DCAD28A8A1AB48F99BBCA425B0912ECD","ip":"192.168.1.1","location":"Delhi","mobile":"918888888888","os":"Android","type":"MOB"}}}}"#;
