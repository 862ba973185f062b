//! The steps of a sequence, and how often each occurs.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{both::USERS, model::Form};

/// A step. A token is given by a number of any size, taken modulo the number of tokens.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Issues a token, by a token of the user, live or not, or by the operator.
    Issue {
        user: usize,
        form: Form,
        parent: u8,
    },
    Verify(u8),
    /// Rotates a token, by itself.
    Rotate(u8),
    /// Revokes a token, by itself.
    Revoke(u8),
    /// Revokes the family of a token, and what the family issued for any user, by itself.
    RevokeFamily {
        token: u8,
        descendants: bool,
    },
    /// Revokes a token by its text (RFC 7009).
    RevokeByText(u8),
    /// Revokes all tokens of a user, by an administrator.
    RevokeAll(usize),
    /// Renames a user, or restores the name.
    Rename(usize),
    /// Changes the password of a user, or restores it.
    Password(usize),
    /// Blocks or unblocks a user.
    Block(usize),
    /// Removes or restores a user.
    Remove(usize),
    /// Delivers to prune, for each user, some new changes after some that it already received.
    Deliver {
        new: [u8; USERS],
        again: [u8; USERS],
    },
    /// Runs the schedule.
    Sweep,
    /// Deletes expired items.
    Ttl,
    /// Drops everything that the functions hold in memory.
    Restart,
    Pass(u64),
}

/// Generates sequences of steps.
pub fn sequences() -> impl Strategy<Value = Vec<Step>> {
    vec(steps(), 1..=30)
}

fn steps() -> impl Strategy<Value = Step> {
    let user = || 0..USERS;
    let token = || any::<u8>();
    let form = select(vec![Form::Signed, Form::Developer, Form::Jwt]);
    let issue =
        (user(), form, token()).prop_map(|(user, form, parent)| Step::Issue { user, form, parent });
    let number = || select(vec![0, 0, 1, 1, 2, u8::MAX]);
    let deliver = ([number(), number()], [number(), number()])
        .prop_map(|(new, again)| Step::Deliver { new, again });
    // The skew of the clocks, the window of a rotation, the record retention and the lifetime of a
    // token, and one second less.
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
