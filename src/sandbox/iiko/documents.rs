//! Documents: internal transfers and write-off acts under `v2/documents`.
//!
//! Fields, envelopes and the rule that only a draft can be edited are those of the iiko REST API
//! documentation. It does not show the answer to a document that is not valid; here that is 409 with a
//! sentence or, with [`Options::errors_in_band`](crate::sandbox::Options::errors_in_band), the in-band error
//! of its sister methods.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use serde_json::{Map, Value, json, value::RawValue};
use uuid::Uuid;

use super::{Call, JSON};
use crate::sandbox::{
    wire::Reply,
    world::{Amount, Document, DocumentKind, Item, Status, World, local},
};

/// What tells the kinds of documents apart.
pub(super) struct Form {
    kind: DocumentKind,
    /// What the server calls it in its messages.
    class: &'static str,
    /// The field of the store that gives.
    from: &'static str,
    /// The field of the store that takes, or of the account.
    to: &'static str,
    /// Whether [`Form::to`] is an account.
    to_account: bool,
    /// Fields of the document that are kept and given back.
    kept: &'static [&'static str],
    /// Such fields of an item.
    item_kept: &'static [&'static str],
}

/// `v2/documents/internalTransfer`.
pub(super) const TRANSFER: Form = Form {
    kind: DocumentKind::InternalTransfer,
    class: "InternalTransfer",
    from: "storeFromId",
    to: "storeToId",
    to_account: false,
    kept: &[],
    item_kept: &[],
};
/// `v2/documents/writeoff`.
pub(super) const WRITEOFF: Form = Form {
    kind: DocumentKind::Writeoff,
    class: "WriteoffDocument",
    from: "storeId",
    to: "accountId",
    to_account: true,
    kept: &["externalOutgoingInvoiceId", "externalProductionDocumentId"],
    item_kept: &["productSizeId", "amountFactor"],
};

const FIELDS: [&str; 7] =
    ["id", "dateIncoming", "documentNumber", "status", "conceptionId", "comment", "items"];
const ITEM_FIELDS: [&str; 6] = ["num", "productId", "amount", "containerId", "measureUnitId", "cost"];

/// Why a document is refused.
enum Refusal {
    /// 400: not what the method takes.
    Malformed(String),
    /// A field that is empty or wrong: the code and the field or value of the in-band error, and the sentence.
    Invalid { code: &'static str, value: String, text: String },
    /// 409: a rule of the business, in the words of the server.
    Rule(String),
}

/// The fields of an object, each with its own text: numbers must not pass through floating point.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// `POST`: makes a document or, by its `id`, edits a draft.
pub(super) fn post(call: &Call<'_>, form: &Form) -> Result<Reply, Reply> {
    let kind = call.request.header("content-type").unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != JSON {
        return Err(Reply::text(415, format!("Unsupported media type: '{kind}'")));
    }
    let options = &call.shared.options;
    let mut world = call.shared.world();
    match save(call, form, &mut world) {
        Ok(_) if options.empty_success => Ok(Reply::new(204, "", "")),
        Ok(document) => {
            let dto = dto(&world, form, &document);
            Ok(Reply::new(200, JSON, format!(r#"{{"result":"SUCCESS","errors":[],"response":{dto}}}"#)))
        }
        Err(Refusal::Malformed(text)) => Err(Reply::text(400, text)),
        Err(Refusal::Invalid { code, value, .. }) if options.errors_in_band => {
            let mut sent: Value = serde_json::from_slice(&call.request.body).unwrap_or_default();
            sent["id"] = Value::Null;
            let errors = json!([{"value": value, "code": code}]);
            let body = json!({"result": "ERROR", "errors": errors, "response": sent});
            Ok(Reply::new(200, JSON, body.to_string()))
        }
        Err(Refusal::Invalid { text, .. } | Refusal::Rule(text)) => Err(Reply::text(409, text)),
    }
}

/// Checks a document that was sent against the world and keeps it.
fn save(call: &Call<'_>, form: &Form, world: &mut World) -> Result<Document, Refusal> {
    let fields: Fields<'_> = serde_json::from_slice(&call.request.body)
        .map_err(|error| Refusal::Malformed(format!("Cannot deserialize {}: {error}", form.class)))?;
    let known = [&FIELDS[..], &[form.from, form.to], form.kept].concat();
    check_known(&fields, &known)?;
    let status = status(&required(&fields, "status")?)?;
    let date = required(&fields, "dateIncoming")?;
    let date = date_time(&date).ok_or_else(|| Refusal::Malformed(format!("Wrong date format: {date}")))?;
    let before = match text(&fields, "id")? {
        None => None,
        Some(id) => Some(draft(call, form, world, &id, status)?),
    };
    let document = Document {
        id: before.as_ref().map_or_else(|| world.document_id(), |before| before.id.clone()),
        kind: form.kind,
        number: number(call, form, world, &fields, before.as_ref())?,
        date,
        status,
        conception: identifier(&fields, "conceptionId")?,
        comment: text(&fields, "comment")?,
        from: place(world, &fields, form.from, false)?,
        to: place(world, &fields, form.to, form.to_account)?,
        items: items(form, world, &fields)?,
        kept: kept(&fields, form.kept)?,
        revision: 0,
    };
    check_rules(call, form, world, &document, before.is_none())?;
    let id = document.id.clone();
    world.put_document(document);
    let kept = world.documents().iter().find(|document| document.id == id);
    Ok(kept.expect("it was just put there").clone())
}

/// Refuses fields that the method does not have.
fn check_known(fields: &Fields<'_>, known: &[&str]) -> Result<(), Refusal> {
    match fields.keys().find(|field| !known.contains(&field.as_str())) {
        Some(field) => Err(Refusal::Malformed(format!("Unrecognized field \"{field}\""))),
        None => Ok(()),
    }
}

/// A text field; none if it is missing or null.
fn text(fields: &Fields<'_>, name: &str) -> Result<Option<String>, Refusal> {
    let Some(raw) = fields.get(name) else { return Ok(None) };
    serde_json::from_str(raw.get())
        .map_err(|_| Refusal::Malformed(format!("Cannot deserialize a text from {name}: {raw}")))
}

/// A text field that must be there.
fn required(fields: &Fields<'_>, name: &str) -> Result<String, Refusal> {
    text(fields, name)?.filter(|text| !text.is_empty()).ok_or_else(|| empty(name))
}

/// A field is missing.
fn empty(name: &str) -> Refusal {
    Refusal::Invalid {
        code: "EMPTY_FIELD",
        value: name.to_owned(),
        text: format!("Не заполнено обязательное поле {name}"),
    }
}

/// A field that holds a UUID, or nothing.
fn identifier(fields: &Fields<'_>, name: &str) -> Result<Option<String>, Refusal> {
    let Some(id) = text(fields, name)? else { return Ok(None) };
    match Uuid::try_parse(&id) {
        Ok(uuid) => Ok(Some(uuid.to_string())),
        Err(_) => Err(Refusal::Malformed(format!("Malformed {name}: '{id}'"))),
    }
}

/// A field that must hold a UUID.
fn required_identifier(fields: &Fields<'_>, name: &str) -> Result<String, Refusal> {
    identifier(fields, name)?.ok_or_else(|| empty(name))
}

/// The fields that are only kept.
fn kept(fields: &Fields<'_>, names: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let field = |name: &&str| {
        let value = fields.get(*name).map_or(Ok(Value::Null), |raw| serde_json::from_str(raw.get()));
        let value = value.map_err(|_| Refusal::Malformed(format!("Cannot deserialize {name}")))?;
        Ok(((*name).to_owned(), value))
    };
    names.iter().map(field).collect()
}

fn status(text: &str) -> Result<Status, Refusal> {
    match text {
        "NEW" => Ok(Status::New),
        "PROCESSED" => Ok(Status::Processed),
        "DELETED" => Ok(Status::Deleted),
        other => Err(Refusal::Malformed(format!("Unknown document status: '{other}'"))),
    }
}

/// A local time with minutes, seconds or milliseconds, and nothing after them.
fn date_time(text: &str) -> Option<NaiveDateTime> {
    let format = match text.len() {
        16 => "%Y-%m-%dT%H:%M",
        19 => "%Y-%m-%dT%H:%M:%S",
        23 => "%Y-%m-%dT%H:%M:%S%.3f",
        _ => return None,
    };
    NaiveDateTime::parse_from_str(text, format).ok()
}

/// The draft that is to be edited.
fn draft(call: &Call<'_>, form: &Form, world: &World, id: &str, status: Status) -> Result<Document, Refusal> {
    let uuid = Uuid::try_parse(id)
        .map_err(|_| Refusal::Malformed(format!("Malformed {} id: '{id}'", form.class)))?
        .to_string();
    let mut documents = world.documents().iter();
    let found = documents.find(|document| document.id == uuid && document.kind == form.kind);
    let document =
        found.ok_or_else(|| Refusal::Rule(format!("Cannot find {} document by id {uuid}", form.class)))?;
    if document.status != Status::New {
        return Err(Refusal::Rule(format!(
            "Документ № {} нельзя изменить: редактируются только новые документы.",
            document.number
        )));
    }
    if call.shared.options.refuse_edit && status == Status::Processed {
        return Err(Refusal::Rule("Доступ запрещен B_PD".to_owned()));
    }
    Ok(document.clone())
}

/// The number that was sent, else the one that the draft has, else one that the server makes.
fn number(
    call: &Call<'_>,
    form: &Form,
    world: &World,
    fields: &Fields<'_>,
    before: Option<&Document>,
) -> Result<String, Refusal> {
    let sent = text(fields, "documentNumber")?.filter(|number| !number.is_empty());
    let Some(number) = sent.filter(|_| !call.shared.options.own_numbers) else {
        return Ok(before.map_or_else(|| world.document_number(), |before| before.number.clone()));
    };
    let other = |document: &&Document| {
        document.kind == form.kind
            && document.number == number
            && before.is_none_or(|before| before.id != document.id)
    };
    if call.shared.options.unique_numbers && world.documents().iter().any(|document| other(&document)) {
        return Err(Refusal::Rule(format!("Документ с номером {number} уже существует.")));
    }
    Ok(number)
}

/// The id of a store or an account that exists.
fn place(world: &World, fields: &Fields<'_>, name: &str, account: bool) -> Result<String, Refusal> {
    let id = required_identifier(fields, name)?;
    let invalid = |code, text| Err(Refusal::Invalid { code, value: id.clone(), text });
    if !account {
        if world.stores.iter().any(|store| store["id"] == id.as_str()) {
            return Ok(id);
        }
        return invalid("STORE_MISSED", format!("Склад {id} не найден."));
    }
    let mut accounts = world.entities.iter().filter(|entity| entity["rootType"] == "Account");
    match accounts.find(|account| account["id"] == id.as_str()) {
        None => invalid("ACCOUNT_MISSED", format!("Счет {id} не найден.")),
        Some(account) if account["deleted"] == true => {
            invalid("ACCOUNT_DELETED", format!("Счет {} удален.", account["name"]))
        }
        Some(_) => Ok(id),
    }
}

/// The items: at least one.
fn items(form: &Form, world: &World, fields: &Fields<'_>) -> Result<Vec<Item>, Refusal> {
    let items: Option<Vec<Fields<'_>>> = match fields.get("items") {
        None => None,
        Some(raw) => serde_json::from_str(raw.get())
            .map_err(|error| Refusal::Malformed(format!("Cannot deserialize items: {error}")))?,
    };
    let items = items.filter(|items| !items.is_empty()).ok_or_else(|| empty("items"))?;
    items.iter().map(|fields| item(form, world, fields)).collect()
}

/// One item; what is read-only in it may be sent and is not looked at.
fn item(form: &Form, world: &World, fields: &Fields<'_>) -> Result<Item, Refusal> {
    check_known(fields, &[&ITEM_FIELDS[..], form.item_kept].concat())?;
    let product = required_identifier(fields, "productId")?;
    let invalid = |code, value: &str, text| Err(Refusal::Invalid { code, value: value.to_owned(), text });
    match world.products.iter().find(|known| known["id"] == product.as_str()) {
        None => return invalid("PRODUCT_MISSED", &product, format!("Товар {product} не найден.")),
        Some(known) if known["deleted"] == true => {
            return invalid("PRODUCT_DELETED", &product, format!("Товар {} удален.", known["name"]));
        }
        Some(_) => {}
    }
    let number = fields.get("amount").map(|raw| raw.get()).filter(|raw| *raw != "null");
    let number = number.ok_or_else(|| empty("amount"))?;
    let amount = Amount::parse(number)
        .ok_or_else(|| Refusal::Malformed(format!("Cannot deserialize an amount from {number}")))?;
    if !amount.is_positive() {
        let text = "Количество должно быть больше нуля.".to_owned();
        return invalid("ONLY_POSITIVE_VALUES_ALLOWED", number, text);
    }
    Ok(Item {
        product,
        amount,
        container: identifier(fields, "containerId")?,
        kept: kept(fields, form.item_kept)?,
    })
}

/// The rules of the business.
fn check_rules(
    call: &Call<'_>,
    form: &Form,
    world: &World,
    document: &Document,
    new: bool,
) -> Result<(), Refusal> {
    let refuse = |text: &str| Err(Refusal::Rule(text.to_owned()));
    if new && document.status == Status::Deleted {
        return refuse("Нельзя создать удаленный документ.");
    }
    if !form.to_account {
        if document.from == document.to {
            return refuse("Склад-отправитель и склад-получатель совпадают.");
        }
        let department = |id: &str| {
            let store = world.stores.iter().find(|store| store["id"] == id);
            store.map(|store| store["parentId"].clone())
        };
        if department(&document.from) != department(&document.to) {
            return refuse("Невозможно создать накладную со складами, принадлежащими разным подразделениям.");
        }
    }
    if call.shared.options.refuse_back_dated && document.date.date() < world.local_time().date() {
        return refuse("У вас нет права изменять документы задним числом.");
    }
    Ok(())
}

/// A document as the server writes it; amounts as they are, without floating point.
fn dto(world: &World, form: &Form, document: &Document) -> String {
    let items = document.items.iter().enumerate().map(|(index, item)| item_dto(world, index, item));
    let items: Vec<_> = items.collect();
    let mut fields = vec![
        ("id", json!(document.id).to_string()),
        ("dateIncoming", json!(local(&document.date)).to_string()),
        ("documentNumber", json!(document.number).to_string()),
        ("status", json!(document.status).to_string()),
        ("conceptionId", json!(document.conception).to_string()),
        (form.from, json!(document.from).to_string()),
        (form.to, json!(document.to).to_string()),
    ];
    // A document without a comment has no such key (iiko REST API documentation).
    fields.extend(document.comment.as_ref().map(|comment| ("comment", json!(comment).to_string())));
    fields.extend(document.kept.iter().map(|(name, value)| (name.as_str(), value.to_string())));
    fields.push(("items", format!("[{}]", items.join(","))));
    object(&fields)
}

fn item_dto(world: &World, index: usize, item: &Item) -> String {
    let product = world.products.iter().find(|product| product["id"] == item.product.as_str());
    let unit = product.map_or(&Value::Null, |product| &product["mainUnit"]);
    let mut fields = vec![
        ("num", (index + 1).to_string()),
        ("productId", json!(item.product).to_string()),
        ("amount", item.amount.to_string()),
        ("measureUnitId", unit.to_string()),
        ("containerId", json!(item.container).to_string()),
        ("cost", "null".to_owned()),
    ];
    fields.extend(item.kept.iter().map(|(name, value)| (name.as_str(), value.to_string())));
    object(&fields)
}

/// A JSON object of fields whose values are JSON already.
fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}", fields.join(","))
}

/// The documents of a kind that `keep` keeps, as a JSON list.
fn list_of(world: &World, form: &Form, keep: impl Fn(&Document) -> bool) -> String {
    let documents = world.documents().iter().filter(|document| document.kind == form.kind && keep(document));
    let documents: Vec<_> = documents.map(|document| dto(world, form, document)).collect();
    format!("[{}]", documents.join(","))
}

/// `GET`: the documents of a period.
pub(super) fn list(call: &Call<'_>, form: &Form) -> Result<Reply, Reply> {
    let date = |name: &str| {
        let text = call.all(name).last().ok_or_else(|| {
            Reply::text(400, format!("Argument for @NotNull parameter '{name}' must not be null"))
        })?;
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map_err(|_| Reply::text(400, format!("Wrong date format: {text}")))
    };
    let (from, to) = (date("dateFrom")?, date("dateTo")?);
    let wanted = match call.all("status").last().map(status) {
        None => None,
        Some(Ok(status)) => Some(status),
        Some(Err(_)) => return Err(Reply::text(400, "Unknown document status")),
    };
    let since: i64 = call.all("revisionFrom").last().and_then(|text| text.parse().ok()).unwrap_or(-1);
    let keep = |document: &Document| {
        (from..=to).contains(&document.date.date())
            && wanted.is_none_or(|wanted| wanted == document.status)
            && i64::try_from(document.revision).is_ok_and(|revision| revision > since)
    };
    let world = call.shared.world();
    let (list, revision) = (list_of(&world, form, keep), world.documents_revision());
    let body = format!(r#"{{"result":"SUCCESS","errors":[],"response":{list},"revision":{revision}}}"#);
    Ok(Reply::new(200, JSON, body))
}

/// `GET …/byId`: one document, without an envelope.
pub(super) fn by_id(call: &Call<'_>, form: &Form) -> Result<Reply, Reply> {
    let id = call.all("id").last().unwrap_or_default();
    let uuid = Uuid::try_parse(id)
        .map_err(|_| Reply::text(400, format!("Malformed {} id: '{id}'", form.class)))?
        .to_string();
    let world = call.shared.world();
    let mut documents = world.documents().iter();
    match documents.find(|document| document.kind == form.kind && document.id == uuid) {
        Some(document) => Ok(Reply::new(200, JSON, dto(&world, form, document))),
        None => Err(Reply::text(404, format!("Cannot find {} document by id {uuid}", form.class))),
    }
}

/// `GET …/byNumber`: a bare list, deleted documents included.
pub(super) fn by_number(call: &Call<'_>, form: &Form) -> Result<Reply, Reply> {
    let number = call.all("documentNumber").last().filter(|number| !number.is_empty()).ok_or_else(|| {
        Reply::text(400, "Argument for @NotNull parameter 'documentNumber' must not be null")
    })?;
    let world = call.shared.world();
    Ok(Reply::new(200, JSON, list_of(&world, form, |document| document.number == number)))
}
