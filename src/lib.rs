//! Waypost: a self-hosted e-mail routing gateway. A domain's MX points at it; it accepts mail for alias addresses by SMTP,
//! looks the alias up in SQLite, rewrites the envelope and nothing else, and relays the message to the owner's real inbox.
//!
//! # The map
//!
//! Layers from the bottom up; imports point down only, and never sideways within a layer (`tests/tidy.rs` holds it).
//!
//! | layer | module | what it owns |
//! |---|---|---|
//! | 0 | [`mail`] | the words of mail: addresses, paths, header fields, trace fields, reports |
//! | 0 | [`clock`], [`chance`], [`meter`] | the only time, the only randomness, plain counters |
//! | 1 | [`smtp`] | the protocol without I/O: server session, client transaction, replies, data |
//! | 1 | [`srs`] | Sender Rewriting Scheme: sign, verify, reverse |
//! | 2 | [`policy`] | decisions, pure: routing, admission, alignment, direct, verdict, retry, report, shaping |
//! | 2 | [`net`] | the outside: DNS, TLS, fetching, which addresses may be connected to |
//! | 3 | [`auth`] | SPF and DKIM verdicts |
//! | 3 | [`store`] | all SQL: directory, rules, queue, activity, accounts |
//! | 3 | [`certificates`] | what SMTP and HTTPS present: own files, by ACME, self-signed |
//! | 4 | [`delivery`] | SMTP out: exchangers, sites, pool, attempts, settling, the scheduler |
//! | 4 | [`facts`] | gathers what policy asks, for RCPT and the simulator alike |
//! | 5 | [`admin`] | what an account may do and ask |
//! | 6 | [`inbound`] | SMTP in: listener, connection, accept |
//! | 6 | [`http`] | the API, the panel, the control socket's router |
//! | 6 | [`upkeep`] | what happens by the clock |
//! | 7 | [`config`] | the file as written, then settings as meant |
//! | 8 | [`gateway`] | builds everything, runs it, stops it in order |
//! | 9 | [`cli`], [`demo`] | the command line; the outside world on loopback |
//!
//! # The path of one message
//!
//! 1. [`inbound::listen`] takes a permit and accepts; `inbound::connection` feeds octets to [`smtp::server::Session`], which
//!    asks a [`smtp::server::Question`] and never looks anything up.
//! 2. At RCPT [`facts::Facts::recipient`] finds the rule in [`store::directory`] and has [`policy::admission`] decide.
//! 3. At the end of data `inbound::accept` gathers the facts ([`policy::facts::MessageFacts`]), plans the deliveries
//!    ([`policy::routing`]), guards the reverse-path ([`policy::alignment`]), signs it ([`srs`]) and writes the prefix
//!    ([`mail::trace_fields`]).
//! 4. [`policy::direct`] says whether [`delivery::Courier::direct`] tries at once while the sender waits; else the message
//!    is committed to [`store::queue`] and the scheduler takes it from there.
//! 5. What the next hop says is judged by one table ([`policy::verdict`]); [`policy::report`] gives the answer.
//! 6. Every outcome is a row in [`store::activity`], committed before the answer.
//!
//! # What never happens here
//!
//! A 250 before the next hop's 250 or a synced commit. A changed octet of a message. A destination's address in anything
//! that travels towards a sender. A report to a sender who was not proved. Mail relayed for anyone but verified
//! destinations of hosted aliases.

pub mod chance;
pub mod clock;
pub mod mail;
pub mod meter;

pub mod smtp;
pub mod srs;

pub mod net;
pub mod policy;

pub mod auth;
pub mod certificates;
pub mod store;

pub mod delivery;
pub mod facts;

pub mod admin;

pub mod http;
pub mod inbound;
pub mod upkeep;

pub mod config;

pub mod gateway;

pub mod cli;
pub mod demo;
