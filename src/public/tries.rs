//! The tries to sign in that come from one place: slowed once too many of them have failed.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::HttpRequest;

use super::Public;
use crate::auth::Denied;
use crate::domain::OrgId;
use crate::organisation::Organisation;
use crate::refusal::Refusal;

/// The tries of whoever sent a request.
pub(super) struct Tries<'p> {
    public: &'p Public,
    org: &'p OrgId,
    address: IpAddr,
}

impl<'p> Tries<'p> {
    pub(super) fn of(public: &'p Public, organisation: &'p Organisation, request: &HttpRequest) -> Self {
        Self { public, org: &organisation.id, address: public.forwarded(request).client() }
    }

    /// Whether credentials are to be looked at. It is asked right before that is done, as others may
    /// be trying at the same time.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        self.public.sign_ins.check(self.address, self.org).map_err(|wait| self.turned_away(wait))
    }

    /// Notes what came of a try.
    ///
    /// # Errors
    /// The refusal in place of it, where others have failed meanwhile.
    pub(super) fn note<T>(&self, result: &Result<T, Denied>) -> Result<(), Refusal> {
        let sign_ins = &self.public.sign_ins;
        let noted = match result {
            Ok(_) => sign_ins.succeeded(self.address, self.org),
            Err(denied) if denied.is_attempt() => sign_ins.failed(self.address, self.org).map(|slowed| {
                if slowed {
                    tracing::warn!(orgid = %self.org, address = %self.address, "sign-ins fail and are slowed from now on");
                }
            }),
            Err(_) => sign_ins.check(self.address, self.org),
        };
        noted.map_err(|wait| self.turned_away(wait))?;
        match result {
            Ok(_) => self.public.misses.succeeded(self.address, self.org),
            Err(Denied::Unanswered { .. }) => {}
            Err(denied) => {
                self.public.metrics.not_signed_in(self.org);
                self.public.misses.note(self.address, self.org, *denied);
            }
        }
        Ok(())
    }

    /// Counts a message whose credentials are not looked at.
    fn turned_away(&self, wait: Duration) -> Refusal {
        self.public.metrics.not_signed_in(self.org);
        self.public.misses.turned_away(self.org);
        too_many(wait)
    }
}

fn too_many(wait: Duration) -> Refusal {
    let message = "Too many sign-ins from your address have failed: the credentials were not looked at. \
                   Correct them, and try again after the seconds in Retry-After.";
    Refusal::too_many(message, wait)
}
