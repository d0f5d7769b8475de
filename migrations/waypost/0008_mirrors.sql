-- A mirror has all the aliases of another domain of its account, and none of its own. Nothing is a mirror of a mirror.
alter table domains add column mirror_of integer references domains (id);
create index domains_by_mirror on domains (mirror_of) where mirror_of is not null;
