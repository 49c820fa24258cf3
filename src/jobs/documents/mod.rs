//! The outbox at work: documents are posted to iiko, each at most once.
//!
//! A lost answer, a crash or a second start must never move goods twice. So a document is frozen in the outbox before
//! anything is sent, has a number of our own, and is made in two phases: as a draft (`NEW`), which moves nothing, and then
//! processed by its id, which iiko does only with a draft. Every step is committed before the next one, and what iiko
//! holds is read back before a step counts.
//!
//! - [`machine`]: one committed step after the other
//! - `single`: the same for servers that refuse to process a draft
//! - [`reconcile`]: what iiko has, without sending anything

pub mod machine;
pub mod reconcile;
mod single;
