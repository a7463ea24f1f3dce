//! The console page, as a browser loads it.
use axum::http::{StatusCode, header};

use super::routes::{ask, empty, get, header_of, text, with};

#[tokio::test]
async fn the_console_is_served_whole_and_loads_nothing_else() {
    let router = with(|_| {});
    let page = ask(&router, empty(get("/"))).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(header_of(&page, "content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(header_of(&page, "x-content-type-options"), "nosniff");
    let tag = header_of(&page, "etag").to_owned();
    let page = text(page).await;
    assert!(
        !page.contains("https://") && !page.contains("style=\""),
        "outside the policy"
    );
    // Whatever the page or its scripts load must be there.
    let mut asked = 0;
    let mut to_read = vec![page];
    while let Some(file) = to_read.pop() {
        let pieces = file.split(['"', '\'']).filter(|piece| piece.len() < 40);
        for name in pieces.filter(|p| p.ends_with(".js") || p.ends_with(".css")) {
            let path = format!("/{}", name.trim_start_matches(['.', '/']));
            let asset = ask(&router, empty(get(&path))).await;
            assert_eq!(asset.status(), StatusCode::OK, "{path}");
            asked += 1;
            if asked < 30 {
                to_read.push(text(asset).await);
            }
        }
    }
    assert!(asked >= 2);
    let known = get("/").header(header::IF_NONE_MATCH, format!("W/{tag}, \"x\""));
    let known = ask(&router, empty(known)).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(text(known).await, "");
}
