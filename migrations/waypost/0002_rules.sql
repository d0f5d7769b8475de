-- Rules: domains, aliases, destinations, and who may write to them.

create table domains (
    id integer primary key,
    uuid blob not null unique check (length(uuid) = 16),
    version integer not null default 1,
    account_id integer not null references accounts (id),
    -- A-labels, lower case.
    name text not null unique,
    verified_at integer,
    subaddressing integer not null default 1,
    keep_tag integer not null default 0,
    srs_domain text,
    contact text,
    -- What the last comparison with DNS said: ok, drift, unknown.
    dns text not null default 'unknown',
    -- Settings of this level, JSON; what is absent is inherited.
    overrides text not null default '{}',
    -- Removed, while its aliases are still being deleted in steps; its name is free again.
    removed_at integer,
    created_at integer not null,
    updated_at integer not null
) strict;
create index domains_by_account on domains (account_id);

-- Who may act on a domain beside its account.
create table domain_roles (
    domain_id integer not null references domains (id) on delete cascade,
    account_id integer not null references accounts (id) on delete cascade,
    role text not null check (role in ('manager', 'viewer')),
    primary key (domain_id, account_id)
) strict, without rowid;

-- Imports in progress and done. The aliases of an import count from the moment that it has finished, all at once.
create table imports (
    id integer primary key,
    account_id integer not null references accounts (id),
    -- Its aliases have ids from here on.
    first_alias_id integer not null,
    started_at integer not null,
    finished_at integer
) strict;

create table aliases (
    id integer primary key,
    uuid blob not null unique check (length(uuid) = 16),
    version integer not null default 1,
    account_id integer not null references accounts (id),
    domain_id integer not null references domains (id),
    kind text not null check (kind in ('address', 'glob', 'regex', 'catch_all')),
    -- As written.
    pattern text not null,
    -- What is looked up: the folded local part; for a pattern the pattern itself.
    key text not null,
    priority integer not null default 0,
    action text not null check (action in ('forward', 'drop', 'reject', 'create', 'webhook')),
    enabled integer not null default 1,
    description text not null default '',
    expires_at integer,
    expires_after_messages integer,
    -- Milliseconds without mail.
    expires_after_idle integer,
    after_expiry text not null default 'refuse' check (after_expiry in ('refuse', 'reject', 'drop', 'delete')),
    -- Messages in rolling 24 hours.
    quota integer,
    privacy text not null default 'off' check (privacy in ('off', 'subject', 'envelope')),
    reject_message text,
    overrides text not null default '{}',
    -- Null, or the import that brought it: until that has finished the alias does not count.
    import_id integer references imports (id),
    created_at integer not null,
    updated_at integer not null
) strict;
create unique index aliases_by_key on aliases (domain_id, kind, key);
-- Lists are newest first: these end in id.
create index aliases_by_domain on aliases (domain_id);
create index aliases_by_account on aliases (account_id) where account_id <> 1;
-- Those that are deleted once they have expired, for upkeep.
create index aliases_to_delete on aliases (id) where after_expiry = 'delete';
-- Patterns and catch-alls are few and are read whole at start; addresses never are.
create index aliases_of_patterns on aliases (domain_id, priority, id) where kind <> 'address';

-- Real inboxes. An address that begins with @ trusts a whole domain.
create table destinations (
    id integer primary key,
    uuid blob not null unique check (length(uuid) = 16),
    version integer not null default 1,
    account_id integer not null references accounts (id),
    address text not null,
    -- The address as it is compared: local part folded.
    key text not null,
    -- '@' and what stands behind the @: the key of the trusted domain that would cover it.
    host text not null,
    verified_at integer,
    is_default integer not null default 0,
    created_at integer not null,
    updated_at integer not null
) strict;
create unique index destinations_by_key on destinations (account_id, key);
create unique index destinations_by_default on destinations (account_id) where is_default = 1;

-- Where an alias sends mail. All of one step get it at once; a later step is for when the earlier ones failed.
create table alias_destinations (
    alias_id integer not null references aliases (id) on delete cascade,
    step integer not null default 0,
    position integer not null,
    destination_id integer references destinations (id),
    -- Instead of a destination: an address computed from a regular expression's captures.
    template text,
    primary key (alias_id, step, position),
    check ((destination_id is null) <> (template is null))
) strict, without rowid;
create index alias_destinations_by_destination on alias_destinations (destination_id) where destination_id is not null;

-- Whom to let in or keep out, at each level. The instance's scope is 0.
create table sender_lists (
    level text not null check (level in ('instance', 'domain', 'alias')),
    scope_id integer not null,
    verdict text not null check (verdict in ('allow', 'block')),
    position integer not null,
    pattern text not null,
    primary key (level, scope_id, verdict, position)
) strict, without rowid;

create table labels (
    id integer primary key,
    account_id integer not null references accounts (id) on delete cascade,
    name text not null,
    unique (account_id, name)
) strict;

create table alias_labels (
    alias_id integer not null references aliases (id) on delete cascade,
    label_id integer not null references labels (id) on delete cascade,
    primary key (alias_id, label_id)
) strict, without rowid;
create index alias_labels_by_label on alias_labels (label_id);
