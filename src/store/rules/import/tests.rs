//! What lists show of an import that has not finished.

use super::*;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::policy::ids::OWNER;
use crate::store::rules::ListQuery;
use crate::store::{Settings, Store};

async fn opened(directory: &std::path::Path) -> Store {
    let settings = Settings { data_dir: directory.to_owned(), database: directory.join("waypost.db") };
    Store::open(settings, Clock::manual(Moment::from_millis(1)), Chance::seeded(7)).await.unwrap()
}

fn audit() -> AuditEntry {
    AuditEntry {
        at: Moment::from_millis(1),
        account: OWNER,
        actor: "operator".to_owned(),
        action: "alias.import".to_owned(),
        object: String::new(),
        before: None,
        after: None,
    }
}

fn lines(domain: DomainId, names: &[&str]) -> Vec<ImportLine> {
    let destination = crate::mail::Mailbox::parse("me@inbox.example").unwrap();
    let line = |name: &&str| ImportLine { domain, local: (*name).to_owned(), destination: destination.clone() };
    names.iter().map(line).collect()
}

/// What lists show of all aliases, of a domain's, of those that are on, and of a search.
async fn shown(rules: &Rules, domain: DomainId) -> Vec<Vec<String>> {
    let all = ListQuery { limit: 2, ..ListQuery::default() };
    let queries = [
        all.clone(),
        ListQuery { domain: Some(domain), ..all.clone() },
        ListQuery { enabled: Some(true), ..all.clone() },
        ListQuery { search: Some("user".to_owned()), ..all },
    ];
    let mut shown = Vec::new();
    for query in queries {
        let rows = rules.aliases(query).await.unwrap().items;
        shown.push(rows.into_iter().map(|row| row.spec.pattern).collect());
    }
    shown
}

#[tokio::test]
async fn an_unfinished_import_is_not_shown_and_hides_nothing_until_the_next_one_clears_it_away() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path()).await;
    let (rules, now) = (&store.rules, Moment::from_millis(1));
    let name = crate::mail::Domain::parse("my.example").unwrap();
    let domain = rules.add_domain(OWNER, &name, Some(now), audit()).await.unwrap().key;
    let import = |names| rules.import(OWNER, lines(domain, names), watch::channel(0).0, audit());
    import(&["user-old", "user-older"]).await.unwrap();
    let id = rules.writer.change((OWNER, now), |c, needs| Box::pin(begin(c, *needs))).await.unwrap();
    let unfinished = Import { id, account: OWNER, started_at: now };
    let staged = rules.readable(&unfinished, (0, &lines(domain, &["user-x", "user-y"])), &mut Vec::new());
    let step = (unfinished, Arc::new(staged), false);
    rules.writer.change(step, |c, step| Box::pin(write(c, step))).await.unwrap();
    for feed in [false, true] {
        if feed {
            rules.index().await.unwrap();
        }
        let expected = vec![vec!["user-older".to_owned(), "user-old".to_owned()]; 4];
        assert_eq!(shown(rules, domain).await, expected);
    }
    import(&["user-new"]).await.unwrap();
    let expected = vec![vec!["user-new".to_owned(), "user-older".to_owned()]; 4];
    assert_eq!(shown(rules, domain).await, expected);
    assert!(rules.unfinished().await.unwrap().is_empty());
    store.close().await;
}
