//! Every page, judged: by axe-core, by its width, its text, its targets; at 320 px and 1440 px, light and dark. With PICTURES
//! set to a directory, a picture of each is kept there (`tests/pictures`).

use serde_json::Value;

use crate::driver::{Browser, Look};
use crate::server::Open;
use crate::web::House;
use crate::web::pages::{Place, Whose};

const NARROW: Look = Look { width: 320, script: true, dark: false };
const MIDDLE: Look = Look { width: 768, ..NARROW };
const WIDE: Look = Look { width: 1440, ..NARROW };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_can_use_every_page_on_a_telephone() {
    walk(NARROW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_can_use_every_page_on_a_desk() {
    walk(WIDE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_fits_what_lies_between() {
    let (house, planted) = House::planted().await;
    let (open, browser) = (Open::to(house).await, Browser::start(MIDDLE).await);
    sign_in(&open, &browser).await;
    let mut faults = Vec::new();
    for place in planted.places() {
        browser.open(&open.url(&place.path)).await;
        faults.extend(told(&place, MIDDLE, &browser.ask(MEASURES).await));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Looks at every page, light and dark.
async fn walk(look: Look) {
    let axe = axe();
    let (house, planted) = House::planted().await;
    let (open, browser) = (Open::to(house).await, Browser::start(look).await);
    sign_in(&open, &browser).await;
    let mut faults = Vec::new();
    let mut is_inside = true;
    for place in planted.places() {
        if is_inside && place.whose != Whose::Inside {
            browser.forget_cookies().await;
            is_inside = false;
        }
        browser.open(&open.url(&place.path)).await;
        faults.extend(told(&place, look, &browser.ask(MEASURES).await));
        // A page has the same parts in both shades: all is judged in one, the colours alone in the other.
        for (dark, only) in [(false, "{}"), (true, COLOURS)] {
            browser.darken(dark).await;
            let axe = if dark { "" } else { &axe };
            let found = browser.ask(&format!("{axe}\nreturn {JUDGE}({only})")).await;
            faults.extend(told(&place, Look { dark, ..look }, &found));
            keep(&browser, Look { dark, ..look }, &place).await;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn sign_in(open: &Open, browser: &Browser) {
    browser.open(&open.link().await).await;
    browser.click("main button.primary").await;
    browser.text("nav [aria-current]").await;
}

fn told(place: &Place, look: Look, found: &Value) -> Vec<String> {
    let shade = if look.dark { "dark" } else { "light" };
    let found = found.as_array().unwrap_or_else(|| panic!("{}: {found}", place.path));
    found
        .iter()
        .map(|fault| format!("{} at {} px, {shade}: {}", place.path, look.width, fault.as_str().unwrap()))
        .collect()
}

/// The judge, as `tests/browser/install` puts it in place.
fn axe() -> String {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/target/browser/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(place).unwrap_or_else(|why| panic!("{place}: {why}; tests/browser/install installs it"))
}

const COLOURS: &str = "{ runOnly: ['color-contrast'] }";
/// Every rule of axe-core but those that are for trial, and the size of targets too (WCAG 2.2).
const JUDGE: &str = "(only => axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } }, \
    ...only }).then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => \
    `${id}: ${html.slice(0, 200)}: ${failureSummary}`))))";
/// What axe-core does not measure.
const MEASURES: &str = r"
    const faults = [], page = document.documentElement, narrow = innerWidth < 760;
    const seen = e => e.getClientRects().length && !e.closest('.unseen, .skip') && getComputedStyle(e).visibility !== 'hidden';
    const all = css => [...document.querySelectorAll(css)].filter(seen);
    const about = e => e.outerHTML.slice(0, 120);
    if (page.scrollWidth > innerWidth) faults.push(`${page.scrollWidth - innerWidth} px too wide`);
    for (const e of all('body *')) {
      const words = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
      const scale = e.ownerSVGElement ? e.getScreenCTM().a : 1;
      if (words && parseFloat(getComputedStyle(e).fontSize) * scale < 11.9) faults.push(`text too small: ${about(e)}`);
    }
    if (all('.button.primary').length > 1) faults.push('more than one primary button');
    for (const e of all('input:not([type=hidden]), select, textarea, button'))
      if (!e.labels?.length && !e.ariaLabel && !e.textContent.trim()) faults.push(`has no name: ${about(e)}`);
    const touched = 'button, .button, input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea, ' +
      '.chip, .rail a, summary, label:has(> input), a.row';
    for (const e of narrow ? all(touched) : [])
      if (e.getBoundingClientRect().height < 43.5) faults.push(`hard to touch: ${about(e)}`);
    const bar = narrow ? all('.rail > ul:first-of-type > li') : [];
    if (new Set(bar.map(e => Math.round(e.getBoundingClientRect().top))).size > 1) faults.push('a crooked bottom bar');
    return faults;";

/// Keeps a picture where `PICTURES` names a directory.
async fn keep(browser: &Browser, look: Look, place: &Place) {
    let Ok(directory) = std::env::var("PICTURES") else { return };
    let parts = place.written.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join("-");
    let name = if name.is_empty() { "overview" } else { &name };
    let (width, shade) = (look.width, if look.dark { "dark" } else { "light" });
    let file = format!("{directory}/{name}-{width}-{shade}.png");
    std::fs::write(file, browser.picture(width).await).unwrap();
}
