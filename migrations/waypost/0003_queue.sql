-- The queue: messages with their octets, and the deliveries that still want them.

create table messages (
    -- Given out by the writer, never used again while octets of it may be about.
    id integer primary key,
    -- The transaction's id.
    uuid blob not null check (length(uuid) = 16),
    received_at integer not null,
    -- The original reverse-path; empty for the null path.
    reverse_path text not null,
    sha256 blob not null check (length(sha256) = 32),
    size integer not null,
    header_octets integer not null,
    eight_bit integer not null,
    international integer not null,
    -- The octets as received, or null: then they lie in message_chunks.
    octets blob
) strict;

-- Octets of large messages, staged before the message itself is accepted; without a message they mean nothing.
create table message_chunks (
    message_id integer not null,
    number integer not null,
    octets blob not null,
    primary key (message_id, number)
) strict;

create table deliveries (
    id integer primary key,
    -- The activity row's id.
    uuid blob not null unique check (length(uuid) = 16),
    message_id integer not null references messages (id),
    purpose text not null check (purpose in ('forward', 'dsn')),
    account_id integer not null,
    domain_id integer,
    alias_id integer,
    recipient text not null,
    destination text not null,
    -- As rewritten on acceptance, once and for all.
    reverse_path text not null,
    -- The trace fields that go before the octets.
    prefix blob not null,
    tls text not null,
    reportable integer not null,
    tries integer not null,
    state text not null check (state in ('due', 'leased', 'held', 'kept')),
    -- When it is due; when its lease lapses; until when it is kept. Null while held.
    due_at integer,
    -- Which gateway leases it, where several share a database.
    node_id text,
    -- The local address to send from, where one was chosen.
    source_address text,
    privacy text not null default 'off',
    -- Octets that count against its domain's share of the queue: the message's size, once per message and domain.
    charged integer not null,
    -- The activity row as first written (JSON), for when a crash kept it from the log.
    log_row text
) strict;
create index deliveries_by_message on deliveries (message_id);
create index deliveries_by_due on deliveries (due_at) where state in ('due', 'leased');
create index deliveries_by_end on deliveries (due_at) where state = 'kept';

-- Senders whose SRS address would be too long, under the token that stands for them.
create table srs_tokens (
    token text primary key,
    sender text not null unique,
    sender_domain text not null,
    used_at integer not null
) strict, without rowid;
create index srs_tokens_by_domain on srs_tokens (sender_domain, used_at);
