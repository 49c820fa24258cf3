//! *Zerkalo* mirrors an iiko server and a FinTablo account into a SQL database.

pub mod engine;
pub mod error;
pub mod sandbox;
pub mod store;
pub mod tables;
