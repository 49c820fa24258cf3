//! Which products and departments belong in the sheets, from what this run has fetched, else from the database.

use super::Need;
use crate::{
    config::Config,
    context::Context,
    engine::Remembered,
    error::{Failure, Kind, Result, quote},
    store::Store,
    tables::{DEPARTMENT, PRODUCT, PRODUCT_GROUP},
};
use hashbrown::{HashMap, HashSet};
use std::rc::Rc;
use uuid::Uuid;

const PRODUCTS: Need =
    Need { table: &PRODUCT.table, columns: &["name", "product_type", "parent_id", "deleted"] };
const GROUPS: Need = Need { table: &PRODUCT_GROUP.table, columns: &["name", "parent_id"] };
const DEPARTMENTS: Need = Need { table: &DEPARTMENT.table, columns: &["name", "department_type"] };

/// What the sheet of min/max levels looks up.
pub const SHEET_NEEDS: &[Need] = &[PRODUCTS, GROUPS, DEPARTMENTS];
/// What the mapping reference looks up.
pub const MAPPING_NEEDS: &[Need] = &[PRODUCTS];

/// A product or a department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: Uuid,
    /// Its name, exactly as iiko has it.
    pub name: String,
}

/// The products and departments of the sheet of min/max levels, sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Nomenclature {
    /// Goods and dishes that are not deleted, of the configured groups and their descendants.
    pub products: Vec<Item>,
    /// Departments of type DEPARTMENT.
    pub departments: Vec<Item>,
    /// The names of all products, also of those that are not in the sheet.
    names: Rc<Remembered>,
}

/// Reads what a step looks up in one table.
pub(super) async fn look_up(ctx: &Context, store: &mut dyn Store, need: &Need) -> Result<Rc<Remembered>> {
    let fetched = ctx.fetched.borrow().get(need.table.name).filter(|rows| rows.has(need.columns)).cloned();
    if let Some(fetched) = fetched {
        return Ok(fetched);
    }
    let columns: Vec<&'static str> = need.table.key.iter().chain(need.columns).copied().collect();
    let mut rows = Remembered::new(need.columns.to_vec());
    for mut values in store.select(need.table, &columns).await? {
        let id = values.remove(0).and_then(|id| Uuid::try_parse(&id).ok());
        rows.insert(id.expect("the table's key is one uuid"), values);
    }
    let rows = Rc::new(rows);
    // The next step of this run looks the same up.
    ctx.fetched.borrow_mut().entry(need.table.name).or_insert_with(|| Rc::clone(&rows));
    Ok(rows)
}

impl Nomenclature {
    /// Reads it. Fails when a configured group does not exist, and when nothing at all is found: an empty nomenclature
    /// is no reason to empty a sheet.
    pub(super) async fn read(ctx: &Context, store: &mut dyn Store) -> Result<Self> {
        let names = look_up(ctx, store, &PRODUCTS).await?;
        let groups = look_up(ctx, store, &GROUPS).await?;
        let departments = look_up(ctx, store, &DEPARTMENTS).await?;
        let wanted = wanted_groups(&ctx.config, &groups)?;
        let in_groups = |id: Uuid| match &wanted {
            None => true,
            Some(wanted) => parent(&names, id).is_some_and(|group| wanted.contains(&group)),
        };
        let products = sorted(&names, |id| {
            matches!(names.get(id, "product_type"), Some("GOODS" | "DISH"))
                && is_there(&names, id)
                && in_groups(id)
        });
        let departments =
            sorted(&departments, |id| departments.get(id, "department_type") == Some("DEPARTMENT"));
        if products.is_empty() || departments.is_empty() {
            let what = if products.is_empty() { "product" } else { "department" };
            return Err(Failure::new(Kind::Safety, format!("the mirror holds no {what} for the sheet"))
                .hint(
                    "run `zerkalo sync iiko` first; check MIN_STOCK_EXPORT_GROUPS; the sheet was not touched",
                ));
        }
        Ok(Self { products, departments, names })
    }

    /// The name of a product, whether it is in the sheet or not.
    pub(super) fn product_name(&self, id: Uuid) -> Option<&str> {
        self.names.get(id, "name")
    }
}

/// Display names of goods for the mapping reference: without the kitchen's technical prefixes, sorted without case,
/// each once.
pub(super) async fn display_names(ctx: &Context, store: &mut dyn Store) -> Result<Vec<String>> {
    let products = look_up(ctx, store, &PRODUCTS).await?;
    let goods = |id: &Uuid| products.get(*id, "product_type") == Some("GOODS") && is_there(&products, *id);
    let names = products.ids().filter(goods).filter_map(|id| products.get(id, "name"));
    let mut by_key: HashMap<String, String> = HashMap::new();
    for name in names.map(without_prefix).filter(|name| !name.is_empty()) {
        let shown = by_key.entry(sort_key(name)).or_insert_with(|| name.to_owned());
        // Of two spellings the same one every time, whatever order they come in.
        if name < shown.as_str() {
            name.clone_into(shown);
        }
    }
    if by_key.is_empty() {
        return Err(Failure::new(Kind::Safety, "the mirror holds no goods for the mapping reference")
            .hint("run `zerkalo sync iiko` first; the sheet was not touched"));
    }
    let mut names: Vec<(String, String)> = by_key.into_iter().collect();
    names.sort_unstable();
    Ok(names.into_iter().map(|(_, name)| name).collect())
}

/// The name without outer spaces and without a technical prefix.
fn without_prefix(name: &str) -> &str {
    let name = name.trim();
    for prefix in ["т_", "п/ф ", "п/ф_", "п/ф"] {
        let length = prefix.chars().count();
        let head: String = name.chars().take(length).flat_map(char::to_lowercase).collect();
        if head == prefix {
            let end = name.char_indices().nth(length).map_or(name.len(), |(end, _)| end);
            return name[end..].trim();
        }
    }
    name
}

/// By this, names are sorted: without case, `ё` beside `е`.
pub(super) fn sort_key(name: &str) -> String {
    name.trim().to_lowercase().replace('ё', "е")
}

fn sorted(rows: &Remembered, wanted: impl Fn(Uuid) -> bool) -> Vec<Item> {
    let name = |id: Uuid| rows.get(id, "name").unwrap_or_default().to_owned();
    let mut items: Vec<Item> =
        rows.ids().filter(|id| wanted(*id)).map(|id| Item { id, name: name(id) }).collect();
    items.sort_by_cached_key(|item| (sort_key(&item.name), item.name.clone(), item.id));
    items
}

fn is_there(rows: &Remembered, id: Uuid) -> bool {
    !matches!(rows.get(id, "deleted"), Some("true" | "1"))
}

fn parent(rows: &Remembered, id: Uuid) -> Option<Uuid> {
    Uuid::try_parse(rows.get(id, "parent_id")?).ok()
}

/// The configured groups with all their descendants; `None` when every group is wanted.
fn wanted_groups(config: &Config, groups: &Remembered) -> Result<Option<HashSet<Uuid>>> {
    let configured = &config.min_stock.export_groups;
    if configured.is_empty() {
        return Ok(None);
    }
    let mut wanted = HashSet::new();
    for given in configured {
        let is_it = |id: &Uuid| {
            Uuid::try_parse(given) == Ok(*id)
                || groups.get(*id, "name").is_some_and(|name| sort_key(name) == sort_key(given))
        };
        let before = wanted.len();
        wanted.extend(groups.ids().filter(is_it));
        if wanted.len() == before {
            return Err(Failure::new(
                Kind::Usage,
                format!("MIN_STOCK_EXPORT_GROUPS names «{}», which is no product group", quote(given, 60)),
            )
            .hint("check the group's name or id in iiko; the sheet was not touched"));
        }
    }
    loop {
        let children =
            groups.ids().filter(|id| parent(groups, *id).is_some_and(|group| wanted.contains(&group)));
        let new: Vec<Uuid> = children.filter(|id| !wanted.contains(id)).collect();
        if new.is_empty() {
            return Ok(Some(wanted));
        }
        wanted.extend(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn technical_prefixes_leave_the_names() {
        for (name, shown) in [
            ("т_Молоко", "Молоко"),
            ("Т_молоко ", "молоко"),
            ("п/ф Тесто", "Тесто"),
            ("П/Ф_Соус", "Соус"),
            ("п/фБульон", "Бульон"),
            ("  Яблоко", "Яблоко"),
            ("Тесто", "Тесто"),
            ("п/", "п/"),
            ("т", "т"),
            ("п/ф", ""),
        ] {
            assert_eq!(without_prefix(name), shown, "{name}");
        }
    }

    #[test]
    fn names_are_sorted_as_a_person_would() {
        let mut names = ["ёж", "Еда", "яма", "Жук", " абрикос", "Ель"];
        names.sort_by_cached_key(|name| sort_key(name));
        assert_eq!(names, [" абрикос", "Еда", "ёж", "Ель", "Жук", "яма"]);
    }
}
