//! The SOAP bridge between Workday Recruiting and imper.ai.
//!
//! Workday posts `TriggerCandidateStateChange` when a job application changes its stage. The bridge
//! reads the message, decides whether an interview starts or ends, stores the event durably,
//! answers, and delivers the event to the imper.ai relay, in order, until it arrived.
//!
//! # One way through
//!
//! ```text
//! TCP ─► net (deadlines, TLS) ─► public::soap: organisation, credentials of the head
//!     ─► xml: decode, scan, read ─► soap: Request ─► auth: Authenticated
//!     ─► domain: Position ─► journal: Ticket … decide, append, fsync … Receipt ─► answer to Workday
//!                                └─► delivery: claim (intent recorded) ─► Handler: relay | protection
//!                                                 ─► verdict ─► settle (fenced)
//! ```
//!
//! A message walks this line once, forwards. Nothing below calls up; a test reads the sources and
//! keeps it so.
//!
//! The same, hop by hop, of a message by SOAP to a relay:
//!
//! 1. [`net::serve`] accepts the connection, sets its [`net::Deadline`], makes the TLS handshake and hands the
//!    requests on one at a time.
//! 2. `public::soap::post` takes the [`organisation::Organisation`] of the path, which stays the same to
//!    the end, and has its [`auth::Verifier`] judge the head, before any of the body is read.
//! 3. [`net::read_body`] reads the body: capped, in time, inflated.
//! 4. `public::message::Envelope::read` hands it to [`soap::read`], which has [`xml`] decode, scan and read it
//!    and makes a [`soap::Request`] of it: a [`domain::StateChange`] and how to answer.
//! 5. `public::soap::admit` has a UsernameToken verified, where the head showed nothing; what comes out is
//!    [`auth::Authenticated`], and only that is stored. Then the rate counts it.
//! 6. `Envelope::store` checks the tenant and has the organisation place the candidate, by
//!    [`domain::StagePolicy::position`]; the journal gets a [`journal::Incoming`] and gives a
//!    [`journal::Ticket`] that is waited for.
//! 7. The journal's writer takes what waits as one batch, has [`journal::batch`] decide it on a scratch copy,
//!    commits, and only then gives out receipts: [`soap::success`] makes the answer of one.
//! 8. [`delivery::Pump`], woken by the commit, claims the event, which records the intent, and looks up the
//!    organisation's handler as it is then.
//! 9. [`delivery::relay::Relay`] posts it; [`delivery::verdict`] says what the answer means.
//! 10. The pump settles, naming the fence of its claim, and the application's next event may go.
//!
//! # Where to start reading
//!
//! - [`domain`]: the words. [`domain::lifecycle::decide`] is what the bridge is about.
//! - [`journal`]: the four traits, and what any store must keep. [`journal::batch`] decides a batch
//!   on a scratch copy; [`journal::embedded`] keeps it in SQLite, [`journal::postgres`] in a
//!   database that several bridges share.
//! - [`delivery`]: [`delivery::Pump`] claims and settles; [`delivery::verdict`] is the table of statuses.
//! - [`protection`]: handling events here instead; [`workday`] is asked who a protection is of.
//! - `public`: the routes that Workday calls; [`admin`]: those that an operator calls. [`net`] listens for both,
//!   [`auth`] says who may post, by a [`credential`] or a [`certificate`]; [`intake`] reads JSON in the place of SOAP.
//! - [`config`] reads the file, and [`organisation`] is what is in force of it; [`cli`] has a file a command.
//! - [`metrics`] and [`log`] tell how it goes; [`clock`] is the only source of time and chance; [`problem`] is how
//!   the API and the JSON intake say what is wrong.
//! - [`app`]: the only place where the parts are put together; `app::reload` puts another configuration in
//!   force, prepared first and then swapped.
//!
//! # Invariants
//!
//! - A [`journal::Receipt`] exists only for what is on disk; nothing is answered with success
//!   without one.
//! - The decision is made once and stored with the event. Application state, pending work,
//!   protections and figures all derive from stored records, so that they cannot disagree.
//! - An event of an application is claimed only after the one before it is settled for good.
//! - A claim records its intent before anything is sent, and a settlement names the fence of its
//!   claim: what was taken over in between changes nothing.
//! - `xml` has one reader for untrusted bytes, and it is strict. Only Workday's answers are given types by
//!   another, and only what the strict one has read to its end.
//! - Secrets are `secrecy` values from the configuration to the header they stand in.
//! - What goes out to relays and to Workday follows no redirect and no proxy of the environment: [`outbound`]
//!   makes both clients.
//!
//! Without the feature `server` (on by default) only [`domain`], [`refusal`], [`soap`] and [`xml`]
//! remain: enough to read messages, with few dependencies.

#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "server"), allow(rustdoc::broken_intra_doc_links))]

pub mod domain;
pub mod refusal;
pub mod soap;
pub mod xml;

#[cfg(feature = "server")]
pub mod admin;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod auth;
#[cfg(feature = "server")]
pub mod certificate;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod clock;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod credential;
#[cfg(feature = "server")]
pub mod delivery;
#[cfg(feature = "server")]
pub mod intake;
#[cfg(feature = "server")]
pub mod journal;
#[cfg(feature = "server")]
pub mod log;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
pub mod net;
#[cfg(feature = "server")]
pub mod organisation;
#[cfg(feature = "server")]
pub mod outbound;
#[cfg(feature = "server")]
pub mod problem;
#[cfg(feature = "server")]
pub mod protection;
#[cfg(feature = "server")]
pub mod public;
#[cfg(feature = "server")]
pub mod workday;
