use clap::{CommandFactory as _, ValueEnum as _, error::ErrorKind};

use super::{
    sync::{AllowDelete, Source},
    *,
};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_is_understood() {
    for (line, name) in [
        ("zerkalo sync iiko --only iiko_product,iiko_store --dry-run --verify --adopt-source", "sync iiko"),
        ("zerkalo sync stock", "sync stock"),
        ("zerkalo --json -vv full-morning --skip stock --skip iiko", "full-morning"),
        ("zerkalo migrate --dry-run --database sqlite:/a.db", "migrate"),
        ("zerkalo config init /tmp/x.toml", "config init"),
        ("zerkalo config check --env-file .env -q", "config check"),
        ("zerkalo config show --color never", "config show"),
        ("zerkalo doctor --offline --json", "doctor"),
        ("zerkalo completions bash", "completions"),
        ("zerkalo man --directory /tmp/x", "man"),
        ("zerkalo demo --keep /tmp/x", "demo"),
        (
            "zerkalo sandbox --port 8017 --data d --scale 2 --seed 3 --journal j --google-credentials c --ledger l \
             --licences 2 --parallel 4",
            "sandbox",
        ),
    ] {
        assert_eq!(parse(line).unwrap().command.name(), name);
    }
    let cli = parse("zerkalo sync fintablo --allow-delete a=1 --allow-delete b:Measure=20").unwrap();
    let Command::Sync(arguments) = cli.command else { panic!("not a sync") };
    let expected = [("a", None, 1), ("b", Some("Measure"), 20)].map(|(table, scope, rows)| AllowDelete {
        table: table.to_owned(),
        scope: scope.map(str::to_owned),
        rows,
    });
    assert_eq!(arguments.mirror.allow_delete, expected);
}

#[test]
fn every_job_that_can_be_scheduled_can_be_watched() {
    let cli = Cli::command();
    let takes_a_slot = |command: &&clap::Command| {
        command.get_arguments().any(|argument| argument.get_id().as_str() == "scheduled")
    };
    let mut jobs = Vec::new();
    for command in cli.get_subcommands().filter(takes_a_slot) {
        let name = command.get_name();
        match name {
            "sync" => {
                jobs.extend(Source::value_variants().iter().map(|source| format!("sync {}", source.name())));
            }
            _ => jobs.push(name.to_owned()),
        }
    }
    let mut known: Vec<String> = crate::registry::schedulable().map(|job| job.name.to_owned()).collect();
    jobs.sort();
    known.sort();
    assert_eq!(jobs, known);
}

#[test]
fn a_usage_error_is_exit_2() {
    for line in [
        "zerkalo",
        "zerkalo mirror",
        "zerkalo sync iko",
        "zerkalo sync iiko --allow-delete a",
        "zerkalo sync iiko --allow-delete a=0",
        "zerkalo sync iiko --allow-delete a:=1",
        "zerkalo sync iiko --allow-delete =1",
        "zerkalo sync iiko -q -v",
        "zerkalo full-morning --skip lunch",
        "zerkalo sandbox --scale 0",
        "zerkalo sandbox --parallel 0",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    for line in ["zerkalo --help", "zerkalo sync --help", "zerkalo --version"] {
        let error = parse(line).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion), "{line}");
        assert_eq!(error.exit_code(), 0);
    }
}

#[test]
fn a_database_on_the_command_line_is_not_shown() {
    let cli = parse("zerkalo migrate --database postgres://u:c4n4ry@h/d").unwrap();
    assert!(!format!("{cli:?}").contains("c4n4ry"));
}

#[test]
fn help_fits_a_terminal_and_shows_examples() {
    let mut command = Cli::command().term_width(80);
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    assert!(command.render_help().to_string().contains("Examples:"));
    for name in names {
        let help = command.find_subcommand_mut(&name).unwrap().render_help().to_string();
        assert!(!help.contains("IIKO_PASSWORD"), "{help}");
    }
}
