//! Tells merchants what became of their customers' UPI numbers: signed, and until it is heard.
//!
//! The backlog is the store's alone: an event waits there as an errand until its channel answers
//! 2xx, until a day of tries is over, or until it answers 410: then the event is not tried again.
//! Memory holds no more than when to try again (`Retry-After` is honoured), so that after a restart
//! everything is tried at once. A channel may hear of an event twice, under the
//! same `webhook-id`.
//!
//! Events of one number come in their order: each waits until the one before it has arrived or was
//! given up. Those of other numbers pass by.
//!
//! An address is the operator's word and is called as it stands, whatever network it is in;
//! redirects are not followed.

mod client;
mod message;
mod pace;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kunji_core::engine::{By, Fault};
use kunji_core::errand::{ErrandKey, Lane, NumberNews, Task};
use kunji_core::ids::{Caller, ChannelId, UpiNumber};
use kunji_core::mapper::{Delivered, Number, NumberCommand};
use kunji_core::store::Store as _;
use kunji_core::time::Millis;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

pub use self::client::TlsError;
use self::client::{Client, Told};
use self::message::Message;
use self::pace::{Pace, Step};
use crate::app::{App, Issuer};

/// Tries of one channel that may be under way at once.
const TRIES_AT_ONCE_MAX: usize = 4;
/// Pages of a lane that one look goes through: so many refused events do not hide those behind.
const PAGES_MAX: usize = 16;
/// How often a channel's events are looked at when nobody calls.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The least time between two looks that others call for.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// How long tries under way are waited for at the end.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Delivers the events of all channels that have a webhook.
pub struct Deliverer {
    app: App,
    client: Arc<Client>,
}

impl Deliverer {
    /// Gets ready; reads the machine's CA certificates when an address needs them.
    ///
    /// # Errors
    /// `TlsError` when the TLS library refuses its own defaults.
    pub fn prepare(app: &App) -> Result<Self, TlsError> {
        let merchants = app.config().upi.merchants.iter();
        let mut webhooks = merchants.flat_map(|merchant| &merchant.channels);
        let secure = webhooks.any(|channel| {
            let webhook = channel.webhook.as_ref();
            webhook.is_some_and(|webhook| webhook.url.scheme_str() == Some("https"))
        });
        let client = match secure {
            true => Client::with_tls()?,
            false => Client::plain(),
        };
        Ok(Self { app: app.clone(), client: Arc::new(client) })
    }

    /// Runs until `stopped` says so: one task for each channel.
    pub async fn run(self, stopped: watch::Receiver<bool>) {
        let mut rounds = JoinSet::new();
        let merchants = self.app.config().upi.merchants.iter();
        for channel in merchants.flat_map(|merchant| &merchant.channels) {
            if channel.webhook.is_some() {
                let round = Round {
                    app: self.app.clone(),
                    client: Arc::clone(&self.client),
                    channel: channel.id.clone(),
                    paces: HashMap::new(),
                    at_work: HashMap::new(),
                    under_way: JoinSet::new(),
                };
                rounds.spawn(round.run(stopped.clone()));
            }
        }
        while rounds.join_next().await.is_some() {}
    }
}

/// An event that is being tried.
struct AtWork {
    key: ErrandKey,
    number: UpiNumber,
    /// When the number changed.
    at: Millis,
}

/// The work for one channel.
struct Round {
    app: App,
    client: Arc<Client>,
    channel: ChannelId,
    /// Of events that are still there when a look comes to the end of the lane.
    paces: HashMap<ErrandKey, Pace>,
    at_work: HashMap<Id, AtWork>,
    under_way: JoinSet<Arrival>,
}

/// What one try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// It is not posted again, even if that could not be kept.
    Ended(Delivered),
    /// It is tried again; the receiver may have asked not to before an instant.
    NotYet(Option<Millis>),
}

impl Round {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut left = self.app.errands_left();
        loop {
            left.mark_unchanged();
            let pages = self.look().await.unwrap_or_else(|fault| {
                // The events stay, and the next look tries again.
                self.app.report(&fault, "webhook");
                0
            });
            // A long backlog is not read anew for whatever else happens.
            let long = pages > 1;
            let full = self.under_way.len() >= TRIES_AT_ONCE_MAX;
            tokio::select! {
                _ = stopped.changed() => break,
                Some(ended) = self.under_way.join_next_with_id() => self.note(ended),
                _ = left.changed(), if !full && !long => tokio::time::sleep(LOOK_PAUSE).await,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        let all = async { while self.under_way.join_next().await.is_some() {} };
        // What is cut off here was not told to anybody as delivered: it is tried again.
        if tokio::time::timeout(END_TIMEOUT, all).await.is_err() {
            self.under_way.shutdown().await;
        }
    }

    /// Starts what is due, the oldest first; of each number the oldest only. Says how many pages
    /// it has read.
    async fn look(&mut self) -> Result<usize, Fault> {
        // A sandbox reset puts another issuer in place: what was read here is settled there.
        let issuer = self.app.issuer();
        if !issuer.store.leads().await? {
            return Ok(0);
        }
        let lane = Lane::Channel(self.channel.clone());
        let (mut left, mut numbers) = (HashSet::new(), HashSet::new());
        let (mut after, mut pages) = (None, 0);
        while pages < PAGES_MAX {
            let page = issuer.store.errands_after(&lane, after.as_ref()).await?;
            after = page.last().map(|errand| errand.key.clone());
            pages += usize::from(after.is_some());
            left.extend(page.iter().map(|errand| errand.key.clone()));
            for errand in page {
                // Nothing else is ever left in the lane of a channel.
                let Task::Tell(news) = errand.task else { continue };
                if numbers.insert(news.number.clone()) {
                    self.consider(errand.key, news, &issuer);
                }
            }
            if after.is_none() || self.under_way.len() >= TRIES_AT_ONCE_MAX {
                break;
            }
        }
        if after.is_none() {
            self.paces.retain(|key, _| left.contains(key));
        }
        Ok(pages)
    }

    /// Starts an event, if it is due and there is room.
    fn consider(&mut self, key: ErrandKey, news: Box<NumberNews>, issuer: &Arc<Issuer>) {
        let busy = self.at_work.values().any(|one| one.number == news.number);
        if busy || self.under_way.len() >= TRIES_AT_ONCE_MAX {
            return;
        }
        let now = self.app.clock().now();
        let pace = self.paces.get(&key).copied().unwrap_or_default();
        let step = pace.step(now);
        if step == Step::Wait {
            return;
        }
        let dice = uuid::Uuid::new_v4().as_bytes()[0];
        self.paces.insert(key.clone(), pace.after(now, pace::last_try(news.at), dice));
        self.start(step, key, news, Arc::clone(issuer));
    }

    fn start(&mut self, step: Step, key: ErrandKey, news: Box<NumberNews>, issuer: Arc<Issuer>) {
        let delivery = Delivery {
            app: self.app.clone(),
            client: Arc::clone(&self.client),
            channel: self.channel.clone(),
            key: key.clone(),
            issuer,
        };
        let (number, at) = (news.number.clone(), news.at);
        let task = self.under_way.spawn(delivery.run(step, news));
        self.at_work.insert(task.id(), AtWork { key, number, at });
    }

    fn note(&mut self, ended: Result<(Id, Arrival), JoinError>) {
        let (id, arrival) = match ended {
            Ok((id, arrival)) => (id, arrival),
            Err(broken) => (broken.id(), Arrival::NotYet(None)),
        };
        let Some(AtWork { key, at, .. }) = self.at_work.remove(&id) else { return };
        let Some(pace) = self.paces.get_mut(&key) else { return };
        match arrival {
            Arrival::Ended(end) => pace.ended = Some(end),
            Arrival::NotYet(None) => {}
            Arrival::NotYet(Some(until)) => *pace = pace.asked(until, pace::last_try(at)),
        }
    }
}

/// One try of one event.
struct Delivery {
    app: App,
    client: Arc<Client>,
    channel: ChannelId,
    key: ErrandKey,
    issuer: Arc<Issuer>,
}

impl Delivery {
    async fn run(self, step: Step, news: Box<NumberNews>) -> Arrival {
        let arrival = match step {
            Step::Settle(end) => Arrival::Ended(end),
            Step::Wait => return Arrival::NotYet(None),
            Step::Try => self.post(&news).await,
        };
        let late = self.app.clock().now() >= pace::last_try(news.at);
        match arrival {
            Arrival::Ended(end) => self.settle(&news, end).await,
            Arrival::NotYet(_) if late => {
                self.count("given_up");
                tracing::warn!(
                    "channel {} was not told of a change: its day is over",
                    self.channel
                );
                self.settle(&news, Delivered::GivenUp).await;
            }
            Arrival::NotYet(_) => {}
        }
        arrival
    }

    async fn post(&self, news: &NumberNews) -> Arrival {
        let channel = self.app.config().upi.channel(&self.channel);
        let Some(webhook) = channel.and_then(|channel| channel.webhook.as_ref()) else {
            return Arrival::NotYet(None);
        };
        let to = (&self.channel, webhook.shape);
        let Some(message) = Message::of(to, &self.key, news) else {
            return Arrival::NotYet(None);
        };
        let told = self.client.post(webhook, message).await;
        let now = self.app.clock().now();
        self.count(match told {
            Told::Taken => "delivered",
            Told::Refused(_) => "refused",
            Told::Gone => "gone",
            Told::Unreachable => "unreachable",
        });
        match told {
            Told::Taken => Arrival::Ended(Delivered::Arrived),
            Told::Refused(pause_ms) => {
                Arrival::NotYet(pause_ms.map(|pause_ms| pace::asked_until(now, pause_ms)))
            }
            Told::Unreachable => Arrival::NotYet(None),
            Told::Gone => {
                tracing::warn!(
                    "channel {} answered 410: the change is not told to it again; mend its \
                     webhook_url, or take it out",
                    self.channel
                );
                Arrival::Ended(Delivered::Gone)
            }
        }
    }

    async fn settle(&self, news: &NumberNews, end: Delivered) {
        let command = NumberCommand::Told { key: self.key.clone(), end };
        let (issuer, subject) = (Arc::clone(&self.issuer), news.subject());
        let settled = async move {
            let by = By::caller(Caller::parse("service")?);
            issuer.turn::<Number>(&by, &subject, &command, |_, _, _| None).await.map(drop)
        };
        // A fault is reported there; the errand then stands and is settled with the next step.
        let _ = self.app.act("webhook", settled).await;
    }

    fn count(&self, result: &'static str) {
        self.app.metrics().webhook_tried(&self.channel, result);
    }
}
