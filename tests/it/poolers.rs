//! A pooler that hands out server processes by transaction is refused, because locks do not hold behind it.
//!
//! The pooler is the real `PgBouncer`. Where it is not installed the stories are left out, and say so.

use super::{
    harness::{Engine, World},
    postgres::{self, Server},
    process::{program, skip, until},
};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

/// A running `PgBouncer`; it ends when dropped.
struct Pooler {
    child: Child,
    port: u16,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pooler {
    /// One before a server, with these further settings, that sets up each server process by a query; none where it is
    /// not installed.
    fn before(server: &Server, home: &World, more: &str, setup: &str) -> Option<Self> {
        let Some(program) = program("pgbouncer") else {
            skip("PgBouncer is not installed; the stories of poolers did not run");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = home.home.path().join("pooler");
        fs::create_dir_all(&folder).unwrap();
        let socket = server.socket();
        let settings = format!(
            "[databases]\n* = user=zerkalo host={} connect_query='{}'\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\n{more}\n",
            socket.parent().unwrap().display(),
            setup.replace('\'', "''"),
        );
        fs::write(folder.join("pgbouncer.ini"), settings).unwrap();
        let mut command = Command::new(program);
        command.arg(folder.join("pgbouncer.ini")).current_dir("/").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(fs::File::create(folder.join("log")).unwrap());
        if rustix::process::geteuid().is_root() {
            // It refuses root, and has to read its settings.
            let (user, group) = server.user();
            postgres::open_up(home.home.path());
            command.uid(user).gid(group);
        }
        let pooler = Self { child: command.spawn().unwrap(), port };
        until("PgBouncer listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(pooler)
    }

    fn url(&self, database: &str) -> String {
        let name = database.rsplit_once("localhost/").unwrap().1.split('?').next().unwrap();
        format!("postgres://zerkalo@127.0.0.1:{}/{name}", self.port)
    }
}

/// That a run through a pooler is refused, with nothing read from an upstream and nothing written; why.
#[track_caller]
fn assert_refused(world: &World, arguments: &[&str]) -> String {
    world.sandbox.clear_journal();
    let refused = world.run(arguments);
    assert_eq!(refused.code, Some(2), "{} {}", refused.stdout, refused.stderr);
    let said = refused.json["error"].as_str().unwrap();
    let why = said.strip_prefix("DATABASE_URL leads through a pooler, where locks do not hold: ");
    let why = why.unwrap_or_else(|| panic!("{said}")).to_owned();
    assert!(
        refused.json["hint"].as_str().unwrap().contains("connect to PostgreSQL itself"),
        "{}",
        refused.json
    );
    assert_eq!(world.asked(), Vec::<String>::new());
    why
}

#[test]
fn a_pooler_by_transaction_is_refused() {
    let Some(server) = postgres::server() else { return };
    // With this set up by the pooler itself, everything but the pooling is as it should be.
    let path = "select set_config('search_path', '\"public\"', false)";
    let passing = "ignore_startup_parameters = extra_float_digits,options\n";
    for (more, setup) in [
        ("pool_mode = transaction\n", "select 1"),
        (&format!("pool_mode = transaction\n{passing}"), path),
        (&format!("pool_mode = transaction\nserver_round_robin = 1\nmin_pool_size = 5\n{passing}"), path),
        (&format!("pool_mode = statement\n{passing}"), path),
    ] {
        let mut world = World::new(Engine::Postgres);
        world.expect(0, &["migrate"]);
        let direct = world.database.clone();
        let Some(pooler) = Pooler::before(server, &world, more, setup) else { return };
        world.set("DATABASE_URL", pooler.url(&direct));
        // From the first run on, and however often it is tried.
        let mut reasons: Vec<String> =
            (0..3).map(|_| assert_refused(&world, &["sync", "fintablo"])).collect();
        reasons.push(assert_refused(&world, &["full-morning"]));
        let by_settings = |why: &String| why.contains("settings");
        assert_eq!(reasons.iter().all(by_settings), setup != path, "{more}: {reasons:?}");
        assert_eq!(reasons.iter().any(by_settings), setup != path, "{more}: {reasons:?}");
        drop(pooler);
        assert_eq!(world.log().len(), 0);
        world.set("DATABASE_URL", direct);
        world.expect(0, &["sync", "fintablo"]);
    }
}

#[test]
fn a_pooler_that_drops_our_settings_is_refused() {
    let Some(server) = postgres::server() else { return };
    let mut world = World::new(Engine::Postgres);
    world.set("DATABASE_SCHEMA", "mirror");
    world.expect(0, &["migrate"]);
    let more = "pool_mode = session\nignore_startup_parameters = extra_float_digits,options\n";
    let Some(pooler) = Pooler::before(server, &world, more, "select 1") else { return };
    world.set("DATABASE_URL", pooler.url(&world.database));
    // A plan made of another schema would be no plan.
    assert_refused(&world, &["sync", "fintablo", "--dry-run"]);
    assert_refused(&world, &["sync", "fintablo"]);
}
