-- Accounts and what they sign in with. Times are UTC milliseconds everywhere; a uuid is the id that people see.

create table accounts (
    id integer primary key,
    uuid blob not null unique check (length(uuid) = 16),
    version integer not null default 1,
    -- Null until the owner has been through the first set-up.
    email text,
    name text not null default '',
    role text not null check (role in ('owner', 'admin', 'member')),
    -- An Argon2id PHC string.
    password_hash text,
    -- Null while the second factor is off.
    totp_secret blob,
    -- The last TOTP step that was used, so that no code works twice.
    totp_used_step integer,
    disabled_at integer,
    created_at integer not null
) strict;
create unique index accounts_by_email on accounts (email) where email is not null;

-- Account 1 is the owner: everything made at the command line is theirs.
insert into accounts (id, uuid, role, created_at) values (1, randomblob(16), 'owner', 0);

-- Codes that stand in for a lost second factor, each for one use; kept as SHA-256.
create table recovery_codes (
    account_id integer not null references accounts (id) on delete cascade,
    hash blob not null,
    used_at integer,
    primary key (account_id, hash)
) strict, without rowid;

-- Tokens of the API. Only the SHA-256 of a token is kept: it is shown once.
create table tokens (
    id integer primary key,
    uuid blob not null unique check (length(uuid) = 16),
    account_id integer not null references accounts (id) on delete cascade,
    name text not null,
    hash blob not null unique,
    -- The first characters, by which people know it again.
    prefix text not null,
    -- JSON arrays of texts.
    scopes text not null,
    domains text not null,
    default_domain text,
    alias_format text,
    default_destination text,
    expires_at integer,
    last_used_at integer,
    created_at integer not null
) strict;
create index tokens_by_account on tokens (account_id);

-- Sessions of the panel, under the SHA-256 of their cookie.
create table sessions (
    hash blob primary key,
    uuid blob not null unique,
    account_id integer not null references accounts (id) on delete cascade,
    created_at integer not null,
    seen_at integer not null,
    expires_at integer not null,
    -- Where it signed in from, for its owner to recognise.
    ip text,
    agent text
) strict, without rowid;
create index sessions_by_account on sessions (account_id);

-- One-time links: first set-up, sign-in, verification. Used up by the button behind them, never by looking.
create table links (
    hash blob primary key,
    purpose text not null,
    account_id integer not null references accounts (id) on delete cascade,
    -- What it is about, where the purpose needs it: a destination's id.
    subject integer,
    expires_at integer not null,
    used_at integer
) strict, without rowid;

-- What was set in the panel; file and environment come before it. Values are JSON.
create table settings (
    key text primary key,
    value text not null,
    changed_at integer not null
) strict, without rowid;

-- Every change of a rule, a right or a setting: who, what, before and after (JSON).
create table audit (
    id integer primary key,
    at integer not null,
    account_id integer not null,
    actor text not null,
    action text not null,
    object text not null,
    before text,
    after text
) strict;
create index audit_by_account on audit (account_id);

-- Answers by idempotency key, kept for a day.
create table idempotency_keys (
    account_id integer not null,
    key text not null,
    -- SHA-256 of the request, so that a key cannot be used for another one.
    request blob not null,
    status integer not null,
    body text not null,
    created_at integer not null,
    primary key (account_id, key)
) strict, without rowid;
create index idempotency_keys_by_age on idempotency_keys (created_at);
