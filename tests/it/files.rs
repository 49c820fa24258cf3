//! Files that are not what their names say: pipes, devices, links, files of others.

use super::{
    harness::{Engine, Outcome, World, on_both},
    process::{skip, until},
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use zerkalo::sandbox::Action;

on_both!(
    nothing_in_the_state_directory_is_followed_or_written_through,
    the_state_directory_is_ours_alone,
    what_foreign_words_could_do_to_a_terminal_is_shown_escaped,
);

const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn pipe(path: &Path) -> PathBuf {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    path.to_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Runs a command that must end soon, whatever is in its way.
#[track_caller]
fn soon(mut command: Command) -> Outcome {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the command has ended", || child.try_wait().unwrap().is_some());
    child.wait_with_output().unwrap().into()
}

/// The ways in which an operator names a file, each as a command that reads it.
fn readers(world: &World, file: &Path) -> Vec<Command> {
    let with = |name: &str, arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env(name, file);
        command
    };
    let mut commands = vec![
        with("ZERKALO_CONFIG", &["config", "check"]),
        with("FINTABLO_TOKEN_FILE", &["sync", "fintablo"]),
        with("GOOGLE_SHEETS_CREDENTIALS", &["push-mapping"]),
        with("IIKO_CA_FILE", &["sync", "iiko"]),
    ];
    commands[2].env("MIN_STOCK_SHEET_ID", "sheet");
    commands[3].env("IIKO_BASE_URL", "https://127.0.0.1:9/resto");
    for arguments in [&["config", "check", "--config"][..], &["config", "check", "--env-file"], &["writeoff"]]
    {
        let mut command = world.command(arguments);
        command.arg(file);
        commands.push(command);
    }
    commands
}

#[test]
fn what_is_no_file_of_bounded_size_is_refused_at_once() {
    let world = World::new(Engine::Sqlite);
    let pipe = pipe(&world.home.path().join("pipe"));
    let long = world.home.path().join("long");
    fs::File::create(&long).unwrap().set_len(1 << 30).unwrap();
    fs::set_permissions(&long, fs::Permissions::from_mode(0o600)).unwrap();
    for (file, says) in [
        (pipe.as_path(), "it is a pipe and is not a regular file"),
        (Path::new("/dev/zero"), "it is a device and is not a regular file"),
        (world.home.path(), "it is a folder and is not a regular file"),
        (&long, "it is longer than "),
    ] {
        for command in readers(&world, file) {
            let what = format!("{:?}", command.get_args());
            let outcome = soon(command);
            assert_eq!(outcome.code, Some(2), "{what} {} {}", outcome.stdout, outcome.stderr);
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(said.contains(says) && said.contains("hint: "), "{what} {says}: {said}");
        }
    }
    let mut doctor = world.command(&["doctor", "--json"]);
    doctor.env("ZERKALO_METRICS_FILE", &pipe);
    let doctor = soon(doctor);
    assert!(doctor.stdout.contains("it is a pipe and is not a regular file"), "{}", doctor.stdout);
    assert!(world.sandbox.journal().iter().all(|entry| !entry.write));
}

#[test]
fn what_is_no_file_is_no_database() {
    let mut world = World::new(Engine::Sqlite);
    world.expect(0, &["sync", "fintablo"]);
    let (pipe, link) = (pipe(&world.home.path().join("pipe")), world.home.path().join("link"));
    symlink("/dev/zero", &link).unwrap();
    let socket = world.home.path().join("socket");
    let _listens = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let refused = |world: &World, place: &Path, says: &str| {
        for arguments in [
            &["sync", "fintablo"][..],
            &["full-morning", "--dry-run"],
            &["status"],
            &["status", "--check"],
            &["log"],
            &["migrate"],
            &["documents", "list"],
            &["prune"],
            &["doctor"],
        ] {
            let outcome = soon(world.command(&[arguments, &["--json"]].concat()));
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert_eq!(outcome.code, Some(2), "{arguments:?} {said}");
            assert!(said.contains(&format!("{} cannot be used", place.display())), "{arguments:?} {said}");
            assert!(said.contains(says), "{arguments:?} {said}");
        }
    };
    // Where a journal is expected, a pipe would be opened and waited for.
    for end in ["-journal", "-wal"] {
        let journal = self::pipe(&world.home.path().join(format!("mirror.db{end}")));
        refused(&world, &journal, "it is a pipe and is not a regular file");
        fs::remove_file(journal).unwrap();
    }
    for (place, file, says) in [
        (&pipe, pipe.as_path(), "it is a pipe and is not a regular file"),
        (&link, Path::new("/dev/zero"), "it is a device and is not a regular file"),
        (&socket, &socket, "it is a socket and is not a regular file"),
        (&world.state(), &world.state(), "it is a folder and is not a regular file"),
    ] {
        fs::create_dir_all(world.state()).unwrap();
        world.set("DATABASE_URL", format!("sqlite:{}", place.display()));
        refused(&world, file, says);
        let locks = file.with_file_name(format!("{}.locks", file.file_name().unwrap().to_string_lossy()));
        assert!(!locks.exists(), "{}", locks.display());
    }
}

#[test]
fn a_limit_of_files_is_no_fault_of_the_settings() {
    let world = World::new(Engine::Sqlite);
    world.expect(0, &["full-morning"]);
    let limited = |limit: &str, arguments: &str| {
        let mut shell = world.command(&[]);
        let script = format!("ulimit {limit}; exec '{}' {arguments} --json", shell.get_program().display());
        let environment: Vec<_> =
            shell.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap().to_owned())).collect();
        shell = Command::new("sh");
        shell.args(["-c", &script]).env_clear().envs(environment).current_dir(world.home.path());
        soon(shell)
    };
    // So many files as a run has locks cannot be open, and no file can be longer than what stands in a lock file.
    for limit in ["-n 24", "-f 0", "-f 8"] {
        world.sandbox.edit(|world| world.stores.iter_mut().for_each(|store| store["name"] = limit.into()));
        let outcome = limited(limit, "full-morning");
        assert_eq!(outcome.code, Some(8), "{limit}: {} {}", outcome.stdout, outcome.stderr);
        assert_eq!(world.sandbox.open_sessions(), 0, "{limit}");
    }
    let outcome = limited("-f 0", "sync iiko");
    assert!(outcome.stdout.contains("see `ulimit -f`"), "{}", outcome.stdout);
    world.expect(0, &["full-morning"]);
    world.assert_polite();
}

#[test]
fn a_link_is_followed_where_nobody_else_can_turn_it() {
    let world = World::new(Engine::Sqlite);
    // As Kubernetes mounts a secret.
    let volume = world.home.path().join("volume");
    fs::create_dir_all(volume.join("..2026_11_27")).unwrap();
    let token = volume.join("..2026_11_27/token");
    fs::write(&token, "demo-token").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o400)).unwrap();
    symlink("..2026_11_27", volume.join("..data")).unwrap();
    symlink("..data/token", volume.join("token")).unwrap();
    let run = || {
        let mut command = world.command(&["sync", "fintablo", "--only", "ft_category"]);
        command.env("FINTABLO_TOKEN", "").env("FINTABLO_TOKEN_FILE", volume.join("token"));
        soon(command)
    };
    let outcome = run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    fs::set_permissions(&token, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(run().stderr.contains("holds a secret and can be read by others"));
    fs::set_permissions(&token, fs::Permissions::from_mode(0o400)).unwrap();
    if !is_root() {
        return skip("only root can make a link of another user");
    }
    lchown(volume.join("..data"), Some(NOBODY), Some(NOBODY)).unwrap();
    let refused = run();
    assert_eq!(refused.code, Some(2));
    let says =
        format!("it leads through the symbolic link {} of user 65534", volume.join("..data").display());
    assert!(refused.stderr.contains(&says), "{}", refused.stderr);
}

#[test]
fn a_new_database_is_private_through_a_dangling_link_too() {
    let mut world = World::new(Engine::Sqlite);
    let (link, file) = (world.home.path().join("link.db"), world.home.path().join("elsewhere.db"));
    symlink(&file, &link).unwrap();
    world.set("DATABASE_URL", format!("sqlite:{}", link.display()));
    world.expect(0, &["migrate"]);
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn a_new_settings_folder_is_private() {
    let world = World::new(Engine::Sqlite);
    world.expect(0, &["config", "init"]);
    let folder = world.home.path().join(".config/zerkalo");
    assert_eq!((mode(&folder), mode(&folder.join("zerkalo.toml"))), (0o700, 0o600));
}

#[test]
fn a_process_leaves_no_core_dump() {
    let world = World::new(Engine::Sqlite);
    let delay_ms = 60_000;
    world.sandbox.fault(zerkalo::sandbox::Fault::new("/v1/deal$", Action::Slow { delay_ms }));
    let mut command = world.as_nobody(world.command(&["sync", "fintablo"]));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    world.until_asked("/v1/deal");
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    // The kernel gives what a process that must not be dumped shows of itself to root (proc(5)).
    let owner = fs::metadata(format!("/proc/{}/environ", child.id())).unwrap().uid();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    assert_eq!(owner, 0, "it may be dumped");
}

fn nothing_in_the_state_directory_is_followed_or_written_through(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["sync", "iiko", "--only", "iiko_store"]);
    let run = world.start_and_hold(&["sync", "iiko"], "products/list", Duration::from_mins(1));
    let session = world.session_files().remove(0);
    assert!(run.kill());
    world.expect(0, &["sync", "iiko", "--only", "iiko_store"]);
    world.sandbox.clear_journal();
    let lock = |begin: &str| {
        let is_it = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(begin);
        world.files().into_iter().find(is_it).unwrap()
    };
    let victim = world.home.path().join("victim");
    let refused = |what: &str, says: &str| {
        let outcome = soon(world.command(&["sync", "iiko", "--only", "iiko_store", "--json"]));
        assert_eq!(outcome.code, Some(2), "{what} {}", outcome.stdout);
        assert!(outcome.stdout.contains(says), "{what}: {}", outcome.stdout);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{what}");
        assert_eq!(world.sandbox.open_sessions(), 0, "{what}");
    };
    for place in [lock("iiko-"), lock("entity-iiko_store"), session] {
        let _ = fs::remove_file(&place);
        let what = place.display().to_string();
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &place).unwrap();
        refused(&what, "it is a symbolic link");
        fs::remove_file(&place).unwrap();
        fs::hard_link(&victim, &place).unwrap();
        refused(&what, "it has a further name elsewhere (a hard link)");
        fs::remove_file(&place).unwrap();
        pipe(&place);
        refused(&what, "is not a regular file");
        fs::remove_file(&place).unwrap();
    }
    for folder in [
        world.state().join("locks"),
        world.state().join("sessions"),
        world.home.path().join("mirror.db.locks"),
    ] {
        if !folder.is_dir() {
            continue;
        }
        let elsewhere = world.home.path().join("elsewhere");
        fs::rename(&folder, &elsewhere).unwrap();
        symlink(&elsewhere, &folder).unwrap();
        refused(&folder.display().to_string(), "it is a symbolic link");
        fs::remove_file(&folder).unwrap();
        fs::rename(&elsewhere, &folder).unwrap();
    }
    world.expect(0, &["sync", "iiko"]);
}

fn the_state_directory_is_ours_alone(engine: Engine) {
    let world = World::new(engine);
    let (state, locks) = (world.state(), world.state().join("locks"));
    let arguments = ["sync", "iiko", "--only", "iiko_store", "-q"];
    let run = || soon(world.as_nobody(world.command(&arguments)));
    let set = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    fs::create_dir(&state).unwrap();
    fs::create_dir(&locks).unwrap();
    set(&state, 0o775);
    set(&locks, 0o777);
    let outcome = run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!((mode(&state), mode(&locks)), (0o700, 0o700), "what holds nothing else is closed");
    // What it is shared with loses nothing, as long as nobody else can write there.
    fs::write(state.join("mirror.db"), "").unwrap();
    set(&state, 0o755);
    assert_eq!(run().code, Some(0));
    assert_eq!(mode(&state), 0o755);
    set(&state, 0o775);
    let refused = run();
    assert_eq!(refused.code, Some(2));
    let says = format!("others may write to the folder {} (mode 0775)", state.display());
    assert!(refused.stderr.contains(&says), "{}", refused.stderr);
    let doctor = soon(world.command(&["doctor", "--offline", "--json"]));
    assert!(doctor.stdout.contains(&says), "{}", doctor.stdout);
    if !is_root() {
        return skip("only root can give a folder to another user");
    }
    set(&state, 0o700);
    let command = world.as_nobody(world.command(&arguments));
    lchown(&state, Some(1), Some(NOBODY)).unwrap();
    set(&state, 0o770);
    let refused = soon(command);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("it belongs to user 1"), "{}", refused.stderr);
}

fn what_foreign_words_could_do_to_a_terminal_is_shown_escaped(engine: Engine) {
    const FOREIGN: &str =
        "sync\u{61c}\u{202e}\u{2066}\u{200f}\u{9b}31m\u{1b}]0;x\u{7}\u{7f}\nerror: all is well";
    let world = World::new(engine);
    world.expect(0, &["sync", "iiko"]);
    world.sandbox.clear_journal();
    let assert_harmless = |outcome: &Outcome| {
        for said in [&outcome.stdout, &outcome.stderr] {
            let is_foreign = |sign: char| {
                FOREIGN.contains(sign) && !sign.is_ascii_graphic() && !matches!(sign, '\n' | ' ')
            };
            assert!(!said.contains(is_foreign), "{said:?}");
            assert!(!said.lines().any(|line| line.starts_with("error: all is well")), "{said}");
        }
    };
    let said = |arguments: &[&str]| -> Outcome {
        let outcome: Outcome = world.command(arguments).output().unwrap().into();
        assert_harmless(&outcome);
        outcome
    };
    let run = world.start_and_hold(&["sync", "iiko"], "products/list", Duration::from_mins(1));
    let lock = world.lock_files().into_iter().find(|path| path.ends_with("entity-iiko_store.lock")).unwrap();
    let holder = serde_json::json!({
        "pid": run.pid(), "run_id": "01900000-0000-7000-8000-000000000001", "command": FOREIGN,
        "since": "2026-01-02T03:04:05Z",
    });
    fs::write(&lock, holder.to_string()).unwrap();
    let only = ["sync", "iiko", "--only", "iiko_store"];
    for quiet in ["-q", "--json"] {
        let refused = said(&[&only[..], &[quiet]].concat());
        assert_eq!(refused.code, Some(11));
        assert!(format!("{}{}", refused.stdout, refused.stderr).contains("u{202e}"), "{refused:?}");
    }
    said(&["status"]);
    let json = said(&["status", "--json"]).json;
    let commands = json["locks"].as_array().unwrap().iter().map(|lock| lock["command"].as_str());
    assert!(commands.flatten().any(|command| command == FOREIGN), "who reads the JSON reads it as it is");
    assert!(run.kill());
    // It is logged as killed, in the words of its lock file, and so is what a server says.
    let words = Action::Status {
        code: 409,
        content_type: "text/plain".to_owned(),
        body: FOREIGN.into(),
        headers: Vec::new(),
    };
    world.sandbox.fault(zerkalo::sandbox::Fault::new("corporation/stores", words));
    said(&["sync", "iiko"]);
    world.execute(&format!(
        "update iiko_sync_log set error_message = '{FOREIGN}' where error_message is not null"
    ));
    for arguments in [&["log"][..], &["log", "--json"], &["status"], &["status", "--json"]] {
        said(arguments);
    }
}
