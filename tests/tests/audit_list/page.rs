//! `/admin/audit`: what it shows, its filters, and its pages.

use hallpass_audit::Area;
use tests::{api::text, client::Reply, pages::WebClient, system::System};

use super::{DAY, HOUR, at, event, token_id, user_event, write};

/// Returns the text of the rows of the page.
fn rows(page: &Reply) -> Vec<String> {
    let elements = page.elements();
    let starts = elements.iter().enumerate().filter(|(_, element)| element.name == "tr").skip(1);
    let row = |(start, _): (usize, _)| {
        let cells = elements[start..].iter().take_while(|element| element.name != "/tr");
        cells.flat_map(|cell| cell.text.split_whitespace()).collect::<Vec<_>>().join(" ")
    };
    starts.map(row).collect()
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The rows of the log that [`written`] writes.
struct Written {
    /// Those of a token of user 1, three days ago.
    of_token: Vec<String>,
    /// That of a token of a user who was removed, on the same day.
    of_removed: Vec<String>,
    /// That of user 3, on the day before.
    of_user: Vec<String>,
    /// The two days.
    day: String,
    day_before: String,
}

/// Writes a log with every kind of actor.
async fn written(system: &System) -> Written {
    let noon = system.now().unix() / DAY * DAY - 3 * DAY + 12 * HOUR;
    let own = token_id("1");
    let name = system.store().user(&"3".parse().unwrap()).await.unwrap().unwrap().username;
    let time = |unix: u64| at(unix).to_string()[..16].replace('T', " ");
    let mut of_token = Vec::new();
    for (number, actor, by, because) in [
        (1, "user:1", "my_username with a password", None),
        (2, &own, &format!("my_username with token {own}"), None),
        (3, "operator:arn:aws:sts::1:role/ada", "operator arn:aws:sts::1:role/ada", None),
        (4, "system", "Hallpass", None),
        (5, "application", "the application", None),
        (6, "unknown", "unknown", None),
        (7, "session:2", "admin in a browser", Some("lost laptop")),
    ] {
        let mut event = event("1", number, noon + number);
        event.actor = actor.to_owned();
        event.because = because.map(str::to_owned);
        write(system, Area::Tokens, number, vec![event]).await;
        let (time, why) = (time(noon), because.unwrap_or_default());
        let row = format!("changed {time} UTC laptop of my_username {own} {by} 192.0.2.7 {why}");
        of_token.insert(0, row.trim().to_owned());
    }
    let mut of_removed = event("99", 8, noon + 8);
    of_removed.name = None;
    write(system, Area::Tokens, 8, vec![of_removed]).await;
    write(system, Area::Users, 9, vec![user_event("3", 9, noon - DAY)]).await;
    let day = |unix: u64| at(unix).to_string()[..10].to_owned();
    let (of_day, before, by) = (time(noon), time(noon - DAY), "admin in a browser 192.0.2.7");
    Written {
        of_token,
        of_removed: vec![format!(
            "changed {of_day} UTC unnamed of removed user 99 {} {by}",
            token_id("99")
        )],
        of_user: vec![format!("user blocked {before} UTC {name} ID 3 {by}")],
        day: day(noon),
        day_before: day(noon - DAY),
    }
}

#[tokio::test]
async fn the_page_shows_who_did_what_and_finds_users_tokens_and_days() {
    let system = System::start(&[]).await;
    let mut browser = WebClient::signed_in(&system, "admin", "letmein").await;
    let empty = browser.get("/admin/audit").await;
    assert!(empty.text().contains("No change was recorded in the last 90 days."), "{}", empty.body);
    let Written { of_token, of_removed, of_user, day, day_before } = written(&system).await;
    let all = [&of_removed[..], &of_token, &of_user].concat();
    let shown = browser.get("/admin/audit").await;
    assert_eq!(rows(&shown), all);
    assert!(shown.body.contains("href=\"/admin/users/1\""), "{}", shown.body);
    for (query, expected) in [
        ("who=my_username".to_owned(), &of_token),
        ("who=MY_username".to_owned(), &of_token),
        ("who=1".to_owned(), &of_token),
        (format!("who={}", token_id("1")), &of_token),
        ("who=99".to_owned(), &of_removed),
        ("who=2".to_owned(), &Vec::new()),
        (format!("until={day_before}"), &of_user),
        (format!("from={day_before}&until={day_before}"), &of_user),
        (format!("from={day}&who=3"), &Vec::new()),
        ("who=&from=&until=".to_owned(), &all),
    ] {
        let page = browser.get(&format!("/admin/audit?{query}")).await;
        assert_eq!((page.status, &rows(&page)), (200, expected), "{query}");
    }
    system.stop().await;
}

#[tokio::test]
async fn the_page_says_what_is_wrong_with_a_filter() {
    let system = System::start(&[]).await;
    let mut browser = WebClient::signed_in(&system, "admin", "letmein").await;
    for (query, wrong) in [
        ("who=a%20b", "This is neither the name or the ID of a user nor the ID of a token."),
        ("from=2026-02-30", "From and until must be days such as 2027-01-31."),
        ("until=now", "From and until must be days such as 2027-01-31."),
        ("from=2026-01-02&until=2026-01-01", "Until must not be before from."),
        ("cursor=x", "The link to this page of the list is not valid. Search again."),
    ] {
        let page = browser.get(&format!("/admin/audit?{query}")).await;
        assert_eq!((page.status, page.wrong().as_str()), (400, wrong), "{query}");
    }
    system.stop().await;
}

#[tokio::test]
async fn the_page_leads_to_older_entries_and_shows_every_value_as_text() {
    let system = System::start(&[]).await;
    let hostile = ["<script>alert(1)</script>", "\"><img src=x>", "{{7*7}}", "&lt;b&gt; \u{1f600}"];
    let noon = system.now().unix() / DAY * DAY - DAY + 12 * HOUR;
    for (number, text) in (1..).zip(hostile) {
        let mut strange = event("1", number, noon + number);
        strange.actor = text.to_owned();
        strange.source = Some(text.to_owned());
        strange.because = Some(text.to_owned());
        strange.name = Some(text.to_owned());
        let mut user = user_event(text, number, noon + number);
        user.actor = format!("operator:{text}");
        write(&system, Area::Tokens, number, vec![strange]).await;
        write(&system, Area::Users, number, vec![user]).await;
    }
    system.set_user("1", "username", text("\"><b>")).await;
    let many = |from: u64| (0..45).map(|part| event("1", from + part, noon - DAY)).collect();
    write(&system, Area::Tokens, 100, many(100)).await;
    write(&system, Area::Tokens, 200, many(200)).await;
    let mut browser = WebClient::signed_in(&system, "admin", "letmein").await;
    let first = browser.get("/admin/audit?who=").await;
    let elements = first.elements();
    for text in hostile {
        let shown = elements.iter().filter(|one| one.name == "bdi" && one.text == text).count();
        assert_eq!(shown, 6, "{text} {}", first.body);
    }
    assert_eq!(rows(&first).len(), 53);
    let older = elements.iter().find(|element| element.text == "Older entries").unwrap();
    let second = browser.get(older.attribute("href").unwrap()).await;
    assert_eq!(rows(&second).len(), 45);
    assert!(second.text().contains("First page"), "{}", second.body);
    assert!(!second.text().contains("Older entries"), "{}", second.body);
    for text in hostile {
        let page = browser.get(&format!("/admin/audit?who={}", encoded(text))).await;
        assert_eq!((page.status, page.field("who").as_deref()), (400, Some(text)));
    }
    system.stop().await;
}
