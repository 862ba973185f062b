//! What may happen, and how often.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{both::USERS, model::Form};

/// One thing that happens. A token is one of those that there are, by a number of any size.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// By a token of the user's, alive or not, or by the operator.
    Issue {
        user: usize,
        form: Form,
        parent: u8,
    },
    Verify(u8),
    /// By itself.
    Rotate(u8),
    /// By itself.
    Revoke(u8),
    /// With its family, and what that issued for the same user or not, by itself.
    RevokeFamily {
        token: u8,
        descendants: bool,
    },
    /// By whoever holds it (RFC 7009).
    RevokeByText(u8),
    /// All tokens of a user, by an administrator.
    RevokeAll(usize),
    /// To another name, or back.
    Rename(usize),
    /// To another password, or back.
    Password(usize),
    /// Or unblock.
    Block(usize),
    /// Or put back.
    Remove(usize),
    /// Of each user so many changes that prune does not know, behind so many that it knows.
    Deliver {
        new: [u8; USERS],
        again: [u8; USERS],
    },
    /// The schedule.
    Sweep,
    /// What has had its time is removed.
    Ttl,
    /// Every function purges what it has in memory.
    Restart,
    Pass(u64),
}

/// A sequence of things that happen.
pub fn sequences() -> impl Strategy<Value = Vec<Step>> {
    vec(steps(), 1..=30)
}

fn steps() -> impl Strategy<Value = Step> {
    let user = || 0..USERS;
    let token = || any::<u8>();
    let form = select(vec![Form::Signed, Form::Developer, Form::Jwt]);
    let issue = (user(), form, token()).prop_map(|(user, form, parent)| Step::Issue { user, form, parent });
    let number = || select(vec![0, 0, 1, 1, 2, u8::MAX]);
    let deliver = ([number(), number()], [number(), number()]).prop_map(|(new, again)| Step::Deliver { new, again });
    // The skew of the clocks, the window of a rotation, the record retention and the life of a token, and what is just below.
    let pass = select(vec![1, 1, 2, 3, 60, 3_599, 3_600, 86_400]).prop_map(Step::Pass);
    prop_oneof![
        6 => issue,
        5 => token().prop_map(Step::Verify),
        3 => token().prop_map(Step::Rotate),
        1 => token().prop_map(Step::Revoke),
        2 => (token(), any::<bool>())
            .prop_map(|(token, descendants)| Step::RevokeFamily { token, descendants }),
        1 => token().prop_map(Step::RevokeByText),
        1 => user().prop_map(Step::RevokeAll),
        3 => user().prop_map(Step::Rename),
        2 => user().prop_map(Step::Password),
        4 => user().prop_map(Step::Block),
        1 => user().prop_map(Step::Remove),
        5 => deliver,
        2 => Just(Step::Sweep),
        1 => Just(Step::Ttl),
        1 => Just(Step::Restart),
        4 => pass,
    ]
}
