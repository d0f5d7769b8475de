-- What the owner is told: causes, as they are remembered, so that a restart tells nothing twice.
create table notices (
    id integer primary key,
    -- A word that stays the same; with the subject, what a cause is known again by.
    cause text not null,
    subject text not null,
    kind text not null,
    severity text not null,
    -- Since when it stands, where that is known.
    since integer,
    what text not null,
    remedy text not null,
    state text not null check (state in ('pending', 'open', 'over')),
    -- When it was seen first, this time; when it was told; since when it is away; when it was over.
    began_at integer not null,
    told_at integer,
    gone_since integer,
    ended_at integer,
    -- How often it has begun lately: what flickers must be away longer to be over.
    turns integer not null,
    -- The addresses that were written to (JSON).
    told text not null,
    unique (cause, subject)
) strict;

-- When the last digest was sent: one row.
create table digests (
    id integer primary key check (id = 1),
    at integer not null
) strict;

-- Mail of ours has more purposes than it had. The code knows which; a check could not be changed with them, so the table is
-- made anew without.
create table deliveries_anew (
    id integer primary key,
    -- The activity row's id.
    uuid blob not null unique check (length(uuid) = 16),
    message_id integer not null references messages (id),
    purpose text not null,
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
    log_row text,
    -- What the sender of a delivery wants to hear of it (RFC 3461), JSON; null where nothing was said.
    wishes text
) strict;
insert into deliveries_anew select id, uuid, message_id, purpose, account_id, domain_id, alias_id, recipient, destination,
    reverse_path, prefix, tls, reportable, tries, state, due_at, node_id, source_address, privacy, charged, log_row, wishes
    from deliveries;
drop table deliveries;
alter table deliveries_anew rename to deliveries;
create index deliveries_by_message on deliveries (message_id);
create index deliveries_by_due on deliveries (due_at) where state in ('due', 'leased');
create index deliveries_by_end on deliveries (due_at) where state = 'kept';
