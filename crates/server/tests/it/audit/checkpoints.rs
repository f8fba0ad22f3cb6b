//! Checkpoints as files: made by hand, altered, of others, and what an auditor needs to read them.

use std::fs;
use std::path::{Path, PathBuf};

use super::site::{ASHA, Site, header, listed, try_both};

/// A site with a checkpoint by hand over all its chains.
fn with_checkpoint() -> (Site, PathBuf) {
    let site = Site::embedded();
    site.work();
    let path = site.path("by-hand");
    let (code, said) = site.audit(&["checkpoint", "--out", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("33 heads in "), "{said}");
    (site, path)
}

#[test]
fn a_checkpoint_that_was_altered_proves_nothing() {
    let (site, path) = with_checkpoint();
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let called = site.called(ASHA);
    let asha = *lines.iter().find(|line| line.ends_with(&called)).unwrap();
    let (seq, rest) = asha.split_once(' ').unwrap();
    let signature = last.rsplit_once("\"signature\":\"").unwrap().1;
    let other =
        format!("{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    let other_digit = if asha.ends_with('0') { '1' } else { '0' };
    let swapped = {
        let mut lines = lines.clone();
        lines.swap(3, 4);
        lines.join("\n") + "\n"
    };
    let altered = |from: &str, to: &str| {
        assert!(whole.contains(from));
        whole.replacen(from, to, 1)
    };
    for (text, words) in [
        (altered("\"number\":1", "\"number\":2"), "its signature does not hold"),
        (altered(first, &first.replace("\"all\"", "\"changed\"")), "signature does not hold"),
        (altered(first, "{}"), "line 1 is not"),
        (altered(asha, &format!("{}{rest}", seq.parse::<u64>().unwrap() - 1)), "is not that"),
        (altered(asha, &format!("2 {rest}")), "its signature does not hold"),
        (altered(asha, &format!("{}{}", &asha[..asha.len() - 1], other_digit)), "does not hold"),
        (altered(&format!("{asha}\n"), ""), "lists 33 heads and lists 32"),
        (swapped, "line 5 is not"),
        (altered(last, &last.replace("33", "32")), "lists 32 heads and lists 33"),
        (altered(signature, &other), "its signature does not hold"),
        (altered("\"key\":\"", "\"key\":\"x"), "it is signed with the unknown key"),
        (altered(last, ""), "line 35 is not"),
        (altered(&format!("{last}\n"), ""), "it is cut off after line 34"),
        (whole[..whole.len() - 1].to_owned(), "it is cut off after line 34"),
        (format!("{whole}\n"), "it goes on behind its signature"),
        ("1".repeat(100_000), "line 1 is not"),
        (String::new(), "it is cut off after line 0"),
    ] {
        fs::write(&path, &text).unwrap();
        let (code, said) = site.verify(std::slice::from_ref(&path));
        assert_eq!(code, Some(4), "{words}: {said}");
        let proves_nothing = said.contains("the checkpoint proves nothing: ");
        assert!(proves_nothing && said.contains(words), "{words}: {said}");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(site.verify(&[path]).0, Some(0));
}

#[test]
fn a_checkpoint_of_others_is_told() {
    let (site, path) = with_checkpoint();
    let (other, others) = with_checkpoint();
    let (code, said) = site.verify(std::slice::from_ref(&others));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("it is signed with the unknown key"), "{said}");
    // Even if both had the same keys.
    let jwks = jwks_of(&other);
    let args = ["--checkpoint", others.to_str().unwrap(), "--jwks", jwks.to_str().unwrap()];
    let (code, said) = site.audit(&[&["verify"], &args[..]].concat());
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("it is of another store"), "{said}");
    // One of its own beside it is compared all the same.
    let (code, said) = site.verify(&[path, others]);
    assert!(code == Some(4) && said.contains("2 checkpoints with 33 heads"), "{said}");
}

/// The published keys, in a file.
fn jwks_of(site: &Site) -> PathBuf {
    let path = site.path("jwks.json");
    let kunji = site.start();
    fs::write(&path, kunji.get("/.well-known/jwks.json").body).unwrap();
    assert_eq!(kunji.stop(), Some(0));
    path
}

#[test]
fn an_auditor_brings_the_public_keys_and_needs_the_rows_opened() {
    let (site, path) = with_checkpoint();
    let jwks = jwks_of(&site);
    let args = ["verify", "--checkpoint", path.to_str().unwrap(), "--jwks", jwks.to_str().unwrap()];
    let (code, said) = site.audit(&args);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(", 1 checkpoints with 33 heads"), "{said}");
    let kept = fs::read_to_string(&jwks).unwrap();
    fs::write(&jwks, "{\"keys\":[]}").unwrap();
    let (code, said) = site.audit(&args);
    assert!(code == Some(1) && said.contains("has no key that checkpoints"), "{said}");
    fs::write(&jwks, kept).unwrap();
    fs::remove_file(site.path("sand/keys.sealed")).unwrap();
    let (code, said) = site.audit(&args);
    assert!(code == Some(1) && said.contains("there is no key file at"), "{said}");
    assert!(!site.path("sand/keys.sealed").exists(), "none are made");
}

#[test]
fn a_checkpoint_by_hand_replaces_nothing_and_needs_the_store() {
    let (site, path) = with_checkpoint();
    let out = path.to_str().unwrap();
    let (code, said) = site.audit(&["checkpoint", "--out", out]);
    assert!(code == Some(1) && said.contains("is there already"), "{said}");
    let elsewhere = site.path("elsewhere");
    let kunji = site.start();
    let (code, said) = site.audit(&["checkpoint", "--out", elsewhere.to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("is in use by another process"), "{said}");
    assert_eq!(kunji.stop(), Some(0));
    let nowhere = ["checkpoint", "--out", "/nowhere/at/all"];
    let (code, said) = site.audit(&nowhere);
    assert!(code == Some(1) && said.contains("cannot create /nowhere"), "{said}");
    assert!(!elsewhere.exists() && !Path::new("/nowhere").exists());
    let (code, said) = site.verify(&[elsewhere]);
    assert!(code == Some(1) && said.contains("cannot be read"), "{said}");
}

#[test]
fn a_checkpoint_by_hand_is_taken_from_a_postgres_in_use() {
    let site = Site::postgres();
    let kunji = site.start();
    try_both(&kunji);
    let path = site.path("by-hand");
    let (code, said) = site.audit(&["checkpoint", "--out", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(header(&path)["occasion"], "command");
    assert_eq!(listed(&path).len(), 33);
    try_both(&kunji);
    assert_eq!(site.verify(&[path]).0, Some(0), "the chains go on");
    assert_eq!(kunji.stop(), Some(0));
}
