//! The iiko server's REST interface under `/resto/api`.
//!
//! Endpoints, parameters, statuses and most sentences are those of the iiko REST API documentation; what it
//! leaves open (the answer to a wrong password or an unknown root type) is answered strictly, so that a client
//! which relies on leniency is found out.

mod documents;
mod lists;
mod olap;
pub(super) mod session;

use std::{borrow::Cow, cell::Cell};

use sha1::{Digest, Sha1};

use documents::{TRANSFER, WRITEOFF};

use super::{
    Options, Shared,
    journal::SessionEvent,
    server::{Access, Answer, Upstream, not_played},
    wire::{Reply, Request},
};

/// The licence module of the REST interface.
const MODULE: &str = "28008806";
/// What a server without a free slot says.
const NO_LICENCE: &str = "License enhancement is required: no connections available for module 28008806";
/// What a server says to a token that it does not know (any more).
const EXPIRED: &str = "Token is expired or invalid";

/// What a server tells of itself to everybody; it is not below `/resto/api`.
const SERVER_INFO: &str = "/resto/get_server_info.jsp";
const INFO: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<r><serverName>zerkalo sandbox</serverName>\
    <edition>chain</edition><version>9.1.7015.0</version><serverState>STARTED_SUCCESSFULLY</serverState></r>\n";

/// The iiko server.
pub(super) struct Iiko;

/// An endpoint.
struct Route {
    /// The path after `/resto/api/`.
    path: &'static str,
    /// What a POST does.
    post: Post,
    /// Whether it can be called without a session.
    open: bool,
    /// The parameters that it knows beside `key`.
    parameters: &'static [&'static str],
    produces: &'static str,
    answer: fn(&Call<'_>) -> Result<Reply, Reply>,
}

/// What a POST to an endpoint does.
#[derive(Clone, Copy)]
enum Post {
    /// It is not allowed.
    Refused,
    /// The same as a GET, with the parameters in a form.
    Form,
    /// It writes; the body is JSON, and there are no parameters.
    Writes(fn(&Call<'_>) -> Result<Reply, Reply>),
}

const TEXT: &str = "text/plain;charset=UTF-8";
const JSON: &str = "application/json";
const XML: &str = "application/xml";

/// An endpoint that is read with a session.
const fn read(
    path: &'static str,
    parameters: &'static [&'static str],
    produces: &'static str,
    answer: fn(&Call<'_>) -> Result<Reply, Reply>,
) -> Route {
    Route { path, post: Post::Refused, open: false, parameters, produces, answer }
}

/// An endpoint of documents: a GET lists them, a POST writes one.
const fn documents(
    path: &'static str,
    post: fn(&Call<'_>) -> Result<Reply, Reply>,
    list: fn(&Call<'_>) -> Result<Reply, Reply>,
) -> Route {
    let parameters = &["dateFrom", "dateTo", "status", "revisionFrom"];
    Route { path, post: Post::Writes(post), open: false, parameters, produces: JSON, answer: list }
}

/// The parameters of the product list; by POST, `codes` comes to them.
const PRODUCT_PARAMETERS: &[&str] =
    &["includeDeleted", "revisionFrom", "ids", "nums", "types", "categoryIds", "parentIds", "codes"];

/// The endpoints.
static ROUTES: [Route; 23] = [
    Route {
        path: "auth",
        post: Post::Form,
        open: true,
        parameters: &["login", "pass"],
        produces: TEXT,
        answer: login,
    },
    Route { path: "logout", post: Post::Form, open: false, parameters: &[], produces: TEXT, answer: logout },
    Route {
        path: "licence/info",
        post: Post::Refused,
        open: true,
        parameters: &["moduleId"],
        produces: TEXT,
        answer: licence,
    },
    Route {
        path: SERVER_INFO,
        post: Post::Refused,
        open: true,
        parameters: &["encoding"],
        produces: XML,
        answer: |_| Ok(Reply::new(200, XML, INFO)),
    },
    read("replication/serverType", &[], TEXT, |call| {
        Ok(Reply::new(200, TEXT, call.shared.world().server_type.clone()))
    }),
    read(
        "v2/entities/list",
        &["rootType", "includeDeleted", "revisionFrom", "format"],
        JSON,
        lists::entities,
    ),
    Route {
        path: "v2/entities/products/list",
        post: Post::Form,
        open: false,
        parameters: PRODUCT_PARAMETERS,
        produces: JSON,
        answer: lists::products,
    },
    read(
        "v2/entities/products/group/list",
        &["includeDeleted", "revisionFrom", "ids", "parentIds", "nums", "codes"],
        JSON,
        lists::product_groups,
    ),
    read(
        "v2/reports/balance/stores",
        &["timestamp", "department", "store", "product"],
        JSON,
        lists::balances,
    ),
    read("reports/olap", &["report", "from", "to", "groupRow", "agr", "summary"], XML, olap::report),
    documents(
        "v2/documents/internalTransfer",
        |call| documents::post(call, &TRANSFER),
        |call| documents::list(call, &TRANSFER),
    ),
    read("v2/documents/internalTransfer/byId", &["id"], JSON, |call| documents::by_id(call, &TRANSFER)),
    read("v2/documents/internalTransfer/byNumber", &["documentNumber"], JSON, |call| {
        documents::by_number(call, &TRANSFER)
    }),
    documents(
        "v2/documents/writeoff",
        |call| documents::post(call, &WRITEOFF),
        |call| documents::list(call, &WRITEOFF),
    ),
    read("v2/documents/writeoff/byId", &["id"], JSON, |call| documents::by_id(call, &WRITEOFF)),
    read("v2/documents/writeoff/byNumber", &["documentNumber"], JSON, |call| {
        documents::by_number(call, &WRITEOFF)
    }),
    read("suppliers", &["revisionFrom"], XML, |call| lists::xml(call, &lists::SUPPLIERS)),
    read("corporation/departments", &["revisionFrom"], XML, |call| lists::xml(call, &lists::DEPARTMENTS)),
    read("corporation/stores", &["revisionFrom"], XML, |call| lists::xml(call, &lists::STORES)),
    read("corporation/groups", &["revisionFrom"], XML, |call| lists::xml(call, &lists::GROUPS)),
    read("corporation/terminals", &["revisionFrom"], XML, |call| lists::xml(call, &lists::TERMINALS)),
    read("employees", &["includeDeleted", "revisionFrom"], XML, |call| lists::xml(call, &lists::EMPLOYEES)),
    read("employees/roles", &["revisionFrom"], XML, |call| lists::xml(call, &lists::ROLES)),
];

/// A request on its way to an endpoint.
struct Call<'a> {
    shared: &'a Shared,
    request: &'a Request,
    /// Query and form together, `key` left out.
    parameters: Vec<(String, String)>,
    token: Option<String>,
    event: Cell<Option<SessionEvent>>,
    /// Whether the session was found good earlier.
    admitted: bool,
}

impl<'a> Call<'a> {
    fn new(shared: &'a Shared, request: &'a Request) -> Self {
        let mut parameters = request.query.clone();
        parameters.extend(request.form());
        let key = parameters.iter().find(|(name, _)| name == "key").map(|(_, value)| value.clone());
        parameters.retain(|(name, _)| name != "key");
        let cookie = request.cookie("key").filter(|_| !shared.options.token_in_query_only).map(str::to_owned);
        Self { shared, request, parameters, token: key.or(cookie), event: Cell::new(None), admitted: false }
    }

    /// All values of a parameter that may be repeated.
    fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        self.parameters.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A yes-or-no parameter.
    fn flag(&self, name: &str, default: bool) -> Result<bool, Reply> {
        match self.all(name).last() {
            None => Ok(default),
            // As Java reads it.
            Some(word) if word.eq_ignore_ascii_case("true") => Ok(true),
            Some(word) if word.eq_ignore_ascii_case("false") => Ok(false),
            Some(other) => Err(Reply::text(400, format!("Wrong boolean value of {name}: '{other}'"))),
        }
    }

    /// Checks what every endpoint checks, then answers.
    fn answer(&self) -> Result<Reply, Reply> {
        let path = path(self.request);
        let prepared = self.shared.world().answers.get(path.as_ref()).cloned();
        let route = self.route();
        self.authorize()?;
        if let Some((content_type, body)) = prepared {
            self.acceptable(&content_type)?;
            return Ok(Reply::new(200, &content_type, body));
        }
        let Some(route) = route else {
            return Err(unplayed(&format!("{} {path}", self.request.method)));
        };
        let (work, known) = match (self.request.method.as_str(), route.post) {
            ("GET", _) | ("POST", Post::Form) => (route.answer, route.parameters),
            ("POST", Post::Writes(work)) => (work, &[][..]),
            (method, _) => return Err(unplayed(&format!("{method} {path}"))),
        };
        self.acceptable(route.produces)?;
        if let Some((name, _)) = self.parameters.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(unplayed(&format!("the parameter {name} of {path}")));
        }
        if let Some(revision) = self.all("revisionFrom").find(|value| value.parse::<i64>().is_err()) {
            return Err(Reply::text(400, format!("Wrong revisionFrom: '{revision}'")));
        }
        work(self)
    }

    /// The endpoint that is meant.
    fn route(&self) -> Option<&'static Route> {
        let path = path(self.request);
        ROUTES.iter().find(|route| route.path == path)
    }

    /// Refuses a request without a session where one is needed.
    fn authorize(&self) -> Result<(), Reply> {
        if self.admitted || self.route().is_some_and(|route| route.open) {
            return Ok(());
        }
        let life = self.shared.options.session_ttl;
        let known = self.token.as_ref().is_some_and(|token| self.shared.sessions().is_open(token, life));
        if known { Ok(()) } else { Err(Reply::text(401, EXPIRED)) }
    }

    fn acceptable(&self, content_type: &str) -> Result<(), Reply> {
        if self.request.accepts(content_type) { Ok(()) } else { Err(Reply::text(406, "Not Acceptable")) }
    }
}

/// The answer to what is not played.
fn unplayed(what: &str) -> Reply {
    Reply::text(501, not_played(what))
}

/// The path after `/resto/api/`; a slash at its end makes no difference.
fn path(request: &Request) -> Cow<'_, str> {
    let path = request.path.strip_prefix("/resto/api/").unwrap_or(&request.path);
    Cow::Borrowed(path.strip_suffix('/').unwrap_or(path))
}

/// Login and the hex SHA-1 of the password bring a token, which is the body and the cookie `key`.
fn login(call: &Call<'_>) -> Result<Reply, Reply> {
    let options = &call.shared.options;
    let login = call.all("login").last().unwrap_or_default();
    let pass = call.all("pass").last().unwrap_or_default();
    if login != options.iiko_login || pass != hex::encode(Sha1::digest(&options.iiko_password)) {
        return Err(Reply::text(401, "Wrong login or password"));
    }
    let token = call.shared.sessions().open(options.licences, options.session_ttl);
    let token = token.ok_or_else(|| Reply::text(403, NO_LICENCE))?;
    call.event.set(Some(SessionEvent::Opened));
    Ok(Reply::new(200, TEXT, token.clone()).with("Set-Cookie", format!("key={token}; Path=/resto; HttpOnly")))
}

/// The slot is free again; the token is echoed.
fn logout(call: &Call<'_>) -> Result<Reply, Reply> {
    let token = call.token.clone().ok_or_else(|| Reply::text(401, EXPIRED))?;
    if call.shared.sessions().close(&token) {
        call.event.set(Some(SessionEvent::Closed));
    }
    Ok(Reply::new(200, TEXT, token))
}

/// How many slots are free.
fn licence(call: &Call<'_>) -> Result<Reply, Reply> {
    match call.all("moduleId").last() {
        Some(MODULE) => {
            let options = &call.shared.options;
            let open = call.shared.sessions().count(options.session_ttl);
            Ok(Reply::new(200, TEXT, options.licences.saturating_sub(open).to_string()))
        }
        other => Err(Reply::text(400, format!("Wrong moduleId: '{}'", other.unwrap_or_default()))),
    }
}

impl Upstream for Iiko {
    fn name(&self) -> &'static str {
        "iiko"
    }

    fn prefix(&self) -> &'static str {
        "/resto/"
    }

    /// Requests must be strictly sequential (iiko REST API documentation, restrictions), unless somebody wants to see
    /// what comes of more.
    fn most_in_flight(&self, options: &Options) -> usize {
        options.parallel
    }

    fn crowded(&self) -> Option<Reply> {
        Some(Reply::text(500, "No session assigned to current thread"))
    }

    fn access(&self, request: &Request) -> Access {
        match path(request).as_ref() {
            "auth" | "logout" => Access::Session,
            _ if request.method == "GET" || request.method == "HEAD" => Access::Read,
            // The POST form of the product list only carries a long filter.
            known if ROUTES.iter().any(|route| route.path == known && matches!(route.post, Post::Form)) => {
                Access::Read
            }
            _ => Access::Write,
        }
    }

    fn answer(&self, shared: &Shared, request: &Request) -> Answer {
        let call = Call::new(shared, request);
        let reply = call.answer().unwrap_or_else(|refusal| refusal);
        Answer { reply, event: call.event.get() }
    }

    fn admit(&self, shared: &Shared, request: &Request) -> Result<(), Reply> {
        Call::new(shared, request).authorize()
    }

    fn belated(&self, shared: &Shared, request: &Request) -> Answer {
        let call = Call { admitted: true, ..Call::new(shared, request) };
        let reply = call.answer().unwrap_or_else(|refusal| refusal);
        Answer { reply, event: call.event.get() }
    }

    fn expire(&self, shared: &Shared) -> Option<Reply> {
        shared.sessions().forget();
        None
    }

    fn licence_full(&self) -> Reply {
        Reply::text(403, NO_LICENCE)
    }

    fn too_many(&self) -> Reply {
        Reply::text(429, "Too many requests")
    }
}
