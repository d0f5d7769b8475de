//! The configuration as people write it: what counts over what, and each kind of mistake with its file, line and reason.

#![expect(clippy::unwrap_used, reason = "a test ends where something is wrong")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use waypost::config::{Config, ConfigError, Loaded, Place};

struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("waypost.toml");
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(text: &str) -> Result<Loaded, ConfigError> {
    Config::load(Some(&Desk::new().file(text)), &environment(&[]))
}

fn load_env(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    Config::load(Some(&Desk::new().file("")), &environment(variables))
}

/// The mistake without the folder of its file.
fn mistake(text: &str) -> String {
    let error = load(text).expect_err(text);
    assert!(!error.to_string().contains('\n'), "one line: {error}");
    match error.place {
        Place::File { line, .. } => format!("{line}: {}", error.reason),
        place => format!("{place}: {}", error.reason),
    }
}

fn place_of(loaded: &Loaded, key: &str) -> String {
    loaded.config.sources().iter().find(|source| source.key == key).unwrap().place.to_string()
}

#[test]
fn the_commented_file_shows_the_built_in_defaults() {
    let text = include_str!("../config/waypost.toml");
    let uncommented: Vec<&str> = text.lines().map(|line| uncomment(line).unwrap_or(line)).collect();
    let defaults = load("").unwrap();
    assert_eq!(format!("{:?}", load(text).unwrap().config), format!("{:?}", defaults.config));
    let shown = load(&uncommented.join("\n")).unwrap();
    assert_eq!(format!("{:?}", shown.config), format!("{:?}", defaults.config));
    for source in shown.config.sources() {
        let there = source.place != Place::Default || source.key == "delivery.routes";
        assert!(there, "config/waypost.toml does not show {}", source.key);
    }
}

/// `#key = value` is a setting; `# text` is a comment.
fn uncomment(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()) && rest.contains(" = "))
}

#[test]
fn every_key_of_the_commented_file_has_its_default_value() {
    let text = include_str!("../config/waypost.toml");
    let uncommented: Vec<&str> = text.lines().map(|line| uncomment(line).unwrap_or(line)).collect();
    let (shown, defaults) = (load(&uncommented.join("\n")).unwrap(), load("").unwrap());
    for (shown, default) in shown.config.sources().iter().zip(&defaults.config.sources()) {
        assert_eq!((shown.key, &shown.value), (default.key, &default.value));
    }
}

#[test]
fn without_a_file_it_serves_on_loopback() {
    let config = load("").unwrap().config;
    assert_eq!(config.smtp.listen, ["127.0.0.1:2525".parse().unwrap()]);
    assert_eq!(config.http.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.data_dir, Path::new("data"));
    assert_eq!(config.database, Path::new("data/waypost.db"));
    assert_eq!(config.srs.secrets_file, Path::new("data/srs.secrets"));
    assert_eq!(config.smtp.max_message_bytes, 52_428_800);
    assert_eq!(config.instance.lifetime, Duration::from_secs(5 * 86_400));
}

#[test]
fn a_file_says_what_it_means() {
    let text = r#"
        hostname = "MX.Example.ORG"
        data_dir = "/srv/waypost"
        [smtp]
        listen = ["[::]:25", "127.0.0.1:26"]
        max_message_bytes = "10MiB"
        tls_certificate = "/etc/tls/cert.pem"
        tls_key = "/etc/tls/key.pem"
        [dns]
        servers = ["192.0.2.53", "127.0.0.1:5353"]
        [delivery]
        relay = "smtps://relay.example"
        custody = "always"
        [delivery.routes]
        "corp.example" = "smtp://10.0.0.5:2525"
        [log]
        format = "json"
    "#;
    let config = load(text).unwrap().config;
    assert_eq!(config.hostname.as_str(), "mx.example.org");
    assert_eq!(config.instance.hostname, config.hostname);
    assert_eq!(config.delivery.hostname, config.hostname);
    assert_eq!(config.smtp.listen.len(), 2);
    assert_eq!(config.smtp.max_message_bytes, 10 << 20);
    assert_eq!(config.smtp.tls_files, Some(("/etc/tls/cert.pem".into(), "/etc/tls/key.pem".into())));
    assert_eq!(config.dns_servers, ["192.0.2.53:53".parse().unwrap(), "127.0.0.1:5353".parse().unwrap()]);
    assert_eq!(config.database, Path::new("/srv/waypost/waypost.db"));
    assert_eq!(config.delivery.relay.unwrap().port, 465);
    let (domain, hop) = config.delivery.routes.first_key_value().unwrap();
    assert_eq!((domain.as_str(), hop.host.to_string().as_str(), hop.port), ("corp.example", "[10.0.0.5]", 2525));
    assert!(config.log.json);
}

#[test]
fn the_environment_wins_over_the_file_and_each_value_knows_its_place() {
    let desk = Desk::new();
    let path = desk.file("hostname = \"a.example\"\n[smtp]\nmax_recipients = 200\nmax_connections = 7\n");
    let variables = environment(&[
        ("WAYPOST_SMTP__MAX_RECIPIENTS", "300"),
        ("WAYPOST_SMTP__LISTEN", "127.0.0.1:1, [::1]:2"),
        ("WAYPOST_DELIVERY__ROUTES", "a.example=smtp://10.0.0.1, b.example=smtps://10.0.0.2"),
        ("WAYPOST_DELIVERY__ALLOW_PRIVATE", "true"),
        ("HOME", "/nowhere"),
    ]);
    let loaded = Config::load(Some(&path), &variables).unwrap();
    assert_eq!(loaded.config.smtp.max_recipients, 300);
    assert_eq!(loaded.config.smtp.max_connections, 7);
    assert_eq!(loaded.config.smtp.listen.len(), 2);
    assert_eq!(loaded.config.delivery.routes.len(), 2);
    assert!(loaded.config.delivery.allow_private);
    assert_eq!(place_of(&loaded, "smtp.max_recipients"), "WAYPOST_SMTP__MAX_RECIPIENTS");
    assert_eq!(place_of(&loaded, "smtp.max_connections"), format!("{}:4", path.display()));
    assert_eq!(place_of(&loaded, "smtp.answer_within"), "default");
}

#[test]
fn the_file_is_the_named_one_then_the_variables() {
    let (one, other) = (Desk::new(), Desk::new());
    let named = one.file("hostname = \"named.example\"");
    let path = other.file("hostname = \"variable.example\"");
    let variables = environment(&[("WAYPOST_CONFIG", path.to_str().unwrap())]);
    let by_variable = Config::load(None, &variables).unwrap();
    assert_eq!((by_variable.config.hostname.as_str(), by_variable.file), ("variable.example", Some(path)));
    let by_name = Config::load(Some(&named), &variables).unwrap();
    assert_eq!((by_name.config.hostname.as_str(), by_name.file), ("named.example", Some(named.clone())));
    std::fs::remove_file(&named).unwrap();
    let missing = Config::load(Some(&named), &variables).unwrap_err();
    assert!(missing.to_string().starts_with(&format!("{}: the configuration cannot be read: ", named.display())));
}

#[test]
fn mistakes_in_the_form_name_the_line() {
    assert_eq!(mistake("\n\nhostname = \n"), "3: string values must be quoted, expected literal string");
    assert!(mistake("hostname = \"a\"\nhostname = \"b\"\n").starts_with("2: duplicate key"));
    assert_eq!(mistake("smtp = 5\n"), "1: smtp is a section; write [smtp] and its keys below");
}

#[test]
fn unknown_keys_are_refused_with_a_proposal() {
    assert_eq!(mistake("[smtp]\n\nlisten_on = []\n"), "3: there is no key smtp.listen_on");
    assert_eq!(
        mistake("[smtp]\nlisten = []\nmax_recipient = 5\n"),
        "3: there is no key smtp.max_recipient; did you mean smtp.max_recipients?"
    );
    assert_eq!(mistake("greylist = true\n"), "1: there is no key greylist; did you mean policy.greylist?");
    assert_eq!(mistake("[mail]\nport = 25\n"), "1: there is no key mail");
    let error = load_env(&[("WAYPOST_SMTP__LISTN", "x")]).unwrap_err();
    assert_eq!(error.to_string(), "WAYPOST_SMTP__LISTN: there is no key smtp.listn; did you mean smtp.listen?");
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    assert_eq!(
        mistake("[smtp]\nlisten = \"127.0.0.1:25\"\n"),
        "2: smtp.listen: must be a list of texts, such as [\"…\"], not string"
    );
    assert_eq!(
        mistake("[smtp]\nlisten = [\n  \"127.0.0.1:25\",\n  25,\n]\n"),
        "4: smtp.listen: its entries must be texts in quotes, not integer"
    );
    assert_eq!(mistake("hostname = 5\n"), "1: hostname: must be a text in quotes, not integer");
    assert_eq!(
        mistake("[smtp]\nmax_recipients = \"many\"\n"),
        "2: smtp.max_recipients: must be a whole number, not string"
    );
    assert_eq!(mistake("[smtp]\nmax_recipients = -1\n"), "2: smtp.max_recipients: -1 is not a whole number from 0");
    assert_eq!(
        mistake("[smtp]\nanswer_within = 10\n"),
        "2: smtp.answer_within: must be a duration with its unit, such as \"10s\", not integer"
    );
    assert_eq!(mistake("[policy]\ngreylist = \"yes\"\n"), "2: policy.greylist: must be true or false, not string");
    assert_eq!(
        mistake("[delivery]\nroutes = []\n"),
        "2: delivery.routes: must be a section with a line for each entry, not array"
    );
    assert_eq!(
        load_env(&[("WAYPOST_POLICY__GREYLIST", "yes")]).unwrap_err().to_string(),
        "WAYPOST_POLICY__GREYLIST: policy.greylist: \"yes\" is neither true nor false"
    );
}

#[test]
fn impossible_values_are_refused_with_what_would_be_right() {
    let table = [
        ("[smtp]\nlisten = [\"localhost:25\"]", "2: smtp.listen: \"localhost:25\" is not an address with a port"),
        ("hostname = \"a b\"", "1: hostname: \"a b\": a domain name has no ' ', only letters, digits and hyphens"),
        ("data_dir = \"\"", "1: data_dir: must not be empty"),
        ("[database]\nurl = \"postgres://x\"", "2: database.url: \"postgres://x\" is not a database such as"),
        ("[smtp]\nmax_message_bytes = \"10MB\"", "2: smtp.max_message_bytes: \"10MB\" is not a size"),
        ("[smtp]\ntls_key = \"k\"", "2: smtp.tls_key: wants smtp.tls_certificate beside it"),
        ("[http]\npublic_url = \"panel\"", "2: http.public_url: \"panel\" is not a web address"),
        (
            "[http]\npublic_url = \"https://a.example/mail\"",
            "2: http.public_url: \"https://a.example/mail\" has a path",
        ),
        (
            "[http]\nallowed_hosts = [\"https://panel.lan\"]",
            "2: http.allowed_hosts: \"https://panel.lan\": a domain name has no ':'",
        ),
        (
            "[smtp]\nlisten = [\"127.0.0.1:8080\"]\n[http]\nlisten = [\"[::1]:1\", \"127.0.0.1:8080\"]",
            "4: http.listen: 127.0.0.1:8080 stands in smtp.listen already",
        ),
        (
            "[http]\ncompat = [\"gmail\"]",
            "2: http.compat: \"gmail\" is not one of \"addy\", \"simplelogin\", \"cloudflare\"",
        ),
        ("[tls]\nacme = \"maybe\"", "2: tls.acme: \"maybe\" is not one of \"off\", \"on\""),
        ("[dns]\nservers = [\"ns.example\"]", "2: dns.servers: \"ns.example\" is not a DNS server"),
        ("[delivery]\nrelay = \"relay.example\"", "2: delivery.relay: \"relay.example\" is not a next hop"),
        (
            "[delivery]\nrelay_username = \"me\"",
            "2: delivery.relay_username: wants delivery.relay_password_file beside it",
        ),
        ("[delivery]\nretry = []", "2: delivery.retry: needs 1 to 100 waits"),
        ("[delivery]\nretry = [\"1m\", \"0s\"]", "2: delivery.retry: each wait must lie between 1s and 7d"),
        ("[delivery]\nretry = [\"1m\", \"8d\"]", "2: delivery.retry: each wait must lie between 1s and 7d"),
        ("[delivery]\nretry = [\"1m\", \"soon\"]", "2: delivery.retry: \"soon\" is not a duration"),
        ("[delivery.routes]\n\n\"a.example\" = \"10.0.0.1\"", "3: delivery.routes: \"10.0.0.1\" is not a next hop"),
        (
            "[smtp]\nproxy_protocol_from = [\"10.0.0.0/33\"]",
            "2: smtp.proxy_protocol_from: \"10.0.0.0/33\" is neither an address nor a network, such as",
        ),
        (
            "[http]\ntrusted_proxies = [\"127.0.0.1\", \"10.1.2.3/8\"]",
            "2: http.trusted_proxies: \"10.1.2.3/8\" is no network: its address goes on behind its length, where 10.0.0.0/8",
        ),
        ("[policy]\nspf = \"on\"", "2: policy.spf: \"on\" is not one of \"off\", \"observe\", \"enforce\""),
        ("[log]\nlevel = \"loud\"", "2: log.level: \"loud\" is not one of"),
        ("[notify]\nto = [\"me\"]", "2: notify.to: \"me\": the address has no @"),
    ];
    for (text, expected) in table {
        let found = mistake(text);
        assert!(found.starts_with(expected), "{text:?}\n  expected {expected}\n  found    {found}");
    }
}

/// A number with its unit, in the least of its units: whole, octets or seconds.
fn in_units(text: &str) -> (u64, bool) {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = units.iter().find(|(unit, _)| *unit == &text[digits.len()..]).map_or(1, |(_, unit)| *unit);
    (digits.parse::<u64>().unwrap() * unit, text.ends_with(['s', 'm', 'h', 'd']))
}

#[test]
fn the_sample_of_the_readme_is_one() {
    let readme = include_str!("../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("Configuration\n")).unwrap();
    let sample: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let config = load(&sample.join("\n")).unwrap().config;
    assert_eq!(config.hostname.as_str(), "mx.example.org");
    assert_eq!((config.smtp.listen[0].port(), config.http.https_listen[0].port()), (25, 443));
    assert!(config.acme.is_some());
}

/// Each number of the commented file has its range beside it, and it is the one that counts.
#[test]
fn a_number_that_makes_no_sense_is_refused_with_the_range_that_the_commented_file_names() {
    let (mut section, mut seen) = ("", 0);
    for line in include_str!("../config/waypost.toml").lines() {
        section = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(section);
        let Some((key, value)) = uncomment(line).and_then(|setting| setting.split_once(" = ")) else { continue };
        let (default, range) = value.split_once("  # ").unwrap_or((value, ""));
        let bare = default.trim_matches('"');
        let Some((least, most)) = range.split_once(" to ") else {
            let is_number = bare.starts_with(|c: char| c.is_ascii_digit()) && !bare.contains(['.', ',']);
            assert!(!is_number, "{section}.{key} names no range");
            continue;
        };
        seen += 1;
        let ((least_number, is_span), (most_number, _)) = (in_units(least), in_units(most));
        let written = |number: u64| if is_span { format!("\"{number}s\"") } else { number.to_string() };
        let file = |number: u64| format!("[{section}]\n{key} = {}\n", written(number));
        for sound in [least_number, most_number] {
            load(&file(sound)).unwrap_or_else(|error| panic!("{section}.{key} = {sound}: {error}"));
        }
        for wrong in [least_number.checked_sub(1), Some(most_number + 1)].into_iter().flatten() {
            let expected = format!("2: {section}.{key}: must lie between {least} and {most}");
            assert_eq!(mistake(&file(wrong)), expected);
        }
    }
    assert!(seen > 25, "{seen} ranges were found");
}

#[test]
fn a_file_that_is_not_text_is_refused_by_its_line() {
    let desk = Desk::new();
    let path = desk.file("");
    std::fs::write(&path, b"data_dir = \"a\"\nhostname = \"\xff\"\n").unwrap();
    let error = Config::load(Some(&path), &environment(&[])).unwrap_err();
    assert_eq!(error.to_string(), format!("{}:2: this is not UTF-8", path.display()));
}

#[test]
fn what_is_not_acted_on_is_said() {
    let file = "[notify]\ndigest = \"off\"\nheartbeat_url = \"https://beat.example\"\n[policy]\narc = \"seal\"\n";
    let loaded = load(file).unwrap();
    let said: Vec<_> = loaded.warnings.iter().map(|line| line.rsplit('/').next().unwrap()).collect();
    assert_eq!(said, ["waypost.toml:5: policy.arc is read but not acted on in this version"]);
    assert!(load("").unwrap().warnings.is_empty());
    let from_env = load_env(&[("WAYPOST_POLICY__ARC", "seal")]).unwrap();
    assert_eq!(from_env.warnings, ["WAYPOST_POLICY__ARC: policy.arc is read but not acted on in this version"]);
}
