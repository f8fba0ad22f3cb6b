//! Folders of files that a test wants to change.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Copies all that is under a folder into another one, its files for the owner alone: what git
/// keeps is for everybody to read, and Kunji refuses keys that are.
///
/// # Panics
/// When something cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder is made");
    for entry in fs::read_dir(from).expect("a folder is read") {
        let entry = entry.expect("an entry is read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a file is copied");
            fs::set_permissions(&target, Permissions::from_mode(0o600)).expect("a mode is set");
        }
    }
}
