//! The registry: every mirrored table as data.
//!
//! A new mirrored table is one declaration here and one migration in each dialect, which a test prints
//! (`ZERKALO_UPDATE_TABLES=1 cargo test --lib tables`), nothing else; tests hold every declaration against the migrated
//! schema of both databases.

mod fintablo;
mod iiko;
mod iiko_cloud;
mod sheets;

use crate::{
    engine::{Column, Deletion, Table},
    model::upstream::Upstream,
};

pub use fintablo::FINTABLO;
pub use iiko::{DEPARTMENT, DIRECTORIES, IIKO, PRODUCT, PRODUCT_GROUP, ROOT_TYPES, STOCK, STORE};
pub use iiko_cloud::{ACTIVE_STOPLIST, STOPLIST};
pub use sheets::{MIN_STOCK, MIN_STOCK_LEVEL};

/// A mirrored table and where its records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entity {
    /// The table.
    pub table: Table,
    /// The upstream list that it mirrors.
    pub feed: Feed,
}

/// An upstream list. Paths are relative to the upstream's base; each answer is the whole list unless it is paged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// `iikoServer` JSON: a bare list of objects.
    IikoJson {
        /// Below `/resto/api/`.
        path: &'static str,
        /// Query parameters.
        query: &'static [(&'static str, &'static str)],
    },
    /// `iikoServer` XML: the direct children of a root element.
    IikoXml {
        /// Below `/resto/api/`.
        path: &'static str,
        /// Query parameters.
        query: &'static [(&'static str, &'static str)],
        /// The root element's name; any other root is a foreign answer.
        root: &'static str,
        /// The record element's name.
        record: &'static str,
        /// Child elements that repeat: kept as a list also when there is only one.
        lists: &'static [&'static str],
    },
    /// `iikoServer` directories (`entities/list`): several root types in one answer, each a scope of its own.
    IikoDirectories {
        /// Below `/resto/api/`.
        path: &'static str,
        /// The root types to ask for.
        root_types: &'static [&'static str],
    },
    /// `iikoServer` stock balances, with the names of stores and products looked up.
    IikoBalances {
        /// Below `/resto/api/`.
        path: &'static str,
    },
    /// `FinTablo`: `{"status": 200, "items": [...]}`.
    FinTablo {
        /// Below `/v1/`.
        path: &'static str,
        /// Whether the list comes in pages.
        paged: bool,
    },
    /// Google Sheets: the levels typed into the tab of min/max levels, with the names of products and departments looked
    /// up.
    SheetLevels,
    /// iikoCloud: the stop-lists of all terminal groups, with the names of products looked up.
    StopLists,
}

impl Feed {
    /// The upstream that it reads.
    pub const fn upstream(&self) -> Upstream {
        match self {
            Self::IikoJson { .. }
            | Self::IikoXml { .. }
            | Self::IikoDirectories { .. }
            | Self::IikoBalances { .. } => Upstream::Iiko,
            Self::FinTablo { .. } => Upstream::FinTablo,
            Self::SheetLevels => Upstream::GoogleSheets,
            Self::StopLists => Upstream::IikoCloud,
        }
    }
}

/// Every mirrored table.
pub fn all() -> impl Iterator<Item = &'static Entity> {
    IIKO.iter().chain(FINTABLO).chain(STOCK).chain(MIN_STOCK).chain(STOPLIST)
}

/// The mirrored table of that name.
pub fn named(name: &str) -> Option<&'static Table> {
    all().map(|entity| &entity.table).find(|table| table.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Kind;

    #[test]
    fn names_and_keys_are_sound() {
        let mut names: Vec<&str> = all().map(|entity| entity.table.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a table's name is its identity");
        for entity in all() {
            let keys: Vec<Kind> = entity.table.key_columns().map(|column| column.kind).collect();
            assert!(
                keys.iter().all(|kind| matches!(kind, Kind::Uuid | Kind::Int | Kind::Text)),
                "{}",
                entity.table.name
            );
        }
    }

    #[test]
    fn every_table_and_column_says_in_russian_what_it_holds() {
        let is_phrase = |text: &str| {
            let russian = |letter: char| matches!(letter, 'а'..='я' | 'А'..='Я' | 'ё');
            let length = text.chars().count();
            (3..=120).contains(&length) && text.chars().any(russian) && !text.ends_with('.')
        };
        for table in all().map(|entity| &entity.table) {
            assert!(is_phrase(table.title), "{}: {:?}", table.name, table.title);
            for column in table.columns {
                assert!(is_phrase(column.comment), "{}.{}: {:?}", table.name, column.name, column.comment);
            }
        }
    }

    /// `ZERKALO_UPDATE_TABLES=1 cargo test --lib tables` writes the row of FinTablo's lists anew.
    #[test]
    fn the_readme_names_every_table() {
        const BEGIN: &str = "| `ft_…` | ";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let readme = std::fs::read_to_string(&path).unwrap();
        let (head, rest) = readme.split_once(BEGIN).expect("the lists have a row");
        let (_, tail) = rest.split_once('\n').expect("the row ends");
        let lists: Vec<&str> =
            FINTABLO.iter().map(|entity| entity.table.name.strip_prefix("ft_").expect("a prefix")).collect();
        let written = format!("{head}{BEGIN}FinTablo's lists: {} |\n{tail}", lists.join(", "));
        if std::env::var_os("ZERKALO_UPDATE_TABLES").is_some() {
            std::fs::write(&path, written).unwrap();
            return;
        }
        assert!(readme == written, "write it anew: ZERKALO_UPDATE_TABLES=1 cargo test --lib tables");
        let (_, section) =
            readme.split_once("## What is in the database").expect("the tables have a section");
        for table in all().map(|entity| entity.table.name).filter(|name| !name.starts_with("ft_")) {
            assert!(section.contains(&format!("`{table}`")), "{table}");
        }
    }

    /// A changed fingerprint refills every row of its table in the next run; this list makes that a decision.
    /// `ZERKALO_UPDATE_TABLES=1 cargo test --lib tables` writes it anew.
    #[test]
    fn fingerprints_change_only_on_purpose() {
        let actual: Vec<String> = all()
            .map(|entity| {
                let hash = crate::engine::hash::fingerprint(&entity.table, entity.table.dropped);
                format!("{} {}", entity.table.name, hex::encode(hash))
            })
            .collect();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tables/fingerprints.txt");
        let actual = actual.join("\n") + "\n";
        if std::env::var_os("ZERKALO_UPDATE_TABLES").is_some() {
            std::fs::write(&path, actual).unwrap();
            return;
        }
        assert_eq!(
            actual,
            std::fs::read_to_string(&path).unwrap(),
            "write it anew: ZERKALO_UPDATE_TABLES=1 cargo test --lib tables"
        );
    }
}
