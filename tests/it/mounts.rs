//! Locks hold on a local disk only: a real mount of FUSE is refused, for the state directory and for an `SQLite` file.
//!
//! The mount is made by the real `bindfs`, in name spaces of its own. Where that cannot be, the stories are left out, and
//! say so.

use super::{
    doctor::assert_found,
    harness::{Engine, Outcome, World, on_both},
    process::{may_mount, program, skip},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

on_both!(a_state_directory_on_fuse_is_refused, an_sqlite_file_on_fuse_is_refused);

/// Shows a folder at a second place by `bindfs`, waits for it, and runs what follows. It ends with 99 where there can be no
/// mount.
const SHOWN_BY_FUSE: &str = r#"bindfs=$1 folder=$2 place=$3
shift 3
"$bindfs" -f "$folder" "$place" >"$folder.log" 2>&1 &
for i in $(seq 100); do
    if [ "$(stat -f -c %t "$place")" = 65735546 ]; then "$@"; exit; fi
    kill -0 $! 2>/dev/null || break
    sleep 0.05
done
cat "$folder.log" >&2
exit 99"#;

/// A world with a folder on a local disk that FUSE shows at a second place.
struct Fuse {
    world: World,
    bindfs: PathBuf,
}

impl Fuse {
    /// None, said aloud, where there can be no such mount.
    fn new(engine: Engine) -> Option<Self> {
        let without = "so nothing is mounted with FUSE, and no story of locks on it did run";
        let Some(bindfs) = program("bindfs") else {
            skip(&format!("bindfs is not installed, {without}"));
            return None;
        };
        if !may_mount() {
            skip(&format!("no user namespaces, {without}"));
            return None;
        }
        let fuse = Self { world: World::new(engine), bindfs };
        for folder in [fuse.disk(), fuse.mount()] {
            fs::create_dir(folder).unwrap();
        }
        let tried = fuse.shown(Path::new("true"), &[]);
        if tried.code == Some(99) {
            skip(&format!("{}, {without}", tried.stderr.trim()));
            return None;
        }
        assert_eq!(tried.code, Some(0), "{}", tried.stderr);
        Some(fuse)
    }

    /// The folder itself.
    fn disk(&self) -> PathBuf {
        self.world.home.path().join("disk")
    }

    /// Where FUSE shows it.
    fn mount(&self) -> PathBuf {
        self.world.home.path().join("mount")
    }

    /// Runs a program while FUSE shows the folder.
    fn shown(&self, program: &Path, arguments: &[&str]) -> Outcome {
        let mut command = self.world.shell_that_mounts(SHOWN_BY_FUSE);
        command.arg(&self.bindfs).arg(self.disk()).arg(self.mount()).arg(program).args(arguments);
        command.output().unwrap().into()
    }

    /// Runs the binary, which must refuse a folder for locks and do nothing.
    #[track_caller]
    fn assert_refused(&self, folder: &Path, arguments: &[&str]) {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {} {}", outcome.stdout, outcome.stderr);
        let said = outcome.json["error"].as_str().unwrap();
        let (place, why) = said.split_once(" is on a ").unwrap_or_else(|| panic!("{said}"));
        assert!(Path::new(place).starts_with(folder), "{said}");
        assert_eq!(why, "FUSE file system, where locks do not hold");
        let hint = "set ZERKALO_STATE_DIR, and with SQLite also DATABASE_URL, to a place on a local disk";
        assert_eq!(outcome.json["hint"], hint);
        assert_eq!(self.files(), Vec::<PathBuf>::new(), "{arguments:?}");
        assert_eq!(self.world.sandbox.journal(), [], "nobody is asked, nobody logs in");
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.shown(Path::new(env!("CARGO_BIN_EXE_zerkalo")), &[arguments, &["--json"]].concat())
    }

    /// What lies in the folder, databases too.
    fn files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.disk()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let into = if entry.file_type().unwrap().is_dir() { &mut folders } else { &mut files };
                into.push(entry.path());
            }
        }
        files
    }
}

fn a_state_directory_on_fuse_is_refused(engine: Engine) {
    let Some(mut fuse) = Fuse::new(engine) else { return };
    let state = fuse.mount().join("state");
    fuse.world.set("ZERKALO_STATE_DIR", state.display().to_string());
    for arguments in
        [&["sync", "iiko"][..], &["sync", "iiko", "--dry-run"], &["full-morning"], &["negative-transfer"]]
    {
        fuse.assert_refused(&state, arguments);
    }
    let examined = fuse.run(&["doctor"]);
    assert_eq!(examined.code, Some(2), "{}", examined.stdout);
    for check in ["state directory", "iiko"] {
        assert_found(&examined, check, "problem", "is on a FUSE file system", "set ZERKALO_STATE_DIR");
    }
    assert!(fuse.world.sandbox.journal().iter().all(|entry| entry.upstream != "iiko" || !entry.session));
    // The same folder, not by way of FUSE.
    let state = fuse.disk().join("state").display().to_string();
    fuse.world.set("ZERKALO_STATE_DIR", state);
    fuse.world.expect(0, &["sync", "iiko", "--only", "iiko_store"]);
    assert!(fuse.files().iter().any(|file| file.extension().is_some_and(|end| end == "lock")));
}

fn an_sqlite_file_on_fuse_is_refused(engine: Engine) {
    if engine == Engine::Postgres {
        return; // Its locks are in the state directory.
    }
    let Some(mut fuse) = Fuse::new(engine) else { return };
    let file = |folder: PathBuf| format!("sqlite:{}", folder.join("mirror.db").display());
    fuse.world.set("DATABASE_URL", file(fuse.mount()));
    for arguments in [&["sync", "fintablo"][..], &["full-morning"]] {
        fuse.assert_refused(&fuse.mount(), arguments);
    }
    fuse.world.set("DATABASE_URL", file(fuse.disk()));
    fuse.world.expect(0, &["sync", "fintablo", "--only", "ft_category"]);
    assert!(fuse.files().contains(&fuse.disk().join("mirror.db")));
}
