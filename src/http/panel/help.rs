//! `/help/…`: the handbook. Its pages are Markdown in `web/help/`, compiled in and rendered once. Whoever comes may read them,
//! signed in or not: they name nothing of the installation, and whoever cannot sign in needs them most.

use std::sync::LazyLock;

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use crate::http::Site;

use super::frame::{self, Frame, Words};
use super::secrets::Secrets;
use super::session;

/// The pages in their order: the last part of the address, and what is written.
const TEXTS: [(&str, &str); 13] = [
    ("go-live", include_str!("../../../web/help/go-live.md")),
    ("come", include_str!("../../../web/help/come.md")),
    ("answer-as-your-alias", include_str!("../../../web/help/answer-as-your-alias.md")),
    ("did-not-arrive", include_str!("../../../web/help/did-not-arrive.md")),
    ("waits", include_str!("../../../web/help/waits.md")),
    ("refused", include_str!("../../../web/help/refused.md")),
    ("notices", include_str!("../../../web/help/notices.md")),
    ("port-25", include_str!("../../../web/help/port-25.md")),
    ("backup", include_str!("../../../web/help/backup.md")),
    ("move", include_str!("../../../web/help/move.md")),
    ("leave", include_str!("../../../web/help/leave.md")),
    ("security", include_str!("../../../web/help/security.md")),
    ("not-for", include_str!("../../../web/help/not-for.md")),
];

static CHAPTERS: LazyLock<Vec<Chapter>> =
    LazyLock::new(|| TEXTS.iter().map(|(name, text)| Chapter::new(name, text)).collect());

/// A page of the handbook.
struct Chapter {
    name: &'static str,
    title: &'static str,
    /// Its first paragraph, which is the answer, as HTML without links.
    answer: String,
    /// What stands under the title, as HTML.
    html: String,
}

#[derive(Template)]
#[template(path = "help.html", config = "web/askama.toml")]
struct HelpPage {
    frame: Frame,
    chapters: &'static [Chapter],
    shown: Option<&'static Chapter>,
}

/// `GET /help`: what there is to read.
pub(super) async fn list(State(site): State<Site>, request: Request) -> Response {
    show(&site, session::brought(&site, &request), None).await
}

/// `GET /help/{page}`.
pub(super) async fn page(State(site): State<Site>, Path(name): Path<String>, request: Request) -> Response {
    match CHAPTERS.iter().find(|chapter| chapter.name == name) {
        Some(chapter) => show(&site, session::brought(&site, &request), Some(chapter)).await,
        None => Words::new("There is no such page", "The handbook has no page of this name.")
            .link("/help", "Show the handbook")
            .answer(StatusCode::NOT_FOUND),
    }
}

async fn show(site: &Site, secrets: Secrets, shown: Option<&'static Chapter>) -> Response {
    let title = shown.map_or("Help", |chapter| chapter.title);
    let frame = Frame::for_anybody(site, &secrets, (title, "help")).await;
    frame::page(StatusCode::OK, &HelpPage { frame, chapters: &CHAPTERS, shown })
}

impl Chapter {
    fn new(name: &'static str, text: &'static str) -> Self {
        let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
        Self { name, title: title.trim_start_matches("# "), answer: first_paragraph(rest), html: rendered(rest) }
    }
}

fn first_paragraph(text: &str) -> String {
    let within = Parser::new(text).take_while(|event| !matches!(event, Event::End(TagEnd::Paragraph)));
    let words = within.filter_map(|event| match event {
        Event::Text(_) | Event::Code(_) => Some(event),
        Event::SoftBreak | Event::HardBreak => Some(Event::Text(" ".into())),
        _ => None,
    });
    let mut out = String::with_capacity(text.len());
    html::push_html(&mut out, words);
    out
}

/// Markup in the text stays text: there is no way through to HTML.
fn rendered(text: &str) -> String {
    let mut is_block = false;
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).flat_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text)],
        Event::Start(Tag::CodeBlock(_)) => {
            is_block = true;
            vec![tag("<pre class=\"reply\"><code>")]
        }
        Event::End(TagEnd::CodeBlock) => {
            is_block = false;
            vec![tag("</code></pre>\n")]
        }
        Event::Text(lines) if is_block => commands(&lines),
        Event::Code(code) => [vec![tag("<code>")], commands(&code), vec![tag("</code>")]].concat(),
        other => vec![other],
    });
    let mut out = String::with_capacity(text.len() * 2);
    html::push_html(&mut out, events);
    out
}

fn tag(text: &'static str) -> Event<'static> {
    Event::Html(CowStr::Borrowed(text))
}

/// Commands, of which no line ends within the name of an option: browsers break words at hyphens.
fn commands(text: &str) -> Vec<Event<'static>> {
    let words = text.split_inclusive([' ', '\n']).flat_map(|word| {
        let (name, space) = word.split_at(word.trim_end().len());
        let name = Event::Text(name.to_owned().into());
        let name =
            if word.starts_with('-') { vec![tag("<span class=\"option\">"), name, tag("</span>")] } else { vec![name] };
        name.into_iter().chain([Event::Text(space.to_owned().into())])
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::notices::Kind;

    #[test]
    fn a_page_opens_with_its_answer_and_lets_no_markup_through() {
        let page =
            Chapter::new("x", "# A title\n\nDo *this* with\n`waypost check`.\n\n<script>y</script>\n\n    a < b\n");
        assert_eq!((page.title, page.answer.as_str()), ("A title", "Do this with <code>waypost check</code>."));
        let option = Chapter::new("x", "# A title\n\nCall `waypost x --a-b <y>`.\n\n    x -y\n    z\n").html;
        for whole in [
            "<code>waypost x <span class=\"option\">--a-b</span> &lt;y&gt;</code>",
            "<code>x <span class=\"option\">-y</span>\nz\n</code>",
        ] {
            assert!(option.contains(whole), "{whole}: {option}");
        }
        assert!(page.html.contains("&lt;script&gt;") && !page.html.contains("<script"), "{}", page.html);
        assert!(page.html.contains("<pre class=\"reply\"><code>a &lt; b\n</code></pre>"), "{}", page.html);
    }

    #[test]
    fn every_page_has_the_answer_then_why_then_the_command() {
        for chapter in CHAPTERS.iter() {
            let words = chapter.answer.split_whitespace().count();
            assert!((12..60).contains(&words), "{}: {words} words", chapter.name);
            assert!(chapter.html.trim_start().starts_with("<p>"), "{}: the answer comes first", chapter.name);
            assert!(chapter.html.contains("<h2>") && chapter.html.contains("<code>waypost "), "{}", chapter.name);
        }
    }

    /// What is typed and what is written into a file do not stand in one block.
    #[test]
    fn a_block_is_of_commands_or_of_a_file() {
        for chapter in CHAPTERS.iter() {
            for block in chapter.html.split("<pre").skip(1).filter_map(|block| block.split("</pre>").next()) {
                let lines: Vec<_> = block.split_once("<code>").unwrap().1.lines().collect();
                let is_file = lines.iter().any(|line| line.starts_with('['));
                assert!(!is_file || lines[0].starts_with('['), "{}: {block}", chapter.name);
            }
        }
    }

    #[test]
    fn the_page_on_notices_has_a_row_for_each_kind_that_can_be_chosen() {
        let page = CHAPTERS.iter().find(|chapter| chapter.name == "notices").unwrap();
        assert!(page.html.contains("<table>"), "{}", page.html);
        for kind in Kind::ALL {
            let row = format!("<td>{}</td>", kind.title());
            assert!(page.html.contains(&row), "{row}: {}", page.html);
        }
    }

    #[test]
    fn every_file_of_the_handbook_is_a_page() {
        let written = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web/help")).unwrap();
        let mut written: Vec<_> = written.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        let mut known: Vec<_> = TEXTS.iter().map(|(name, _)| format!("{name}.md")).collect();
        written.sort();
        known.sort();
        assert_eq!(written, known);
    }
}
