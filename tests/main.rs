//! The integration tests: stories about the real binary, told once and run on `SQLite` and on `PostgreSQL`.
//!
//! Everything they touch is real: HTTP over loopback to the sandbox, files, a private `PostgreSQL` server. There is
//! one test binary, so that there is one link and one server.

#[cfg(test)]
mod it;
