-- Octets of large messages lie in files under the spool, and no more in message_chunks: what an earlier release left there
-- becomes files when the database is opened. The table stays, empty.
-- The file's name; null where the octets are in the row.
alter table messages add column file text;
-- What of the messages lies in files is looked through at every start.
create index messages_apart on messages (id) where octets is null;
