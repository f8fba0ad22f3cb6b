//! The checkpoints that a server writes by itself: at its start, at intervals, at its end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use kunji_vault::sha256;
use serde_json::json;

use super::site::{ASHA, Site, header, listed, try_both, wait_until};
use crate::support::watched::Watched;

fn hash_of(path: &std::path::Path) -> String {
    let hash = sha256(&[&fs::read(path).unwrap()]);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_changed_is_listed_at_each_interval_and_at_the_end() {
    let site = Site::embedded();
    let kunji = site.start();
    let first = site.wait_for(1);
    assert_eq!((header(&first)["scope"].clone(), listed(&first).len()), (json!("all"), 33));
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(first.clone()), mode(site.path("kept"))), (0o600, 0o700));
    try_both(&kunji);
    kunji.advance("1h");
    let second = site.wait_for(2);
    assert_eq!(listed(&second), [site.called(ASHA)]);
    kunji.verify("account", "NOBODY", "804913");
    assert_eq!(kunji.stop(), Some(0));
    let third = site.wait_for(3);
    assert_eq!(listed(&third), [site.called("stranger/api:sandbox")]);
    let (one, two, three) = (header(&first), header(&second), header(&third));
    let said = |name| [&one, &two, &three].map(|header| header[name].clone());
    assert_eq!(said("number"), [json!(1), json!(2), json!(3)]);
    assert_eq!(said("occasion"), [json!("interval"), json!("interval"), json!("shutdown")]);
    assert_eq!(said("scope"), [json!("all"), json!("changed"), json!("changed")]);
    assert_eq!(
        said("series"),
        [one["series"].clone(), one["series"].clone(), one["series"].clone()]
    );
    let before = [json!(null), json!(hash_of(&first)), json!(hash_of(&second))];
    assert_eq!(said("previous"), before);
    // The directory stands for all that lies in it.
    for given in [vec![first.clone(), second.clone(), third.clone()], vec![site.path("kept")]] {
        let (code, said) = site.verify(&given);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("3 checkpoints with 35 heads"), "{said}");
    }
    // A list of changes is taken along with those before it only.
    for given in [vec![third.clone()], vec![first, third]] {
        let (code, said) = site.verify(&given);
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains("the checkpoint before it is not given"), "{said}");
    }
}

#[test]
fn after_a_clean_end_the_lists_of_changes_go_on() {
    let site = Site::embedded();
    site.work();
    let end = site.wait_for(2);
    let kunji = site.start();
    assert_eq!(kunji.stop(), Some(0));
    let next = site.wait_for(3);
    assert_eq!(listed(&next), [site.called("service")], "its start is all that there is to say");
    assert_eq!(header(&next)["previous"], hash_of(&end));
    assert_eq!(header(&next)["number"], 1, "it is another run");
    assert_ne!(header(&next)["series"], header(&end)["series"]);
}

#[test]
fn after_a_crash_everything_is_listed_again() {
    for site in [Site::embedded(), Site::postgres()] {
        let kunji = site.start();
        let first = site.wait_for(1);
        try_both(&kunji);
        kunji.kill();
        let kunji = site.start();
        let again = site.wait_for(2);
        assert_eq!(header(&again)["scope"], "all");
        assert_eq!(header(&again)["previous"], hash_of(&first));
        assert!(listed(&again).contains(&site.called(ASHA)));
        assert_eq!(kunji.stop(), Some(0));
        assert_eq!(header(&site.wait_for(3))["occasion"], "shutdown");
        assert_eq!(site.verify(&site.kept()).0, Some(0));
    }
}

#[test]
fn a_forged_or_foreign_end_is_not_gone_on_from() {
    let site = Site::embedded();
    site.work();
    let end = site.wait_for(2);
    let text = fs::read_to_string(&end).unwrap();
    fs::write(&end, text.replacen("\"number\":2", "\"number\":3", 1)).unwrap();
    site.work();
    let after_forgery = site.kept()[2].clone();
    assert_eq!(header(&after_forgery)["scope"], "all");
    assert_eq!(header(&after_forgery)["previous"], json!(null), "nothing rests on it");
    // The same keys and an end that is theirs, but another store.
    fs::remove_file(site.path("sand/current")).unwrap();
    site.work();
    let kept = site.kept();
    assert_eq!((header(&kept[3])["occasion"].clone(), kept.len()), (json!("shutdown"), 6));
    assert_eq!(header(&kept[4])["scope"], "all");
    assert_eq!(header(&kept[4])["previous"], hash_of(&kept[3]));
}

#[test]
fn processes_that_share_a_database_write_series_of_their_own() {
    let site = Site::postgres();
    let one = site.start();
    site.wait_for(1);
    let two = site.start();
    site.wait_for(2);
    for _ in 0..2 {
        try_both(&one);
        try_both(&two);
    }
    assert_eq!((one.stop(), two.stop()), (Some(0), Some(0)));
    let kept = site.kept();
    assert_eq!(kept.len(), 4);
    let lane = |path: &std::path::PathBuf| {
        path.file_name().unwrap().to_str().unwrap().split('-').nth(1).unwrap().to_owned()
    };
    let lanes: Vec<_> = kept.iter().map(lane).collect();
    assert_eq!(lanes.iter().filter(|lane| *lane == "01").count(), 2, "{lanes:?}");
    assert_eq!(lanes.iter().filter(|lane| *lane == "02").count(), 2, "{lanes:?}");
    for end in &kept[2..] {
        assert_eq!(header(end)["occasion"], "shutdown");
        assert!(listed(end).contains(&site.called(ASHA)), "each of them went on with the chain");
    }
    let (code, said) = site.verify(&kept);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_could_not_be_written_down_is_written_later() {
    let site = Site::embedded();
    let watched = Watched::start(site.sandbox()).map_err(|(_, said)| said).unwrap();
    site.wait_for(1);
    try_both(&watched.kunji);
    fs::rename(site.path("kept"), site.path("away")).unwrap();
    watched.kunji.advance("1h");
    wait_until("a fault", || {
        let said = String::from_utf8(watched.said()).unwrap();
        said.contains("a checkpoint of the audit could not be written")
    });
    fs::rename(site.path("away"), site.path("kept")).unwrap();
    watched.kunji.advance("1m");
    assert_eq!(listed(&site.wait_for(2)), [site.called(ASHA)]);
    fs::rename(site.path("kept"), site.path("away")).unwrap();
    let (code, said) = watched.stop();
    assert_eq!(code, Some(1), "an end without its checkpoint is told");
    assert!(said.contains("the last checkpoint of the audit cannot be written"), "{said}");
}

#[test]
fn a_sandbox_that_starts_over_lists_its_new_store() {
    let site = Site::embedded();
    let kunji = site.start();
    let first = site.wait_for(1);
    try_both(&kunji);
    kunji.start_over();
    let second = site.wait_for(2);
    assert_eq!(header(&second)["scope"], "all");
    assert_ne!(header(&second)["store"], header(&first)["store"]);
    assert_eq!(kunji.stop(), Some(0));
    let third = site.wait_for(3);
    assert_eq!(listed(&third), Vec::<String>::new());
    assert_eq!(site.verify(&[second, third]).0, Some(0));
    let (code, said) = site.verify(&[first]);
    assert!(code == Some(4) && said.contains("it is of another store"), "{said}");
}

#[test]
fn a_directory_that_cannot_be_used_is_told_at_the_start() {
    let site = Site::embedded();
    fs::write(site.path("kept"), "a file").unwrap();
    let output = site.sandbox().stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no checkpoint of the audit can be written"), "{said}");
}
