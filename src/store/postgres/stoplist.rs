//! Writing the history of the stop-list.

use super::statement::{end_array, inline, push_element};
use crate::store::stoplist::Reading;
use uuid::Uuid;

/// Lets the history follow the table, after the statement that wrote the table and in its transaction.
/// Parameters: 1 the moment, 2 the organizations, 3–5 what is gone: organizations, terminal groups, moments.
const FOLLOW: &str = "update stoplist_history h set ended_at = g.ended_at::timestamptz
 from unnest($3::text[], $4::text[], $5::text[]) as g(organization, terminal_group, ended_at)
 where h.ended_at is null and h.organization_id = g.organization::uuid and h.terminal_group_id = g.terminal_group::uuid;
update stoplist_history h set ended_at = $1::timestamptz
 where h.ended_at is null and h.organization_id = any($2::uuid[])
 and not exists (select from active_stoplist a where a.product_id = h.product_id
     and a.terminal_group_id = h.terminal_group_id and a.size_id = h.size_id and a.organization_id = h.organization_id
     and a.balance = h.balance);
update stoplist_history h set name = a.name from active_stoplist a
 where h.ended_at is null and h.organization_id = any($2::uuid[]) and h.name <> a.name
 and a.product_id = h.product_id and a.terminal_group_id = h.terminal_group_id and a.size_id = h.size_id
 and a.organization_id = h.organization_id;
insert into stoplist_history (organization_id, terminal_group_id, product_id, size_id, name, balance, started_at)
 select organization_id, terminal_group_id, product_id, size_id, name, balance, $1::timestamptz from active_stoplist a
 where a.organization_id = any($2::uuid[])
 and not exists (select from stoplist_history h where h.ended_at is null and a.product_id = h.product_id
     and a.terminal_group_id = h.terminal_group_id and a.size_id = h.size_id and a.organization_id = h.organization_id)
 order by product_id, terminal_group_id, size_id;
";

/// Writes that it was a sample. Parameters: 1 the moment, 2 the organizations.
const SAMPLE: &str = "insert into stoplist_sample (organization_id, taken_at)
 select o, $1::timestamptz from unnest($2::uuid[]) as o on conflict do nothing;
";

/// The statements that let the history follow the table.
pub(super) fn follow(reading: &Reading) -> String {
    let array = |texts: &mut dyn Iterator<Item = String>| {
        let mut array = String::new();
        texts.for_each(|text| push_element(&mut array, Some(&text)));
        end_array(&mut array);
        array
    };
    let gone = || reading.gone.iter();
    let parameters = [
        reading.taken_at.to_rfc3339(),
        array(&mut reading.organizations.iter().map(Uuid::to_string)),
        array(&mut gone().map(|gone| gone.organization_id.to_string())),
        array(&mut gone().map(|gone| gone.terminal_group_id.to_string())),
        array(&mut gone().map(|gone| gone.ended_at.to_rfc3339())),
    ];
    inline(FOLLOW, &parameters) + &if reading.is_sample { inline(SAMPLE, &parameters) } else { String::new() }
}
