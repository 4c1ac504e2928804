//! The journal's table of nonces, as those ask it who verify tokens and know no journal.

use crate::auth::{Digest, Entered, Ledger, Unanswered};
use crate::domain::OrgId;
use crate::journal::Unavailable;
use crate::journal::postgres::NonceTable;
use crate::net::Patience;

/// A table that has to answer in time.
pub(super) struct InTime {
    pub(super) table: NonceTable,
    pub(super) within: Patience,
}

impl Ledger for InTime {
    fn enter(&self, org: &OrgId, nonce: Digest) -> Entered {
        let (entered, within) = (self.table.enter(org.clone(), nonce), self.within.time());
        Box::pin(async move {
            let entered = tokio::time::timeout(within, entered).await.unwrap_or(Err(Unavailable::Busy));
            entered.map_err(|reason| Unanswered { retry_after: reason.retry_after() })
        })
    }

    fn strike(&self, org: &OrgId, nonce: Digest) {
        self.table.strike(org.clone(), nonce);
    }
}
