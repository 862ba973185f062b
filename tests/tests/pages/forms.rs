//! Forms that are sent twice, and forms of old tabs: every form that creates something can be used
//! once, and an outdated one is returned as one that works.

use serde_json::json;
use tests::{
    Request, Response, World,
    tap::{Fault, Tap},
    web_client::WebClient,
};

/// A form that creates a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Own,
    Developer,
    Rotation,
    Key,
}

const FORMS: [Form; 4] = [Form::Own, Form::Developer, Form::Rotation, Form::Key];

const USED: &str = "This form was sent before, so nothing was created now. What it created is in \
                    the list; its text was \
     shown once. If you did not see it, revoke it and create another.";

const STALE: &str = "This form is out of date. Nothing was changed; send it once more.";

/// An administrator with the page of this form open, in a separate world, and a token of the
/// administrator that can be rotated.
struct Case {
    world: World,
    web_client: WebClient<'static>,
    form: Form,
    rotated: String,
}

async fn case(form: Form) -> Case {
    of(World::new().await, form).await
}

async fn of(world: World, form: Form) -> Case {
    let token = world.token_of("admin", "letmein").await;
    let rotated =
        world.created(&token, &json!({"name": "old"})).await["id"].as_str().unwrap().to_owned();
    let web_client = WebClient::signed_in_to(&world, "admin", "letmein").await;
    let mut case = Case { world, web_client, form, rotated };
    case.look().await;
    case
}

impl Case {
    /// Opens the page with the form.
    async fn look(&mut self) -> Response {
        let route = match self.form {
            Form::Key => "/admin/users/{user_id}",
            Form::Own => "/profile/developer/new",
            Form::Developer | Form::Rotation => "/profile/developer",
        };
        self.web_client
            .open_in(&self.world, "Console", Request::new("GET", route).parameter("user_id", "1"))
            .await
    }

    /// Returns the form of the last page, filled in.
    fn filled(&self) -> Request {
        let own = Request::new("POST", "/profile/developer");
        let named = [
            ("name", "typed"),
            ("expires", "2027-03-01"),
            ("limit", "some"),
            ("scope", "ROLE_USER"),
        ];
        match self.form {
            Form::Own => self.web_client.with_form(own, &[&[("do", "make")], &named[..]].concat()),
            Form::Developer => self.web_client.with_form(own, &[("do", "regenerate")]),
            Form::Rotation => {
                self.web_client.with_form(own, &[("do", "rotate"), ("id", &self.rotated)])
            }
            Form::Key => {
                let key = Request::new("POST", "/admin/users/{user_id}").parameter("user_id", "1");
                self.web_client.with_form(key, &named)
            }
        }
    }

    async fn send(&self, request: &Request) -> Response {
        self.world.send("Generate", request.clone()).await
    }

    async fn count(&self) -> usize {
        self.world.count_records("1").await + self.world.count_records("2").await
    }

    /// Checks that the first response shows a token, that the second says what happened, and that
    /// exactly one token was created.
    async fn created_once(&self, before: usize, first: &Response, second: &Response) {
        let form = self.form;
        assert_eq!(first.status, 201, "{form:?} {}", first.body);
        assert_eq!(second.status, 409, "{form:?} {}", second.body);
        assert!(second.body.contains(USED), "{form:?} {}", second.body);
        assert_eq!(self.count().await, before + 1, "{form:?}");
        let token =
            first.body.split("<code id=\"new-token\">").nth(1).unwrap().split('<').next().unwrap();
        assert!(!second.body.contains(token), "{form:?}");
        assert_eq!(self.world.verdict(&format!("Bearer {token}")).await, "allow", "{form:?}");
    }
}

#[tokio::test]
async fn a_form_sent_twice_in_any_way_creates_one_token() {
    for form in FORMS {
        // Reloading the page that shows the token.
        let mut of = case(form).await;
        let before = of.count().await;
        let sent = of.filled();
        let first = of.send(&sent).await;
        of.created_once(before, &first, &of.send(&sent).await).await;

        // Going back, with other pages in between, reloading hours later, and with another name in
        // the form.
        of.look().await;
        of.created_once(before, &first, &of.send(&sent).await).await;
        let renamed = sent.clone().rewritten(|body| body.replace("typed", "another"));
        of.created_once(before, &first, &of.send(&renamed).await).await;

        // The tab from before a new sign-in.
        of.web_client.sign_in_again(&of.world, "admin", "letmein").await;
        of.look().await;
        let late = of.web_client.with_cookies_of(&sent);
        of.created_once(before, &first, &of.send(&late).await).await;
    }
}

#[tokio::test]
async fn of_forms_sent_at_once_one_creates_a_token() {
    for form in FORMS {
        let of = case(form).await;
        let before = of.count().await;
        let sent = of.filled();
        let responses = futures_util::future::join_all((0..8).map(|_| of.send(&sent))).await;
        let (first, others): (Vec<_>, Vec<_>) =
            responses.iter().partition(|response| response.status == 201);
        assert_eq!((first.len(), others.len()), (1, 7), "{form:?} {responses:?}");
        for other in others {
            of.created_once(before, first[0], other).await;
        }
    }
}

#[tokio::test]
async fn the_forms_of_two_tabs_are_two_forms() {
    for form in [Form::Own, Form::Developer, Form::Key] {
        let mut of = case(form).await;
        let old = of.filled();
        of.look().await;
        let new = of.filled();
        for (sent, status) in [(&new, 201), (&old, 201), (&new, 409), (&old, 409)] {
            assert_eq!(of.send(sent).await.status, status, "{form:?}");
        }
        // Several forms of one page are separate forms too.
        of.look().await;
        let regenerated = of
            .web_client
            .with_form(Request::new("POST", "/profile/developer"), &[("do", "regenerate")]);
        assert_eq!(of.send(&of.filled()).await.status, 201, "{form:?}");
        assert_eq!(
            of.send(&regenerated).await.status,
            if form == Form::Developer { 409 } else { 201 },
            "{form:?}"
        );
    }
}

#[tokio::test]
async fn a_form_whose_marker_one_request_wrote_twice_is_used_once() {
    for fault in [Fault::Lose, Fault::Break] {
        let (world, tap): (World, Tap) = World::tapped(&[]).await;
        let of = of(world, Form::Own).await;
        let before = of.count().await;
        tap.inject("PutItem", 0, 1, fault);
        let sent = of.filled();
        let first = of.send(&sent).await;
        of.created_once(before, &first, &of.send(&sent).await).await;
    }
}

#[tokio::test]
async fn a_rejected_form_comes_back_ready_to_be_sent() {
    for form in [Form::Own, Form::Key] {
        let mut of = case(form).await;
        let before = of.count().await;
        let empty = of.filled().rewritten(|body| body.replace("typed", ""));
        let rejected = of.web_client.receive(of.send(&empty).await);
        assert_eq!(rejected.status, 400, "{}", rejected.body);
        // Back in the browser, the form that was rejected is corrected; it is the one that was
        // sent.
        let corrected = empty.rewritten(|body| body.replace("name=", "name=typed"));
        assert_eq!(of.send(&corrected).await.status, 201, "{form:?}");
        assert_eq!(of.send(&corrected).await.status, 409, "{form:?}");
        assert_eq!(of.count().await, before + 1, "{form:?}");
        assert_eq!(of.send(&of.filled()).await.status, 201, "{form:?}");
        assert_eq!(of.count().await, before + 2, "{form:?}");
    }
}

#[tokio::test]
async fn a_creating_form_of_an_old_tab_comes_back_filled_in_and_then_works() {
    for form in FORMS {
        let mut of = case(form).await;
        let before = of.count().await;
        let old = of.filled();
        of.web_client.sign_in_again(&of.world, "admin", "letmein").await;
        for broken in [
            of.web_client.with_cookies_of(&old),
            of.filled().rewritten(|body| body.replace("csrf=", "csrf=x")),
            of.filled().rewritten(|body| body.split_once('&').unwrap().1.to_owned()),
            of.filled().rewritten(|body| {
                body.split_once('.').unwrap().0.to_owned() + "&" + body.split_once('&').unwrap().1
            }),
        ] {
            let stale = of.web_client.receive(of.send(&broken).await);
            assert_eq!(stale.status, 403, "{form:?} {}", stale.body);
            assert!(stale.body.contains(STALE), "{form:?} {}", stale.body);
            if matches!(form, Form::Own | Form::Key) {
                for kept in
                    ["value=\"typed\"", "value=\"2027-03-01\"", "value=\"ROLE_USER\" checked"]
                {
                    assert!(stale.body.contains(kept), "{form:?} {kept} {}", stale.body);
                }
            }
            assert_eq!(of.count().await, before, "{form:?}");
        }
        assert_eq!(of.send(&of.filled()).await.status, 201, "{form:?}");
        assert_eq!(of.count().await, before + 1, "{form:?}");
    }
}

#[tokio::test]
async fn every_other_form_of_an_old_tab_comes_back_with_forms_that_work() {
    let world = World::new().await;
    let hash = |id: &str| id.split('.').next_back().unwrap().to_owned();
    for (route, fields) in [
        ("/profile/developer/tokens/{id}", &[][..]),
        ("/admin/users/{user_id}/tokens/{id}", &[("do", "disable")]),
        ("/admin/users/{user_id}/tokens/{id}", &[("do", "delete")]),
        ("/admin/users/{user_id}/access", &[("do", "unblock")]),
        ("/admin/users/{user_id}/profile", &[("do", "full-name"), ("full_name", "Ada")]),
        ("/sign-out", &[]),
    ] {
        let function = if route.ends_with("/profile") { "Generate" } else { "Revoke" };
        let token = world.token_of("admin", "letmein").await;
        let id =
            world.created(&token, &json!({"name": "own"})).await["id"].as_str().unwrap().to_owned();
        let request = Request::new("POST", route)
            .parameter("user_id", "2")
            .parameter("id", &format!("2.{}", hash(&id)));
        let mut web_client = WebClient::signed_in(&world, "admin", "letmein").await;
        let old = web_client.with_form(request.clone(), fields);
        web_client.sign_in_again(&world, "admin", "letmein").await;
        let response = world.send(function, web_client.with_cookies_of(&old)).await;
        let stale = web_client.receive(response);
        assert_eq!(stale.status, 403, "{route} {}", stale.body);
        assert!(stale.body.contains(STALE), "{route} {}", stale.body);
        assert_eq!(world.verdict(&format!("Bearer {token}")).await, "allow", "{route}");
        let response = world.send(function, web_client.with_form(request, fields)).await;
        assert_eq!(response.status, 303, "{route} {}", response.body);
    }
}

#[tokio::test]
async fn the_latest_offered_day_is_accepted_and_expires_in_time() {
    for form in [Form::Own, Form::Key] {
        let mut of = case(form).await;
        let page = of.look().await;
        let latest_instant = of.world.service().settings.latest_expiry(of.world.now()).to_string();
        let (today, latest) =
            (of.world.now().to_string()[..10].to_owned(), latest_instant[..10].to_owned());
        let bounds = format!("min=\"{today}\" max=\"{latest}\"");
        assert!(page.body.contains(&bounds), "{bounds} {}", page.body);
        let on =
            |of: &Case, day: &str| of.filled().rewritten(|body| body.replace("2027-03-01", day));
        let rejected = of.web_client.receive(of.send(&on(&of, "2999-12-31")).await);
        assert_eq!(rejected.status, 400);
        let message = format!("Expiry date: it is later than {latest}, which is the latest.");
        assert!(rejected.body.contains(&message), "{}", rejected.body);
        let response = of.web_client.receive(of.send(&on(&of, &latest)).await);
        assert_eq!(response.status, 201, "{}", response.body);
        assert!(
            response.body.contains(&format!("datetime=\"{latest_instant}\"")),
            "{latest_instant} {}",
            response.body
        );
        let today_end = of.web_client.receive(of.send(&on(&of, &today)).await);
        assert!(
            today_end.body.contains(&format!("datetime=\"{today}T23:59:59Z\"")),
            "{}",
            today_end.body
        );
    }
}
