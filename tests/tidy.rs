//! The house rules, held by reading the source: who may import whom, the home of each foreign crate, the purity of the core,
//! the length of functions, the head of every file, and that nothing unfinished is left lying about.
//!
//! Code that only tests see (`#[cfg(test)]`, `tests.rs`) may reach anywhere and be of any length.

#![expect(clippy::unwrap_used, reason = "a test ends where something is wrong")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// Lines of the function in the middle, at most.
const MEDIAN_LINES: usize = 10;
/// Lines that nine functions of ten stay within.
const MOST_LINES: usize = 40;
/// Lines of the longest function.
const LONGEST_LINES: usize = 70;

/// The parts from the bottom up. A part may import those of a smaller rank, never those of its own. Within DESIGN's layers
/// two steps are drawn: the clock knows `mail`'s moment, and `net` tells its facts in the words of `policy`.
const RANKS: &[(&str, u32)] = &[
    ("mail", 0),
    ("clock", 5),
    ("chance", 5),
    ("meter", 5),
    ("smtp", 10),
    ("srs", 10),
    ("policy", 20),
    ("net", 25),
    ("auth", 30),
    ("store", 30),
    ("certificates", 30),
    ("delivery", 40),
    ("facts", 40),
    ("admin", 50),
    ("inbound", 60),
    ("http", 60),
    ("upkeep", 60),
    ("config", 70),
    ("gateway", 80),
    ("demo", 85),
    ("cli", 90),
    ("main", 100),
    ("lib", 100),
];

/// Data in, data out.
const CORE: [&str; 4] = ["mail", "smtp", "srs", "policy"];

/// What the core has no use for: time, chance, files, sockets, tasks, logs.
const NOT_IN_CORE: &[&str] = &[
    "crate::clock",
    "crate::chance",
    "crate::meter",
    "crate::net",
    "std::fs",
    "std::process",
    "std::thread",
    "std::env",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "tokio",
    "rand",
    "tracing",
    "axum",
    "sqlx",
];

/// Where each foreign crate lives.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("axum", &["http", "gateway", "cli"]),
    ("tower", &["http", "gateway", "cli"]),
    ("tower_http", &["http"]),
    ("utoipa_axum", &["http"]),
    ("askama", &["http"]),
    ("pulldown_cmark", &["http"]),
    ("qrcode", &["http"]),
    ("rust_embed", &["http"]),
    ("hickory_resolver", &["net", "auth"]),
    ("hickory_proto", &["net", "demo"]),
    ("ipnet", &["net"]),
    ("rustls", &["net", "certificates", "inbound", "delivery", "demo"]),
    ("tokio_rustls", &["net", "certificates", "inbound", "delivery", "http", "demo"]),
    ("rustls_native_certs", &["net"]),
    ("rcgen", &["certificates", "demo"]),
    ("instant_acme", &["certificates"]),
    ("x509_parser", &["certificates"]),
    ("mail_auth", &["auth"]),
    ("mail_parser", &["mail"]),
    ("idna", &["mail"]),
    ("hmac", &["srs"]),
    ("argon2", &["admin"]),
    ("totp_rs", &["admin"]),
    ("sha1", &["srs"]),
    ("rand", &["chance"]),
    ("toml", &["config"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("comfy_table", &["cli"]),
    ("tracing_subscriber", &["cli"]),
];

/// Rules are changed and asked through `admin` alone; what it answers may be named.
const BEHIND_ADMIN: [&str; 2] = ["store.rules", "store.directory"];
const BEFORE_ADMIN: [&str; 3] = ["http", "upkeep", "cli"];

#[test]
fn imports_point_down() {
    let mut faults = Faults::new("imports point down, and never sideways within a layer (DESIGN section 2)");
    for file in sources() {
        let Some(rank) = rank(&file.part) else {
            faults.add(&file, 1, &format!("{} has no place in the table of layers", file.part));
            continue;
        };
        for path in file.paths() {
            let Some(other) = path.names.strip_prefix(&["crate".to_owned()]).and_then(<[String]>::first) else {
                continue;
            };
            let above = rank_of_module(other).is_some_and(|other| other >= rank);
            if above && *other != file.part {
                faults.add(&file, path.line, &format!("{} may not know {other}", file.part));
            }
        }
    }
    faults.report();
}

#[test]
fn rules_are_reached_through_admin() {
    let mut faults = Faults::new("http, cli and upkeep reach rules only through admin (DESIGN section 2)");
    for file in sources().iter().filter(|file| BEFORE_ADMIN.contains(&file.part.as_str())) {
        let reaches = |line: &str| BEHIND_ADMIN.iter().any(|hidden| line.contains(hidden));
        for (number, line) in file.text.lines().enumerate().filter(|(_, line)| reaches(line)) {
            faults.add(file, number + 1, line.trim());
        }
    }
    faults.report();
}

#[test]
fn foreign_crates_stay_at_home() {
    let mut faults = Faults::new("each foreign crate has one home (STYLE rule 3)");
    for file in sources() {
        for path in file.paths() {
            let home = HOMES.iter().find(|(name, _)| *name == path.names[0]);
            if let Some((name, homes)) = home.filter(|(_, homes)| !homes.contains(&file.part.as_str())) {
                faults.add(&file, path.line, &format!("{name} lives in {}", homes.join(", ")));
            }
        }
    }
    faults.report();
}

#[test]
fn the_core_is_pure() {
    let mut faults = Faults::new("the core takes bytes and time, and gives values (STYLE rule 4)");
    for file in sources().iter().filter(|file| CORE.contains(&file.part.as_str())) {
        for path in file.paths().iter().filter(|path| NOT_IN_CORE.iter().any(|impure| path.is_within(impure))) {
            faults.add(file, path.line, &path.names.join("::"));
        }
        for (word, line) in &file.words {
            if matches!(word.as_str(), "async" | "await" | "println" | "eprintln" | "dbg") {
                faults.add(file, *line, word);
            }
        }
    }
    faults.report();
}

#[test]
fn functions_are_short() {
    let mut functions: Vec<Function> = sources().iter().flat_map(functions_of).collect();
    functions.sort_by_key(|function| function.lines);
    let at = |percent: usize| functions[(functions.len() - 1) * percent / 100].lines;
    let (median, most) = (at(50), at(90));
    println!("{} functions: median {median} lines, 90th percentile {most}", functions.len());
    let longest = functions.iter().rev().take(10).fold(String::new(), |mut list, function| {
        let _ = writeln!(list, "  {}: {} has {} lines", function.place, function.name, function.lines);
        list
    });
    assert!(
        functions.last().is_none_or(|longest| longest.lines <= LONGEST_LINES),
        "over {LONGEST_LINES} lines:\n{longest}"
    );
    assert!(median <= MEDIAN_LINES, "the median is {median} lines, not {MEDIAN_LINES}");
    assert!(most <= MOST_LINES, "the 90th percentile is {most} lines, not {MOST_LINES}; the longest:\n{longest}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut faults = Faults::new("a file opens with //! (STYLE rule 1)");
    let tests = files_below("tests", &["rs"]).into_iter().map(|path| Source::read(&path));
    for file in sources().into_iter().chain(tests).filter(|file| !file.text.starts_with("//! ")) {
        faults.add(&file, 1, "has no head");
    }
    faults.report();
}

/// Two schemas of one name are one in the description of the API, and one of the two is then described wrongly.
#[test]
fn schemas_have_names_of_their_own() {
    let mut faults = Faults::new("a schema of the API has a name that no other has");
    let mut seen = std::collections::BTreeSet::new();
    for file in sources() {
        for (name, line) in schemas_of(&file.text) {
            if !seen.insert(name.clone()) {
                faults.add(&file, line, &format!("there is another {name}: #[schema(as = …)]"));
            }
        }
    }
    assert!(seen.len() > 50, "the schemas are found: {seen:?}");
    faults.report();
}

/// The names that the types of a file have in the description of the API, each with its line.
fn schemas_of(text: &str) -> Vec<(String, usize)> {
    let (mut names, mut is_schema, mut renamed) = (Vec::new(), false, None);
    for (number, line) in text.lines().enumerate() {
        if line.contains("#[derive(") {
            (is_schema, renamed) = (line.contains("ToSchema"), None);
        }
        if let Some((_, rest)) = line.split_once("schema(as = ") {
            renamed = rest.split([')', ',']).next().map(str::to_owned);
        }
        let declared = line.split_once("enum ").or_else(|| line.split_once("struct ")).filter(|_| is_schema);
        if let Some((_, rest)) = declared.filter(|_| !line.trim_start().starts_with("//")) {
            let own = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            names.push((renamed.take().unwrap_or_else(|| own.to_owned()), number + 1));
            is_schema = false;
        }
    }
    names
}

#[test]
fn nothing_is_left_undone() {
    let mut faults = Faults::new("nothing unfinished is left in the tree");
    // Written apart, so that this line does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X "),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
    ];
    let scripts = ["tests/run", "tests/long", ".ci/run"].map(|name| root().join(name));
    let all =
        files_below("src", &["rs", "html", "css", "js", "sql"]).into_iter().chain(files_below("migrations", &["sql"]));
    for path in all.chain(files_below("web", &["html", "css", "js", "md"])).chain(scripts) {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)))
        {
            faults.add_at(&path, number + 1, line.trim());
        }
    }
    faults.report();
}

#[test]
fn the_reader_finds_paths_however_they_are_written() {
    let text = "use crate::{a, b::{c, d as e}};\n#[cfg(test)]\nmod tests { use crate::x; }\nfn f() { crate::g::h(vec![k::l()]); super::m::n() }\n";
    let source = Source::parse(Path::new("src/mail/dsn.rs"), text);
    let found: Vec<String> =
        source.paths().iter().map(|path| format!("{}:{}", path.line, path.names.join("::"))).collect();
    assert_eq!(
        found,
        ["1:crate::a", "1:crate::b::c", "1:crate::b::d", "4:crate::g::h", "4:k::l", "4:crate::mail::m::n"]
    );
    assert_eq!(
        Source::parse(Path::new("src/net/mod.rs"), "use super::store::x;").paths()[0].names.join("::"),
        "crate::store::x"
    );
}

// The reader of sources.

/// A source file, its tests left out.
struct Source {
    path: PathBuf,
    /// The top-level module that it belongs to.
    part: String,
    text: String,
    /// Every identifier with its line.
    words: Vec<(String, usize)>,
    found: Vec<Found>,
}

/// A path as the compiler sees it: `crate::mail::Domain`, however it is written.
#[derive(Clone)]
struct Found {
    names: Vec<String>,
    line: usize,
}

impl Found {
    fn is_within(&self, outer: &str) -> bool {
        let outer: Vec<&str> = outer.split("::").collect();
        self.names.len() >= outer.len() && self.names.iter().zip(&outer).all(|(name, outer)| name == outer)
    }
}

impl Source {
    fn read(path: &Path) -> Self {
        Self::parse(path.strip_prefix(root()).unwrap_or(path), &std::fs::read_to_string(path).unwrap())
    }

    fn parse(path: &Path, text: &str) -> Self {
        let modules = modules_of(path);
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut walk = Walk { modules: modules.clone(), words: Vec::new(), found: Vec::new() };
        if !modules.iter().any(|module| module == "tests") {
            walk.stream(tokens);
        }
        let part = modules.first().cloned().unwrap_or_else(|| "lib".to_owned());
        Self { path: path.to_owned(), part, text: text.to_owned(), words: walk.words, found: walk.found }
    }

    fn paths(&self) -> &[Found] {
        &self.found
    }
}

/// The module path of a file: `src/net/tls.rs` is `net::tls`, `src/net/mod.rs` is `net`.
fn modules_of(path: &Path) -> Vec<String> {
    let inner = path.strip_prefix("src").unwrap_or(path).with_extension("");
    let mut modules: Vec<String> = inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if modules.last().is_some_and(|last| last == "mod") {
        modules.pop();
    }
    modules
}

/// Walks over tokens, so that macros are read like everything else.
struct Walk {
    modules: Vec<String>,
    words: Vec<(String, usize)>,
    found: Vec<Found>,
}

impl Walk {
    fn stream(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.step(&tokens, at);
        }
    }

    /// Reads what begins at `at` and returns where the next begins.
    fn step(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        match &tokens[at] {
            TokenTree::Punct(mark) if mark.as_char() == '#' && is_for_tests(tokens.get(at + 1)) => {
                after_item(tokens, at + 2)
            }
            TokenTree::Ident(_) => self.path(tokens, at, &[]),
            TokenTree::Group(group) => {
                self.stream(group.stream());
                at + 1
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at + 1,
        }
    }

    /// Reads `a::b::c`, or `a::{b, c::d}` as the two paths that it means.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, outer: &[String]) -> usize {
        let (mut names, line) = (outer.to_vec(), tokens[at].span().start().line);
        while let Some(TokenTree::Ident(name)) = tokens.get(at) {
            self.words.push((name.to_string(), line));
            names.push(name.to_string());
            at += 1;
            if !is_colons(tokens, at) {
                break;
            }
            at += 2;
            if let Some(TokenTree::Group(group)) = tokens.get(at).filter(|token| is_braces(token)) {
                self.branches(group, &names);
                return at + 1;
            }
        }
        if names.len() > 1 {
            self.found.push(Found { names: absolute(&self.modules, names), line });
        }
        at
    }

    fn branches(&mut self, group: &Group, outer: &[String]) {
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        let (mut at, mut begins) = (0, true);
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(_) if begins => {
                    at = self.path(&tokens, at, outer);
                    begins = false;
                }
                TokenTree::Punct(mark) => {
                    begins = mark.as_char() == ',';
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    is_colon(tokens.get(at)) && is_colon(tokens.get(at + 1))
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn is_for_tests(attribute: Option<&TokenTree>) -> bool {
    attribute.is_some_and(|attribute| attribute.to_string().replace(' ', "") == "[cfg(test)]")
}

/// Where the item ends that begins at `at`: behind its braces or its semicolon.
fn after_item(tokens: &[TokenTree], at: usize) -> usize {
    let ends = |token: &TokenTree| is_braces(token) || matches!(token, TokenTree::Punct(mark) if mark.as_char() == ';');
    tokens[at..].iter().position(ends).map_or(tokens.len(), |length| at + length + 1)
}

/// Resolves `super` and `self` against the module that they stand in.
fn absolute(modules: &[String], names: Vec<String>) -> Vec<String> {
    let ups = names.iter().take_while(|name| *name == "super").count();
    let rest = &names[ups..];
    if ups == 0 || ups > modules.len() {
        return names;
    }
    let outer = &modules[..modules.len() - ups];
    std::iter::once("crate".to_owned()).chain(outer.iter().cloned()).chain(rest.iter().cloned()).collect()
}

/// A function and how long it is.
struct Function {
    place: String,
    name: String,
    lines: usize,
}

fn functions_of(file: &Source) -> Vec<Function> {
    if modules_of(&file.path).iter().any(|module| module == "tests") {
        return Vec::new();
    }
    let tree = syn::parse_file(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path.display()));
    let mut measure = Measure { path: &file.path, functions: Vec::new() };
    measure.visit_file(&tree);
    measure.functions
}

struct Measure<'a> {
    path: &'a Path,
    functions: Vec<Function>,
}

impl Measure<'_> {
    fn take(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (signature.span().start().line, block.span().end().line);
        let place = format!("{}:{first}", self.path.display());
        self.functions.push(Function { place, name: signature.ident.to_string(), lines: last - first + 1 });
    }
}

impl<'ast> Visit<'ast> for Measure<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !module.attrs.iter().any(is_test_attribute) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !function.attrs.iter().any(is_test_attribute) {
            self.take(&function.sig, &function.block);
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.take(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.take(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

fn is_test_attribute(attribute: &syn::Attribute) -> bool {
    matches!(&attribute.meta, syn::Meta::List(list) if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
}

// The tree.

/// Where the package lies; asked while running, so that another tree can be read too.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

fn sources() -> Vec<Source> {
    files_below("src", &["rs"]).iter().map(|path| Source::read(path)).collect()
}

/// All files below a folder with one of these endings; none where there is no such folder.
fn files_below(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let has_ending =
                |path: &Path| path.extension().is_some_and(|end| endings.iter().any(|ending| end == *ending));
            if path.is_dir() {
                folders.push(path);
            } else if has_ending(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn rank(part: &str) -> Option<u32> {
    RANKS.iter().find(|(name, _)| *name == part).map(|(_, rank)| *rank)
}

/// The rank of a top-level module; functions and types at the root have none.
fn rank_of_module(name: &str) -> Option<u32> {
    rank(name).filter(|_| name != "main" && name != "lib")
}

/// What was found against a rule, told all at once.
struct Faults {
    rule: &'static str,
    lines: Vec<String>,
}

impl Faults {
    fn new(rule: &'static str) -> Self {
        Self { rule, lines: Vec::new() }
    }

    fn add(&mut self, file: &Source, line: usize, what: &str) {
        self.add_at(&file.path, line, what);
    }

    fn add_at(&mut self, path: &Path, line: usize, what: &str) {
        let path = path.strip_prefix(root()).unwrap_or(path).display();
        self.lines.push(format!("  {path}:{line}: {what}"));
    }

    fn report(self) {
        assert!(self.lines.is_empty(), "{}:\n{}", self.rule, self.lines.join("\n"));
    }
}
