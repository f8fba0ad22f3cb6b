//! Backups of the first builds are restored, and every PIN in them is right.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::{Ground, JOHN, on_both_engines, right};

/// Its MPIN was changed under the first builds.
const ASHA_CHANGED: (&str, &str) = ("ACC000000002", "530281");

const KEYS: &[u8] = include_bytes!("../../../../vault/tests/vectors/format-2.keys");
const UNSEAL: &[u8] = b"be5afa1c61aa9573d7343d07a9ced423b44367e104aee3545f13505e7eb0e968\n";
const BACKUP: &[u8] = include_bytes!("../../vectors/format-2.backup");

on_both_engines!(pins_that_the_first_builds_kept_are_right);

fn pins_that_the_first_builds_kept_are_right(ground: &Ground) {
    fs::create_dir(ground.path("first")).unwrap();
    for (name, bytes) in [("keys.sealed", KEYS), ("unseal.key", UNSEAL)] {
        let path = ground.path("first").join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(ground.path("backup"), BACKUP).unwrap();
    ground.prepare("fresh", "first");
    ground.imported("fresh", "backup", None);
    let kunji = ground.start("fresh");
    // A restore without the store that it replaces blocks everybody for a window.
    kunji.advance("25h");
    for who in [JOHN, ASHA_CHANGED] {
        assert_eq!(right(&kunji, who), "verified");
        assert_eq!(kunji.verify("account", who.0, "907163"), "wrong_pin");
    }
    // The one before it is in the history still.
    let asha = |old, new| kunji.change_live(&crate::support::change_asha(old, new)).status;
    assert_eq!(asha("530281", "804913"), 400);
    assert_eq!(asha("530281", "617394"), 200);
    assert_eq!(asha("617394", "530281"), 400);
    assert_eq!(right(&kunji, (ASHA_CHANGED.0, "617394")), "verified");
}
