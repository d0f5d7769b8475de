//! Every statement is prepared against empty, migrated databases, so that none can fail for its words in service.

use sqlx::{Connection, Executor, Row, SqlSafeStr, SqliteConnection};

use super::{ACTIVITY, WAYPOST};

/// The statements of `waypost.db`.
fn of_rules() -> Vec<&'static str> {
    use super::notices;
    use super::queue::{claims, delivery, handling, ledger, shares, staging, stays, stock, tokens as srs};
    use super::rules::{
        alias, alias_feed, alias_list, alias_order, alias_read, alias_ways, alias_words, domain, import, patterns,
        unwell,
    };
    let mut all = super::directory::statements().to_vec();
    all.extend([super::directory::IS_VERIFIED, super::directory::VERIFIED, super::copy::TOUCH_RULES]);
    all.extend(of_accounts());
    all.extend([notices::ALL, notices::KEEP, notices::FORGET, notices::REFUSED]);
    all.extend([notices::LAST_DIGEST, notices::NOTE_DIGEST]);
    all.extend([stays::SUMS, stays::CAME, stays::WAITING, stays::STOCK, unwell::DRIFTING, unwell::AMONG]);
    all.extend([claims::DUE, claims::LEASE_THEM, claims::BY_KEYS, claims::RENEW, claims::GIVE_BACK]);
    all.extend([claims::LAPSE_ALL, claims::BRING_NEAR, claims::NOT_AFTER, claims::NEXT_DUE, claims::LOG_ROWS]);
    all.extend(delivery::INSERT_MESSAGES.all());
    all.extend(delivery::INSERT_DELIVERIES.all());
    all.extend([handling::BY_ID, handling::RETRY, handling::LET_GO, handling::HOLD, handling::REDIRECT]);
    all.extend([handling::STATE, handling::ENDED, handling::AMONG, handling::LISTED, handling::OUTLINE, shares::SUMS]);
    all.extend([handling::NEXT_TRIES, handling::ANSWERED]);
    all.extend([ledger::DELETE, ledger::SWEEP, ledger::PASS_ON, ledger::PUT_BACK, ledger::TOLD]);
    all.extend([staging::NEXT_KEY, staging::READ_INLINE, stock::APART, stock::CHUNK, stock::MOVED]);
    all.extend([stock::DROP_CHUNKS, stock::DROP_STRAY_CHUNKS, stock::HOLD_THEM, super::copy::FILES]);
    all.extend([srs::KNOWN, srs::MAKE_ROOM, srs::ADD, srs::SENDER]);
    all.extend([alias::INSERT, alias::UPDATE, alias::EXISTS, alias::AIM, alias::LIST, alias::ADD_LABELS]);
    all.extend([alias::LABEL, alias::REMOVE, alias::BY_KEY, alias::IS_ON, patterns::OF_ACCOUNT]);
    all.push(alias::INSERT_AGAIN);
    all.extend(alias::CLEAR);
    all.extend([
        alias_read::BY_ID,
        alias_read::BY_PATTERN,
        alias_read::BY_KEYS,
        alias_read::CATCH_ALLS,
        alias_read::TO_DELETE,
        alias_feed::IS_BEHIND,
        alias_feed::LAST,
        alias_feed::FEED,
        alias_feed::FED,
        alias_words::FED_UPTO,
        alias_words::MAY_HAVE,
        alias_list::SOME_OF_DESTINATION,
        domain::SOME_OF_DOMAIN,
        alias_ways::LABELS,
        alias_ways::DOMAINS,
        alias_ways::DESTINATIONS,
    ]);
    all.extend(lists_of_rules().into_iter().map(|(list, _)| list));
    all.push(alias_order::DOMAINS_OF_ACCOUNT);
    all.extend(of_destinations());
    all.extend(of_replacements());
    all.extend([
        domain::INSERT,
        domain::UPDATE,
        domain::NOTE_DNS,
        domain::MIRRORS,
        domain::EXISTS,
        domain::CLEAR,
        domain::REMOVE,
        domain::REMOVED,
        domain::NAMED,
    ]);
    all.extend([domain::GIVE_WAY, domain::UNMIRROR, domain::TAKE_BACK, domain::SOME_ALIASES, domain::SWEEP]);
    all.extend([domain::FORGET, domain::BY_KEY, domain::BY_NAME, domain::OF_NAMES]);
    all.extend([import::BEGIN, import::CLASHES, import::NEXT_ID, import::ADD, import::FINISH, import::UNFINISHED]);
    all.extend([import::sweep::LEFT, import::sweep::SOME, import::sweep::DELETE, import::sweep::FORGET]);
    all.extend([import::sweep::SOME_DESTINATIONS, import::sweep::DELETE_DESTINATIONS]);
    all
}

/// Those of destinations, but for their lists.
fn of_destinations() -> Vec<&'static str> {
    use super::rules::{destination, no_mail, uses, verification};
    let mut all = vec![destination::ADD_MISSING, destination::INSERT, destination::VERIFY, destination::UNSET_DEFAULT];
    all.extend([destination::SET_DEFAULT, destination::USED_BY, destination::UNAIM, destination::REMOVE]);
    all.extend([destination::BY_KEY, destination::BY_ID, destination::BY_ADDRESS, destination::DEFAULT]);
    all.extend([destination::LAST_KEY, destination::UNVERIFIED, uses::CONTACT_OF, uses::TOKENS]);
    all.push(uses::NAMING_NOBODY);
    all.extend([verification::LATELY, verification::KEEP, verification::LOOK, verification::USE]);
    all.extend([verification::LAST, verification::SENDING_DOMAIN, verification::LED, uses::ON_DOMAINS_OF]);
    all.extend([no_mail::HOSTS, no_mail::NOTE, no_mail::FORGET, no_mail::TIDY, no_mail::AMONG, no_mail::IN_USE]);
    all.extend([no_mail::ALL, no_mail::HAS_INBOX]);
    all
}

/// Those by which a destination takes another's place.
fn of_replacements() -> [&'static str; 17] {
    use super::rules::replacement::{
        AIM_ANEW, AIM_BACK, AIM_BESIDE, BEGIN, CHANGED, DROP_DOUBLES, END, MOVE_CONTACT, MOVE_TOKENS, NAME_CONTACT,
        NEXT, STANDING, STEP_END, TOUCH, TOUCH_THEM, UNDER_WAY, UNNAME_CONTACT,
    };
    [
        NAME_CONTACT,
        UNNAME_CONTACT,
        CHANGED,
        TOUCH,
        DROP_DOUBLES,
        AIM_ANEW,
        MOVE_CONTACT,
        MOVE_TOKENS,
        STANDING,
        STEP_END,
        BEGIN,
        UNDER_WAY,
        NEXT,
        END,
        AIM_BACK,
        AIM_BESIDE,
        TOUCH_THEM,
    ]
}

/// Those of accounts.
fn of_accounts() -> Vec<&'static str> {
    use super::accounts::{audit, credentials, idempotency, people, sessions, settings, tokens};
    let mut all = vec![
        audit::INSERT,
        audit::MADE_SINCE,
        audit::END_OF_ALL,
        audit::END_OF_ACCOUNT,
        idempotency::FIND,
        idempotency::CLEAR,
        idempotency::KEEP,
        idempotency::MAKE_ROOM,
        idempotency::CUT,
    ];
    all.extend([
        audit::RENEW,
        audit::LAST_ID,
        audit::BY_ID,
        people::BY_KEY,
        people::BY_ID,
        people::BY_EMAIL,
        people::GRANTS,
        people::MIRRORS,
        people::ADD,
        people::ANY_PASSWORD,
        tokens::SERVED,
    ]);
    all.extend([people::CHANGE, people::END_ALL, people::CLEAR_GRANTS, people::GRANT, people::OWNS, people::REMOVE]);
    all.extend([audit::BETWEEN, audit::LAST]);
    all.extend(people::EMPTY);
    all.push(super::rules::hand_over::COUNTS);
    all.extend(super::rules::hand_over::STEPS);
    all.extend([credentials::BY_EMAIL, credentials::BY_KEY, credentials::SET_PASSWORD, credentials::END_OTHERS]);
    all.extend([credentials::CLEAR_LINKS, credentials::SET_TOTP, credentials::CLEAR_CODES, credentials::ADD_CODES]);
    all.extend([credentials::USE_STEP, credentials::USE_CODE, credentials::CODES_LEFT]);
    all.extend([sessions::ADD_LINK, sessions::CLEAR_LINKS, sessions::LINK, sessions::USE_LINK, sessions::SEEN]);
    all.extend([sessions::ADD_SESSION, sessions::CLEAR_SESSIONS, sessions::SESSION, sessions::END_SESSION]);
    all.extend([sessions::OF_ACCOUNT, sessions::END_BY_ID, sessions::BY_ID, tokens::BY_ID]);
    all.extend([settings::ALL, settings::SET, settings::UNSET]);
    all.extend([tokens::INSERT, tokens::BY_HASH, tokens::OF_ACCOUNT, tokens::USED, tokens::REVOKE]);
    all
}

/// The lists of `waypost.db`, and the step that each runs along.
fn lists_of_rules() -> Vec<(&'static str, &'static str)> {
    [&lists_of_aliases()[..], &other_lists_of_rules()[..]].concat()
}

/// Those of aliases.
const fn lists_of_aliases() -> [(&'static str, &'static str); 19] {
    use super::rules::{alias_list, alias_order, alias_ways};
    [
        (alias_list::AT, "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)"),
        (alias_ways::PLACES, "SEARCH aliases USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (alias_ways::PLACES, "SEARCH aliases USING INDEX aliases_apart (id>? AND id<?)"),
        (
            alias_ways::PLACES,
            "SEARCH aliases USING COVERING INDEX aliases_by_domain (domain_id=? AND rowid>? AND rowid<?)",
        ),
        (
            alias_ways::PLACES,
            "SEARCH aliases USING COVERING INDEX aliases_by_account (account_id=? AND rowid>? AND rowid<?)",
        ),
        (alias_ways::PLACES, "SEARCH aliases USING INDEX aliases_off (id>? AND id<?)"),
        (alias_ways::PLACES, "SEARCH aliases USING INDEX aliases_off_by_domain (domain_id=? AND rowid>? AND rowid<?)"),
        (
            alias_ways::PLACES,
            "SEARCH alias_destinations USING COVERING INDEX alias_destinations_by_destination (destination_id=? AND \
             alias_id>? AND alias_id<?)",
        ),
        (alias_ways::PLACES, "SEARCH aliases USING INDEX aliases_ending (id>? AND id<?)"),
        (alias_ways::PLACES, "SEARCH aliases USING INDEX aliases_patterned (id>? AND id<?)"),
        (alias_ways::PLACES, "SEARCH aliases USING INDEX aliases_unlike (id>? AND id<?)"),
        (
            alias_ways::PLACES,
            "SEARCH alias_labels USING COVERING INDEX alias_labels_by_label (label_id=? AND alias_id>? AND alias_id<?)",
        ),
        (alias_list::UNFINISHED_FROM, "SEARCH imports USING INDEX imports_unfinished"),
        (alias_ways::PLACES, "SCAN alias_words VIRTUAL TABLE INDEX 192:M3><"),
        (alias_order::OLDEST, "SEARCH a USING INTEGER PRIMARY KEY (rowid>?)"),
        (alias_order::OLDEST_PLACES, "SEARCH aliases USING COVERING INDEX aliases_by_domain (domain_id=? AND rowid>?)"),
        (
            alias_order::OLDEST_PLACES,
            "SEARCH aliases USING COVERING INDEX aliases_by_account (account_id=? AND rowid>?)",
        ),
        (alias_order::BY_ADDRESS, "SEARCH a USING INDEX aliases_by_key ((domain_id,kind,key)>(?,?,?) AND domain_id<?)"),
        (
            alias_order::BY_ADDRESS_BACKWARDS,
            "SEARCH a USING INDEX aliases_by_key (domain_id>? AND (domain_id,kind,key)<(?,?,?))",
        ),
    ]
}

/// The others.
const fn other_lists_of_rules() -> [(&'static str, &'static str); 23] {
    use super::accounts::{audit, people};
    use super::queue::handling;
    use super::rules::{destination, domain, uses};
    [
        (audit::OF_ALL, "SEARCH l USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (audit::OF_ACCOUNT, "SEARCH l USING INDEX audit_by_account (account_id=? AND rowid>? AND rowid<?)"),
        (people::LIST, "SEARCH a USING INTEGER PRIMARY KEY (rowid>?)"),
        (destination::OF_ACCOUNT, "SEARCH destinations USING INDEX destinations_by_key (account_id=? AND key>?)"),
        (uses::TEMPLATES, "SEARCH a USING INDEX aliases_patterned (id>?)"),
        (domain::ALL, "SEARCH d USING INDEX sqlite_autoindex_domains_2 (name>?)"),
        (domain::SEEN_BY, "SEARCH d USING INDEX sqlite_autoindex_domains_2 (name>?)"),
        (domain::ALL_BACKWARDS, "SEARCH d USING INDEX sqlite_autoindex_domains_2 (name<?)"),
        (domain::SEEN_BY_BACKWARDS, "SEARCH d USING INDEX sqlite_autoindex_domains_2 (name<?)"),
        (domain::ALL_OLDEST, "SEARCH d USING INTEGER PRIMARY KEY (rowid>?)"),
        (domain::SEEN_BY_OLDEST, "SEARCH d USING INTEGER PRIMARY KEY (rowid>?)"),
        (domain::ALL_NEWEST, "SEARCH d USING INTEGER PRIMARY KEY (rowid<?)"),
        (domain::SEEN_BY_NEWEST, "SEARCH d USING INTEGER PRIMARY KEY (rowid<?)"),
        (
            destination::OF_ACCOUNT_BACKWARDS,
            "SEARCH destinations USING INDEX destinations_by_key (account_id=? AND key<?)",
        ),
        (
            destination::OF_ACCOUNT_OLDEST,
            "SEARCH destinations USING INDEX destinations_by_account (account_id=? AND rowid>?)",
        ),
        (
            destination::OF_ACCOUNT_NEWEST,
            "SEARCH destinations USING INDEX destinations_by_account (account_id=? AND rowid<?)",
        ),
        (destination::OF_ALL, "SEARCH destinations USING INDEX destinations_by_key ((account_id,key)>(?,?))"),
        (destination::OF_ALL_BACKWARDS, "SEARCH destinations USING INDEX destinations_by_key ((account_id,key)<(?,?))"),
        (destination::OF_ALL_OLDEST, "SEARCH destinations USING INTEGER PRIMARY KEY (rowid>?)"),
        (destination::OF_ALL_NEWEST, "SEARCH destinations USING INTEGER PRIMARY KEY (rowid<?)"),
        (destination::OF_ADDRESS, "SEARCH a USING INTEGER PRIMARY KEY (rowid>?)"),
        (destination::OF_ADDRESS, "SEARCH d USING INDEX destinations_by_key (account_id=? AND key=?)"),
        (handling::LIST, "SEARCH q USING INTEGER PRIMARY KEY (rowid>?)"),
    ]
}

/// The statements of `activity.db`.
fn of_log() -> Vec<&'static str> {
    use super::activity::{
        busy, feeder, first_mail, found_words, greylist, hours, inboxes, ledger, list, progress, redirect, repeats,
        reported, retention, row, stats, tally, usage, ways,
    };
    let mut all = row::INSERT.all().to_vec();
    all.extend([super::activity::recipients::LATELY, row::AFTER, tally::TALLIED]);
    all.extend([feeder::NEXT, feeder::CHANGED, feeder::FEED, feeder::AGAIN, super::copy::TOUCH_LOG]);
    all.extend([hours::OPEN_HOUR, hours::CLOSE, hours::WIDEN, hours::FIRST_SINCE, hours::LAST_UNTIL]);
    all.extend([ledger::LAST_SEQ, progress::FIND, progress::APPLY, progress::BY_SEQS]);
    all.extend(lists_of_log().map(|(list, _)| list));
    all.extend([list::BY_ID, list::BY_IDS, list::BY_TRANSACTION, list::BY_MESSAGE_ID]);
    all.extend([
        busy::LAST,
        busy::NEXT,
        busy::BUSIEST,
        busy::BUSIEST_OF_DAYS,
        busy::KEEP,
        busy::FORGET,
        busy::TOP,
        busy::OF_ALIASES,
    ]);
    all.extend([redirect::REDIRECT, reported::REPORTED, first_mail::NOTE, first_mail::HOUR]);
    all.extend([first_mail::ROWS, first_mail::COUNTS]);
    all.extend([ways::WITH_TERMS, ways::BEGINNING, found_words::TEXTS]);
    all.extend([list::SAID, list::KNOWN, list::COUNTS, inboxes::STATES, inboxes::FAILING, inboxes::TAKING]);
    all.extend([inboxes::FORGET, inboxes::BELIEVE]);
    all.extend([repeats::LOAD, repeats::NOTE, repeats::FORGET, repeats::LAST_ROWS, repeats::ANSWERED]);
    all.extend([greylist::LOAD, greylist::SEEN, greylist::NOTE, greylist::FORGET, greylist::MAKE_ROOM]);
    all.extend([retention::OLD, retention::OF_STATUS, retention::OLDEST, retention::DROP, retention::TIDY]);
    all.extend([retention::SIZE, tally::ADD, tally::SHARE, usage::LOAD]);
    all.extend([stats::BY_STATUS, stats::BY_SCOPE, stats::TOP].concat());
    all.extend([stats::SCOPES, stats::BY_DAY]);
    all
}

/// The lists of `activity.db`, and the step that each runs along.
const fn lists_of_log() -> [(&'static str, &'static str); 12] {
    use super::activity::{found_words, latest, list, ways};
    [
        (
            latest::LATEST,
            "SEARCH alias_counts USING COVERING INDEX alias_counts_by_last_mail (last_mail_at>? AND last_mail_at<?)",
        ),
        (list::AT, "SEARCH activity USING INTEGER PRIMARY KEY (rowid=?)"),
        (ways::PLACES, "SEARCH activity USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (ways::PLACES, "SEARCH activity USING COVERING INDEX activity_by_alias (alias_id=? AND rowid>? AND rowid<?)"),
        (
            ways::PLACES,
            "SEARCH activity USING COVERING INDEX activity_of_domain (domain_id=? AND status=? AND rowid>? AND rowid<?)",
        ),
        (
            ways::PLACES,
            "SEARCH activity USING COVERING INDEX activity_of_account (account_id=? AND status=? AND rowid>? AND rowid<?)",
        ),
        (ways::PLACES, "SEARCH activity USING COVERING INDEX activity_by_status (status=? AND rowid>? AND rowid<?)"),
        (ways::PLACES, "SEARCH activity USING INDEX activity_bounced (seq>? AND seq<?)"),
        (ways::PLACES, "SEARCH activity USING INDEX activity_own (seq>? AND seq<?)"),
        (ways::PLACES, "SEARCH terms USING PRIMARY KEY (term=? AND seq>? AND seq<?)"),
        (ways::PLACES, "SCAN words VIRTUAL TABLE INDEX 192:M2><"),
        (found_words::UNKNOWN, "SCAN l VIRTUAL TABLE INDEX 257:"),
    ]
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    for (migrations, statements) in [(&WAYPOST, of_rules()), (&ACTIVITY, of_log())] {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        migrations.run(&mut connection).await.unwrap();
        for statement in statements {
            for part in statement.split("; ") {
                let prepared = connection.prepare(sqlx::AssertSqlSafe(part).into_sql_str()).await;
                assert!(prepared.is_ok(), "{part}: {}", prepared.err().unwrap());
            }
        }
    }
}

/// What SQLite would do for a statement, a line for each step.
async fn plan(connection: &mut SqliteConnection, statement: &'static str) -> Vec<String> {
    let explain = sqlx::AssertSqlSafe(format!("explain query plan {statement}"));
    let steps = sqlx::query(explain).fetch_all(connection).await.unwrap();
    steps.iter().map(|step| step.get::<String, _>("detail")).collect()
}

/// A list reads what it shows, in order: along an index, passing over nothing but domains and labels, which are few.
#[tokio::test]
async fn every_list_walks_an_index() {
    const FEW: [&str; 6] = ["SCAN json_each", "SCAN (subquery", "SCAN j ", "SCAN s", "SCAN w", "SCAN alias_words"];
    const OF_WORDS: &str = "SCAN l VIRTUAL TABLE INDEX 257:";
    for (migrations, lists) in [(&WAYPOST, lists_of_rules()), (&ACTIVITY, lists_of_log().to_vec())] {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        migrations.run(&mut connection).await.unwrap();
        for (list, along) in lists {
            let steps = plan(&mut connection, list).await;
            // Whether SQLite sees that the index alone will do is its own affair.
            let is_along = |step: &String| step == along || step.replace("COVERING ", "") == along;
            assert!(steps.iter().any(is_along), "{list}\nis to have {along}: {steps:#?}");
            let scans: Vec<_> = steps.iter().filter(|step| step.starts_with("SCAN ")).collect();
            assert!(
                scans.iter().all(|scan| *scan == OF_WORDS || FEW.iter().any(|few| scan.starts_with(few))),
                "{list}\n{steps:#?}"
            );
            // Of many domains no more than a page of each is sorted.
            let sorts = steps.iter().any(|step| step == "USE TEMP B-TREE FOR ORDER BY");
            assert!(!sorts || list.contains("union select"), "{list}\n{steps:#?}");
        }
    }
}

/// What a start reads does not grow with the number of aliases and destinations.
#[tokio::test]
async fn a_start_passes_over_neither_aliases_nor_destinations() {
    /// Names of what is read whole: domains, accounts and what they come down to, patterns by their index, lists given.
    const READ_WHOLE: [&str; 8] = ["domains", "d", "o", "f", "some", "(subquery-1)", "json_each", "deliveries"];
    use super::queue::{claims, shares};
    use super::rules::{domain, import};
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    WAYPOST.run(&mut connection).await.unwrap();
    let start =
        [claims::LAPSE_ALL, claims::LOG_ROWS, claims::NEXT_DUE, shares::SUMS, domain::REMOVED, import::UNFINISHED];
    for statement in start.into_iter().chain(super::directory::statements()) {
        let steps = plan(&mut connection, statement).await;
        for scan in steps.iter().filter_map(|step| step.strip_prefix("SCAN ")) {
            let by_index =
                scan == "a USING INDEX aliases_of_patterns" || scan == "imports USING INDEX imports_unfinished";
            let whole = scan.split(' ').next().unwrap_or_default();
            assert!(by_index || READ_WHOLE.contains(&whole), "{statement}\n{steps:#?}");
        }
        let sorted = steps.iter().filter(|step| step.contains("AUTOMATIC"));
        assert!(sorted.into_iter().all(|step| step.starts_with("SEARCH f ")), "{statement}\n{steps:#?}");
    }
}
