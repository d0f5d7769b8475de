//! Open files: as many as the system allows, and so shared out that clients who say nothing do not take the last of them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the gateway holds open itself: databases, journals, listeners, sockets of DNS.
const OWN: usize = 64;

/// As many open files as the system allows: systems start a process with 1024 for the sake of old programs.
pub(super) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, files = limit.current, "the limit of open files cannot be raised");
    }
}

/// How many SMTP clients there may be at a time: what is wanted, where enough files are left for what is to be done with
/// their mail.
pub(super) fn places(wanted: usize) -> usize {
    let allowed =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    let places = shared_out(allowed).min(wanted);
    if places < wanted {
        tracing::warn!(wanted, allowed, places, "the system allows too few open files for smtp.max_connections");
    }
    places
}

/// Three quarters of what is not our own: deliveries, spooled messages and the panel share the last.
const fn shared_out(files: usize) -> usize {
    let places = files.saturating_sub(OWN) / 4 * 3;
    if places == 0 { 1 } else { places }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_left_for_what_clients_send() {
        for (files, places) in
            [(0, 1), (64, 1), (256, 144), (1024, 720), (20_000, 14_952), (usize::MAX, usize::MAX / 4 * 3 - 48)]
        {
            assert_eq!(shared_out(files), places, "{files}");
        }
    }
}
