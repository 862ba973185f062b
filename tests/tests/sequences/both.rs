//! The system and the model, which take the same steps and must agree.

use std::fmt::Debug;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_runtime::entropy;
use hallpass_service::operator::{self, Order};
use hallpass_service::{Context, Service};
use serde_json::{Value, json};
use tests::{
    Request, Response, World,
    api::{bearer, text},
    tables::Item,
};

use super::{
    model::{ALLOW, Bound, Form, LIFE, Model},
    steps::Step,
};
use crate::explain;

/// The number of users of one sequence.
pub const USERS: usize = 2;

/// The initial state of every user.
const BEFORE: Bound = Bound { name: 0, password: 0, is_blocked: false, generation: 0 };

/// Tables that many sequences share, each with users of its own.
#[derive(Debug)]
pub struct Ground {
    world: World,
    service: Service,
    /// The reading position in the stream of users.
    place: String,
    sequences: u32,
}

/// One sequence.
struct Both<'a> {
    ground: &'a mut Ground,
    model: Model,
    ids: [String; USERS],
    texts: Vec<String>,
    /// The records of the stream about each user.
    changes: [Vec<Value>; USERS],
}

/// The description of a difference between system and model.
type Difference = String;

impl Ground {
    pub async fn new() -> Self {
        let world = World::new().await;
        Self { service: world.service(), world, place: String::new(), sequences: 0 }
    }

    pub const fn sequences(&self) -> u32 {
        self.sequences
    }

    /// Takes these steps, and then verifies every token three times: before prune has received
    /// every change, after, and with the users restored to the state for which the tokens were
    /// issued.
    pub async fn run(&mut self, steps: &[Step]) -> Result<(), Difference> {
        self.sequences += 1;
        let ids = std::array::from_fn(|user| format!("s{}-{user}", self.sequences));
        let (model, changes) = (Model::new(&[BEFORE; USERS]), std::array::from_fn(|_| Vec::new()));
        let mut both = Both { ground: self, model, ids, texts: Vec::new(), changes };
        for user in 0..USERS {
            both.put(user, BEFORE).await;
        }
        both.ground.world.user_stream_after(&mut both.ground.place);
        for (number, step) in steps.iter().enumerate() {
            both.step(*step)
                .await
                .map_err(|difference| format!("at step {number}, {step:?}: {difference}"))?;
        }
        both.end().await.map_err(|difference| format!("at the end: {difference}"))
    }
}

impl Both<'_> {
    async fn step(&mut self, step: Step) -> Result<(), Difference> {
        match step {
            Step::Issue { user, form, parent } => self.issue(user, form, parent).await,
            Step::Verify(token) => self.of(token, Self::verify).await,
            Step::Rotate(token) => self.of(token, Self::rotate).await,
            Step::Revoke(token) => self.of(token, Self::revoke).await,
            Step::RevokeFamily { token, descendants } => {
                self.of(token, async |both, token| both.revoke_family(token, descendants).await)
                    .await
            }
            Step::RevokeByText(token) => self.of(token, Self::revoke_by_text).await,
            Step::RevokeAll(user) => self.revoke_all(user).await,
            Step::Rename(user) => self.change(user, |bound| bound.name ^= 1).await,
            Step::Password(user) => self.change(user, |bound| bound.password ^= 1).await,
            Step::Block(user) => self.change(user, |bound| bound.is_blocked ^= true).await,
            Step::Remove(user) => self.remove(user).await,
            Step::Deliver { new, again } => self.deliver(new, again).await,
            Step::Sweep => {
                let swept = self
                    .ground
                    .world
                    .invoke("Prune", json!({"source": "aws.scheduler"}))
                    .await
                    .unwrap();
                self.model.swept();
                same("the sweep finished", &swept["finished"], &json!(true))
            }
            Step::Ttl => {
                self.ground.world.sweep_ttl();
                self.model.expired_items_removed();
                Ok(())
            }
            Step::Restart => {
                self.ground.world = self.ground.world.another();
                self.ground.service = self.ground.world.service();
                Ok(())
            }
            Step::Pass(seconds) => {
                self.ground.world.advance(seconds);
                self.model.pass(seconds);
                Ok(())
            }
        }
    }

    /// Applies the step to one of the tokens, if any exist.
    async fn of(
        &mut self,
        token: u8,
        what: impl AsyncFnOnce(&mut Self, usize) -> Result<(), Difference>,
    ) -> Result<(), Difference> {
        match usize::from(token).checked_rem(self.model.tokens()) {
            Some(token) => what(self, token).await,
            None => Ok(()),
        }
    }

    /// Verifies a token, after an explanation, which must have the same verdict and no effect.
    async fn verify(&mut self, token: usize) -> Result<(), Difference> {
        let (world, text) = (&self.ground.world, &self.texts[token]);
        let explained = explain::verdict(&self.ground.service, text, world.now()).await;
        let verdict = world.verdict(&bearer(text)).await;
        same("the verdict of the explanation", &explained, &verdict)?;
        self.saw(token, &verdict)
    }

    fn saw(&mut self, token: usize, verdict: &str) -> Result<(), Difference> {
        let expected = self.model.verdicts(token);
        if self.model.saw(token, verdict) {
            return Ok(());
        }
        Err(format!("token {token}: {verdict:?} is none of {expected:?}; {:#?}", self.model))
    }

    /// Checks the response to the calling token against the model, which must agree on whether it
    /// is accepted. A rejected token gets nothing.
    fn admitted(&mut self, token: usize, response: &Response) -> Result<bool, Difference> {
        let verdict = match response.status {
            401 => response.problem(401)["reason"].as_str().unwrap().to_owned(),
            _ => ALLOW.to_owned(),
        };
        self.saw(token, &verdict).map(|()| verdict == ALLOW)
    }

    async fn ask(&self, function: &str, request: Request, token: usize) -> Response {
        self.ground.world.send(function, request.authorization(&bearer(&self.texts[token]))).await
    }

    /// Issues a token by one of the user's tokens or by the operator; a developer token by a token
    /// alone.
    async fn issue(&mut self, user: usize, form: Form, parent: u8) -> Result<(), Difference> {
        let own: Vec<usize> =
            (0..self.model.tokens()).filter(|token| self.model.owner(*token) == user).collect();
        let parent = usize::from(parent)
            .checked_rem(own.len() + 1)
            .and_then(|index| own.get(index).copied());
        let parent = match (parent, form) {
            (Some(parent), _) => Some(parent),
            (None, Form::Developer) => match self.order(user, Form::Signed).await? {
                Some(parent) => Some(parent),
                None => return Ok(()),
            },
            (None, _) => None,
        };
        let Some(parent) = parent else { return self.order(user, form).await.map(drop) };
        let request = match form {
            Form::Developer => Request::new("POST", "/profile/developer"),
            Form::Signed | Form::Jwt => {
                let format = if form == Form::Jwt { "jwt" } else { "signed" };
                let body = json!({"name": "a token", "expires_in": LIFE, "format": format});
                Request::new("POST", "/tokens").json(&body)
            }
        };
        let response = self.ask("Generate", request, parent).await;
        if self.admitted(parent, &response)? {
            same("the status of a new token", &response.status, &201)?;
            self.model.issued(user, form, Some(parent));
            self.texts.push(response.json()["token"].as_str().unwrap().to_owned());
        }
        Ok(())
    }

    /// Issues a token as `hallpass token issue` does.
    async fn order(&mut self, user: usize, form: Form) -> Result<Option<usize>, Difference> {
        let text = self.issue_token(&self.ids[user], form).await;
        let may = self.model.user(user).is_some_and(|user| !user.is_blocked);
        same("whether a token is issued", &text.is_some(), &may)?;
        Ok(text.map(|text| {
            self.texts.push(text);
            self.model.issued(user, form, None)
        }))
    }

    async fn issue_token(&self, id: &str, form: Form) -> Option<String> {
        let now = self.ground.world.now();
        let owner = self.ground.world.store.user(&id.parse().unwrap()).await.unwrap()?;
        let expires_at = Some(now.after(std::time::Duration::from_secs(LIFE)));
        let order = Order {
            operator: "ada".to_owned(),
            owner,
            jwt: form == Form::Jwt,
            name: None,
            description: None,
            scope: None,
            expires_at,
        };
        let randomness = entropy::randomness();
        let context = Context::new(&self.ground.service, now, &randomness);
        let issued = operator::issue(&context, order).await;
        issued.ok().map(|(text, _)| text.expose_secret().to_owned())
    }

    async fn rotate(&mut self, token: usize) -> Result<(), Difference> {
        let request = Request::new("POST", "/tokens/{id}/rotate").parameter("id", "current");
        let response = self.ask("Generate", request, token).await;
        if self.admitted(token, &response)? {
            let may = self.model.may_rotate(token);
            same("the status of a rotation", &response.status, if may { &201 } else { &409 })?;
            if may {
                self.model.rotated(token);
                self.texts.push(response.json()["token"].as_str().unwrap().to_owned());
            }
        }
        Ok(())
    }

    async fn revoke(&mut self, token: usize) -> Result<(), Difference> {
        let request = Request::new("DELETE", "/tokens/{id}").parameter("id", "current");
        let response = self.ask("Revoke", request, token).await;
        if self.admitted(token, &response)? {
            same("the status of a revocation", &response.status, &200)?;
            self.model.revoked(token);
        }
        Ok(())
    }

    async fn revoke_family(&mut self, token: usize, descendants: bool) -> Result<(), Difference> {
        let extent = if descendants { "descendants" } else { "family" };
        let request =
            Request::new("DELETE", "/tokens/{id}").parameter("id", "current").query(extent, "true");
        let response = self.ask("Revoke", request, token).await;
        if self.admitted(token, &response)? {
            same("the status of a family's revocation", &response.status, &200)?;
            self.model.family_revoked(token, descendants);
        }
        Ok(())
    }

    /// The holder of a token may revoke it even if it is not accepted.
    async fn revoke_by_text(&mut self, token: usize) -> Result<(), Difference> {
        let response = self.ground.world.revoke(&self.texts[token]).await;
        self.model.revoked(token);
        same("the status of a revocation by text", &response.status, &200)
    }

    async fn revoke_all(&mut self, user: usize) -> Result<(), Difference> {
        let admin = self.issue_token("2", Form::Signed).await.unwrap();
        let request =
            Request::new("DELETE", "/users/{user_id}/tokens").parameter("user_id", &self.ids[user]);
        let response =
            self.ground.world.send("Revoke", request.authorization(&bearer(&admin))).await;
        let Some(bound) = self.model.user(user) else {
            return same("the status without a user", &response.status, &404);
        };
        self.model.changed(user, Some(Bound { generation: bound.generation + 1, ..bound }));
        same("the status of all tokens' revocation", &response.status, &200)
    }

    /// Changes one attribute of a user, as an application does.
    async fn change(
        &mut self,
        user: usize,
        change: impl FnOnce(&mut Bound),
    ) -> Result<(), Difference> {
        let Some(old) = self.model.user(user) else { return Ok(()) };
        let mut new = old;
        change(&mut new);
        let (before, mut after) = (item(&self.ids[user], old), item(&self.ids[user], new));
        after.retain(|name, value| before[name] != *value);
        for (name, value) in after {
            self.ground.world.set_user(&self.ids[user], &name, Some(value)).await;
        }
        self.model.changed(user, Some(new));
        Ok(())
    }

    /// Removes a user, or restores a removed one to its initial state.
    async fn remove(&mut self, user: usize) -> Result<(), Difference> {
        if self.model.user(user).is_some() {
            self.ground.world.remove_user(&self.ids[user]).await;
            self.model.changed(user, None);
        } else {
            self.put(user, BEFORE).await;
            self.model.changed(user, Some(BEFORE));
        }
        Ok(())
    }

    async fn put(&self, user: usize, bound: Bound) {
        self.ground.world.put("Users", item(&self.ids[user], bound)).await;
    }

    /// Delivers changes to prune in one batch: of each user in order, some that prune already
    /// received and some new ones.
    async fn deliver(&mut self, new: [u8; USERS], again: [u8; USERS]) -> Result<(), Difference> {
        for record in self.ground.world.user_stream_after(&mut self.ground.place) {
            let user = self
                .ids
                .iter()
                .position(|id| record["dynamodb"]["Keys"]["user_id"]["S"] == json!(id));
            self.changes[user.unwrap()].push(record);
        }
        let mut batch = Vec::new();
        for user in 0..USERS {
            let received = self.model.received(user);
            same(
                "the number of changes in the stream",
                &self.changes[user].len(),
                &(received + self.model.pending(user)),
            )?;
            let from = received.saturating_sub(usize::from(again[user]));
            let to = received + usize::from(new[user]).min(self.model.pending(user));
            batch.extend_from_slice(&self.changes[user][from..to]);
            self.model.delivered(user, from, to);
        }
        if !batch.is_empty() {
            self.ground.world.deliver(batch).await;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Difference> {
        for is_told in [false, true] {
            if is_told {
                self.deliver([u8::MAX; USERS], [0; USERS]).await?;
            }
            for token in 0..self.model.tokens() {
                self.verify(token).await?;
            }
        }
        for (user, bound) in self.model.bounds() {
            let for_good = self.model.shut_out_for_good(user);
            if !for_good.is_empty() {
                self.put(user, bound).await;
            }
            for token in for_good {
                let verdict = self.ground.world.verdict(&bearer(&self.texts[token])).await;
                if verdict == ALLOW || verdict.starts_with("error") {
                    return Err(format!(
                        "token {token} had been rejected for good: {verdict:?}; {:#?}",
                        self.model
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Returns the item of a user, as an application writes it.
fn item(id: &str, bound: Bound) -> Item {
    let status = if bound.is_blocked { "blocked" } else { "active" };
    [
        ("user_id", text(id)),
        ("username", text(&format!("{id} {}", bound.name))),
        ("password_hash", text(&format!("$argon2id${}", bound.password))),
        ("status", text(status)),
        ("permissions", AttributeValue::Ss(vec!["ROLE_USER".to_owned()])),
        ("token_generation", AttributeValue::N(bound.generation.to_string())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn same<T: PartialEq + Debug>(what: &str, seen: &T, expected: &T) -> Result<(), Difference> {
    if seen == expected { Ok(()) } else { Err(format!("{what}: {seen:?} is not {expected:?}")) }
}
