-- Mail of ours that asks an inbox whether it wants mail. The queue knows what it is for: a check cannot be changed, so the
-- table is made anew.
create table deliveries_anew (
    id integer primary key,
    -- The activity row's id.
    uuid blob not null unique check (length(uuid) = 16),
    message_id integer not null references messages (id),
    purpose text not null check (purpose in ('forward', 'dsn', 'verification')),
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

-- Of a link that verifies. The inbox that it was sent to, as destinations are compared: a link proves an address, and
-- never whatever row bears a number later.
alter table links add column address text;
-- The activity row of the mail that brought it.
alter table links add column delivery blob;
alter table links add column created_at integer;
create index links_by_address on links (address, created_at) where address is not null;
create index links_by_account on links (account_id, created_at) where address is not null;
