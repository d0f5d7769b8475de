//! Every statement is prepared against empty, migrated databases, so that none can fail for its words in service.

use sqlx::{Connection, Executor, SqlSafeStr, SqliteConnection};

use super::{ACTIVITY, WAYPOST};

/// The statements of `waypost.db`.
fn of_rules() -> Vec<&'static str> {
    use super::accounts::{audit, idempotency, sessions, settings, tokens};
    use super::queue::{claims, delivery, handling, ledger, shares, staging, tokens as srs};
    use super::rules::{alias, alias_read, destination, domain, import};
    let mut all = super::directory::statements().to_vec();
    all.extend([super::directory::IS_VERIFIED, super::copy::TOUCH_RULES]);
    all.extend([audit::INSERT, idempotency::FIND, idempotency::CLEAR, idempotency::KEEP]);
    all.extend([sessions::ADD_LINK, sessions::CLEAR_LINKS, sessions::LINK_IS_GOOD, sessions::USE_LINK]);
    all.extend([sessions::ADD_SESSION, sessions::CLEAR_SESSIONS, sessions::SESSION, sessions::END_SESSION]);
    all.extend([settings::ALL, settings::SET]);
    all.extend([tokens::INSERT, tokens::BY_HASH, tokens::OF_ACCOUNT, tokens::USED, tokens::REVOKE]);
    all.extend([claims::DUE, claims::LEASE_THEM, claims::BY_KEYS, claims::RENEW, claims::GIVE_BACK]);
    all.extend([claims::LAPSE_ALL, claims::NEXT_DUE, claims::LOG_ROWS]);
    all.extend(delivery::INSERT_MESSAGES.all());
    all.extend(delivery::INSERT_DELIVERIES.all());
    all.extend([handling::LIST, handling::BY_ID, handling::RETRY, handling::HOLD, handling::REDIRECT]);
    all.extend([handling::STATE, handling::ENDED, ledger::DELETE, ledger::SWEEP, ledger::PUT_BACK, shares::SUMS]);
    all.extend([staging::NEXT_KEY, staging::CLEAR, staging::ADD, staging::DROP, staging::READ, staging::READ_INLINE]);
    all.extend([srs::KNOWN, srs::MAKE_ROOM, srs::ADD, srs::SENDER]);
    all.extend([alias::INSERT, alias::UPDATE, alias::EXISTS, alias::AIM, alias::LIST, alias::ADD_LABELS]);
    all.extend([alias::LABEL, alias::REMOVE, alias::BY_KEY]);
    all.extend(alias::CLEAR);
    all.extend([
        alias_read::BY_ID,
        alias_read::BY_PATTERN,
        alias_read::ALL,
        alias_read::OF_DOMAIN,
        alias_read::TO_DELETE,
    ]);
    all.extend([destination::ADD_MISSING, destination::INSERT, destination::VERIFY, destination::UNSET_DEFAULT]);
    all.extend([destination::SET_DEFAULT, destination::USED_BY, destination::UNAIM, destination::REMOVE]);
    all.extend([destination::BY_KEY, destination::BY_ID, destination::BY_ADDRESS, destination::ALL]);
    all.extend([domain::INSERT, domain::UPDATE, domain::EXISTS, domain::CLEAR, domain::REMOVE, domain::REMOVED]);
    all.extend([domain::SOME_ALIASES, domain::SWEEP, domain::FORGET, domain::BY_KEY, domain::BY_NAME, domain::ALL]);
    all.extend([import::BEGIN, import::CLASHES, import::NEXT_ID, import::ADD, import::FINISH, import::UNFINISHED]);
    all.extend([import::LEFT, import::SOME, import::DELETE, import::FORGET]);
    all
}

/// The statements of `activity.db`.
fn of_log() -> Vec<&'static str> {
    use super::activity::{feeder, hours, inboxes, ledger, list, progress, retention, row, tally, usage};
    let mut all = row::INSERT.all().to_vec();
    all.extend([row::AFTER, tally::TALLIED]);
    all.extend([feeder::NEXT, feeder::CHANGED, feeder::FEED, feeder::AGAIN, super::copy::TOUCH_LOG]);
    all.extend([hours::OPEN_HOUR, hours::CLOSE, hours::WIDEN, hours::FIRST_SINCE, hours::LAST_UNTIL]);
    all.extend([ledger::LAST_SEQ, progress::FIND, progress::APPLY, progress::BY_SEQS]);
    all.extend([list::OF_ALL, list::OF_ALIAS, list::OF_DOMAIN, list::OF_STATUS, list::OF_MEMBER, list::OF_BOUNCED]);
    all.extend([list::OF_TERM, list::OF_PREFIX, list::OF_WORDS, list::BY_ID, list::BY_TRANSACTION]);
    all.extend([list::KNOWN, list::COUNTS, inboxes::STATES]);
    all.extend([retention::OLD, retention::OF_STATUS, retention::OLDEST, retention::DROP, retention::TIDY]);
    all.extend([retention::SIZE, tally::ADD, tally::SHARE, usage::LOAD]);
    all
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
