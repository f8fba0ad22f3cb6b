//! A disk that is full, and then has room again: the process ends, and the next one goes on.

use std::process::Command;

use self::disk::{Disk, Shim};
use crate::support::watched::Watched;
use crate::support::{KUNJI, Kunji};

#[path = "../../benches/faults/disk.rs"]
#[expect(dead_code, reason = "the fault harness uses the rest")]
mod disk;

const JOHN: &str = "ACC123456789";

#[test]
fn a_store_that_failed_ends_its_process_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(Kunji::sandbox_in(&data).stop(), Some(0));
    let shim = Shim::build(folder.path()).unwrap();
    let disk = Disk::new(&shim, &folder.path().join("disk")).unwrap();
    let start = || {
        let mut command = Command::new(KUNJI);
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json", "--data"]);
        command.arg(&data).envs(disk.variables().iter().map(|(name, value)| (name, value)));
        Watched::start(command).map_err(|(_, said)| said).unwrap()
    };
    let watched = start();
    assert_eq!(watched.kunji.verify("account", JOHN, "0000"), "wrong_pin");
    disk.fill(0).unwrap();
    assert_eq!(watched.kunji.verify("account", JOHN, "0001"), "outcome_unknown");
    disk.heal().unwrap();
    let (code, said) = watched.ended();
    assert_eq!(code, Some(5), "{said}");
    let told = said.lines().filter(|line| line.contains("the store has failed")).count();
    assert_eq!(told, 1, "{said}");
    // The try that was answered counts, and there is room for another.
    let again = start();
    assert_eq!(again.kunji.get("/livez").status, 200);
    assert_eq!(again.kunji.verify("account", JOHN, "1234"), "verified");
    assert_eq!(again.stop().0, Some(0));
}
