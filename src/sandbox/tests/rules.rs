//! What the upstreams answer, and what they refuse.

use super::*;
use serde_json::json;

#[tokio::test]
async fn every_list_of_the_iiko_server_is_served() {
    let (sandbox, token) = session().await;
    let kinds = ["Account", "MeasureUnit", "TaxCategory"].map(|kind| format!("rootType={kind}")).join("&");
    assert_eq!(iiko(&sandbox, &token, &format!("v2/entities/list?{kinds}")).await.len(), 16);
    assert_eq!(iiko(&sandbox, &token, "v2/entities/list?rootType=TaxCategory").await.text(), "[]");
    assert_eq!(iiko(&sandbox, &token, "v2/entities/products/list").await.len(), 288);
    assert_eq!(iiko(&sandbox, &token, "v2/entities/products/group/list").await.len(), 16);
    let balances = iiko(&sandbox, &token, "v2/reports/balance/stores?timestamp=2026-02-20T23:00:00").await;
    assert_eq!(balances.len(), 800);
    assert!(balances.text().contains("-5e-05"));
    let roots = [
        ("suppliers", "<employees>"),
        ("corporation/departments", "<corporateItemDtoes>"),
        ("corporation/stores", "<corporateItemDtoes>"),
        ("corporation/groups", "<groupDtoes>"),
        ("corporation/terminals/", "<terminalDtoes>"),
        ("employees", "<employees xmlns:xsi="),
        ("employees/roles", "<employeeRoles>"),
    ];
    for (path, root) in roots {
        let seen = iiko(&sandbox, &token, path).await;
        assert_eq!((seen.status, seen.header("content-type")), (200, Some("application/xml")), "{path}");
        assert!(seen.text().contains(root), "{path}");
        assert!(seen.header("date").is_some_and(|date| date.ends_with(" GMT")));
    }
    assert_eq!(iiko(&sandbox, &token, "replication/serverType").await.text(), "CHAIN");
    assert_eq!(sandbox.violations(), [""; 0]);
    assert!(sandbox.journal().iter().all(|entry| !entry.write && entry.status == Some(200)));
}

#[tokio::test]
async fn every_list_of_fintablo_is_served() {
    let sandbox = sandbox().await;
    for list in fintablo::LISTS {
        let seen = fintablo(&sandbox, list.name).await;
        assert_eq!((seen.status, &seen.json()["status"]), (200, &Value::from(200)), "{}", list.name);
        assert!(seen.header("x-request-id").is_some());
        assert!(seen.len() > 0);
    }
}

#[tokio::test]
async fn a_refused_login_opens_nothing() {
    let sandbox = sandbox().await;
    assert_eq!(try_login(&sandbox, "demo", "wrong").await.status, 401);
    assert_eq!(try_login(&sandbox, "somebody", "demo").await.status, 401);
    assert_eq!(sandbox.open_sessions(), 0);
    assert_eq!(get(&sandbox, "/resto/api/suppliers").await.status, 401);
    let seen = iiko(&sandbox, "b354d18c-3d3a-e1a6-c3b9-9ef7b5055318", "suppliers").await;
    assert_eq!((seen.status, seen.text().as_str()), (401, "Token is expired or invalid"));
}

#[tokio::test]
async fn one_licence_is_one_session() {
    let (sandbox, token) = session().await;
    let full = try_login(&sandbox, "demo", "demo").await;
    assert_eq!(full.status, 403);
    assert_eq!(full.text(), "License enhancement is required: no connections available for module 28008806");
    assert_eq!(get(&sandbox, "/resto/api/licence/info?moduleId=28008806").await.text(), "0");
    let out = ask(&sandbox, "POST", "/resto/api/logout", "", &format!("key={token}")).await;
    assert_eq!((out.status, out.text()), (200, token.clone()));
    assert_eq!(get(&sandbox, "/resto/api/licence/info?moduleId=28008806").await.text(), "1");
    assert_eq!(iiko(&sandbox, &token, "suppliers").await.status, 401);
    let token = login(&sandbox).await;
    assert_eq!(iiko(&sandbox, &token, "logout").await.status, 200);
    assert_eq!((sandbox.open_sessions(), sandbox.most_sessions_at_once()), (0, 1));
    let events: Vec<_> = sandbox.journal().iter().filter_map(|entry| entry.event).collect();
    let (opened, closed) = (SessionEvent::Opened, SessionEvent::Closed);
    assert_eq!(events, [opened, closed, opened, closed]);
}

#[tokio::test]
async fn tokens_travel_as_cookie_or_in_the_query() {
    let (sandbox, token) = session().await;
    assert_eq!(get(&sandbox, &format!("/resto/api/suppliers?key={token}")).await.status, 200);
    assert_eq!(sandbox.journal().last().map(|entry| entry.query.clone()).as_deref(), Some("key=***"));
    sandbox.stop().await;

    let options = Options { token_in_query_only: true, ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let pass = hex::encode(Sha1::digest("demo"));
    let seen = get(&sandbox, &format!("/resto/api/auth?login=demo&pass={pass}")).await;
    let token = seen.text();
    assert_eq!(seen.header("set-cookie"), Some(format!("key={token}; Path=/resto; HttpOnly").as_str()));
    assert_eq!(iiko(&sandbox, &token, "suppliers").await.status, 401);
    assert_eq!(get(&sandbox, &format!("/resto/api/suppliers?key={token}")).await.status, 200);
    let shown = format!("{:?}", sandbox.journal());
    assert!(!shown.contains(&pass) && !shown.contains(&token));
}

#[tokio::test]
async fn sessions_end_by_themselves() {
    let options = Options { session_ttl: Duration::from_millis(100), ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let token = login(&sandbox).await;
    assert_eq!(iiko(&sandbox, &token, "suppliers").await.status, 200);
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(iiko(&sandbox, &token, "suppliers").await.status, 401);
    assert_eq!(sandbox.open_sessions(), 0);
}

#[tokio::test]
async fn what_the_iiko_server_does_not_understand_is_refused() {
    let (sandbox, token) = session().await;
    let cases = [
        (400, "v2/entities/list"),
        (400, "v2/entities/list?rootType=Nonsense"),
        (400, "v2/entities/products/list?ids=12"),
        (400, "v2/entities/products/list?ids="),
        (400, "v2/entities/products/list?includeDeleted=yes"),
        (400, "v2/entities/products/list?revisionFrom=now"),
        (400, "v2/reports/balance/stores"),
        (400, "v2/reports/balance/stores?timestamp=20.02.2026"),
        (400, "v2/reports/balance/stores?timestamp=2026-02-20T23:00"),
        (200, "v2/reports/balance/stores?timestamp=2026-02-20"),
    ];
    for (status, target) in cases {
        let seen = iiko(&sandbox, &token, target).await;
        assert_eq!(seen.status, status, "{target}: {}", seen.text());
        let kind = seen.header("content-type").expect("a content type");
        assert!(status == 200 || kind.starts_with("text/plain"));
    }
}

#[tokio::test]
async fn what_is_not_played_is_said_to_be_so_in_nobodys_words() {
    let (sandbox, token) = session().await;
    let cookie = format!("Cookie: key={token}\r\n");
    for (method, target, what) in [
        ("GET", "v2/entities/widgets/list", "GET v2/entities/widgets/list"),
        ("POST", "suppliers", "POST suppliers"),
        ("GET", "suppliers?includeDeleted=true", "the parameter includeDeleted of suppliers"),
        ("GET", "v2/entities/products/list?codes=1", "the parameter codes of a GET"),
        (
            "GET",
            "v2/documents/internalTransfer?dateFrom=2026-02-20&dateTo=2026-02-20&store=1",
            "the parameter store of v2/documents/internalTransfer",
        ),
    ] {
        let seen = ask(&sandbox, method, &format!("/resto/api/{target}"), &cookie, "").await;
        let said = format!("not played by this stand-in: {what}");
        assert_eq!((seen.status, seen.text()), (501, said), "{target}");
    }
    let bearer = "Authorization: Bearer demo-token\r\n";
    for (method, target, what) in [
        ("GET", "deal/1", "GET deal/1"),
        ("POST", "deal", "POST deal"),
        ("GET", "deal?limit=10", "the parameter limit of deal"),
        ("GET", "job?sort=name", "the parameter sort of job"),
    ] {
        let seen = ask(&sandbox, method, &format!("/v1/{target}"), bearer, "").await;
        let said = json!({"status": 501, "statusText": format!("not played by this stand-in: {what}")});
        assert_eq!((seen.status, seen.json()), (501, said), "{target}");
    }
    let send = ask(&sandbox, "POST", "/telegram/bot123456:demo-token/sendPoll", "", "a=b").await;
    let said = "not played by this stand-in: the method sendPoll";
    assert_eq!((send.status, send.json()["description"].as_str()), (501, Some(said)));
    let body = r#"{"apiLogin": "demo-api-login"}"#;
    let kind = "Content-Type: application/json\r\n";
    let token = ask(&sandbox, "POST", "/cloud/api/1/access_token", kind, body).await.json()["token"].clone();
    let headers = format!("{kind}Authorization: Bearer {}\r\n", token.as_str().expect("a token"));
    let seen = ask(&sandbox, "POST", "/cloud/api/1/nomenclature", &headers, "{}").await;
    let said = "not played by this stand-in: POST /cloud/api/1/nomenclature";
    assert_eq!((seen.status, seen.json()["errorDescription"].as_str()), (501, Some(said)));
}

#[tokio::test]
async fn truth_values_are_taken_as_java_reads_them() {
    let (sandbox, token) = session().await;
    let count = async |word: &str| {
        iiko(&sandbox, &token, &format!("v2/entities/products/list?includeDeleted={word}")).await.len()
    };
    assert_eq!((count("True").await, count("true").await), (300, 300));
    assert_eq!((count("False").await, count("FALSE").await), (288, 288));
}

#[tokio::test]
async fn a_server_takes_as_many_sessions_and_requests_at_once_as_it_is_said_to() {
    let options =
        Options { licences: 2, parallel: 2, latency: Duration::from_millis(200), ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let tokens = [login(&sandbox).await, login(&sandbox).await];
    assert_eq!(try_login(&sandbox, "demo", "demo").await.status, 403);
    let (one, two) = tokio::join!(
        iiko(&sandbox, &tokens[0], "employees/roles"),
        iiko(&sandbox, &tokens[1], "employees/roles")
    );
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!(sandbox.violations(), [""; 0]);
}

#[tokio::test]
async fn accept_is_taken_seriously() {
    let (sandbox, token) = session().await;
    let cases = [
        (406, "application/json", "suppliers"),
        (406, "application/json", "logout"),
        (406, "application/xml", "v2/entities/products/list"),
        (200, "application/xml", "suppliers"),
        (200, "application/json, */*;q=0.1", "suppliers"),
        (200, "*/*", "v2/entities/products/list"),
    ];
    for (status, accept, path) in cases {
        let headers = format!("Cookie: key={token}\r\nAccept: {accept}\r\n");
        assert_eq!(
            ask(&sandbox, "GET", &format!("/resto/api/{path}"), &headers, "").await.status,
            status,
            "{path}"
        );
    }
    assert_eq!(sandbox.open_sessions(), 1, "a logout that is not acceptable does not log out");
}

#[tokio::test]
async fn old_servers_know_less() {
    let options = Options {
        many_root_types: false,
        unknown_root_types: vec!["AllergenGroup".to_owned()],
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let token = login(&sandbox).await;
    let status = async |target: &str| iiko(&sandbox, &token, target).await.status;
    assert_eq!(status("v2/entities/list?rootType=Account&rootType=MeasureUnit").await, 400);
    assert_eq!(status("v2/entities/list?rootType=AllergenGroup").await, 400);
    assert_eq!(status("v2/entities/list?rootType=Account").await, 200);
}

#[tokio::test]
async fn products_are_filtered() {
    let (sandbox, token) = session().await;
    let products =
        async |filter: &str| iiko(&sandbox, &token, &format!("v2/entities/products/list?{filter}")).await;
    assert_eq!(products("includeDeleted=true").await.len(), 300);
    let (id, num, deleted, group) = {
        let world = sandbox.world();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let (first, gone) = (&world.products[0], &world.products[24]);
        assert_eq!(gone["deleted"], true);
        (
            text(&first["id"]),
            text(&world.products[1]["num"]),
            text(&gone["id"]),
            text(&world.product_groups[4]["id"]),
        )
    };
    assert_eq!(products(&format!("ids={id}")).await.json()[0]["id"], id);
    assert_eq!(products(&format!("ids={deleted}")).await.text(), "[]");
    assert_eq!(products(&format!("ids={id}&ids={deleted}&includeDeleted=true")).await.len(), 2);
    assert_eq!(products(&format!("nums={num}")).await.json()[0]["num"], num);
    let inside = products(&format!("parentIds={group}&types=GOODS")).await.json();
    let inside = inside.as_array().expect("a list");
    assert!(
        !inside.is_empty()
            && inside.iter().all(|product| product["parent"] == group && product["type"] == "GOODS")
    );
    let orphans = products("parentIds=").await.json();
    assert!(orphans.as_array().expect("a list").iter().all(|product| product["parent"].is_null()));
    let cookie = format!("Cookie: key={token}\r\n");
    let form = format!("ids={id}&ids={deleted}&codes=1&codes=25&includeDeleted=true");
    assert_eq!(ask(&sandbox, "POST", "/resto/api/v2/entities/products/list", &cookie, &form).await.len(), 2);
    assert!(sandbox.journal().iter().all(|entry| !entry.write), "a filter in a form is no write");
}

#[tokio::test]
async fn other_lists_are_filtered() {
    let (sandbox, token) = session().await;
    let text = async |target: &str| iiko(&sandbox, &token, target).await.text();
    let deleted = "<deleted>true</deleted>";
    assert!(!text("employees").await.contains(deleted));
    assert!(text("employees?includeDeleted=true").await.contains(deleted));
    assert!(text("v2/entities/list?rootType=Account").await.contains(r#""deleted":true"#));
    assert!(
        !text("v2/entities/list?rootType=Account&includeDeleted=false").await.contains(r#""deleted":true"#)
    );
    let (department, store) = {
        let world = sandbox.world();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&world.stores[0]["parentId"]), text(&world.stores[0]["id"]))
    };
    let path = "v2/reports/balance/stores?timestamp=2026-02-20T23:00:00";
    let all = iiko(&sandbox, &token, path).await.len();
    let restaurant = iiko(&sandbox, &token, &format!("{path}&department={department}")).await.len();
    let bar = iiko(&sandbox, &token, &format!("{path}&store={store}")).await.len();
    assert!(0 < bar && bar < restaurant && restaurant < all);
}

#[tokio::test]
async fn edits_show_in_the_next_answer() {
    let (sandbox, token) = session().await;
    let before = iiko(&sandbox, &token, "v2/entities/products/list").await;
    assert_eq!(iiko(&sandbox, &token, "v2/entities/products/list").await.body, before.body);
    sandbox.edit(|world| world.products[0]["name"] = Value::from("Новое имя"));
    assert_eq!(iiko(&sandbox, &token, "v2/entities/products/list").await.json()[0]["name"], "Новое имя");
    sandbox.edit(|world| {
        let widgets = ("application/json".to_owned(), r#"[{"id":1}]"#.into());
        world.answers.insert("v2/entities/widgets/list".to_owned(), widgets);
        world.clock_offset_seconds = -86_400 * 365 * 20;
    });
    assert_eq!(get(&sandbox, "/resto/api/v2/entities/widgets/list").await.status, 401);
    let widgets = iiko(&sandbox, &token, "v2/entities/widgets/list").await;
    assert_eq!(widgets.text(), r#"[{"id":1}]"#);
    let year = |seen: &Seen| seen.header("date").and_then(|date| date.get(12..16)).map(str::to_owned);
    assert_ne!(year(&widgets), year(&before), "the server's clock may be wrong");
}

#[tokio::test]
async fn fintablo_pages_filters_and_refuses() {
    let sandbox = sandbox().await;
    assert_eq!(fintablo(&sandbox, "deal").await.len(), 500);
    assert_eq!(fintablo(&sandbox, "deal?page=2").await.len(), 120);
    assert_eq!(fintablo(&sandbox, "deal?page=3").await.len(), 0);
    for target in ["deal?page=0", "category?group=nothing", "deal?startDateFrom=2021-01-01"] {
        let seen = fintablo(&sandbox, target).await;
        assert_eq!((seen.status, &seen.json()["status"]), (400, &Value::from(400)), "{target}");
    }
    assert_eq!(fintablo(&sandbox, "category?group=transfer").await.len(), 1);
    let jobs = fintablo(&sandbox, "job").await;
    for paging in ["page=1", "page=7", "page=0", "perPage=1", "per-page=1&page=2", "limit=1&offset=1"] {
        let seen = fintablo(&sandbox, &format!("job?{paging}")).await;
        assert_eq!((seen.status, &seen.body), (200, &jobs.body), "a list without pages: {paging}");
    }
    let since = fintablo(&sandbox, "obtaining?dateFrom=01.01.2023").await.len();
    assert!(0 < since && since < fintablo(&sandbox, "obtaining").await.len());
    let seen = ask(&sandbox, "GET", "/v1/deal", "Authorization: Bearer wrong\r\n", "").await;
    assert_eq!(
        (seen.status, seen.text().as_str()),
        (401, r#"{"status":401,"statusText":"Your request was made with invalid credentials."}"#)
    );
    assert_eq!(get(&sandbox, "/v1/deal").await.status, 401);
}

#[tokio::test]
async fn fintablo_counts_requests() {
    let sandbox =
        Sandbox::start(Options { latency: Duration::ZERO, ..Options::default() }).await.expect("a sandbox");
    for number in 0..300 {
        assert_eq!(fintablo(&sandbox, "moneybag-group").await.status, 200, "request {number}");
    }
    let seen = fintablo(&sandbox, "moneybag-group").await;
    assert_eq!((seen.status, seen.json()["statusText"].as_str()), (429, Some("Too many requests")));
    let wait: u64 = seen.header("retry-after").and_then(|value| value.parse().ok()).expect("seconds");
    assert!((1..=60).contains(&wait));

    let window = Duration::from_millis(300);
    let options = Options { fintablo_limit: 1, fintablo_window: window, ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    assert_eq!(fintablo(&sandbox, "job").await.status, 200);
    assert_eq!(fintablo(&sandbox, "job").await.header("retry-after"), Some("1"));
    tokio::time::sleep(window).await;
    assert_eq!(fintablo(&sandbox, "job").await.status, 200);
}

#[tokio::test]
async fn recorded_answers_go_out_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    std::fs::create_dir(folder.path().join("fintablo")).expect("a folder");
    let id = "00000000-0000-4000-8000-000000000001";
    let product = format!(r#"{{"num" : "7", "id": "{id}", "amount": 1.50 }}"#);
    let products = format!("[\n{product},\n{{\"id\": \"x\", \"num\": \"8\"}} ]\n");
    let deals =
        format!("[{}]", (0..501).map(|id| format!(r#"{{"id": {id}}}"#)).collect::<Vec<_>>().join(","));
    write("products.json", &products);
    write("employees.xml", "<employees>\n</employees>");
    write("olap.json", "[]");
    write("olap.xml", "<report />");
    write("fintablo/deal.json", &deals);
    write("fintablo/job.json", r#"{ "status": 200, "items": [ {"id": "5", "name": "Банкет"} ] }"#);
    write("fintablo/goods.json", "[ ]");
    let options = Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    assert_eq!(sandbox.ignored_files(), [folder.path().join("olap.json")]);

    let token = login(&sandbox).await;
    let list = "v2/entities/products/list";
    assert_eq!(iiko(&sandbox, &token, &format!("{list}?includeDeleted=false")).await.text(), products);
    assert_eq!(iiko(&sandbox, &token, &format!("{list}?ids={id}")).await.text(), format!("[{product}]"));
    assert_eq!(iiko(&sandbox, &token, "employees").await.text(), "<employees>\n</employees>");
    assert!(
        iiko(&sandbox, &token, "suppliers").await.text().contains("Балтпродукт"),
        "the rest is the world's"
    );
    assert_eq!(fintablo(&sandbox, "deal").await.len(), 500);
    assert_eq!(fintablo(&sandbox, "deal?page=2").await.text(), r#"{"status":200,"items":[{"id": 500}]}"#);
    assert_eq!(
        fintablo(&sandbox, "job").await.text(),
        r#"{ "status": 200, "items": [ {"id": "5", "name": "Банкет"} ] }"#
    );
    assert_eq!(fintablo(&sandbox, "goods").await.text(), r#"{"status":200,"items":[ ]}"#);
}

#[tokio::test]
async fn a_broken_start_says_why() {
    let sandbox = sandbox().await;
    let taken = Options { port: sandbox.addr().port(), ..Options::default() };
    assert_eq!(Sandbox::start(taken).await.expect_err("the port is taken").kind, Kind::Usage);
    let nowhere = Options { data: Some("no/such/folder".into()), ..Options::default() };
    assert!(Sandbox::start(nowhere).await.expect_err("no folder").message.contains("no/such/folder"));
}

#[tokio::test]
async fn the_journal_is_also_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("journal");
    let options = Options { journal: Some(file.clone()), ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    login(&sandbox).await;
    fintablo(&sandbox, "deal?page=2").await;
    let text = std::fs::read_to_string(&file).expect("a file");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["session"], &lines[0]["event"]), (&Value::from(true), &Value::from("opened")));
    assert_eq!((&lines[1]["seq"], &lines[1]["query"]), (&Value::from(2), &Value::from("page=2")));
    assert_eq!(serde_json::to_value(sandbox.journal()).expect("JSON"), Value::from(lines));
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let sandbox = sandbox().await;
    let one = "GET /v1/job HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-token\r\n\r\n";
    let chunked =
        "POST /_sandbox/faults HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[]\n\r\n0\r\n\r\n";
    let last = one.replace("Host: x", "Connection: close");
    let answers = raw(&sandbox, &format!("{one}{chunked}{last}")).await;
    let text = String::from_utf8_lossy(&answers).into_owned();
    let starts: Vec<_> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(starts, ["200", "204", "200"]);
}
