//! One table of each kind of feed, with records that a story makes: what is told of one holds for all.

use super::{
    harness::{Engine, World},
    rows::Row,
    widget,
};
use bytes::Bytes;
use zerkalo::{
    jobs::{Allowance, Options, Step, Work},
    model::report::{RunReport, StepReport},
    sandbox::{Action, Fault},
    store::Access,
    tables::{self, Entity},
};

/// A table whose upstream list is what a story makes it.
#[derive(Clone, Copy)]
pub(crate) struct Shelf {
    /// The table.
    pub(crate) entity: &'static Entity,
    /// What part of the request's path tells it from others.
    pub(crate) path: &'static str,
    /// The column that holds an exact decimal, and its field.
    pub(crate) number: (&'static str, &'static str),
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Xml,
    FinTablo,
}

/// One record that a story makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Tells it from others.
    pub(crate) id: usize,
    /// Its name.
    pub(crate) name: String,
    /// A decimal, spelled as the upstream spells it.
    pub(crate) number: String,
}

impl Item {
    /// Item `id` with a name and a number of its own.
    pub(crate) fn new(id: usize) -> Self {
        Self { id, name: format!("Предмет {id}"), number: format!("{id}.25") }
    }

    /// Items with these ids.
    pub(crate) fn many(ids: impl IntoIterator<Item = usize>) -> Vec<Self> {
        ids.into_iter().map(Self::new).collect()
    }
}

impl Shelf {
    /// A JSON and an XML list of the iiko server, a list of `FinTablo`, and a table that only the tests declare.
    pub(crate) fn all() -> [Self; 4] {
        let shipped = |name: &str| tables::all().find(|entity| entity.table.name == name).unwrap();
        [
            Self {
                entity: shipped("iiko_product"),
                path: "v2/entities/products/list",
                number: ("unit_weight", "unitWeight"),
                form: Form::Json,
            },
            Self {
                entity: shipped("iiko_employee_role"),
                path: "employees/roles",
                number: ("payment_per_hour", "paymentPerHour"),
                form: Form::Xml,
            },
            Self {
                entity: shipped("ft_goods"),
                path: "goods",
                number: ("cost", "cost"),
                form: Form::FinTablo,
            },
            Self {
                entity: &*widget::WIDGET,
                path: "v2/entities/widgets/list",
                number: ("price", "price"),
                form: Form::Json,
            },
        ]
    }

    /// Tells a story of every shelf, each in a world of its own.
    pub(crate) fn each(engine: Engine, story: impl Fn(&World, Shelf)) {
        for shelf in Self::all() {
            let world = World::new(engine);
            if shelf.is_only_in_tests() {
                widget::migrate(&world);
            }
            story(&world, shelf);
        }
    }

    fn is_only_in_tests(self) -> bool {
        self.name() == widget::WIDGET.table.name
    }

    /// The table's name.
    pub(crate) fn name(self) -> &'static str {
        self.entity.table.name
    }

    /// Whether numbers can be spelled with or without quotes.
    pub(crate) fn is_xml(self) -> bool {
        self.form == Form::Xml
    }

    /// The id of an item, as the upstream sends it.
    pub(crate) fn id(self, id: usize) -> String {
        if self.form == Form::FinTablo { id.to_string() } else { format!("00000000-0000-4000-8000-{id:012}") }
    }

    /// An item as the upstream sends it.
    pub(crate) fn record(self, item: &Item) -> String {
        let Item { id, name, number } = item;
        let (id, field) = (self.id(*id), self.number.1);
        if self.form == Form::Xml {
            let name = xml_text(name);
            return format!("<role><id>{id}</id><name>{name}</name><{field}>{number}</{field}></role>");
        }
        format!(
            r#"{{"id":"{id}","name":{},"{field}":{number},"tags":[1,null,{{"a":"б"}}]}}"#,
            json_text(name)
        )
    }

    /// The same item with the same content, spelled as differently as the format allows.
    pub(crate) fn record_otherwise(self, item: &Item) -> String {
        let Item { id, name, number } = item;
        let (id, field) = (self.id(*id), self.number.1);
        if self.form == Form::Xml {
            return format!(
                "\n  <role >\n <{field}><!-- hourly -->{number}</{field}>\t<name><![CDATA[{name}]]></name>\
                 <id>&#x{:x};{}</id></role>",
                u32::from(id.chars().next().unwrap()),
                &id[1..]
            );
        }
        let escaped = name.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<Vec<_>>().concat();
        format!(
            "{{ \"tags\" : [ 1.0 , null,\n{{\"a\":\"\\u0431\"}} ],\r\n\t\"{field}\":{number}00e0, \"name\":\"{escaped}\",\
             \"id\":\"{id}\" }}"
        )
    }

    /// Makes these items the upstream's list.
    pub(crate) fn put(self, world: &World, items: &[Item]) {
        self.put_records(world, &items.iter().map(|item| self.record(item)).collect::<Vec<_>>());
    }

    /// Makes these records the upstream's list.
    pub(crate) fn put_records(self, world: &World, records: &[String]) {
        self.put_body(world, &self.body(records));
    }

    /// Makes this the upstream's answer.
    pub(crate) fn put_body(self, world: &World, body: &str) {
        self.put_bytes(world, Bytes::copy_from_slice(body.as_bytes()));
    }

    /// Makes these bytes the upstream's answer.
    pub(crate) fn put_bytes(self, world: &World, body: Bytes) {
        let content_type = if self.is_xml() { "application/xml" } else { "application/json" }.to_owned();
        if self.form == Form::FinTablo {
            world.sandbox.clear_faults();
            let answer = Action::Body { content_type, body };
            world.sandbox.fault(Fault::new(format!("GET /v1/{}$", self.path), answer).times(usize::MAX));
        } else {
            world.sandbox.edit(|world| world.answers.insert(self.path.to_owned(), (content_type, body)));
        }
    }

    /// The answer that holds these records.
    pub(crate) fn body(self, records: &[String]) -> String {
        match self.form {
            Form::Json => format!("[{}]", records.join(",")),
            Form::Xml => {
                format!("<?xml version=\"1.0\"?>\n<employeeRoles>{}</employeeRoles>", records.concat())
            }
            Form::FinTablo => format!(r#"{{"status":200,"items":[{}]}}"#, records.join(",")),
        }
    }

    /// The stored id, name and number of these items.
    pub(crate) fn rows(self, items: &[Item]) -> Vec<Row> {
        let row = |item: &Item| {
            super::rows::row([
                ("id", Some(self.id(item.id))),
                ("name", Some(item.name.clone())),
                (self.number.0, Some(super::rows::decimal(&item.number))),
            ])
        };
        let mut rows: Vec<Row> = items.iter().map(row).collect();
        rows.sort();
        rows
    }

    /// What is stored.
    pub(crate) fn stored(self, world: &World) -> Vec<Row> {
        world.select(self.name(), ["id", "name", self.number.0])
    }

    /// Mirrors the table in this process.
    pub(crate) fn run(self, world: &World, options: &Options) -> RunReport {
        let step = Step { name: "shelf", work: Work::Mirror(vec![self.entity]), needs: &[], optional: false };
        world.run_here(vec![vec![step]], options, Access::Write)
    }

    /// Mirrors the table; the run must end with this code.
    #[track_caller]
    pub(crate) fn sync(self, world: &World, code: u8) -> StepReport {
        self.sync_with(world, code, &Options::default())
    }

    /// Mirrors the table, with leave to delete so many rows.
    #[track_caller]
    pub(crate) fn sync_allowing(self, world: &World, code: u8, rows: u64) -> StepReport {
        let allowance = Allowance { table: self.name().to_owned(), scope: None, rows };
        self.sync_with(world, code, &Options { allow_delete: vec![allowance], ..Options::default() })
    }

    /// Mirrors the table; the run must end with this code.
    #[track_caller]
    pub(crate) fn sync_with(self, world: &World, code: u8, options: &Options) -> StepReport {
        let report = self.run(world, options);
        assert_eq!(report.exit_code(), code, "{}: {report:#?}", self.name());
        assert_eq!(report.steps.len(), 1, "{report:#?}");
        report.steps.into_iter().next().unwrap()
    }
}

/// Inserted, updated, unchanged and deleted rows.
pub(crate) fn counts(report: &StepReport) -> [u64; 4] {
    [report.counts.inserted, report.counts.updated, report.counts.unchanged, report.counts.deleted]
}

/// A JSON string.
pub(crate) fn json_text(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// XML text.
fn xml_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}
