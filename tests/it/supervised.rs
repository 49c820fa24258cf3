//! Mornings as systemd starts them: the real binary under the settings that its unit has in the end.

use super::{
    harness::{Engine, Outcome, World, on_both},
    slots::slots,
    units::{self, Unit},
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Europe::Kaliningrad;
use rustix::process::Signal;
use std::time::Duration;
use zerkalo::sandbox::{Action, Fault};

on_both!(
    a_server_that_is_back_within_the_grace_is_not_missed,
    what_stays_away_over_the_grace_is_told_of_once,
    what_another_start_does_not_mend_is_started_once,
    a_run_that_a_reboot_ended_is_resumed_in_its_slot,
);

/// The service whose mornings these are.
const SERVICE: &str = "zerkalo-full-morning.service";

/// What systemd does about one service, by its effective settings.
struct Supervisor {
    world: World,
    unit: Unit,
    /// When the window of the start limit began, and how many starts it has seen. A fixed window, as systemd's is.
    window: Option<(DateTime<Utc>, i64)>,
    /// Until when the upstreams are away.
    back_at: DateTime<Utc>,
    /// How often `OnFailure=` was pulled.
    told: usize,
}

/// A moment of 2026-11-22 on Kaliningrad's clocks.
fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-22T{time}:00+02:00").parse().unwrap()
}

impl Supervisor {
    fn new(engine: Engine) -> Self {
        let world = World::new(engine);
        world.expect(0, &["migrate"]);
        let unit = Unit::read(&units::folder(), SERVICE);
        Self { world, unit, window: None, back_at: DateTime::UNIX_EPOCH, told: 0 }
    }

    /// Whether the start limit lets one more start through.
    fn may_start(&mut self, now: DateTime<Utc>) -> bool {
        let setting = |name| self.unit.seconds(name);
        let interval = TimeDelta::seconds(setting("Unit.StartLimitIntervalSec").unwrap_or(10));
        let burst = setting("Unit.StartLimitBurst").unwrap_or(5);
        let (begun, starts) = self.window.filter(|(begun, _)| now - *begun <= interval).unwrap_or((now, 0));
        self.window = Some((begun, starts + 1));
        interval.is_zero() || starts < burst
    }

    /// One process at this moment.
    fn run(&mut self, now: DateTime<Utc>) -> Outcome {
        self.world.sandbox.clear_faults();
        if now < self.back_at {
            self.world.sandbox.fault(Fault::new("", Action::Close).times(1000));
        }
        self.world.set("ZERKALO_TEST_NOW", now.to_rfc3339());
        let arguments = self.unit.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.world.command(&arguments).output().unwrap().into()
    }

    /// A start by the timer or at boot, and what `Restart=` makes of it: each process's time and exit code.
    fn start(&mut self, time: &str) -> Vec<(String, i32)> {
        let mut now = at(time);
        let mut ends = Vec::new();
        while self.may_start(now) {
            let code = self.run(now).code.unwrap();
            ends.push((now.with_timezone(&Kaliningrad).format("%H:%M").to_string(), code));
            let listed = |name| self.unit.list(name).contains(&code.to_string().as_str());
            if code == 0 || listed("Service.SuccessExitStatus") {
                return ends;
            }
            if self.unit.value("Service.Restart") != Some("on-failure")
                || listed("Service.RestartPreventExitStatus")
            {
                break;
            }
            now += TimeDelta::seconds(self.unit.seconds("Service.RestartSec").unwrap());
        }
        self.told += self.unit.dependencies("Unit.OnFailure").len();
        ends
    }

    /// A boot at which the timer has missed nothing: whether systemd starts the service.
    fn boot(&mut self, time: &str) -> Vec<(String, i32)> {
        self.window = None;
        let at_boot = self.unit.dependencies("Install.WantedBy").contains(&"multi-user.target");
        if at_boot { self.start(time) } else { Vec::new() }
    }
}

fn end(time: &str, code: i32) -> (String, i32) {
    (time.to_owned(), code)
}

fn a_server_that_is_back_within_the_grace_is_not_missed(engine: Engine) {
    let mut systemd = Supervisor::new(engine);
    systemd.back_at = at("07:52");
    let ends = systemd.start("07:00");
    assert_eq!((ends.len(), ends.first(), ends.last()), (12, Some(&end("07:00", 5)), Some(&end("07:55", 0))));
    assert_eq!(systemd.told, 0, "it went well in the end: {ends:?}");
    // The slot is done: a start at boot is free, and silent.
    assert_eq!(systemd.boot("15:00"), [end("15:00", 0)]);
    systemd.world.sandbox.clear_journal();
    let again = systemd.run(at("16:00"));
    assert_eq!((again.code, again.stdout.as_str(), again.stderr.as_str()), (Some(0), "", ""));
    assert_eq!(systemd.world.asked(), Vec::<String>::new());
}

fn what_stays_away_over_the_grace_is_told_of_once(engine: Engine) {
    let mut systemd = Supervisor::new(engine);
    systemd.back_at = at("12:00");
    let ends = systemd.start("07:00");
    let (last, before) = ends.split_last().unwrap();
    assert!(before.iter().all(|(_, code)| *code == 5), "{ends:?}");
    assert_eq!((before.last(), last), (Some(&end("08:00", 5)), &end("08:05", 12)));
    assert_eq!(systemd.told, 1);
    assert_eq!(slots(&systemd.world)[0][1], "misfired");
}

fn what_another_start_does_not_mend_is_started_once(engine: Engine) {
    let mut systemd = Supervisor::new(engine);
    systemd.world.set("FINTABLO_TOKEN", "wrong");
    assert_eq!(systemd.start("07:00"), [end("07:00", 6)]);
    assert_eq!(systemd.told, 1);
}

fn a_run_that_a_reboot_ended_is_resumed_in_its_slot(engine: Engine) {
    // In order, and as a power cut does it.
    for (signal, code) in [(Signal::TERM, Some(143)), (Signal::KILL, None)] {
        let mut systemd = Supervisor::new(engine);
        systemd.world.set("ZERKALO_TEST_NOW", at("07:00").to_rfc3339());
        let arguments = systemd.unit.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let cut = systemd.world.start_and_hold(&arguments, "products/list", Duration::from_secs(20));
        cut.signal(signal);
        assert_eq!(cut.finish_within(Duration::from_secs(10)).code, code);
        assert_eq!(systemd.boot("07:10"), [end("07:10", 0)]);
        assert_eq!(systemd.told, 0);
        assert_eq!(slots(&systemd.world)[0][1..], ["done", "2", "0"]);
    }
}
