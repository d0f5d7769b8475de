-- Mail for an inbox that was put off, try after try, since it last took any: from when until when, the last words, and the row
-- of the log that has them.
alter table destination_state add column deferred_since integer;
alter table destination_state add column deferred_last integer;
alter table destination_state add column deferred_reply text;
alter table destination_state add column deferred_row blob;
