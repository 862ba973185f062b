//! Swagger UI with the API: a person with a token authorizes, and tries a route out.

use tests::system::System;

use crate::browser::{Browser, origin};

async fn authorize_and_try_out(base: &str) {
    let system = System::start_with(&[], |options| base.clone_into(&mut options.base_path)).await;
    let Some(browser) = Browser::start(&system).await else { return };
    let path = format!("{base}/api/services_token/generate");
    let token = system.ask("POST", &path, &tests::basic("my_username", "topsecret")).await.json();
    browser.open(&format!("{base}/docs/swagger-ui/index.html")).await;
    browser.click(".btn.authorize").await;
    browser.type_into("#auth-bearer-value", token["token"].as_str().unwrap()).await;
    browser.click(".modal-ux form:has(#auth-bearer-value) .authorize").await;
    browser.click(".modal-ux .close-modal").await;
    let operation = "[id^=operations-]:has([data-path='/rs/profile'])";
    browser.click(&format!("{operation} .opblock-summary-control")).await;
    browser.click(&format!("{operation} .try-out__btn")).await;
    browser.click(&format!("{operation} .execute")).await;
    browser
        .with_text(&format!("{operation} .live-responses-table .response-col_status"), "200")
        .await;
    browser
        .with_text(
            &format!("{operation} .live-responses-table .response-col_description"),
            "my_username",
        )
        .await;
    browser
        .with_text(
            &format!("{operation} .request-url"),
            &format!("{}{base}/rs/profile", origin(&system)),
        )
        .await;
    drop(browser);
    system.stop().await;
}

#[tokio::test]
async fn a_route_is_tried_out_with_a_token() {
    authorize_and_try_out("").await;
}

#[tokio::test]
async fn a_route_is_tried_out_below_a_base_path() {
    authorize_and_try_out("/prod").await;
}
