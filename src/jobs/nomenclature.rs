//! Which products and departments belong in the sheets, from what this run has fetched, else from the database.

use super::Need;
use crate::{
    config::Config,
    engine::{Remembered, Table},
    error::{Failure, Kind, Result, quote},
    jobs::context::Context,
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
    /// All products, also those that are not in the sheet.
    all_products: Rc<Remembered>,
    groups: Rc<Remembered>,
    all_departments: Rc<Remembered>,
    /// The groups whose products are in the sheet; none for all.
    wanted: Option<HashSet<Uuid>>,
}

/// Reads what a step looks up in one table.
pub(super) async fn look_up(ctx: &Context, store: &mut dyn Store, need: &Need) -> Result<Rc<Remembered>> {
    let fetched = ctx.fetched.borrow().get(need.table.name).filter(|rows| rows.has(need.columns)).cloned();
    if let Some(fetched) = fetched {
        return Ok(fetched);
    }
    let rows = Rc::new(stored(store, need.table, need.columns).await?);
    // The next step of this run looks the same up.
    ctx.fetched.borrow_mut().entry(need.table.name).or_insert_with(|| Rc::clone(&rows));
    Ok(rows)
}

/// Columns of the rows that the database holds of a table.
pub(super) async fn stored(
    store: &mut dyn Store,
    table: &'static Table,
    columns: &[&'static str],
) -> Result<Remembered> {
    let selected: Vec<&'static str> = table.key.iter().chain(columns).copied().collect();
    let mut rows = Remembered::new(columns.to_vec());
    for mut values in store.select(table, &selected).await? {
        let id = values.remove(0).and_then(|id| Uuid::try_parse(&id).ok());
        rows.insert(id.expect("the table's key is one uuid"), values);
    }
    Ok(rows)
}

impl Nomenclature {
    /// Reads it. Fails when a configured group does not exist, and when nothing at all is found: an empty nomenclature
    /// is no reason to empty a sheet.
    pub(super) async fn read(ctx: &Context, store: &mut dyn Store) -> Result<Self> {
        let all_products = look_up(ctx, store, &PRODUCTS).await?;
        let groups = look_up(ctx, store, &GROUPS).await?;
        let all_departments = look_up(ctx, store, &DEPARTMENTS).await?;
        let wanted = wanted_groups(&ctx.config, &groups)?;
        let in_groups = |id: Uuid| match &wanted {
            None => true,
            Some(wanted) => parent(&all_products, id).is_some_and(|group| wanted.contains(&group)),
        };
        let products = sorted(&all_products, |id| is_sold_or_used(&all_products, id) && in_groups(id));
        let departments =
            sorted(&all_departments, |id| all_departments.get(id, "department_type") == Some("DEPARTMENT"));
        if products.is_empty() || departments.is_empty() {
            let what = if products.is_empty() { "product" } else { "department" };
            return Err(Failure::new(Kind::Safety, format!("the mirror holds no {what} for the sheet"))
                .hint(
                    "run `zerkalo sync iiko` first; check MIN_STOCK_EXPORT_GROUPS; the sheet was not touched",
                ));
        }
        Ok(Self { products, departments, all_products, groups, all_departments, wanted })
    }

    /// The name of a product, whether it is in the sheet or not.
    pub(super) fn product_name(&self, id: Uuid) -> Option<&str> {
        self.all_products.get(id, "name")
    }

    /// Whether there may be products or departments that are not known, because of records that could not be used.
    pub(super) fn has_doubts(&self) -> bool {
        ![&self.all_products, &self.groups, &self.all_departments].into_iter().all(|rows| rows.is_whole())
    }

    /// Whether a product that does not seem to belong in the sheet may belong there all the same: neither its own record
    /// nor the mirror says what it is, or what one of the groups is that it is in.
    pub(super) fn is_product_in_doubt(&self, id: Uuid) -> bool {
        let Some(wanted) = &self.wanted else { return self.all_products.is_in_doubt(id) };
        if !is_sold_or_used(&self.all_products, id) {
            return self.all_products.is_in_doubt(id);
        }
        let mut above = HashSet::new();
        let mut group = parent(&self.all_products, id);
        while let Some(id) = group.filter(|id| !wanted.contains(id) && above.insert(*id)) {
            if self.groups.is_in_doubt(id) {
                return true;
            }
            group = parent(&self.groups, id);
        }
        false
    }

    /// Whether a department that does not seem to be there may be there all the same.
    pub(super) fn is_department_in_doubt(&self, id: Uuid) -> bool {
        self.all_departments.is_in_doubt(id)
    }

    /// Adds what is in the sheet (`products` and `departments`, with their names there) and in doubt: what nobody knows is
    /// not gone. How many there are.
    pub(super) fn keep_doubtful<'s>(
        &mut self,
        products: impl Iterator<Item = (Uuid, &'s str)>,
        departments: impl Iterator<Item = (Uuid, &'s str)>,
    ) -> usize {
        let mut seen = HashSet::new();
        // A product may have two rows.
        let mut item = |(id, name): (Uuid, &str)| seen.insert(id).then(|| Item { id, name: name.to_owned() });
        let products: Vec<Item> =
            products.filter(|(id, _)| self.is_product_in_doubt(*id)).filter_map(&mut item).collect();
        let departments: Vec<Item> =
            departments.filter(|(id, _)| self.is_department_in_doubt(*id)).filter_map(&mut item).collect();
        for (all, kept) in [(&mut self.products, products), (&mut self.departments, departments)] {
            all.extend(kept);
            sort(all);
        }
        seen.len()
    }
}

/// Display names of goods for the mapping reference: without the kitchen's technical prefixes, sorted without case,
/// each once.
pub(super) async fn display_names(ctx: &Context, store: &mut dyn Store) -> Result<DisplayNames> {
    let products = look_up(ctx, store, &PRODUCTS).await?;
    let goods = |id: &Uuid| products.get(*id, "product_type") == Some("GOODS") && is_there(&products, *id);
    let names = products.ids().filter(goods).filter_map(|id| products.get(id, "name"));
    let names = each_once(names.map(without_prefix).filter(|name| !name.is_empty()));
    if names.is_empty() {
        return Err(Failure::new(Kind::Safety, "the mirror holds no goods for the mapping reference")
            .hint("run `zerkalo sync iiko` first; the sheet was not touched"));
    }
    Ok(DisplayNames { names, is_whole: products.is_whole() })
}

/// Display names of goods.
pub(super) struct DisplayNames {
    names: Vec<String>,
    /// Whether these are all that there are.
    is_whole: bool,
}

impl DisplayNames {
    /// The names that belong in a sheet that shows these: as long as there are goods that nobody knows, none leaves it.
    pub(super) fn beside<'s>(&'s self, shown: impl Iterator<Item = &'s str>) -> Vec<String> {
        if self.is_whole {
            return self.names.clone();
        }
        each_once(self.names.iter().map(String::as_str).chain(shown.filter(|name| !name.is_empty())))
    }
}

/// Names sorted without case, each once.
fn each_once<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut by_key: HashMap<String, &str> = HashMap::new();
    for name in names {
        let shown = by_key.entry(sort_key(name)).or_insert(name);
        // Of two spellings the same one every time, whatever order they come in.
        *shown = name.min(*shown);
    }
    let mut names: Vec<(String, &str)> = by_key.into_iter().collect();
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name.to_owned()).collect()
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
    sort(&mut items);
    items
}

fn sort(items: &mut [Item]) {
    items.sort_by_cached_key(|item| (sort_key(&item.name), item.name.clone(), item.id));
}

/// Goods and dishes that are not deleted.
fn is_sold_or_used(rows: &Remembered, id: Uuid) -> bool {
    matches!(rows.get(id, "product_type"), Some("GOODS" | "DISH")) && is_there(rows, id)
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
