//! What the use of a replaced token leads to. A copy of the token exists then, and its thief can be
//! the one who has its successor.

use hallpass_audit::{Event, Kind};
use hallpass_runtime::settings::{self, ConfigError, Lookup};
use hallpass_service::{
    Revoker,
    family::{Issuer, Search},
};
use hallpass_store::Failure;
use hallpass_token::{Cause, Note, Record, TokenId};

use crate::Notify;

/// What the use of a replaced token leads to (`HALLPASS_ON_REUSE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReuse {
    /// The event, and the alarm on the metric `rejected`.
    Alarm,
    /// The family of the token is revoked as well, and everything that it issued. The user is not
    /// changed.
    RevokeFamily,
}

/// The setting.
const ON_REUSE: &str = "HALLPASS_ON_REUSE";

const REVOKING: &str = "revoking the family of a replaced token";

impl OnReuse {
    pub(crate) fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        match settings::text(lookup, ON_REUSE).as_deref() {
            None | Some("alarm") => Ok(Self::Alarm),
            Some("revoke_family") => Ok(Self::RevokeFamily),
            Some(_) => Err(ConfigError::new(ON_REUSE, "must be alarm or revoke_family")),
        }
    }
}

impl Notify {
    /// Revokes the families of the tokens that were used after their replacement.
    pub(crate) async fn end_reused(
        &self,
        events: &[Event],
        cause: &Cause<'_>,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Failure> {
        if self.on_reuse == OnReuse::Alarm {
            return Ok(());
        }
        let reused = events.iter().filter(|event| event.kind == Kind::ReplacedTokenUsed);
        for id in reused.filter_map(|event| event.token_id.as_ref()?.parse().ok()) {
            self.end_family(id, cause, may_go_on).await?;
        }
        Ok(())
    }

    async fn end_family(
        &self,
        id: TokenId,
        cause: &Cause<'_>,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Failure> {
        let reason = Note::parse("a replaced token of the family was used").ok();
        let cause = Cause { reason: reason.as_ref(), ..*cause };
        let revoker = Revoker { store: &self.store, retention: self.retention, cause };
        let mut search = Search::new(Issuer::find(&self.store, id).await?);
        let family = search.issuer().family();
        revoker.end_session(&family).await?;
        let is_of_family =
            |record: &Record| record.family.id == family || record.family.descends_from(&family);
        let ended = revoker.revoke_matching(&family.user_id, is_of_family).await?;
        ended.ok_or_else(|| Failure::new(REVOKING, "new tokens were issued during every pass"))?;
        while !search.step(&revoker).await?.is_over {
            if !may_go_on() {
                return Err(Failure::new(REVOKING, "the time limit was reached"));
            }
        }
        Ok(())
    }
}
