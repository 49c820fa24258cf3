//! HTTP to the upstreams: one client with limits, one retry layer around request *and* body, no secret in any error.
//!
//! - [`client`]: the reqwest client: time limits, TLS, no redirects, no hidden retries
//! - [`request`]: what is asked and what came back
//! - [`list`]: a JSON list, record by record
//! - [`upstream`]: one attempt
//! - `proxy`: which requests go through one
//! - [`patience`]: the attempts until an answer was read to its end

pub mod client;
pub mod list;
pub mod patience;
mod proxy;
pub mod request;
pub mod upstream;

pub use patience::{Budget, Patience};
pub use request::{Accept, Answer, Part, Request, Retry, Trouble};
pub use upstream::Upstream;
