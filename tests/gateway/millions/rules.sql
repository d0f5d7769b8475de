-- A million aliases on a thousand domains. Account 1 has 897 of the domains, one of them with four aliases in ten; account 2
-- has two, whose mail is scarce; account 3 has a hundred; account 4 has none, and a role on a hundred of account 1.
pragma cache_size = -500000;
insert into accounts (id, uuid, email, role, created_at) values
    (2, randomblob(16), 'two@my.example', 'member', 1), (3, randomblob(16), 'hundred@my.example', 'member', 1),
    (4, randomblob(16), 'roles@my.example', 'member', 1);
with recursive n(i) as (select 2 union all select i + 1 from n where i < 1000)
    insert into domains (id, uuid, account_id, name, verified_at, dns, created_at, updated_at)
    select i, randomblob(16), iif(i > 900, 3, iif(i > 898, 2, 1)), 'd' || i || '.example', 1, iif(i % 300 = 0, 'drift', 'ok'),
        1, 1 from n;
insert into domain_roles (domain_id, account_id, role)
    select id, 4, iif(id % 2 = 0, 'viewer', 'manager') from domains where id between 2 and 101;
with recursive n(i) as (select 2 union all select i + 1 from n where i < 10000)
    insert into destinations (id, uuid, account_id, address, key, host, verified_at, created_at, updated_at)
    select 10 + i, randomblob(16), iif(i > 9997, 4, iif(i > 9990, 3, iif(i > 9980, 2, 1))), 'p' || i || '@inbox.example',
        'p' || i || '@inbox.example', '@inbox.example', iif(i % 2000 = 1, null, 1), 1, 1 from n;
insert into labels (id, account_id, name) values (1, 1, 'rare'), (2, 1, 'common'), (3, 3, 'rare');

-- Aliases 2 to 1000001, in their domains; then a catch-all for each domain.
with recursive n(i) as (select 2 union all select i + 1 from n where i <= 1000000),
    placed as (select i, iif(i % 10 < 4, 1, 2 + i * 7 % 999) as domain from n)
    insert into aliases (id, uuid, account_id, domain_id, kind, pattern, key, action, enabled, description, expires_at,
        created_at, updated_at)
    select i, randomblob(16), iif(domain > 900, 3, iif(domain > 898, 2, 1)), domain,
        iif(i % 100000 = 7, 'glob', iif(i % 100000 = 8, 'regex', 'address')),
        iif(i % 100000 = 7, 'g' || i || '*', iif(i % 100000 = 8, '^n' || i || '-([0-9]+)$', 'user' || i)),
        iif(i % 100000 = 7, 'g' || i || '*', iif(i % 100000 = 8, '^n' || i || '-([0-9]+)$', 'user' || i)),
        iif(i % 1000 = 3, 'drop', iif(i % 20000 = 13, 'reject', 'forward')), i % 1000 <> 5,
        'for the shop ' || (i % 3000), iif(i % 5000 = 1, 4102444800000, null), 1, 1
    from placed;
insert into aliases (id, uuid, account_id, domain_id, kind, pattern, key, action, created_at, updated_at)
    select 1000001 + id, randomblob(16), account_id, id, 'catch_all', '*', '*', iif(id % 50 = 1, 'create', 'forward'), 1, 1
    from domains;
-- One inbox has half of all aliases.
insert into alias_destinations (alias_id, position, destination_id)
    select id, 0, iif(account_id = 2, 9995, iif(account_id = 3, 10004, iif(id % 2 = 0, 9000, 12 + id % 9000)))
    from aliases where id > 1;
insert into alias_labels (alias_id, label_id) select id, 1 from aliases where id % 5000 = 0 and account_id = 1;
insert into alias_labels (alias_id, label_id) select id, 2 from aliases where id % 10 = 0 and account_id = 1;
insert into alias_labels (alias_id, label_id) select id, 3 from aliases where id % 5000 = 9 and account_id = 3;
insert into sender_lists (level, scope_id, verdict, position, pattern)
    select 'alias', id, 'block', 0, '@spam.example' from aliases where id % 1000 = 11;

-- What the search index is fed by the gateway.
insert into alias_words (rowid, place, pattern, description)
    select id, place, pattern, description from alias_texts where id > (select upto from alias_feeder) order by id;
update alias_feeder set upto = (select max(id) from aliases);

-- Mail that waits: five thousand messages, a few of them held.
with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
    insert into messages (id, uuid, received_at, reverse_path, sha256, size, header_octets, eight_bit, international, octets)
    select i, randomblob(16), :now - i * 1000, 'sender@from.example', randomblob(32), 2000, 500, 0, 0, randomblob(2000) from n;
insert into deliveries (id, uuid, message_id, purpose, account_id, domain_id, alias_id, recipient, destination, reverse_path,
    prefix, tls, reportable, tries, state, due_at, charged)
    select id, unhex(printf('%032x', id)), id, 'forward', iif(id % 1000 = 9, 3, 1), iif(id % 1000 = 9, 901, 1), 2 + id,
        'user' || (2 + id) || iif(id % 1000 = 9, '@d901.example', '@my.example'), 'p' || id || '@site' || (id % 40) || '.example',
        'SRS0=aaaaaaaa=AA=from.example=sender@my.example', x'', 'opportunistic', 1, 3, iif(id % 100 = 0, 'held', 'due'),
        iif(id % 100 = 0, null, :now + 86400000), 2000
    from messages;

-- People who look around, programs that ask, and what they did.
insert into sessions (hash, uuid, account_id, created_at, seen_at, expires_at)
    select unhex(value ->> 1), randomblob(16), value ->> 0, :now, :now, :now + 86400000 from json_each(':secrets');
insert into tokens (uuid, account_id, name, hash, prefix, scopes, domains, created_at)
    select randomblob(16), value ->> 0, 'millions', unhex(value ->> 2), 'wp_', '["admin"]', '[]', 1 from json_each(':secrets');
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
    insert into audit (at, account_id, actor, action, object, before, after)
    select :now - (100000 - i) * 1000, iif(i % 1000 = 0, 3, 1), 'session', iif(i % 500 = 0, 'domain.set', 'alias.change'),
        'user' || i || '@my.example', '{"enabled":true}', '{"enabled":false}' from n
