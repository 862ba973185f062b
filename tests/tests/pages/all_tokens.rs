//! The list of the tokens of all users: its pages, its filters, and what it does not show.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Format, Permission, Reason, Record, Revocation, Scope};
use tests::{Request, World, api::text, html::elements, tables::TestToken, web_client::WebClient};

const DAY: u64 = 86_400;

/// A page of the list: the IDs of the tokens in order, the parameters of the next page, and the
/// HTML.
struct Page {
    ids: Vec<String>,
    next: Option<Vec<(String, String)>>,
    body: String,
}

async fn open(browser: &mut WebClient<'_>, query: &[(String, String)]) -> Page {
    let request =
        query.iter().fold(Request::new("GET", "/admin/tokens"), |request, (name, value)| {
            request.query(name, value)
        });
    let response = browser.open("Console", request).await;
    assert_eq!(response.status, 200, "{query:?} {}", response.body);
    let elements = elements(&response.body);
    let ids = elements
        .iter()
        .filter(|element| element.name == "small" && element.attribute("class") == Some("id"));
    let ids = ids.map(|element| element.text.clone()).collect();
    let next = elements.iter().find(|element| element.text == "Next page").map(|element| {
        let (_, query) = element.attribute("href").unwrap().split_once('?').unwrap();
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    });
    Page { ids, next, body: response.body }
}

/// Returns the tokens on every page, from the first to the last.
async fn pages(browser: &mut WebClient<'_>, query: &[(&str, &str)]) -> Vec<Vec<String>> {
    let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let (mut pages, mut next) = (Vec::new(), Some(query.collect::<Vec<_>>()));
    while let Some(query) = next {
        let page = open(browser, &query).await;
        pages.push(page.ids);
        next = page.next;
    }
    pages
}

#[tokio::test]
async fn the_pages_show_each_token_of_every_user_once_and_nothing_else() {
    let world = World::new().await;
    let mut texts = Vec::new();
    let mut expected = Vec::new();
    for (user, count) in [("1", 70_u8), ("2", 1), ("3", 60), ("4", 29)] {
        for number in 0..count {
            let format = if number == 0 { Format::Developer } else { Format::Signed };
            // Developer tokens need different hashes.
            let seed = if number == 0 { 200 + user.as_bytes()[0] - b'0' } else { number };
            let token = world.create_token(format, user, seed).await;
            expected.push(token.record.id.to_string());
            texts.push(token.text);
        }
    }
    expected.sort();
    let mut browser = WebClient::signed_in(&world, "admin", "letmein").await;
    let pages = pages(&mut browser, &[]).await;
    let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(lengths, [50, 50, 50, 10], "no session, pointer or marker");
    let mut all = pages.concat();
    all.sort();
    assert_eq!(all, expected);
    let first = open(&mut browser, &[]).await;
    let cursor = &first.next.unwrap()[0].1;
    assert!(first.ids.iter().all(|id| !cursor.contains(id.as_str())), "{cursor}");
    for shown in texts {
        let secret = shown.rsplit('.').next().unwrap();
        assert!(!first.body.contains(secret), "a secret");
    }
    // A cursor of the users is for no other list.
    for (list, cursor) in [("/admin/tokens", ""), ("/admin/users", cursor.as_str())] {
        let request = Request::new("GET", list).query("cursor", cursor);
        let response = browser.open("Console", request).await;
        assert_eq!(response.status, 400, "{list} {}", response.body);
        assert!(response.body.contains("The link to this page of the list is not valid."));
    }
}

/// Creates a token of this user that expires in 60 days, with these changes.
async fn token(
    world: &World,
    (user, seed): (&str, u8),
    change: impl FnOnce(&mut Record) + Send,
) -> TestToken {
    let expires_at = world.now().after(Duration::from_secs(60 * DAY));
    let adjust = |record: &mut Record| {
        record.expires_at = Some(expires_at);
        change(record);
    };
    world.create_token_with(Format::Signed, user, seed, adjust).await
}

const ALL: &[usize] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];

/// The parameters of the page, and the numbers of the tokens that it lists.
type Filter = (&'static [(&'static str, &'static str)], &'static [usize]);

const FILTERS: [Filter; 19] = [
    (&[], ALL),
    (&[("state", "active")], &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (&[("state", "disabled")], &[10]),
    (&[("state", "inactive")], &[11, 12, 13]),
    (&[("state", "leaked")], &[13]),
    (&[("state", "nonsense")], ALL),
    (&[("expires", "7")], &[1]),
    (&[("expires", "30")], &[1, 2]),
    (&[("expires", "5000")], ALL),
    (&[("used", "30")], &[4, 5]),
    (&[("used", "90")], &[4]),
    (&[("used", "never")], &[1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13]),
    (&[("permission", "orders:read")], &[1, 2, 3, 4, 5, 6, 7, 10, 11, 13]),
    (&[("permission", " orders:read ")], &[1, 2, 3, 4, 5, 6, 7, 10, 11, 13]),
    (&[("permission", "orders")], &[]),
    (&[("permission", "<b>%&")], &[]),
    (&[("permission", "ROLE_ADMIN"), ("state", "active")], &[]),
    (&[("permission", "orders:read"), ("expires", "7")], &[1]),
    (&[("used", "90"), ("state", "inactive")], &[]),
];

#[tokio::test]
async fn a_filter_lists_exactly_its_tokens() {
    let world = World::new().await;
    let now = world.now();
    let days = |count: u64| Duration::from_secs(count * DAY);
    let scope =
        |name: &str| Some([name.parse::<Permission>().unwrap()].into_iter().collect::<Scope>());
    let permissions = AttributeValue::Ss(vec!["orders:read".to_owned(), "ROLE_USER".to_owned()]);
    world.set_user("1", "permissions", Some(permissions)).await;
    let old = |used: Option<u64>| {
        move |record: &mut Record| {
            record.issued_at = now.before(days(100));
            record.last_used_at = used.map(|count| now.before(days(count)));
        }
    };
    let mut tokens = Vec::new();
    // Numbered in the order of this list.
    tokens
        .push(token(&world, ("1", 1), |record| record.expires_at = Some(now.after(days(6)))).await);
    tokens.push(
        token(&world, ("1", 2), |record| record.expires_at = Some(now.after(days(29)))).await,
    );
    tokens.push(token(&world, ("1", 3), |record| record.expires_at = None).await);
    tokens.push(token(&world, ("1", 4), old(None)).await);
    tokens.push(token(&world, ("1", 5), old(Some(40))).await);
    tokens.push(token(&world, ("1", 6), old(Some(10))).await);
    tokens.push(token(&world, ("1", 7), |record| record.scope = scope("orders:read")).await);
    tokens.push(token(&world, ("1", 8), |record| record.scope = scope("ROLE_USER")).await);
    tokens.push(token(&world, ("2", 9), |record| record.scope = scope("orders:read")).await);
    tokens.push(token(&world, ("1", 10), |record| record.disabled_at = Some(now)).await);
    tokens.push(
        token(&world, ("1", 11), |record| record.expires_at = Some(now.before(days(1)))).await,
    );
    tokens.push(token(&world, ("3", 12), |_| {}).await);
    let leaked = Some(Revocation { at: now, because: Reason::Leaked });
    tokens.push(token(&world, ("1", 13), |record| record.revoked = leaked).await);
    world.set_user("3", "status", Some(text("blocked"))).await;
    let mut browser = WebClient::signed_in(&world, "admin", "letmein").await;
    let number = |id: &String| {
        tokens.iter().position(|token| token.record.id.to_string() == *id).unwrap() + 1
    };
    for (query, expected) in FILTERS {
        let pages = pages(&mut browser, query).await;
        let mut found: Vec<usize> = pages.concat().iter().map(number).collect();
        found.sort_unstable();
        assert_eq!((found.as_slice(), pages.len()), (expected, 1), "{query:?}");
    }
    // The token of a removed user leads nowhere.
    world.remove_user("3").await;
    let page = open(&mut browser, &[]).await;
    assert_eq!(page.body.matches(">removed<").count(), 1, "{}", page.body);
    assert!(!page.body.contains("/admin/users/3\"") && page.body.contains("/admin/users/1\""));
}
