-- An id is given once: the log and its counts still speak of what had it after that is gone, and who has the next one must
-- not be shown them.
create table highest_ids (
    name text primary key,
    id integer not null
) strict, without rowid;
insert into highest_ids (name, id) values
    ('accounts', (select coalesce(max(id), 0) from accounts)),
    ('domains', (select coalesce(max(id), 0) from domains)),
    -- What the search index has had may be higher.
    ('aliases', (select max(coalesce(max(id), 0), (select upto from alias_feeder)) from aliases));

create trigger account_id_stays after delete on accounts begin
    update highest_ids set id = old.id where name = 'accounts' and id < old.id;
end;
create trigger domain_id_stays after delete on domains begin
    update highest_ids set id = old.id where name = 'domains' and id < old.id;
end;
create trigger alias_id_stays after delete on aliases begin
    update highest_ids set id = old.id where name = 'aliases' and id < old.id;
end;
