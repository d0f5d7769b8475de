-- Search over aliases by any part of their address or note, and lists that stay quick beside a million others.

-- What an alias is found by. Its domain is one piece of three characters that occur nowhere else, so that a search
-- within a domain is one more word; ^^ and @@ mark where the local part begins and ends.
create view alias_texts as
select
    id,
    char(983040 + (domain_id >> 32 & 65535), 983040 + (domain_id >> 16 & 65535), 983040 + (domain_id & 65535)) as place,
    '^^' || key || '@@' as pattern,
    description
from aliases;

-- The pieces of three characters of these texts. Keeps no text of its own, and no positions: what is found is compared.
create virtual table alias_words using fts5 (
    place, pattern, description, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram'
);

-- How far the index is: aliases behind this id are fed to it in steps, a second or two after they were made; until then
-- they are searched one by one. One row.
create table alias_feeder (
    id integer primary key check (id = 1),
    upto integer not null
) strict;
insert into alias_feeder (id, upto) values (1, 0);

create trigger alias_words_added after insert on aliases
when new.id <= (select upto from alias_feeder) begin
    insert into alias_words (rowid, place, pattern, description)
    select id, place, pattern, description from alias_texts where id = new.id;
end;

create trigger alias_words_changed after update of key, description on aliases
when old.id <= (select upto from alias_feeder) and (new.key <> old.key or new.description <> old.description) begin
    delete from alias_words where rowid = old.id;
    insert into alias_words (rowid, place, pattern, description)
    select id, place, pattern, description from alias_texts where id = new.id;
end;

create trigger alias_words_removed after delete on aliases
when old.id <= (select upto from alias_feeder) begin
    delete from alias_words where rowid = old.id;
end;

-- Aliases that no import brought: what is to be seen of the ids that an unfinished import has begun to fill.
create index aliases_apart on aliases (id) where import_id is null;
-- Those that are switched off are few; a list of them must not pass over all the others.
create index aliases_off on aliases (id) where enabled = 0;
create index aliases_off_by_domain on aliases (domain_id) where enabled = 0;
create index imports_unfinished on imports (first_alias_id) where finished_at is null;
-- Lists of domains are by name.
create index domains_by_name_of_account on domains (account_id, name);
-- The first of them is an account's contact where a domain names none.
create index destinations_verified on destinations (account_id) where verified_at is not null;
