//! Which addresses a destination found by MX or address may lead to: never loopback, private, link-local, shared,
//! multicast, mapped or own ones, unless `delivery.allow_private`. Asked of the address that is connected to.

use std::net::IpAddr;

/// Why an address may not be connected to; `None`: it may.
#[must_use]
pub fn forbidden(address: IpAddr, own: &[IpAddr]) -> Option<&'static str> {
    let _ = (address, own);
    todo!("delivery")
}
