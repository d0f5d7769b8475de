-- The log: one row for each recipient of each transaction and each of its destinations.

create table activity (
    -- The order of writing, given out by the writer; the keyset of every list.
    seq integer primary key,
    id blob not null check (length(id) = 16),
    transaction_id blob not null check (length(transaction_id) = 16),
    received_at integer not null,
    account_id integer not null,
    domain_id integer,
    alias_id integer,
    -- Of policy::status; a forwarded row with bounced_at is shown as bounced.
    status text not null,
    sender text not null,
    recipient text not null,
    destination text,
    subject text,
    message_id text,
    size integer not null,
    reason text not null,
    sha256_received blob,
    sha256_sent blob,
    next_attempt_at integer,
    bounced_at integer,
    -- How many events it stands for: refusals beyond fifty an hour from one network share a row.
    count integer not null default 1,
    -- What is written once and read with the row (JSON): rule, client, auth, envelope, trace.
    facts text not null,
    -- The attempts so far (a JSON array), and the report to the sender.
    attempts text not null,
    dsn text
) strict;
create unique index activity_by_id on activity (id);
create index activity_by_transaction on activity (transaction_id);
-- Each of these ends in seq, so a page is read backwards without sorting.
create index activity_by_domain on activity (domain_id) where domain_id is not null;
create index activity_by_alias on activity (alias_id) where alias_id is not null;
create index activity_by_status on activity (status);
create index activity_by_account on activity (account_id) where account_id <> 1;
create index activity_by_bounce on activity (account_id) where bounced_at is not null;

-- Between which rows an hour lies, so that times become keys: rows are nearly, but not quite, in order of time.
create table activity_hours (
    hour integer primary key,
    first_seq integer not null,
    last_seq integer not null
) strict;

-- Counts by hour and by day, kept two years: of the instance, a domain, a destination's domain, and of
-- the verdicts of SPF, DKIM and DMARC for a domain. The scope is a key or a name; empty for the instance.
create table counters (
    kind text not null check (kind in ('instance', 'domain', 'site', 'spf', 'dkim', 'dmarc')),
    scope text not null,
    span text not null check (span in ('hour', 'day')),
    -- The first millisecond of the hour or day, UTC.
    start integer not null,
    status text not null,
    n integer not null,
    primary key (kind, scope, span, start, status)
) strict, without rowid;
create index counters_by_age on counters (span, start);

-- Counts of an alias over its life.
create table alias_counts (
    alias_id integer primary key,
    -- Messages accepted, whatever became of them.
    messages integer not null,
    forwarded integer not null,
    refused integer not null,
    dropped integer not null,
    failed integer not null,
    bounced integer not null,
    last_mail_at integer
) strict;

-- Messages accepted by an alias in an hour, for quotas. The hour comes first, so that the present is one place.
create table alias_hours (
    start integer not null,
    alias_id integer not null,
    messages integer not null,
    primary key (start, alias_id)
) strict, without rowid;

-- How an inbox fares. It lies here, not beside the rules, so that a delivery costs no full sync.
create table destination_state (
    -- The folded address.
    address text primary key,
    last_delivered_at integer,
    failing_since integer
) strict, without rowid;

-- Messages answered 250 within a day, to know a repeat whose 250 never reached the client.
create table duplicates (
    -- Over the octets' hash, the reverse-path and the recipient.
    digest blob primary key,
    transaction_id blob not null,
    expires_at integer not null
) strict, without rowid;
create index duplicates_by_age on duplicates (expires_at);
