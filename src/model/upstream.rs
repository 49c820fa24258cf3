//! The upstreams that a database mirrors.

use std::fmt;

/// An upstream of which a database is a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// The iiko server.
    Iiko,
    /// The `FinTablo` account.
    FinTablo,
    /// iikoCloud.
    IikoCloud,
    /// The spreadsheet.
    GoogleSheets,
}

impl Upstream {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Iiko, Self::FinTablo, Self::IikoCloud, Self::GoogleSheets];

    /// The name in the database (`source_identity`) and in messages about it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iiko => "iiko",
            Self::FinTablo => "fintablo",
            Self::IikoCloud => "iiko_cloud",
            Self::GoogleSheets => "google_sheets",
        }
    }

    /// What it calls itself.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Iiko => "iiko",
            Self::FinTablo => "FinTablo",
            Self::IikoCloud => "iikoCloud",
            Self::GoogleSheets => "Google Sheets",
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
