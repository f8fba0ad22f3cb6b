//! What moves from engine to engine and back arrives as it was.

use std::io::{Seek, Write};
use std::sync::Arc;

use kunji_core::engine::{Engine, Inline};
use kunji_core::ids::Caller;
use kunji_core::rules::Rules;
use kunji_core::store::{Intake, Row, Scope, Store, Survey};
use kunji_core::time::Millis;
use kunji_server::backup::{export, prove, verify};
use kunji_server::clock::ServiceClock;
use kunji_store::{Embedded, EmbeddedSettings, Frozen, Postgres, PostgresPlace, Replaced, migrate};
use kunji_testkit::{Cluster, sandbox, verify_chains};
use kunji_vault::{KeyRing, Vault};
use tokio::runtime::Runtime;

/// All rows but those of the service's own chain, which tells of each move.
fn rows(store: &impl Survey) -> Vec<String> {
    let mut rows = Vec::new();
    let keep = &mut |row| {
        let text = format!("{row:?}");
        if !matches!(row, Row::Event(..) | Row::Record(..)) || !text.contains("(Service") {
            rows.push(text);
        }
        Ok(())
    };
    store.survey(Scope::Everything, keep).unwrap();
    rows
}

/// Backs a store up into a file; gives the store back.
fn backed_up<S: Store + Survey>(
    vault: &Arc<Vault>,
    store: S,
    runtime: &Runtime,
) -> (S, std::fs::File) {
    let engine = Engine {
        store,
        vault: Arc::clone(vault),
        clock: ServiceClock::default(),
        workers: Inline,
        rules: Rules::default(),
        budget: Arc::default(),
    };
    let mut file = export(&engine, runtime.handle(), tempfile::tempfile().unwrap()).unwrap().out;
    file.flush().unwrap();
    file.rewind().unwrap();
    (engine.store, file)
}

fn moved(vault: &Vault, file: &mut std::fs::File, store: &impl Intake, replaced: &Replaced) {
    let now = Millis(ServiceClock::default().now().0);
    let imported = prove(vault, file)
        .unwrap()
        .load((store, Some(replaced)), (&Rules::default(), now))
        .unwrap();
    assert_eq!((imported.strictest, imported.unknown, imported.newer), (0, 0, 0), "{imported:?}");
    assert_eq!(imported.unchanged, 11);
    assert!(imported.unread.is_none());
}

#[test]
fn rows_move_to_a_database_and_back_and_nobody_is_blocked() {
    let vault = Arc::new(Vault::new(KeyRing::ephemeral().unwrap()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let [first, last] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let open = |dir: &tempfile::TempDir| {
        Embedded::open(dir.path(), EmbeddedSettings::default(), Arc::clone(&vault))
    };
    let embedded = |dir| open(dir).unwrap();
    let engine = Engine {
        store: embedded(&first),
        vault: Arc::clone(&vault),
        clock: ServiceClock::default(),
        workers: Inline,
        rules: Rules::default(),
        budget: Arc::default(),
    };
    runtime.block_on(async {
        for credential in sandbox(&vault) {
            engine.plant(credential, Caller::parse("seed").unwrap()).await.unwrap();
        }
    });
    let (store, mut file) = backed_up(&vault, engine.store, &runtime);
    let before = rows(&store);
    assert!(before.len() > 30, "{}", before.len());
    let found = verify(&vault, &file).unwrap().findings;
    assert_eq!((found.breaks.len(), found.tally.records), (0, 12));
    file.rewind().unwrap();

    let place = PostgresPlace::parse(&Cluster::shared().fresh(), "moved", 2).unwrap();
    migrate(&place).unwrap();
    let database = Postgres::open(place.clone(), None, Arc::clone(&vault)).unwrap();
    moved(&vault, &mut file, &database, &Replaced::Embedded(Box::new(store)));
    assert!(open(&first).is_err());
    let (database, mut file) = backed_up(&vault, database, &runtime);
    assert_eq!(rows(&database), before);
    verify_chains(&database);

    let back = embedded(&last);
    let frozen = Frozen::freeze(place.clone(), Arc::clone(&vault)).unwrap();
    moved(&vault, &mut file, &back, &Replaced::Postgres(Box::new(frozen)));
    assert_eq!(rows(&back), before);
    let events = verify_chains(&back);
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.caller.as_str() == "service")
        .map(|event| event.action.as_str())
        .collect();
    assert_eq!(told, ["exported", "restored", "exported", "restored"]);
    assert!(Postgres::open(place, None, vault).is_err());
}
