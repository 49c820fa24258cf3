//! The iiko server: from its answers to records.
//!
//! - [`about`]: what the server tells of itself
//! - [`api`]: session, requests, refusals
//! - [`documents`]: documents: found, read, posted
//! - [`olap`]: OLAP reports
//! - `xml`: XML lists as records
//! - `session_file`: the token that a killed run left over

pub mod about;
pub mod api;
pub mod documents;
pub mod olap;
mod session_file;
mod xml;

use crate::{
    decimal,
    engine::{
        Planner, Remembered,
        frame::{BadFrame, Framer, Shape},
        record::{BadRecord, Record},
    },
    error::{Failure, Kind, Result},
    http::{Accept, Answer, Request, list},
    progress::Meter,
};
use hashbrown::HashSet;
use std::borrow::Cow;
use uuid::Uuid;

#[cfg(feature = "fuzzing")]
pub(crate) use xml::fuzzed::survive as survive_xml;

pub use api::Client;
pub use session_file::{Remembered as RememberedSession, remembered as remembered_sessions};

/// How many ids one request for names carries: about 4 kB of address.
const IDS_A_REQUEST: usize = 100;

/// A list answer of one root type is small; longer than this it is refused, in bytes.
const MAX_DIRECTORY: usize = 64 << 20;

/// Balances of products that the mirror does not have are held until their names are known; more than this are refused.
const MAX_UNNAMED: usize = 100_000;

/// Longer than this those are refused as well, and so are the names of a hundred products, in bytes.
const MAX_NAMES: usize = 32 << 20;

impl Client {
    /// Reads a JSON list into the planner.
    pub async fn json_list(
        &self,
        path: &str,
        query: &[(&str, &str)],
        planner: &mut Planner,
        meter: &dyn Meter,
    ) -> Result<()> {
        let request = Request::get(path, Accept::Json).query(query.iter().copied());
        self.read(&request, async |answer| {
            planner.reset();
            planner.answer("");
            list::framed(answer, Shape::List, |record| {
                meter.add(1);
                planner.framed(record)
            })
            .await
            .map(|_| ())
        })
        .await
    }

    /// Reads an XML list into the planner.
    pub async fn xml_list(
        &self,
        path: &str,
        query: &[(&str, &str)],
        (root, record, lists): (&'static str, &'static str, &'static [&'static str]),
        planner: &mut Planner,
        meter: &dyn Meter,
    ) -> Result<()> {
        let request = Request::get(path, Accept::Xml).query(query.iter().copied());
        self.read(&request, async |answer| {
            planner.reset();
            planner.answer("");
            xml::records(answer, xml::Form { root: Some(root), record, lists }, |record| {
                meter.add(1);
                match record {
                    xml::Record::Whole(json) => planner.record(json, &[])?,
                    xml::Record::Broken(bytes, why) => {
                        planner.reject(&|field| xml::element(bytes, field), why);
                    }
                }
                Ok(())
            })
            .await
        })
        .await
    }

    /// Reads all root types in one request; where the server refuses that, one by one.
    pub async fn directories(
        &self,
        path: &str,
        root_types: &[&str],
        planner: &mut Planner,
        meter: &dyn Meter,
    ) -> Result<()> {
        let request = directories_request(path, root_types);
        let known = self
            .read_if_known(&request, async |answer| {
                planner.reset();
                for root_type in root_types {
                    planner.answer(root_type);
                }
                list::framed(answer, Shape::List, |record| {
                    meter.add(1);
                    planner.framed(record)
                })
                .await
                .map(|_| ())
            })
            .await?;
        let Err(words) = known else { return Ok(()) };
        tracing::info!(
            "iiko {path}: the server does not take all root types in one request ({words}); asking one by one"
        );
        planner.reset();
        let mut known = 0;
        for root_type in root_types {
            known += usize::from(self.directory(path, root_type, planner, meter).await?);
        }
        if known == 0 {
            return Err(Failure::new(
                Kind::Refused,
                format!("iiko {path}: the server refuses every root type: {words}"),
            )
            .hint("the server may be older than this request; look at its version"));
        }
        Ok(())
    }

    /// Reads one root type; false when the server does not know it. A request that fails, fails for this root type
    /// only; a record that is none makes the whole table's answer foreign.
    async fn directory(
        &self,
        path: &str,
        root_type: &str,
        planner: &mut Planner,
        meter: &dyn Meter,
    ) -> Result<bool> {
        let request = directories_request(path, &[root_type]);
        let read = async |answer: Answer| {
            let limit = answer.max_record;
            Ok((answer.bytes(MAX_DIRECTORY).await?, limit))
        };
        let (body, limit) = match self.read_if_known(&request, read).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => {
                planner.skip(root_type, "not known to this server");
                return Ok(false);
            }
            Err(failure) => {
                planner.fail(root_type, failure);
                return Ok(true);
            }
        };
        // The whole list is checked before its first record counts: what was counted cannot be taken back.
        let frames = || Framer::new(Shape::List).max_record(limit);
        let mut checked = frames();
        let read = checked.feed_framed(&body, |_| Ok::<(), BadFrame>(()));
        if let Err(error) = read.and_then(|()| checked.finish()) {
            let failure = Failure::new(Kind::InvalidAnswer, format!("iiko {path}: {error}"));
            planner.fail(
                root_type,
                failure.hint(
                    "nothing was changed; start this again, and if it stays so, look at the server's version",
                ),
            );
            return Ok(true);
        }
        planner.answer(root_type);
        let mut taken = Ok(());
        let again = frames().feed_framed(&body, |record| {
            if taken.is_ok() {
                meter.add(1);
                taken = planner.framed(record);
            }
            Ok::<(), BadFrame>(())
        });
        again.expect("the list was read to its end above");
        taken.map(|()| true)
    }

    /// Reads the stock balances at `timestamp` (the business's local time): amounts other than zero, with the names of
    /// store and product. `stores` and `products` are the names that the mirror knows; products that it lacks are
    /// asked for once, deleted ones included, and only what is unknown there too is called `unknown:<id>`.
    pub async fn balances(
        &self,
        path: &str,
        timestamp: chrono::NaiveDateTime,
        stores: &Remembered,
        products: &Remembered,
        planner: &mut Planner,
        meter: &dyn Meter,
    ) -> Result<()> {
        let timestamp = timestamp.format("%Y-%m-%dT%H:%M:%S").to_string();
        let request = Request::get(path, Accept::Json).query([("timestamp", timestamp.as_str())]);
        let mut unnamed: Vec<Vec<u8>> = Vec::new();
        let mut held = 0;
        self.read(&request, async |answer| {
            planner.reset();
            planner.answer("");
            (unnamed, held) = (Vec::new(), 0);
            list::records(answer, Shape::List, |record| {
                meter.add(1);
                let Ok(balance) = Balance::read(record) else {
                    // The planner says what is wrong with it.
                    return planner.record(record, &[]);
                };
                if balance.is_zero {
                    return Ok(());
                }
                let Some(product) = product_name(&balance, products) else {
                    held += record.len();
                    if unnamed.len() == MAX_UNNAMED || held > MAX_NAMES {
                        let text = format!(
                            "iiko {path}: too many balances of products that the mirror does not have"
                        );
                        return Err(Failure::new(Kind::InvalidAnswer, text)
                            .hint("nothing was changed; start `zerkalo sync iiko` first, then this again"));
                    }
                    unnamed.push(record.to_vec());
                    return Ok(());
                };
                planner.record(record, &[&store_name(&balance, stores), &product])
            })
            .await
            .map(|_| ())
        })
        .await?;
        if stores.ids().next().is_none() {
            let text = "no store is in the mirror, so the rows are called by their stores' ids; `zerkalo sync iiko` reads the names";
            planner.warn("", text.to_owned());
        }
        if unnamed.is_empty() {
            return Ok(());
        }
        let unnamed: Vec<(Vec<u8>, Balance)> = unnamed
            .into_iter()
            .filter_map(|record| Balance::read(&record).ok().map(|of| (record, of)))
            .collect();
        let found = self
            .product_names(unnamed.iter().filter_map(|(_, balance)| balance.product_id()).collect())
            .await?;
        for (record, balance) in &unnamed {
            let product = product_name(balance, &found)
                .unwrap_or_else(|| format!("unknown:{}", balance.product.as_deref().unwrap_or_default()));
            planner.record(record, &[&store_name(balance, stores), &product])?;
        }
        Ok(())
    }

    /// The names of products, deleted ones included.
    async fn product_names(&self, ids: HashSet<Uuid>) -> Result<Remembered> {
        let mut ids: Vec<String> = ids.into_iter().map(|id| id.hyphenated().to_string()).collect();
        ids.sort_unstable();
        let mut names = Remembered::new(vec!["name"]);
        for ids in ids.chunks(IDS_A_REQUEST) {
            let request = Request::get("v2/entities/products/list", Accept::Json)
                .query([("includeDeleted", "true")])
                .query(ids.iter().map(|id| ("ids", id.as_str())))
                .max_answer(MAX_NAMES as u64);
            let found = self
                .read(&request, async |answer| {
                    let mut found = Vec::new();
                    list::records(answer, Shape::List, |record| {
                        found.extend(named(record));
                        Ok(())
                    })
                    .await?;
                    Ok(found)
                })
                .await?;
            for (id, name) in found {
                names.insert(id, vec![Some(name)]);
            }
        }
        Ok(names)
    }
}

fn directories_request(path: &str, root_types: &[&str]) -> Request {
    Request::get(path, Accept::Json)
        .query([("includeDeleted", "true")])
        .query(root_types.iter().map(|root_type| ("rootType", *root_type)))
}

/// A product's id and name; none when it does not have both.
fn named(record: &[u8]) -> Option<(Uuid, String)> {
    let mut members = Record::default();
    members.read(record).ok()?;
    let id = Uuid::try_parse(&members.text_of("id")?).ok()?;
    Some((id, members.text_of("name")?.into_owned()))
}

/// The members of a balance that decide whether it is stored and what it is called.
struct Balance {
    store: Option<String>,
    product: Option<String>,
    is_zero: bool,
}

impl Balance {
    fn read(record: &[u8]) -> Result<Self, BadRecord> {
        let mut members = Record::default();
        members.read(record)?;
        let text = |name: &str| members.text_of(name).map(Cow::into_owned);
        let is_zero = text("amount").and_then(|amount| decimal::normalise(&amount)).as_deref() == Some("0");
        Ok(Self { store: text("store"), product: text("product"), is_zero })
    }

    fn product_id(&self) -> Option<Uuid> {
        Uuid::try_parse(self.product.as_deref()?).ok()
    }
}

fn product_name(balance: &Balance, names: &Remembered) -> Option<String> {
    names.get(balance.product_id()?, "name").map(str::to_owned)
}

fn store_name(balance: &Balance, names: &Remembered) -> String {
    let id = balance.store.as_deref().unwrap_or_default();
    let name = Uuid::try_parse(id).ok().and_then(|id| names.get(id, "name"));
    name.map_or_else(|| format!("unknown:{id}"), str::to_owned)
}
