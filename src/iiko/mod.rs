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
    engine::{Planner, Remembered, frame::Shape, number},
    error::{Failure, Kind, Result},
    http::{Accept, Request, list},
    printer::Meter,
};
use hashbrown::HashSet;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

pub use api::Client;

/// How many ids one request for names carries: about 4 kB of address.
const IDS_A_REQUEST: usize = 100;

/// A list answer of one root type is small; longer than this it is refused, in bytes.
const MAX_DIRECTORY: usize = 64 << 20;

impl Client {
    /// Reads a JSON list into the planner.
    pub async fn json_list(
        &self,
        path: &str,
        query: &[(&str, &str)],
        planner: &mut Planner,
        meter: &Meter,
    ) -> Result<()> {
        let request = Request::get(path, Accept::Json).query(query.iter().copied());
        self.read(&request, async |answer| {
            planner.reset();
            planner.answer("");
            list::records(answer, Shape::List, |record| {
                meter.add(1);
                planner.record(record, &[])
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
        meter: &Meter,
    ) -> Result<()> {
        let request = Request::get(path, Accept::Xml).query(query.iter().copied());
        self.read(&request, async |answer| {
            planner.reset();
            planner.answer("");
            xml::records(answer, xml::Form { root: Some(root), record, lists }, |record| {
                meter.add(1);
                planner.record(record, &[])
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
        meter: &Meter,
    ) -> Result<()> {
        let request = directories_request(path, root_types);
        let known = self
            .read_if_known(&request, async |answer| {
                planner.reset();
                for root_type in root_types {
                    planner.answer(root_type);
                }
                list::records(answer, Shape::List, |record| {
                    meter.add(1);
                    planner.record(record, &[])
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
        meter: &Meter,
    ) -> Result<bool> {
        let request = directories_request(path, &[root_type]);
        let body = match self.read_if_known(&request, async |answer| answer.bytes(MAX_DIRECTORY).await).await
        {
            Ok(Ok(body)) => body,
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
        match serde_json::from_slice::<Vec<&RawValue>>(&body) {
            Err(error) => planner.fail(
                root_type,
                Failure::new(
                    Kind::InvalidAnswer,
                    format!("iiko {path}: the answer is not the expected list"),
                )
                .hint(
                    "nothing was changed; start this again, and if it stays so, look at the server's version",
                )
                .source(error),
            ),
            Ok(records) => {
                planner.answer(root_type);
                for record in records {
                    meter.add(1);
                    planner.record(record.get().as_bytes(), &[])?;
                }
            }
        }
        Ok(true)
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
        meter: &Meter,
    ) -> Result<()> {
        let timestamp = timestamp.format("%Y-%m-%dT%H:%M:%S").to_string();
        let request = Request::get(path, Accept::Json).query([("timestamp", timestamp.as_str())]);
        let mut unnamed: Vec<Vec<u8>> = Vec::new();
        self.read(&request, async |answer| {
            planner.reset();
            planner.answer("");
            unnamed.clear();
            list::records(answer, Shape::List, |record| {
                meter.add(1);
                let balance = Balance::read(record)?;
                if balance.is_zero() {
                    return Ok(());
                }
                let Some(product) = product_name(&balance, products) else {
                    unnamed.push(record.to_vec());
                    return Ok(());
                };
                planner.record(record, &[&store_name(&balance, stores), &product])
            })
            .await
            .map(|_| ())
        })
        .await?;
        if unnamed.is_empty() {
            return Ok(());
        }
        let mut missing = HashSet::new();
        for record in &unnamed {
            missing.extend(Balance::read(record)?.product.and_then(|id| Uuid::try_parse(id).ok()));
        }
        let found = self.product_names(missing).await?;
        for record in &unnamed {
            let balance = Balance::read(record)?;
            let product = product_name(&balance, &found)
                .unwrap_or_else(|| format!("unknown:{}", balance.product.unwrap_or_default()));
            planner.record(record, &[&store_name(&balance, stores), &product])?;
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
                .query(ids.iter().map(|id| ("ids", id.as_str())));
            let found = self
                .read(&request, async |answer| {
                    let mut found = Vec::new();
                    list::records(answer, Shape::List, |record| {
                        found.extend(serde_json::from_slice::<Named>(record).ok());
                        Ok(())
                    })
                    .await?;
                    Ok(found)
                })
                .await?;
            for product in found {
                names.insert(product.id, vec![Some(product.name)]);
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

#[derive(Deserialize)]
struct Named {
    id: Uuid,
    name: String,
}

/// The members of a balance that decide whether it is stored and what it is called.
#[derive(Deserialize)]
struct Balance<'a> {
    #[serde(borrow)]
    store: Option<&'a str>,
    #[serde(borrow)]
    product: Option<&'a str>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
}

impl<'a> Balance<'a> {
    fn read(record: &'a [u8]) -> Result<Self> {
        serde_json::from_slice(record).map_err(|error| {
            Failure::new(Kind::InvalidAnswer, "iiko balances: a record is refused")
                .hint("nothing was changed; look at the server's version")
                .source(error)
        })
    }

    fn is_zero(&self) -> bool {
        self.amount.and_then(|amount| number::normalise(amount.get().trim_matches('"'))).as_deref()
            == Some("0")
    }
}

fn product_name(balance: &Balance<'_>, names: &Remembered) -> Option<String> {
    names.get(Uuid::try_parse(balance.product?).ok()?, "name").map(str::to_owned)
}

fn store_name(balance: &Balance<'_>, names: &Remembered) -> String {
    let id = balance.store.unwrap_or_default();
    let name = Uuid::try_parse(id).ok().and_then(|id| names.get(id, "name"));
    name.map_or_else(|| format!("unknown:{id}"), str::to_owned)
}
