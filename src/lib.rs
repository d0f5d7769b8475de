//! Waypost: a self-hosted e-mail routing gateway.

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
