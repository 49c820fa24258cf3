//! *Zerkalo* mirrors an iiko server and a FinTablo account into a SQL database.

pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod engine;
pub mod error;
pub mod fintablo;
pub mod http;
pub mod iiko;
pub mod jobs;
pub mod logging;
pub mod printer;
pub mod report;
pub mod sandbox;
pub mod store;
pub mod tables;
