//! What the upstreams answer, and what they refuse.

use super::*;

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
