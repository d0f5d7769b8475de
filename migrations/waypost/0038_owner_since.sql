-- The owner's account is made with the database, and had no date. What the audit log has of it first is its beginning; of a
-- new database that is now.
update accounts
set created_at = coalesce((select min(at) from audit where account_id = 1), cast(unixepoch('subsec') * 1000 as integer))
where id = 1 and created_at = 0;
