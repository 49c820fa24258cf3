//! Whose a file is, and what helps whoever may not use it.
//!
//! A hint is obeyed, so it must not take a file away from the services that live of it: a file in a package's folder stays
//! its user's, and everybody else is told to become that user.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
};

/// The users of this host that have a name.
const USERS: &str = "/etc/passwd";

/// This process's user.
pub(super) fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A user as `chown` and `sudo -u` take it, and a person reads it.
pub(super) fn user(id: u32) -> String {
    find_user(|user, _| user == id).map_or_else(|| id.to_string(), |(name, _)| name)
}

/// Whether a user has a name here, and so is one of this host's.
pub(super) fn is_known(id: u32) -> bool {
    find_user(|user, _| user == id).is_some()
}

/// Name and id of the first user whose id and primary group are such.
fn find_user(is: impl Fn(u32, u32) -> bool) -> Option<(String, u32)> {
    let users = fs::read_to_string(USERS).unwrap_or_default();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (id, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        is(id, group).then(|| (name.to_owned(), id))
    })
}

/// The user whose settings are in a file: its owner; of a file that is root's or cannot be seen, the owner of its folder,
/// or the user that the folder's group is named after. None where that is nobody but root.
fn keeper(path: &Path) -> Option<u32> {
    let owner = |path: &Path| path.metadata().ok().map(|found| (found.uid(), found.gid()));
    if let Some((owner, _)) = owner(path).filter(|(owner, _)| *owner != 0) {
        return Some(owner);
    }
    let path = std::path::absolute(path).ok()?;
    let (owner, group) = path.ancestors().skip(1).find_map(owner)?;
    if owner != 0 {
        return Some(owner);
    }
    find_user(|user, primary| group != 0 && primary == group && user != 0).map(|(_, id)| id)
}

/// Gives a file that root has made to the user whose folder it is in, who could not read it otherwise.
pub fn hand_over(path: &Path) -> std::io::Result<()> {
    match keeper(path) {
        Some(keeper) if us() == 0 => chown(path, Some(keeper), None),
        _ => Ok(()),
    }
}

/// How to become the user whose settings are in a file; none for that user itself.
pub(super) fn become_keeper(path: &Path) -> Option<String> {
    let keeper = keeper(path).filter(|keeper| *keeper != us())?;
    // sudo takes a number as `#1000`.
    let name = if is_known(keeper) { user(keeper) } else { quoted(&format!("#{keeper}")) };
    Some(format!("run it as that user: sudo -u {name} zerkalo …"))
}

/// What makes a file private to the user whose settings are in it.
pub(super) fn make_private(path: &Path) -> String {
    let (us, shown) = (us(), quoted(&path.display().to_string()));
    let keeper = keeper(path).unwrap_or(us);
    if path.metadata().is_ok_and(|found| found.uid() == keeper) {
        return format!("run: chmod 600 {shown}");
    }
    let private = format!("as root, run: chown {} {shown} && chmod 600 {shown}", user(keeper));
    match become_keeper(path) {
        Some(become_keeper) => format!("{private}; then {become_keeper}"),
        None => private,
    }
}

/// What helps where a file cannot be opened for want of rights.
pub(super) fn make_readable(path: &Path) -> String {
    // Of what a folder hides only its user knows more.
    let is_roots = path.metadata().is_ok_and(|found| found.uid() == 0);
    match become_keeper(path) {
        Some(become_keeper) if !is_roots => become_keeper,
        _ => make_private(path),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |sign: char| sign.is_alphanumeric() || "/._-+:@%,=".contains(sign);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The folder of the package's settings.
pub(super) fn of_package(path: &Path) -> bool {
    path.parent() == Some(Path::new(PACKAGE))
}

/// Where the package's settings are.
pub(super) const PACKAGE: &str = "/etc/zerkalo";

/// What systemd and we read beside the package's settings file.
pub(super) fn package_environment() -> PathBuf {
    Path::new(PACKAGE).join("environment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        for word in ["/etc/zerkalo/zerkalo.toml", "/home/o p/it's.env", "#1000", "$(reboot)"] {
            let said = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output();
            assert_eq!(String::from_utf8(said.unwrap().stdout).unwrap(), word);
        }
        assert_eq!(quoted("/etc/zerkalo/zerkalo.toml"), "/etc/zerkalo/zerkalo.toml");
    }

    #[test]
    fn our_own_file_is_ours_to_close() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.env");
        fs::write(&file, "").unwrap();
        assert_eq!(become_keeper(&file), None);
        assert_eq!(make_private(&file), format!("run: chmod 600 {}", file.display()));
    }
}
