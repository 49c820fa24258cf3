//! Documents of the iiko server: found by number, read by id, posted once.
//!
//! Facts are those of the official iikoServer REST API documentation: a POST without `id` creates, one with `id` edits,
//! which is allowed only while the document is `NEW`; `byNumber` brings a list, `byId` one document; and an answer of
//! status 200 is a success only if it says so.

use super::{
    Client,
    api::{MAX_DOCUMENT, Sent},
};
use crate::{
    decimal,
    engine::frame::Shape,
    error::{Failure, Kind, Result, quote},
    http::{Accept, Request, Trouble, list},
    model::documents::{Document, Kind as DocumentKind, Payload, Status},
};
use chrono::NaiveDateTime;
use hashbrown::HashMap;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// The balances of the stores of one night, in bytes: some 400,000 of them.
const MAX_BALANCES: u64 = 64 << 20;

/// What came of posting a document.
#[derive(Debug)]
pub enum Posted {
    /// A success by its own words; whether it is ours is still to be compared.
    Accepted(Box<Document>),
    /// Status 200 without a success that can be read: anything may have happened. With the id, if there is one.
    Doubtful(Failure, Option<Uuid>),
    /// The server says no, and so has done nothing.
    Refused(Failure),
    /// The server has surely done nothing; it may be sent again.
    Unsent(Trouble),
    /// No answer: the server may have done it, or may yet do it.
    Lost(Failure),
}

impl Client {
    /// The documents of a kind that have this number, in the order of their ids.
    pub async fn documents_by_number(&self, kind: DocumentKind, wanted: &str) -> Result<Vec<Document>> {
        let request = Request::get(format!("{}/byNumber", kind.path()), Accept::Json)
            .query([("documentNumber", wanted)])
            .max_answer(MAX_DOCUMENT as u64);
        let found = self
            .read_unless(&request, &[StatusCode::NOT_FOUND], async |answer| {
                let mut documents = Vec::new();
                list::records(answer, Shape::List, |record| {
                    documents.push(document(kind, record)?);
                    Ok(())
                })
                .await?;
                Ok(documents)
            })
            .await?;
        let mut documents = found.unwrap_or_else(|(_, words)| {
            tracing::debug!("iiko {}: {words}", request.path);
            Vec::new()
        });
        // A server that finds parts of numbers, too, must not make another document ours.
        documents.retain(|document| document.number == wanted);
        documents.sort_by_key(|document| document.id);
        Ok(documents)
    }

    /// A document by its id; none when the server does not know it.
    pub async fn document_by_id(&self, kind: DocumentKind, id: Uuid) -> Result<Option<Document>> {
        let text = id.hyphenated().to_string();
        let request =
            Request::get(format!("{}/byId", kind.path()), Accept::Json).query([("id", text.as_str())]);
        let refusals = [StatusCode::NOT_FOUND, StatusCode::CONFLICT];
        let found = self
            .read_unless(&request, &refusals, async |answer| {
                let body = answer.bytes(MAX_DOCUMENT).await?;
                if body.trim_ascii() == b"null" {
                    return Ok(None);
                }
                Ok(Some(document(kind, &body)?))
            })
            .await?;
        match found {
            Ok(Some(found)) if found.id == id => Ok(Some(found)),
            Ok(Some(_)) => Err(foreign(kind, "it is another document than was asked for")),
            Ok(None) => Ok(None),
            // The sentence that was seen for an id that does not exist: Cannot find … document by id ….
            Err((status, words)) if status == StatusCode::NOT_FOUND || words.contains("annot find") => {
                Ok(None)
            }
            Err((_, words)) => {
                Err(Failure::new(Kind::Refused, format!("iiko {}: refused (409): {words}", request.path))
                    .hint("the words are the server's own"))
            }
        }
    }

    /// Posts a document once: a new one, or an edit of `id`.
    pub async fn post_document(&self, payload: &Payload, id: Option<Uuid>, status: Status) -> Result<Posted> {
        let body = payload.body(id, status);
        let request = Request::post_json(payload.kind.path(), Accept::Json, body);
        Ok(match self.send_once(&request).await? {
            Sent::Answered(body) => read_envelope(payload.kind, &body),
            Sent::Refused(failure) => Posted::Refused(failure),
            Sent::Unsent(trouble) => Posted::Unsent(trouble),
            Sent::Lost(failure) => Posted::Lost(failure),
        })
    }

    /// The balances of these stores at a moment of the business's local time: store and product → amount as a normalised
    /// decimal. What a store does not have is not there.
    pub async fn store_balances(
        &self,
        stores: &[Uuid],
        timestamp: NaiveDateTime,
    ) -> Result<HashMap<(Uuid, Uuid), String>> {
        #[derive(Deserialize)]
        struct Balance<'a> {
            store: Uuid,
            product: Uuid,
            #[serde(borrow)]
            amount: &'a RawValue,
        }
        let timestamp = timestamp.format("%Y-%m-%dT%H:%M:%S").to_string();
        let ids: Vec<String> = stores.iter().map(|store| store.hyphenated().to_string()).collect();
        let request = Request::get("v2/reports/balance/stores", Accept::Json)
            .query([("timestamp", timestamp.as_str())])
            .query(ids.iter().map(|id| ("store", id.as_str())))
            .max_answer(MAX_BALANCES);
        self.read(&request, async |answer| {
            let mut balances = HashMap::new();
            list::records(answer, Shape::List, |record| {
                let wrong = || {
                    Failure::new(Kind::InvalidAnswer, "iiko balances: a record cannot be read")
                        .hint("nothing was changed by it; look at the server's version")
                };
                let balance: Balance<'_> =
                    serde_json::from_slice(record).map_err(|error| wrong().source(error))?;
                let amount = decimal::normalise(balance.amount.get().trim_matches('"')).ok_or_else(wrong)?;
                balances.insert((balance.store, balance.product), amount);
                Ok(())
            })
            .await?;
            Ok(balances)
        })
        .await
    }
}

/// A document as the wire has it. Further members are left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    id: Uuid,
    date_incoming: String,
    document_number: String,
    status: String,
    store_from_id: Option<Uuid>,
    store_to_id: Option<Uuid>,
    store_id: Option<Uuid>,
    account_id: Option<Uuid>,
    #[serde(borrow)]
    items: Vec<WireItem<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireItem<'a> {
    product_id: Uuid,
    #[serde(borrow)]
    amount: &'a RawValue,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    result: String,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

fn document(kind: DocumentKind, text: &[u8]) -> Result<Document> {
    let wire: Wire<'_> =
        serde_json::from_slice(text).map_err(|error| foreign(kind, "it cannot be read").source(error))?;
    let (from, to) = match kind {
        DocumentKind::Transfer => (wire.store_from_id, wire.store_to_id),
        DocumentKind::Writeoff => (wire.store_id, wire.account_id),
    };
    let minutes = wire.date_incoming.get(..16).unwrap_or_default();
    let mut lines = Vec::new();
    for item in &wire.items {
        let amount = decimal::normalise(item.amount.get().trim_matches('"'));
        lines.push((item.product_id, amount.ok_or_else(|| foreign(kind, "an amount is no number"))?));
    }
    lines.sort();
    Ok(Document {
        id: wire.id,
        status: Status::of(&wire.status).ok_or_else(|| foreign(kind, "its status is not known"))?,
        date_incoming: NaiveDateTime::parse_from_str(minutes, "%Y-%m-%dT%H:%M")
            .map_err(|error| foreign(kind, "its date cannot be read").source(error))?,
        number: wire.document_number,
        from: from.ok_or_else(|| foreign(kind, "it does not say where the goods come from"))?,
        to: to.ok_or_else(|| foreign(kind, "it does not say where the goods go to"))?,
        lines,
    })
}

/// What the answer to a POST says. Status 200 alone says nothing.
fn read_envelope(kind: DocumentKind, body: &[u8]) -> Posted {
    let doubtful = |why: &str| foreign(kind, why).hint("`zerkalo documents reconcile` reads what iiko has");
    let envelope: Envelope<'_> = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        Err(error) => {
            return Posted::Doubtful(doubtful("it says neither success nor error").source(error), None);
        }
    };
    match (envelope.result.as_str(), envelope.response) {
        ("SUCCESS", Some(response)) => match document(kind, response.get().as_bytes()) {
            Ok(document) => Posted::Accepted(Box::new(document)),
            Err(failure) => {
                #[derive(Deserialize)]
                struct Identified {
                    id: Uuid,
                }
                let id = serde_json::from_str::<Identified>(response.get()).ok().map(|found| found.id);
                Posted::Doubtful(failure, id)
            }
        },
        ("ERROR", _) => {
            let words = envelope.errors.map_or("no reason given", RawValue::get);
            let text =
                format!("iiko {}: the answer is 200 with result ERROR: {}", kind.path(), quote(words, 300));
            Posted::Refused(Failure::new(Kind::Refused, text).hint("the words are the server's own"))
        }
        _ => Posted::Doubtful(doubtful("it says neither success nor error"), None),
    }
}

fn foreign(kind: DocumentKind, why: &str) -> Failure {
    Failure::new(
        Kind::InvalidAnswer,
        format!("iiko {}: the answer is not the expected document: {why}", kind.path()),
    )
    .hint("look at the server's version; `zerkalo documents list` shows what is open")
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzed {
    use super::{Document, DocumentKind, Kind, Posted, document, read_envelope};

    /// Reads a document and the answer to one that was posted.
    pub(crate) fn survive(bytes: &[u8]) {
        for kind in [DocumentKind::Transfer, DocumentKind::Writeoff] {
            match document(kind, bytes) {
                Ok(document) => check(&document),
                Err(failure) => crate::fuzzed::check_failure(&failure, Kind::InvalidAnswer),
            }
            match read_envelope(kind, bytes) {
                Posted::Accepted(document) => {
                    let text = String::from_utf8_lossy(bytes);
                    assert!(text.contains("SUCCESS") || text.contains("\\u"), "a success says so");
                    check(&document);
                }
                Posted::Refused(failure) => crate::fuzzed::check_failure(&failure, Kind::Refused),
                Posted::Doubtful(failure, _) => {
                    crate::fuzzed::check_failure(&failure, Kind::InvalidAnswer);
                }
                Posted::Unsent(_) | Posted::Lost(_) => unreachable!("there is an answer"),
            }
        }
    }

    fn check(document: &Document) {
        for (_, amount) in &document.lines {
            assert_eq!(crate::decimal::normalise(amount).as_ref(), Some(amount), "an amount is normalised");
        }
        assert!(document.lines.is_sorted());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::documents::payload::tests::payload;

    fn answer(result: &str, number: &str, amount: &str) -> String {
        format!(
            r#"{{"result":"{result}","errors":[{{"value":"x","code":"STORE_DELETED"}}],"response":{{
            "id":"00000000-0000-0000-0000-000000000009","dateIncoming":"2026-11-22T23:00:00.000",
            "documentNumber":"{number}","status":"NEW","storeFromId":"00000000-0000-0000-0000-000000000001",
            "storeToId":"00000000-0000-0000-0000-000000000002","items":[
            {{"num":1,"productId":"00000000-0000-0000-0000-000000000008","amount":12345678901234.123456789}},
            {{"num":2,"productId":"00000000-0000-0000-0000-000000000007","amount":{amount},"cost":null}}]}}}}"#
        )
    }

    #[test]
    fn a_success_is_compared_and_an_error_of_status_200_is_none() {
        let payload = payload();
        let read = |text: &str| read_envelope(payload.kind, text.as_bytes());
        let Posted::Accepted(document) = read(&answer("SUCCESS", &payload.number, "0.000847058")) else {
            panic!()
        };
        assert_eq!(payload.difference(&document), None);
        let Posted::Accepted(document) = read(&answer("SUCCESS", "0042", "0.000847058")) else { panic!() };
        assert_eq!((payload.difference(&document), document.number.as_str()), (None, "0042"));
        let Posted::Accepted(document) = read(&answer("SUCCESS", &payload.number, "8.47058e-4")) else {
            panic!()
        };
        assert_eq!(payload.difference(&document), None);
        let Posted::Accepted(document) = read(&answer("SUCCESS", &payload.number, "0.000847059")) else {
            panic!()
        };
        assert!(payload.difference(&document).unwrap().contains("lines"));
        let Posted::Refused(failure) = read(&answer("ERROR", &payload.number, "1")) else { panic!() };
        assert!(failure.message.contains("STORE_DELETED"), "{failure}");
        for text in
            ["", "{}", "[]", r#"{"result":"SUCCESS","errors":[],"response":null}"#, r#"{"result":"OK"}"#]
        {
            assert!(matches!(read(text), Posted::Doubtful(..)), "{text}");
        }
    }
}
