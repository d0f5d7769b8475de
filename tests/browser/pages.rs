//! Every page, judged: by axe-core, by its width, its text, its targets; at 320 px and 1440 px, light and dark; at 640 px and
//! 768 px by less, light and in forced colours. With PICTURES set to a directory, a picture of each is kept there
//! (`tests/pictures`).

use serde_json::{Value, json};

use crate::driver::{Browser, Look};
use crate::server::Open;
use crate::web::House;
use crate::web::pages::{PAGES, Whose};

const NARROW: Look = Look { width: 320, script: true, dark: false };
/// A window of 1280 px at twice its size.
const ZOOMED: Look = Look { width: 640, ..NARROW };
const MIDDLE: Look = Look { width: 768, ..NARROW };
const WIDE: Look = Look { width: 1440, ..NARROW };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_can_use_every_page_on_a_telephone() {
    everybody(NARROW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_can_use_every_page_on_a_desk() {
    everybody(WIDE).await;
}

async fn everybody(look: Look) {
    let axe = axe();
    walk(look, async |browser, name| judged(browser, look, (&axe, name)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_fits_at_twice_its_size_and_can_be_used_in_few_colours() {
    fits(ZOOMED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_fits_what_lies_between_and_can_be_used_in_few_colours() {
    fits(MIDDLE).await;
}

async fn fits(look: Look) {
    walk(look, async |browser, name| fitted(browser, look, name).await).await;
}

/// What is wrong with the page that is open, in light and in forced colours.
async fn fitted(browser: &Browser, look: Look, name: &str) -> Vec<String> {
    let mut faults = told(name, look, &browser.ask(&format!("{SEEN}{MEASURES}")).await);
    keep(browser, (look, "light"), name).await;
    browser.prefer("forced-colors", "active").await;
    faults.extend(told(name, look, &browser.ask(&format!("{SEEN}{FORCED}")).await));
    keep(browser, (look, "forced"), name).await;
    browser.prefer("prefers-contrast", "more").await;
    faults.extend(told(name, look, &browser.ask(CONTRAST).await));
    browser.darken(false).await;
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_can_use_what_is_empty_or_refused_on_a_telephone() {
    empty_and_refused(NARROW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_can_use_what_is_empty_or_refused_on_a_desk() {
    empty_and_refused(WIDE).await;
}

/// The pages of a house that nobody has furnished; forms that were refused, with what is wrong.
async fn empty_and_refused(look: Look) {
    let axe = axe();
    let open = Open::to(House::new().await).await;
    let browser = open.visitor(look).await;
    let mut faults = Vec::new();
    for page in PAGES.iter().filter(|page| page.whose == Whose::Inside && !page.route.contains('{')) {
        browser.open(&open.url(page.route)).await;
        faults.extend(judged_in_all(&browser, look, (&axe, &format!("empty {}", page.route))).await);
    }
    let (house, planted) = House::planted().await;
    let open = Open::to(house).await;
    let browser = open.visitor(look).await;
    for (path, field, wrong) in REFUSED {
        browser.open(&open.url(&planted.filled(path))).await;
        browser.write(field, wrong).await;
        // What the browser itself would not send is sent all the same.
        let submit = format!(
            "const {{ form }} = document.querySelector({field:?}); form.noValidate = true; \
             form.requestSubmit(form.querySelector('button:not([disabled], .unseen)'))"
        );
        browser.ask(&submit).await;
        browser.text("[role=alert], .wrong").await;
        faults.extend(judged_in_all(&browser, look, (&axe, &format!("refused {path}"))).await);
    }
    browser.open(&open.url("/settings/account")).await;
    browser.ask("document.querySelector('#authenticator form').requestSubmit()").await;
    browser.text("#secret").await;
    faults.extend(judged_in_all(&browser, look, (&axe, "authenticator /settings/account")).await);
    faults.extend(seldom(&open, &browser, (look, &axe)).await);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The list of keys, opened; many that were chosen and not changed, a queue that goes by a relay, and what a viewer is
/// shown and refused.
async fn seldom(open: &Open, browser: &Browser, (look, axe): (Look, &str)) -> Vec<String> {
    let mut faults = Vec::new();
    browser.open(&open.url("/aliases")).await;
    browser.press("?").await;
    browser.text("#keys[open]").await;
    faults.extend(judged_in_all(browser, look, (axe, "keys /aliases")).await);
    browser.open(&open.url("/aliases")).await;
    // By no mouse: whoever uses one is shown no focus.
    browser
        .ask("for (const each of ['[name=id]', '[value=label]']) document.querySelector(`#list ${each}`).click()")
        .await;
    browser.says(".bulk input:focus ~ .wrong", "Write a label into this field first.").await;
    // There the bar lies over no row.
    browser.ask("scrollTo(0, document.body.scrollHeight)").await;
    faults.extend(judged_in_all(browser, look, (axe, "many /aliases")).await);
    let relay = json!({ "delivery.relay": "smtp://relay.example:587" });
    open.house.operator("PATCH", "/v1/settings", relay).await.expect(200);
    browser.open(&open.url("/queue")).await;
    browser.says("main", "by the relay relay.example:587").await;
    faults.extend(judged_in_all(browser, look, (axe, "relay /queue")).await);
    let viewer = json!({ "email": "viewer@people.example", "password": "correct horse battery",
        "domains": [{ "domain": "my.example", "role": "viewer" }] });
    open.house.operator("POST", "/v1/users", viewer).await.expect(201);
    browser.forget_cookies().await;
    browser.open(&open.url("/sign-in")).await;
    browser.write("[name=email]", "viewer@people.example").await;
    browser.write("[name=password]", "correct horse battery").await;
    browser.click("main button.primary").await;
    browser.text("nav [aria-current]").await;
    for path in ["/domains/my.example", "/settings/server", "/queue"] {
        browser.open(&open.url(path)).await;
        faults.extend(judged_in_all(browser, look, (axe, &format!("viewer {path}"))).await);
    }
    faults
}

/// What is wrong with the page that is open; from a desk, in the widths between as well, whose walks do not come here.
async fn judged_in_all(browser: &Browser, look: Look, (axe, name): (&str, &str)) -> Vec<String> {
    let mut faults = judged(browser, look, (axe, name)).await;
    for between in [ZOOMED, MIDDLE].into_iter().filter(|_| look.width == WIDE.width) {
        browser.darken(false).await;
        browser.widen(between.width).await;
        faults.extend(fitted(browser, between, name).await);
        browser.widen(look.width).await;
    }
    faults
}

/// Forms, and what is written into a field of theirs that is refused.
const REFUSED: [(&str, &str, &str); 10] = [
    ("/aliases?new=1", "#local", "a..b"),
    ("/aliases/{alias}", "#f-destinations", "nowhere"),
    ("/aliases/shop-*@my.example", "#f-priority", "many"),
    ("/domains", "#name", "nonsense"),
    ("/domains/my.example", "#f-contact", "nobody@nowhere.example"),
    ("/destinations", "#address", "me@inbox"),
    ("/settings/account", "#email", "other@my.example"),
    ("/settings/people", "#email", "nobody"),
    ("/settings/server", "[id='log.retention']", "for ever"),
    ("/settings/notices", "#to", "nobody"),
];

/// What is wrong with the page that is open, in both shades.
async fn judged(browser: &Browser, look: Look, (axe, name): (&str, &str)) -> Vec<String> {
    let mut faults = told(name, look, &browser.ask(&format!("{SEEN}{MEASURES}")).await);
    // A page has the same parts in both shades: all is judged in one, the colours alone in the other.
    for (dark, only) in [(false, "{}"), (true, COLOURS)] {
        browser.darken(dark).await;
        let axe = if dark { "" } else { axe };
        let found = browser.ask(&format!("{axe}\nreturn {JUDGE}({only})")).await;
        faults.extend(told(name, Look { dark, ..look }, &found));
        faults.extend(told(name, Look { dark, ..look }, &browser.ask(EDGES).await));
        keep(browser, (look, if dark { "dark" } else { "light" }), name).await;
    }
    faults
}

/// Opens every page, and fails with what is wrong with any of them.
async fn walk(look: Look, judge: impl AsyncFn(&Browser, &str) -> Vec<String>) {
    let (house, planted) = House::planted().await;
    let open = Open::to(house).await;
    let browser = open.visitor(look).await;
    let mut faults = Vec::new();
    let mut is_inside = true;
    for place in planted.places() {
        if is_inside && place.whose != Whose::Inside {
            browser.forget_cookies().await;
            is_inside = false;
        }
        browser.open(&open.url(&place.path)).await;
        faults.extend(judge(&browser, place.written).await);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn told(place: &str, look: Look, found: &Value) -> Vec<String> {
    let shade = if look.dark { "dark" } else { "light" };
    let found = found.as_array().unwrap_or_else(|| panic!("{place}: {found}"));
    found.iter().map(|fault| format!("{place} at {} px, {shade}: {}", look.width, fault.as_str().unwrap())).collect()
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
/// What is seen of the page; and that whatever has the focus shows it, and that nothing is too wide, where all is unfolded.
const SEEN: &str = r"
    const faults = [], page = document.documentElement, narrow = innerWidth < 760;
    const seen = e => e.getClientRects().length && !e.closest('.unseen, .skip') && getComputedStyle(e).visibility !== 'hidden';
    const all = css => [...document.querySelectorAll(css)].filter(seen);
    const about = e => e.outerHTML.slice(0, 120);
    const folded = [...document.querySelectorAll('details:not([open])')];
    for (const e of folded) e.open = true;
    if (page.scrollWidth > innerWidth) faults.push(`${page.scrollWidth - innerWidth} px too wide where all is unfolded`);
    const asks = document.querySelector('dialog[open]') ?? document;
    for (const e of all('a[href], button, input:not([type=hidden]), select, textarea, summary')) {
      if (e.matches(':disabled') || e.tabIndex < 0 || !asks.contains(e)) continue;
      e.focus({ preventScroll: true });
      const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(e);
      if (outlineStyle === 'none' || parseFloat(outlineWidth) < 2 || outlineColor === getComputedStyle(document.body).backgroundColor)
        faults.push(`its focus is not seen: ${about(e)}`);
    }
    document.activeElement.blur();
    // What is ours to word fits its field, and no word of a button is broken: a name may be as long as it likes.
    const pen = document.createElement('canvas').getContext('2d'), range = document.createRange(), ARROW = 20;
    const isName = text => /[.@]/.test(text);
    for (const e of all('select')) {
      const { font, paddingLeft, paddingRight } = getComputedStyle(e);
      pen.font = font;
      const room = e.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight) - ARROW;
      for (const { text, value } of e.options)
        if (!isName(value + text) && pen.measureText(text).width > room) faults.push(`cuts \u201c${text}\u201d: ${about(e)}`);
    }
    for (const e of all('[placeholder]')) {
      const { font, paddingLeft, paddingRight } = getComputedStyle(e);
      pen.font = font;
      const room = e.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight) - (e.type === 'search' ? ARROW : 0);
      if (!isName(e.placeholder) && pen.measureText(e.placeholder).width > room) faults.push(`cuts \u201c${e.placeholder}\u201d: ${about(e)}`);
    }
    for (const e of all('.button')) {
      if (e.scrollWidth > e.clientWidth + 1) faults.push(`wider than its button: ${about(e)}`);
      const texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) for (const { 0: word, index } of texts.currentNode.data.matchAll(/[^\s-]+/g)) {
        range.setStart(texts.currentNode, index);
        range.setEnd(texts.currentNode, index + word.length);
        if (range.getClientRects().length > 1 && !isName(word)) faults.push(`breaks \u201c${word}\u201d: ${about(e)}`);
      }
    }
    for (const e of all('.prose code')) {
      const texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) for (const { 0: option, index } of texts.currentNode.data.matchAll(/(?<![\w-])--?\w[\w-]*/g)) {
        range.setStart(texts.currentNode, index);
        range.setEnd(texts.currentNode, index + option.length);
        if (range.getClientRects().length > 1) faults.push(`breaks the option ${option}`);
      }
    }
    for (const e of all('.row :is(.from, .alias-of, .to, .address), .row .address > bdi'))
      if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline') faults.push(`cuts an address: ${about(e)}`);
    for (const e of folded) e.open = false;";
/// What must be told without colours of ours: the edge of whatever can be used, what is current, what a switch says.
const FORCED: &str = r"
    const edge = (e, part) => {
      const { borderTopWidth, borderTopStyle, borderTopColor, backgroundColor } = getComputedStyle(e, part);
      return parseFloat(borderTopWidth) >= 1 && borderTopStyle !== 'none' && borderTopColor !== backgroundColor;
    };
    if (!matchMedia('(forced-colors: active)').matches) faults.push('colours are not forced');
    for (const e of all('button:not(.nav, .switch), .button, .chip, input:not([type=checkbox], [type=radio], [type=hidden]), select, textarea, .notice'))
      if (!edge(e)) faults.push(`has no edge: ${about(e)}`);
    for (const e of all('.switch')) {
      const [track, knob] = ['::before', '::after'].map(part => getComputedStyle(e, part).backgroundColor);
      if (!edge(e, '::before') || track === knob) faults.push(`is no switch: ${about(e)}`);
    }
    for (const e of all('[aria-current]')) {
      const { outlineStyle, borderLeftWidth } = getComputedStyle(e);
      if (outlineStyle === 'none' && parseFloat(borderLeftWidth) < 3) faults.push(`is not seen to be current: ${about(e)}`);
    }
    for (const e of all('[aria-invalid=true]'))
      if (parseFloat(getComputedStyle(e).borderTopWidth) < 3) faults.push(`is not seen to be marked: ${about(e)}`);
    const text = getComputedStyle(document.body).color;
    for (const e of all('svg:not([hidden])'))
      if (getComputedStyle(e).color !== text && !e.closest('a, button')) faults.push(`is not of the text's colour: ${about(e)}`);
    for (const e of all('svg path'))
      if (!['none', text].includes(getComputedStyle(e).stroke)) faults.push(`is a line of our colour: ${about(e)}`);
    return faults;";
/// What is grey else is ink for who asks for more contrast, and a line an edge.
const CONTRAST: &str = r"
    const of = name => getComputedStyle(document.documentElement).getPropertyValue(name);
    return of('--muted') === of('--text') && of('--line') === of('--edge') ? [] : ['no more contrast'];";
/// What axe-core does not measure.
const MEASURES: &str = r"
    if (page.scrollWidth > innerWidth) faults.push(`${page.scrollWidth - innerWidth} px too wide`);
    for (const e of all('body *')) {
      const words = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
      const scale = e.ownerSVGElement ? e.getScreenCTM().a : 1;
      if (words && parseFloat(getComputedStyle(e).fontSize) * scale < 11.9) faults.push(`text too small: ${about(e)}`);
    }
    const grey = document.body.appendChild(document.createElement('i'));
    grey.className = 'muted';
    for (const e of all('.notice *, .chip[aria-current] *, mark *, .rail [aria-current] *'))
      if (e.textContent.trim() && getComputedStyle(e).color === getComputedStyle(grey).color) faults.push(`grey on tint: ${about(e)}`);
    grey.remove();
    for (const e of all('p.wrong'))
      if (!getComputedStyle(e, '::before').content.includes('Error')) faults.push(`is not said to be an error: ${about(e)}`);
    for (const e of all('.row > *'))
      if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth < 96) faults.push(`squeezed: ${about(e)}`);
    const primary = all('.button.primary');
    if (primary.length > 1) faults.push('more than one primary button');
    const after = document.querySelector(document.querySelector('.skip')?.hash || 'main');
    const stops = all('main :is(a[href], button, input:not([type=hidden]), select, textarea, summary)').filter(e =>
      e.tabIndex >= 0 && !e.disabled && after.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING);
    const begins = primary[0]?.form ? stops.find(e => e.form === primary[0].form) : primary[0];
    const at = stops.findIndex(e => e === begins || (e.hash && document.getElementById(e.hash.slice(1)) === begins));
    if (begins && (at < 0 || at >= 8)) faults.push(`${at + 1} Tab stops to ${about(begins)}`);
    for (const e of all('input:not([type=hidden]), select, textarea, button'))
      if (!e.labels?.length && !e.ariaLabel && !e.textContent.trim()) faults.push(`has no name: ${about(e)}`);
    const touched = 'button, .button, input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea, ' +
      '.chip, .rail a, summary, label:has(> input), a.row';
    for (const e of narrow ? all(touched) : [])
      if (e.getBoundingClientRect().height < 43.5) faults.push(`hard to touch: ${about(e)}`);
    const bar = narrow ? all('.rail > ul:first-of-type > li') : [];
    if (new Set(bar.map(e => Math.round(e.getBoundingClientRect().top))).size > 1) faults.push('a crooked bottom bar');
    for (const e of bar) {
      range.selectNodeContents(e);
      if (range.getBoundingClientRect().width > e.clientWidth + .5) faults.push(`wider than its place: ${about(e)}`);
      range.selectNodeContents(e.firstChild.lastChild);
      const words = range.getBoundingClientRect(), EDGE = 8;
      if (words.left < EDGE || words.right > innerWidth - EDGE) faults.push(`at the edge of the screen: ${about(e)}`);
    }
    const menu = narrow && document.querySelector('.more:target');
    if (menu && menu.getBoundingClientRect().bottom > document.querySelector('.rail').getBoundingClientRect().top + .5)
      faults.push('the menu lies on the edge of its bar');
    const line = (e, side) => e && parseFloat(getComputedStyle(e)[`border${side}Width`]) > 0;
    for (const e of all('section > .rows:last-child > li:last-child'))
      if (line(e, 'Bottom') && line(e.closest('section').nextElementSibling, 'Top')) faults.push(`two lines for one: ${about(e)}`);
    return faults;";
/// What axe-core does not measure of the colours: what is asked for within a field, what stands in one that cannot be changed,
/// and the edge that shows a chip.
const EDGES: &str = r"
    const faults = [];
    const light = colour => colour.match(/[\d.]+/g).slice(0, 3).map(part => part / 255)
      .map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
      .reduce((sum, part, i) => sum + part * [.2126, .7152, .0722][i], .05);
    const ratio = (...two) => { const [dark, bright] = two.map(light).sort((a, b) => a - b); return bright / dark; };
    const ground = getComputedStyle(document.body).backgroundColor;
    for (const e of document.querySelectorAll('[placeholder]')) {
      const told = ratio(getComputedStyle(e, '::placeholder').color, getComputedStyle(e).backgroundColor);
      if (told < 4.5) faults.push(`a placeholder of ${told.toFixed(2)}: ${e.outerHTML.slice(0, 120)}`);
    }
    for (const e of document.querySelectorAll(':is(input, select, textarea):disabled')) {
      const { color, backgroundColor, opacity, appearance, borderTopStyle } = getComputedStyle(e);
      const told = ratio(color, e.type === 'checkbox' ? ground : backgroundColor);
      if (borderTopStyle !== 'dashed' && e.type !== 'checkbox') faults.push(`looks as if it could be changed: ${e.outerHTML.slice(0, 120)}`);
      if (told < 4.5 || opacity < 1 || e.type === 'checkbox' && appearance !== 'none')
        faults.push(`faint, ${told.toFixed(2)} at ${opacity}: ${e.outerHTML.slice(0, 120)}`);
    }
    for (const e of document.querySelectorAll('.chip')) {
      const told = ratio(getComputedStyle(e).borderTopColor, ground);
      if (told < 3) faults.push(`an edge of ${told.toFixed(2)}: ${e.outerHTML.slice(0, 120)}`);
    }
    return faults;";

/// Keeps a picture where `PICTURES` names a directory.
async fn keep(browser: &Browser, (look, shade): (Look, &str), place: &str) {
    let Ok(directory) = std::env::var("PICTURES") else { return };
    let parts = place.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join("-");
    let name = if name.is_empty() { "overview" } else { &name };
    let file = format!("{directory}/{name}-{}-{shade}.png", look.width);
    std::fs::write(file, browser.picture(look.width).await).unwrap();
}
