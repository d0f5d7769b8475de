//! Who listens on this machine, as Linux tells it in /proc. A user sees the programs of others only where the system lets
//! them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::policy::checkup::Holder;

/// Where Linux lists sockets.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// The state LISTEN in these tables.
const LISTEN: &str = "0A";
/// Processes that are looked through.
const MAX_PROCESSES: usize = 20_000;

/// A socket that listens: where, and by which number its holder is found.
pub(super) type Listening = (SocketAddr, u64);

/// All sockets that listen.
pub(super) fn listening() -> Vec<Listening> {
    let tables = TABLES.iter().filter_map(|table| std::fs::read_to_string(table).ok());
    tables.flat_map(|table| parse(&table)).collect()
}

/// Lines of /proc/net/tcp: number, local address, remote address, state, …, and the inode as the tenth word.
fn parse(table: &str) -> Vec<Listening> {
    let socket = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_listening = words.get(3) == Some(&LISTEN);
        is_listening.then(|| Some((address(words.get(1)?)?, words.get(9)?.parse().ok()?))).flatten()
    };
    table.lines().skip(1).filter_map(socket).collect()
}

/// `0100007F:0019`: each word of four octets as this machine writes numbers.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = address.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let octets: Vec<u8> = words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let ip = match octets.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
    };
    Some(SocketAddr::new(ip, port))
}

/// Who holds the sockets of these numbers. Looks through every process, and is not for threads that must not wait.
pub(super) fn holders(inodes: &[u64]) -> BTreeMap<u64, Holder> {
    let mut found = BTreeMap::new();
    if inodes.is_empty() {
        return found;
    }
    let Ok(processes) = std::fs::read_dir("/proc") else { return found };
    let numbered = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for process in numbered.take(MAX_PROCESSES) {
        for inode in sockets_of(process).filter(|inode| inodes.contains(inode)) {
            let holder = holder(process);
            // A socket that was handed over has several holders: if we are among them, it is ours.
            if holder == Holder::Us || !found.contains_key(&inode) {
                found.insert(inode, holder);
            }
        }
    }
    found
}

fn holder(process: u32) -> Holder {
    if process == std::process::id() {
        return Holder::Us;
    }
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok();
    Holder::Other { program: name.map(|name| name.trim().to_owned()), process: Some(process) }
}

fn sockets_of(process: u32) -> impl Iterator<Item = u64> {
    let open = std::fs::read_dir(Path::new("/proc").join(process.to_string()).join("fd"));
    open.into_iter().flatten().flatten().filter_map(|file| {
        let target = std::fs::read_link(file.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n   \
            1: 0100007F:0019 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n   \
            2: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4713 1 0\n\
            nonsense\n";
        let expected = [("127.0.0.1:25".parse().unwrap(), 4711), ("[::1]:8080".parse().unwrap(), 4713)];
        assert_eq!(if cfg!(target_endian = "little") { parse(table) } else { expected.to_vec() }, expected);
    }

    #[test]
    fn our_own_listener_is_ours() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (_, inode) = listening().into_iter().find(|(other, _)| *other == address).unwrap();
        assert_eq!(holders(&[inode]).get(&inode), Some(&Holder::Us));
    }
}
