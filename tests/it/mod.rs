//! - [`expected`]: what the mirror of a world must hold
//! - [`harness`]: a sandbox, a database and the binary, as one value
//! - [`inject`]: a run in which a chosen system call fails
//! - [`postgres`]: the private server
//! - [`process`]: the binary while it runs: held, signalled, killed
//! - [`proxy`]: what cuts connections to `PostgreSQL`
//! - [`rows`]: what a table holds, as text that is equal on both databases
//! - [`units`]: what systemd makes of the package's units

mod expected;
mod harness;
mod house;
mod inject;
mod postgres;
mod process;
mod proxy;
mod rows;
mod shelf;
mod units;
mod widget;

mod absent;
mod answers;
mod bad_input;
mod bounds;
mod broken;
mod certificates;
mod changes;
mod crontab;
mod damages;
mod damages_oracle;
mod dates;
mod demo;
mod desk;
mod doctor;
mod documents;
mod doubts;
mod dry_run;
mod etc;
mod failpoints;
mod files;
mod first_run;
mod fuzz;
mod google;
mod guard;
mod hands;
mod kills;
mod locks;
mod moments;
mod monitoring;
mod moods;
mod mounts;
mod nights;
mod operator;
mod outages;
mod outbox;
mod packaging;
mod pages;
mod poolers;
mod properties;
mod ready;
mod records;
mod restaurants;
mod restore;
mod rivals;
mod schema;
mod secrets;
mod security;
mod sheet;
mod sheet_deeds;
mod sheet_meetings;
mod sheet_oracle;
mod sheet_races;
mod sheet_tabs;
mod signals;
mod slots;
mod source;
mod stoplist;
mod stoplist_answers;
mod stoplist_kills;
mod stoplist_report;
mod stoplist_resend;
mod storms;
mod supervised;
mod sweep;
mod telegram;
mod turns;
mod unmatched;
mod upstream;
