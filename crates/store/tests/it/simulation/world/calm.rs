//! How a run begins and how each of its chapters ends: with nothing breaking, so that everything
//! that was promised must come.

use std::sync::Arc;

use kunji_core::audit::Subject;
use kunji_core::engine::{Engine, Fault};
use kunji_core::errand::Lane;
use kunji_core::mapper::Address;
use kunji_core::store::Store as _;
use kunji_core::time::MINUTE_MS;
use kunji_testkit::{Act, Story, account, card};

use super::super::clients::CUSTOMERS;
use super::super::ground::{Ground, at_once};
use super::super::guarded::PLANTED;
use super::super::plants::{Plant, Planted};
use super::super::requests::{Answer, Ask, Content, MOBILE, Running};
use super::{CLIENTS, TURNS_MAX, World};
use crate::psp::{caller, customer, profile, vpa_of};

impl World {
    /// Brings into being who is there before anybody asks.
    pub(super) fn plant(&mut self) {
        let engine = Arc::new(Engine {
            store: Planted { plant: Plant::Nothing, ..self.engine(0).store },
            ..self.engine(0)
        });
        let work = async move {
            match plant_all(&engine).await {
                Ok(()) => Answer::Done("planted"),
                Err(_) => Answer::Fault,
            }
        };
        self.start(0, &Ask::new(None, Content::Plant), Box::pin(work));
        self.drain();
    }

    /// Nothing breaks any more: everything is answered, every errand is run, and all is checked.
    pub(super) fn calm(&mut self) {
        self.ground().is_calm = true;
        self.repair();
        self.drain();
        for place in 0..CLIENTS {
            while let (Some(open), false) = (self.clients[place].open.clone(), self.is_over()) {
                self.clients[place].waits = self.send(&open);
                self.drain();
            }
        }
        for _ in 0..5 {
            if self.is_over()
                || at_once(self.ground().durable.errands(&Lane::Holdings)).unwrap().is_empty()
            {
                break;
            }
            self.clock.advance(10 * MINUTE_MS);
            self.send(&Ask::new(None, Content::Errands));
            self.drain();
        }
        let mut ground = self.ground();
        let Ground { checker, durable, .. } = &mut *ground;
        checker.quiet(durable);
    }

    /// Goes on until nothing is under way.
    fn drain(&mut self) {
        for _ in 0..TURNS_MAX {
            if self.is_over() {
                return;
            }
            let drawn = self.ground().chance.below(4);
            let moved = match drawn {
                0 => self.write() || self.poll(),
                1 => self.ground().proceed(),
                _ => self.poll(),
            };
            let still = !moved && !self.poll() && !self.write() && !self.ground().proceed();
            if still {
                let stuck = !self.tasks.is_empty();
                if stuck {
                    self.ground().checker.blame(Err("requests wait for ever".to_owned()));
                }
                return;
            }
        }
        self.ground().checker.blame(Err("no end of calm".to_owned()));
    }
}

async fn plant_all(engine: &Running) -> Result<(), Fault> {
    for step in &Story::parse("planted", PLANTED).unwrap().steps {
        let credential = if let Act::Account(sketch) = &step.act {
            account(&engine.vault, sketch, MOBILE)
        } else {
            let Act::Card(sketch) = &step.act else { continue };
            card(&engine.vault, sketch, MOBILE)
        };
        engine.plant(credential, caller()).await?;
    }
    for who in CUSTOMERS {
        for nth in [1, 2] {
            let address = Address { vpa: vpa_of(who, nth), owner: Some(profile(who)) };
            let subject = Subject::Address(vpa_of(who, nth).folded());
            engine.plant_at(subject, address, caller()).await?;
        }
        engine.plant_at(Subject::Customer(profile(who)), customer(who), caller()).await?;
    }
    Ok(())
}
