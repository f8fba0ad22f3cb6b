//! Requests, ready to be sent: every one legal, fresh, and under an id of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use kunji_server::seed::numbered::Names;
use kunji_vault::{BlockAlg, BlockMaker, KeyRing, PinUse, Vault};

use crate::client::Lane;
use crate::{Mode, machine};

/// More than the history holds, so that each may come back; none breaks a rule.
const PINS: [&str; 6] = [FIRST_PIN, "7391", "2604", "8153", "3947", "6072"];

/// The MPIN that every account is seeded with.
pub(crate) const FIRST_PIN: &str = "4826";

/// The accounts of a seed, and how often the MPIN of each was changed.
pub(crate) struct Accounts {
    len: u64,
    steps: HashMap<u64, usize>,
    /// Runs so far: each meets accounts of its own.
    round: u64,
}

/// An account as a request finds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    number: u64,
    step: usize,
}

impl Account {
    fn pin(&self, later: usize) -> &'static str {
        PINS.iter().cycle().nth((self.step + later) % PINS.len()).copied().unwrap_or(FIRST_PIN)
    }
}

impl Accounts {
    pub(crate) fn new(len: u64) -> Self {
        Self { len, steps: HashMap::new(), round: 0 }
    }

    /// One of those that no run meets.
    pub(crate) fn spare(&mut self) -> Account {
        let step = self.steps.entry(self.len).or_default();
        *step += 1;
        Account { number: self.len, step: *step - 1 }
    }

    /// Which account a connection changes next, of those that are its own.
    fn pick(&self, (lane, count): (u64, u64), nth: u64) -> u64 {
        let own = (self.len / count).max(1);
        lane + count * (spread((self.round << 48) ^ (lane << 32) ^ nth) % own)
    }

    /// Notes what each connection has changed.
    pub(crate) fn step(&mut self, done: &[usize]) -> anyhow::Result<()> {
        let count = u64::try_from(done.len())?;
        for (lane, answers) in (0..).zip(done) {
            for nth in 0..u64::try_from(*answers)? {
                *self.steps.entry(self.pick((lane, count), nth)).or_default() += 1;
            }
        }
        self.round += 1;
        Ok(())
    }
}

/// Numbers in a row become numbers all over (the finalizer of splitmix64).
fn spread(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
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
        accounts: &Accounts,
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
        accounts: &Accounts,
        (lane, count): (usize, usize),
        changes: usize,
    ) -> anyhow::Result<Lane> {
        let lane = (u64::try_from(lane)?, u64::try_from(count)?);
        let (mut steps, mut requests) = (HashMap::new(), Vec::with_capacity(changes));
        for nth in 0..u64::try_from(changes)? {
            let number = accounts.pick(lane, nth);
            let before = accounts.steps.get(&number).copied().unwrap_or_default();
            let step = steps.entry(number).or_insert(before);
            requests.push(self.change(Account { number, step: *step })?);
            *step += 1;
        }
        Ok(Lane::once(requests, SUCCESS))
    }

    /// One change, for a connection of its own.
    pub(crate) fn once(&self, account: Account) -> anyhow::Result<Lane> {
        Ok(Lane::once(vec![self.change(account)?], SUCCESS))
    }

    fn change(&self, account: Account) -> anyhow::Result<Vec<u8>> {
        let txn = fresh_txn();
        let (old, new) = (account.pin(0), account.pin(1));
        let [old, new] = match self {
            Self::Clear => [old.to_owned(), new.to_owned()],
            Self::Blocks(maker) => [
                maker.seal(old, PinUse::Mpin, &txn, now_ms()?)?,
                maker.seal(new, PinUse::NewMpin, &txn, now_ms()?)?,
            ],
        };
        let names = Names(account.number);
        let named = [
            ("{customer}", names.customer()),
            ("{txn}", txn),
            ("{account}", names.reference()),
            ("{vpa}", names.vpa()),
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

pub(crate) const PATH: &str = "/api/transactions/v1/changempin";

const SAMPLE: &str = r#"{"ChangeMPINRequest":{"SubHeader":{"requestUUID":"req-1621234567890-123","serviceRequestId":"NB.GEN.UPIAPI.CHANGEMPIN","serviceRequestVersion":"1.0","channelId":"TEST"},"SetResetMPINRequestBody":{"customerId":"{customer}","bank":"AXIS","txnId":"{txn}","ac":{"accRefNumber":"{account}","name":"John Doe","ifsc":"AXIS0000001","maskedAccnumber":"*****6789","status":"ACTIVE","type":"SAVINGS","vpa":"{vpa}","aeba":"N"},"cred":{"type":"PIN","subType":"MPIN","data":{"code":"{old}"}},"newcred":{"type":"PIN","subType":"MPIN","data":{"code":"{new}"}},"device":{"app":"AXISBANK","capability":"5200000200010004000639292929292","geocode":"28.613939,77.209021","id":"DCAD28A8A1AB48F99BBCA425B0912ECD","ip":"192.168.1.1","location":"Delhi","mobile":"918888888888","os":"Android","type":"MOB"}}}}"#;
