//! Decisions, pure: facts in, values out. No I/O, clock, randomness or log.
//!
//! A refusal is a value, not an error; "try later" is a third answer beside yes and no. Facts come in stages (connect,
//! sender, recipient, message) as types, so a decision cannot read what is not yet known. The server, the simulator and
//! the API call the very same functions.

pub mod admission;
pub mod alignment;
pub mod checkup;
pub mod deeds;
pub mod direct;
pub mod facts;
pub mod greylist;
pub mod guessing;
pub mod ids;
pub mod left_out;
pub mod limits;
pub mod lists;
pub mod no_mail;
pub mod no_way;
pub mod notices;
pub mod proof;
pub mod records;
pub mod redirected;
pub mod replies;
pub mod report;
pub mod retry;
pub mod roles;
pub mod routing;
pub mod rule;
#[cfg(test)]
mod samples;
pub mod senders;
pub mod settings;
pub mod shaping;
pub mod spam;
pub mod status;
pub mod verdict;
