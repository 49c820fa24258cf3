//! The database is not as it should be: held by another program, gone, full, half there, under a second name, of another
//! encoding, without rights. Each is told for what it is, costs a run at most one wait, and spoils nothing.

use super::{
    doctor::assert_found,
    harness::{Engine, Outcome, World, block_on, on_both},
    postgres,
    process::{Blocker, may_mount, skip},
    proxy::{Proxy, When, Where},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    time::{Duration, Instant},
};
use zerkalo::{store::ddl, tables};

/// Changes every list, so that every table of a morning has something to write.
fn change_everything(world: &World, name: &str) {
    world.sandbox.edit(|world| {
        let lists = [
            &mut world.products,
            &mut world.product_groups,
            &mut world.stores,
            &mut world.departments,
            &mut world.groups,
            &mut world.suppliers,
        ];
        for record in lists.into_iter().chain(world.fintablo.values_mut()).flatten() {
            record["name"] = name.into();
        }
    });
}

/// The steps that failed: each with the database's exit code, and with what was said.
fn failures(outcome: &Outcome) -> Vec<(&str, &str)> {
    let failed = outcome.steps().iter().filter(|step| step["status"] == "error");
    failed.map(|step| (step["entity"].as_str().unwrap(), step["error"].as_str().unwrap())).collect()
}

/// Statements of another program that has a connection of its own.
fn query(url: &str, sql: &str) {
    block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// Another program that holds everything that a morning writes to.
enum Holder {
    Sqlite(#[expect(dead_code, reason = "it is held until it is dropped")] Blocker),
    Postgres(#[expect(dead_code, reason = "it is held until it is dropped")] PgConnection),
}

fn hold(world: &World) -> Holder {
    if world.engine == Engine::Sqlite {
        return Holder::Sqlite(Blocker::new(world));
    }
    let names: Vec<&str> = tables::all().map(|entity| entity.table.name).collect();
    let sql = format!("begin; lock table {} in share row exclusive mode", names.join(", "));
    block_on(async {
        let mut connection = PgConnection::connect(&world.database).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        Holder::Postgres(connection)
    })
}

fn a_database_that_is_held_costs_a_run_one_wait(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["full-morning"]);
    change_everything(&world, "held");
    let before = world.evidence();
    let wait = Duration::from_secs(3);
    world.set("ZERKALO_BUSY_TIMEOUT", wait.as_secs().to_string());
    let holder = hold(&world);
    let started = Instant::now();
    let outcome = world.expect(8, &["full-morning"]);
    let took = started.elapsed();
    drop(holder);
    let failed = failures(&outcome);
    assert!(failed.len() >= 10, "{failed:?}");
    assert!(took >= wait && took < wait * 5, "{took:?} for {} tables", failed.len());
    for (table, said) in &failed {
        assert!(said.contains("the database failed while "), "{table}: {said}");
        assert!(said.contains("locked") || said.contains("lock timeout"), "{table}: {said}");
    }
    assert!(!outcome.stdout.contains("could not be read"), "no upstream is blamed: {}", outcome.stdout);
    assert_eq!(world.evidence(), before);
    world.expect(0, &["full-morning"]);
    assert_ne!(world.evidence(), before);
    world.assert_polite();
}

#[test]
fn a_server_that_went_away_costs_a_run_one_reconnect() {
    let Some(server) = postgres::server() else { return };
    let mut world = World::new(Engine::Postgres);
    world.expect(0, &["full-morning"]);
    change_everything(&world, "gone");
    let proxy = Proxy::before(server);
    world.set("DATABASE_URL", proxy.url(&world.database));
    proxy.cut_for_good(Where::Text("zerkalo_expect"), When::Unsent);
    let started = Instant::now();
    let outcome = world.expect(8, &["full-morning"]);
    let took = started.elapsed();
    let failed = failures(&outcome);
    assert!(failed.len() >= 10, "{failed:?}");
    assert!(took < Duration::from_secs(30), "{took:?}: more than one budget of reconnects");
    assert!(failed.iter().all(|(_, said)| !said.contains("could not be read")), "{failed:?}");
    proxy.rest();
    world.expect(0, &["full-morning"]);
    super::expected::assert_same(&world.dump(), &super::expected::mirror(&world.sandbox.world()));
    world.assert_polite();
}

/// A text that no index entry of a fixed size can hold, however it is packed.
fn long_text(seed: u64) -> String {
    let mut dice = super::process::Dice(seed);
    (0..20_000).filter_map(|_| char::from_u32(0x400 + u32::try_from(dice.below(0x80)).unwrap())).collect()
}

fn a_name_of_any_length_is_stored_and_looked_up_by_an_index(engine: Engine) {
    let world = World::new(engine);
    let (name, number) = (long_text(1), long_text(2));
    world.sandbox.edit(|world| {
        world.products[0]["name"] = name.as_str().into();
        world.products[0]["num"] = number.as_str().into();
        world.product_groups[0]["name"] = name.as_str().into();
        world.suppliers[0]["name"] = name.as_str().into();
        for list in world.fintablo.values_mut() {
            list[0]["name"] = name.as_str().into();
        }
    });
    world.expect(0, &["full-morning"]);
    let length = |sql: &str| world.query(sql)[0][0].clone().unwrap();
    let named =
        format!("select cast(count(*) as text) from iiko_product where name = '{name}' and num = '{number}'");
    assert_eq!(length(&named), "1");
    assert_eq!(length(&format!("select cast(count(*) as text) from ft_deal where name = '{name}'")), "1");
    assert_eq!(world.expect(0, &["full-morning"]).totals(), [0, 0, 0]);
    for entity in tables::all() {
        for column in entity.table.columns.iter().filter(|column| ["name", "num"].contains(&column.name)) {
            let (table, column) = (entity.table.name, column.name);
            let index = format!("{table}_{column}_idx");
            let explain = match engine {
                Engine::Postgres => "set enable_seqscan = off; explain",
                Engine::Sqlite => "explain query plan",
            };
            let plan = world.plan(&format!("{explain} select * from {table} where {column} = 'x'"));
            assert!(plan.contains(&index), "{table}.{column}: {plan}");
        }
    }
}

impl World {
    /// What a database says of how it would answer.
    fn plan(&self, sql: &str) -> String {
        block_on(super::rows::plan(self.engine, &self.database, sql))
    }
}

/// What a role or a database may set, and what an answer or a statement of ours might be read by.
const SETTINGS: [(&str, &str); 21] = [
    ("bytea_output", "escape"),
    ("datestyle", "'German, DMY'"),
    ("intervalstyle", "sql_standard"),
    ("timezone", "'Asia/Kamchatka'"),
    ("standard_conforming_strings", "off"),
    ("client_encoding", "'WIN1251'"),
    ("extra_float_digits", "-15"),
    ("search_path", "'nowhere'"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("array_nulls", "off"),
    ("transform_null_equals", "on"),
    ("quote_all_identifiers", "on"),
    ("exit_on_error", "on"),
    ("row_security", "off"),
    ("synchronous_commit", "off"),
    ("statement_timeout", "'10min'"),
    ("lc_numeric", "'C'"),
    ("xmlbinary", "hex"),
    ("escape_string_warning", "off"),
];

#[test]
fn what_a_database_sets_changes_nothing_of_what_is_read_and_written() {
    if postgres::server().is_none() {
        return;
    }
    let world = World::new(Engine::Postgres);
    world.expect(0, &["full-morning"]);
    let name = world.database.split("localhost/").nth(1).unwrap().split('?').next().unwrap();
    let set = |what: &str| {
        query(&world.database, &format!("begin read write; alter database {name} {what}; commit"));
    };
    for (setting, value) in SETTINGS {
        set(&format!("set {setting} = {value}"));
    }
    for arguments in [&["full-morning"][..], &["full-morning", "--verify"]] {
        assert_eq!(world.expect(0, arguments).totals(), [0, 0, 0], "{arguments:?}");
    }
    change_everything(&world, "другое \\ 'имя' {null}");
    world.expect(0, &["full-morning"]);
    for command in [&["status"][..], &["log"], &["documents", "list"]] {
        world.expect(0, command);
    }
    assert_found(&world.run(&["doctor"]), "database", "ok", "schema version", "");
    set("reset all");
    assert_eq!(world.expect(0, &["full-morning", "--verify"]).totals(), [0, 0, 0]);
    super::expected::assert_same(&world.dump(), &super::expected::mirror(&world.sandbox.world()));
}

#[test]
fn a_database_of_another_encoding_is_refused_before_anybody_is_asked() {
    let Some(server) = postgres::server() else { return };
    let mut world = World::new(Engine::Postgres);
    let name = format!("story_1251_{}", std::process::id());
    let made =
        format!("create database {name} encoding 'WIN1251' lc_collate 'C' lc_ctype 'C' template template0");
    query(&world.database, &made);
    world.set("DATABASE_URL", server.url(&name));
    for command in [&["sync", "iiko"][..], &["sync", "iiko", "--dry-run"], &["migrate"], &["status"]] {
        let refused = world.expect(2, command);
        let said = refused.json["error"].as_str().unwrap();
        assert!(said.contains("the encoding WIN1251"), "{command:?}: {said}");
        assert!(refused.json["hint"].as_str().unwrap().contains("encoding 'UTF8'"));
    }
    assert_eq!(world.asked(), Vec::<String>::new());
    assert_found(&world.expect(2, &["doctor"]), "database", "problem", "the encoding WIN1251", "'UTF8'");
    query(&world.database, &format!("drop database {name} with (force)"));
}

#[test]
fn a_standby_is_told_before_anybody_is_asked() {
    if postgres::server().is_none() {
        return;
    }
    let server = postgres::Server::own();
    let world = World::on(&server);
    world.expect(0, &["migrate"]);
    server.become_standby();
    let said = "PostgreSQL is a read-only standby";
    for command in [&["sync", "iiko"][..], &["migrate"]] {
        let refused = world.expect(8, command);
        assert!(refused.json["error"].as_str().unwrap().contains(said), "{command:?}: {}", refused.stdout);
    }
    assert_eq!(world.asked(), Vec::<String>::new());
    assert_found(
        &world.expect(8, &["doctor"]),
        "database",
        "problem",
        said,
        "name the primary in DATABASE_URL",
    );
    world.expect(0, &["status"]);
}

#[test]
fn a_role_that_may_not_make_tables_is_told_the_grant() {
    if postgres::server().is_none() {
        return;
    }
    let mut world = World::new(Engine::Postgres);
    let role = format!("story_plain_{}", std::process::id());
    query(&world.database, &format!("create role {role} login; revoke create on schema public from public"));
    world.set("DATABASE_URL", super::doctor::as_role(&world, &role));
    let grant = format!("grant create on schema public to {role}");
    for command in [&["migrate"][..], &["sync", "iiko"]] {
        let refused = world.expect(2, command);
        let (said, hint) = (refused.json["error"].as_str().unwrap(), refused.json["hint"].as_str().unwrap());
        assert!(said.contains("permission denied for schema public"), "{command:?}: {said}");
        assert!(hint.contains(&grant), "{command:?}: {hint}");
    }
    assert_found(&world.expect(2, &["doctor"]), "database", "problem", "create on the schema", &grant);
    // The grant that is told is enough, and so is the one for a table.
    query(&world.database, &grant);
    world.expect(0, &["sync", "iiko"]);
    query(
        &world.database,
        &format!("alter table iiko_store owner to current_user; grant select on iiko_store to {role}"),
    );
    world.sandbox.edit(|world| world.stores.iter_mut().for_each(|store| store["name"] = "other".into()));
    let refused = world.expect(2, &["sync", "iiko"]);
    let step = refused.step("iiko_store", None);
    assert!(step["error"].as_str().unwrap().contains("permission denied for table iiko_store"), "{step}");
    let hint = step["hint"].as_str().unwrap();
    let grant = format!("grant select, insert, update, delete on all tables in schema public to {role}");
    assert!(hint.contains(&grant), "{hint}");
    assert_eq!(failures(&refused).len(), 1, "the rest is committed");
    query(&world.database, &grant);
    world.expect(0, &["sync", "iiko"]);
    query(
        &world.database,
        &format!("reassign owned by {role} to current_user; drop owned by {role}; drop role {role}"),
    );
}

/// What there is in a database, whoever made it, but for the ledger.
fn objects(world: &World) -> BTreeSet<String> {
    let sql = match world.engine {
        Engine::Sqlite => {
            "select 'column ' || m.name || '.' || c.name from sqlite_master m, pragma_table_info(m.name) c
             where m.type = 'table' and m.name not like 'zerkalo_%' and m.name not like 'sqlite_%'
             union all select type || ' ' || name from sqlite_master where type <> 'table' and sql is not null"
        }
        Engine::Postgres => {
            "select 'column ' || table_name || '.' || column_name from information_schema.columns
             where table_schema = 'public' and table_name not like 'zerkalo_%' and table_name <> 'mirror_freshness'
             union all select case when indexname ~ '_(pkey|key)$' then 'key ' else 'index ' end || indexname
             from pg_indexes where schemaname = 'public' and tablename not like 'zerkalo_%'
             union all select 'trigger ' || tgname from pg_trigger where not tgisinternal
             union all select 'view ' || table_name from information_schema.views where table_schema = 'public'
             union all select 'function ' || proname from pg_proc where pronamespace = 'public'::regnamespace"
        }
    };
    world.query(sql).into_iter().map(|mut row| row[0].take().unwrap()).collect()
}

fn the_list_of_objects_is_what_the_migrations_make(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    let own = include_str!("../../src/store/objects.txt").lines().map(str::to_owned);
    let mirrored = tables::all().flat_map(|entity| ddl::objects(&entity.table));
    let listed: BTreeSet<String> = own
        .chain(mirrored)
        .filter(|line| {
            engine == Engine::Postgres || !(line.starts_with("key ") || line.starts_with("function "))
        })
        .collect();
    let made = objects(&world);
    let (unlisted, unmade): (Vec<_>, Vec<_>) =
        (made.difference(&listed).collect(), listed.difference(&made).collect());
    assert!(unlisted.is_empty() && unmade.is_empty(), "to be listed: {unlisted:#?}\nnot made: {unmade:#?}");
}

fn what_was_dropped_is_named_by_run_migrate_and_doctor_alike(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["migrate"]);
    let mut drops = vec![
        ("drop index iiko_product_name_idx", "index iiko_product_name_idx"),
        ("alter table message_delivery drop column attempts", "column message_delivery.attempts"),
        ("drop view mirror_freshness", "view mirror_freshness"),
        ("drop table iiko_group", "table iiko_group"),
    ];
    match engine {
        Engine::Sqlite => drops.push(("drop trigger iiko_store_touched", "trigger iiko_store_touched")),
        Engine::Postgres => drops.extend([
            ("drop trigger iiko_store_touched on iiko_store", "trigger iiko_store_touched"),
            ("alter table ft_deal disable trigger ft_deal_touched", "trigger ft_deal_touched"),
            ("drop function zerkalo_expect(text, bigint, bigint)", "function zerkalo_expect"),
        ]),
    }
    let mut gone = BTreeSet::new();
    for (sql, name) in drops {
        world.execute(sql);
        gone.insert(name);
        world.sandbox.clear_journal();
        for command in [&["migrate"][..], &["sync", "iiko"], &["sync", "iiko", "--dry-run"], &["status"]] {
            let refused = world.expect(2, command);
            let said = refused.json["error"].as_str().unwrap();
            let listed =
                said.split_once("the database lacks what its migrations have made: ").map(|(_, list)| list);
            let listed: BTreeSet<&str> = listed.unwrap_or_else(|| panic!("{said}")).split(", ").collect();
            assert_eq!(listed, gone, "{command:?} after {sql}");
        }
        assert_eq!(world.asked(), Vec::<String>::new());
        assert_found(&world.expect(2, &["doctor"]), "database", "problem", name, "backup");
    }
}

#[test]
fn two_names_of_a_file_are_one_file() {
    let mut world = World::new(Engine::Sqlite);
    let deals = ["sync", "fintablo", "--only", "ft_deal"];
    world.expect(0, &deals);
    let folder = world.home.path().join("elsewhere");
    fs::create_dir(&folder).unwrap();
    let link = folder.join("link.db");
    symlink("../mirror.db", folder.join("first")).unwrap();
    symlink("first", &link).unwrap();
    let gate = world.gate("/v1/deal");
    let first = world.start(&deals);
    gate.wait();
    world.set("DATABASE_URL", link.display().to_string());
    let second = world.expect(11, &deals);
    assert!(second.stdout.contains("is being used by"), "{}", second.stdout);
    drop(gate);
    assert_eq!(first.finish().code, Some(0));
    assert_eq!(world.expect(0, &deals).totals(), [0, 0, 0]);
    assert!(!folder.join("link.db.locks").exists());
    // A link to a file that is not there yet is where it is made.
    symlink("../new.db", folder.join("dangling.db")).unwrap();
    world.set("DATABASE_URL", folder.join("dangling.db").display().to_string());
    world.expect(0, &["migrate"]);
    assert!(world.home.path().join("new.db").is_file() && world.home.path().join("new.db.locks").is_dir());
    // Hard links cannot be told apart, so neither name is taken.
    fs::hard_link(world.file(), folder.join("hard.db")).unwrap();
    for path in [world.file(), folder.join("hard.db"), link] {
        world.set("DATABASE_URL", path.display().to_string());
        world.sandbox.clear_journal();
        for command in [&["sync", "iiko"][..], &["sync", "iiko", "--dry-run"], &["status"]] {
            let refused = world.expect(2, command);
            assert!(
                refused.json["error"].as_str().unwrap().contains("has 2 names (hard links)"),
                "{}",
                refused.stdout
            );
        }
        assert_eq!(world.asked(), Vec::<String>::new());
        assert_found(&world.expect(2, &["doctor"]), "database", "problem", "has 2 names", "under one name");
    }
}

#[test]
fn a_file_that_is_mounted_by_itself_is_refused() {
    if !may_mount() {
        return skip("no user namespaces, so no file to mount");
    }
    let mut world = World::new(Engine::Sqlite);
    world.expect(0, &["migrate"]);
    let other = world.home.path().join("other.db");
    fs::write(&other, "").unwrap();
    world.set("DATABASE_URL", other.display().to_string());
    let mut command = world.shell_that_mounts(r#"mount --bind "$1" "$2" && shift 2 && exec "$@""#);
    command.arg(world.file()).arg(&other).arg(env!("CARGO_BIN_EXE_zerkalo")).args(["sync", "iiko", "--json"]);
    let refused: Outcome = command.output().unwrap().into();
    assert_eq!(refused.code, Some(2), "{} {}", refused.stdout, refused.stderr);
    assert!(
        refused.json["error"].as_str().unwrap().contains("other.db is mounted by itself"),
        "{}",
        refused.stdout
    );
}

#[test]
fn a_file_that_is_swapped_in_mid_run_is_not_written_to() {
    for is_replaced in [false, true] {
        let world = World::new(Engine::Sqlite);
        world.expect(0, &["sync", "fintablo"]);
        change_everything(&world, "swapped");
        let gate = world.gate("/v1/deal");
        let run = world.start(&["sync", "fintablo", "--only", "ft_deal"]);
        gate.wait();
        let kept = world.home.path().join("kept.db");
        fs::copy(world.file(), &kept).unwrap();
        fs::remove_file(world.file()).unwrap();
        if is_replaced {
            fs::copy(&kept, world.file()).unwrap();
        }
        drop(gate);
        let outcome = run.finish();
        assert_eq!(outcome.code, Some(8), "{} {}", outcome.stdout, outcome.stderr);
        let said = outcome.step("ft_deal", None)["error"].as_str().unwrap();
        assert!(said.contains("mirror.db was deleted or replaced while this run used it"), "{said}");
        assert_eq!(world.file().exists(), is_replaced, "no new one is made");
    }
}

#[test]
fn a_disk_that_is_full_is_told_of_every_table_and_what_fits_is_kept() {
    if !may_mount() {
        return skip("no user namespaces, so no small disk to fill");
    }
    let mut world = World::new(Engine::Sqlite);
    let disk = world.home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    world.set("DATABASE_URL", disk.join("mirror.db").display().to_string());
    // Whatever is left over when the schema is there is less than the lists need.
    let script = r#"set -e
mount -t tmpfs -o size=1500k tmpfs "$1"
"$2" migrate >/dev/null
"$2" sync iiko --json || echo "$?" >&2
rm -f "$1"/fill
cp "$1"/mirror.db* "$3"/"#;
    let kept = world.home.path().join("kept");
    fs::create_dir(&kept).unwrap();
    let fat = "x".repeat(300);
    world.sandbox.edit(|world| {
        for (number, supplier) in world.suppliers.iter_mut().enumerate() {
            supplier["name"] = format!("{number} {fat}").into();
        }
        for (number, product) in world.products.iter_mut().enumerate() {
            product["name"] = format!("{number} {fat}").into();
        }
    });
    let mut command = world.shell_that_mounts(script);
    command.arg(&disk).arg(env!("CARGO_BIN_EXE_zerkalo")).arg(&kept);
    let outcome: Outcome = command.output().unwrap().into();
    assert!(outcome.stderr.lines().any(|line| line == "8"), "{} {}", outcome.stdout, outcome.stderr);
    let failed = failures(&outcome);
    assert!(!failed.is_empty(), "nothing was too large for the disk: {}", outcome.stdout);
    for (table, said) in &failed {
        assert!(said.contains("full"), "{table}: {said}");
    }
    let fits = outcome.steps().iter().filter(|step| step["status"] == "success").count();
    assert!(fits > 0, "{}", outcome.stdout);
    assert!(!outcome.stderr.contains("transaction depth"), "{}", outcome.stderr);
}

fn a_constraint_of_somebody_else_is_named(engine: Engine) {
    let world = World::new(engine);
    world.expect(0, &["sync", "iiko"]);
    let numbered = |world: &World| {
        world.sandbox.edit(|world| {
            for (number, supplier) in world.suppliers.iter_mut().enumerate() {
                supplier["name"] = format!("{number}").into();
            }
        });
    };
    numbered(&world);
    world.expect(0, &["sync", "iiko"]);
    world.execute("create unique index my_supplier_name on iiko_supplier (name)");
    change_everything(&world, "the same");
    let outcome = world.expect(2, &["sync", "iiko"]);
    assert_eq!(failures(&outcome).len(), 1, "the rest is committed: {}", outcome.stdout);
    let step = outcome.step("iiko_supplier", None);
    let told = format!("{} {}", step["error"], step["hint"]);
    assert!(told.contains("my_supplier_name") && !told.contains("somebody else keeps writing"), "{told}");
    assert!(step["error"].as_str().unwrap().contains("iiko_supplier"), "{told}");
    world.execute("drop index my_supplier_name");
    world.expect(0, &["sync", "iiko"]);
    // What raises by itself is named as well.
    world.execute(match engine {
        Engine::Sqlite => {
            "create trigger my_trigger before update on iiko_store begin select raise(abort, 'my_trigger says no'); end"
        }
        Engine::Postgres => "alter table iiko_store add constraint my_check check (name <> 'no') not valid",
    });
    world.sandbox.edit(|world| world.stores.iter_mut().for_each(|store| store["name"] = "no".into()));
    let outcome = world.expect(2, &["sync", "iiko"]);
    let step = outcome.step("iiko_store", None);
    let name = if engine == Engine::Sqlite { "my_trigger" } else { "my_check" };
    assert!(step["error"].as_str().unwrap().contains(name), "{step}");
}

#[test]
fn a_value_that_the_database_does_not_take_is_told_with_its_table() {
    if postgres::server().is_none() {
        return;
    }
    let world = World::new(Engine::Postgres);
    world.expect(0, &["sync", "iiko"]);
    world.execute("alter table iiko_supplier alter column name type varchar(5) using left(name, 5)");
    change_everything(&world, "too long for it");
    let outcome = world.expect(7, &["sync", "iiko"]);
    let step = outcome.step("iiko_supplier", None);
    assert!(step["error"].as_str().unwrap().contains("writing iiko_supplier: value too long"), "{step}");
    assert_eq!(failures(&outcome).len(), 1, "the rest is committed");
    assert_eq!(step["hint"].as_str().map(|hint| hint.contains("put the record right there")), Some(true));
}

#[test]
fn every_form_of_a_sockets_address_is_taken() {
    if postgres::server().is_none() {
        return;
    }
    let mut world = World::new(Engine::Postgres);
    let (head, folder) = world.database.split_once("?host=").unwrap();
    let (head, folder) = (head.to_owned(), folder.to_owned());
    let name = head.rsplit('/').next().unwrap().to_owned();
    let encoded = folder.replace('/', "%2F");
    for address in [
        format!("postgresql://zerkalo@/{name}?host={folder}&port=5432"),
        format!("postgresql://zerkalo:secret-word@/{name}?host={folder}"),
        format!("postgresql://zerkalo@{encoded}/{name}"),
        format!("postgresql://zerkalo@{encoded}:5432/{name}"),
        format!("postgres:///?host={folder}&dbname={name}&user=zerkalo"),
        format!("postgres://zerkalo@/{name}?host={folder}&application_name=me@here"),
    ] {
        world.set("DATABASE_URL", &address);
        world.expect(0, &["migrate"]);
        let shown = world.expect(0, &["config", "check"]);
        assert!(!format!("{}{}", shown.stdout, shown.stderr).contains("secret-word"), "{address}");
    }
    let steps = world.expect(0, &["migrate"]).json["migrations"].as_array().unwrap().clone();
    assert!(steps.iter().all(|step: &Value| step["state"] == json!("applied before")), "{steps:?}");
}

on_both!(
    a_database_that_is_held_costs_a_run_one_wait,
    a_name_of_any_length_is_stored_and_looked_up_by_an_index,
    the_list_of_objects_is_what_the_migrations_make,
    what_was_dropped_is_named_by_run_migrate_and_doctor_alike,
    a_constraint_of_somebody_else_is_named,
);
