-- Domains of destinations that take no mail, as the DNS says.
create table no_mail (
    domain text primary key,
    why text not null check (why in ('no_such_domain', 'null_mx', 'no_address')),
    -- When it was found first.
    since integer not null
) strict, without rowid;

-- The domains of destinations, one after the other.
create index destinations_by_host on destinations (host);
