//! The upstreams: one room each, with what is certain of its answers.
//!
//! - [`iiko`]: the iiko server
//! - [`iiko_cloud`]: iikoCloud's stop-lists
//! - [`fintablo`]: the FinTablo account
//! - [`google_sheets`]: the spreadsheet
//! - [`telegram`]: the bot that tells people

pub mod fintablo;
pub mod google_sheets;
pub mod iiko;
pub mod iiko_cloud;
pub mod telegram;
