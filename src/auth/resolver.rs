//! How the resolver is set up: our servers or the system's, with time limits, and no search list.

use std::io;
use std::net::SocketAddr;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::system_conf::read_system_conf;

use super::Settings;

/// A question is asked once more when no answer came.
const RETRIES: usize = 1;
/// Answers that the resolver itself keeps; ours are kept parsed besides.
const KEPT_ANSWERS: u64 = 2048;
pub(super) fn configuration(settings: &Settings) -> io::Result<(ResolverConfig, ResolverOpts)> {
    let (servers, mut options) = if settings.servers.is_empty() {
        let (config, options) = read_system_conf().map_err(io::Error::other)?;
        (config.name_servers().to_vec(), options)
    } else {
        (settings.servers.iter().map(|server| name_server(*server)).collect(), ResolverOpts::default())
    };
    options.timeout = settings.timeout / (u32::try_from(RETRIES).unwrap_or(0) + 1);
    options.attempts = RETRIES;
    options.cache_size = KEPT_ANSWERS;
    options.edns0 = true;
    // What other hosts see counts, not what stands in a file here.
    options.use_hosts_file = ResolveHosts::Never;
    // No search list: every name is asked for as it stands.
    Ok((ResolverConfig::from_parts(None, Vec::new(), servers), options))
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    NameServerConfig::new(server.ip(), true, connections.to_vec())
}
