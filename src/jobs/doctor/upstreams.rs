//! The upstreams, each with a real call that changes nothing.

use super::{Patient, Said};
use crate::{
    error::{Failure, Kind, Result, quote},
    http::client,
    jobs::run,
    store::Store,
};
use serde_json::Value;

/// Logs in, asks for version and licence, reads a list, logs out.
pub(super) async fn iiko(patient: &Patient) -> Result<Vec<Said>> {
    let ctx = &patient.ctx;
    let Some(base) = ctx.config.iiko.base_url.as_deref() else {
        return Ok(vec![Said::unset("IIKO_BASE_URL: iiko is not mirrored")]);
    };
    let client = ctx.iiko()?;
    // A second session would take a second licence slot from under a run, on this host or on another one.
    let _locks = run::take(ctx, vec![run::session(ctx)]).await?;
    let mut said = Vec::new();
    let excluding = exclude(patient, &mut said).await?;
    let about = client.about().await;
    let groups = client.count_product_groups().await;
    let free = client.free_licences().await;
    let ended = client.try_log_out().await;
    if let Some(store) = excluding {
        run::close(store).await;
    }
    let groups = groups?;
    let version = match (about.version, about.state) {
        (Some(version), Some(state)) => format!("version {version} ({state})"),
        (Some(version), None) => format!("version {version}"),
        _ => "version not told".to_owned(),
    };
    let login = ctx.config.iiko.login.as_deref().unwrap_or_default();
    said.push(Said::ok(format!("{base}: {version}, login {login} reads {groups} product groups")));
    said.push(match free {
        Ok(free) => Said::ok(format!("licence slots of the API left while logged in: {free}")),
        Err(failure) => Said::warning(
            format!("the licence is not told: {failure}"),
            "nothing depends on it; give the iiko user the right if you want to see it here",
        ),
    });
    match ended {
        Ok(()) => said.push(Said::ok("logged out")),
        Err(failure) => said.push(failure.into()),
    }
    Ok(said)
}

/// Keeps runs of other hosts from the iiko session while the connection lasts. A database that cannot be used keeps
/// nobody out, and does not keep from trying iiko; one that cannot even be reached is told by its own check.
async fn exclude(patient: &Patient, said: &mut Vec<Said>) -> Result<Option<Box<dyn Store>>> {
    let ctx = &patient.ctx;
    let Ok(mut store) = ctx.database.connect(ctx.access).await else { return Ok(None) };
    store.exclude_session(&run::session(ctx));
    match run::exclude(ctx, store.as_mut(), &[]).await {
        Ok(()) => return Ok(Some(store)),
        Err(failure) if failure.kind == Kind::Locked => return Err(failure),
        Err(failure) => said.push(failure.into()),
    }
    Ok(None)
}

/// The certificate that the iiko server shows, for `IIKO_TLS_PIN`.
pub(super) async fn certificate(patient: &Patient) -> Result<Vec<Said>> {
    let config = &patient.ctx.config;
    let Some(base) = config.iiko.base_url.as_deref() else {
        return Ok(vec![Said::unset("IIKO_BASE_URL")]);
    };
    if !base.starts_with("https://") {
        return Ok(vec![Said::unset("plain http: there is none")]);
    }
    let Some(shown) = client::certificate(base, &config.limits).await? else {
        return Ok(vec![Said::skipped("the server could not be reached, or shows none")]);
    };
    Ok(vec![match config.iiko.tls_pin.as_deref() {
        None => Said::ok(format!("{shown}; IIKO_TLS_PIN={shown} would trust it and no other")),
        Some(pin) if pin == shown => Said::ok(format!("{shown}, as pinned")),
        Some(_) => {
            Failure::new(Kind::Refused, format!("the server shows {shown}, and another one is pinned"))
                .hint("if the server's certificate was renewed on purpose, set IIKO_TLS_PIN to this one")
                .into()
        }
    }])
}

/// Reads the stop-lists.
pub(super) async fn iiko_cloud(patient: &Patient) -> Result<Vec<Said>> {
    let (ctx, config) = (&patient.ctx, &patient.ctx.config.iiko_cloud);
    let older = config.api_login.is_some();
    let newer = config.api_key.is_some() || config.app_id.is_some() || config.client_secret.is_some();
    if !older && !newer {
        return Ok(vec![Said::unset(
            "IIKO_CLOUD_API_KEY and IIKO_CLOUD_API_LOGIN: the stop-list is not mirrored",
        )]);
    }
    let read = ctx.iiko_cloud()?.stop_lists(&config.organizations, &ctx.clock).await?;
    let (organizations, groups) = (read.organizations.len(), read.groups.len());
    Ok(vec![Said::ok(format!(
        "{}: the stop-lists of {organizations} organizations, {groups} terminal groups",
        config.base_url
    ))])
}

/// Reads a small list with the token.
pub(super) async fn fintablo(patient: &Patient) -> Result<Vec<Said>> {
    let config = &patient.ctx.config.fintablo;
    if config.token.is_none() {
        return Ok(vec![Said::unset("FINTABLO_TOKEN: FinTablo is not mirrored")]);
    }
    let categories = patient.ctx.fintablo()?.count("category").await?;
    Ok(vec![Said::ok(format!("{}: the token reads {categories} categories", config.base_url))])
}

/// Reads the tabs, and asks for an edit that cannot be done: who may edit is told so.
pub(super) async fn sheet(patient: &Patient) -> Result<Vec<Said>> {
    let config = &patient.ctx.config;
    if config.google.credentials.is_none() && config.min_stock.sheet_id.is_none() {
        return Ok(vec![Said::unset(
            "GOOGLE_SHEETS_CREDENTIALS and MIN_STOCK_SHEET_ID: the sheet's steps are left out",
        )]);
    }
    let sheet = patient.ctx.sheets()?;
    let tabs = sheet.tabs().await?;
    let read = Said::ok(format!("{} reads the spreadsheet, {} tabs", sheet.account(), tabs.len()));
    let edit = match sheet.try_edit(&tabs).await {
        Ok(()) => Said::ok("it may edit it"),
        Err(failure) => failure.into(),
    };
    Ok(vec![read, edit])
}

/// Asks who the bot is, and whether it may write to each chat: it shows there, for a moment, that it is typing.
pub(super) async fn telegram(patient: &Patient) -> Result<Vec<Said>> {
    let config = &patient.ctx.config.telegram;
    if config.bot_token.is_none() {
        return Ok(vec![Said::unset("TELEGRAM_BOT_TOKEN: nobody is told of anything")]);
    }
    let client = patient.ctx.telegram()?;
    let bot = client.ask("getMe", &[]).await?;
    let mut said = vec![Said::ok(format!("the bot is @{}", word(&bot["username"])))];
    let chats = config.chat_ids.iter().map(|chat| (chat, "a reader"));
    let chats: Vec<_> = chats.chain(config.admin_chat_ids.iter().map(|chat| (chat, "an admin"))).collect();
    if chats.is_empty() {
        said.push(Said::warning("no chat is set, so nobody is told", "set TELEGRAM_ADMIN_CHAT_IDS"));
    }
    for (chat, whose) in chats {
        said.push(match self::chat(client, chat).await {
            Ok(name) => Said::ok(format!("may write to {chat} ({name}), {whose}")),
            Err(failure) => {
                let problem = Said::from(failure);
                Said { text: format!("{chat}, {whose}: {}", problem.text), ..problem }
            }
        });
    }
    Ok(said)
}

/// What a chat is called, if the bot may write to it. `getChat` knows a private chat also when its owner has blocked the
/// bot; only an action in the chat is refused then. In a channel there are no such actions.
async fn chat(client: &crate::upstreams::telegram::Client, id: &str) -> Result<String> {
    let chat = client.ask("getChat", &[("chat_id", id)]).await?;
    if chat["type"] != "channel" {
        client.ask("sendChatAction", &[("chat_id", id), ("action", "typing")]).await?;
    }
    let name = ["title", "username", "first_name"].into_iter().find_map(|field| chat[field].as_str());
    Ok(quote(name.unwrap_or("without a name"), 60))
}

fn word(value: &Value) -> String {
    quote(value.as_str().unwrap_or("?"), 60)
}
