-- Lists of what is not like the rest must not pass over all the others: patterns and catch-alls, and whatever does
-- something else than send mail on. In the order of the list, which ends in id.
create index aliases_patterned on aliases (id) where kind <> 'address';
create index aliases_unlike on aliases (id) where action <> 'forward';

-- The format of random aliases of a domain; null leaves it to the token, or to us.
alter table domains add column alias_format text;
