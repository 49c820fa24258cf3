//! Settings are valid when something can run with them: what each job still lacks is told, by the doctor, too.

use super::{
    doctor::assert_found,
    harness::{Engine, Outcome, World, on_both},
};
use serde_json::{Value, json};

on_both!(
    what_config_init_writes_is_not_yet_valid,
    one_job_that_can_run_is_enough,
    a_job_that_is_said_to_be_able_to_run_does_not_lack_a_setting,
);

/// A world in which nothing is set but where the database is.
fn bare(engine: Engine) -> World {
    let mut world = World::new(engine);
    for upstream in ["IIKO_", "FINTABLO_", "IIKO_CLOUD_"] {
        for name in ["BASE_URL", "LOGIN", "PASSWORD", "TOKEN", "API_LOGIN"] {
            world.unset(&format!("{upstream}{name}"));
        }
    }
    world
}

/// What a job lacks, as `config check` says.
fn lacks(checked: &Outcome, job: &str) -> Value {
    let jobs = checked.json["jobs"].as_array().unwrap_or_else(|| panic!("{}", checked.stdout));
    let job = jobs.iter().find(|found| found["job"] == job).unwrap_or_else(|| panic!("no {job}"));
    job["lacks"].clone()
}

fn what_config_init_writes_is_not_yet_valid(engine: Engine) {
    let world = bare(engine);
    let file = world.home.path().join("zerkalo.toml").display().to_string();
    world.expect(0, &["config", "init", &file]);
    let checked = world.expect(2, &["config", "check", "--config", &file]);
    assert_eq!(checked.json["exit_code"], 2);
    assert_eq!(lacks(&checked, "sync iiko"), json!(["iiko.base_url", "iiko.login", "iiko.password"]));
    assert_eq!(lacks(&checked, "sync fintablo"), json!(["fintablo.token"]));
    assert_eq!(lacks(&checked, "stoplist-report"), json!(["telegram.bot_token", "telegram.chat_ids"]));
    let screen: Outcome = world.command(&["config", "check", "--config", &file]).output().unwrap().into();
    assert_eq!(screen.code, Some(2), "{}", screen.stdout);
    assert!(!screen.stdout.contains("settings are valid"), "{}", screen.stdout);
    assert!(
        screen.stdout.contains("negative-transfer lacks iiko.base_url, iiko.login, iiko.password\n"),
        "{}",
        screen.stdout
    );
    assert!(screen.stdout.ends_with("no job can run with these settings yet\n"), "{}", screen.stdout);
    let quiet: Outcome =
        world.command(&["config", "check", "-q", "--config", &file]).output().unwrap().into();
    assert_eq!(quiet.code, Some(2));
    assert!(quiet.stderr.contains("no job can run with these settings yet"), "{}", quiet.stderr);
    let examined = world.expect(2, &["doctor", "--config", &file]);
    assert_found(&examined, "jobs", "problem", "no job can run with these settings yet", "zerkalo.toml");
    assert_found(&examined, "jobs", "not set", "sync fintablo lacks fintablo.token", "");
    assert_eq!(world.sandbox.journal(), []);
}

fn one_job_that_can_run_is_enough(engine: Engine) {
    let mut world = bare(engine);
    world.set("FINTABLO_BASE_URL", world.sandbox.fintablo_url());
    world.set("FINTABLO_TOKEN", "demo-token");
    let checked = world.expect(0, &["config", "check"]);
    assert_eq!(lacks(&checked, "sync fintablo"), json!([]));
    assert_eq!(lacks(&checked, "full-morning"), json!(["iiko.base_url", "iiko.login", "iiko.password"]));
    let screen: Outcome = world.command(&["config", "check"]).output().unwrap().into();
    assert!(screen.stdout.contains("\nsync iiko lacks iiko.base_url, iiko.login, iiko.password\n"));
    assert!(screen.stdout.ends_with("\nsettings are valid\n"), "{}", screen.stdout);
    let examined = world.expect(0, &["doctor"]);
    assert_found(&examined, "jobs", "ok", "sync fintablo", "");
    assert_found(&examined, "jobs", "not set", "sync iiko lacks iiko.base_url", "");
}

/// What is said to lack nothing is started, and what is said to lack something is refused for it.
fn a_job_that_is_said_to_be_able_to_run_does_not_lack_a_setting(engine: Engine) {
    let jobs: [&[&str]; 8] = [
        &["sync", "iiko"],
        &["sync", "fintablo"],
        &["sync", "stock"],
        &["sync", "stoplist"],
        &["sync", "min-stock"],
        &["push-mapping"],
        &["full-morning"],
        &["negative-transfer"],
    ];
    for set in [&[][..], &["IIKO"], &["FINTABLO"], &["IIKO_CLOUD"], &["IIKO", "FINTABLO"]] {
        let mut world = bare(engine);
        let given = [
            ("IIKO", "IIKO_LOGIN", "demo".to_owned()),
            ("IIKO", "IIKO_PASSWORD", "demo".to_owned()),
            ("IIKO", "IIKO_BASE_URL", world.sandbox.iiko_url()),
            ("FINTABLO", "FINTABLO_BASE_URL", world.sandbox.fintablo_url()),
            ("FINTABLO", "FINTABLO_TOKEN", "demo-token".to_owned()),
            ("IIKO_CLOUD", "IIKO_CLOUD_BASE_URL", world.sandbox.cloud_url()),
            ("IIKO_CLOUD", "IIKO_CLOUD_API_LOGIN", "demo-api-login".to_owned()),
        ];
        for (_, name, value) in given.into_iter().filter(|(upstream, ..)| set.contains(upstream)) {
            world.set(name, value);
        }
        let checked = world.run(&["config", "check"]);
        let mut able = 0;
        for arguments in jobs {
            let is_able = lacks(&checked, &arguments.join(" ")) == json!([]);
            let code = world.run(&[arguments, &["--dry-run"]].concat()).code;
            assert_eq!(code == Some(2), !is_able, "{arguments:?} with {set:?}: {code:?}");
            able += usize::from(is_able);
        }
        assert_eq!(checked.code, Some(if able == 0 { 2 } else { 0 }), "{set:?}");
    }
}
