//! What the doctor found.

use crate::error::{Failure, Kind};
use serde::{Serialize, Serializer};

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A run can use it.
    Ok,
    /// A run can use it; the operator should look at it.
    Warning,
    /// A run would fail, with the exit code of this kind.
    Problem(Kind),
    /// It is not set, and what needs it is left out.
    Unset,
    /// It was not tried.
    Skipped,
}

impl State {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem(_) => "problem",
            Self::Unset => "not set",
            Self::Skipped => "skipped",
        }
    }

    fn kind(self) -> Option<Kind> {
        match self {
            Self::Warning => Some(Kind::Warning),
            Self::Problem(kind) => Some(kind),
            Self::Ok | Self::Unset | Self::Skipped => None,
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check.
    pub check: &'static str,
    /// How it is.
    pub state: State,
    /// What was found, in one sentence without a full stop; never a secret.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Everything that was found, and the exit code of the worst of it.
#[derive(Debug, Default)]
pub struct Diagnosis {
    /// In the order of the checks.
    pub findings: Vec<Finding>,
    /// Why not all was looked at: a signal, a panic.
    pub failure: Option<Failure>,
}

impl Diagnosis {
    /// The code of the worst finding by the table of exit codes; 0 when all is well.
    pub fn exit_code(&self) -> u8 {
        let findings = self.findings.iter().filter_map(|finding| finding.state.kind());
        Kind::worst(findings.chain(self.failure.iter().map(|failure| failure.kind)))
    }
}
