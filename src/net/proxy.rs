//! The header of the PROXY protocol, versions 1 and 2: who is behind a connection that comes by way of a proxy.
//!
//! A parser without I/O. Only what is asked of it here is understood: TCP over IPv4 and IPv6, and the forms by which a
//! proxy speaks for itself. The additional fields of version 2 are walked over within bounds, and not looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Octets of a header of version 1 with its CRLF, which the protocol fixes.
pub const MAX_V1_OCTETS: usize = 107;
/// Octets of a header of version 2 that are waited for; proxies keep to 536, and more where certificates travel along.
pub const MAX_V2_OCTETS: usize = 4096;

const V1: &[u8] = b"PROXY ";
const V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family, and length.
const V2_FIXED_OCTETS: usize = 16;

/// Whom a header speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The client behind the proxy.
    Client(SocketAddr),
    /// The proxy itself (a health check), or somebody whom it cannot name.
    Proxy,
}

/// What came is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no header of the PROXY protocol")]
pub struct Malformed;

/// Reads the header at the front of `octets`, and says how many of them it has; `None` if all of them belong to it and
/// more must come.
pub fn parse(octets: &[u8]) -> Result<Option<(Source, usize)>, Malformed> {
    if begins(octets, V1) {
        version_1(octets)
    } else if begins(octets, V2) {
        version_2(octets)
    } else {
        Err(Malformed)
    }
}

/// Whether `octets` begin with `mark`, as far as they go.
fn begins(octets: &[u8], mark: &[u8]) -> bool {
    octets.iter().zip(mark).all(|(octet, marked)| octet == marked)
}

fn version_1(octets: &[u8]) -> Result<Option<(Source, usize)>, Malformed> {
    let window = &octets[..octets.len().min(MAX_V1_OCTETS)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if octets.len() < MAX_V1_OCTETS { Ok(None) } else { Err(Malformed) };
    };
    let line = str::from_utf8(&octets[V1.len().min(end)..end]).map_err(|_| Malformed)?;
    let words = line.split(' ').collect::<Vec<_>>();
    let source = match *words.as_slice() {
        ["UNKNOWN", ..] => Source::Proxy,
        ["TCP4", from, to, from_port, to_port] => {
            client::<Ipv4Addr>((from, to), (from_port, to_port)).ok_or(Malformed)?
        }
        ["TCP6", from, to, from_port, to_port] => {
            client::<Ipv6Addr>((from, to), (from_port, to_port)).ok_or(Malformed)?
        }
        _ => return Err(Malformed),
    };
    Ok(Some((source, end + 2)))
}

/// Both ends must be well formed, though only one of them is of use.
fn client<A: std::str::FromStr + Into<IpAddr>>(
    (from, to): (&str, &str),
    (from_port, to_port): (&str, &str),
) -> Option<Source> {
    let _: (A, u16) = (to.parse().ok()?, port(to_port)?);
    let from: A = from.parse().ok()?;
    Some(source(from.into(), port(from_port)?))
}

fn port(digits: &str) -> Option<u16> {
    let well_formed = digits.bytes().all(|octet| octet.is_ascii_digit());
    if well_formed { digits.parse().ok() } else { None }
}

fn version_2(octets: &[u8]) -> Result<Option<(Source, usize)>, Malformed> {
    let Some((fixed, rest)) = octets.split_at_checked(V2_FIXED_OCTETS) else { return Ok(None) };
    let whole = V2_FIXED_OCTETS + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if fixed[12] >> 4 != 2 || whole > MAX_V2_OCTETS {
        return Err(Malformed);
    }
    let Some(rest) = rest.get(..whole - V2_FIXED_OCTETS) else { return Ok(None) };
    // A proxy that speaks for itself may put anything behind it.
    let source = match (fixed[12] & 0xf, fixed[13]) {
        (0, _) | (1, 0) => Source::Proxy,
        (1, 0x11) => client_of::<4>(rest).ok_or(Malformed)?,
        (1, 0x21) => client_of::<16>(rest).ok_or(Malformed)?,
        _ => return Err(Malformed),
    };
    Ok(Some((source, whole)))
}

/// Two addresses, two ports, and additional fields.
fn client_of<const OCTETS: usize>(octets: &[u8]) -> Option<Source>
where
    IpAddr: From<[u8; OCTETS]>,
{
    let (from, rest) = octets.split_first_chunk::<OCTETS>()?;
    let (_to, rest) = rest.split_first_chunk::<OCTETS>()?;
    let (ports, fields) = rest.split_first_chunk::<4>()?;
    are_fields(fields).then(|| source(IpAddr::from(*from), u16::from_be_bytes([ports[0], ports[1]])))
}

fn source(ip: IpAddr, port: u16) -> Source {
    Source::Client(SocketAddr::new(ip.to_canonical(), port))
}

/// Whether the octets are additional fields: a type, a length, and so many octets, to the end.
fn are_fields(mut octets: &[u8]) -> bool {
    while let Some((head, rest)) = octets.split_first_chunk::<3>() {
        let Some(behind) = rest.get(usize::from(u16::from_be_bytes([head[1], head[2]]))..) else { return false };
        octets = behind;
    }
    octets.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(text: &str) -> Source {
        Source::Client(text.parse().unwrap())
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&V2[..], &[command, family], &length, rest].concat()
    }

    /// As a proxy would write it.
    fn written(from: SocketAddr, version: u8, fields: &[u8]) -> Vec<u8> {
        let ports = [from.port().to_be_bytes(), 25_u16.to_be_bytes()].concat();
        match (version, from.ip()) {
            (1, IpAddr::V4(ip)) => format!("PROXY TCP4 {ip} 192.0.2.25 {} 25\r\n", from.port()).into_bytes(),
            (1, IpAddr::V6(ip)) => format!("PROXY TCP6 {ip} 2001:db8::25 {} 25\r\n", from.port()).into_bytes(),
            (_, IpAddr::V4(ip)) => v2(0x21, 0x11, &[&ip.octets()[..], &[192, 0, 2, 25], &ports, fields].concat()),
            (_, IpAddr::V6(ip)) => v2(0x21, 0x21, &[&ip.octets()[..], &[7; 16], &ports, fields].concat()),
        }
    }

    #[test]
    fn what_the_protocol_shows_as_examples() {
        let table: [(&[u8], Source); 6] = [
            (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", named("255.255.255.255:65535")),
            (b"PROXY TCP6 ffff:f::1 ffff:f::2 65535 65535\r\n", named("[ffff:f::1]:65535")),
            (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", named("192.0.2.1:1")),
            (b"PROXY UNKNOWN\r\n", Source::Proxy),
            (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Source::Proxy),
            (&v2(0x20, 0, b"whatever"), Source::Proxy),
        ];
        for (header, expected) in table {
            let behind = [header, b"EHLO x\r\n"].concat();
            assert_eq!(parse(&behind), Ok(Some((expected, header.len()))), "{}", header.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 25];
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        let cases: Vec<Vec<u8>> = vec![
            b"EHLO x\r\n".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\r".to_vec(),
            b"PROXY\r\n".to_vec(),
            b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::2 1 2\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
            b"PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n".to_vec(),
            long.into_bytes(),
            [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; MAX_V1_OCTETS]].concat(),
            v2(0x11, 0x11, &four),
            v2(0x22, 0x11, &four),
            v2(0x21, 0x12, &four),
            v2(0x21, 0x31, &[0; 216]),
            v2(0x21, 0x11, &four[..11]),
            v2(0x21, 0x21, &four),
            v2(0x21, 0x11, &[&four[..], &[4, 0]].concat()),
            v2(0x21, 0x11, &[&four[..], &[4, 0, 2, 1]].concat()),
            v2(0x21, 0x11, &[&four[..], &vec![0; MAX_V2_OCTETS]].concat()),
        ];
        for case in cases {
            assert_eq!(parse(&case), Err(Malformed), "{}", case.escape_ascii());
        }
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        let ip = prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from).prop_map(|ip| ip.to_canonical()),
        ];
        (ip, any::<u16>()).prop_map(SocketAddr::from)
    }

    proptest! {
        #[test]
        fn what_a_proxy_writes_is_read_with_the_last_octet_and_no_sooner(
            from in address(),
            version in 1_u8..=2,
            fields in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..4),
            behind in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let field = |(kind, value): &(u8, Vec<u8>)| {
                [&[*kind][..], &u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
            };
            let header = written(from, version, &fields.iter().flat_map(field).collect::<Vec<_>>());
            for cut in 0..header.len() {
                prop_assert_eq!(parse(&header[..cut]), Ok(None));
            }
            let whole = [&header[..], &behind].concat();
            prop_assert_eq!(parse(&whole), Ok(Some((Source::Client(from), header.len()))));
        }

        #[test]
        fn no_octets_are_waited_for_without_end(octets in prop::collection::vec(any::<u8>(), 0..200), mark in 0..3_usize) {
            let marks: [&[u8]; 3] = [b"", V1, V2];
            let mut all = [marks[mark], &octets].concat();
            let more = MAX_V2_OCTETS;
            all.extend(std::iter::repeat_n(b'x', more));
            prop_assert!(!matches!(parse(&all), Ok(None)));
            if let Ok(Some((_, used))) = parse(&all) {
                prop_assert!(used <= MAX_V2_OCTETS);
            }
        }
    }
}
