//! The certificate that a client has shown in its handshake, judged again whenever those who vouch for
//! certificates have changed: a connection may stay open for longer than a reload lets its client in.

use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::tls::{Handshakes, InForce};
use crate::certificate::Certificate;

/// What a client has shown, verified.
pub(super) struct Shown {
    certificate: Certificate,
    chain: Vec<CertificateDer<'static>>,
    handshakes: Handshakes,
    /// What it was last judged by, and whether that vouches for it.
    judged: RefCell<(Arc<InForce>, bool)>,
}

impl Shown {
    /// The chain of a handshake that was made with `by`, which has verified it.
    pub(super) fn new(chain: &[CertificateDer<'_>], handshakes: &Handshakes, by: Arc<InForce>) -> Option<Self> {
        let chain: Vec<_> = chain.iter().map(|each| each.clone().into_owned()).collect();
        let certificate = Certificate::from_der(chain.first()?);
        Some(Self { certificate, chain, handshakes: handshakes.clone(), judged: RefCell::new((by, true)) })
    }

    /// The certificate, if it is vouched for now.
    pub(super) fn certificate(&self) -> Option<&Certificate> {
        let expired = self.certificate.expires().is_some_and(|expires| expires < Timestamp::now());
        (!expired && self.is_vouched_for()).then_some(&self.certificate)
    }

    fn is_vouched_for(&self) -> bool {
        let (now, mut judged) = (self.handshakes.in_force(), self.judged.borrow_mut());
        if !Arc::ptr_eq(&now, &judged.0) {
            let vouched = self.verify(&now);
            *judged = (now, vouched);
        }
        judged.1
    }

    fn verify(&self, now: &InForce) -> bool {
        let (Some(verifier), Some((own, between))) = (&now.clients, self.chain.split_first()) else { return false };
        verifier.verify_client_cert(own, between, UnixTime::now()).is_ok()
    }
}
