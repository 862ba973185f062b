//! The list of users: its pages, its search and its filter.

use aws_sdk_dynamodb::types::AttributeValue;
use tests::{
    Request, World,
    api::text,
    html::{Element, elements},
    pages::WebClient as Visitor,
    system::System,
    tap::Tap,
    web_client::WebClient,
};

/// A page of the list: the users in order, the parameters of the next page, and the HTML.
struct Page {
    ids: Vec<String>,
    next: Option<Vec<(String, String)>>,
    body: String,
}

/// Returns the links of the users on a page.
fn ids(elements: &[Element], base: &str) -> Vec<String> {
    let links = elements.iter().filter_map(|element| element.attribute("href"));
    let ids = links.filter_map(|link| link.strip_prefix(base)?.strip_prefix("/admin/users/"));
    ids.filter(|id| *id != "new").map(str::to_owned).collect()
}

async fn open(browser: &mut WebClient<'_>, query: &[(String, String)]) -> Page {
    let request =
        query.iter().fold(Request::new("GET", "/admin/users"), |request, (name, value)| {
            request.query(name, value)
        });
    let response = browser.open("Console", request).await;
    assert_eq!(response.status, 200, "{query:?} {}", response.body);
    let elements = elements(&response.body);
    let next = elements.iter().find(|element| element.text == "Next page").map(|element| {
        let (_, query) = element.attribute("href").unwrap().split_once('?').unwrap();
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    });
    Page { ids: ids(&elements, "/v1"), next, body: response.body }
}

/// Returns the users on every page, from the first to the last.
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

async fn add(world: &World, id: &str, username: &str, status: &str) {
    let item = [("user_id", id), ("username", username), ("status", status)]
        .map(|(name, value)| (name.to_owned(), text(value)));
    world.put("Users", item.into()).await;
}

#[tokio::test]
async fn the_pages_show_each_of_250_users_once() {
    let world = World::new().await;
    let mut expected: Vec<String> = ["1", "2", "3", "4"].map(str::to_owned).to_vec();
    for number in 0..246 {
        let id = format!("u{number}");
        let status = if number % 3 == 0 { "blocked" } else { "active" };
        add(
            &world,
            &id,
            &format!("{}-{number}", if number % 2 == 0 { "even" } else { "odd" }),
            status,
        )
        .await;
        expected.push(id);
    }
    expected.sort();
    let mut browser = WebClient::signed_in(&world, "admin", "letmein").await;
    // The pages with a search are not cut where DynamoDB's are.
    let check = async |browser: &mut WebClient<'_>, query: &[(&str, &str)], lengths: &[usize]| {
        let pages = pages(browser, query).await;
        let found: Vec<usize> = pages.iter().map(Vec::len).collect();
        assert_eq!(found, lengths, "{query:?}");
        let mut all = pages.concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), lengths.iter().sum::<usize>(), "{query:?} shows a user twice");
        all
    };
    assert_eq!(check(&mut browser, &[], &[50; 5]).await, expected);
    check(&mut browser, &[("state", "blocked")], &[50, 32]).await;
    check(&mut browser, &[("state", "active")], &[50, 50, 50, 18]).await;
    check(&mut browser, &[("name", "EVEN-")], &[50, 50, 23]).await;
    check(&mut browser, &[("name", "odd"), ("state", "blocked")], &[41]).await;
    // A user of exactly this name is on the first page, and on no other.
    check(&mut browser, &[("name", "even-1")], &[50, 5]).await;
    add(&world, "first", "even", "active").await;
    world.set_user("first", "username_key", Some(text("even"))).await;
    let all = pages(&mut browser, &[("name", "even")]).await;
    assert_eq!((all[0][0].as_str(), all.concat().len()), ("first", 124));
    assert_eq!(all.concat().iter().filter(|id| *id == "first").count(), 1);
}

#[tokio::test]
async fn a_page_reads_a_bounded_part_of_very_many_users() {
    let (world, tap): (World, Tap) = World::tapped(&[]).await;
    for number in 0..1_200 {
        add(&world, &format!("u{number}"), &format!("user {number}"), "active").await;
    }
    let mut browser = WebClient::signed_in(&world, "admin", "letmein").await;
    for (query, pages) in [(("name", "nothing"), 2), (("state", "blocked"), 2)] {
        let mut next = Some(vec![(query.0.to_owned(), query.1.to_owned())]);
        let mut count = 0;
        while let Some(query) = next {
            tap.seen();
            let page = open(&mut browser, &query).await;
            let seen = tap.seen();
            let scans = seen.iter().filter(|seen| seen.operation == "Scan");
            assert!(scans.clone().count() <= 4, "{query:?}");
            assert!(scans.clone().all(|scan| scan.body["Limit"].as_u64().unwrap() <= 250));
            assert!(page.ids.is_empty(), "{query:?} {:?}", page.ids);
            let says = if page.next.is_some() {
                "among the 1000 that were read"
            } else {
                "No other user matches."
            };
            assert!(page.body.contains(says), "{}", page.body);
            next = page.next;
            count += 1;
        }
        assert_eq!(count, pages, "{query:?}");
    }
    // One of them is still found at once, by name and by ID.
    world.set_user("u1111", "username_key", Some(text("user 1111"))).await;
    for name in ["User 1111", "u1111"] {
        let page = open(&mut browser, &[("name".to_owned(), name.to_owned())]).await;
        assert_eq!(page.ids, ["u1111"], "{name}");
    }
}

#[tokio::test]
async fn a_user_is_found_by_name_or_id() {
    let system = System::start(&[]).await;
    // A user whose name is another user's ID, two whose names are equal, and odd names.
    for (id, name) in [("80", "3"), ("81", "Twin"), ("82", "ｔwin"), ("83", "100%_a.b*[c]")] {
        system.set_user(id, "username", text(name)).await;
        system.set_user(id, "username_key", text(&name.to_lowercase().replace('ｔ', "t"))).await;
    }
    system.set_user("4", "full_name", text("Élodie d’Arc-Straße")).await;
    system.set_user("3", "status", text("blocked")).await;
    let mut web_client = Visitor::signed_in(&system, "admin", "letmein").await;
    let endless = "x".repeat(3_000);
    let everyone: &[&str] = &["1", "2", "3", "4", "80", "81", "82", "83"];
    let cases: [(&str, &[&str]); 30] = [
        ("my_username", &["1"]),
        ("MY_UserName", &["1"]),
        ("%20%20my_username%20", &["1"]),
        ("1", &["1", "83"]),
        ("ldap_user", &["3"]),
        ("3", &["3", "80"]),
        ("twin", &["81", "82"]),
        ("my_user", &["1"]),
        ("username", &[]),
        ("unknown", &[]),
        ("99", &[]),
        ("100%25", &["83"]),
        ("100%25_A.B*%5B", &["83"]),
        ("100_", &[]),
        ("%25", &[]),
        ("_", &[]),
        ("*", &[]),
        ("e%CC%81lo", &["4"]),
        ("%C3%89LODIE+D%E2%80%99A", &["4"]),
        ("d%E2%80%99arc-strasse", &["4"]),
        ("arc", &[]),
        ("%3Cscript%3Ealert(1)%3C/script%3E", &[]),
        ("", everyone),
        ("%20", everyone),
        ("%00", &[]),
        ("%C2%AD", &[]),
        (&endless, &[]),
        ("&state=blocked", &["3", "80", "81", "82", "83"]),
        ("3&state=active", &[]),
        ("ldap&state=blocked", &["3"]),
    ];
    for (search, expected) in cases {
        let page = web_client.get(&format!("/admin/users?name={search}")).await;
        let mut found = ids(&page.elements(), "");
        found.sort();
        assert_eq!(
            (page.status, found),
            (200, expected.iter().map(|id| (*id).to_owned()).collect()),
            "{search}"
        );
    }
    let page = web_client.get("/admin/users?name=%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert_eq!(page.field("name").unwrap(), "<script>alert(1)</script>");
    let page = web_client.get("/admin/users?name=ldap_user").await;
    assert!(page.text().contains("external"), "{}", page.text());
    system.stop().await;
}

#[tokio::test]
async fn only_an_existing_user_has_a_page() {
    let system = System::start(&[]).await;
    let mut web_client = Visitor::signed_in(&system, "admin", "letmein").await;
    let endless = "x".repeat(3_000);
    for (id, status) in
        [("3", 200), ("99", 404), ("no%20id", 404), ("%3Cb%3E", 404), (&endless, 404)]
    {
        assert_eq!(web_client.get(&format!("/admin/users/{id}")).await.status, status, "{id}");
    }
    system.stop().await;
}

#[tokio::test]
async fn a_cursor_is_for_its_own_administrator() {
    let world = World::new().await;
    let permissions = AttributeValue::Ss(vec!["ROLE_ADMIN".to_owned()]);
    world.set_user("1", "permissions", Some(permissions)).await;
    for number in 0..50 {
        add(&world, &format!("u{number}"), "x", "active").await;
    }
    let mut browser = WebClient::signed_in(&world, "admin", "letmein").await;
    let mut other = WebClient::signed_in(&world, "my_username", "topsecret").await;
    let cursor = open(&mut browser, &[]).await.next.unwrap();
    assert!(open(&mut browser, &cursor).await.next.is_none());
    let cursor = &cursor[0].1;
    assert!(!cursor.contains("u4"), "{cursor}");
    let first = if cursor.starts_with('A') { 'B' } else { 'A' };
    let changed = format!("{first}{}", &cursor[1..]);
    for (is_own, cursor) in [(false, cursor.as_str()), (true, &changed), (true, ""), (true, "u1")] {
        let browser = if is_own { &mut browser } else { &mut other };
        let request = Request::new("GET", "/admin/users").query("cursor", cursor);
        let response = browser.open("Console", request).await;
        assert_eq!(response.status, 400, "{cursor} {}", response.body);
        assert!(response.body.contains("The link to this page of the list is not valid."));
        assert!(ids(&elements(&response.body), "/v1").is_empty(), "{cursor}");
    }
}
