//! The rules of tokens, as a model. It knows nothing of stores, texts, keys or prune, and predicts
//! every verification:
//!
//! 1. A token is bound to the state of its user when it was issued. It is accepted while the user
//!    exists in exactly that state and is not blocked, and while the token has neither expired nor
//!    been invalidated.
//! 2. A token that was invalidated (revoked, replaced, or by a change of the user) stays so, and
//!    keeps the first reason.
//! 3. Once prune has received any change of a user or has swept the tables, it invalidates every
//!    token that is bound to another state than the present one; and every token that was issued
//!    before a change that rejected it, once it has received that change, even if the user is back
//!    in the same state.
//! 4. A token that was issued within two seconds after a change that would have rejected it, and is
//!    bound to the state before that change because the change was undone, may or may not be
//!    invalidated with the others: it is in doubt until its next verification. In this case alone
//!    the model allows two verdicts where one is an acceptance.

/// The lifetime of a named token, in seconds.
pub const LIFE: u64 = 172_800;

/// How long a rotated token may be used in parallel with its successor, in seconds: the default.
const WINDOW: u64 = 3_600;

/// The record retention in seconds: the default.
const RETENTION: u64 = 86_400;

/// The maximum difference between the clocks of the stream and the functions, in seconds.
const SKEW: u64 = 2;

/// The form of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Signed,
    Developer,
    Jwt,
}

/// The state of a user that a token is bound to, which includes whether the user is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    pub name: u8,
    pub password: u8,
    pub is_blocked: bool,
    pub generation: u32,
}

/// A change of a user, as the stream reports it. `None` is a removed user.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: u64,
    old: Option<Bound>,
    new: Option<Bound>,
    /// The number of tokens at the time of the change.
    tokens: usize,
}

#[derive(Debug, Default)]
struct User {
    now: Option<Bound>,
    changes: Vec<Change>,
    /// The number of changes that prune has received.
    received: usize,
}

#[derive(Debug)]
struct Token {
    user: usize,
    form: Form,
    bound: Bound,
    issued_at: u64,
    /// The first token of its family.
    family: usize,
    /// The families whose tokens issued it, one after the other.
    issuers: Vec<usize>,
    /// The token that is replaced when this one is first used.
    replaces: Option<usize>,
    /// The time at which its successor replaces it at the latest.
    window_ends_at: Option<u64>,
    /// The time at which another developer token replaced it.
    regenerated_at: Option<u64>,
    end: Option<End>,
    doubt: Option<End>,
    /// Its record may have been purged.
    may_be_gone: bool,
    /// At some time since it was issued, the user was in another state.
    was_shut_out: bool,
}

/// The time and reasons of a token's invalidation: several reasons if it is unknown which came
/// first.
#[derive(Clone, Debug)]
struct End {
    at: u64,
    reasons: Vec<&'static str>,
}

/// The users, the tokens and the time.
#[derive(Debug, Default)]
pub struct Model {
    now: u64,
    users: Vec<User>,
    tokens: Vec<Token>,
}

pub const ALLOW: &str = "allow";

impl Model {
    /// Creates a model of users without any changes in the stream.
    pub fn new(users: &[Bound]) -> Self {
        let user = |bound: &Bound| User { now: Some(*bound), ..User::default() };
        Self { users: users.iter().map(user).collect(), ..Self::default() }
    }

    pub fn user(&self, user: usize) -> Option<Bound> {
        self.users[user].now
    }

    /// Returns the owner of a token.
    pub fn owner(&self, token: usize) -> usize {
        self.tokens[token].user
    }

    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Returns the users in the states for which their tokens were issued.
    pub fn bounds(&self) -> Vec<(usize, Bound)> {
        let mut bounds: Vec<(usize, Bound)> = Vec::new();
        for token in &self.tokens {
            if !bounds.contains(&(token.user, token.bound)) {
                bounds.push((token.user, token.bound));
            }
        }
        bounds
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now += seconds;
    }

    /// Returns the possible verdicts of a verification now.
    pub fn verdicts(&self, token: usize) -> Vec<&'static str> {
        let token = &self.tokens[token];
        if token.form != Form::Developer && token.issued_at + LIFE <= self.now {
            return vec!["expired"];
        }
        if token.regenerated_at.is_some() {
            return if token.may_be_gone { vec!["replaced", "unknown"] } else { vec!["replaced"] };
        }
        let mut verdicts: Vec<&'static str> = Vec::new();
        if let Some(end) = token.end.as_ref().or(token.doubt.as_ref()) {
            verdicts.extend(&end.reasons);
        }
        if token.may_be_gone {
            verdicts.push("unknown");
        }
        if token.end.is_none() {
            verdicts.push(if token.is_replaced(self.now) {
                "replaced"
            } else {
                self.of_user(token)
            });
        }
        verdicts
    }

    /// Returns the verdict on a token that has not been invalidated, by the state of its user.
    fn of_user(&self, token: &Token) -> &'static str {
        shut_out(token.bound, self.users[token.user].now).unwrap_or(ALLOW)
    }

    /// Records the verdict of a verification, and returns whether it is possible. A first use
    /// invalidates the token that it replaces.
    pub fn saw(&mut self, token: usize, verdict: &str) -> bool {
        if !self.verdicts(token).contains(&verdict) {
            return false;
        }
        let otherwise = self.of_user(&self.tokens[token]);
        let entry = &mut self.tokens[token];
        if verdict != ALLOW && verdict != otherwise && entry.end.is_none() {
            entry.end = entry
                .doubt
                .clone()
                .filter(|doubt| entry.may_be_gone || doubt.reasons.contains(&verdict));
        }
        if verdict == ALLOW {
            (entry.doubt, entry.may_be_gone) = (None, false);
            if let Some(replaced) = entry.replaces.take() {
                self.end(replaced, "replaced");
            }
        }
        true
    }

    /// Records a token that was issued by another one or by the operator.
    pub fn issued(&mut self, user: usize, form: Form, parent: Option<usize>) -> usize {
        if form == Form::Developer {
            let old = self
                .tokens
                .iter_mut()
                .filter(|token| token.user == user && token.form == Form::Developer);
            let now = self.now;
            old.for_each(|token| _ = token.regenerated_at.get_or_insert(now));
        }
        let token = self.tokens.len();
        let (family, issuers) = self.family(token, form, parent);
        self.tokens.push(Token {
            user,
            form,
            bound: self.users[user].now.unwrap(),
            issued_at: self.now,
            family,
            issuers,
            replaces: None,
            window_ends_at: None,
            regenerated_at: None,
            end: None,
            doubt: None,
            may_be_gone: false,
            was_shut_out: false,
        });
        token
    }

    /// Returns the family of a new token. A developer token stays in the family of the token that
    /// issued it; any other begins a new one.
    fn family(&self, token: usize, form: Form, parent: Option<usize>) -> (usize, Vec<usize>) {
        let Some(parent) = parent.map(|parent| &self.tokens[parent]) else {
            return (token, Vec::new());
        };
        let mut issuers = parent.issuers.clone();
        if form == Form::Developer {
            return (parent.family, issuers);
        }
        issuers.push(parent.family);
        (token, issuers)
    }

    /// Returns whether an accepted token may be rotated.
    pub fn may_rotate(&self, token: usize) -> bool {
        self.tokens[token].form != Form::Developer && self.tokens[token].window_ends_at.is_none()
    }

    /// Records the rotation of a token.
    pub fn rotated(&mut self, token: usize) -> usize {
        let successor = self.issued(self.tokens[token].user, self.tokens[token].form, Some(token));
        self.tokens[successor].family = self.tokens[token].family;
        self.tokens[successor].issuers = self.tokens[token].issuers.clone();
        self.tokens[successor].replaces = Some(token);
        self.tokens[token].window_ends_at = Some(self.now + WINDOW);
        successor
    }

    /// Records the revocation of a token.
    pub fn revoked(&mut self, token: usize) {
        self.end(token, "revoked");
    }

    /// Records the revocation of a token's family, and if `descendants`, of everything that the
    /// family issued. Only tokens that could be accepted are revoked: one whose successor replaced
    /// it stays replaced.
    pub fn family_revoked(&mut self, token: usize, descendants: bool) {
        let family = self.tokens[token].family;
        for other in 0..self.tokens.len() {
            let entry = &self.tokens[other];
            let is_of_family =
                entry.family == family || descendants && entry.issuers.contains(&family);
            if is_of_family && !entry.is_replaced(self.now) {
                self.end(other, "revoked");
            }
        }
    }

    /// Records that a user was changed, removed or restored.
    pub fn changed(&mut self, user: usize, new: Option<Bound>) {
        let (at, tokens) = (self.now, self.tokens.len());
        let changed = &mut self.users[user];
        changed.changes.push(Change { at, old: changed.now, new, tokens });
        changed.now = new;
        for token in
            self.tokens.iter_mut().filter(|token| token.user == user && Some(token.bound) != new)
        {
            token.was_shut_out = true;
        }
    }

    /// Returns the number of changes of a user that prune has not received.
    pub fn pending(&self, user: usize) -> usize {
        self.users[user].changes.len() - self.users[user].received
    }

    /// Returns the number of changes of a user that prune has received.
    pub fn received(&self, user: usize) -> usize {
        self.users[user].received
    }

    /// Records a delivery of these changes of a user to prune, some again and some for the first
    /// time.
    pub fn delivered(&mut self, user: usize, from: usize, to: usize) {
        self.users[user].received = to.max(self.users[user].received);
        let changes = self.users[user].changes[from..to].to_vec();
        if changes.is_empty() {
            return;
        }
        for index in 0..self.tokens.len() {
            let token = &self.tokens[index];
            if token.user != user || token.end.is_some() || token.is_replaced(self.now) {
                continue;
            }
            let bound = token.bound;
            if let Some(reason) = shut_out(bound, self.users[user].now) {
                self.end(index, reason);
                continue;
            }
            for change in changes.iter().filter(|change| change.old == Some(bound)) {
                let Some(reason) = shut_out(bound, change.new) else { continue };
                if index < change.tokens {
                    self.end(index, reason);
                    break;
                }
                if self.tokens[index].issued_at < change.at + SKEW {
                    let now = self.now;
                    let doubt = &mut self.tokens[index].doubt;
                    doubt.get_or_insert(End { at: now, reasons: Vec::new() }).reasons.push(reason);
                }
            }
        }
    }

    /// Records a sweep of everything.
    pub fn swept(&mut self) {
        self.expired_items_removed();
        for token in 0..self.tokens.len() {
            let entry = &self.tokens[token];
            if entry.is_replaced(self.now) {
                continue;
            }
            if let Some(reason) = shut_out(entry.bound, self.users[entry.user].now) {
                self.end(token, reason);
            }
        }
    }

    /// Records that expired items may be purged.
    pub fn expired_items_removed(&mut self) {
        for token in &mut self.tokens {
            let ended_at = token.doubt.as_ref().or(token.end.as_ref()).map(|end| end.at);
            token.may_be_gone |=
                token.regenerated_at.or(ended_at).is_some_and(|at| at + RETENTION <= self.now);
        }
    }

    /// Returns, once prune has received everything, the tokens that must never be accepted again,
    /// in any state of the user.
    pub fn shut_out_for_good(&self, user: usize) -> Vec<usize> {
        assert_eq!(self.pending(user), 0);
        (0..self.tokens.len())
            .filter(|token| self.tokens[*token].user == user && self.tokens[*token].was_shut_out)
            .collect()
    }

    fn end(&mut self, token: usize, reason: &'static str) {
        let token = &mut self.tokens[token];
        if token.end.is_none() && token.regenerated_at.is_none() {
            let mut end = token.doubt.clone().unwrap_or(End { at: self.now, reasons: Vec::new() });
            end.reasons.push(reason);
            token.end = Some(end);
        }
    }
}

impl Token {
    /// Returns whether the successor replaced the token by the end of the window: no change of the
    /// user invalidates it then.
    fn is_replaced(&self, now: u64) -> bool {
        self.window_ends_at.is_some_and(|at| at <= now)
    }
}

/// Returns why a token that is bound to one state of a user is rejected in another.
fn shut_out(bound: Bound, user: Option<Bound>) -> Option<&'static str> {
    match user {
        None => Some("user_removed"),
        Some(user) if user == bound => None,
        Some(user) if user.is_blocked => Some("user_blocked"),
        // A lowered generation is a change like any other; only a raised one revokes.
        Some(user)
            if user.generation > bound.generation
                && Bound { generation: bound.generation, ..user } == bound =>
        {
            Some("revoked")
        }
        Some(_) => Some("user_changed"),
    }
}
